// SPDX-License-Identifier: Apache-2.0
// The tap on a pool: every pool workload runs through it on a real pool, and must neither notice nor be accused.
#include "tests/run_words.h"

#include <errno.h>

#include "core/check/pool_tap_job.h"
#include "core/machine/memory.h"
#include "core/registry.h"
#include "tests/tapped_pool.h"

#define MEMORY_BYTES (UINT64_C(64) << 20)

static struct topology topology;

struct tapped_run {
    struct tapped tapped;
    struct outcome outcome;
    struct run_request request;
    const struct pool_entry *listed;
    struct pool_entry entry;
    char *text;
};

static struct history_promise promise_of(const struct run_options *options)
{
    struct pool_traits traits = options->pool->ops->traits;
    if (options->pool->ops->resolve)
        options->pool->ops->resolve(options->pool_config, &traits);
    return (struct history_promise){.order = traits.takes_queues ? options->job_queue.traits.order : QUEUE_ORDER_FIFO,
                                    .keys = traits.keys,
                                    .completes_on_submitter = traits.completes_on_submitter};
}

static unsigned workers_of(const struct run_options *options)
{
    struct run_plan plan;
    struct fault fault = {""};
    if (run_plan_make(&plan, options, &topology, &fault) != 0)
        fail_msg("the plan is refused: %s", fault.text);
    const unsigned workers = plan.demand.workers;
    run_plan_free(&plan);
    return workers;
}

static void run_through(struct tapped_run *run, const char *words, uint64_t sampled, uint64_t memory_bytes)
{
    char line[256];
    snprintf(line, sizeof line, "--warmup 1ms --duration 10ms %s", words);
    words_expect(&run->request, line, &run->text);
    struct run_options *options = &run->request.options;
    run->listed = options->pool;
    const struct recording_plan plan = {
        .subject = HISTORY_OF_POOL,
        .name = run->listed->name,
        .promise = promise_of(options),
        .sampled = sampled,
        .memory_bytes = memory_bytes,
        .threads = 16,
        .schedulers = 2,
        .workers = workers_of(options),
    };
    tapped_open(&run->tapped, run->listed->ops, &plan);
    run->entry = *run->listed;
    run->entry.ops = run->tapped.ops;
    options->pool = &run->entry;
    outcome_of(&run->outcome, options, &topology);
}

static void end_run(struct tapped_run *run)
{
    run->request.options.pool = run->listed;
    tapped_close(&run->tapped);
    outcome_free(&run->outcome);
    options_free(&run->request);
    free(run->text);
}

// However little came of it on a busy machine.
static void expect_right(struct tapped_run *run, const char *words)
{
    if (run->outcome.code < 0 || run->outcome.result.verdict.violated)
        fail_msg("%s: %s%s", words, run->outcome.fault.text, run->outcome.result.verdict.detail);
    tapped_expect_ordered(run->tapped.history);
    if (run->tapped.verdict.fault != HISTORY_OK)
        fail_msg("%s: %s: %s", words, history_fault_name(run->tapped.verdict.fault), run->tapped.verdict.sentence);
}

static const char *const runs[] = {
    "--workload closed_loop:window=32",
    "--workload closed_loop:schedulers=2,workers=2,window=16,keys=3",
    "--workload closed_loop:externals=2,schedulers=2,workers=2,keys=5,window=8",
    "--workload closed_loop:workers=0,keys=3,window=4",
    "--workload closed_loop:workers=0,externals=1,window=4",
    "--workload closed_loop:workers=2,keys=3,schedulers=2 --pool erts:completion=worker",
    "--workload closed_loop:workers=2,keys=3,window=64 --pool erts:batch=8",
    "--workload closed_loop:workers=2,keys=3,schedulers=2 --job-queue list:capacity=4",
    "--workload closed_loop:drain=no,window=32 --pool erts:stop=poison",
    "--workload closed_loop:drain=no,window=32,schedulers=2",
    "--workload blast:jobs=64,schedulers=2",
    "--workload stall:every=100,stall_ns=100us,window=30",
    "--workload port_churn:schedulers=2,workers=2,key=port",
    "--workload port_churn:schedulers=1,externals=2,workers=2,key=one",
    "--workload port_churn:workers=0,key=port",
    "--workload port_churn:workers=2,key=port --pool erts:completion=worker",
};

#define RUNS (sizeof runs / sizeof runs[0])

