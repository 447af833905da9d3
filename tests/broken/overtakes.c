// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: keeps two lists and looks through them one after the other, so that an item may be put into the
// first behind its back and overtaken by a later one in the second. Each producer's own order is kept, and one thread
// alone sees nothing.
#include "tests/broken/base.h"

struct overtakes {
    struct base lists[2];
    _Atomic uint64_t stamps; // of elements, in the order in which they go in
};

struct overtakes_element {
    struct base_element base;
    uint64_t stamp;
};

static int overtakes_init(void *queue, const struct queue_env *env, const void *config)
{
    struct overtakes *q = queue;
    at_init(&q->stamps, 0);
    base_init(&q->lists[0], env, config);
    return base_init(&q->lists[1], env, config);
}

static void overtakes_fini(void *queue)
{
    struct overtakes *q = queue;
    base_fini(&q->lists[0]);
    base_fini(&q->lists[1]);
}

static int overtakes_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct overtakes *q = queue;
    struct lock_node node;
    (void)handle;
    struct base *list = &q->lists[item >> 48 & 1]; // the producer's number is up there
    struct overtakes_element *e = list->env->element_take(list->env->context);
    if (!e)
        return -ENOMEM;
    e->base = (struct base_element){.item = item};
    lock_acquire(&list->lock, &node);
    e->stamp = at_add_rlx(&q->stamps, 1);
    *list->end = &e->base;
    list->end = &e->base.next;
    lock_release(&list->lock, &node);
    return QUEUE_OK;
}

static uint64_t oldest(struct base *list)
{
    struct lock_node node;
    lock_acquire(&list->lock, &node);
    const uint64_t stamp = list->first ? ((struct overtakes_element *)list->first)->stamp : UINT64_MAX;
    lock_release(&list->lock, &node);
    return stamp;
}

static int overtakes_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct overtakes *q = queue;
    // The fault: what is found in the first may be out of date when the second is looked at.
    const uint64_t first = oldest(&q->lists[0]), second = oldest(&q->lists[1]);
    const unsigned number = second < first;
    return base_dequeue(&q->lists[number], handle, item) == QUEUE_OK ? QUEUE_OK
                                                                     : base_dequeue(&q->lists[!number], handle, item);
}

const struct queue_ops broken_overtakes_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "broken_overtakes",
    .summary = "BROKEN on purpose: reorders items of different producers",
    .source = "tests/broken",
    .traits = {BASE_TRAITS},
    .params = base_params,
    .size = sizeof(struct overtakes),
    .align = _Alignof(struct overtakes),
    .handle_align = 1,
    .element_size = sizeof(struct overtakes_element),
    .init = overtakes_init,
    .fini = overtakes_fini,
    .attach = base_attach,
    .detach = base_detach,
    .enqueue = overtakes_enqueue,
    .dequeue = overtakes_dequeue,
};
