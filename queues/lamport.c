// SPDX-License-Identifier: Apache-2.0
// The ring of one producer and one consumer, each of which keeps a copy of how far the other was when it last looked.
//
// Source: L. Lamport, "Specifying Concurrent Program Modules", ACM TOPLAS 5(2), 1983, where this ring is the example;
// that a side need look at the other's count only when its own copy says full or empty: P. Lee, T. Bu and
// G. Chandranmenon, "A Lock-Free, Cache-Efficient Shared Ring Buffer for Multi-Core Architectures", ANCS 2009. Their
// other idea, to publish counts only once per batch, is left to those who call the batch operations: an item that
// enqueue took could otherwise stay hidden.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                       enqueue   dequeue   others
//     enqueue, enqueue_batch                               X         -         -
//     dequeue, dequeue_batch                               -         X         -
//     attach, detach, length                               -         -         -
//
// Progress: all are wait-free.
//
// Items in and out are counted, each count is written by one side only, and a count's lower bits are its place in the
// ring; so the ring's size is a power of two, while the capacity is exactly what was asked for. The count that goes up
// hands the slots over: the release of `in` comes after the item was written, the release of `out` after it was read.
// A copy of the other side's count can only be too small, that is, too careful; so FULL and EMPTY are only
// answered after a look at the count itself.
#include <errno.h>

#include "core/queue.h"
#include "core/sync/atomic.h"
#include "core/sync/sleep_fence.h"

struct lamport_config {
    uint64_t capacity;
};

// What both sides read and nobody writes.
struct lamport_ring {
    uintptr_t *slots;
    uint64_t mask;     // slots less one
    uint64_t capacity; // at most as many as there are slots
    const struct queue_env *env;
} ALIGNED_LINE;

struct lamport_producer {
    _Atomic uint64_t in; // items that ever came in
    uint64_t seen_out;   // `out` when the producer last looked
} ALIGNED_LINE;

struct lamport_consumer {
    _Atomic uint64_t out; // items that ever went out
    uint64_t seen_in;     // `in` when the consumer last looked
} ALIGNED_LINE;

struct lamport {
    struct lamport_ring ring;
    struct lamport_producer producer;
    struct lamport_consumer consumer;
};

static void lamport_resolve(const void *config, struct queue_traits *traits)
{
    traits->capacity = ((const struct lamport_config *)config)->capacity;
}

static int lamport_init(void *queue, const struct queue_env *env, const void *config)
{
    struct lamport *q = queue;
    const uint64_t capacity = ((const struct lamport_config *)config)->capacity;
    uint64_t slots = 1;
    while (slots < capacity)
        slots *= 2;
    q->ring = (struct lamport_ring){.mask = slots - 1, .capacity = capacity, .env = env};
    q->ring.slots = env->alloc(env->context, slots * sizeof *q->ring.slots, LINE_PAIR, env->node);
    if (!q->ring.slots)
        return -ENOMEM;
    at_init(&q->producer.in, 0);
    at_init(&q->consumer.out, 0);
    q->producer.seen_out = 0;
    q->consumer.seen_in = 0;
    return 0;
}

static int lamport_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void lamport_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

// Places free behind `in`, known or looked for if `wanted` are not known to be.
static inline uint64_t lamport_room(struct lamport *q, uint64_t in, uint64_t wanted)
{
    const uint64_t room = q->ring.capacity - (in - q->producer.seen_out);
    if (room >= wanted)
        return room;
    SLEEP_FENCE(q->ring.env);
    q->producer.seen_out = at_load_acq(&q->consumer.out, AT(lamport_seen_out, lamport_out));
    return q->ring.capacity - (in - q->producer.seen_out);
}

// Items ahead of `out`, likewise.
static inline uint64_t lamport_there(struct lamport *q, uint64_t out, uint64_t wanted)
{
    const uint64_t there = q->consumer.seen_in - out;
    if (there >= wanted)
        return there;
    SLEEP_FENCE(q->ring.env);
    q->consumer.seen_in = at_load_acq(&q->producer.in, AT(lamport_seen_in, lamport_in));
    return q->consumer.seen_in - out;
}

static inline void lamport_publish(struct lamport *q, uint64_t in)
{
    at_store_rel(&q->producer.in, in, AT(lamport_in, lamport_seen_in));
    SLEEP_FENCE(q->ring.env);
}

