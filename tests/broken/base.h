// SPDX-License-Identifier: Apache-2.0
// A plain list under a mutex that works. Each queue of this folder is this one, broken on purpose in one way that it
// names: the self-checks must reject every one of them. None of them is for use.
#ifndef READYQ_TESTS_BROKEN_BASE_H
#define READYQ_TESTS_BROKEN_BASE_H

#include <errno.h>

#include "core/queue.h"
#include "core/sync/atomic.h"
#include "core/sync/lock.h"

// How often a queue of this folder misbehaves.
#define BROKEN_EVERY 200u

struct base_element {
    struct base_element *next;
    uintptr_t item;
};

struct base {
    struct lock lock;
    struct base_element *first, **end;
    _Atomic uint64_t turns; // for base_turn
    uintptr_t kept;         // for the one that breaks it
    const struct queue_env *env;
};

// True once in `every` calls.
static inline bool base_turn(struct base *q, uint64_t every)
{
    return at_add_rlx(&q->turns, 1) % every == every - 1;
}

static inline int base_init(void *queue, const struct queue_env *env, const void *config)
{
    (void)config;
    struct base *q = queue;
    lock_init(&q->lock, LOCK_MUTEX);
    q->first = NULL;
    q->end = &q->first;
    at_init(&q->turns, 0);
    q->kept = 0;
    q->env = env;
    return 0;
}

static inline void base_fini(void *queue)
{
    struct base *q = queue;
    for (struct base_element *e = q->first, *next; e; e = next) {
        next = e->next;
        q->env->element_give(q->env->context, e);
    }
    lock_fini(&q->lock);
}

static inline int base_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static inline void base_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static inline int base_put(struct base *q, uintptr_t item, bool in_front)
{
    struct base_element *e = q->env->element_take(q->env->context);
    struct lock_node node;
    if (!e)
        return -ENOMEM;
    e->item = item;
    lock_acquire(&q->lock, &node);
    struct base_element **at = in_front ? &q->first : q->end;
    e->next = *at;
    *at = e;
    if (!e->next)
        q->end = &e->next;
    lock_release(&q->lock, &node);
    return QUEUE_OK;
}

static inline int base_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    return base_put(queue, item, false);
}

// The first element, taken out; NULL: there is none. The lock is held.
static inline struct base_element *base_unlink(struct base *q)
{
    struct base_element *e = q->first;
    if (e) {
        q->first = e->next;
        if (!q->first)
            q->end = &q->first;
    }
    return e;
}

static inline struct base_element *base_take(struct base *q)
{
    struct lock_node node;
    lock_acquire(&q->lock, &node);
    struct base_element *e = base_unlink(q);
    lock_release(&q->lock, &node);
    return e;
}

static inline int base_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct base *q = queue;
    struct base_element *e = base_take(q);
    if (!e)
        return QUEUE_EMPTY;
    *item = e->item;
    q->env->element_give(q->env->context, e);
    return QUEUE_OK;
}

static const struct param base_params[] = {PARAM_END};

// What base promises, and a broken queue does not keep.
#define BASE_TRAITS                                                                                   \
    .producers = QUEUE_MANY, .consumers = QUEUE_MANY, .order = QUEUE_ORDER_FIFO, .empty_exact = true, \
    .enqueue = QUEUE_BLOCKING, .dequeue = QUEUE_BLOCKING, .reclamation = "none needed"

#define BASE_OPS(name_, summary_)                                                                                 \
    .abi_version = QUEUE_ABI_VERSION, .name = name_, .summary = "BROKEN on purpose: " summary_,                   \
    .source = "tests/broken", .params = base_params, .size = sizeof(struct base), .align = _Alignof(struct base), \
    .handle_align = 1, .element_size = sizeof(struct base_element), .attach = base_attach, .detach = base_detach, \
    .init = base_init

#endif
