// SPDX-License-Identifier: Apache-2.0
// The history of a run: recorded through a tap on its queue or pool while it measures, judged when it is over.
#ifndef READYQ_RUN_JUDGING_H
#define READYQ_RUN_JUDGING_H

#include "core/check/pool_tap.h"
#include "core/history/tap.h"
#include "core/run/run.h"

// All zero where the user asked for no check: then nothing is recorded, and nothing stands between.
struct judging {
    const struct run_plan *plan;
    struct recording *recording; // NULL: there is no check
    struct tap tap;              // on a queue
    struct pool_tap *pool_tap;   // on a pool
    double cost_ns;              // of recording one operation
};

// Refuses a file that could not be written when all has been measured: its folder must be there, and let files be made
// in it. 0, or a negative errno and a sentence.
int judging_check_file(const char *path, struct fault *fault);

// Begins to record. The queue to open and the pool to start in place of those of the plan are left in *queue or *pool;
// without a check they are the plan's. By main. 0, or a negative errno and a sentence, with nothing left behind.
int judging_open(struct judging *judging, const struct run_plan *plan, const struct queue_choice **queue,
                 const struct pool_ops **pool, struct fault *fault);

// By each thread of the workload, before it attaches to the queue: under which name its calls stand in the history.
void judging_name_thread(const struct judging *judging, const struct workload_thread *self);

// All threads have ended, and the subject is closed: writes the history to the user's file, judges it, and fills what
// the record says of it. `drained`: whatever went in has come out, if it was not lost, but for `unrun` jobs that the
// pool says it left behind, invoked and not completed. `violation` receives a sentence where a promise was broken;
// result->witness what shows it. 0, or -ENOMEM and a sentence in `fault`.
int judging_judge(struct judging *judging, bool drained, uint64_t unrun, struct record *record,
                  struct run_result *result, struct fault *violation, struct fault *fault);

// Not after a run that is stuck, whose threads may still record.
void judging_close(struct judging *judging);

#endif
