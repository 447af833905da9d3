// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: prepares elements and uses others, so that what was prepared for may fail all the same.
#include "tests/broken/base.h"

static int hoards_prepare(void *queue, void **element)
{
    struct base *q = queue;
    *element = q->env->element_take(q->env->context);
    return *element ? 0 : -ENOMEM;
}

static void hoards_discard(void *queue, void *element)
{
    struct base *q = queue;
    q->env->element_give(q->env->context, element);
}

static int hoards_enqueue_prepared(void *queue, void *handle, void *element, uintptr_t item)
{
    const int result = base_enqueue(queue, handle, item);
    if (result == QUEUE_OK)
        hoards_discard(queue, element);
    return result;
}

const struct queue_ops broken_hoards_queue_ops = {
    BASE_OPS("broken_hoards", "does not use what it prepared"),
    .traits = {BASE_TRAITS},
    .fini = base_fini,
    .enqueue = base_enqueue,
    .dequeue = base_dequeue,
    .prepare = hoards_prepare,
    .enqueue_prepared = hoards_enqueue_prepared,
    .discard = hoards_discard,
};
