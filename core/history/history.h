// SPDX-License-Identifier: Apache-2.0
// A history: what threads did to a queue, or what became of a pool's jobs, each operation with the moment of its
// invocation and the moment of its response. Threads write it while they run (recorder.h), it may go to a file
// (file.h), and is judged when all is over (check.h, jobs.h).
//
// An operation took effect somewhere in its interval. `a` precedes `b` only if a ended before b started, by readings
// of one clock (equal readings precede nothing), or if one thread recorded a before b. What is concluded from that is
// sound as long as no interval is narrower than the operation: see recorder.h.
#ifndef READYQ_HISTORY_HISTORY_H
#define READYQ_HISTORY_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/queue.h"

#define HISTORY_NAME_MOST 64u
#define HISTORY_NEVER UINT64_MAX

enum history_subject { HISTORY_OF_QUEUE, HISTORY_OF_POOL };

// What one event is. On a queue `item` is the item; on a pool it is the job's serial number, from 1.
enum history_kind {
    HISTORY_ENQUEUE = 0, // taken
    HISTORY_DEQUEUE,     // delivered
    HISTORY_EMPTY,       // a dequeue that answered EMPTY; item 0
    HISTORY_FULL,        // an enqueue that answered FULL; the item that was not taken
    HISTORY_SUBMIT,      // on the submitting thread; taken. If it was refused there is no event
    HISTORY_INVOKE,      // on the thread that ran `invoke`, from its start to its end
    HISTORY_READY,       // `ready` ran, likewise
    HISTORY_FREE,        // `free` ran in place of `ready`
    HISTORY_KEY,         // no operation: the next HISTORY_SUBMIT of this thread is of key `item`; start and span are 0
    HISTORY_KINDS
};

// 24 bytes, as recorded and as in a file.
#define HISTORY_KIND_BITS 4u
struct history_event {
    uint64_t start; // clock ticks since history.origin_ticks
    uint64_t span;  // ticks from start to end, shifted up by HISTORY_KIND_BITS; below them the enum history_kind
    uint64_t item;
};

static inline enum history_kind history_kind(const struct history_event *event)
{
    return (enum history_kind)(event->span & ((1u << HISTORY_KIND_BITS) - 1));
}

static inline uint64_t history_end(const struct history_event *event)
{
    return event->start + (event->span >> HISTORY_KIND_BITS);
}

// The events of one thread, by `start`. They do not overlap, except on a pool (a job may be submitted inside ready).
struct history_thread {
    char name[16]; // of its role: "producer", "consumer", "both", "scheduler", "worker", ...
    uint32_t rank; // within that role, from 0
    uint64_t count;
    struct history_event *events;
};

// What the subject promises, and is therefore held to.
struct history_promise {
    enum queue_order order;
    uint32_t relaxation; // QUEUE_ORDER_RELAXED: the k
    uint64_t capacity;   // 0: unbounded
    bool empty_exact, full_exact;
    bool keys;                   // pool: jobs of one key and one submitter are invoked in the order submitted
    bool completes_on_submitter; // pool: ready runs on the thread that submitted; an external's on scheduler 0
};

struct history {
    enum history_subject subject;
    char name[HISTORY_NAME_MOST]; // of the queue or pool, with parameters: "list:capacity=8;lock=mutex"
    struct history_promise promise;
    double ns_per_tick;
    uint64_t origin_ticks; // of the clock, what event.start counts from
    uint64_t skew_ticks;   // how far the clocks of two processors may differ; the judge widens intervals by it
    uint64_t sampled;      // only items, or jobs, of which history_is_sampled says so are in it; 0: all are
    uint64_t cut_ticks;    // from here on it is incomplete, since a thread ran out of room; HISTORY_NEVER: it is whole
    bool drained;        // all threads ended after EMPTY answers, or all jobs were waited for: what is missing is lost
    uint32_t schedulers; // pool: threads of ranks below in role "scheduler"; jobs of others come home to rank 0
    uint32_t workers;    // pool: on whose threads, all others but in role "worker", jobs are invoked; 0: inside submit
    uint32_t unrun;      // pool: so many jobs it left behind when it was stopped, invoked and not completed
    uint32_t thread_count; //
    struct history_thread *threads;
};

// Whether an item belongs to a sample of one in `every` (at least 1), whoever asks and whenever.
static inline bool history_is_sampled(uint64_t item, uint64_t every)
{
    return ((item * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % every == 0;
}

// How much of what happened a verdict rests on.
enum history_scope { HISTORY_SCOPE_NONE, HISTORY_SCOPE_SAMPLED, HISTORY_SCOPE_FULL };
// A sampled or cut history can show violations, and never their absence.
static inline enum history_scope history_scope(const struct history *history)
{
    return history->sampled || history->cut_ticks != HISTORY_NEVER ? HISTORY_SCOPE_SAMPLED : HISTORY_SCOPE_FULL;
}
const char *history_scope_name(enum history_scope scope); // "none", "sampled", "full"

// What a queue with these traits promises.
struct history_promise history_promise_of(const struct queue_traits *traits);

// Events over all threads.
uint64_t history_events(const struct history *history);

#endif