static void test_every_workload_is_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < RUNS; i++) {
        static struct tapped_run run;
        run_through(&run, runs[i], 0, MEMORY_BYTES);
        tapped_judge(&run.tapped, true);
        expect_right(&run, runs[i]);
        const struct history *history = run.tapped.history;
        assert_int_equal(run.tapped.verdict.scope, HISTORY_SCOPE_FULL);
        const uint64_t jobs = tapped_count(history, HISTORY_SUBMIT);
        assert_true(jobs > 0);
        assert_int_equal(jobs, run.outcome.result.verdict.total);
        assert_int_equal(run.tapped.verdict.items, jobs);
        assert_int_equal(run.tapped.verdict.operations, 3 * jobs);
        assert_int_equal(tapped_count(history, HISTORY_KEY), strstr(runs[i], "key") ? jobs : 0);
        end_run(&run);
    }
}

static enum history_fault judged_leaving(struct tapped_run *run, uint64_t unrun)
{
    struct tapped *tapped = &run->tapped;
    const struct history_question question = {.drained = true};
    tapped->history->unrun = (uint32_t)unrun;
    assert_int_equal(history_check_jobs(tapped->history, &question, &tapped->verdict, NULL), 0);
    return tapped->verdict.fault;
}

// An exit flush leaves completions behind, and says how many: so many are missing, and the judge is told that they may.
static void test_flush_leaves_some(void **state)
{
    (void)state;
    const char *words = "--workload closed_loop:drain=no,window=1000,service_ns=5us --pool erts:stop=flush";
    static struct tapped_run run;
    run_through(&run, words, 0, MEMORY_BYTES);
    tapped_judge(&run.tapped, false);
    expect_right(&run, words);
    const uint64_t submitted = tapped_count(run.tapped.history, HISTORY_SUBMIT);
    const uint64_t ended = tapped_count(run.tapped.history, HISTORY_READY);
    assert_int_equal(tapped_count(run.tapped.history, HISTORY_INVOKE), submitted);
    assert_true(ended < submitted);
    recording_history_free(run.tapped.history);
    tapped_judge(&run.tapped, true);
    assert_int_equal(run.tapped.verdict.fault, HISTORY_NOT_COMPLETED);
    assert_int_equal(run.outcome.record.jobs_unrun, submitted - ended);
    assert_int_equal(judged_leaving(&run, submitted - ended), HISTORY_OK);
    assert_int_equal(judged_leaving(&run, submitted - ended - 1), HISTORY_NOT_COMPLETED);
    end_run(&run);
}

// Of a sample every event of its jobs is there, so that what is missing is known to be.
static void test_sample(void **state)
{
    (void)state;
    for (size_t i = 0; i < RUNS; i++) {
        static struct tapped_run run;
        run_through(&run, runs[i], 7, MEMORY_BYTES);
        tapped_judge(&run.tapped, true);
        expect_right(&run, runs[i]);
        const uint64_t jobs = run.tapped.verdict.items, total = run.outcome.result.verdict.total;
        assert_int_equal(run.tapped.verdict.scope, HISTORY_SCOPE_SAMPLED);
        assert_true(total < 1000 || (jobs > total / 20 && jobs < total / 3));
        for (unsigned t = 0; t < run.tapped.history->thread_count; t++)
            for (uint64_t e = 0; e < run.tapped.history->threads[t].count; e++) {
                const struct history_event *event = &run.tapped.history->threads[t].events[e];
                assert_true(history_kind(event) == HISTORY_KEY || history_is_sampled(event->item, 7));
            }
        end_run(&run);
    }
}

// Out of room, threads go on unrecorded: the run is none the worse, and the history is cut and not wrong.
static void test_no_room(void **state)
{
    (void)state;
    for (size_t i = 0; i < RUNS; i++) {
        static struct tapped_run run;
        run_through(&run, runs[i], 0, 16 * 200);
        tapped_judge(&run.tapped, true);
        expect_right(&run, runs[i]);
        assert_int_equal(run.tapped.verdict.scope, HISTORY_SCOPE_SAMPLED);
        assert_true(run.tapped.history->cut_ticks != HISTORY_NEVER);
        assert_true(run.tapped.verdict.items < run.outcome.result.verdict.total);
        end_run(&run);
    }
}

// ------------------------------------------------------------------------------------------------ ports

