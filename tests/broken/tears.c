// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: dequeue reads the first item, and takes one out later if a count of what was taken says that
// nothing happened in between. The count wraps at four, so that just four that others took look like none: only a
// thread that is stopped in between for so long sees it.
#include "tests/broken/base.h"

#define TEARS_WRAP 4u

static int tears_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct base *q = queue;
    struct lock_node node;
    (void)handle;
    for (;;) {
        lock_acquire(&q->lock, &node);
        const uintptr_t read = q->first ? q->first->item : 0, count = q->kept;
        lock_release(&q->lock, &node);
        if (!read)
            return QUEUE_EMPTY;
        lock_acquire(&q->lock, &node);
        const bool unchanged = q->kept == count && q->first;
        if (unchanged)
            q->kept = (count + 1) % TEARS_WRAP;
        struct base_element *e = unchanged ? base_unlink(q) : NULL;
        lock_release(&q->lock, &node);
        if (!e)
            continue;
        *item = read;
        q->env->element_give(q->env->context, e);
        return QUEUE_OK;
    }
}

const struct queue_ops broken_tears_queue_ops = {
    BASE_OPS("broken_tears", "its dequeue is torn in two"),
    .traits = {BASE_TRAITS},
    .fini = base_fini,
    .enqueue = base_enqueue,
    .dequeue = tears_dequeue,
};
