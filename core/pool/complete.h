// SPDX-License-Identifier: Apache-2.0
// The end of a job, wherever it comes to it: on its scheduler, or on a worker where the pool is told so.
#ifndef READYQ_POOL_COMPLETE_H
#define READYQ_POOL_COMPLETE_H

#include "core/pool/job.h"

struct account;
struct pool;
struct submitter;

// Looks the job's port up and runs the driver's callback under its lock, or `free` where either is missing; then gives
// the references back. A bare job has its `ready` called, and that is all. The record is kept for the jobs of `home`,
// whose thread this is, or freed if that is NULL. `account` is the calling thread's, or NULL. Any thread.
void job_complete(struct pool *pool, struct job *job, struct submitter *home, struct account *account);

// Gives the references back and frees the record: for a job that will not be completed. What its `cargo` holds is the
// caller's. Any thread.
void job_drop(struct pool *pool, struct job *job);

#endif
