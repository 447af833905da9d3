// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: takes memory behind the back of its environment.
#include "tests/broken/base.h"

#include <stdlib.h>

static int mallocs_enqueue(void *queue, void *handle, uintptr_t item)
{
    if (base_turn(queue, BROKEN_EVERY)) {
        void *volatile memory = malloc(16);
        free(memory);
    }
    return base_enqueue(queue, handle, item);
}

const struct queue_ops broken_mallocs_queue_ops = {
    BASE_OPS("broken_mallocs", "calls malloc by itself"),
    .traits = {BASE_TRAITS},
    .fini = base_fini,
    .enqueue = mallocs_enqueue,
    .dequeue = base_dequeue,
};
