// SPDX-License-Identifier: Apache-2.0
// One short run of a workload in a test, and what must hold of every sound one.
#ifndef READYQ_TESTS_LOAD_RUN_H
#define READYQ_TESTS_LOAD_RUN_H

#include "tests/run_words.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>

#include "core/machine/clock.h"
#include "core/machine/memory.h"

static struct topology load_topology;
static struct workload_report load_reported; // by the workload of the last run

// What the last run's workload is without the test's hand in it.
static const struct workload_ops *load_ops;

static inline void load_verify(struct workload_run *run, struct workload_verdict *verdict)
{
    load_ops->verify(run, verdict);
    if (load_ops->report)
        load_ops->report(run, &load_reported);
}

// Group fixtures.
static inline int load_begin(void **state)
{
    (void)state;
    struct fault fault = {""};
    clock_calibrate();
    return topology_load(&load_topology, NULL, &fault);
}

static inline int load_end(void **state)
{
    (void)state;
    topology_unload(&load_topology);
    return 0;
}

static inline unsigned load_open_files(void)
{
    unsigned count = 0;
    DIR *opened = opendir("/proc/self/fd");
    assert_non_null(opened);
    while (readdir(opened))
        count++;
    closedir(opened);
    return count;
}

// "WORKLOAD --queue ...", with a window of `duration`. Everything but `outcome` is given back: as much memory as
// was taken, and all files.
static inline void load_run(struct outcome *outcome, const char *words, const char *duration)
{
    struct run_request request;
    char line[512], *text;
    snprintf(line, sizeof line, "--workload %s --warmup 2ms --duration %s", words, duration);
    words_expect(&request, line, &text);
    load_ops = request.options.workload;
    struct workload_ops reporting = *load_ops;
    reporting.verify = load_verify;
    request.options.workload = &reporting;
    load_reported = (struct workload_report){.offered_ops_per_s = NAN, .bytes_per_s = NAN};
    const unsigned files = load_open_files();
    const struct memory_counters before = memory_counters();
    outcome_of(outcome, &request.options, &load_topology);
    const struct memory_counters after = memory_counters();
    assert_int_equal(after.allocations - before.allocations, after.frees - before.frees);
    assert_int_equal(load_open_files(), files);
    request.options.workload = load_ops;
    options_free(&request);
    free(text);
}

// Its outcome is still to be freed.
static inline void load_sound(struct outcome *outcome, const char *words, const char *duration)
{
    load_run(outcome, words, duration);
    if (outcome->code != 0)
        fail_msg("'%s' failed: %s%s", words, outcome->fault.text,
                 outcome->record.verdict_detail ? outcome->record.verdict_detail : "");
    assert_string_equal(outcome->record.verdict, "ok");
    assert_true(outcome->record.operations > 0);
    assert_int_equal(outcome->record.items_lost, 0);
    assert_int_equal(outcome->record.items_duplicated, 0);
}

// The run ends with this error and these words, and measures nothing.
static inline void load_refused(const char *words, int error, const char *expected)
{
    struct outcome outcome;
    load_run(&outcome, words, "20ms");
    if (outcome.code != error || !strstr(outcome.fault.text, expected))
        fail_msg("'%s' ends with %d and '%s'", words, outcome.code, outcome.fault.text);
    outcome_free(&outcome);
}

// A plan with contradictions is refused before any run.
static inline void load_contradicts(const char *words, const char *expected)
{
    struct run_request request;
    struct run_plan plan;
    struct fault fault = {""};
    char line[512], *text;
    snprintf(line, sizeof line, "--workload %s", words);
    words_expect(&request, line, &text);
    assert_int_equal(run_plan_make(&plan, &request.options, &load_topology, &fault), -EINVAL);
    if (!strstr(fault.text, expected))
        fail_msg("'%s' is refused with '%s'", words, fault.text);
    options_free(&request);
    free(text);
}

// The workload's own check finds something, says so, and ends the run at once.
static inline void load_violated(const char *words, const char *expected)
{
    struct outcome outcome;
    load_run(&outcome, words, "1s");
    if (outcome.code != 1 || strcmp(outcome.record.verdict, "violated") != 0 ||
        !strstr(outcome.record.verdict_detail, expected))
        fail_msg("'%s' ends with %d: %s%s", words, outcome.code, outcome.fault.text,
                 outcome.record.verdict_detail ? outcome.record.verdict_detail : "");
    assert_int_equal(outcome.record.window_ns, RECORD_ABSENT);
    outcome_free(&outcome);
}

static inline const struct histogram *load_stage(const struct record *record, const char *name)
{
    for (unsigned stage = 0; stage < RECORD_STAGES_MAX && record->stages[stage].name; stage++)
        if (strcmp(record->stages[stage].name, name) == 0)
            return record->stages[stage].histogram;
    fail_msg("there is no stage %s", name);
    return NULL;
}

#endif
