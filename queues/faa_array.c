// SPDX-License-Identifier: Apache-2.0
// A linked list of array segments, in which a place is found by fetch-and-add: of those that need no double-width
// compare-and-swap, the plainest that is fast.
//
// Source: P. Ramalhete and A. Correia, "FAAArrayQueue", Concurrency Freaks, 2016. What differs: a consumer whose cell
// is filled only reads it, as nobody else will; it remembers how far producers were seen to be, and so leaves their
// counter alone most of the time; and it sees to it that `tail` has left a segment before `head` does, without which a
// producer might come to a freed one. Freed segments are kept for reuse, a few of them.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                       enqueue   dequeue   others
//     enqueue                                              -         -         -
//     dequeue                                              -         -         -
//     attach, detach, statistics                           -         -         -
//
// Progress: enqueue and dequeue are lock-free: a producer starts again if a consumer gave up its cell, and consumers
// give up cells only as long as the queue doesn't look empty, that is while producers take some.
//
// A producer takes the next number of the last segment and puts its item into that cell, if it is free still. A
// consumer takes the next number of the first segment; if the item is long in coming, it poisons the cell, and both
// take another number. When all numbers of a segment are taken, producers link a new one that holds an item already,
// and consumers go on to the next.
//
// Why EMPTY is exact. The consumers' number is read first, then the producers', and they had met: each cell below has a
// consumer, which takes (or took) effect before. The segment had no successor later, so none at that moment.
#include <errno.h>

#include "core/queue.h"
#include "core/reclaim.h"
#include "core/sync/atomic.h"
#include "core/sync/tally.h"

#define FAA_POISON UINTPTR_MAX

// Looks at an empty cell before it is poisoned.
#define FAA_PATIENCE 64u

// Segments that are kept for reuse.
#define FAA_SPARES 4u

struct faa_config {
    uint64_t reclaim; // enum reclaim_kind
    uint64_t segment; // cells in each
};

struct segment {
    struct reclaim_node retired;
    _Atomic(struct segment *) next;
    _Atomic uint64_t enqueued ALIGNED_LINE; // numbers taken by producers
    _Atomic uint64_t dequeued ALIGNED_LINE; // by consumers
    _Atomic uintptr_t cells[] ALIGNED_LINE; // 0: free
};

enum { FAA_RETRIES }; // what a handle counts

struct faa_handle {
    struct tally_handle tally;
    struct reclaim_record *record;
    const struct segment *seen; // a consumer's: the producers of this segment
    uint64_t seen_enqueued;     // had taken so many
};

struct faa {
    _Atomic(struct segment *) head ALIGNED_LINE;
    _Atomic(struct segment *) tail ALIGNED_LINE;
    uint64_t cells ALIGNED_LINE; // in a segment
    const struct queue_env *env;
    struct reclaim reclaim;
    struct tally tally;
    _Atomic(struct segment *) spares[FAA_SPARES] ALIGNED_LINE;
};

static void faa_resolve(const void *config, struct queue_traits *traits)
{
    traits->reclamation = reclaim_traits[((const struct faa_config *)config)->reclaim];
}

static size_t segment_size(const struct faa *q)
{
    return sizeof(struct segment) + q->cells * sizeof(uintptr_t);
}

// Empty, but for `item` in the first cell (0: none). NULL: no memory.
static struct segment *segment_take(struct faa *q, uintptr_t item)
{
    struct segment *segment = NULL;
    for (unsigned i = 0; i < FAA_SPARES && !segment; i++)
        if (at_load_rlx(&q->spares[i]))
            segment = at_xchg_acq(&q->spares[i], NULL, AT(faa_spare_take, faa_spare_keep));
    if (!segment)
        segment = q->env->alloc(q->env->context, segment_size(q), LINE_PAIR, -1);
    if (!segment)
        return NULL;
    at_store_rlx(&segment->next, NULL);
    at_store_rlx(&segment->enqueued, item != 0);
    at_store_rlx(&segment->dequeued, 0);
    at_store_rlx(&segment->cells[0], item);
    return segment;
}

static void segment_free(struct faa *q, struct segment *segment)
{
    q->env->free(q->env->context, segment, segment_size(q), -1);
}

// Its cells are free, but for the first.
static void segment_keep(struct faa *q, struct segment *segment)
{
    for (unsigned i = 0; i < FAA_SPARES; i++) {
        struct segment *none = NULL;
        if (!at_load_rlx(&q->spares[i]) &&
            at_cas_rel(&q->spares[i], &none, segment, AT(faa_spare_keep, faa_spare_take)))
            return;
    }
    segment_free(q, segment);
}

