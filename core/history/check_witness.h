// SPDX-License-Identifier: Apache-2.0
// The words of a verdict: names of items and operations, and the operations that show what is wrong.
#ifndef READYQ_HISTORY_CHECK_WITNESS_H
#define READYQ_HISTORY_CHECK_WITNESS_H

#include "core/history/check.h"

// An item of the queue workloads as producer:sequence, another one in hex; a pool's as "job 17".
struct history_item_name {
    char text[32];
};
struct history_item_name history_item_name(const struct history *history, uint64_t item);

// The thread of an event that is in the history.
uint32_t history_thread_of(const struct history *history, const struct history_event *event);

// What a thread's role is called in a sentence: of one that does both, it would read as if two had.
const char *history_role_name(const struct history_thread *thread);

// "producer 0 enqueued 0:17 at 120 ns", the start, counted from the beginning of the recording.
struct history_phrase {
    char text[112];
};
struct history_phrase history_say(const struct history *history, const struct history_event *event);
// The same of an operation that precedes another: "producer 0 enqueued 0:17 by 135 ns", its end, if time tells that.
struct history_phrase history_say_before(const struct history *history, const struct history_event *event,
                                         const struct history_event *other);

// Adds an operation to the witness, or only counts it where there is no room.
void history_witness_add(const struct history *history, struct history_verdict *verdict,
                         const struct history_event *event);

// Condemns: sets fault and sentence, and brings the witness, which was added before, into the order of time.
__attribute__((format(printf, 3, 4))) void history_convict(struct history_verdict *verdict, enum history_fault fault,
                                                           const char *format, ...);

#endif
