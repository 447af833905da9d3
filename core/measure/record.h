// SPDX-License-Identifier: Apache-2.0
// The record of one run. One table of fields makes the JSON record, the CSV header and the data dictionary.
#ifndef READYQ_MEASURE_RECORD_H
#define READYQ_MEASURE_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/fault.h"
#include "core/machine/environment.h"
#include "core/measure/histogram.h"

// Grows with every change to a file's columns; columns are only ever appended.
#define RECORD_SCHEMA_VERSION 5u

// "Not measured", "does not apply": an empty cell in CSV, absent in JSON; never 0.
#define RECORD_ABSENT UINT64_MAX
#define RECORD_ABSENT_F64 ((double)__builtin_nan(""))

#define RECORD_STAGES_MAX 8

// One latency stage of the run.
struct record_stage {
    const char *name;                  // "job_queue", "service", "ready_queue", "total", "enqueue", ...
    const struct histogram *histogram; // of ns
};

// What one thread of a pool did with its time in the window: a row of accounting.csv.
struct record_account {
    const char *plan_hash, *cell_id, *run_id; // filled in when the row is written
    const char *thread_kind;                  // "async", "scheduler"
    uint64_t thread_number;                   // among its kind, from 1
    uint64_t wall_ns;                         // by another clock than what follows
    uint64_t port_ns, ready_ns, clean_ns, check_ns, other_ns, sleep_ns;
};

// What was done in one interval of the window: a row of timeline.csv.
struct record_interval {
    const char *plan_hash, *cell_id, *run_id; // filled in when the row is written
    uint64_t interval_start_ns;               // from the window's opening
    uint64_t interval_ns;
    uint64_t operations;
};

// What one thread of the workload did in its own window: a row of threads.csv.
struct record_thread {
    const char *plan_hash, *cell_id, *run_id; // filled in when the row is written
    const char *role;
    uint64_t thread_number; // within its role, from 1
    uint64_t cpu;
    uint64_t operations, operations_failed, window_ns;
    double throughput_ops_per_s;
    uint64_t cpu_ns, switches_voluntary, switches_involuntary, migrations;
};

// All members in the order of the columns of throughput.csv; the meaning of each stands in record_fields
// (record_fields.c). Texts are owned by whoever filled them in; NULL is absent.
struct record {
    const char *plan_hash, *cell_id, *run_id;
    uint64_t block, order, attempt;
    const char *arm, *status, *exit_reason;
    const char *verdict, *verdict_detail, *checks;
    const char *machine, *commit, *build, *compiler, *started;
    const char *workload, *workload_params, *queue, *queue_params;
    const char *pool, *pool_params, *job_queue, *job_queue_params, *ready_queue, *ready_queue_params;
    const char *dispatch, *optional_ops, *allocator, *pin, *cpus;
    uint64_t cpus_allowed, threads, producers, consumers, schedulers, workers;
    uint64_t oversubscribed; // 0 or 1
    uint64_t seed, warmup_ns, duration_ns, window_ns, window_skew_ns;
    uint64_t operations;
    double throughput_ops_per_s;
    uint64_t operations_failed, thread_operations_min, thread_operations_max;
    double fairness;
    uint64_t cpu_user_ns, cpu_system_ns, switches_voluntary, switches_involuntary, steal_ns, peak_rss_bytes;
    uint64_t allocations, wakes, parks;
    uint64_t items_total, items_lost, items_duplicated, items_reordered;
    double clock_cost_ns, clock_granularity_ns;
    double sentinel_before_ns, sentinel_after_ns;
    uint64_t length_samples;
    double job_queue_length_mean;
    uint64_t job_queue_length_max;
    double ready_queue_length_mean;
    uint64_t ready_queue_length_max;
    double queue_length_mean;
    uint64_t queue_length_max;
    double elements_held_mean;
    uint64_t elements_held_max;
    uint64_t jobs_unrun;
    const char *check;
    uint64_t check_every, check_memory_mib;
    const char *history_scope, *history_fault;
    uint64_t history_operations, history_empties, history_cut_ns;
    uint64_t history_rank_error_max;
    double history_rank_error_mean;
    double history_cost_ns, history_judged_ns;
    const char *queue_origins;
    double offered_ops_per_s, bytes_per_s;
    const char *note;
    double cpu_ns_per_operation;
    uint64_t migrations;
    double wakes_per_operation, allocations_per_operation, ready_batch_mean;
    uint64_t queue_retries, queue_memory_bytes, reclaim_backlog;
    double run_length_mean;
    const char *queue_regime, *job_queue_regime; // "empty", "shallow", "deep", "mixed"
    uint64_t timeline_interval_ns;
    double throughput_drift;
    uint64_t throughput_modes;
    double interval_cv;
    const char *environment_verdict, *environment_reasons;
    uint64_t other_cpu_ns;
    double frequency_before_khz, frequency_after_khz;
    uint64_t suspended_ns;
    uint64_t keep_awake; // 0 or 1
    uint64_t keep_awake_ns;
    const char *counters, *hw_scope;
    uint64_t hw_cycles, hw_instructions, hw_cache_references, hw_cache_misses, hw_branch_misses;
    uint64_t sw_context_switches, sw_page_faults;
    double hw_counted_share;
    const char *hw_absent;
    double work_share, stopped_enqueue_share, stopped_dequeue_share;

    // Not columns of throughput.csv.
    struct record_stage stages[RECORD_STAGES_MAX]; // ends early with a NULL name
    const struct record_account *accounts;         // a thread each
    size_t account_count;
    const struct record_interval *intervals; // one after the other
    size_t interval_count;
    const struct record_thread *thread_rows; // a thread of the workload each
    size_t thread_row_count;
    const struct environment *environment; // JSON only
};

// Makes every field absent.
void record_clear(struct record *record);

// The record as one line of JSON with "latency" (summary and bins per stage), "accounting" and "per_thread" (a thread
// each), "timeline" (start, length and operations of each interval) and "environment" inside. 0 or -errno.
int record_write_json(const struct record *record, FILE *out);

// Appends this run to throughput.csv, latency.csv, histogram.csv, accounting.csv, timeline.csv and threads.csv in
// `directory`, which is made if missing; a file that is missing gets its header. Refuses (-EINVAL) a file whose
// header is not this schema's. Either a run's rows are complete in all of them, or the files are as they were before.
// 0, or -errno and a sentence.
int record_write_csv(const struct record *record, const char *directory, struct fault *fault);

// Before measuring: refuses what record_write_csv would refuse of `directory`. Makes nothing.
int record_check_csv(const char *directory, struct fault *fault);

// The dictionary of all files, as a Markdown table each, and as JSON ({"throughput.csv": [{"name", "type",
// "unit", "better", "help"}, ...], ...}).
void record_write_dictionary(FILE *out);
int record_write_fields_json(FILE *out);

#endif
