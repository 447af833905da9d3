// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: lets one item in two hundred overtake all that wait.
#include "tests/broken/base.h"

static int reorders_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    return base_put(queue, item, base_turn(queue, BROKEN_EVERY));
}

const struct queue_ops broken_reorders_queue_ops = {
    BASE_OPS("broken_reorders", "delivers items out of order"),
    .traits = {BASE_TRAITS},
    .fini = base_fini,
    .enqueue = reorders_enqueue,
    .dequeue = base_dequeue,
};
