// SPDX-License-Identifier: Apache-2.0
// Open loads on real pools in short windows: correct, and whole in what they say of themselves. On a pool that holds up
// its submitters latencies must count from when a job was due. Times are only compared where something sleeps on
// purpose, and then from below.
#include "tests/run_words.h"

#include <errno.h>
#include <math.h>
#include <time.h>

#include "core/machine/clock.h"
#include "core/machine/memory.h"

#define MILLISECOND 1000000u
// How long a submit of the slow pool takes at least.
#define SLOW_NS 200000u

static struct topology topology;
static struct workload_report reported;
static const struct workload_ops *listed;
static const struct pool_entry *listed_pool;

static int load(void **state)
{
    (void)state;
    struct fault fault = {""};
    clock_calibrate();
    return topology_load(&topology, NULL, &fault);
}

static int unload(void **state)
{
    (void)state;
    topology_unload(&topology);
    return 0;
}

static void verify_and_report(struct workload_run *run, struct workload_verdict *verdict)
{
    listed->verify(run, verdict);
    reported = (struct workload_report){.offered_ops_per_s = NAN, .bytes_per_s = NAN};
    listed->report(run, &reported);
}

// The pool that was asked for, but each submit takes its time.
static long submit_slowly(struct pool *pool, unsigned thread, unsigned *key, void (*invoke)(void *),
                          void (*ready)(void *), void *data)
{
    const struct timespec time = {.tv_nsec = SLOW_NS};
    nanosleep(&time, NULL);
    return listed_pool->ops->submit(pool, thread, key, invoke, ready, data);
}

// One run, and what its workload reports. The run is right, or the test fails.
static void run_line(struct outcome *outcome, const char *line, bool slow_submit)
{
    struct run_request request;
    char *text, full[512];
    snprintf(full, sizeof full, "%s --warmup 10ms --duration 80ms", line);
    words_expect(&request, full, &text);
    listed = request.options.workload;
    listed_pool = request.options.pool;
    struct workload_ops workload = *listed;
    struct pool_entry entry = *listed_pool;
    struct pool_ops pool = *entry.ops;
    workload.verify = verify_and_report;
    if (slow_submit)
        pool.submit = submit_slowly;
    entry.ops = &pool;
    request.options.workload = &workload;
    request.options.pool = &entry;
    const struct memory_counters before = memory_counters();
    outcome_of(outcome, &request.options, &topology);
    if (outcome->code != 0)
        fail_msg("'%s' failed: %s%s", line, outcome->fault.text,
                 outcome->record.verdict_detail ? outcome->record.verdict_detail : "");
    const struct memory_counters after = memory_counters();
    assert_int_equal(after.allocations - before.allocations, after.frees - before.frees);
    assert_string_equal(outcome->record.verdict, "ok");
    request.options.workload = listed;
    request.options.pool = listed_pool;
    options_free(&request);
    free(text);
}

static const struct histogram *stage_of(const struct outcome *outcome, const char *name)
{
    for (unsigned stage = 0; stage < WORKLOAD_STAGES_MAX && listed->stages[stage]; stage++)
        if (strcmp(listed->stages[stage], name) == 0)
            return outcome->result.stages[stage];
    fail_msg("there is no stage %s", name);
    return NULL;
}

static void check_line(const char *line)
{
    struct outcome outcome;
    run_line(&outcome, line, false);
    assert_true(outcome.record.operations > 0);
    assert_true(reported.offered_ops_per_s > 0);
    assert_true(stage_of(&outcome, "total")->count > 0 && stage_of(&outcome, "late")->count > 0);
    assert_true(stage_of(&outcome, "total")->max >= stage_of(&outcome, "service")->min);
    outcome_free(&outcome);
}

static void test_open_loop(void **state)
{
    (void)state;
    check_line("--workload open_loop");
    check_line("--workload open_loop:arrivals=constant,rate=20k,schedulers=2,workers=2 --queue list");
    check_line("--workload open_loop:arrivals=bursts,on_ns=100us,off_ns=1ms,service_shape=exponential");
    check_line("--workload open_loop:idle=sleep,rate=1k,service_shape=bimodal,service_slow_factor=10");
    check_line("--workload open_loop:workers=0,rate=20k,service_shape=pareto,service_ns=2us");
    check_line("--workload open_loop:workers=3,rate=50k --pool erts:completion=worker");
    check_line("--workload open_loop:workers=2,rate=50k --pool erts:routing=shared --queue mutex_list");
    check_line("--workload open_loop:arrivals=bursts,idle=sleep,on_ns=1ms,off_ns=2ms --pool erts:routing=two_choices");
}

static void test_keyed(void **state)
{
    (void)state;
    check_line("--workload keyed:slow_ns=100us,slow_per_mille=100");
    check_line("--workload keyed:spread=zipf,keys=1000,schedulers=2,workers=3,rate=20k,slow_per_mille=0");
    check_line("--workload keyed:keys=1,workers=1,slow_per_mille=900,slow_ns=2us,rate=50k,keyed=no --queue list");
    check_line("--workload keyed:keyed=no,slow_ns=50us --pool erts:routing=shared --queue mutex_list");
    check_line("--workload keyed:keyed=no,slow_ns=50us --pool erts:routing=two_choices");
    check_line("--workload keyed:workers=0,slow_ns=20us --pool erts:completion=worker");
}

