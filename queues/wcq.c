// SPDX-License-Identifier: Apache-2.0
// wCQ, SCQ made wait-free: many to many, bounded, with two-word compare-and-swap.
//
// Source: R. Nikolaev, B. Ravindran, "wCQ: A Fast Wait-Free Queue with Bounded Memory Usage", SPAA 2022; the ring, and
// what differs from the paper, is in wcq_ring.h and wcq_slow.h, and what it has in common with SCQ in scq_ring.h.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                       enqueue   dequeue   others
//     enqueue                                              -         -         -
//     dequeue                                              -         -         -
//     attach, detach                                       -         -         -
//
// Progress: all wait-free. An operation that was unlucky `patience` times is a request, for which every thread looks
// in one of its operations out of `help_every`, at one thread's requests after the other's. So after at most
// `help_every` times the number of threads operations of each, all that operate work for the same request, or have one
// of their own that is done sooner; and with nobody else moving the ring's ends, 2n tickets are enough for a put, and
// as many as the threshold for a take. Loops within a step are left by who finds that another has done it.
//
// Two rings of numbers around an array, as in scq.c: order and EMPTY are those of the used ring; FULL says that no
// number was free, though one may be in the hands of a thread that is not done.
#include <errno.h>

#include "core/queue.h"
#include "queues/wcq_slow.h"

struct wcq_config {
    uint64_t capacity;
    uint64_t patience;
    uint64_t help_every;
};

struct wcq_handle {
    unsigned self;
    unsigned countdown; // operations until it looks for a request
    unsigned next;      // thread to look at
};

struct wcq {
    struct wcq_ring rings[WCQ_RINGS];
    struct wcq_shape shape ALIGNED_LINE;
    uintptr_t *items;
    struct wcq_thread *threads;
    unsigned patience;
    unsigned help_every;
    const struct queue_env *env;
    size_t bytes; // of the memory that begins with `threads`
};

static void wcq_put(struct wcq_ring *ring, unsigned self, unsigned patience, uint64_t number)
{
    const struct wcq_shape *shape = ring->shape;
    for (; patience > 0; patience--) {
        const uint64_t ticket = at_add_sc(&ring->tail.low, 1, AT(wcq_draw_put, wcq_look_tail, wcq_count, wcq_catch_up));
        struct word_pair *place = wcq_place(ring, ticket);
        const uint64_t turn = wcq_turn(ring, ticket);
        uint64_t found = at_load_sc(&place->low, AT(wcq_look_put, wcq_take, wcq_spoil));
        while ((found & shape->turn) < turn && wcq_may_fill(ring, found, ticket))
            if (at_cas_sc(&place->low, &found, turn | shape->fixed | shape->safe | number,
                          AT(wcq_put, wcq_look_take, wcq_spoil, wcq_take))) {
                wcq_refill(ring);
                return;
            }
    }
    wcq_request(ring, self, number);
    wcq_refill(ring);
}

// WCQ_NOTHING: there was none.
static uint64_t wcq_take(struct wcq_ring *ring, unsigned self, unsigned patience)
{
    uint64_t found;
    if (at_load_sc(&ring->threshold, AT(wcq_spent, wcq_refill, wcq_pay, wcq_pay_slow)) < 0)
        return WCQ_NOTHING;
    for (; patience > 0; patience--) {
        const uint64_t ticket = at_add_sc(&ring->head.low, 1, AT(wcq_draw_take, wcq_look_head, wcq_count));
        if (wcq_find(ring, ticket, &found))
            return wcq_take_out(ring, ticket, found);
        const bool overtaken = wcq_overtaken(ring, ticket);
        if (at_sub_sc(&ring->threshold, 1, AT(wcq_pay, wcq_spent, wcq_spent_slow, wcq_refill, wcq_whole)) <= 0 ||
            overtaken)
            return WCQ_NOTHING;
    }
    const uint64_t ticket = wcq_request(ring, self, WCQ_NOTHING);
    return wcq_find(ring, ticket, &found) ? wcq_take_out(ring, ticket, found) : WCQ_NOTHING;
}

static uint64_t wcq_granted(const struct wcq_config *config)
{
    uint64_t granted = 2; // with fewer, "taken" and "nothing" would be numbers
    while (granted < config->capacity)
        granted *= 2;
    return granted;
}

static void wcq_resolve(const void *config, struct queue_traits *traits)
{
    traits->capacity = wcq_granted(config);
}

