// SPDX-License-Identifier: Apache-2.0
// Every workload on real queues and pools, in short windows: the run is correct, its record complete and
// consistent with itself, and nothing is left behind. Times are not looked at.
#include "tests/run_words.h"

#include <errno.h>
#include <math.h>

#include "core/machine/clock.h"
#include "core/machine/memory.h"

#define DURATION_NS 20000000u

static struct topology topology;

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

static void check_window(const struct record *record)
{
    assert_true(record->window_ns >= DURATION_NS && record->window_ns != RECORD_ABSENT);
    assert_int_not_equal(record->window_skew_ns, RECORD_ABSENT);
    assert_true(record->operations > 0);
    assert_true(record->throughput_ops_per_s > 0);
    assert_true(record->fairness > 0 && record->fairness <= 1 + 1e-9);
    assert_true(record->thread_operations_min <= record->thread_operations_max);
    assert_true(record->thread_operations_max <= record->operations);
    assert_int_not_equal(record->operations_failed, RECORD_ABSENT);
    assert_int_not_equal(record->cpu_user_ns, RECORD_ABSENT);
    assert_int_not_equal(record->switches_voluntary, RECORD_ABSENT);
    assert_true(record->peak_rss_bytes > 0);
    assert_true(record->clock_cost_ns > 0);
    if (topology.cores > 1)
        assert_true(record->sentinel_before_ns > 0 && record->sentinel_after_ns > 0);
}

// Every item took one operation to arrive, or, with pairs, two.
static void check_items(const struct record *record, unsigned operations_each)
{
    assert_string_equal(record->verdict, "ok");
    assert_null(record->verdict_detail);
    assert_true(record->items_total * operations_each >= record->operations);
    assert_int_equal(record->items_lost, 0);
    assert_int_equal(record->items_duplicated, 0);
    assert_int_equal(record->items_reordered, 0);
}

// Passes are timed beside other work only; drains and stalls always.
static bool is_timed(const char *stage, const char *line, bool sampled)
{
    if (strcmp(stage, "pass") == 0)
        return sampled && strstr(line, "other_work_ns=");
    if (strstr(stage, "think"))
        return sampled && (strstr(line, stage) || strstr(line, ",think_ns="));
    return sampled || strcmp(stage, "drain") == 0 || strcmp(stage, "stall") == 0;
}

static void check_stages(const struct outcome *outcome, const struct workload_ops *workload, const char *line,
                         bool sampled)
{
    const struct record *record = &outcome->record;
    unsigned stage = 0;
    for (; stage < WORKLOAD_STAGES_MAX && workload->stages[stage]; stage++) {
        assert_string_equal(record->stages[stage].name, workload->stages[stage]);
        assert_ptr_equal(record->stages[stage].histogram, outcome->result.stages[stage]);
        assert_int_equal(record->stages[stage].histogram->count > 0, is_timed(workload->stages[stage], line, sampled));
    }
    if (stage < RECORD_STAGES_MAX)
        assert_null(record->stages[stage].name);
}

static void check_run(const char *line, bool sampled)
{
    struct run_request request;
    char *text;
    char full[512];
    snprintf(full, sizeof full, "%s --warmup 2ms --duration %uns", line, DURATION_NS);
    words_expect(&request, full, &text);
    const struct run_options *options = &request.options;
    const struct memory_counters before = memory_counters();
    struct outcome outcome;
    outcome_of(&outcome, options, &topology);
    if (outcome.code != 0)
        fail_msg("'%s' failed: %s%s", line, outcome.fault.text,
                 outcome.record.verdict_detail ? outcome.record.verdict_detail : "");
    const struct memory_counters after = memory_counters();
    assert_int_equal(after.allocations - before.allocations, after.frees - before.frees);
    assert_string_equal(outcome.record.status, "ok");
    assert_string_equal(outcome.record.exit_reason, "ok");
    check_window(&outcome.record);
    const char *name = options->workload->name;
    check_items(&outcome.record, strcmp(name, "pairs") == 0 || strcmp(name, "half_and_half") == 0 ? 2 : 1);
    check_stages(&outcome, options->workload, line, sampled);
    outcome_free(&outcome);
    options_free(&request);
    free(text);
}

