// SPDX-License-Identifier: Apache-2.0
// An async worker: runs jobs from its own queue and sends them home. It never frees a job, and frees elements of
// its queue only when it has nothing better to do: the dead ones travel home inside the next job. With the option
// completion=worker it completes the jobs itself instead, and frees them and the elements.
//
// Its thread only loops over worker_step, which never blocks and says what to do next. Tests call it directly.
#ifndef READYQ_POOL_WORKER_H
#define READYQ_POOL_WORKER_H

#include <stdint.h>

#include "core/fault.h"
#include "core/pool/job.h"
#include "core/pool/submit.h"
#include "core/queue_client.h"
#include "core/sync/atomic.h"
#include "core/sync/event.h"
#include "core/sync/patience.h"
#include "core/sync/progress.h"
#include "core/sync/thread.h"

struct pool;
struct ready_queue;

// How the worker gets on, for who routes by that.
struct worker_pace {
    _Atomic uint64_t since_ticks; // when it began its present batch; 0: it has none
    _Atomic uint64_t job_ticks;   // what its jobs took lately, in the mean
};

// A job in the worker's hands.
struct worker_job {
    struct job *job;
    void *element; // for its way home
};

enum worker_next {
    WORKER_RAN,     // ran what it took, and all is on its way home
    WORKER_AGAIN,   // there may be more to do at once
    WORKER_RETRY,   // an operation of another thread is in the way, or memory is short
    WORKER_SLEEP,   // wait for `event`, which was reset before the last look
    WORKER_NO_ROOM, // wait for `room`, likewise: the ready queue is full
    WORKER_STOP,    // told to stop, and nothing is left; or took a job without a port
};

struct worker {
    struct event event; // a job, progress, or the order to stop
    struct event room;  // in the ready queue awaited; apart, since an event serves one purpose

    struct pool *pool ALIGNED_LINE; // not written once all are ready
    unsigned index;
    struct queue jobs;          // made by the worker itself, unless all share one
    struct queue *source;       // where its jobs come from: `jobs`, or the shared queue
    struct queue_client *ready; // one a scheduler
    struct job poison;          // the job without a port that ends this worker; its own, and it writes nothing to it
    _Atomic uint32_t draining;  // no more jobs will come: stop when there are none
    _Atomic(struct ready_queue *) awaited;

    struct queue_client consumer ALIGNED_LINE; // the worker's own from here on
    struct progress_thread *progress;          // NULL while not open
    struct garbage_chain saved;                // collected while idle, in the hope of a job to carry it
    uintptr_t *items;                          // dequeued at once; pool->config.batch of them
    struct worker_job *batch;                  // in hand, as many
    unsigned taken, ran, sent;                 // how many there are, have run, and are on their way home
    struct patience patience;                  // with worker_spin_ns
    bool poisoned;                             // no more after this batch
    bool caches_elements;
    bool listed;                // put itself on the list of sleepers, and has not looked at it since
    struct account *account;    // NULL: none is kept
    struct submitter submitter; // of completions that run here
    _Atomic uint64_t invoked;
    _Atomic uint64_t parks;

    struct worker_pace pace ALIGNED_LINE; // written around each batch; only where it is asked for

    _Atomic uint64_t assigned ALIGNED_LINE; // jobs sent here, by submitters; counted only where they route by load

    struct thread thread ALIGNED_LINE;
    int error; // of worker_open; published by the check-in
    struct fault fault;
};

// By the worker's thread: makes its queue and attaches it everywhere. 0, or a negative errno (worker->fault may say
// more); worker_close is due in any case.
int worker_open(struct worker *worker);
void worker_close(struct worker *worker);

// Takes a batch of jobs and runs it, or does one step of reclamation, or finds that there is nothing to do.
enum worker_next worker_step(struct worker *worker);

// The thread: opens, checks in, loops, closes.
void worker_main(void *worker);

// The worker that runs a completion on the calling thread at this moment; NULL: none does.
struct worker *worker_completing(void);

// Any thread: no more jobs will be submitted to this worker.
void worker_drain(struct worker *worker);

#endif
