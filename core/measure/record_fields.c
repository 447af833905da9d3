// SPDX-License-Identifier: Apache-2.0
// What each column means. A member's type is taken from the struct, its name is the column's.
#include "core/measure/record_fields.h"

#define TYPE_OF(struct_, member) \
    _Generic(((struct_ *)0)->member, const char * : RECORD_TEXT, uint64_t : RECORD_U64, double : RECORD_F64)
#define COLUMN(struct_, member, type_, unit_, better_, help_)            \
    {                                                                    \
#member, type_, offsetof(struct_, member), unit_, better_, help_ \
    }

#define FIELD(member, unit, better, help) \
    COLUMN(struct record, member, TYPE_OF(struct record, member), unit, better, help)
#define FLAG(member, better, help) COLUMN(struct record, member, RECORD_BOOL, "", better, help)

const char *const record_type_names[] = {
    [RECORD_U64] = "u64", [RECORD_F64] = "f64", [RECORD_BOOL] = "bool", [RECORD_TEXT] = "text"};

const struct record_field record_schema_field = {
    "schema_version",
    RECORD_U64,
    0,
    "",
    "",
    "Version of the columns of these files. It grows with every change; columns are only ever appended."};

#define PLAN_HASH_HELP "Hash of the sweep's plan. Absent when the run was no part of a sweep."
#define CELL_ID_HELP                                                                                                   \
    "Hash of everything that the user chose and that the result depends on, save the seed: equal for all runs of one " \
    "cell."
#define RUN_ID_HELP "Name of the run; joins its rows in all files."

