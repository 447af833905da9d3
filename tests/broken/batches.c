// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: enqueue_batch, now and then, leaves the last item out and says that it is in.
#include "tests/broken/base.h"

static unsigned batches_enqueue_batch(void *queue, void *handle, const uintptr_t *items, unsigned count, int *result)
{
    struct base *q = queue;
    const bool short_by_one = count > 1 && base_turn(q, BROKEN_EVERY);
    unsigned moved = 0;
    *result = QUEUE_OK;
    while (moved < count - short_by_one && (*result = base_enqueue(queue, handle, items[moved])) == QUEUE_OK)
        moved++;
    return *result == QUEUE_OK ? count : moved;
}

const struct queue_ops broken_batches_queue_ops = {
    BASE_OPS("broken_batches", "a batch is said to be in when its last item is not"),
    .traits = {BASE_TRAITS},
    .fini = base_fini,
    .enqueue = base_enqueue,
    .dequeue = base_dequeue,
    .enqueue_batch = batches_enqueue_batch,
};
