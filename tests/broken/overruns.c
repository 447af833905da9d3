// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: writes one byte behind its own memory.
#include "tests/broken/base.h"

static void overruns_fini(void *queue)
{
    ((volatile char *)queue)[sizeof(struct base)] = 1;
    base_fini(queue);
}

const struct queue_ops broken_overruns_queue_ops = {
    BASE_OPS("broken_overruns", "writes beyond its memory"),
    .traits = {BASE_TRAITS},
    .fini = overruns_fini,
    .enqueue = base_enqueue,
    .dequeue = base_dequeue,
};
