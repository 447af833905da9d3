// SPDX-License-Identifier: Apache-2.0
// d-CBO, balanced operations: n FIFO queues side by side. An enqueue looks at d of them, chosen at random, and goes to
// the one that was enqueued to least often; a dequeue to the one, of d others, that was dequeued from least often. So
// threads seldom meet, and an item overtakes few others, mostly.
//
// Source: K. von Geijer, P. Tsigas, E. Johansson and S. Hermansson, "Balanced Allocations over Efficient Queues: A Fast
// Relaxed FIFO Queue", PPoPP 2025. As in one of its variants, the sub-queues are those of P. Ramalhete and A. Correia,
// "FAAArrayQueue", Concurrency Freaks, 2016: lists of array segments in which a place is found by fetch-and-add. What
// differs: a dequeue does not look at the producers' counter if the next cell holds an item; `tail` leaves a segment
// before `head` does; freed segments are kept for reuse; which reclamation is a parameter. By default it is by epochs:
// with hazard pointers each look at a sub-queue has to announce a segment.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                       enqueue   dequeue   others
//     enqueue                                              -         -         -
//     dequeue                                              -         -         -
//     attach, detach, statistics                           -         -         -
//
// Progress: enqueue and dequeue are lock-free, as far as the allocator is, and the reclamation (epochs: memory grows
// while a thread stands still). An enqueue starts again if a dequeuer gave up its cell, and dequeuers give up cells
// only of sub-queues to which enqueuers are coming; a dequeue that found nothing looks once more over all of them only
// if there was an enqueue.
//
// Order. No bound holds for what an item overtakes, so the trait says 'unordered'. By the paper it is
// O(n log log n / log d) with high probability, for a collection of executions; --check full tells what it was.
//
// A sub-queue's counts are those that it has anyhow: the cells of the segments before, and the numbers taken in this
// one. The count of enqueues changes before an item is put into a cell, or, if the item comes with a new segment,
// before its enqueue returns and before it can be taken (tail is moved on by then).
//
// Why EMPTY is exact. A dequeue went over all sub-queues: it read the count of enqueues of each, and then found it
// empty, that is with a dequeuer for each number an enqueuer had. Then it went over them again, and no count had
// changed. Take the moment between. An item put in a sub-queue before that was found empty had a dequeuer, at work at
// the least, by then. One that was put in later got its number before, and then its dequeuer was at work already; or it
// came with a new segment, and then its enqueue has not returned when the counts are read again, nor was it taken: it
// may be said to happen afterwards. So at that moment nothing need be inside.
#include "queues/dcbo_segments.h"

// Segments are kept for reuse: two for each sub-queue, and as many as make up so many cells.
#define DCBO_SPARE_CELLS 4096u

struct dcbo_config {
    uint64_t queues;
    uint64_t choices;
    uint64_t segment; // cells in each
    uint64_t reclaim; // enum reclaim_kind
};

static void dcbo_resolve(const void *config, struct queue_traits *traits)
{
    traits->reclamation = reclaim_traits[((const struct dcbo_config *)config)->reclaim];
}

// Those that are linked in the first `count` sub-queues.
static void dcbo_free_segments(struct dcbo *q, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        for (struct segment *segment = at_load_rlx(&q->subs[i].head), *next; segment; segment = next) {
            next = at_load_rlx(&segment->next);
            spares_free(&q->spares, &segment->retired);
        }
    }
}

static int dcbo_init(void *queue, const struct queue_env *env, const void *config)
{
    struct dcbo *q = queue;
    const struct dcbo_config *chosen = config;
    struct reclaim_node *none = NULL;
    q->cells = chosen->segment;
    q->queues = (uint32_t)chosen->queues;
    q->choices = (uint32_t)chosen->choices;
    at_init(&q->handles, 0);
    spares_init(&q->spares, env, sizeof(struct segment) + q->cells * sizeof(uintptr_t),
                2 * q->queues + DCBO_SPARE_CELLS / q->cells);
    for (uint32_t i = 0; i < q->queues; i++) {
        struct segment *first = (struct segment *)spares_take(&q->spares, &none);
        if (!first) {
            dcbo_free_segments(q, i);
            return -ENOMEM;
        }
        at_init(&q->subs[i].head, first);
        at_init(&q->subs[i].tail, first);
    }
    const int error = reclaim_init(&q->reclaim, (enum reclaim_kind)chosen->reclaim, env, segment_give, q);
    if (error) {
        dcbo_free_segments(q, q->queues);
        return error;
    }
    reclaim_expect(&q->reclaim, q->cells);
    tally_init(&q->tally);
    return 0;
}

static int dcbo_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)role;
    (void)kind;
    struct dcbo *q = queue;
    struct dcbo_handle *h = handle;
    h->record = reclaim_attach(&q->reclaim);
    if (!h->record)
        return -EAGAIN;
    h->random = random_seed(at_add_rlx(&q->handles, 1));
    tally_attach(&q->tally, &h->tally);
    return 0;
}

