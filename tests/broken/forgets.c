// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: says that it notifies by itself, and forgets to now and then.
#include "tests/broken/base.h"

static int forgets_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct base *q = queue;
    const int result = base_enqueue(queue, handle, item);
    if (result == QUEUE_OK && !base_turn(q, BROKEN_EVERY / 4) && q->env->notify)
        q->env->notify(q->env->notify_argument);
    return result;
}

const struct queue_ops broken_forgets_queue_ops = {
    BASE_OPS("broken_forgets", "forgets to notify"),
    .traits = {BASE_TRAITS, .notifies = true},
    .fini = base_fini,
    .enqueue = forgets_enqueue,
    .dequeue = base_dequeue,
};