static void test_producer_consumer(void **state)
{
    (void)state;
    check_run("--workload producer_consumer:sample_every=1 --queue erts_mpsc", true);
    check_run("--workload producer_consumer:sample_every=1,window=1 --queue erts_mpsc --dispatch direct", true);
    check_run("--workload producer_consumer:producers=3,producer_kind=managed,sample_every=3 --queue erts_mpsc", true);
    check_run("--workload producer_consumer:consumer_kind=unmanaged,sample_every=0 --queue erts_mpsc", false);
    check_run("--workload producer_consumer:producers=3,consumers=2,sample_every=1 --queue mutex_list", true);
    check_run("--workload producer_consumer:producers=2,consumers=3,sample_every=2 --queue ticket_list --pin none",
              true);
    check_run("--workload producer_consumer:producers=2,sample_every=1 --queue list:capacity=1", true);
}

static void test_pairs(void **state)
{
    (void)state;
    check_run("--workload pairs:sample_every=1 --queue erts_mpsc", true);
    check_run("--workload pairs:sample_every=0,kind=unmanaged --queue erts_mpsc --dispatch direct", false);
    check_run("--workload pairs:threads=4,sample_every=2 --queue mutex_list", true);
    check_run("--workload pairs:threads=3,sample_every=5,think_ns=1us --queue ticket_list", true);
    check_run("--workload pairs:threads=3,sample_every=1 --queue list:capacity=1", true);
    check_run("--workload pairs:threads=2,sample_every=1,prefill=101,think_ns=1us,think=exponential --queue mutex_list",
              true);
    check_run("--workload pairs:threads=2,sample_every=2,prefill=9 --queue list:capacity=10", true);
}

static void test_closed_loop(void **state)
{
    (void)state;
    check_run("--workload closed_loop:sample_every=1", true);
    check_run("--workload closed_loop:window=1,sample_every=1", true);
    check_run("--workload closed_loop:schedulers=2,workers=3,window=40,keys=5,sample_every=1,service_ns=2us", true);
    check_run("--workload closed_loop:other_work_ns=20us,sample_every=0", false);
    check_run("--workload closed_loop:other_work_ns=20us,sample_every=1", true);
    check_run("--workload closed_loop:workers=2,window=64,sample_every=1 --queue list:capacity=1", true);
}

static void test_completions_on_workers(void **state)
{
    (void)state;
    check_run("--workload closed_loop:sample_every=1,window=8 --pool erts:completion=worker", true);
    check_run("--workload closed_loop:schedulers=2,workers=2,keys=3,sample_every=1 --pool erts:completion=worker",
              true);
    check_run("--workload closed_loop:other_work_ns=20us,sample_every=1 --pool erts:completion=worker", true);
    check_run("--workload closed_loop:window=64 --queue list:capacity=1 --pool erts:completion=worker", true);
    check_run("--workload blast:schedulers=2,jobs=64,sample_every=1 --pool erts:completion=worker", true);
    check_run("--workload stall:who=worker,every=5,stall_ns=100us,sample_every=1 --pool erts:completion=worker", true);
    check_run("--workload stall:who=completion,every=5,stall_ns=100us --pool erts:completion=worker", true);
}

static void test_no_workers(void **state)
{
    (void)state;
    check_run("--workload closed_loop:workers=0,window=1,sample_every=1", true);
    check_run("--workload closed_loop:workers=0,schedulers=2,keys=3,service_ns=30us,sample_every=1", true);
    check_run("--workload closed_loop:workers=0,other_work_ns=20us,sample_every=1 --pool erts:completion=worker", true);
    check_run("--workload closed_loop:workers=0,externals=2,sample_every=0", false);
}

// A scheduler that runs its own jobs does its other work too: after each burst, so that it gets through no more of them
// than there is time for.
static void test_other_work_without_workers(void **state)
{
    (void)state;
    struct run_request request;
    char *text;
    words_expect(&request, "--workload closed_loop:workers=0,other_work_ns=1ms --warmup 1ms --duration 20ms", &text);
    struct outcome outcome;
    outcome_of(&outcome, &request.options, &topology);
    assert_int_equal(outcome.code, 0);
    assert_true(outcome.record.operations <= (outcome.record.window_ns / 1000000 + 2) * 64);
    outcome_free(&outcome);
    options_free(&request);
    free(text);
}

