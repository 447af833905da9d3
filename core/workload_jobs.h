// SPDX-License-Identifier: Apache-2.0
// What pool workloads share: jobs in slots that know how often they were submitted, invoked and completed, and
// where; and the four stages of a job's life. Included by core/workload.h.
//
// A slot is filled by its scheduler, goes through the pool as the job's data, and is free again when `ready` has
// run. Its counts are never reset, so a second invoke or completion, however late, leaves them unequal.
#ifndef READYQ_WORKLOAD_JOBS_H
#define READYQ_WORKLOAD_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/machine/clock.h"
#include "core/sync/atomic.h"

struct workload_run;
struct workload_thread;
struct workload_verdict;

// Stages of a job, as indices of workload_ops.stages. Names: "job_queue", "service", "ready_queue", "total".
enum jobs_stage { JOBS_JOB_QUEUE, JOBS_SERVICE, JOBS_READY_QUEUE, JOBS_TOTAL };

// One line, so that no two jobs share one.
struct job_slot {
    struct job_owner *owner;
    uint64_t submissions;     // the owner's thread
    _Atomic uint64_t invoked; // any worker
    uint64_t sequence;        // of the present job, from 1
    uint64_t submitted_ticks; // 0: this job is not timed
    uint64_t started_ticks;   //
    uint64_t ended_ticks;     //
    uint32_t key;             // of the present job
    uint32_t in_flight;       // the owner's thread
} __attribute__((aligned(64)));

// What was last invoked of one key of one scheduler.
struct job_key {
    _Atomic uint64_t sequence;
} __attribute__((aligned(64)));

struct workload_jobs;

// One scheduler's jobs. Workers read the first part; the second is written by the scheduler's thread, at every job.
struct job_owner {
    struct workload_jobs *all;
    void *workload;               // the workload's own state, for invoke
    struct workload_thread *self; // while attached
    struct job_slot *slots;
    struct job_slot **free; // stack of the free ones
    struct job_key *keys;   // NULL: no keys
    unsigned slot_count, key_count;
    uint64_t timed_every; // job in so many is timed; 0: none

    unsigned free_count ALIGNED_LINE;
    uint64_t submitted, completed;
    uint64_t duplicated; // completions of a slot that was not in flight
    uint64_t unready;    // completions of a job that had not been invoked exactly once
} ALIGNED_LINE;

struct workload_jobs {
    unsigned schedulers;
    struct job_owner *owners;
    _Atomic uint64_t strayed ALIGNED_LINE; // completions on a thread that did not submit the job
    _Atomic uint64_t reordered;            // invocations after a later job of the same key and scheduler
};

// What workload_jobs_init is told.
struct jobs_plan {
    void *workload; // for job_owner.workload
    unsigned schedulers;
    unsigned slots; // a scheduler: so many jobs at most in flight
    unsigned keys;  // 0: none
    uint64_t timed_every;
};

// 0 or -ENOMEM with nothing held. By setup.
int workload_jobs_init(struct workload_jobs *jobs, const struct jobs_plan *plan);
// By teardown; also on zeroed memory.
void workload_jobs_fini(struct workload_jobs *jobs);

// By each scheduler's thread, first of all.
struct job_owner *workload_jobs_own(struct workload_jobs *jobs, struct workload_thread *self);

// By the scheduler: submits one job, of which there must be a free slot. The result of submit.
long workload_jobs_submit(struct job_owner *owner, void (*invoke)(void *slot), void (*ready)(void *slot));

// By the scheduler: jobs that have not come home. 0 also when they never will as they should, since a job strayed.
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

// By invoke, where the service starts and where it ends.
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

// By ready: counts, checks, records the stages of a timed job and frees the slot. `from_ticks`: the job counts as
// submitted no earlier than this (0: when it was). False: the job is not this thread's, and was not touched.
bool workload_jobs_complete(struct job_slot *slot, uint64_t from_ticks);

// By verify, the pool stopped.
void workload_jobs_judge(const struct workload_jobs *jobs, struct workload_verdict *verdict);

#endif
