// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: follows a pointer to nowhere after two hundred items.
#include "tests/broken/base.h"

static int crashes_enqueue(void *queue, void *handle, uintptr_t item)
{
    volatile struct base_element *volatile nowhere = NULL;
    if (base_turn(queue, BROKEN_EVERY))
        nowhere->item = item;
    return base_enqueue(queue, handle, item);
}

const struct queue_ops broken_crashes_queue_ops = {
    BASE_OPS("broken_crashes", "crashes"),
    .traits = {BASE_TRAITS},
    .fini = base_fini,
    .enqueue = crashes_enqueue,
    .dequeue = base_dequeue,
};
