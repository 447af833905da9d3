// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: a producer swings the end and then links its element. Meanwhile the list is cut there, and a
// consumer that comes to the cut answers EMPTY, whatever other producers have put behind it. RETRY would be right. One
// thread alone sees nothing.
#include <sched.h>

#include "tests/broken/base.h"

struct blinks_element {
    _Atomic(struct blinks_element *) next;
    uintptr_t item;
};

struct blinks {
    _Atomic(struct blinks_element *) last;
    struct blinks_element *first; // consumed already
    struct blinks_element stub;
    _Atomic uint64_t turns;
    const struct queue_env *env;
};

static int blinks_init(void *queue, const struct queue_env *env, const void *config)
{
    struct blinks *q = queue;
    (void)config;
    at_init(&q->stub.next, NULL);
    at_init(&q->last, &q->stub);
    at_init(&q->turns, 0);
    q->first = &q->stub;
    q->env = env;
    return 0;
}

static void give(struct blinks *q, struct blinks_element *e)
{
    if (e != &q->stub)
        q->env->element_give(q->env->context, e);
}

static void blinks_fini(void *queue)
{
    struct blinks *q = queue;
    for (struct blinks_element *e = q->first, *next; e; e = next) {
        next = at_load_rlx(&e->next);
        give(q, e);
    }
}

static int blinks_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct blinks *q = queue;
    struct blinks_element *e = q->env->element_take(q->env->context);
    (void)handle;
    if (!e)
        return -ENOMEM;
    at_init(&e->next, NULL);
    e->item = item;
    struct blinks_element *before = at_xchg_sc(&q->last, e, AT(broken_blinks_swing, broken_blinks_swing));
    if (at_add_rlx(&q->turns, 1) % BROKEN_EVERY == 0)
        sched_yield(); // the others may come by
    at_store_sc(&before->next, e, AT(broken_blinks_link, broken_blinks_look));
    return QUEUE_OK;
}

static int blinks_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct blinks *q = queue;
    struct blinks_element *first = q->first;
    struct blinks_element *next = at_load_sc(&first->next, AT(broken_blinks_look, broken_blinks_link));
    (void)handle;
    if (!next)
        return QUEUE_EMPTY;
    *item = next->item;
    q->first = next;
    give(q, first);
    return QUEUE_OK;
}

const struct queue_ops broken_blinks_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "broken_blinks",
    .summary = "BROKEN on purpose: answers a false EMPTY while an enqueue is under way",
    .source = "tests/broken",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_ONE,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_WAIT_FREE,
               .dequeue = QUEUE_WAIT_FREE,
               .empty_exact = true,
               .reclamation = "none needed"},
    .params = base_params,
    .size = sizeof(struct blinks),
    .align = _Alignof(struct blinks),
    .handle_align = 1,
    .element_size = sizeof(struct blinks_element),
    .init = blinks_init,
    .fini = blinks_fini,
    .attach = base_attach,
    .detach = base_detach,
    .enqueue = blinks_enqueue,
    .dequeue = blinks_dequeue,
};