// The jobs of externals come home to the first scheduler, or complete on workers, or where they are submitted. The
// first scheduler stays for them even in a pool that would let it go.
static void test_externals(void **state)
{
    (void)state;
    check_run("--workload closed_loop:externals=2,window=4,sample_every=1", true);
    check_run("--workload closed_loop:externals=2,schedulers=2,workers=2,keys=5,other_work_ns=2us,sample_every=1",
              true);
    check_run("--workload closed_loop:externals=1,sample_every=1 --queue list:capacity=2", true);
    for (unsigned i = 0; i < 5; i++)
        check_run("--workload closed_loop:externals=4,window=1,service_ns=100us,sample_every=1 --pool erts:stop=flush",
                  true);
    check_run("--workload closed_loop:externals=2,window=4,sample_every=1 --pool erts:completion=worker", true);
}

// How many jobs the pool says that it left behind in a sound run whose threads leave with their windows in flight.
static uint64_t left_behind(const char *pool, const char *more)
{
    struct run_request request;
    char line[256], *text;
    snprintf(line, sizeof line,
             "--workload closed_loop:drain=no,window=64,service_ns=100us,%s --pool %s --warmup 1ms --duration 30ms",
             more, pool);
    words_expect(&request, line, &text);
    struct outcome outcome;
    outcome_of(&outcome, &request.options, &topology);
    const uint64_t unrun = outcome.record.jobs_unrun;
    if (outcome.code != 0)
        fail_msg("'%s' failed: %s%s", line, outcome.fault.text,
                 outcome.record.verdict_detail ? outcome.record.verdict_detail : "");
    check_items(&outcome.record, 1);
    outcome_free(&outcome);
    options_free(&request);
    free(text);
    return unrun;
}

// Only the flush leaves jobs that have come home, and where none come home it has none to leave.
static void test_leaving_with_jobs_in_flight(void **state)
{
    (void)state;
    static const char *const loads[] = {"sample_every=1", "schedulers=2,workers=2,keys=3", "externals=2",
                                        "externals=2,schedulers=2,other_work_ns=10us,sample_every=1"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(left_behind("erts:stop=drain", loads[i]), 0);
        assert_int_equal(left_behind("erts:stop=poison", loads[i]), 0);
        assert_true(left_behind("erts:stop=flush", loads[i]) > 0);
        assert_int_equal(left_behind("erts:stop=flush,completion=worker", loads[i]), 0);
    }
    assert_int_equal(left_behind("erts:stop=flush", "workers=0"), 0);
}

static void test_blast(void **state)
{
    (void)state;
    check_run("--workload blast:sample_every=1,jobs=100", true);
    check_run("--workload blast:schedulers=3,workers=2,jobs=64,sample_every=1,service_ns=1us", true);
    check_run("--workload blast:workers=1,jobs=1,sample_every=0", false);
}

// A round that does not fit opens the gate early, and so has no drain.
static void test_blast_without_room(void **state)
{
    (void)state;
    struct run_request request;
    char *text;
    words_expect(&request, "--workload blast:schedulers=2,jobs=50 --queue list:capacity=4 --warmup 1ms --duration 20ms",
                 &text);
    struct outcome outcome;
    outcome_of(&outcome, &request.options, &topology);
    assert_int_equal(outcome.code, 0);
    assert_true(outcome.record.operations_failed > 0);
    assert_string_equal(outcome.record.stages[4].name, "drain");
    assert_int_equal(outcome.record.stages[4].histogram->count, 0);
    outcome_free(&outcome);
    options_free(&request);
    free(text);
}

static const struct histogram *stage_of(const struct record *record, const char *name)
{
    for (unsigned stage = 0; stage < RECORD_STAGES_MAX && record->stages[stage].name; stage++)
        if (strcmp(record->stages[stage].name, name) == 0)
            return record->stages[stage].histogram;
    fail_msg("there is no stage %s", name);
    return NULL;
}

