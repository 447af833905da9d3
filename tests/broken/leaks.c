// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: keeps the elements of items that are still queued at the end.
#include "tests/broken/base.h"

static void leaks_fini(void *queue)
{
    lock_fini(&((struct base *)queue)->lock);
}

const struct queue_ops broken_leaks_queue_ops = {
    BASE_OPS("broken_leaks", "leaks what is still queued"),
    .traits = {BASE_TRAITS},
    .fini = leaks_fini,
    .enqueue = base_enqueue,
    .dequeue = base_dequeue,
};
