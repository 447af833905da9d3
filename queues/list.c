// SPDX-License-Identifier: Apache-2.0
// A linked list under one lock: the plainest queue there is, by which to tell what a cleverer one gains. The lock is
// a parameter, and so is a bound.
//
// Source: the single-lock queue that M. Michael and M. Scott compare theirs with in "Simple, Fast, and Practical
// Non-Blocking and Blocking Concurrent Queue Algorithms", PODC 1996. Elements are taken before the critical
// section and given back after it, so that no allocator is called inside.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                       enqueue   dequeue   others
//     enqueue, enqueue_prepared                            -         -         -
//     dequeue                                              -         -         -
//     attach, detach, prepare, discard, length             -         -         -
//
// Progress: enqueue, dequeue and statistics wait for the lock, and so for its holder to run; the others are
// wait-free.
#include <errno.h>

#include "core/queue.h"
#include "core/sync/atomic.h"
#include "core/sync/lock.h"

struct list_config {
    uint64_t lock;     // number of the lock, not counting the first, "none"
    uint64_t capacity; // 0 = unbounded
};

struct element {
    struct element *next;
    uintptr_t item;
};

struct list {
    struct lock lock; // of all that follows
    struct element *first;
    struct element **end;    // where the next element is to be linked
    _Atomic uint64_t length; // written under the lock, read by anyone
    uint64_t dequeued;
    uint64_t capacity;
    const struct queue_env *env;
};

static void list_resolve(const void *config, struct queue_traits *traits)
{
    traits->capacity = ((const struct list_config *)config)->capacity;
    traits->full_exact = traits->capacity > 0;
}

static int list_init(void *queue, const struct queue_env *env, const void *config)
{
    struct list *q = queue;
    const struct list_config *chosen = config;
    lock_init(&q->lock, LOCK_MUTEX + (enum lock_kind)chosen->lock);
    q->first = NULL;
    q->end = &q->first;
    at_init(&q->length, 0);
    q->dequeued = 0;
    q->capacity = chosen->capacity ? chosen->capacity : UINT64_MAX;
    q->env = env;
    return 0;
}

static int list_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void list_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static int list_prepare(void *queue, void **element)
{
    const struct queue_env *env = ((struct list *)queue)->env;
    *element = env->element_take(env->context);
    return *element ? 0 : -ENOMEM;
}

static void list_discard(void *queue, void *element)
{
    const struct queue_env *env = ((struct list *)queue)->env;
    env->element_give(env->context, element);
}

static int list_enqueue_prepared(void *queue, void *handle, void *element, uintptr_t item)
{
    (void)handle;
    struct list *q = queue;
    struct element *e = element;
    struct lock_node node;
    PLAIN(e->next) = NULL;
    PLAIN(e->item) = item;
    lock_acquire(&q->lock, &node);
    const uint64_t length = at_load_rlx(&q->length);
    const bool room = length < q->capacity;
    if (room) {
        *q->end = e;
        q->end = &e->next;
        at_store_rlx(&q->length, length + 1);
    }
    lock_release(&q->lock, &node);
    return room ? QUEUE_OK : QUEUE_FULL;
}

static int list_enqueue(void *queue, void *handle, uintptr_t item)
{
    void *element;
    const int error = list_prepare(queue, &element);
    if (error)
        return error;
    const int result = list_enqueue_prepared(queue, handle, element, item);
    if (result != QUEUE_OK)
        list_discard(queue, element);
    return result;
}

static int list_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct list *q = queue;
    struct lock_node node;
    lock_acquire(&q->lock, &node);
    struct element *e = q->first;
    if (e) {
        q->first = e->next;
        if (!q->first)
            q->end = &q->first;
        at_store_rlx(&q->length, at_load_rlx(&q->length) - 1);
        q->dequeued++;
    }
    lock_release(&q->lock, &node);
    if (!e)
        return QUEUE_EMPTY;
    *item = PLAIN(e->item);
    list_discard(q, e);
    return QUEUE_OK;
}

static uint64_t list_length(void *queue)
{
    return at_load_rlx(&((struct list *)queue)->length);
}

static void list_statistics(void *queue, struct queue_statistics *statistics)
{
    struct list *q = queue;
    struct lock_node node;
    lock_acquire(&q->lock, &node);
    statistics->reclaimed = q->dequeued;
    statistics->memory_bytes = at_load_rlx(&q->length) * sizeof(struct element);
    lock_release(&q->lock, &node);
}

static void list_fini(void *queue)
{
    struct list *q = queue;
    for (struct element *e = q->first, *next; e; e = next) {
        next = e->next;
        list_discard(q, e);
    }
    lock_fini(&q->lock);
}

static const struct param list_params[] = {
    PARAM_CHOICE(struct list_config, lock, "mutex", &lock_names[LOCK_MUTEX], "lock around the list"),
    PARAM_U64(struct list_config, capacity, "0", 0, UINT64_MAX, "items", "items that fit; 0 = unbounded"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME list_loops
#define QUEUE_LOOPS_ENQUEUE list_enqueue
#define QUEUE_LOOPS_DEQUEUE list_dequeue
#include "core/queue_loops.h"

const struct queue_ops list_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "list",
    .summary = "a linked list under one lock of your choice, bounded if you like",
    .source = "single-lock queue as in Michael and Scott, PODC 1996",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_BLOCKING,
               .dequeue = QUEUE_BLOCKING,
               .empty_exact = true,
               .reclamation = "none needed"},
    .params = list_params,
    .config_size = sizeof(struct list_config),
    .size = sizeof(struct list),
    .align = _Alignof(struct list),
    .handle_align = 1,
    .element_size = sizeof(struct element),
    .resolve = list_resolve,
    .init = list_init,
    .fini = list_fini,
    .attach = list_attach,
    .detach = list_detach,
    .enqueue = list_enqueue,
    .dequeue = list_dequeue,
    .prepare = list_prepare,
    .enqueue_prepared = list_enqueue_prepared,
    .discard = list_discard,
    .length = list_length,
    .statistics = list_statistics,
    .loops = &list_loops,
};