static int wcq_init(void *queue, const struct queue_env *env, const void *config)
{
    struct wcq *q = queue;
    const struct wcq_config *chosen = config;
    const uint64_t numbers = wcq_granted(chosen);
    const unsigned threads = env->producers_max + env->consumers_max;
    if (threads >= 1u << WCQ_TAG_THREAD)
        return -EINVAL;
    q->shape = wcq_shape(numbers, threads);
    q->patience = (unsigned)chosen->patience;
    q->help_every = (unsigned)chosen->help_every;
    q->env = env;
    q->bytes = threads * sizeof(struct wcq_thread) + 2 * q->shape.places * sizeof(struct word_pair) +
               numbers * sizeof(uintptr_t);
    q->threads = env->alloc(env->context, q->bytes, LINE_PAIR, env->node);
    if (!q->threads)
        return -ENOMEM;
    struct word_pair *entries = (struct word_pair *)(q->threads + threads);
    for (unsigned i = 0; i < threads; i++)
        for (unsigned j = 0; j < WCQ_RINGS; j++)
            at_init(&q->threads[i].requests[j].local.low, WCQ_OVER);
    wcq_ring_init(&q->rings[WCQ_FREE], &q->shape, entries, q->threads, WCQ_FREE, numbers);
    wcq_ring_init(&q->rings[WCQ_USED], &q->shape, entries + q->shape.places, q->threads, WCQ_USED, 0);
    q->items = (uintptr_t *)(entries + 2 * q->shape.places);
    return 0;
}

static void wcq_fini(void *queue)
{
    struct wcq *q = queue;
    q->env->free(q->env->context, q->threads, q->bytes, q->env->node);
}

static int wcq_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)role;
    (void)kind;
    struct wcq *q = queue;
    struct wcq_handle *h = handle;
    for (unsigned i = 0; i < q->shape.threads; i++) {
        uint32_t lent = 0;
        if (at_cas_acq(&q->threads[i].lent, &lent, 1, AT(wcq_lend, wcq_return))) {
            *h = (struct wcq_handle){.self = i, .countdown = q->help_every, .next = i};
            return 0;
        }
    }
    return -EAGAIN;
}

// Its requests are over.
static void wcq_detach(void *queue, void *handle)
{
    struct wcq *q = queue;
    at_store_rel(&q->threads[((struct wcq_handle *)handle)->self].lent, 0, AT(wcq_return, wcq_lend));
}

static __attribute__((noinline)) void wcq_help_next(struct wcq *q, struct wcq_handle *h)
{
    h->countdown = q->help_every;
    h->next = h->next + 1 == q->shape.threads ? 0 : h->next + 1;
    for (unsigned i = 0; i < WCQ_RINGS; i++)
        wcq_serve(&q->rings[i], h->self, &q->threads[h->next].requests[i]);
}

static int wcq_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct wcq *q = queue;
    struct wcq_handle *h = handle;
    if (__builtin_expect(--h->countdown == 0, 0))
        wcq_help_next(q, h);
    const uint64_t number = wcq_take(&q->rings[WCQ_FREE], h->self, q->patience);
    if (number == WCQ_NOTHING)
        return QUEUE_FULL;
    PLAIN(q->items[number]) = item;
    wcq_put(&q->rings[WCQ_USED], h->self, q->patience, number);
    return QUEUE_OK;
}

static int wcq_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct wcq *q = queue;
    struct wcq_handle *h = handle;
    if (__builtin_expect(--h->countdown == 0, 0))
        wcq_help_next(q, h);
    const uint64_t number = wcq_take(&q->rings[WCQ_USED], h->self, q->patience);
    if (number == WCQ_NOTHING)
        return QUEUE_EMPTY;
    *item = PLAIN(q->items[number]);
    wcq_put(&q->rings[WCQ_FREE], h->self, q->patience, number);
    return QUEUE_OK;
}

static const struct param wcq_params[] = {
    PARAM_U64(struct wcq_config, capacity, "1024", 2, UINT64_C(1) << 32, "items", "items that fit; next power of two"),
    PARAM_U64(struct wcq_config, patience, "16", 0, 1000000, "tries", "tries before others are asked for help"),
    PARAM_U64(struct wcq_config, help_every, "16", 1, 1000000, "operations", "operations between looks for a request"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME wcq_loops
#define QUEUE_LOOPS_ENQUEUE wcq_enqueue
#define QUEUE_LOOPS_DEQUEUE wcq_dequeue
#include "core/queue_loops.h"

const struct queue_ops wcq_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "wcq",
    .summary = "wCQ, a bounded wait-free ring: SCQ with helping",
    .source = "Nikolaev and Ravindran, SPAA 2022",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .capacity = 1024,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_WAIT_FREE,
               .dequeue = QUEUE_WAIT_FREE,
               .empty_exact = true,
               .reclamation = "none needed",
               .needs_cas2 = true},
    .params = wcq_params,
    .config_size = sizeof(struct wcq_config),
    .size = sizeof(struct wcq),
    .align = _Alignof(struct wcq),
    .handle_size = sizeof(struct wcq_handle),
    .handle_align = _Alignof(struct wcq_handle),
    .resolve = wcq_resolve,
    .init = wcq_init,
    .fini = wcq_fini,
    .attach = wcq_attach,
    .detach = wcq_detach,
    .enqueue = wcq_enqueue,
    .dequeue = wcq_dequeue,
    .loops = &wcq_loops,
};
