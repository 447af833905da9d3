// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: says that eight items fit, and takes nine.
#include "tests/broken/base.h"

static int overfills_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct base *q = queue;
    struct lock_node node;
    unsigned inside = 0;
    lock_acquire(&q->lock, &node);
    for (const struct base_element *e = q->first; e; e = e->next)
        inside++;
    lock_release(&q->lock, &node);
    return inside > 8 ? QUEUE_FULL : base_enqueue(queue, handle, item);
}

const struct queue_ops broken_overfills_queue_ops = {
    BASE_OPS("broken_overfills", "takes more items than its capacity"),
    .traits = {BASE_TRAITS, .capacity = 8, .full_exact = true},
    .fini = base_fini,
    .enqueue = overfills_enqueue,
    .dequeue = base_dequeue,
};
