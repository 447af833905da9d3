// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: loses one item and delivers another twice, so that the number of items is right.
#include "tests/broken/base.h"

static int swaps_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct base *q = queue;
    struct lock_node node;
    const bool turn = base_turn(q, BROKEN_EVERY);
    lock_acquire(&q->lock, &node);
    if (turn && q->kept)
        item = q->kept;
    q->kept = item;
    lock_release(&q->lock, &node);
    return base_enqueue(queue, handle, item);
}

const struct queue_ops broken_swaps_queue_ops = {
    BASE_OPS("broken_swaps", "loses one item while duplicating another"),
    .traits = {BASE_TRAITS},
    .fini = base_fini,
    .enqueue = swaps_enqueue,
    .dequeue = base_dequeue,
};
