// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: loses one item in two hundred.
#include "tests/broken/base.h"

static int loses_enqueue(void *queue, void *handle, uintptr_t item)
{
    return base_turn(queue, BROKEN_EVERY) ? QUEUE_OK : base_enqueue(queue, handle, item);
}

const struct queue_ops broken_loses_queue_ops = {
    BASE_OPS("broken_loses", "loses items"),
    .traits = {BASE_TRAITS},
    .fini = base_fini,
    .enqueue = loses_enqueue,
    .dequeue = base_dequeue,
};