static void dcbo_detach(void *queue, void *handle)
{
    struct dcbo *q = queue;
    struct dcbo_handle *h = handle;
    spares_return(&q->spares, h->spares);
    reclaim_detach(h->record);
    tally_detach(&q->tally, &h->tally);
}

// Of `choices` sub-queues the one with the least count.
static inline __attribute__((always_inline)) uint32_t
dcbo_choose(struct dcbo *q, struct dcbo_handle *h,
            uint64_t (*count)(const struct dcbo *, struct dcbo_handle *, struct sub_queue *))
{
    uint32_t best = random_below(&h->random, q->queues);
    uint64_t least = q->choices > 1 ? count(q, h, &q->subs[best]) : 0;
    for (uint32_t i = 1; i < q->choices; i++) {
        const uint32_t other = random_below(&h->random, q->queues);
        h->slot ^= 1;
        const uint64_t counted = count(q, h, &q->subs[other]);
        if (counted < least) {
            least = counted;
            best = other;
        } else {
            h->slot ^= 1;
        }
    }
    return best;
}

static int dcbo_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct dcbo *q = queue;
    struct dcbo_handle *h = handle;
    int result;
    reclaim_enter(h->record);
    struct sub_queue *sub = &q->subs[dcbo_choose(q, h, sub_enqueues)];
    while ((result = sub_put(q, h, sub, item)) == QUEUE_RETRY)
        tally_count(&h->tally, DCBO_RETRIES);
    reclaim_leave(h->record);
    return result;
}

// From any sub-queue, `at` being the first to look into. 0: all were empty at once.
static uintptr_t dcbo_sweep(struct dcbo *q, struct dcbo_handle *h, uint32_t at)
{
    bool changed;
    do {
        changed = false;
        for (uint32_t i = 0; i < q->queues; i++) {
            h->counts[at] = sub_enqueues(q, h, &q->subs[at]);
            const uintptr_t item = sub_get(q, h, &q->subs[at]);
            if (item)
                return item;
            at = at + 1 == q->queues ? 0 : at + 1;
        }
        for (uint32_t i = 0; i < q->queues && !changed; i++)
            changed = sub_enqueues(q, h, &q->subs[i]) != h->counts[i];
    } while (changed);
    return 0;
}

static int dcbo_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct dcbo *q = queue;
    struct dcbo_handle *h = handle;
    reclaim_enter(h->record);
    const uint32_t chosen = dcbo_choose(q, h, sub_dequeues);
    uintptr_t found = sub_get(q, h, &q->subs[chosen]);
    if (!found)
        found = dcbo_sweep(q, h, chosen);
    reclaim_leave(h->record);
    if (!found)
        return QUEUE_EMPTY;
    *item = found;
    return QUEUE_OK;
}

static void dcbo_statistics(void *queue, struct queue_statistics *statistics)
{
    statistics->retries = tally_sum(&((struct dcbo *)queue)->tally, DCBO_RETRIES);
}

static void dcbo_fini(void *queue)
{
    struct dcbo *q = queue;
    reclaim_fini(&q->reclaim);
    dcbo_free_segments(q, q->queues);
    spares_fini(&q->spares);
    tally_fini(&q->tally);
}

static const struct param dcbo_params[] = {
    PARAM_U64(struct dcbo_config, queues, "8", 1, DCBO_QUEUES_MOST, "queues", "sub-queues"),
    PARAM_U64(struct dcbo_config, choices, "2", 1, 16, "queues", "of which so many are looked at"),
    PARAM_U64(struct dcbo_config, segment, "1024", 1, 1 << 20, "items", "cells in a segment of a sub-queue"),
    PARAM_CHOICE(struct dcbo_config, reclaim, "epoch", reclaim_names,
                 "how memory is reclaimed; leak is no queue to use"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME dcbo_loops
#define QUEUE_LOOPS_ENQUEUE dcbo_enqueue
#define QUEUE_LOOPS_DEQUEUE dcbo_dequeue
#include "core/queue_loops.h"

const struct queue_ops dcbo_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "dcbo",
    .summary =
        "several FIFO queues, of a few of which the least used is taken: no bound on what overtakes, but little does",
    .source = "von Geijer, Tsigas, Johansson and Hermansson, d-CBO, PPoPP 2025",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_RELAXED,
               .relaxation = UINT32_MAX,
               .enqueue = QUEUE_LOCK_FREE,
               .dequeue = QUEUE_LOCK_FREE,
               .empty_exact = true,
               .reserved_from = DCBO_POISON,
               .reclamation = "epochs"},
    .params = dcbo_params,
    .config_size = sizeof(struct dcbo_config),
    .size = sizeof(struct dcbo),
    .align = _Alignof(struct dcbo),
    .handle_size = sizeof(struct dcbo_handle),
    .handle_align = _Alignof(struct dcbo_handle),
    .resolve = dcbo_resolve,
    .init = dcbo_init,
    .fini = dcbo_fini,
    .attach = dcbo_attach,
    .detach = dcbo_detach,
    .enqueue = dcbo_enqueue,
    .dequeue = dcbo_dequeue,
    .statistics = dcbo_statistics,
    .loops = &dcbo_loops,
};
