// SPDX-License-Identifier: Apache-2.0
// The files of results, and what each column means of all but throughput.csv, whose columns
// core/measure/record_fields.c has.
#include "core/measure/record_columns.h"

const char *const record_type_names[] = {
    [RECORD_U64] = "u64", [RECORD_F64] = "f64", [RECORD_BOOL] = "bool", [RECORD_TEXT] = "text"};

const struct record_field record_schema_field = {
    "schema_version",
    RECORD_U64,
    0,
    "",
    "",
    "Version of the columns of these files. It grows with every change; columns are only ever appended."};

#define LATENCY(member, unit, better, help) \
    COLUMN(struct record_latency, member, TYPE_OF(struct record_latency, member), unit, better, help)
#define PERCENTILE(member, words, least) \
    LATENCY(member, "ns", "lower",       \
            "Latency that " words " of the samples did not exceed. Absent below " least " samples.")

static const struct record_field latency_fields[] = {
    LATENCY(plan_hash, "", "", PLAN_HASH_HELP),
    LATENCY(cell_id, "", "", CELL_ID_HELP),
    LATENCY(run_id, "", "", RUN_ID_HELP),
    LATENCY(
        stage, "", "",
        "Stage whose time was taken. On a pool: job_queue, service, ready_queue and total of each timed job, and what "
        "else the workload names, such as drain and pass; on a queue the workload names all."),
    LATENCY(samples, "samples", "", "Latencies recorded in the window."),
    LATENCY(relative_error, "", "", "Greatest relative error of a percentile, from the width of the histogram's bins."),
    LATENCY(latency_mean_ns, "ns", "lower", "Mean latency, exact. Absent without samples."),
    LATENCY(latency_min_ns, "ns", "lower", "Smallest latency, exact. Absent without samples."),
    PERCENTILE(latency_p50_ns, "50 %", "20"),
    PERCENTILE(latency_p90_ns, "90 %", "100"),
    PERCENTILE(latency_p99_ns, "99 %", "1000"),
    PERCENTILE(latency_p999_ns, "99.9 %", "10000"),
    PERCENTILE(latency_p9999_ns, "99.99 %", "100000"),
    LATENCY(latency_max_ns, "ns", "lower", "Greatest latency, exact. Absent without samples."),
};

#define BIN(member, unit, better, help) \
    COLUMN(struct record_bin, member, TYPE_OF(struct record_bin, member), unit, better, help)

static const struct record_field bin_fields[] = {
    BIN(plan_hash, "", "", PLAN_HASH_HELP),
    BIN(cell_id, "", "", CELL_ID_HELP),
    BIN(run_id, "", "", RUN_ID_HELP),
    BIN(stage, "", "", "Stage whose time was taken, as in latency.csv."),
    BIN(bin_low_ns, "ns", "", "Smallest latency that falls into the bin."),
    BIN(bin_high_ns, "ns", "", "Greatest latency that falls into the bin."),
    BIN(count, "samples", "", "Latencies in the bin; bins without any have no row."),
};

#define ACCOUNT(member, unit, better, help) \
    COLUMN(struct record_account, member, TYPE_OF(struct record_account, member), unit, better, help)

static const struct record_field account_fields[] = {
    ACCOUNT(plan_hash, "", "", PLAN_HASH_HELP),
    ACCOUNT(cell_id, "", "", CELL_ID_HELP),
    ACCOUNT(run_id, "", "", RUN_ID_HELP),
    ACCOUNT(thread_kind, "", "",
            "What the thread is in the pool. async: a worker, which runs jobs. scheduler: submits jobs and completes "
            "them."),
    ACCOUNT(thread_number, "", "", "Number of the thread among its kind, from 1."),
    ACCOUNT(wall_ns, "ns", "",
            "Time between the two readings of the account, at the opening and at the end of the window, by the "
            "system's clock. The six states below are read from another clock, and add up to it within 1 %."),
    ACCOUNT(port_ns, "ns", "", "Time in the jobs' own functions: a driver's invoke, and free."),
    ACCOUNT(ready_ns, "ns", "", "Time in completing jobs that came home: look-up of the port, its lock, ready."),
    ACCOUNT(clean_ns, "ns", "lower", "Time in reclaiming memory."),
    ACCOUNT(check_ns, "ns", "lower", "Time in looking whether there is anything to do."),
    ACCOUNT(other_ns, "ns", "",
            "Time in everything else; on a scheduler, whatever the workload does between two passes."),
    ACCOUNT(sleep_ns, "ns", "", "Time asleep in the kernel, waiting for something to do."),
};