#define PORT_JOBS 100u

// What the caller's own driver sees.
static struct {
    unsigned readies, frees, stops, unloads;
    int port_data;
    uint64_t port;
} seen;

static void driver_ready(uint64_t port, void *port_data, void *job_data)
{
    assert_int_equal(port, seen.port);
    assert_ptr_equal(port_data, &seen.port_data);
    ++*(unsigned *)job_data;
    seen.readies++;
}

static void driver_stop(uint64_t port, void *port_data)
{
    assert_int_equal(port, seen.port);
    assert_ptr_equal(port_data, &seen.port_data);
    seen.stops++;
}

static void driver_unload(void *driver_data)
{
    assert_ptr_equal(driver_data, &seen);
    seen.unloads++;
}

static void job_invoke(void *job_data)
{
    *(unsigned *)job_data += 0x100;
}

static void job_free(void *job_data)
{
    ++*(unsigned *)job_data;
    seen.frees++;
}

// One port of a driver with `ops`, whose jobs come and go, and the end of both.
static void use_driver(const struct tapped *tapped, struct pool *pool, const struct pool_driver_ops *ops, bool frees)
{
    static unsigned jobs[PORT_JOBS];
    const struct pool_port_ops *ports = tapped->ops->ports;
    struct pool_statistics statistics;
    memset(jobs, 0, sizeof jobs);
    memset(&seen, 0, sizeof seen);
    struct pool_driver *driver = ports->load(pool, ops, &seen);
    assert_non_null(driver);
    assert_int_equal(ports->open(pool, driver, &seen.port_data, true, &seen.port), 0);
    tapped->ops->statistics(pool, &statistics);
    const uint64_t due = statistics.completed + PORT_JOBS;
    for (unsigned i = 0; i < PORT_JOBS; i++) {
        unsigned key = ports->key(seen.port);
        const struct pool_port_job job = {seen.port, job_invoke, frees ? job_free : NULL, &jobs[i]};
        assert_true(ports->submit(pool, 0, &job, i % 2 ? &key : NULL) > 0);
    }
    for (; statistics.completed < due; tapped->ops->statistics(pool, &statistics))
        tapped->ops->pass(pool, 0);
    assert_int_equal(seen.unloads, 0);
    ports->unload(pool, driver);
    assert_int_equal(seen.unloads, 0); // the port holds it
    assert_int_equal(ports->close(pool, seen.port, false), 0);
    assert_int_equal(ports->close(pool, seen.port, false), -EINVAL);
    assert_int_equal(ports->references(pool), 0);
    assert_int_equal(seen.stops, ops->stop != NULL);
    assert_int_equal(seen.unloads, ops->unload != NULL);
    assert_int_equal(seen.readies, ops->ready ? PORT_JOBS : 0);
    assert_int_equal(seen.frees, frees && !ops->ready ? PORT_JOBS : 0);
    for (unsigned i = 0; i < PORT_JOBS; i++)
        assert_int_equal(jobs[i], ops->ready || frees ? 0x101 : 0x100);
}

static const struct pool_driver_ops drivers[] = {
    {"whole", driver_ready, driver_stop, driver_unload},
    {"mute", NULL, driver_stop, driver_unload},
    {"bare", NULL, NULL, NULL},
};

// Ports and drivers come and go for ever, and their records do not add up.
static void reuse_records(const struct tapped *tapped, struct pool *pool)
{
    const struct pool_port_ops *ports = tapped->ops->ports;
    const uint64_t before = memory_counters().allocations;
    for (unsigned i = 0; i < 100; i++) {
        struct pool_driver *driver = ports->load(pool, &drivers[0], &seen);
        assert_int_equal(ports->open(pool, driver, &seen.port_data, false, &seen.port), 0);
        assert_int_equal(ports->close(pool, seen.port, false), 0);
        ports->unload(pool, driver);
    }
    assert_in_range(memory_counters().allocations - before, 100, 103); // the pool's own for each driver
}

