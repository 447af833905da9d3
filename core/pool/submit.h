// SPDX-License-Identifier: Apache-2.0
// Submitting: from the call to the worker's job queue.
#ifndef READYQ_POOL_SUBMIT_H
#define READYQ_POOL_SUBMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/pool/job.h"
#include "core/pool/port.h"
#include "core/queue_client.h"
#include "core/sync/atomic.h"

struct pool;

// A thread's right to submit: a scheduler's, or a declared external thread's. That thread writes it, stop looks.
struct submitter {
    struct pool *pool ALIGNED_LINE;
    unsigned home;               // scheduler to which its jobs come home
    bool adopts;                 // it is a worker's: `home` is whoever the completion that submits belongs to
    uint64_t port;               // its default port, for callers that know of none
    struct account *account;     // of its thread, or NULL
    struct queue_client *jobs;   // one a job queue
    struct job *cache;           // records of completed jobs, for the next
    uint64_t cached;             // how many
    uint64_t random;             // state of the generator that two_choices draws from; never 0
    unsigned filling, believed;  // routing=fill: the worker found last, and for how many jobs it still is
    _Atomic(const void *) owner; // thread_token; NULL while not attached
    _Atomic uint32_t taken;      // of an external: some thread is it
    _Atomic uint32_t inside;     // within pool_async: stop waits for that
    _Atomic uint64_t submitted;  //
    _Atomic uint64_t ran;        // of those, inside submit itself: there are no workers
    _Atomic uint64_t refused;    // for want of room
};

// The one to submit through, on behalf of `thread`: itself, or that of the worker that runs a completion just now.
// 0, or -EPERM (no such number), -ENOMEM.
int submitter_here(struct pool *pool, unsigned thread, struct submitter **submitter);

// Whether the calling thread is it.
static inline bool submitter_is_mine(struct submitter *submitter)
{
    return at_load_rlx(&submitter->owner) == thread_token();
}

// Makes the calling thread an external submitter, whose jobs come home to the first scheduler. It is unmanaged.
// 0, -EBUSY (some thread is that one), -ESHUTDOWN (stopping, or that scheduler has left), or another negative
// errno. That scheduler stays until it has left.
int pool_attach_external(struct pool *pool, unsigned external);
void pool_detach_external(struct pool *pool, unsigned external);

// For all alike: attaches the calling thread to all job queues.
int submitter_attach(struct submitter *submitter, enum queue_thread_kind kind);
void submitter_detach(struct submitter *submitter);

// Opens a default port for it, and closes it.
int submitter_open_port(struct submitter *submitter);
void submitter_close_port(struct submitter *submitter);

// Submits a job for a port whose lock the caller holds. With `key`, jobs of equal *key are started in the order
// submitted, and *key becomes the number of the worker; NULL: as the option routing says. Returns the job's id (> 0),
// 0 (there are no workers: it ran meanwhile, callbacks and all), or
//   -EPERM     the thread is not this submitter, or does not hold the port
//   -EINVAL    there is no such port; or a key, where all workers share one queue
//   -ESHUTDOWN the pool is stopping
//   -ENOMEM, -EAGAIN (the worker's queue is full); an id is spent and *key is written all the same.
// Then no callback runs, `free` included, and no reference is held.
long pool_async(struct submitter *submitter, const struct job_call *call, unsigned *key);

// The same for a port that is not locked yet, or by the calling thread.
long pool_async_locking(struct submitter *submitter, const struct job_call *call, unsigned *key);

// The same for a job that belongs to no port (call->port is PORT_BARE), where jobs come home through ready queues.
long pool_async_bare(struct submitter *submitter, const struct job_call *call, unsigned *key);

// By the submitter's thread, when one of its jobs has completed: keeps the record for the next, or frees it.
void submitter_recycle(struct submitter *submitter, struct job *job);

// A key that spreads ports over the workers: the port's number; 0 for PORT_NONE.
unsigned pool_port_key(uint64_t port);

// Always -ENOTSUP and a sentence: a job may be anywhere on its way, and nothing could be told of whether it ran.
int pool_cancel(struct pool *pool, long id, struct fault *fault);

#endif
