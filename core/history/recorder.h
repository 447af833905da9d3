// SPDX-License-Identifier: Apache-2.0
// Recording a history while threads run: each thread appends to memory of its own, of which only the pages that it
// uses are ever touched. A thread that runs out of room goes on unrecorded, and the history is cut there.
//
// No interval may be narrower than its operation, or a correct queue could be accused. So the first reading is made
// before anything of the operation can have been executed (recorder_start: a reading that later loads wait for), and
// the last one after its loads are done and its result is known (clock_ticks). A store may become visible to
// others a little after that: a queue for which that matters breaks the contract, which wants seq_cst there.
// Readings of two processors may differ by the skew, which is measured when a recording begins. A thread that moves to
// a processor whose clock is behind must not seem to go back in time: what it read before is a lower bound of all that
// it reads later, so each of its readings is the greatest so far, and its events keep the order in which it made them.
#ifndef READYQ_HISTORY_RECORDER_H
#define READYQ_HISTORY_RECORDER_H

#include "core/fault.h"
#include "core/history/history.h"
#include "core/machine/clock.h"
#include "core/sync/atomic.h"

// An interval may be wider than its operation. So one reading can serve as the end of an operation and as the start of
// the next of the same thread, where that follows at once, which nearly halves the cost: recorder_next_start and
// recorder_end. How soon the next follows is found out by a reading of its own, once every so many operations, and
// after every answer on which a thread may rest: EMPTY, FULL, RETRY.
#define RECORDER_NEAR_STARTS 7u   // taken from the end before, after one that was found to be near
#define RECORDER_NEAR_READINGS 4u // near is what is not longer than so many readings take

// One thread's end of a recording. Written by that thread only.
struct recorder {
    struct history_event *next, *end; // next == end: no room
    uint64_t origin_ticks;
    uint64_t every;       // of a sample; 0: everything
    uint64_t last_ticks;  // the greatest reading so far; 0: none yet
    uint64_t near_ticks;  // a start so soon after last_ticks follows at once
    uint32_t near_starts; // so many starts to come may be taken from last_ticks
    uint32_t rank;
    uint64_t refused_ticks; // start of the first event for which there was no room; HISTORY_NEVER: there was room
    struct history_event *first;
    char name[16];
    size_t bytes; // mapped
} ALIGNED_LINE;

struct recording;

struct recording_plan {
    enum history_subject subject;
    const char *name; // for struct history
    struct history_promise promise;
    uint64_t sampled;      // as in struct history
    uint64_t memory_bytes; // for the events of all threads together
    unsigned threads;      // that will take a recorder
    uint32_t schedulers;   // pool, as in struct history
    uint32_t workers;      // likewise
};

// 0, or -ENOMEM and a sentence. Measures the skew between the processors that the process may use: see skew.h. Main.
int recording_create(struct recording **recording, const struct recording_plan *plan, struct fault *fault);
void recording_destroy(struct recording *recording);

// A recorder for the calling thread; NULL when all are taken, and the history is cut there, since nobody knows what the
// thread will do. A thread keeps it until the recording ends.
// `role` is copied. Ranks count from 0 within a role, in the order of the calls, unless `rank` is not negative.
struct recorder *recording_join(struct recording *recording, const char *role, int rank);

// The one that the calling thread has, or else recording_join: for who may come to a thread more than once. It finds
// what this function gave the thread last, and so knows one recording a thread.
struct recorder *recording_self(struct recording *recording, const char *role, int rank);

// The history so far, each thread's events by start, all threads having ended or being otherwise known not to record.
// It points into the recording, which outlives it; release with recording_history_free. 0 or -ENOMEM.
int recording_history(struct recording *recording, struct history **history);
void recording_history_free(struct history *history);

// What recording one of a row of operations costs, its readings included: median of many, in ns. Takes some ms.
double recorder_cost_ns(void);

// What the clock says, unless this thread was later already by that of another processor.
static inline uint64_t recorder_monotone(struct recorder *self, uint64_t ticks)
{
    return self->last_ticks = ticks > self->last_ticks ? ticks : self->last_ticks;
}

// Before the operation.
static inline uint64_t recorder_start(struct recorder *self)
{
    return recorder_monotone(self, clock_ticks_before());
}

// The same, after an operation whose end recorder_end has read. The start may be that very end: it is no later than
// what the clock would say now, however coarse its ticks. As equal readings precede nothing, that the one operation
// precedes the other is known from the order in which the thread recorded them.
static inline uint64_t recorder_next_start(struct recorder *self)
{
    if (__builtin_expect(self->near_starts > 0, 1)) {
        self->near_starts--;
        return self->last_ticks;
    }
    const uint64_t start = clock_ticks_before();
    if (start - self->last_ticks < self->near_ticks)
        self->near_starts = RECORDER_NEAR_STARTS;
    return recorder_monotone(self, start);
}

// The end of an operation and, if it comes to that, the start of the next: nothing later is executed before it.
static inline uint64_t recorder_end(struct recorder *self)
{
    return recorder_monotone(self, clock_ticks_before());
}

// After an answer on which the thread may nap or spin: an interval that spans that too could hardly be refuted.
static inline void recorder_rest(struct recorder *self)
{
    self->near_starts = 0;
}

// After it. `start` and `end` were read by the above, `end` first of all.
static inline void recorder_add(struct recorder *self, enum history_kind kind, uint64_t start, uint64_t end,
                                uint64_t item)
{
    if (__builtin_expect(self->next == self->end, 0)) {
        if (self->refused_ticks == HISTORY_NEVER)
            self->refused_ticks = start - self->origin_ticks;
        return;
    }
    *self->next++ = (struct history_event){
        .start = start - self->origin_ticks, .span = (end - start) << HISTORY_KIND_BITS | kind, .item = item};
}

#endif
