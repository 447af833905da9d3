// SPDX-License-Identifier: Apache-2.0
// What a run measures, with all that it stands on: a queue with its environment, or a pool.
#ifndef READYQ_RUN_SUBJECT_H
#define READYQ_RUN_SUBJECT_H

#include "core/run/judging.h"
#include "core/run/run.h"
#include "core/sync/elements.h"

struct subject {
    const struct run_plan *plan;
    struct workload_run *run;
    struct judging judging;       // what stands between, where there is a check; closed by whoever frees the subject
    struct queue queue;           // on a queue; memory is NULL while it is not open
    struct progress *progress;    // on a queue
    struct elements *elements;    // on a queue that takes elements
    struct pool *pool;            // on a pool
    struct pool_statistics final; // of the pool; set by subject_close
    struct queue_statistics left; // of the queue; likewise
    uint64_t backlog;             // elements that the queue had not given back; likewise
};

// Makes the queue or starts the pool, and fills what the workload sees of it in `run`. By main. 0, or a negative
// errno and a sentence, with nothing left behind.
int subject_open(struct subject *subject, const struct run_plan *plan, struct workload_run *run, struct fault *fault);

// By each thread of the workload, for itself, pinned: registers for thread progress, and attaches as its role says.
// 0, or a negative errno with nothing left behind.
int subject_attach(struct workload_thread *self, void *subject);
void subject_detach(struct workload_thread *self, void *subject);

// Stops the pool or closes the queue. By main, all threads of the workload joined. False: the pool does not stop, and
// nothing that it uses may be freed. `fault` receives why, or what was lost or leaked; it stays empty if all came back.
bool subject_close(struct subject *subject, struct fault *fault);

// After that: fills what the queues counted.
void subject_record(const struct subject *subject, struct record *record);

#endif
