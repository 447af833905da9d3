// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: its length counts what went in, and not what came out.
#include "tests/broken/base.h"

static int miscounts_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct base *q = queue;
    const int result = base_enqueue(queue, handle, item);
    if (result == QUEUE_OK)
        at_add_rlx(&q->turns, 1);
    return result;
}

static uint64_t miscounts_length(void *queue)
{
    return at_load_rlx(&((struct base *)queue)->turns);
}

const struct queue_ops broken_miscounts_queue_ops = {
    BASE_OPS("broken_miscounts", "tells a wrong length"),
    .traits = {BASE_TRAITS},
    .fini = base_fini,
    .enqueue = miscounts_enqueue,
    .dequeue = base_dequeue,
    .length = miscounts_length,
};
