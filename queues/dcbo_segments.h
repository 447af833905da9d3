// SPDX-License-Identifier: Apache-2.0
// A sub-queue of dcbo.c: an unbounded FIFO queue for many threads, a list of array segments in which a place is found
// by fetch-and-add, and which knows how often it was used. How it works: faa_array.c; what differs: dcbo.c.
#pragma once

#include <errno.h>

#include "core/queue.h"
#include "core/sync/tally.h"
#include "queues/spare_segments.h"

// What a cell holds that its dequeuer gave up.
#define DCBO_POISON UINTPTR_MAX

// Looks at an empty cell before it is poisoned.
#define DCBO_PATIENCE 64u

#define DCBO_QUEUES_MOST 256u

struct segment {
    struct reclaim_node retired;
    _Atomic(struct segment *) next;
    uint64_t before;                        // cells of all segments that were here before
    _Atomic uint64_t enqueued ALIGNED_LINE; // numbers taken by producers
    _Atomic uint64_t dequeued ALIGNED_LINE; // by consumers
    _Atomic uintptr_t cells[] ALIGNED_LINE; // 0: free
};

struct sub_queue {
    _Atomic(struct segment *) head ALIGNED_LINE;
    _Atomic(struct segment *) tail ALIGNED_LINE;
};

enum { DCBO_RETRIES }; // what a handle counts

struct dcbo_handle {
    struct tally_handle tally;
    struct reclaim_record *record;
    struct reclaim_node *spares; // of its own
    unsigned slot; // of the announcements: for the segment at hand; the other may have the best one so far
    uint64_t random;
    uint64_t counts[DCBO_QUEUES_MOST]; // of enqueues, while it makes sure that all are empty
};

struct dcbo {
    uint64_t cells ALIGNED_LINE; // in a segment
    uint32_t queues;
    uint32_t choices;
    struct reclaim reclaim;
    struct tally tally;
    struct spares spares;
    _Atomic uint64_t handles; // there ever were
    struct sub_queue subs[DCBO_QUEUES_MOST];
};

static void segment_give(void *owner, struct reclaim_node *node)
{
    struct dcbo *q = owner;
    struct segment *segment = (struct segment *)node;
    for (uint64_t i = 0; i < q->cells; i++)
        at_store_rlx(&segment->cells[i], 0);
    at_store_rlx(&segment->next, NULL);
    at_store_rlx(&segment->enqueued, 0);
    at_store_rlx(&segment->dequeued, 0);
    spares_give(&q->spares, node);
}

// The first or the last segment of a sub-queue, protected.
static inline struct segment *sub_first(struct dcbo_handle *h, struct sub_queue *sub)
{
    struct segment *first = RECLAIM_PROTECT(h->record, h->slot, at_load_sc(&sub->head, AT(dcbo_head, dcbo_head_move)));
    if (!first)
        __builtin_unreachable();
    return first;
}

static inline struct segment *sub_last(struct dcbo_handle *h, struct sub_queue *sub)
{
    struct segment *last =
        RECLAIM_PROTECT(h->record, h->slot, at_load_sc(&sub->tail, AT(dcbo_tail, dcbo_tail_move, dcbo_tail_pull)));
    if (!last)
        __builtin_unreachable();
    return last;
}

static inline uint64_t count_of(const struct dcbo *q, const struct segment *segment, uint64_t taken)
{
    return segment->before + (taken < q->cells ? taken : q->cells);
}

static inline uint64_t sub_enqueues(const struct dcbo *q, struct dcbo_handle *h, struct sub_queue *sub)
{
    struct segment *last = sub_last(h, sub);
    return count_of(q, last, at_load_sc(&last->enqueued, AT(dcbo_counted, dcbo_enqueued)));
}

static inline uint64_t sub_dequeues(const struct dcbo *q, struct dcbo_handle *h, struct sub_queue *sub)
{
    struct segment *first = sub_first(h, sub);
    return count_of(q, first, at_load_rlx(&first->dequeued));
}

