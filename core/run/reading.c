// SPDX-License-Identifier: Apache-2.0
#include "core/run/reading.h"

#include <stdlib.h>

int reading_take(struct reading *reading, const struct pool_ops *pool_ops, struct pool *pool)
{
    usage_read(&reading->usage);
    reading->pool = (struct pool_statistics){
        .completed = RECORD_ABSENT, .wakes = RECORD_ABSENT, .parks = RECORD_ABSENT, .batches = RECORD_ABSENT};
    if (!pool)
        return 0;
    pool_ops->statistics(pool, &reading->pool);
    return accounts_read(&reading->accounts, pool_ops, pool);
}

void reading_free(struct reading *reading)
{
    accounts_free(&reading->accounts);
    tasks_free(&reading->tasks);
}

static uint64_t difference(uint64_t start, uint64_t end)
{
    return start == RECORD_ABSENT || end == RECORD_ABSENT ? RECORD_ABSENT : end - start;
}

// The share of `count` that falls on one of `each`; absent where either is not known, or there is none.
static double share(uint64_t count, uint64_t each)
{
    if (count == RECORD_ABSENT || each == RECORD_ABSENT || each == 0)
        return RECORD_ABSENT_F64;
    return (double)count / (double)each;
}

void reading_record(const struct reading *opened, const struct reading *closing, struct record *record)
{
    const struct usage used = usage_between(&opened->usage, &closing->usage);
    record->cpu_user_ns = used.cpu_user_ns;
    record->cpu_system_ns = used.cpu_system_ns;
    record->switches_voluntary = used.voluntary_switches;
    record->switches_involuntary = used.involuntary_switches;
    record->steal_ns = used.steal_ns;
    record->peak_rss_bytes = used.peak_rss_bytes;
    record->migrations = tasks_moves(&opened->tasks, &closing->tasks);
    record->wakes = difference(opened->pool.wakes, closing->pool.wakes);
    record->parks = difference(opened->pool.parks, closing->pool.parks);
    record->ready_batch_mean = share(difference(opened->pool.completed, closing->pool.completed),
                                     difference(opened->pool.batches, closing->pool.batches));
}

void reading_record_shares(struct record *record)
{
    record->cpu_ns_per_operation = share(record->cpu_user_ns + record->cpu_system_ns, record->operations);
    record->wakes_per_operation = share(record->wakes, record->operations);
    record->allocations_per_operation = share(record->allocations, record->operations);
}

struct record_thread *reading_threads(const struct reading *opened, const struct reading *closing,
                                      const struct run_phases *phases, unsigned threads)
{
    struct record_thread *rows = calloc(threads, sizeof *rows);
    if (!rows)
        return NULL;
    phases_describe_threads(phases, rows);
    for (unsigned i = 0; i < threads; i++)
        rows[i].migrations = tasks_moves_of(&opened->tasks, &closing->tasks, phases_thread_id(phases, i));
    return rows;
}
