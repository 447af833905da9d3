// SPDX-License-Identifier: Apache-2.0
// The conformance suite: holds any queue against the contract of core/queue.h and against its own traits.
//
// It runs in the tests, for every listed queue, and behind `readyq check`. Calls of malloc by a queue are seen in
// whatever is linked into the program (conformance/trap.h).
#ifndef READYQ_CHECK_CONFORMANCE_H
#define READYQ_CHECK_CONFORMANCE_H

#include <stdio.h>

#include "core/fault.h"
#include "core/queue_client.h"

// Checks of one kind, which get one verdict in a table.
enum conformance_group {
    CONFORMANCE_ALONE,    // one thread: each answer is known
    CONFORMANCE_MEMORY,   // what is taken is given back, and what is not there is done without
    CONFORMANCE_WAKING,   // a consumer that sleeps is woken
    CONFORMANCE_DELIVERY, // many threads: exactly once, in order
    CONFORMANCE_STALLS,   // likewise, with threads stopped at any instruction
    CONFORMANCE_HISTORY,  // every operation recorded and judged
    CONFORMANCE_GROUPS
};
const char *conformance_group_name(enum conformance_group group); // "alone", "memory", ...

struct conformance_options {
    const char *only;       // the name of one check; NULL: all that apply
    uint64_t seed;          // of all choices made at random; the schedule of the threads is not among them
    unsigned stuck_s;       // seconds without any movement after which a check is stuck
    unsigned percent;       // of the rounds that the tests do; 100 unless there is a reason
    uint64_t history_bytes; // of memory for what each thread did; 0: more than ever was needed
    FILE *timeline;         // where the operations go that show a violation of the history; NULL: nowhere
    void (*stuck)(void *argument, const char *sentence); // called by the watchdog, in place of printing, before abort()
    void *argument;
};

// One check.
struct conformance_check {
    const char *name;
    enum conformance_group group;
};

// The checks in the order in which they run, CONFORMANCE_CHECKS_MOST at most; NULL behind the last.
#define CONFORMANCE_CHECKS_MOST 32u
const struct conformance_check *conformance_check_at(unsigned index);

// The place of the check of that name, or -EINVAL and a sentence that names those that there are.
int conformance_find(const char *name, struct fault *fault);

// Why a check says nothing about this queue; NULL: it applies.
const char *conformance_why_not(const struct queue_choice *choice, unsigned index);

// Runs the checks as far as they apply. 0; -EINVAL and one sentence "<check>: what was wrong", or that there is no such
// check; -ENOMEM or -EAGAIN if the machine did not give what the check needs. When nothing moves for `stuck_s` seconds
// the process is ended by abort(), for threads that hang can't be joined. One thread of a process at a time.
int conformance_run(const struct queue_choice *choice, const struct conformance_options *options, struct fault *fault);

#endif