// All numbers of the last segment, `tail`, are taken: links a new one with `item`. QUEUE_RETRY: there is one, to which
// the sub-queue's tail has moved on.
static int sub_extend(struct dcbo *q, struct dcbo_handle *h, struct sub_queue *sub, struct segment *tail,
                      uintptr_t item)
{
    struct segment *next = at_load_sc(&tail->next, AT(dcbo_next_enqueue, dcbo_extend));
    struct segment *made = NULL;
    if (!next) {
        made = (struct segment *)spares_take(&q->spares, &h->spares);
        if (!made)
            return -ENOMEM;
        made->before = tail->before + q->cells;
        at_store_rlx(&made->enqueued, 1);
        at_store_rlx(&made->cells[0], item);
        if (at_cas_sc(&tail->next, &next, made,
                      AT(dcbo_extend, dcbo_next_enqueue, dcbo_next, dcbo_next_empty, dcbo_extend))) {
            next = made;
        } else {
            at_store_rlx(&made->enqueued, 0);
            at_store_rlx(&made->cells[0], 0);
            made->retired.next = h->spares;
            h->spares = &made->retired;
        }
    }
    at_cas_sc(&sub->tail, &tail, next, AT(dcbo_tail_move, dcbo_tail, dcbo_tail_look));
    return next == made ? QUEUE_OK : QUEUE_RETRY;
}

// One attempt; QUEUE_RETRY: another is needed.
static int sub_put(struct dcbo *q, struct dcbo_handle *h, struct sub_queue *sub, uintptr_t item)
{
    struct segment *last = sub_last(h, sub);
    const uint64_t number = at_add_sc(&last->enqueued, 1, AT(dcbo_enqueued, dcbo_counted, dcbo_seen, dcbo_enqueued));
    if (number >= q->cells)
        return sub_extend(q, h, sub, last, item);
    uintptr_t free = 0;
    const bool filled = at_cas_sc(&last->cells[number], &free, item,
                                  AT(dcbo_fill, dcbo_ahead, dcbo_look, dcbo_look_again, dcbo_poison));
    return filled ? QUEUE_OK : QUEUE_RETRY;
}

// True: at some instant of the call each number of a producer had a consumer. False: that may be long ago.
static bool segment_drained(const struct dcbo *q, struct segment *first)
{
    const uint64_t dequeued = at_load_sc(&first->dequeued, AT(dcbo_dequeued, dcbo_number));
    if (dequeued < q->cells && at_load_sc(&first->cells[dequeued], AT(dcbo_ahead, dcbo_fill)))
        return false;
    return dequeued >= at_load_sc(&first->enqueued, AT(dcbo_seen, dcbo_enqueued));
}

// The item that belongs in `cell`, whose number the caller has. 0: its producer must take another.
static uintptr_t cell_receive(_Atomic uintptr_t *cell)
{
    uintptr_t item = at_load_sc(cell, AT(dcbo_look, dcbo_fill));
    for (unsigned i = 0; !item && i < DCBO_PATIENCE; i++) {
        cpu_relax();
        item = at_load_sc(cell, AT(dcbo_look_again, dcbo_fill));
    }
    return item ? item : at_xchg_sc(cell, DCBO_POISON, AT(dcbo_poison, dcbo_fill));
}

// All numbers of `first` are taken. False: no segment follows.
static bool sub_advance(struct dcbo_handle *h, struct sub_queue *sub, struct segment *first)
{
    struct segment *next = at_load_sc(&first->next, AT(dcbo_next, dcbo_extend));
    if (!next)
        return false;
    struct segment *expected = at_load_sc(&sub->tail, AT(dcbo_tail_look, dcbo_tail_move, dcbo_tail_pull));
    if (expected == first)
        at_cas_sc(&sub->tail, &expected, next, AT(dcbo_tail_pull, dcbo_tail, dcbo_tail_look));
    expected = first;
    if (at_cas_sc(&sub->head, &expected, next, AT(dcbo_head_move, dcbo_head, dcbo_head_move)))
        reclaim_retire(h->record, &first->retired);
    return true;
}

// 0: the sub-queue was empty.
static uintptr_t sub_get(const struct dcbo *q, struct dcbo_handle *h, struct sub_queue *sub)
{
    for (;;) {
        struct segment *first = sub_first(h, sub);
        if (segment_drained(q, first) && !at_load_sc(&first->next, AT(dcbo_next_empty, dcbo_extend)))
            return 0;
        const uint64_t number = at_add_sc(&first->dequeued, 1, AT(dcbo_number, dcbo_dequeued, dcbo_number));
        if (number < q->cells) {
            const uintptr_t item = cell_receive(&first->cells[number]);
            if (item)
                return item;
        } else if (!sub_advance(h, sub, first)) {
            return 0;
        }
        tally_count(&h->tally, DCBO_RETRIES);
    }
}
