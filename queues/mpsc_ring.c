// SPDX-License-Identifier: Apache-2.0
// A bounded ring for many producers and one consumer. A producer takes a place by compare-and-swap and then fills it,
// in any order among producers; the consumer writes nothing that producers look at but its own index.
//
// Source: D. Vyukov, "Bounded MPMC queue", 1024cores.net, 2010, for the number in each slot that tells whether it was
// filled. What differs, as there is but one consumer: it does not number the slots that it leaves; producers go by its
// index, of which each keeps a copy that it renews when the ring looks full.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                    enqueue   dequeue   others
//     enqueue                           -         -         -
//     dequeue                           -         X         -
//     attach, detach, length            -         -         -
//
// Progress: enqueue is lock-free (a compare-and-swap fails only if another's succeeds). Dequeue returns after few
// steps, but answers RETRY while the producer of the next place stands still, whatever others have filled behind it:
// blocking. length is wait-free.
//
// Place p is slot p modulo capacity. Its producer writes the item and then p + 1 into the slot's number (release), and
// was allowed to since it had read an index of the consumer above p - capacity (acquire): what the slot held was read.
//
// Why EMPTY is exact: the consumer says it if it reads (seq_cst) that tail equals head, which only itself moves. FULL
// is not: the index is published with release, so a producer may be told FULL some hundred nanoseconds after a dequeue
// returned, while that store still waits in the consumer's processor. An exchange instead would cost each dequeue
// more than all the rest of it.
//
// Why no wake is lost though items are published with release: EMPTY goes by tail alone, and its compare-and-swap and
// the consumer's look are seq_cst, so a producer that was not seen finds the consumer's flag cleared; a place taken and
// not filled is RETRY, with which nobody sleeps. A producer that sleeps at FULL goes by head, hence SLEEP_FENCE.
#include <errno.h>

#include "core/queue.h"
#include "core/sync/atomic.h"
#include "core/sync/sleep_fence.h"

struct mpsc_ring_config {
    uint64_t capacity;
};

struct mpsc_ring_slot {
    _Atomic uint64_t number; // place that it was filled for last, plus 1
    uintptr_t item;
};

struct mpsc_ring_tail {
    _Atomic uint64_t place; // to be taken next
} ALIGNED_LINE;

struct mpsc_ring_head {
    _Atomic uint64_t place; // to be read next; written by the consumer only
} ALIGNED_LINE;

struct mpsc_ring {
    struct mpsc_ring_tail tail;
    struct mpsc_ring_head head;
    struct mpsc_ring_slot *slots ALIGNED_LINE; // nothing from here on changes
    uint64_t capacity;
    const struct queue_env *env;
};

struct mpsc_ring_handle {
    uint64_t head; // a value that the consumer's index had
};

static uint64_t mpsc_ring_granted(const void *config)
{
    uint64_t capacity = 1;
    while (capacity < ((const struct mpsc_ring_config *)config)->capacity)
        capacity *= 2;
    return capacity;
}

static void mpsc_ring_resolve(const void *config, struct queue_traits *traits)
{
    traits->capacity = mpsc_ring_granted(config);
}

static int mpsc_ring_init(void *queue, const struct queue_env *env, const void *config)
{
    struct mpsc_ring *q = queue;
    q->capacity = mpsc_ring_granted(config);
    q->env = env;
    q->slots = env->alloc(env->context, q->capacity * sizeof *q->slots, LINE_PAIR, env->node);
    if (!q->slots)
        return -ENOMEM;
    at_init(&q->tail.place, 0);
    at_init(&q->head.place, 0);
    return 0;
}

static int mpsc_ring_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void mpsc_ring_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

// Whether there is room for `place`. It may have been taken meanwhile, and read even: the difference has a sign.
static bool mpsc_ring_room(struct mpsc_ring *q, struct mpsc_ring_handle *h, uint64_t place)
{
    if (__builtin_expect(place - h->head < q->capacity, 1))
        return true;
    SLEEP_FENCE(q->env);
    h->head = at_load_acq(&q->head.place, AT(mpsc_ring_room, mpsc_ring_leave));
    return (int64_t)(place - h->head) < (int64_t)q->capacity;
}

