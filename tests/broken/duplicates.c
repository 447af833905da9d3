// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: delivers one item in two hundred twice.
#include "tests/broken/base.h"

static int duplicates_dequeue(void *queue, void *handle, uintptr_t *item)
{
    const int result = base_dequeue(queue, handle, item);
    if (result == QUEUE_OK && base_turn(queue, BROKEN_EVERY))
        base_put(queue, *item, true);
    return result;
}

const struct queue_ops broken_duplicates_queue_ops = {
    BASE_OPS("broken_duplicates", "delivers items twice"),
    .traits = {BASE_TRAITS},
    .fini = base_fini,
    .enqueue = base_enqueue,
    .dequeue = duplicates_dequeue,
};