static inline void lamport_free(struct lamport *q, uint64_t out)
{
    at_store_rel(&q->consumer.out, out, AT(lamport_out, lamport_seen_out));
    SLEEP_FENCE(q->ring.env);
}

static int lamport_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    struct lamport *q = queue;
    const uint64_t in = at_load_rlx(&q->producer.in);
    if (lamport_room(q, in, 1) == 0)
        return QUEUE_FULL;
    PLAIN(q->ring.slots[in & q->ring.mask]) = item;
    lamport_publish(q, in + 1);
    return QUEUE_OK;
}

static int lamport_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct lamport *q = queue;
    const uint64_t out = at_load_rlx(&q->consumer.out);
    if (lamport_there(q, out, 1) == 0)
        return QUEUE_EMPTY;
    *item = PLAIN(q->ring.slots[out & q->ring.mask]);
    lamport_free(q, out + 1);
    return QUEUE_OK;
}

static unsigned lamport_enqueue_batch(void *queue, void *handle, const uintptr_t *items, unsigned count, int *result)
{
    (void)handle;
    struct lamport *q = queue;
    const uint64_t in = at_load_rlx(&q->producer.in), room = lamport_room(q, in, count);
    const unsigned moved = room < count ? (unsigned)room : count;
    for (unsigned i = 0; i < moved; i++)
        PLAIN(q->ring.slots[(in + i) & q->ring.mask]) = items[i];
    if (moved > 0)
        lamport_publish(q, in + moved);
    *result = moved == count ? QUEUE_OK : QUEUE_FULL;
    return moved;
}

static unsigned lamport_dequeue_batch(void *queue, void *handle, uintptr_t *items, unsigned count, int *result)
{
    (void)handle;
    struct lamport *q = queue;
    const uint64_t out = at_load_rlx(&q->consumer.out), there = lamport_there(q, out, count);
    const unsigned moved = there < count ? (unsigned)there : count;
    for (unsigned i = 0; i < moved; i++)
        items[i] = PLAIN(q->ring.slots[(out + i) & q->ring.mask]);
    if (moved > 0)
        lamport_free(q, out + moved);
    *result = moved == count ? QUEUE_OK : QUEUE_EMPTY;
    return moved;
}

static uint64_t lamport_length(void *queue)
{
    struct lamport *q = queue;
    const uint64_t out = at_load_rlx(&q->consumer.out), in = at_load_rlx(&q->producer.in);
    return in > out ? in - out : 0;
}

static void lamport_fini(void *queue)
{
    const struct lamport_ring *ring = &((struct lamport *)queue)->ring;
    ring->env->free(ring->env->context, ring->slots, (ring->mask + 1) * sizeof *ring->slots, ring->env->node);
}

static const struct param lamport_params[] = {
    PARAM_U64(struct lamport_config, capacity, "1024", 1, UINT64_C(1) << 30, "items", "items that fit"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME lamport_loops
#define QUEUE_LOOPS_ENQUEUE lamport_enqueue
#define QUEUE_LOOPS_DEQUEUE lamport_dequeue
#include "core/queue_loops.h"

const struct queue_ops lamport_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "lamport",
    .summary = "a bounded ring of one producer and one consumer with cached counts",
    .source = "Lamport, TOPLAS 1983; cached counts as in Lee et al. (MCRingBuffer), ANCS 2009",
    .traits = {.producers = QUEUE_ONE,
               .consumers = QUEUE_ONE,
               .capacity = 1024,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_WAIT_FREE,
               .dequeue = QUEUE_WAIT_FREE,
               .empty_exact = true,
               .full_exact = true,
               .reclamation = "none needed"},
    .params = lamport_params,
    .config_size = sizeof(struct lamport_config),
    .size = sizeof(struct lamport),
    .align = _Alignof(struct lamport),
    .handle_align = 1,
    .resolve = lamport_resolve,
    .init = lamport_init,
    .fini = lamport_fini,
    .attach = lamport_attach,
    .detach = lamport_detach,
    .enqueue = lamport_enqueue,
    .dequeue = lamport_dequeue,
    .enqueue_batch = lamport_enqueue_batch,
    .dequeue_batch = lamport_dequeue_batch,
    .length = lamport_length,
    .loops = &lamport_loops,
};