static int mpsc_ring_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct mpsc_ring *q = queue;
    uint64_t place = at_load_rlx(&q->tail.place);
    do {
        if (!mpsc_ring_room(q, handle, place))
            return QUEUE_FULL;
    } while (!at_cas_sc(&q->tail.place, &place, place + 1, AT(mpsc_ring_take, mpsc_ring_look)));
    struct mpsc_ring_slot *slot = &q->slots[place & (q->capacity - 1)];
    PLAIN(slot->item) = item;
    at_store_rel(&slot->number, place + 1, AT(mpsc_ring_fill, mpsc_ring_read));
    return QUEUE_OK;
}

static int mpsc_ring_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct mpsc_ring *q = queue;
    const uint64_t place = at_load_rlx(&q->head.place);
    struct mpsc_ring_slot *slot = &q->slots[place & (q->capacity - 1)];
    if (at_load_acq(&slot->number, AT(mpsc_ring_read, mpsc_ring_fill)) != place + 1)
        return at_load_sc(&q->tail.place, AT(mpsc_ring_look, mpsc_ring_take)) == place ? QUEUE_EMPTY : QUEUE_RETRY;
    *item = PLAIN(slot->item);
    at_store_rel(&q->head.place, place + 1, AT(mpsc_ring_leave, mpsc_ring_room));
    SLEEP_FENCE(q->env);
    return QUEUE_OK;
}

static uint64_t mpsc_ring_length(void *queue)
{
    struct mpsc_ring *q = queue;
    const uint64_t head = at_load_rlx(&q->head.place), tail = at_load_rlx(&q->tail.place);
    return (int64_t)(tail - head) > 0 ? tail - head : 0;
}

static void mpsc_ring_statistics(void *queue, struct queue_statistics *statistics)
{
    struct mpsc_ring *q = queue;
    statistics->memory_bytes = q->capacity * sizeof *q->slots;
}

static void mpsc_ring_fini(void *queue)
{
    struct mpsc_ring *q = queue;
    q->env->free(q->env->context, q->slots, q->capacity * sizeof *q->slots, q->env->node);
}

static const struct param mpsc_ring_params[] = {
    PARAM_U64(struct mpsc_ring_config, capacity, "1024", 1, 1 << 30, "items",
              "items that fit, rounded up to a power of two"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME mpsc_ring_loops
#define QUEUE_LOOPS_ENQUEUE mpsc_ring_enqueue
#define QUEUE_LOOPS_DEQUEUE mpsc_ring_dequeue
#include "core/queue_loops.h"

const struct queue_ops mpsc_ring_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "mpsc_ring",
    .summary = "a bounded ring, many to one: a place by compare-and-swap, a number in each slot",
    .source = "after D. Vyukov, bounded MPMC queue, 1024cores.net, 2010",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_ONE,
               .capacity = 1024,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_LOCK_FREE,
               .dequeue = QUEUE_BLOCKING,
               .empty_exact = true,
               .reclamation = "none needed"},
    .params = mpsc_ring_params,
    .config_size = sizeof(struct mpsc_ring_config),
    .size = sizeof(struct mpsc_ring),
    .align = _Alignof(struct mpsc_ring),
    .handle_size = sizeof(struct mpsc_ring_handle),
    .handle_align = _Alignof(struct mpsc_ring_handle),
    .resolve = mpsc_ring_resolve,
    .init = mpsc_ring_init,
    .fini = mpsc_ring_fini,
    .attach = mpsc_ring_attach,
    .detach = mpsc_ring_detach,
    .enqueue = mpsc_ring_enqueue,
    .dequeue = mpsc_ring_dequeue,
    .length = mpsc_ring_length,
    .statistics = mpsc_ring_statistics,
    .loops = &mpsc_ring_loops,
};
