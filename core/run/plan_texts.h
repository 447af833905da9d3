// SPDX-License-Identifier: Apache-2.0
// What a plan says of itself: the texts of its record, and its cell's identity.
#ifndef READYQ_RUN_PLAN_TEXTS_H
#define READYQ_RUN_PLAN_TEXTS_H

#include "core/run/run.h"

// Indices of plan->texts. An empty text is absent from the record.
enum plan_text {
    PLAN_WORKLOAD_PARAMS,
    PLAN_POOL_PARAMS,
    PLAN_OPTIONAL_OPS,
    PLAN_PIN,
    PLAN_CPUS,
    PLAN_STARTED,
    PLAN_ORIGINS,
    PLAN_RUN_ID,
    PLAN_CHECKS,
    PLAN_TEXTS,
};

// Fills plan->texts and plan->cell_id of a plan that is complete otherwise. 0 or -ENOMEM.
int plan_write_texts(struct run_plan *plan);

// Threads that enqueue and that dequeue, of a workload on a queue.
unsigned plan_producers(const struct run_plan *plan);
unsigned plan_consumers(const struct run_plan *plan);

#endif
