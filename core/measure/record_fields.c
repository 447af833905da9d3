// SPDX-License-Identifier: Apache-2.0
// What each column of throughput.csv means. A member's type is taken from the struct, its name is the column's.
#include "core/measure/record_columns.h"

#define FIELD(member, unit, better, help) \
    COLUMN(struct record, member, TYPE_OF(struct record, member), unit, better, help)
#define FLAG(member, better, help) COLUMN(struct record, member, RECORD_BOOL, "", better, help)

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

    FIELD(offered_ops_per_s, "operations/s", "",
          "Rate of operations that an open load offered over the window, whatever became of them. Absent where the "
          "next operation waits for an earlier one."),
    FIELD(bytes_per_s, "bytes/s", "higher",
          "Bytes that the jobs read, wrote or packed in the window, a second. Absent where jobs do no such work."),
    FIELD(note, "", "", "One sentence of the workload that a reader of the result must know. Absent if there is none."),
    FIELD(cpu_ns_per_operation, "ns/operation", "lower",
          "CPU time of the whole process, user and kernel, by operations: both of the window. Absent, as all that is "
          "by operations, when there were none."),
    FIELD(migrations, "migrations", "lower",
          "Times that the kernel moved a thread of the process to another CPU, during the window. Absent where the "
          "system does not tell."),
    FIELD(wakes_per_operation, "wakes/operation", "lower", "Column wakes by operations."),
    FIELD(allocations_per_operation, "calls/operation", "lower", "Column allocations by operations."),
    FIELD(ready_batch_mean, "jobs", "",
          "Jobs that a scheduler completed together when it looked and found any: mean over the window. Absent on a "
          "queue, and where the pool does not count."),
    FIELD(
        queue_retries, "attempts", "lower",
        "Attempts of the queues that failed and were repeated, such as compare-and-swaps and waits for a lock, in the "
        "whole run. Absent where a queue does not count them."),
    FIELD(queue_memory_bytes, "bytes", "lower",
          "Memory that the queue held besides itself when all threads had left it. Absent on a pool, and where the "
          "queue does not tell."),
    FIELD(reclaim_backlog, "elements", "lower",
          "Elements that the queue had taken and not given back when all threads had left it, the items all taken out: "
          "garbage that waits to be reclaimed, and what the queue needs for itself. Absent on a pool, and where the "
          "queue takes none."),
    FIELD(run_length_mean, "operations", "",
          "How many operations one thread did before another did the next: mean over those that the workload saw. "
          "Absent where it does not look."),
    FIELD(
        queue_regime, "", "",
        "Where the queue's length was, by its samples. empty: 80 % of them or more found nothing in it. deep: 80 % or "
        "more found at least 8 items for each thread of the run. shallow: 80 % or more found fewer. mixed: none of "
        "these. Absent with fewer than 10 samples, and where the queue tells no length."),
    FIELD(job_queue_regime, "", "", "The same of the pool's job queues."),
    FIELD(timeline_interval_ns, "ns", "",
          "Length of the intervals of timeline.csv, as planned. Absent, as the three columns below, without a "
          "timeline."),
    FIELD(throughput_drift, "", "",
          "Median rate of the intervals in the last third of the window by that in the first third: 1 is steady. "
          "Absent below 9 intervals."),
    FIELD(throughput_modes, "modes", "",
          "Number of modes of the rates of the intervals: 1 when they gather around one rate, 2 or more when the run "
          "moved between rates with hardly anything between. Absent below 30 intervals."),
    FIELD(interval_cv, "", "lower",
          "Standard deviation of the rates of the intervals by their mean. Absent below 9 intervals."),

    FIELD(
        environment_verdict, "", "",
        "What the machine did to the run, judged by written rules that never look at results ('readyq doctor --rules' "
        "shows them). valid: nothing that counts. suspect: something may have moved the result. invalid: no conclusion "
        "may rest on the run. Absent when nothing was measured."),
    FIELD(environment_reasons, "", "",
          "Why it is suspect or invalid, one reason after another, joined by ';'. Absent when it is valid."),
    FIELD(other_cpu_ns, "ns", "lower",
          "CPU time that other processes took on the CPUs allowed to the run, during the window. Absent where the "
          "system does not tell."),
    FIELD(frequency_before_khz, "kHz", "",
          "Mean frequency of the run's CPUs at the opening of the window. Absent where the machine does not tell, as "
          "most virtual ones do not."),
    FIELD(frequency_after_khz, "kHz", "", "The same, at the end of the window."),
    FIELD(suspended_ns, "ns", "lower", "Time that the machine was suspended during the window."),
    FLAG(keep_awake, "",
         "1 when processes of idle priority kept idle CPUs from halting during the run. Their CPU time is in no other "
         "column."),
    FIELD(keep_awake_ns, "ns", "",
          "CPU time that these processes took during the window, over all CPUs. Absent without them."),
    FIELD(counters, "", "", "Which hardware counters were asked for: auto, no or yes."),
    FIELD(hw_scope, "", "",
          "What the counters below counted: user+kernel, or user where the system permits no more. Absent when none "
          "was counted."),
    FIELD(hw_cycles, "cycles", "lower",
          "CPU cycles of the whole process during the window. As the others of this kind it is absent, and never 0, "
          "where machine or system do not give it, and scaled up where hw_counted_share is below 1."),
    FIELD(hw_instructions, "instructions", "lower", "Instructions completed, counted in the same way."),
    FIELD(hw_cache_references, "accesses", "", "Accesses to the last level of cache, counted in the same way."),
    FIELD(hw_cache_misses, "accesses", "lower", "Of these, accesses that it could not serve."),
    FIELD(hw_branch_misses, "branches", "lower", "Branches that were predicted wrongly, counted in the same way."),
    FIELD(sw_context_switches, "switches", "lower",
          "Context switches of the threads of the process during the window, as the kernel's counters of events have "
          "them."),
    FIELD(sw_page_faults, "faults", "lower", "Page faults of the process during the window, counted in the same way."),
    FIELD(hw_counted_share, "", "higher",
          "Least share of the window during which one of the hardware counters was counting: below 1 there was more to "
          "count than the processor has counters, and they took turns. Absent without them."),
    FIELD(hw_absent, "", "", "Which counters are absent, and why. Absent when none is, or none was asked for."),
    FIELD(work_share, "", "higher",
          "Share of the schedulers' time in the window that they had for simulated process work. Absent where a "
          "workload has none."),
    FIELD(stopped_enqueue_share, "", "higher",
          "Rate at which the other threads enqueued while one was stopped inside a call, by their rate while none was: "
          "0 where they stood still, about 1 where it made no difference. Absent where no thread was stopped so."),
    FIELD(stopped_dequeue_share, "", "higher", "The same of dequeues."),
};

const size_t record_field_count = sizeof record_fields / sizeof *record_fields;

_Static_assert(sizeof record_fields / sizeof *record_fields == RECORD_COLUMNS,
               "record_fields must have one entry for every member of struct record up to `stages`");
