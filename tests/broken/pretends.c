// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: says that it took an item for which there was no memory.
#include "tests/broken/base.h"

static int pretends_enqueue(void *queue, void *handle, uintptr_t item)
{
    const int result = base_enqueue(queue, handle, item);
    return result == -ENOMEM ? QUEUE_OK : result;
}

const struct queue_ops broken_pretends_queue_ops = {
    BASE_OPS("broken_pretends", "loses items for want of memory"),
    .traits = {BASE_TRAITS},
    .fini = base_fini,
    .enqueue = pretends_enqueue,
    .dequeue = base_dequeue,
};