// The slow key's jobs are in none of the stages of the others.
static void test_the_slow_key_stands_apart(void **state)
{
    (void)state;
    struct outcome outcome;
    run_line(&outcome, "--workload keyed:slow_ns=300us,slow_per_mille=400,rate=2k,service_ns=1us", false);
    assert_true(stage_of(&outcome, "slow_total")->count > 0);
    assert_true(stage_of(&outcome, "slow_total")->min >= 300000);
    assert_true(stage_of(&outcome, "service")->min < 300000);
    const uint64_t timed = stage_of(&outcome, "slow_total")->count + stage_of(&outcome, "total")->count;
    assert_int_equal(timed, outcome.record.operations);
    outcome_free(&outcome);
}

// Jobs are due every 20 us, and each submit takes ten times as long: the later the job, the later it is. After the
// warm-up none can be less than 9 ms late; counted from when it was submitted, most would take little more than a
// submit.
static void test_latency_counts_from_when_a_job_was_due(void **state)
{
    (void)state;
    struct outcome outcome;
    run_line(&outcome, "--workload open_loop:arrivals=constant,rate=50k,service_ns=0", true);
    assert_true(stage_of(&outcome, "total")->min >= 5 * MILLISECOND);
    assert_true(stage_of(&outcome, "job_queue")->min >= 5 * MILLISECOND);
    assert_true(stage_of(&outcome, "late")->min >= 5 * MILLISECOND);
    assert_true(outcome.record.throughput_ops_per_s < 6000);
    assert_non_null(strstr(reported.note, "the machine could not offer the rate: asked 50000/s"));
    assert_true(fabs(reported.offered_ops_per_s - 50000) < 500);
    outcome_free(&outcome);
}

// The pool is asked for twenty times what its worker can do, so that jobs are late by all but a twentieth of the time
// that has passed. It ends soon, though a second of work is due.
static void test_a_pool_that_does_not_keep_up(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "--workload open_loop:arrivals=constant,rate=200k,service_ns=100us,slots=8",
        "--workload open_loop:arrivals=constant,rate=200k,service_ns=100us,slots=64 --queue list:capacity=4",
    };
    for (unsigned i = 0; i < 2; i++) {
        struct outcome outcome;
        run_line(&outcome, lines[i], false);
        assert_non_null(strstr(reported.note, "the pool did not keep up: due 2"));
        assert_true(fabs(reported.offered_ops_per_s - 200000) < 2000);
        assert_true(outcome.record.operations_failed > 0);
        assert_true(outcome.record.operations_failed <= outcome.record.operations + 64);
        assert_true(stage_of(&outcome, "total")->min >= 5 * MILLISECOND);
        outcome_free(&outcome);
    }
}

// A pool that keeps up has no more to say.
static void test_no_note(void **state)
{
    (void)state;
    struct outcome outcome;
    run_line(&outcome, "--workload open_loop:arrivals=constant,rate=1000,service_ns=0", false);
    assert_true(fabs(reported.offered_ops_per_s - 1000) < 150);
    assert_int_equal(outcome.record.operations_failed, 0);
    outcome_free(&outcome);
}

// Half of the time on means twice the rate meanwhile.
static void test_bursts_keep_the_mean_rate(void **state)
{
    (void)state;
    struct outcome outcome;
    run_line(&outcome, "--workload open_loop:arrivals=bursts,on_ns=500us,off_ns=500us,rate=50k,service_ns=0", false);
    assert_true(fabs(reported.offered_ops_per_s - 50000) < 12500);
    outcome_free(&outcome);
}

static void expect_refused(const char *line, const char *words)
{
    struct run_request request;
    struct run_plan plan;
    struct fault fault = {""};
    char *text;
    int error = words_parse(&request, line, &text, &fault);
    if (error == 0) {
        error = run_plan_make(&plan, &request.options, &topology, &fault);
        options_free(&request);
        free(text);
    }
    assert_int_not_equal(error, 0);
    if (!strstr(fault.text, words))
        fail_msg("'%s' is refused with '%s'", line, fault.text);
}

static void test_refusals(void **state)
{
    (void)state;
    expect_refused("--workload keyed --pool erts:routing=shared --queue mutex_list", "key");
    expect_refused("--workload open_loop:rate=0", "rate");
    expect_refused("--workload open_loop:service_shape=pareto,service_ns=1s", "service_ns must be at most");
    expect_refused("--workload closed_loop:service_shape=exponential,service_ns=1s", "service_ns must be at most");
    expect_refused("--workload blast:service_shape=pareto,service_ns=1ms", "service_ns must be at most");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_loop),
        cmocka_unit_test(test_keyed),
        cmocka_unit_test(test_the_slow_key_stands_apart),
        cmocka_unit_test(test_latency_counts_from_when_a_job_was_due),
        cmocka_unit_test(test_a_pool_that_does_not_keep_up),
        cmocka_unit_test(test_no_note),
        cmocka_unit_test(test_bursts_keep_the_mean_rate),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests_name("workload_offer", tests, load, unload);
}
