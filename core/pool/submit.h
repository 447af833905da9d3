// SPDX-License-Identifier: Apache-2.0
// Submitting: from the call to the worker's job queue.
#ifndef READYQ_POOL_SUBMIT_H
#define READYQ_POOL_SUBMIT_H

#include <stdint.h>

#include "core/pool/job.h"
#include "core/queue_client.h"
#include "core/sync/atomic.h"

struct pool;

// A thread's right to submit: a scheduler's, or a declared external thread's. That thread writes it, stop looks.
struct submitter {
    struct pool *pool ALIGNED_LINE;
    unsigned home;               // scheduler to which its jobs come home
    struct queue_client *jobs;   // one a worker
    _Atomic(const void *) owner; // thread_token; NULL while not attached
    _Atomic uint32_t taken;      // of an external: some thread is it
    _Atomic uint32_t inside;     // within pool_async: stop waits for that
    _Atomic uint64_t submitted;  //
    _Atomic uint64_t refused;    // for want of room
};

// Makes the calling thread an external submitter, whose jobs come home to the first scheduler. It is unmanaged.
// 0, -EBUSY (some thread is that one), -ESHUTDOWN (stopping, or that scheduler has left), or another negative
// errno. That scheduler stays until it has left.
int pool_attach_external(struct pool *pool, unsigned external);
void pool_detach_external(struct pool *pool, unsigned external);

// For schedulers and externals alike: attaches the calling thread to all job queues.
int submitter_attach(struct submitter *submitter, enum queue_thread_kind kind);
void submitter_detach(struct submitter *submitter);

// Submits a job for a port whose lock the caller holds. With `key`, jobs of equal *key are started in the order
// submitted, and *key becomes the number of the worker; NULL: round robin. Returns the job's id (> 0), or
//   -EPERM     the thread is not this submitter, or does not hold the port
//   -EINVAL    there is no such port
//   -ESHUTDOWN the pool is stopping
//   -ENOMEM, -EAGAIN (the worker's queue is full); an id is spent and *key is written all the same.
// Then no callback runs, `free` included, and no reference is held.
long pool_async(struct submitter *submitter, const struct job_call *call, unsigned *key);

#endif