#define INTERVAL(member, unit, better, help) \
    COLUMN(struct record_interval, member, TYPE_OF(struct record_interval, member), unit, better, help)

static const struct record_field interval_fields[] = {
    INTERVAL(plan_hash, "", "", PLAN_HASH_HELP),
    INTERVAL(cell_id, "", "", CELL_ID_HELP),
    INTERVAL(run_id, "", "", RUN_ID_HELP),
    INTERVAL(interval_start_ns, "ns", "",
             "Start of the interval, counted from the first reading, just after all threads had entered the window."),
    INTERVAL(interval_ns, "ns", "",
             "Length of the interval as it was. It is longer than planned where the reader was kept from its CPU."),
    INTERVAL(
        operations, "operations", "higher",
        "Operations that the counting threads reported in the interval; each reports after every quantum of work."),
};

#define THREAD(member, unit, better, help) \
    COLUMN(struct record_thread, member, TYPE_OF(struct record_thread, member), unit, better, help)

static const struct record_field thread_fields[] = {
    THREAD(plan_hash, "", "", PLAN_HASH_HELP),
    THREAD(cell_id, "", "", CELL_ID_HELP),
    THREAD(run_id, "", "", RUN_ID_HELP),
    THREAD(role, "", "",
           "What the thread is in the workload. The workers of a pool are no threads of the workload and have no rows; "
           "accounting.csv tells of those of our own pool."),
    THREAD(thread_number, "", "", "Number of the thread within its role, from 1."),
    THREAD(cpu, "", "", "CPU that the thread was pinned to, by the operating system's number. Absent if it was not."),
    THREAD(operations, "operations", "higher", "Operations that the thread did in its own window."),
    THREAD(operations_failed, "operations", "lower",
           "Operations of the thread in its own window that moved nothing, as in throughput.csv."),
    THREAD(window_ns, "ns", "", "Length of the thread's own window."),
    THREAD(throughput_ops_per_s, "operations/s", "higher", "Operations of the thread by its own window."),
    THREAD(cpu_ns, "ns", "lower", "CPU time of the thread in its own window."),
    THREAD(switches_voluntary, "switches", "lower",
           "Times that the thread gave up its CPU to wait, in its own window."),
    THREAD(switches_involuntary, "switches", "lower", "Times that it lost its CPU to another, in its own window."),
    THREAD(migrations, "migrations", "lower",
           "Times that it was moved to another CPU, in its own window. Absent where the system does not tell."),
};

const struct record_table record_tables[RECORD_TABLES] = {
    [RECORD_THROUGHPUT] = {"throughput.csv", "One row is one run: one process that measured one cell once.",
                           record_fields, RECORD_COLUMNS},
    [RECORD_LATENCY] = {"latency.csv", "One row is one stage of one run.", latency_fields,
                        sizeof latency_fields / sizeof *latency_fields},
    [RECORD_HISTOGRAM] = {"histogram.csv", "One row is one bin of one stage of one run.", bin_fields,
                          sizeof bin_fields / sizeof *bin_fields},
    [RECORD_ACCOUNTING] = {"accounting.csv",
                           "One row is one thread of one run on a pool that was told to keep accounts: what the thread "
                           "did with its time during the window.",
                           account_fields, sizeof account_fields / sizeof *account_fields},
    [RECORD_TIMELINE] = {"timeline.csv", "One row is one interval of one run: how many operations were done in it.",
                         interval_fields, sizeof interval_fields / sizeof *interval_fields},
    [RECORD_THREADS] = {"threads.csv", "One row is one thread of the workload of one run.", thread_fields,
                        sizeof thread_fields / sizeof *thread_fields},
};
