// SPDX-License-Identifier: Apache-2.0
// SCQ, the scalable circular queue: many to many, bounded, lock-free with single-width compare-and-swap, and no memory
// but two rings and an array.
//
// Source: R. Nikolaev, "A Scalable, Portable, and Memory-Efficient Lock-Free FIFO Queue", DISC 2019: two rings
// of numbers around an array, and the ring SCQ (see scq_ring.h). Different from the paper: more threads than places
// are allowed, by a threshold that knows how many threads there can be. With the paper's 3n - 1,
// tests/test_scq.c finds a FULL that never was.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                       enqueue   dequeue   others
//     enqueue                                              -         -         -
//     dequeue                                              -         -         -
//     attach, detach                                       -         -         -
//
// Progress: enqueue and dequeue are lock-free; attach and detach do nothing.
//
// The array has room for each number below the capacity. An enqueue takes a number from the ring of free ones, writes
// its item there, and puts the number into the ring of used ones; a dequeue goes the other way. So order, and EMPTY,
// are those of the used ring: exact. FULL is that ring's EMPTY on the free one, and says that no number was free: one
// may be in the hands of a dequeue that has its item already, or of an enqueue that is not done, so that the queue
// may hold less than its capacity by as many as there are threads in such a call.
#include <errno.h>

#include "core/queue.h"
#include "queues/scq_ring.h"

struct scq_config {
    uint64_t capacity;
};

struct scq {
    struct scq_ring free;
    struct scq_ring used;
    struct scq_shape shape ALIGNED_LINE;
    uintptr_t *items;
    const struct queue_env *env;
    size_t bytes; // of the memory that begins with the free ring's entries
};

static uint64_t scq_granted(const struct scq_config *config)
{
    uint64_t granted = 1;
    while (granted < config->capacity)
        granted *= 2;
    return granted;
}

static void scq_resolve(const void *config, struct queue_traits *traits)
{
    traits->capacity = scq_granted(config);
}

static int scq_init(void *queue, const struct queue_env *env, const void *config)
{
    struct scq *q = queue;
    const uint64_t numbers = scq_granted(config);
    const unsigned takers = env->producers_max > env->consumers_max ? env->producers_max : env->consumers_max;
    q->env = env;
    q->shape = scq_shape(numbers, takers);
    q->bytes = 2 * q->shape.places * sizeof(uint64_t) + numbers * sizeof(uintptr_t);
    _Atomic uint64_t *entries = env->alloc(env->context, q->bytes, LINE_PAIR, env->node);
    if (!entries)
        return -ENOMEM;
    scq_ring_init(&q->free, &q->shape, entries, numbers);
    scq_ring_init(&q->used, &q->shape, entries + q->shape.places, 0);
    q->items = (uintptr_t *)(entries + 2 * q->shape.places);
    return 0;
}

static void scq_fini(void *queue)
{
    struct scq *q = queue;
    q->env->free(q->env->context, (void *)q->free.entries, q->bytes, q->env->node);
}

static int scq_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void scq_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static int scq_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    struct scq *q = queue;
    const uint64_t number = scq_take(&q->free, &q->shape);
    if (number == SCQ_NOTHING)
        return QUEUE_FULL;
    PLAIN(q->items[number]) = item;
    scq_put(&q->used, &q->shape, number); // this ring is never closed
    return QUEUE_OK;
}

static int scq_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct scq *q = queue;
    const uint64_t number = scq_take(&q->used, &q->shape);
    if (number == SCQ_NOTHING)
        return QUEUE_EMPTY;
    *item = PLAIN(q->items[number]);
    scq_put(&q->free, &q->shape, number);
    return QUEUE_OK;
}

static const struct param scq_params[] = {
    PARAM_U64(struct scq_config, capacity, "1024", 1, UINT64_C(1) << 32, "items", "items that fit; next power of two"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME scq_loops
#define QUEUE_LOOPS_ENQUEUE scq_enqueue
#define QUEUE_LOOPS_DEQUEUE scq_dequeue
#include "core/queue_loops.h"

const struct queue_ops scq_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "scq",
    .summary = "SCQ, a bounded ring with fetch-and-add and single-width compare-and-swap",
    .source = "Nikolaev, DISC 2019 (SCQ)",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .capacity = 1024,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_LOCK_FREE,
               .dequeue = QUEUE_LOCK_FREE,
               .empty_exact = true,
               .reclamation = "none needed"},
    .params = scq_params,
    .config_size = sizeof(struct scq_config),
    .size = sizeof(struct scq),
    .align = _Alignof(struct scq),
    .handle_align = 1,
    .resolve = scq_resolve,
    .init = scq_init,
    .fini = scq_fini,
    .attach = scq_attach,
    .detach = scq_detach,
    .enqueue = scq_enqueue,
    .dequeue = scq_dequeue,
    .loops = &scq_loops,
};
