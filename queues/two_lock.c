// SPDX-License-Identifier: Apache-2.0
// A linked queue with a lock at each end, so that one producer and one consumer don't wait for each other.
//
// Source: M. Michael and M. Scott, "Simple, Fast, and Practical Non-Blocking and Blocking Concurrent Queue
// Algorithms", PODC 1996, section 2 and figure 2. What differs: the lock is a parameter, and nodes are taken before
// the critical section and given back after it.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                       enqueue   dequeue   others
//     enqueue, enqueue_prepared                            -         -         -
//     dequeue                                              -         -         -
//     attach, detach, prepare, discard                     -         -         -
//
// Progress: enqueue waits for the lock of the tail, dequeue for the lock of the head, and so for its holder to run; the
// others are wait-free.
//
// The list begins with a dummy, so that `head` and `tail` never need both locks. Where the queue is empty both stand at
// the dummy, and a producer links behind it while a consumer looks whether it did: the one access under different
// locks. Linking is the last that an enqueue does to that node, so a dequeue that finds the link may give the node
// back, `tail` or not: the next producer finds `tail` moved on, by its lock.
#include <errno.h>

#include "core/queue.h"
#include "core/sync/atomic.h"
#include "core/sync/lock.h"
#include "core/sync/sleep_fence.h"

struct two_lock_config {
    uint64_t lock; // number of the lock, not counting the first, "none"
};

struct element {
    _Atomic(struct element *) next;
    uintptr_t item;
};

struct two_lock {
    struct lock tail_lock;
    struct element *tail;
    struct lock head_lock;
    struct element *head; // the dummy
    const struct queue_env *env ALIGNED_LINE;
};

static void two_lock_discard(void *queue, void *element)
{
    const struct queue_env *env = ((struct two_lock *)queue)->env;
    env->element_give(env->context, element);
}

static int two_lock_prepare(void *queue, void **element)
{
    const struct queue_env *env = ((struct two_lock *)queue)->env;
    *element = env->element_take(env->context);
    return *element ? 0 : -ENOMEM;
}

static int two_lock_init(void *queue, const struct queue_env *env, const void *config)
{
    struct two_lock *q = queue;
    const enum lock_kind kind = LOCK_MUTEX + (enum lock_kind)((const struct two_lock_config *)config)->lock;
    void *dummy;
    q->env = env;
    const int error = two_lock_prepare(q, &dummy);
    if (error)
        return error;
    q->head = q->tail = dummy;
    at_init(&q->head->next, NULL);
    lock_init(&q->head_lock, kind);
    lock_init(&q->tail_lock, kind);
    return 0;
}

static int two_lock_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void two_lock_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static int two_lock_enqueue_prepared(void *queue, void *handle, void *element, uintptr_t item)
{
    (void)handle;
    struct two_lock *q = queue;
    struct element *e = element;
    struct lock_node node;
    at_store_rlx(&e->next, NULL);
    PLAIN(e->item) = item;
    lock_acquire(&q->tail_lock, &node);
    struct element *last = q->tail;
    q->tail = e;
    at_store_rel(&last->next, e, AT(two_lock_link, two_lock_next));
    lock_release(&q->tail_lock, &node);
    SLEEP_FENCE(q->env);
    return QUEUE_OK;
}

static int two_lock_enqueue(void *queue, void *handle, uintptr_t item)
{
    void *element;
    const int error = two_lock_prepare(queue, &element);
    return error ? error : two_lock_enqueue_prepared(queue, handle, element, item);
}

static int two_lock_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct two_lock *q = queue;
    struct lock_node node;
    SLEEP_FENCE(q->env);
    lock_acquire(&q->head_lock, &node);
    struct element *dummy = q->head;
    struct element *first = at_load_acq(&dummy->next, AT(two_lock_next, two_lock_link));
    if (first) {
        *item = PLAIN(first->item);
        q->head = first;
    }
    lock_release(&q->head_lock, &node);
    if (!first)
        return QUEUE_EMPTY;
    two_lock_discard(q, dummy);
    return QUEUE_OK;
}

static void two_lock_fini(void *queue)
{
    struct two_lock *q = queue;
    for (struct element *e = q->head, *next; e; e = next) {
        next = at_load_rlx(&e->next);
        two_lock_discard(q, e);
    }
    lock_fini(&q->head_lock);
    lock_fini(&q->tail_lock);
}

static const struct param two_lock_params[] = {
    PARAM_CHOICE(struct two_lock_config, lock, "mutex", &lock_names[LOCK_MUTEX], "lock at each end"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME two_lock_loops
#define QUEUE_LOOPS_ENQUEUE two_lock_enqueue
#define QUEUE_LOOPS_DEQUEUE two_lock_dequeue
#include "core/queue_loops.h"

const struct queue_ops two_lock_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "two_lock",
    .summary = "a linked queue with a lock of your choice at each end",
    .source = "two-lock queue of Michael and Scott, PODC 1996, section 2",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_BLOCKING,
               .dequeue = QUEUE_BLOCKING,
               .empty_exact = true,
               .reclamation = "none needed"},
    .params = two_lock_params,
    .config_size = sizeof(struct two_lock_config),
    .size = sizeof(struct two_lock),
    .align = _Alignof(struct two_lock),
    .handle_align = 1,
    .element_size = sizeof(struct element),
    .init = two_lock_init,
    .fini = two_lock_fini,
    .attach = two_lock_attach,
    .detach = two_lock_detach,
    .enqueue = two_lock_enqueue,
    .dequeue = two_lock_dequeue,
    .prepare = two_lock_prepare,
    .enqueue_prepared = two_lock_enqueue_prepared,
    .discard = two_lock_discard,
    .loops = &two_lock_loops,
};
