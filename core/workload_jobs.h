// SPDX-License-Identifier: Apache-2.0
// What pool workloads share: jobs in slots that know how often they were submitted, invoked and completed, and
// where; the four stages of a job's life; and the loop that keeps jobs under way. Included by core/workload.h.
//
// A slot is filled by the thread that owns it, goes through the pool as the job's data, and is free again when `ready`
// has run. Its counts are never reset, so a second invoke or completion, however late, leaves them unequal. A pool may
// complete a job on another thread than its owner's, if it says so: that thread hands the slot back to its owner,
// who collects, counts and records.
#ifndef READYQ_WORKLOAD_JOBS_H
#define READYQ_WORKLOAD_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/machine/clock.h"
#include "core/pool.h"
#include "core/sync/atomic.h"

struct workload_run;
struct workload_thread;
struct workload_verdict;

// Stages of a job, as indices of workload_ops.stages. Names: "job_queue", "service", "ready_queue", "total".
enum jobs_stage { JOBS_JOB_QUEUE, JOBS_SERVICE, JOBS_READY_QUEUE, JOBS_TOTAL };

// One line, so that no two jobs share one.
struct job_slot {
    struct job_owner *owner;
    _Atomic uint32_t submitted; // so often; by the owner
    _Atomic uint32_t invoked;   // by any worker
    _Atomic uint32_t completed; // by the owner, or wherever the pool may complete
    uint32_t next;              // handed back: number of the slot below, from 1
    uint64_t sequence;          // of the present job among its owner's, from 1
    uint64_t submitted_ticks;   // 0: this job is not timed
    uint64_t started_ticks;     //
    uint64_t ended_ticks;       //
    uint64_t ready_ticks;       // 0: it has not come home
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct job_slot) == 64, "a slot is one line");

// What was last invoked of one key of one owner.
struct job_key {
    _Atomic uint64_t sequence;
} __attribute__((aligned(64)));

struct workload_jobs;

// The jobs of one thread that submits. Workers read the first part; the second is written by the thread itself, at
// every job; the third by whoever completes a job elsewhere.
struct job_owner {
    struct workload_jobs *all;
    void *workload;               // the workload's own state, for invoke
    struct workload_thread *self; // while attached
    struct job_owner *home;       // on whose thread the pool must complete the jobs; NULL: on any
    struct job_slot *slots;
    struct job_slot **free; // stack of the free ones
    struct job_key *keys;   // NULL: no keys
    void (*came_home)(struct job_slot *slot);
    void (*record)(struct workload_thread *self, const struct job_slot *slot);
    unsigned (*key_of)(const struct job_owner *owner, uint64_t sequence);
    unsigned number; // among the threads of the run
    unsigned slot_count, key_count;
    uint64_t timed_every; // job in so many is timed; 0: none

    unsigned free_count ALIGNED_LINE;
    uint64_t submitted, completed;
    uint64_t duplicated; // completions of a job that had come home before
    uint64_t unready;    // completions of a job that had not been invoked exactly once

    _Atomic uint32_t returned ALIGNED_LINE; // stack of slots completed elsewhere, by number from 1
    _Atomic uint32_t duplicated_elsewhere;
    _Atomic uint32_t unready_elsewhere;
} ALIGNED_LINE;

struct workload_jobs {
    const struct workload_run *run;
    unsigned threads;
    struct job_owner *owners;
    _Atomic uint64_t strayed ALIGNED_LINE; // completions on a thread on which the pool must not complete the job
    _Atomic uint64_t reordered;            // invocations after a later job of the same key and owner
};

// What workload_jobs_init is told.
struct jobs_plan {
    void *workload; // for job_owner.workload
    unsigned slots; // a thread: so many jobs at most in flight
    unsigned keys;  // 0: none
    uint64_t timed_every;
    void (*came_home)(struct job_slot *slot); // by the owner, of each job that it counts as completed; may be NULL
    // By the owner, of each timed job that came home, to record its stages; NULL: workload_jobs_record.
    void (*record)(struct workload_thread *self, const struct job_slot *slot);
    // The key, below `keys`, of job number `sequence` of its owner; by the owner and by whoever runs the job. Pure.
    // NULL: jobs go round the keys.
    unsigned (*key_of)(const struct job_owner *owner, uint64_t sequence);
};