#define STALL_NS 300000u

// Each stall takes at least as long as it was asked to (less what is lost to whole ticks), and `stage`, of a job that
// met with one, shows it.
static void check_stalls(const char *who, const char *stage)
{
    struct run_request request;
    char line[256], *text;
    snprintf(line, sizeof line,
             "--workload stall:who=%s,stall_ns=%uns,every=10,window=20,sample_every=1 --warmup 2ms --duration 50ms",
             who, STALL_NS);
    words_expect(&request, line, &text);
    struct outcome outcome;
    outcome_of(&outcome, &request.options, &topology);
    assert_int_equal(outcome.code, 0);
    const struct histogram *stalls = stage_of(&outcome.record, "stall");
    const struct histogram *others = stage_of(&outcome.record, stage);
    assert_true(stalls->count > 0);
    assert_true(stalls->min + 10 >= STALL_NS);
    assert_true(others->max + 10 >= STALL_NS);
    outcome_free(&outcome);
    options_free(&request);
    free(text);
}

static void test_stall(void **state)
{
    (void)state;
    check_run("--workload stall:who=scheduler,every=5,stall_ns=100us,sample_every=1", true);
    check_run("--workload stall:who=worker,every=5,stall_ns=100us,sample_every=0", false);
    check_run("--workload stall:who=completion,every=5,stall_ns=100us,sample_every=1", true);
    check_run("--workload stall:schedulers=1,workers=1,window=1,every=1,stall_ns=50us,sample_every=1", true);
    check_run("--workload stall:schedulers=3,every=5,stall_ns=100us,sample_every=1 --queue list:capacity=4", true);
    check_stalls("scheduler", "total");
    check_stalls("worker", "service");
    check_stalls("completion", "ready_queue");
}

static void test_baseline_is_not_checked(void **state)
{
    (void)state;
    const char *const lines[] = {"--workload producer_consumer:producers=2,consumers=2,prefill=9,batch=2 --queue null",
                                 "--workload pairs:threads=2,prefill=9 --queue null --dispatch direct",
                                 "--workload half_and_half:threads=2,share=99,room=1 --queue null"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct run_request request;
        char *text;
        words_expect(&request, lines[i], &text);
        request.options.settings.warmup_ns = 1000000;
        request.options.settings.duration_ns = DURATION_NS;
        struct outcome outcome;
        outcome_of(&outcome, &request.options, &topology);
        assert_int_equal(outcome.code, 0);
        check_window(&outcome.record);
        assert_string_equal(outcome.record.verdict, "baseline");
        assert_non_null(strstr(outcome.record.verdict_detail, "not checked"));
        assert_int_equal(outcome.record.items_total, RECORD_ABSENT);
        outcome_free(&outcome);
        options_free(&request);
        free(text);
    }
}

// Nothing in a pool workload knows which pool it runs on. Once each: a library may start its threads only once.
static void test_every_built_pool(void **state)
{
    (void)state;
    unsigned built = 0;
    for (const struct pool_entry *entry = pool_list; entry->name; entry++) {
        if (!entry->ops || entry->ops->enter) // not built, or in another program
            continue;
        char line[128];
        snprintf(line, sizeof line, "--workload closed_loop:sample_every=1 --pool %s", entry->name);
        check_run(line, true);
        built++;
    }
    assert_true(built > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_producer_consumer),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_closed_loop),
        cmocka_unit_test(test_leaving_with_jobs_in_flight),
        cmocka_unit_test(test_blast),
        cmocka_unit_test(test_completions_on_workers),
        cmocka_unit_test(test_no_workers),
        cmocka_unit_test(test_externals),
        cmocka_unit_test(test_other_work_without_workers),
        cmocka_unit_test(test_blast_without_room),
        cmocka_unit_test(test_stall),
        cmocka_unit_test(test_baseline_is_not_checked),
        cmocka_unit_test(test_every_built_pool),
    };
    return cmocka_run_group_tests_name("workloads", tests, load, unload);
}