// Recorded whole, sampled, and with room for a few jobs only: the caller's driver sees no difference.
static void test_ports(void **state)
{
    (void)state;
    static const struct {
        uint64_t sampled, memory_bytes;
    } ways[] = {{0, 1 << 20}, {5, 1 << 20}, {0, 4 * 200}};
    for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
        struct run_request request;
        struct pool *pool;
        struct fault fault = {""};
        struct tapped tapped;
        char *text;
        words_expect(&request, "--workload port_churn", &text);
        const struct run_options *options = &request.options;
        const struct pool_setup setup = {.schedulers = 1,
                                         .ports = 2,
                                         .workers = 2,
                                         .job_queue = &options->job_queue,
                                         .ready_queue = &options->ready_queue};
        const struct recording_plan plan = {.subject = HISTORY_OF_POOL,
                                            .name = "erts",
                                            .promise = promise_of(options),
                                            .sampled = ways[way].sampled,
                                            .memory_bytes = ways[way].memory_bytes,
                                            .threads = 4,
                                            .schedulers = 1,
                                            .workers = setup.workers};
        tapped_open(&tapped, options->pool->ops, &plan);
        assert_int_equal(tapped.ops->start(&pool, &setup, options->pool_config, &fault), 0);
        assert_int_equal(tapped.ops->attach(pool, 0), 0);
        for (unsigned round = 0; round < 2; round++)
            for (size_t d = 0; d < sizeof drivers / sizeof drivers[0]; d++)
                use_driver(&tapped, pool, &drivers[d], round == 0);
        reuse_records(&tapped, pool);
        assert_int_equal(tapped.ops->ports->cancel(pool, 1, &fault), -ENOTSUP);
        tapped.ops->detach(pool, 0);
        fault.text[0] = '\0';
        assert_int_equal(tapped.ops->stop(pool, NULL, &fault), 0);
        tapped_judge(&tapped, true);
        assert_int_equal(tapped.verdict.fault, HISTORY_OK);
        if (way == 0) {
            assert_int_equal(tapped.verdict.items, 6 * PORT_JOBS);
            assert_int_equal(tapped_count(tapped.history, HISTORY_READY), 2 * PORT_JOBS);
            assert_int_equal(tapped_count(tapped.history, HISTORY_FREE), 4 * PORT_JOBS);
            assert_int_equal(tapped_count(tapped.history, HISTORY_KEY), 3 * PORT_JOBS);
        }
        tapped_close(&tapped);
        options_free(&request);
        free(text);
    }
}

// A pool of another make, of which there can be one in a process, and only where its library is.
static void test_a_peer(void **state)
{
    (void)state;
    struct fault fault = {""};
    const struct pool_entry *entry = registry_pool("uv", &fault);
    if (!entry || !entry->ops)
        skip();
    static struct tapped_run run;
    const char *words = "--workload closed_loop:schedulers=2,workers=2,window=16 --pool uv";
    run_through(&run, words, 0, MEMORY_BYTES);
    tapped_judge(&run.tapped, true);
    expect_right(&run, words);
    assert_int_equal(run.tapped.verdict.items, run.outcome.result.verdict.total);
    end_run(&run);
}

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

// A thread that moves to a processor whose clock is behind, outside of events and inside: what happened inside another
// event stays inside it.
static void test_clocks_that_go_back(void **state)
{
    (void)state;
    static const struct pool_ops none;
    const struct recording_plan plan = {
        .subject = HISTORY_OF_POOL, .name = "none", .memory_bytes = 1 << 12, .threads = 1};
    const uint64_t ahead = clock_ticks_in(1e9);
    struct tapped tapped;
    tapped_open(&tapped, &none, &plan);
    const struct tapped_event outer = tap_begin(tapped.tap, HISTORY_INVOKE, 1);
    recorder_monotone(outer.recorder, clock_ticks() + ahead);
    const struct tapped_event inner = tap_begin(tapped.tap, HISTORY_READY, 2);
    assert_true(inner.event->start >= ahead);
    tap_end(inner);
    tap_end(outer);
    assert_true(history_end(inner.event) == inner.event->start);
    assert_true(history_end(outer.event) >= history_end(inner.event));
    const struct tapped_event next = tap_begin(tapped.tap, HISTORY_INVOKE, 3);
    tap_end(next);
    assert_true(next.event->start >= history_end(outer.event));
    assert_int_equal(recording_history(tapped.recording, &tapped.history), 0);
    tapped_expect_ordered(tapped.history);
    tapped_close(&tapped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_workload_is_right),
        cmocka_unit_test(test_flush_leaves_some),
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_clocks_that_go_back),
        cmocka_unit_test(test_a_peer),
    };
    return cmocka_run_group_tests_name("pool tap", tests, load, unload);
}