const struct record_field record_fields[] = {
    FIELD(plan_hash, "", "", PLAN_HASH_HELP),
    FIELD(cell_id, "", "", CELL_ID_HELP),
    FIELD(run_id, "", "", RUN_ID_HELP),
    FIELD(block, "", "",
          "Randomised complete block that the run belongs to, from 1: in a block every cell is run once. Absent "
          "outside of a sweep."),
    FIELD(order, "", "",
          "Place of the run within its block, from 1, in the order in which they are run. Absent outside of a sweep."),
    FIELD(attempt, "", "",
          "Which attempt at this run it is, from 1: there is another when the user broke one off. Absent outside of a "
          "sweep."),
    FIELD(arm, "", "", "Side of a comparison that the run belongs to. Absent when nothing is compared."),

    FIELD(status, "", "", "ok: the run finished and its check found no fault. failed: anything else."),
    FIELD(exit_reason, "", "",
          "How the run ended. ok: as it should. incorrect: the check found a fault. stuck: nothing moved for too long. "
          "Of a run that left no record a sweep says: refused, timeout, interrupted, signal:NAME, exit:CODE or "
          "no_record."),
    FIELD(verdict, "", "",
          "What the check found. ok: every promise checked was kept. violated: one was not. stuck: not decided, for "
          "the run did not end. baseline: nothing to check, the subject is no queue but the harness's own ceiling. "
          "history_scope says whether a history was judged too."),
    FIELD(verdict_detail, "", "",
          "One sentence on what was violated, where the run got stuck, or why nothing was checked. Absent when the "
          "verdict is ok."),
    FIELD(checks, "", "", "What was checked, in a few words; the verdict means no more than this."),

    FIELD(machine, "", "", "Label of the machine, made of its processor and its number of CPUs; not the host's name."),
    FIELD(commit, "", "", "Commit of the source that was built, as git abbreviates it."),
    FIELD(build, "", "", "How the program was built: type of build, sanitizers."),
    FIELD(compiler, "", "", "Compiler and version that the program was built with."),
    FIELD(started, "", "", "When the run started, as an ISO 8601 time in UTC."),

    FIELD(workload, "", "", "Name of the workload."),
    FIELD(workload_params, "", "", "All parameters of the workload with their values: name=value;name=value."),
    FIELD(queue, "", "", "Name of the queue under a workload on a queue. Absent on a pool."),
    FIELD(queue_params, "", "", "All parameters of that queue with their values. Absent if it has none."),
    FIELD(pool, "", "", "Name of the pool under a workload on a pool. Absent on a queue."),
    FIELD(pool_params, "", "", "All parameters of the pool with their values. Absent if it has none."),
    FIELD(job_queue, "", "",
          "Name of the queue that carries jobs to the pool's workers. Absent where the pool brings its own."),
    FIELD(job_queue_params, "", "", "All parameters of the job queue with their values. Absent if it has none."),
    FIELD(ready_queue, "", "",
          "Name of the queue that carries finished jobs home to the schedulers. Absent where the pool brings its "
          "own."),
    FIELD(ready_queue_params, "", "", "All parameters of the ready queue with their values. Absent if it has none."),
    FIELD(dispatch, "", "",
          "How queue operations were called. vtable: through the table of functions. direct: from loops compiled for "
          "this queue. Runs compare only at equal dispatch."),
    FIELD(optional_ops, "", "",
          "Which optional operations the queue has and which were emulated: prepare=native;inspect=emulated. Absent "
          "where no queue of ours was used."),
    FIELD(allocator, "", "", "Memory allocator that answered in this process."),
    FIELD(pin, "", "", "Placement of threads as asked for: a policy's name or a list of CPUs."),
    FIELD(cpus, "", "",
          "CPUs that the threads were pinned to, by the operating system's numbers, separated by spaces: the "
          "workload's threads first, then the pool's workers. Absent when nothing was pinned."),

    FIELD(cpus_allowed, "CPUs", "", "CPUs that the process was allowed to run on."),
    FIELD(threads, "threads", "", "All threads that carry load: those of the workload and the pool's workers."),
    FIELD(producers, "threads", "", "Threads that enqueue. Absent on a pool."),
    FIELD(consumers, "threads", "", "Threads that dequeue. Absent on a pool."),
    FIELD(schedulers, "threads", "", "Threads that submit jobs and run their completions. Absent on a queue."),
    FIELD(workers, "threads", "", "Async threads of the pool, which run the jobs. Absent on a queue."),
    FLAG(oversubscribed, "", "1 when there are more threads than CPUs allowed, so that some had to wait for a CPU."),
    FIELD(seed, "", "", "Seed of everything random in the run."),

    FIELD(warmup_ns, "ns", "", "Least time of warming up before the window, as asked for."),
    FIELD(duration_ns, "ns", "", "Length of the window as asked for."),
    FIELD(window_ns, "ns", "",
          "Length of the window as it was: the time during which all threads of the workload were in it together."),
    FIELD(window_skew_ns, "ns", "lower",
          "How long the first thread was in the window before the last entered it, and out of it before the last left, "
          "taken together."),
    FIELD(operations, "operations", "higher",
          "Operations that the counting threads did, each in its own window; the workload says what one operation is. "
          "Threads of a role in which nobody counted anything are no counting threads. Operations that failed are not "
          "among them."),
    FIELD(throughput_ops_per_s, "operations/s", "higher",
          "Sum over the counting threads of operations by the length of the thread's own window."),
    FIELD(operations_failed, "operations", "lower",
          "Operations in the window that moved nothing because the queue was full, was empty, or asked to retry, or "
          "because the pool had no room; over all threads of the workload."),
    FIELD(thread_operations_min, "operations", "higher", "Operations of the counting thread that did the fewest."),
    FIELD(thread_operations_max, "operations", "", "Operations of the counting thread that did the most."),
    FIELD(fairness, "", "higher",
          "Jain's index over the rates of the counting threads: 1 when all were equally fast, 1/n when one of n did "
          "all. Absent when nothing was counted."),

    FIELD(cpu_user_ns, "ns", "lower", "CPU time of the whole process in user mode, during the window."),
    FIELD(cpu_system_ns, "ns", "lower", "CPU time of the whole process in the kernel, during the window."),
    FIELD(switches_voluntary, "switches", "lower",
          "Times that a thread of the process gave up its CPU to wait, during the window."),
    FIELD(switches_involuntary, "switches", "lower",
          "Times that a thread of the process lost its CPU to another, during the window."),
    FIELD(steal_ns, "ns", "lower",
          "CPU time that the hypervisor kept from the whole machine during the window, over all CPUs. Absent where "
          "the system does not tell."),
    FIELD(peak_rss_bytes, "bytes", "lower",
          "Greatest resident memory of the process from its start to the end of the window."),
    FIELD(allocations, "calls", "lower",
          "Memory allocations made through the harness by queue and pool during the window. Absent where they are not "
          "counted."),
    FIELD(wakes, "wakes", "lower",
          "Times that a sleeping thread was woken through the kernel during the window. Absent where nobody sleeps or "
          "the pool does not count."),
    FIELD(parks, "parks", "lower",
          "Times that a thread went to sleep in the kernel during the window. Absent where nobody sleeps or the pool "
          "does not count."),

    FIELD(items_total, "items", "",
          "Items enqueued or jobs submitted in the whole run, warming up and draining included: those that the check "
          "looked at. Absent, as are the three below, when nothing was checked or the run did not end."),
    FIELD(items_lost, "items", "lower", "Items enqueued and never delivered, or jobs submitted and never completed."),
    FIELD(items_duplicated, "items", "lower", "Deliveries of an item, or completions of a job, beyond the first."),
    FIELD(items_reordered, "items", "lower",
          "Items delivered to a consumer after a later item of the same producer, or jobs of a key run after a later "
          "one. Zero when the order was not promised, and so not checked."),

    FIELD(clock_cost_ns, "ns", "", "Time that one reading of the clock takes: the median of many."),
    FIELD(clock_granularity_ns, "ns", "", "Smallest step seen between two different readings of the clock."),
    FIELD(sentinel_before_ns, "ns", "",
          "Median round trip of a cache line between two CPUs just before the run. It tells how far apart the machine "
          "kept the CPUs; runs compare only where it is alike. Absent with a single CPU."),
    FIELD(sentinel_after_ns, "ns", "", "The same, just after the run."),

    FIELD(length_samples, "samples", "",
          "Times that the lengths below were read during the window, by a thread that carries no load. Absent when "
          "that was not asked for, or none of them is known."),
    FIELD(job_queue_length_mean, "jobs", "",
          "Jobs waiting in all job queues of the pool together: mean over the samples. As the other lengths it is "
          "rough, read from counters while they change. Absent on a queue, and where the pool does not tell."),
    FIELD(job_queue_length_max, "jobs", "", "The same: greatest of the samples."),
    FIELD(ready_queue_length_mean, "jobs", "",
          "Finished jobs waiting in all ready queues of the pool together: mean over the samples. Absent on a queue, "
          "and where the pool does not tell."),
    FIELD(ready_queue_length_max, "jobs", "", "The same: greatest of the samples."),
    FIELD(queue_length_mean, "items", "",
          "Items in the queue: mean over the samples. Absent on a pool, and where the queue does not count."),
    FIELD(queue_length_max, "items", "", "The same: greatest of the samples."),
    FIELD(elements_held_mean, "elements", "lower",
          "Elements that the queues had taken and not given back, for items and for garbage: mean over the samples. "
          "Absent where they are not counted."),
    FIELD(elements_held_max, "elements", "lower", "The same: greatest of the samples."),

    FIELD(jobs_unrun, "jobs", "lower",
          "Jobs invoked whose completion was left behind by a pool that was told to stop without it, in the whole run. "
          "Absent on a queue, and where the run did not end."),

    FIELD(check, "", "",
          "How much of the history was asked for: none, sampled or full. A history has every call of the queue, or "
          "what became of every job of the pool, with its beginning and its end. Recording it slows the run."),
    FIELD(check_every, "items", "", "Sampled: one item, or job, in so many was recorded. Otherwise absent."),
    FIELD(check_memory_mib, "MiB", "", "Memory that the history was given. Absent without one."),
    FIELD(history_scope, "", "",
          "How much of the history the verdict rests on. full: all of it, from the first call to the last, was judged. "
          "sampled: a part of it was, which can show a fault and never that there is none; also where all was asked "
          "for and the memory did not suffice. none: no history was judged. Absent when the run was not begun."),
    FIELD(history_fault, "", "",
          "What the history shows. ok: no fault. Otherwise the gravest fault found, by its name, such as lost, "
          "reordered or false_empty. Absent, as what follows, when no history was judged."),
    FIELD(history_operations, "operations", "", "Events of the history that were judged, in the whole run."),
    FIELD(history_empties, "operations", "", "Of these, calls that were answered EMPTY. Absent on a pool."),
    FIELD(history_cut_ns, "ns", "",
          "Time from the beginning of the recording to where it ran out of memory; what came later was not judged. "
          "Absent when the memory sufficed."),
    FIELD(history_rank_error_max, "items", "lower",
          "Most older items that an item of the history overtook for certain. Absent where the order is strict."),
    FIELD(history_rank_error_mean, "items", "lower", "The same: mean over all items of the history."),
    FIELD(history_cost_ns, "ns", "lower",
          "Time that recording one operation takes, its two readings of the clock included: the median of many. A job "
          "of a pool is three."),
    FIELD(history_judged_ns, "ns", "lower", "Time that it took to judge the history, after the run."),
    FIELD(queue_origins, "", "",
          "Where queues came from that are not the program's own: NAME=PACKAGE VERSION for one of a library, NAME=file "
          "crc32 CHECKSUM for one from a shared object; two are joined by ';'. Absent where all are its own."),
};

const size_t record_field_count = sizeof record_fields / sizeof *record_fields;

_Static_assert(sizeof record_fields / sizeof *record_fields * 8 == offsetof(struct record, stages),
               "record_fields must have one entry for every member of struct record up to `stages`");

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

const struct record_table record_tables[RECORD_TABLES] = {
    [RECORD_THROUGHPUT] = {"throughput.csv", "One row is one run: one process that measured one cell once.",
                           record_fields, sizeof record_fields / sizeof *record_fields},
    [RECORD_LATENCY] = {"latency.csv", "One row is one stage of one run.", latency_fields,
                        sizeof latency_fields / sizeof *latency_fields},
    [RECORD_HISTOGRAM] = {"histogram.csv", "One row is one bin of one stage of one run.", bin_fields,
                          sizeof bin_fields / sizeof *bin_fields},
    [RECORD_ACCOUNTING] = {"accounting.csv",
                           "One row is one thread of one run on a pool that was told to keep accounts: what the thread "
                           "did with its time during the window.",
                           account_fields, sizeof account_fields / sizeof *account_fields},
};
