// SPDX-License-Identifier: Apache-2.0
// From a plan to a complete record: sets up the subject, takes the threads through the phases, and judges.
#include "core/run/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/machine/memory.h"
#include "core/measure/timeline.h"
#include "core/run/lengths.h"
#include "core/run/phases.h"
#include "core/run/reading.h"
#include "core/run/subject.h"
#include "core/run/surroundings.h"

// A run under way. On the heap, for a stuck run leaves it to its threads.
struct running {
    const struct run_plan *plan;
    struct workload_run run;
    struct subject subject;
    struct run_phases *phases;
    struct surroundings *surroundings;
    struct reading opened, closing, closed;
    struct lengths lengths;
    struct timeline *timeline; // the result's
    int error;                 // of what was read during the window
};

// The workload's threads hand their counts in when they enter and when they leave, so that what lies between the
// first and the last reading was allocated in their own windows.
static void at_moment(enum phases_moment moment, void *context)
{
    struct running *running = context;
    struct reading *reading = moment == PHASES_OPENED    ? &running->opened
                              : moment == PHASES_CLOSING ? &running->closing
                                                         : &running->closed;
    // What it takes to look at every thread is no part of what the process used in the window.
    if (moment == PHASES_OPENED)
        tasks_read(&reading->tasks);
    if (moment != PHASES_CLOSED) {
        const int error = reading_take(reading, running->run.pool_ops, running->subject.pool);
        running->error = running->error ? running->error : error;
    }
    if (moment == PHASES_OPENED)
        surroundings_opened(running->surroundings);
    else if (moment == PHASES_CLOSING)
        surroundings_closing(running->surroundings);
    if (moment == PHASES_CLOSING)
        tasks_read(&reading->tasks);
    reading->allocations = memory_counters().allocations;
}

static void sample(void *context)
{
    struct running *running = context;
    struct subject *subject = &running->subject;
    if (subject->pool)
        lengths_sample_pool(&running->lengths, running->run.pool_ops, subject->pool);
    else
        lengths_sample_queue(&running->lengths, &subject->queue, subject->elements);
}

static void read_timeline(void *context)
{
    struct running *running = context;
    timeline_read(running->timeline, clock_system_ns(), phases_operations(running->phases));
}

static int attach(struct workload_thread *self, void *context)
{
    return subject_attach(self, &((struct running *)context)->subject);
}

static void detach(struct workload_thread *self, void *context)
{
    subject_detach(self, &((struct running *)context)->subject);
}

static struct phases_plan phases_plan(struct running *running)
{
    const struct run_options *options = running->plan->options;
    return (struct phases_plan){
        .workload = options->workload,
        .run = &running->run,
        .topology = running->plan->topology,
        .cpus = running->plan->cpus,
        .warmup_ns = options->settings.warmup_ns,
        .duration_ns = options->settings.duration_ns,
        .stuck_ns = options->settings.stuck_ns,
        .show_progress = options->show_progress,
        .context = running,
        .attach = attach,
        .detach = detach,
        .at_moment = at_moment,
        .timers = {{running->timeline->every_ns, read_timeline}, {options->settings.sample_lengths_ns, sample}},
    };
}

// Undoes open_run after a failure, and ends a run that is over; the subject is closed already.
static void free_running(struct running *running)
{
    if (running->phases)
        phases_destroy(running->phases);
    judging_close(&running->subject.judging);
    running->plan->options->workload->teardown(&running->run);
    reading_free(&running->opened);
    reading_free(&running->closing);
    free(running);
}

static int open_run(struct running **made, const struct run_plan *plan, struct timeline *timeline, struct fault *fault)
{
    struct running *running = calloc(1, sizeof *running);
    if (!running)
        return fault_set(fault, -ENOMEM, "no memory for the run");
    running->plan = plan;
    running->timeline = timeline;
    running->run.config = plan->options->workload_config;
    running->run.demand = &plan->demand;
    running->run.threads = plan->threads;
    running->lengths.threads = plan->threads + plan->demand.workers;
    running->run.seed = plan->options->settings.seed;
    int result = subject_open(&running->subject, plan, &running->run, fault);
    if (result) {
        free(running);
        return result;
    }
    result = plan->options->workload->setup(&running->run, fault);
    if (!result) {
        const struct phases_plan phases = phases_plan(running);
        result = phases_create(&running->phases, &phases);
    }
    if (!result) {
        *made = running;
        return 0;
    }
    fault_set(fault, result, "no memory for %u threads", plan->threads);
    if (subject_close(&running->subject, NULL))
        free_running(running);
    return result;
}

