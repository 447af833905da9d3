// SPDX-License-Identifier: Apache-2.0
// Judges the history of a queue by what the queue promises. Items are unique, which makes it possible in
// O(n log n): a FIFO history is linearizable unless one of a few patterns of operations occurs in it.
//
//   invented    an item was dequeued that nobody had begun to enqueue
//   duplicated  an item was dequeued twice
//   lost        an item was enqueued, never dequeued, and the question says that all was drained; with the last EMPTY
//               after it, where EMPTY is exact: what was lost and what was hidden look the same
//   reordered   enqueue(a) precedes enqueue(b), and dequeue(b) precedes dequeue(a), or a never came out; per producer:
//               only for a and b of one producer, which is a thread; k-relaxed: if more than k such a for one b
//   empty       a dequeue answered EMPTY, and at each instant of it some item was certainly inside
//   full        an enqueue answered FULL, and at each instant of it fewer than the capacity could be inside
//   overfull    more than the capacity were certainly inside at one instant
//
// Invented, duplicated, reordered and empty, on a whole history, decide linearizability (with EMPTY) of a FIFO, and of
// a FIFO per producer. Where the readings say less than the threads' own order (a skew, batches) they are sound and
// miss a little; what is said of relaxed queues, full and overfull are sound and not complete. An item is certainly
// inside from the end of its enqueue to the start of its dequeue, possibly from the start of the one to the end of
// the other. In a cut or sampled history only what no completion could mend counts (check_items.h).
//
// Source: T. A. Henzinger, A. Sezgin, V. Vafeiadis, "Aspect-Oriented Linearizability Proofs", CONCUR 2013, section 4
// (the patterns); Z. H. Lee, U. Mathur, "Efficient Decrease-and-Conquer Linearizability Monitoring", OOPSLA 2025, and
// P. A. Abdulla et al., "Efficient Linearizability Monitoring", PLDI 2025 (log-linear time for queues).
#ifndef READYQ_HISTORY_CHECK_H
#define READYQ_HISTORY_CHECK_H

#include <stdio.h>

#include "core/fault.h"
#include "core/history/history.h"

enum history_fault {
    HISTORY_OK,
    HISTORY_INVENTED,
    HISTORY_DUPLICATED,
    HISTORY_LOST,
    HISTORY_REORDERED,
    HISTORY_FALSE_EMPTY,
    HISTORY_FALSE_FULL,
    HISTORY_OVERFULL,
    // Of a pool's history (jobs.h):
    HISTORY_NOT_INVOKED,
    HISTORY_INVOKED_TWICE,
    HISTORY_NOT_COMPLETED,
    HISTORY_COMPLETED_TWICE,
    HISTORY_READY_BEFORE_INVOKED,
    HISTORY_KEY_REORDERED,
    HISTORY_STRAYED,
    HISTORY_FAULTS
};
const char *history_fault_name(enum history_fault fault); // "ok", "invented", ...

// One operation of a witness.
struct history_step {
    uint32_t thread; // index in history.threads
    uint64_t index;  // in the thread's events
    struct history_event event;
};

// How many older items an item overtook, for certain: those that were in the queue before it was begun to be
// enqueued, and were not begun to be dequeued before it came out. A lower bound of the true rank error.
struct history_rank_error {
    uint64_t max;
    double mean;
    uint64_t overtakers; // items that overtook any
};

#define HISTORY_WITNESS_MOST 64u
struct history_verdict {
    enum history_fault fault; // the gravest found, which is the first in the order of the enum
    enum history_scope scope;
    uint64_t operations; // events judged
    uint64_t items;      // distinct
    uint64_t empties, fulls;
    bool measured; // rank is set: order is RELAXED, or it was asked for
    struct history_rank_error rank;
    char sentence[256];     // what is wrong, in words; empty if nothing is
    unsigned witness_count; // operations that show it: fewest, but for the EMPTY with what is lost
    unsigned witness_whole; // so many it would be if there were room for all
    struct history_step witness[HISTORY_WITNESS_MOST];
};

// What the judge takes for granted.
struct history_question {
    bool drained;      // all threads ended after EMPTY answers, so that what did not come out is lost; pool: jobs.h
    bool measure_rank; // count overtaking even where none is allowed
};

// 0 and the verdict, or a negative errno and a sentence: -EINVAL for the history of a pool, or one in which an item is
// enqueued twice, -EOVERFLOW for more than 2^32 items, -ENOMEM. Uses about as much memory as the history itself, and
// twice that for a rank error. One thread.
int history_check(const struct history *history, const struct history_question *question,
                  struct history_verdict *verdict, struct fault *fault);

// The witness as a small timeline, one line an operation, in columns of one common time: who did what, when, in ns
// from the first start. At most `width` columns (at least 60).
void history_timeline(const struct history *history, const struct history_verdict *verdict, unsigned width, FILE *out);

#endif
