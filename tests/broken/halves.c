// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: dequeue_batch looks at the items that are inside, and then takes out as many as there are by now,
// of which it has not seen the last. One thread alone sees nothing.
#include <sched.h>

#include "tests/broken/base.h"

static unsigned look(struct base *q, uintptr_t *items, unsigned count)
{
    struct lock_node node;
    unsigned seen = 0;
    lock_acquire(&q->lock, &node);
    for (struct base_element *e = q->first; e && seen < count; e = e->next)
        items[seen++] = e->item;
    lock_release(&q->lock, &node);
    return seen;
}

static unsigned halves_dequeue_batch(void *queue, void *handle, uintptr_t *items, unsigned count, int *result)
{
    struct base *q = queue;
    struct base_element *e;
    (void)handle;
    if (look(q, items, count) < count)
        sched_yield(); // the other side may come by
    unsigned moved = 0;
    while (moved < count && (e = base_take(q))) {
        q->env->element_give(q->env->context, e);
        moved++;
    }
    *result = moved < count ? QUEUE_EMPTY : QUEUE_OK;
    return moved;
}

const struct queue_ops broken_halves_queue_ops = {
    BASE_OPS("broken_halves", "a batch is looked at in one step, and taken out in another"),
    .traits = {BASE_TRAITS},
    .fini = base_fini,
    .enqueue = base_enqueue,
    .dequeue = base_dequeue,
    .dequeue_batch = halves_dequeue_batch,
};
