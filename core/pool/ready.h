// SPDX-License-Identifier: Apache-2.0
// A ready queue: the way home. Workers put finished jobs in, and the scheduler that it belongs to takes them out
// and completes them.
//
// The lock around the workers' enqueue is not for safety. It puts workers to sleep during a blast of completions,
// where they would otherwise burn processors on each other's compare-and-swaps and slow the schedulers down.
//
// A bounded queue may be full. A worker then says which queue it awaits, looks once more, and parks; the scheduler
// wakes all that wait when it has made room. All, and not as many as there is room for: a woken worker may have
// found room by itself a moment before, and would swallow the wake that another one needs.
#ifndef READYQ_POOL_READY_H
#define READYQ_POOL_READY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/pool/job.h"
#include "core/queue_client.h"
#include "core/sync/atomic.h"
#include "core/sync/lock.h"

struct account;
struct pool;
struct submitter;
struct worker;
struct worker_job;

struct ready_queue {
    struct lock lock; // of enqueueing workers; LOCK_NONE if the option says so

    struct pool *pool ALIGNED_LINE; // not written after start
    struct queue queue;
    unsigned limit;           // completions a check
    struct queue_client last; // reserved for whoever looks at what an exit flush left

    _Atomic uint32_t crowded ALIGNED_LINE; // a worker may be waiting for room

    struct queue_client consumer ALIGNED_LINE; // the scheduler's own from here on
    struct submitter *home;                    // its own, which uses the records of completed jobs again
    struct garbage_chain garbage;              // that came home with jobs
    unsigned retries;                          // checks in a row that met an enqueue in flight
    _Atomic uint64_t completed;                // `ready` or `free` has run
    _Atomic uint64_t batches;                  // checks that completed any
};

// By main, before any worker; `number` is the scheduler's. 0, or a negative errno and a sentence. `env` tells whom to
// notify.
int ready_open(struct ready_queue *ready, struct pool *pool, unsigned number, const struct queue_env *env,
               struct fault *fault);
void ready_close(struct ready_queue *ready);

// By a worker, through its own client: sends up to `count` finished jobs home under one hold of the lock. Returns how
// many went, which are somebody else's now; at fewer than `count`, *result says why as queue_enqueue_prepared would.
unsigned ready_enqueue(struct ready_queue *ready, struct queue_client *client, const struct worker_job *jobs,
                       unsigned count, int *result);

// By a worker, after QUEUE_FULL and event_reset(&worker->room): from now on room made is announced to it. It must
// try once more before it waits.
void ready_await_room(struct ready_queue *ready, struct worker *worker);

// By the scheduler: completes up to `limit` jobs, then frees one step of garbage. True: the limit was reached, or
// an enqueue in flight hides more. `account` is the scheduler's, or NULL.
bool ready_check(struct ready_queue *ready, struct account *account);

// By the scheduler, with nothing more to complete: one step of reclamation. QUEUE_NEED_PROGRESS: not before *progress;
// without SMP there is no such thing.
enum queue_clean_state ready_clean(struct ready_queue *ready, uint64_t *progress);

#endif
