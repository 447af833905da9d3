// SPDX-License-Identifier: Apache-2.0
// One asynchronous call on its way: from the submitter through a job queue to a worker, and home through a ready
// queue. One record carries it all the way, allocated by who submits and freed, or kept for another job, where it
// completes.
#ifndef READYQ_POOL_JOB_H
#define READYQ_POOL_JOB_H

#include <stddef.h>
#include <stdint.h>

#include "core/sync/garbage.h"

struct port_data_lock;
struct driver_handle;

// No port: a job with it ends the worker that takes it.
#define PORT_NONE UINT64_C(0)
// Belongs to no port, and completes without one.
#define PORT_BARE UINT64_MAX

// What the submitter asks for.
struct job_call {
    uint64_t port;              // what the job belongs to, looked up again when it has come home
    void (*invoke)(void *data); // on a worker, with no lock held; without workers inside submit, under the port's
    void (*ready)(void *data);  // for the driver of the pool's own ports; other drivers have a callback of their own
    void (*free)(void *data);   // in place of the driver's callback, when port or callback is gone; may be NULL
    void *data;
};

// Belongs to one thread at a time, and is handed on by the queues. A worker needs the first line only.
struct job {
    struct job_call call;
    union {
        void *element;                // until a worker has it: of the ready queue, prepared by the submitter
        struct garbage_chain garbage; // from then on: dead elements of that worker's job queue
    } cargo;
    unsigned scheduler;               // to whose ready queue it goes home
    long id;                          // > 0; 0: run inside submit, or the poison
    struct port_data_lock *data_lock; // a reference, NULL: the port has none
    struct driver_handle *driver;     // a reference, NULL: the driver can't be unloaded
    struct job *next;                 // in a scheduler's cache
} __attribute__((aligned(64)));

// Asks for the line of a job that the caller is about to read, or to write; and for what the job works on, which is
// read from it.
static inline void job_prefetch_read(const struct job *job)
{
    __builtin_prefetch(job, 0);
}
static inline void job_prefetch_write(const struct job *job)
{
    __builtin_prefetch(job, 1);
}
static inline void job_prefetch_data(const struct job *job)
{
    __builtin_prefetch(job->call.data, 1);
}

_Static_assert(offsetof(struct job, id) == 64, "what a worker needs of a job is one line");

#endif
