// SPDX-License-Identifier: Apache-2.0
// What the judge of a queue's history works on: every item with the events of its enqueue and its dequeue, and orders
// of the items by one of their four times.
//
// All times are those of widened intervals: an end is the recorded one plus the skew, so that "ended before started" is
// one comparison for operations of different threads. Operations of one thread follow each other as it recorded them,
// whatever the clock says: batches, whose items share one interval, and a thread that moved are judged by that.
//
// A cut history lacks operations, all of which started at the cut or later. All that is in it did happen, so a pattern
// that is in it condemns whatever is missing, as long as nothing is concluded from what is missing. Therefore an item
// that is not dequeued counts as dequeued from the cut on (or never: its dequeue ends never, and no dequeue is claimed
// to follow it), and a dequeue without an enqueue is left out unless it ended before the cut: its enqueue started
// later. A whole history is the same, cut at HISTORY_NEVER. Of a sampled one both operations of its items are there:
// leaving other items out of a correct history leaves a correct one, except that FULL answers then lack their
// reasons.
#ifndef READYQ_HISTORY_CHECK_ITEMS_H
#define READYQ_HISTORY_CHECK_ITEMS_H

#include "core/history/check.h"

struct judge_item {
    const struct history_event *enqueue;
    const struct history_event *dequeue; // NULL: none recorded
};

struct judge {
    const struct history *history;
    struct history_verdict *verdict;
    struct fault *fault;
    struct judge_item *items; // by thread that enqueued, and then as it enqueued them
    uint32_t count;
    uint32_t *delivered;       // all items: those dequeued, by thread that dequeued, as it did; then the others
    uint32_t delivered_count;  // of them dequeued
    uint32_t *first_item;      // of each thread, and one more: the end of the last
    uint32_t *first_delivered; // likewise, in `delivered`
    uint32_t *orders[4];       // by enum judge_time; NULL until asked for
};

enum judge_time { JUDGE_ENQUEUE_START, JUDGE_ENQUEUE_END, JUDGE_DEQUEUE_START, JUDGE_DEQUEUE_END };

// Reads the history: every enqueue gets its dequeue. 0, with the verdict convicted if an item was invented or
// duplicated; -EINVAL if it is no unambiguous history of a queue, -ENOMEM, -EOVERFLOW, and a sentence.
int judge_open(struct judge *judge);
void judge_close(struct judge *judge);

// All items in the order of one of their times. Belongs to the judge. 0 or -ENOMEM and a sentence.
int judge_order(struct judge *judge, enum judge_time time, const uint32_t **order);

// Sorts by merging the ascending stretches that are there already: for what a few threads noted by time. 0 or -ENOMEM.
int judge_sort(uint32_t *order, uint32_t count, uint64_t (*key)(const void *context, uint32_t index),
               const void *context);

// -ENOMEM and the one sentence for it.
int judge_no_memory(struct fault *fault);

static inline uint64_t judge_end(const struct history *history, const struct history_event *event)
{
    const uint64_t end = history_end(event);
    return end + history->skew_ticks < end ? HISTORY_NEVER : end + history->skew_ticks;
}

static inline uint64_t judge_enqueue_start(const struct judge *judge, uint32_t item)
{
    return judge->items[item].enqueue->start;
}

static inline uint64_t judge_enqueue_end(const struct judge *judge, uint32_t item)
{
    return judge_end(judge->history, judge->items[item].enqueue);
}

static inline uint64_t judge_dequeue_start(const struct judge *judge, uint32_t item)
{
    const struct history_event *dequeue = judge->items[item].dequeue;
    return dequeue ? dequeue->start : judge->history->cut_ticks;
}

static inline uint64_t judge_dequeue_end(const struct judge *judge, uint32_t item)
{
    const struct history_event *dequeue = judge->items[item].dequeue;
    return dequeue ? judge_end(judge->history, dequeue) : HISTORY_NEVER;
}

// Whether there is an instant at which it is certainly inside.
static inline bool judge_is_inside(const struct judge *judge, uint32_t item)
{
    return judge_enqueue_end(judge, item) < judge_dequeue_start(judge, item);
}

#endif
