// SPDX-License-Identifier: Apache-2.0
// A record with a known value in every field, for the tests of records.
#ifndef READYQ_TESTS_RECORD_SAMPLE_H
#define READYQ_TESTS_RECORD_SAMPLE_H

#include "core/measure/record_fields.h"

// Gives every field a value that tells which field it is: text its own name, numbers its place in the table.
static inline void sample_fill(struct record *record)
{
    record_clear(record);
    for (size_t i = 0; i < record_field_count; i++) {
        const struct record_field *field = &record_fields[i];
        void *member = (char *)record + field->offset;
        if (field->type == RECORD_TEXT)
            *(const char **)member = field->name;
        else if (field->type == RECORD_F64)
            *(double *)member = (double)i + 0.1;
        else
            *(uint64_t *)member = field->type == RECORD_BOOL ? 1 : 1000 + i;
    }
}

// Adds a stage whose latencies are 1, 2, ... `samples`.
static inline void sample_stage(struct record *record, unsigned index, const char *name, struct histogram *histogram,
                                uint64_t samples)
{
    histogram_clear(histogram);
    for (uint64_t value = 1; value <= samples; value++)
        histogram_record(histogram, value);
    record->stages[index] = (struct record_stage){name, histogram};
}

#define SAMPLE_ACCOUNTS 2

// Adds the accounts of two threads: 10, 20, ... 60 ns in the states of the first, one more in each of the second.
static inline void sample_accounts(struct record *record)
{
    static const struct record_account accounts[SAMPLE_ACCOUNTS] = {
        {NULL, NULL, NULL, "async", 1, 210, 10, 20, 30, 40, 50, 60},
        {NULL, NULL, NULL, "scheduler", 1, 216, 11, 21, 31, 41, 51, 61},
    };
    record->accounts = accounts;
    record->account_count = SAMPLE_ACCOUNTS;
}

#define SAMPLE_INTERVALS 2

// Adds a timeline of two intervals.
static inline void sample_timeline(struct record *record)
{
    static const struct record_interval intervals[SAMPLE_INTERVALS] = {
        {NULL, NULL, NULL, 0, 1000, 7},
        {NULL, NULL, NULL, 1000, 1500, 9},
    };
    record->intervals = intervals;
    record->interval_count = SAMPLE_INTERVALS;
}

#define SAMPLE_THREADS 2

// Adds two threads of the workload; of the second is known as little as can be.
static inline void sample_threads(struct record *record)
{
    static const struct record_thread threads[SAMPLE_THREADS] = {
        {NULL, NULL, NULL, "producer", 1, 3, 10, 2, 1000, 0.5, 900, 4, 5, 6},
        {NULL, NULL, NULL, "consumer", 1, RECORD_ABSENT, 0, 0, 1001, RECORD_ABSENT_F64, RECORD_ABSENT, RECORD_ABSENT,
         RECORD_ABSENT, RECORD_ABSENT},
    };
    record->thread_rows = threads;
    record->thread_row_count = SAMPLE_THREADS;
}

#endif
