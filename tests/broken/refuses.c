// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: counts an item as inside before it knows whether there is room, and takes it back if there is
// none. Meanwhile others are told FULL though there is room. One producer alone sees nothing.
#include <sched.h>

#include "tests/broken/base.h"

#define REFUSES_CAPACITY 8u

struct refuses {
    struct base base;
    _Atomic uint32_t inside;
};

static int refuses_init(void *queue, const struct queue_env *env, const void *config)
{
    struct refuses *q = queue;
    at_init(&q->inside, 0);
    return base_init(&q->base, env, config);
}

static int refuses_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct refuses *q = queue;
    int result = QUEUE_FULL;
    if (at_add_sc(&q->inside, 1, AT(broken_refuses_claim, broken_refuses_leave)) < REFUSES_CAPACITY)
        result = base_enqueue(&q->base, handle, item);
    if (result == QUEUE_FULL && base_turn(&q->base, BROKEN_EVERY))
        sched_yield(); // the others may come by
    if (result != QUEUE_OK)
        at_sub_sc(&q->inside, 1, AT(broken_refuses_back, broken_refuses_leave));
    return result;
}

static int refuses_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct refuses *q = queue;
    const int result = base_dequeue(&q->base, handle, item);
    if (result == QUEUE_OK)
        at_sub_sc(&q->inside, 1, AT(broken_refuses_leave, broken_refuses_claim, broken_refuses_back));
    return result;
}

const struct queue_ops broken_refuses_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "broken_refuses",
    .summary = "BROKEN on purpose: answers a false FULL while another enqueue is refused",
    .source = "tests/broken",
    .traits = {BASE_TRAITS, .capacity = REFUSES_CAPACITY, .full_exact = true},
    .params = base_params,
    .size = sizeof(struct refuses),
    .align = _Alignof(struct refuses),
    .handle_align = 1,
    .element_size = sizeof(struct base_element),
    .init = refuses_init,
    .fini = base_fini,
    .attach = base_attach,
    .detach = base_detach,
    .enqueue = refuses_enqueue,
    .dequeue = refuses_dequeue,
};