// Consumers do this, and producers, who all wait for a new segment at once, find it made.
static void segment_give(void *owner, struct reclaim_node *node)
{
    struct faa *q = owner;
    struct segment *segment = (struct segment *)node;
    for (uint64_t i = 0; i < q->cells; i++)
        at_store_rlx(&segment->cells[i], 0);
    segment_keep(q, segment);
}

static int faa_init(void *queue, const struct queue_env *env, const void *config)
{
    struct faa *q = queue;
    const struct faa_config *chosen = config;
    *q = (struct faa){.cells = chosen->segment, .env = env};
    struct segment *first = segment_take(q, 0);
    if (!first)
        return -ENOMEM;
    const int error = reclaim_init(&q->reclaim, (enum reclaim_kind)chosen->reclaim, env, segment_give, q);
    if (error) {
        segment_free(q, first);
        return error;
    }
    reclaim_expect(&q->reclaim, q->cells);
    at_init(&q->head, first);
    at_init(&q->tail, first);
    tally_init(&q->tally);
    return 0;
}

static int faa_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)role;
    (void)kind;
    struct faa *q = queue;
    struct faa_handle *h = handle;
    h->seen = NULL;
    h->record = reclaim_attach(&q->reclaim);
    if (!h->record)
        return -EAGAIN;
    tally_attach(&q->tally, &h->tally);
    return 0;
}

static void faa_detach(void *queue, void *handle)
{
    struct faa_handle *h = handle;
    reclaim_detach(h->record);
    tally_detach(&((struct faa *)queue)->tally, &h->tally);
}

// All numbers of the last segment, `tail`, are taken: links a new one with `item`. QUEUE_RETRY: there is one, to which
// `tail` has moved on.
static int faa_extend(struct faa *q, struct segment *tail, uintptr_t item)
{
    struct segment *next = at_load_sc(&tail->next, AT(faa_next_enqueue, faa_extend));
    struct segment *made = NULL;
    if (!next) {
        made = segment_take(q, item);
        if (!made)
            return -ENOMEM;
        if (!at_cas_sc(&tail->next, &next, made,
                       AT(faa_extend, faa_next_enqueue, faa_next, faa_next_empty, faa_extend)))
            segment_keep(q, made);
        else
            next = made;
    }
    at_cas_sc(&q->tail, &tail, next, AT(faa_tail_move, faa_tail, faa_tail_look));
    return next == made ? QUEUE_OK : QUEUE_RETRY;
}

// One attempt; QUEUE_RETRY: another is needed.
static int faa_put(struct faa *q, struct faa_handle *h, uintptr_t item)
{
    struct segment *tail =
        RECLAIM_PROTECT(h->record, 0, at_load_sc(&q->tail, AT(faa_tail, faa_tail_move, faa_tail_pull)));
    const uint64_t number = at_add_sc(&tail->enqueued, 1, AT(faa_enqueued, faa_seen, faa_enqueued));
    if (number >= q->cells)
        return faa_extend(q, tail, item);
    uintptr_t free = 0;
    const bool filled =
        at_cas_sc(&tail->cells[number], &free, item, AT(faa_fill, faa_look, faa_look_again, faa_poison));
    return filled ? QUEUE_OK : QUEUE_RETRY;
}

static int faa_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct faa_handle *h = handle;
    int result;
    reclaim_enter(h->record);
    while ((result = faa_put(queue, h, item)) == QUEUE_RETRY)
        tally_count(&h->tally, FAA_RETRIES);
    reclaim_leave(h->record);
    return result;
}

// True: the producers had no more than the consumers at some instant of the call. False: that may be long ago.
static bool faa_drained(struct faa_handle *h, struct segment *head)
{
    const uint64_t dequeued = at_load_sc(&head->dequeued, AT(faa_dequeued, faa_number));
    if (h->seen == head && dequeued < h->seen_enqueued)
        return false;
    h->seen = head;
    h->seen_enqueued = at_load_sc(&head->enqueued, AT(faa_seen, faa_enqueued));
    return dequeued >= h->seen_enqueued;
}