// For all threads of the run, schedulers and externals. 0 or -ENOMEM with nothing held. By setup.
int workload_jobs_init(struct workload_jobs *jobs, const struct workload_run *run, const struct jobs_plan *plan);
// By teardown; also on zeroed memory.
void workload_jobs_fini(struct workload_jobs *jobs);

// By each thread that submits, first of all.
struct job_owner *workload_jobs_own(struct workload_jobs *jobs, struct workload_thread *self);

// By the owner: submits one job, of which there must be a free slot, and whose latencies count from `from_ticks`. The
// result of submit; negative: it was refused, and is no job.
long workload_jobs_submit_late(struct job_owner *owner, uint64_t from_ticks, void (*invoke)(void *slot),
                               void (*ready)(void *slot));

// The same, of a job whose latencies count from now.
long workload_jobs_submit(struct job_owner *owner, void (*invoke)(void *slot), void (*ready)(void *slot));

// By the owner: whether the next job that it submits will be timed.
static inline bool workload_jobs_times_next(const struct job_owner *owner)
{
    return owner->timed_every && owner->submitted % owner->timed_every == 0;
}

// By the owner: submits until its slots are all in flight, the pool refuses, or `most` are submitted. Returns how many.
unsigned workload_jobs_top_up(struct job_owner *owner, unsigned most, void (*invoke)(void *slot),
                              void (*ready)(void *slot));

// By the owner: one pass of the pool, unless it is an external, and takes back what was completed elsewhere.
enum pool_more workload_jobs_pass(struct job_owner *owner);

// The same, and if nothing came home while jobs are in flight, it sleeps; an external spins or yields. Returns whether
// any came home.
bool workload_jobs_await(struct job_owner *owner);

// By the owner: jobs that have not come home. 0 also when they never will as they should, since a job strayed.
static inline unsigned workload_jobs_in_flight(const struct job_owner *owner)
{
    return at_load_rlx(&owner->all->strayed) ? 0 : owner->slot_count - owner->free_count;
}

// Out of line part of workload_jobs_invoked.
void workload_jobs_check_key(struct job_slot *slot);

// By invoke, first of all.
static inline void workload_jobs_invoked(struct job_slot *slot)
{
    at_add_rlx(&slot->invoked, 1);
    if (slot->owner->keys)
        workload_jobs_check_key(slot);
}

// The four stages of a timed job that came home, as latencies of the thread.
void workload_jobs_record(struct workload_thread *self, const struct job_slot *slot);

// By invoke, where the service starts and where it ends, if workload_jobs_serve is not what serves.
static inline void workload_jobs_start(struct job_slot *slot)
{
    if (slot->submitted_ticks)
        slot->started_ticks = clock_ticks();
}
static inline void workload_jobs_end(struct job_slot *slot)
{
    if (slot->submitted_ticks)
        slot->ended_ticks = clock_ticks();
}

// By invoke: serves the job by keeping the worker busy for `ticks`. When a timed job starts and ends is told by the
// readings that this takes anyway: of its own, timing costs the worker none, unless the job is empty.
static inline void workload_jobs_serve(struct job_slot *slot, uint64_t ticks)
{
    if (!slot->submitted_ticks) {
        if (ticks)
            clock_spin(ticks);
        return;
    }
    const struct clock_span span = clock_spin(ticks);
    slot->started_ticks = span.start;
    slot->ended_ticks = span.end;
}

// By ready: counts, checks, records the stages of a timed job and frees the slot, or hands it back to its owner, who
// does. `from_ticks`: the job counts as submitted no earlier than this (0: when it was). False: the job must not
// complete on this thread, and was not touched.
bool workload_jobs_complete(struct job_slot *slot, uint64_t from_ticks);

// By ready, first of all, where it does more than that: the job has come home now, and not when it is completed.
static inline void workload_jobs_arrived(struct job_slot *slot)
{
    if (slot->submitted_ticks)
        slot->ready_ticks = clock_ticks();
}

// By verify, the pool stopped. Jobs that did not complete are no fault if the pool says of exactly so many that it left
// them behind, and each was invoked once.
void workload_jobs_judge(const struct workload_jobs *jobs, struct workload_verdict *verdict);

#endif
