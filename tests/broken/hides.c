// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: answers EMPTY now and then though there are items.
#include "tests/broken/base.h"

static int hides_dequeue(void *queue, void *handle, uintptr_t *item)
{
    return base_turn(queue, BROKEN_EVERY / 20) ? QUEUE_EMPTY : base_dequeue(queue, handle, item);
}

const struct queue_ops broken_hides_queue_ops = {
    BASE_OPS("broken_hides", "answers a false EMPTY"),
    .traits = {BASE_TRAITS},
    .fini = base_fini,
    .enqueue = base_enqueue,
    .dequeue = hides_dequeue,
};
