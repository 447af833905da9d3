// SPDX-License-Identifier: Apache-2.0
// The scheduler's side of the pool: told by workers through a word of flags, it completes what came home,
// reclaims, and sleeps without losing a wake.
//
// All that may end its sleep is in one word, and each side changes it by a read-modify-write: either the worker
// finds the sleeper's flag and sets the event, or the scheduler finds the worker's flag and does not sleep.
#ifndef READYQ_POOL_SCHEDULER_H
#define READYQ_POOL_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/pool.h"
#include "core/pool/pool.h"
#include "core/pool/ready.h"
#include "core/pool/submit.h"
#include "core/sync/atomic.h"
#include "core/sync/event.h"
#include "core/sync/patience.h"
#include "core/sync/progress.h"

enum scheduler_flag {
    SCHEDULER_READY = 1,    // something came home since the last look
    SCHEDULER_PROGRESS = 2, // the progress asked for has been reached
    SCHEDULER_SLEEPING = 4, // whoever sets one of the others must set the event
};

struct scheduler {
    _Atomic uint32_t flags ALIGNED_LINE;
    struct event event;
    struct ready_queue ready;
    struct submitter submitter;

    struct pool *pool ALIGNED_LINE; // the scheduler's own from here on
    unsigned index;
    _Atomic uint32_t taken;           // some thread is or was this scheduler
    struct progress_thread *progress; // NULL while not attached, or without SMP
    bool attached;                    //
    struct account *account;          // NULL: none is kept
    bool clean_due;                   // the ready queue has something to reclaim
    bool clean_blocked;               // but not before `clean_progress`
    uint64_t clean_progress;
    bool caches_elements;
    struct patience patience;
    _Atomic uint64_t parks;

    _Atomic uint64_t adopted ALIGNED_LINE; // jobs of its own that completions on workers submitted
    _Atomic uint64_t completed_elsewhere;  // by workers
};

// The submitter that number `thread` of the contract is: the schedulers, then the externals; NULL: no such number.
static inline struct submitter *submitter_at(struct pool *pool, unsigned thread)
{
    if (thread < pool->scheduler_count)
        return &pool->schedulers[thread].submitter;
    thread -= pool->scheduler_count;
    return thread < pool->external_count ? &pool->externals[thread] : NULL;
}

// The queue's notify: something came home. Any thread.
void scheduler_notify(void *scheduler);

// By a worker: completed one of this scheduler's jobs.
void scheduler_count_elsewhere(struct scheduler *self);

// Makes the calling thread this scheduler. 0 or a negative errno.
int scheduler_attach(struct scheduler *scheduler);

// One round of housekeeping: progress, then what came home (up to the limit), then reclamation.
enum pool_more scheduler_pass(struct scheduler *scheduler);

// Sleeps until there is something to pass; spins for a while first.
void scheduler_wait(struct scheduler *scheduler);

// For scripted schedules, in which one thread takes all parts: scheduler_wait in two halves, without the spin before
// them, and without the sleep on scheduler->event between them. True: it would sleep (event_park).
bool scheduler_lie_down(struct scheduler *scheduler);
void scheduler_get_up(struct scheduler *scheduler);

// Consumes what is in flight (not with POOL_STOP_FLUSH), then ends attach. The pool may be gone when it returns.
void scheduler_detach(struct scheduler *scheduler);

#endif
