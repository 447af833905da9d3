// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: does not let go of its lock after two hundred items, so that every thread hangs.
#include "tests/broken/base.h"

static int sticks_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct base *q = queue;
    struct lock_node node;
    const int result = base_enqueue(queue, handle, item);
    // Past the watcher of the order of locks, which would tell at once.
    if (base_turn(q, BROKEN_EVERY))
        q->lock.ops->acquire(&q->lock, &node);
    return result;
}

const struct queue_ops broken_sticks_queue_ops = {
    BASE_OPS("broken_sticks", "gets stuck"),
    .traits = {BASE_TRAITS},
    .fini = base_fini,
    .enqueue = sticks_enqueue,
    .dequeue = base_dequeue,
};