// What the workload knows of itself beside its verdict.
static void record_report(struct running *running, struct record *record, struct run_result *result)
{
    const struct workload_ops *workload = running->plan->options->workload;
    struct workload_report *report = &result->report;
    *report = (struct workload_report){.offered_ops_per_s = RECORD_ABSENT_F64,
                                       .work_share = RECORD_ABSENT_F64,
                                       .stopped_enqueue_share = RECORD_ABSENT_F64,
                                       .stopped_dequeue_share = RECORD_ABSENT_F64,
                                       .bytes_per_s = RECORD_ABSENT_F64};
    if (workload->report)
        workload->report(&running->run, report);
    record->offered_ops_per_s = report->offered_ops_per_s;
    record->bytes_per_s = report->bytes_per_s;
    record->work_share = report->work_share;
    record->stopped_enqueue_share = report->stopped_enqueue_share;
    record->stopped_dequeue_share = report->stopped_dequeue_share;
    record->note = report->note;
}

static void record_counts(const struct running *running, struct record *record)
{
    const struct run_options *options = running->plan->options;
    reading_record(&running->opened, &running->closing, record);
    if (options->workload->subject == WORKLOAD_ON_QUEUE || running->plan->pool_traits.takes_queues)
        record->allocations = running->closed.allocations - running->opened.allocations;
    reading_record_shares(record);
    subject_record(&running->subject, record);
}

static int record_threads(const struct running *running, struct record *record, struct run_result *result)
{
    const unsigned threads = running->plan->threads;
    result->threads = reading_threads(&running->opened, &running->closing, running->phases, threads);
    record->thread_rows = result->threads;
    record->thread_row_count = result->threads ? threads : 0;
    return result->threads ? 0 : -ENOMEM;
}

static int record_stages(const struct running *running, struct record *record, struct run_result *result)
{
    const struct workload_ops *workload = running->plan->options->workload;
    for (unsigned i = 0; i < WORKLOAD_STAGES_MAX && workload->stages[i]; i++) {
        struct histogram *histogram = result->stages[i] = malloc(sizeof *histogram);
        if (!histogram)
            return -ENOMEM;
        histogram_clear(histogram);
        phases_merge(running->phases, i, histogram);
        record->stages[i] = (struct record_stage){workload->stages[i], histogram};
    }
    return 0;
}

static int record_accounts(const struct running *running, struct record *record, struct run_result *result,
                           struct fault *violation)
{
    if (running->error)
        return running->error;
    const int error = accounts_between(&running->opened.accounts, &running->closing.accounts, &result->accounts,
                                       &record->account_count, violation);
    record->accounts = result->accounts;
    return error;
}

// `violation` receives a sentence where what was measured contradicts itself.
static int record_window(const struct running *running, struct record *record, struct run_result *result,
                         struct fault *violation)
{
    struct phases_result measured;
    phases_measure(running->phases, &measured);
    record->window_ns = measured.window_ns;
    record->window_skew_ns = measured.skew_ns;
    record->operations = measured.operations;
    record->throughput_ops_per_s = measured.throughput_ops_per_s;
    record->operations_failed = measured.failed;
    record->thread_operations_min = measured.thread_operations_min;
    record->thread_operations_max = measured.thread_operations_max;
    record->fairness = measured.fairness;
    record->run_length_mean = measured.run_length_mean;
    record_counts(running, record);
    timeline_record(running->timeline, record);
    lengths_record(&running->lengths, record);
    int error = record_accounts(running, record, result, violation);
    if (!error)
        error = record_threads(running, record, result);
    return error ? error : record_stages(running, record, result);
}

static void set_verdict(struct record *record, const char *exit_reason, const char *verdict)
{
    record->status = strcmp(exit_reason, "ok") == 0 ? "ok" : "failed";
    record->exit_reason = exit_reason;
    record->verdict = verdict;
}

static void add_reason(struct run_result *result, const char *reason)
{
    const size_t used = strlen(result->detail);
    if (*reason)
        snprintf(result->detail + used, sizeof result->detail - used, "%s%s", used ? "; " : "", reason);
}

static int stuck_run(struct record *record, struct run_result *result)
{
    set_verdict(record, "stuck", "stuck");
    record->verdict_detail = result->detail;
    return 1;
}

// Threads are left, which may add to the history still.
static int leave_run(const struct running *running, struct record *record, struct run_result *result)
{
    if (running->subject.judging.recording)
        add_reason(result, running->plan->options->history ? "the history was neither judged nor written"
                                                           : "the history was not judged");
    return stuck_run(record, result);
}

// What the workload found, and what closing the subject, reading the accounts and judging the history brought to light;
// each is empty if that was nothing.
struct findings {
    struct fault lost, accounts, history;
};