// The item that belongs in `cell`, whose number the caller has. 0: its producer must take another.
static uintptr_t faa_receive(_Atomic uintptr_t *cell)
{
    uintptr_t item = at_load_sc(cell, AT(faa_look, faa_fill));
    for (unsigned i = 0; !item && i < FAA_PATIENCE; i++) {
        cpu_relax();
        item = at_load_sc(cell, AT(faa_look_again, faa_fill));
    }
    return item ? item : at_xchg_sc(cell, FAA_POISON, AT(faa_poison, faa_fill));
}

// All numbers of `head` are taken. False: no segment follows.
static bool faa_advance(struct faa *q, struct faa_handle *h, struct segment *head)
{
    struct segment *next = at_load_sc(&head->next, AT(faa_next, faa_extend));
    if (!next)
        return false;
    struct segment *tail = at_load_sc(&q->tail, AT(faa_tail_look, faa_tail_move, faa_tail_pull));
    if (tail == head)
        at_cas_sc(&q->tail, &tail, next, AT(faa_tail_pull, faa_tail, faa_tail_look));
    struct segment *expected = head;
    if (at_cas_sc(&q->head, &expected, next, AT(faa_head_move, faa_head, faa_head_move)))
        reclaim_retire(h->record, &head->retired);
    return true;
}

static uintptr_t faa_take(struct faa *q, struct faa_handle *h)
{
    for (;;) {
        struct segment *head = RECLAIM_PROTECT(h->record, 0, at_load_sc(&q->head, AT(faa_head, faa_head_move)));
        if (faa_drained(h, head) && !at_load_sc(&head->next, AT(faa_next_empty, faa_extend)))
            return 0;
        const uint64_t number = at_add_sc(&head->dequeued, 1, AT(faa_number, faa_dequeued, faa_number));
        if (number < q->cells) {
            const uintptr_t item = faa_receive(&head->cells[number]);
            if (item)
                return item;
        } else if (!faa_advance(q, h, head)) {
            return 0;
        }
        tally_count(&h->tally, FAA_RETRIES);
    }
}

static int faa_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct faa_handle *h = handle;
    reclaim_enter(h->record);
    const uintptr_t found = faa_take(queue, h);
    reclaim_leave(h->record);
    if (!found)
        return QUEUE_EMPTY;
    *item = found;
    return QUEUE_OK;
}

static void faa_statistics(void *queue, struct queue_statistics *statistics)
{
    statistics->retries = tally_sum(&((struct faa *)queue)->tally, FAA_RETRIES);
}

static void faa_fini(void *queue)
{
    struct faa *q = queue;
    reclaim_fini(&q->reclaim);
    for (struct segment *segment = at_load_rlx(&q->head), *next; segment; segment = next) {
        next = at_load_rlx(&segment->next);
        segment_free(q, segment);
    }
    for (unsigned i = 0; i < FAA_SPARES; i++)
        if (at_load_rlx(&q->spares[i]))
            segment_free(q, at_load_rlx(&q->spares[i]));
    tally_fini(&q->tally);
}

static const struct param faa_params[] = {
    PARAM_CHOICE(struct faa_config, reclaim, "hazard", reclaim_names,
                 "how memory is reclaimed; leak is no queue to use"),
    PARAM_U64(struct faa_config, segment, "1024", 1, 1 << 20, "items", "cells in a segment"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME faa_array_loops
#define QUEUE_LOOPS_ENQUEUE faa_enqueue
#define QUEUE_LOOPS_DEQUEUE faa_dequeue
#include "core/queue_loops.h"

const struct queue_ops faa_array_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "faa_array",
    .summary = "array segments whose cells are found by fetch-and-add, with reclamation of your choice",
    .source = "FAAArrayQueue of Ramalhete and Correia, 2016",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_LOCK_FREE,
               .dequeue = QUEUE_LOCK_FREE,
               .empty_exact = true,
               .reserved_from = FAA_POISON,
               .reclamation = "hazard pointers"},
    .params = faa_params,
    .config_size = sizeof(struct faa_config),
    .size = sizeof(struct faa),
    .align = _Alignof(struct faa),
    .handle_size = sizeof(struct faa_handle),
    .handle_align = _Alignof(struct faa_handle),
    .resolve = faa_resolve,
    .init = faa_init,
    .fini = faa_fini,
    .attach = faa_attach,
    .detach = faa_detach,
    .enqueue = faa_enqueue,
    .dequeue = faa_dequeue,
    .statistics = faa_statistics,
    .loops = &faa_array_loops,
};
