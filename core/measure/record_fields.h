// SPDX-License-Identifier: Apache-2.0
// The tables that say which columns each file of results has; JSON, CSV and dictionary are made from them.
#ifndef READYQ_MEASURE_RECORD_FIELDS_H
#define READYQ_MEASURE_RECORD_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/measure/record.h"

enum record_type {
    RECORD_U64,  // uint64_t; RECORD_ABSENT is absent
    RECORD_F64,  // double; whatever is not finite is absent
    RECORD_BOOL, // uint64_t 0 or 1; RECORD_ABSENT is absent
    RECORD_TEXT, // const char *; NULL and the empty text are absent
};

// "u64", "f64", "bool", "text".
extern const char *const record_type_names[];

// One column.
struct record_field {
    const char *name;      // of the member and of the column
    enum record_type type; //
    size_t offset;         // within the struct that is one row
    const char *unit;      // "ns", "operations", ... or "" when there is none
    const char *better;    // "higher", "lower", or "" when neither
    const char *help;      // the meaning, in full sentences
};

// The struct of one row of latency.csv.
struct record_latency {
    const char *plan_hash, *cell_id, *run_id, *stage;
    uint64_t samples;
    double relative_error;
    double latency_mean_ns;
    uint64_t latency_min_ns, latency_p50_ns, latency_p90_ns, latency_p99_ns, latency_p999_ns, latency_p9999_ns;
    uint64_t latency_max_ns;
};

// The struct of one row of histogram.csv.
struct record_bin {
    const char *plan_hash, *cell_id, *run_id, *stage;
    uint64_t bin_low_ns, bin_high_ns, count;
};

// One file of results. Every row begins with the schema version, which no struct holds.
struct record_table {
    const char *file;                  // "throughput.csv"
    const char *row;                   // what one row is, a full sentence
    const struct record_field *fields; // after the schema version
    size_t count;                      //
};

enum {
    RECORD_THROUGHPUT,
    RECORD_LATENCY,
    RECORD_HISTOGRAM,
    RECORD_ACCOUNTING,
    RECORD_TIMELINE,
    RECORD_THREADS,
    RECORD_TABLES
};
extern const struct record_table record_tables[RECORD_TABLES];

// The first column of every file; its offset means nothing.
extern const struct record_field record_schema_field;

// The columns of throughput.csv: every member of struct record up to `stages`, in order.
#define RECORD_COLUMNS (offsetof(struct record, stages) / sizeof(uint64_t))
extern const struct record_field record_fields[];
extern const size_t record_field_count;

// Whether `field` has no value in `row`.
bool record_field_absent(const struct record_field *field, const void *row);

// The text of a field of type RECORD_TEXT that is not absent.
const char *record_field_text(const struct record_field *field, const void *row);

// Writes a field of any other type that is not absent; doubles with the fewest digits that read back the same.
#define RECORD_NUMBER_MAX 32
void record_field_number(const struct record_field *field, const void *row, char number[RECORD_NUMBER_MAX]);

// One stage as a row of latency.csv.
struct record_latency record_latency_of(const struct record *record, const struct record_stage *stage);

// The next bin of a stage that is not empty, from number *bin on, as a row of histogram.csv; *bin then stands
// behind it. False when there is none left.
bool record_bin_next(const struct record *record, const struct record_stage *stage, size_t *bin,
                     struct record_bin *row);

// One thread's account as a row of accounting.csv.
struct record_account record_account_of(const struct record *record, size_t index);

// One interval as a row of timeline.csv, and one thread of the workload as a row of threads.csv.
struct record_interval record_interval_of(const struct record *record, size_t index);
struct record_thread record_thread_of(const struct record *record, size_t index);

#endif
