// SPDX-License-Identifier: Apache-2.0
// Scripted schedules for `readyq steps`: what each step of a queue, or of our pool, costs, counted and not timed. One
// thread takes all parts in a fixed order and nobody sleeps, so that one program counts the same at every run.
//
// A script has phases, and each takes steps of a few kinds. The code of a step is a function whose name begins with
// scripted_, and a phase is a call of steps_phase: so that a profiler can be told to count inside the former alone,
// which leaves out the bookkeeping, and to part its numbers at the end of the latter. Memory comes through steps_alloc
// and steps_free, so that it can leave out malloc, which is not ours (scripts/benchlib/gate/callgrind.py).
#ifndef READYQ_RUN_STEPS_H
#define READYQ_RUN_STEPS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/fault.h"
#include "core/machine/memory.h"
#include "core/pool.h"
#include "core/queue_client.h"
#include "core/sync/counts.h"

#define STEPS_KINDS_MOST 5u
#define STEPS_PHASES_MOST 6u
#define STEPS_WORKERS_MOST 16u

// What is asked for: a queue, or a pool with its two.
struct steps_request {
    struct queue_choice queue, job_queue, ready_queue;
    const struct pool_entry *pool; // NULL: of a queue
    void *pool_config;
    uint64_t operations; // items or jobs in each phase
    uint64_t burst;      // of them in a row, where they come in bursts
    uint64_t workers;
};

// What all steps of one kind cost in a phase.
struct steps_cost {
    uint64_t calls;
    uint64_t allocations, frees;
    uint64_t told; // times that the other side was told: steps.told
    struct atomic_counts atomics;
};

struct steps_phase {
    const char *name;
    uint64_t operations; // done, as the records of runs count them: an enqueue, a dequeue; a job
    struct steps_cost costs[STEPS_KINDS_MOST];
};

// The book that a script keeps. `subject` is the script's own.
struct steps {
    struct allocator allocator; // first. Counts what is taken through it
    uint64_t allocations, frees;
    const struct steps_request *request;
    void *subject;                           // given to steps, phases and `told`
    const char *kinds[STEPS_KINDS_MOST + 1]; // names, NULL-terminated
    const char *told_name;                   // "wakes"; of a queue "notifications"
    uint64_t (*told)(const void *subject);   // since the beginning
    struct steps_phase phases[STEPS_PHASES_MOST];
    unsigned phase_count;
    struct steps_phase before; // the first phase
    struct steps_phase *phase; // under way
};

// An empty book. `request` must outlive it.
void steps_open(struct steps *steps, const struct steps_request *request);

// Runs one phase: `script` takes the steps and adds to phase->operations. What `script` returns: 0 or a negative errno
// and a sentence.
int steps_phase(struct steps *steps, const char *name,
                int (*script)(void *subject, struct steps_phase *phase, struct fault *fault), struct fault *fault);

// Takes one step of a kind, and books what it cost. What `step` returns.
long steps_take(struct steps *steps, unsigned kind, long (*step)(void *subject, uint64_t argument), uint64_t argument);

// The scripts. They fill the book, or end with a negative errno and a sentence.
int steps_of_queue(struct steps *steps, struct fault *fault);
int steps_of_pool(struct steps *steps, struct fault *fault);

// Everything as JSON; NULL without memory.
json_t *steps_json(const struct steps *steps);

#endif
