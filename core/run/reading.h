// SPDX-License-Identifier: Apache-2.0
// What is counted at the edges of the window by the controller, and what the difference of two readings says.
#ifndef READYQ_RUN_READING_H
#define READYQ_RUN_READING_H

#include "core/measure/tasks.h"
#include "core/measure/usage.h"
#include "core/run/accounts.h"
#include "core/run/phases.h"

// What is counted, at one moment.
struct reading {
    struct usage usage;
    struct pool_statistics pool;
    uint64_t allocations;
    struct accounts accounts;
    struct tasks tasks;
};

// Reads all but the allocations and the tasks. `pool` may be NULL. 0 or -ENOMEM.
int reading_take(struct reading *reading, const struct pool_ops *pool_ops, struct pool *pool);
void reading_free(struct reading *reading);

// Fills what the process used and what the pool counted between the two.
void reading_record(const struct reading *opened, const struct reading *closing, struct record *record);

// Afterwards: what falls on one operation.
void reading_record_shares(struct record *record);

// A row for each thread of the workload, allocated; NULL: no memory.
struct record_thread *reading_threads(const struct reading *opened, const struct reading *closing,
                                      const struct run_phases *phases, unsigned threads);

#endif