static int judge(const struct running *running, const struct findings *found, struct record *record,
                 struct run_result *result)
{
    const struct run_options *options = running->plan->options;
    struct workload_verdict *verdict = &result->verdict;
    const bool on_queue = options->workload->subject == WORKLOAD_ON_QUEUE;
    if (on_queue && options->queue.traits.baseline) {
        set_verdict(record, "ok", "baseline");
        snprintf(result->detail, sizeof result->detail, "not checked: %s is a baseline and no queue",
                 options->queue.entry->name);
        record->verdict_detail = result->detail;
        return 0;
    }
    record->items_total = verdict->total;
    record->items_lost = verdict->lost;
    record->items_duplicated = verdict->duplicated;
    record->items_reordered = verdict->reordered;
    if (!verdict->violated && !found->lost.text[0] && !found->accounts.text[0] && !found->history.text[0]) {
        set_verdict(record, "ok", "ok");
        return 0;
    }
    set_verdict(record, "incorrect", "violated");
    add_reason(result, verdict->violated ? verdict->detail : "");
    add_reason(result, found->lost.text);
    add_reason(result, found->accounts.text);
    add_reason(result, found->history.text);
    record->verdict_detail = result->detail;
    return 1;
}

// All threads are joined. Closes the subject, judges and frees.
static int end_run(struct running *running, enum phases_end end, struct record *record, struct run_result *result,
                   struct fault *fault)
{
    struct findings found = {0};
    if (!subject_close(&running->subject, &found.lost)) {
        snprintf(result->detail, sizeof result->detail, "%s", found.lost.text);
        return leave_run(running, record, result);
    }
    const uint64_t unrun = running->subject.final.unrun;
    running->run.unrun = unrun == UINT64_MAX ? 0 : unrun; // a pool that does not count them leaves none
    running->plan->options->workload->verify(&running->run, &result->verdict);
    if (end == PHASES_GAVE_UP && !result->verdict.violated) {
        result->verdict.violated = true;
        snprintf(result->verdict.detail, sizeof result->verdict.detail, "the workload gave up");
    }
    if (running->run.pool_ops)
        record->jobs_unrun = unrun;
    if (end == PHASES_FINISHED)
        record_report(running, record, result);
    int error = 0;
    if (end == PHASES_FINISHED && (error = record_window(running, record, result, &found.accounts)) != 0)
        fault_set(fault, error, "no memory for the histograms and accounts");
    if (!error)
        error = judging_judge(&running->subject.judging, end == PHASES_FINISHED, running->run.unrun, record, result,
                              &found.history, fault);
    int incorrect = judge(running, &found, record, result);
    if (end == PHASES_FINISHED && !incorrect && record->operations == 0) {
        snprintf(result->detail, sizeof result->detail, "window: not one operation was completed in it");
        incorrect = stuck_run(record, result);
    }
    free_running(running);
    return error ? error : incorrect;
}

static int execute_within(struct surroundings *surroundings, const struct run_plan *plan, struct record *record,
                          struct run_result *result, struct fault *fault)
{
    struct running *running = NULL;
    const struct run_settings *settings = &plan->options->settings;
    int error = timeline_open(&result->timeline, settings->duration_ns, settings->timeline);
    if (error)
        return fault_set(fault, error, "no memory for the timeline");
    error = open_run(&running, plan, &result->timeline, fault);
    if (error)
        return error;
    running->surroundings = surroundings;
    const enum phases_end end = phases_run(running->phases, result->detail, sizeof result->detail, &error, fault);
    if (end == PHASES_STUCK)
        return leave_run(running, record, result);
    if (end == PHASES_FAILED) {
        if (subject_close(&running->subject, NULL))
            free_running(running);
        return error;
    }
    return end_run(running, end, record, result, fault);
}

int run_execute(const struct run_plan *plan, struct record *record, struct run_result *result, struct fault *fault)
{
    *result = (struct run_result){0};
    record->history_scope = history_scope_name(HISTORY_SCOPE_NONE);
    record->clock_cost_ns = clock_facts.cost_ns;
    record->clock_granularity_ns = clock_facts.granularity_ns;
    struct surroundings *surroundings = NULL;
    const int error = surroundings_open(&surroundings, plan, record, fault);
    if (error)
        return error;
    const int code = execute_within(surroundings, plan, record, result, fault);
    surroundings_close(surroundings, code >= 0 && strcmp(record->exit_reason, "stuck") != 0, result);
    if (code < 0)
        run_result_free(result);
    return code;
}

void run_result_free(struct run_result *result)
{
    for (unsigned i = 0; i < WORKLOAD_STAGES_MAX; i++)
        free(result->stages[i]);
    free(result->accounts);
    free(result->threads);
    timeline_close(&result->timeline);
    free(result->witness);
    *result = (struct run_result){0};
}
