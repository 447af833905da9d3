// SPDX-License-Identifier: Apache-2.0
// Which job queue a job goes to. The originals have one for each worker, and a job without a key goes to the next in
// turn (round_robin), however long the queue there. The alternatives that a reviewer asks for:
//
//   shared        one queue for all workers: a job waits only while all are busy, but they meet at one place; no keys
//   least_loaded  the worker with the fewest jobs, of all of them
//   two_choices   the better of two workers drawn at random
//   fill          the first worker that has little to do: so few of them are awake as suffice
//
// A worker's load is the number of jobs that were assigned to it and have not been invoked, whether they have a key or
// not. Both counters are read without waiting for anyone, so it is roughly so. It costs: each submitter writes a line
// that all others write, and reads one that the worker writes for each job; least_loaded reads those of all workers.
//
// fill asks how long a job would wait, since to wake a worker costs microseconds and to let a short job wait behind
// others costs less: the first worker whose jobs in hand take less than `fill_ns`, by what its jobs took in the mean
// lately, gets the next. One that has been in its present batch for longer than that counts as full, however little it
// has: nobody knows when it will be back; so does one with as many jobs as its queue holds. Where all are full, it
// is as least_loaded. The answer is believed for some jobs, so that lines of workers are not read for each.
#ifndef READYQ_POOL_ROUTING_H
#define READYQ_POOL_ROUTING_H

#include "core/pool/pool.h"
#include "core/queue_client.h"

struct submitter;
struct worker;

// Makes a job queue, a worker's own or the shared one, on `env`.
int routing_open(struct pool *pool, struct queue *jobs, const struct queue_env *env, struct fault *fault);

// Makes the shared one, by main.
int routing_open_shared(struct pool *pool, struct fault *fault);

// The notify of the shared queue, of a pool: one worker that sleeps, if any does.
void routing_wake_one(void *pool);

// By a worker, of a pool that asks how long jobs take: around each batch.
void routing_begin(struct worker *worker);
void routing_end(struct worker *worker, unsigned jobs);

// The worker for a job without a key, by load. `id` tells where least_loaded begins, so that equals have turns.
unsigned routing_by_load(struct submitter *submitter, long id);

#endif
