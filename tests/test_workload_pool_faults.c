// SPDX-License-Identifier: Apache-2.0
// A pool that goes wrong now and then under the pool workloads: every self-check must fire, and say what it found.
// It is a real pool behind functions that spoil what passes through them; without a fault it must pass, or the
// checks would prove nothing.
#include "tests/child.h"
#include "tests/run_words.h"

#include <errno.h>
#include <unistd.h>

#include "core/machine/clock.h"
#include "core/sync/atomic.h"

enum defect {
    DEFECT_NONE,
    DEFECT_NEVER_INVOKES,
    DEFECT_INVOKES_TWICE,
    DEFECT_INVOKES_LATE,     // after ready
    DEFECT_COMPLETES_TWICE,  //
    DEFECT_COMPLETES_ABROAD, // on the worker
    DEFECT_LOSES,            // ready never runs
    DEFECT_LOSES_ONE,        // of all
    DEFECT_REORDERS,         // submits a job after the next one of its key
    DEFECT_STOP_FAILS,       // says that something was lost
    DEFECT_STOP_HANGS,       //
    DEFECT_LEAVES_MORE,      // one job, than it says
    DEFECT_LEAVES_LESS,      //
    DEFECT_ATTACH_FAILS,     //
    DEFECT_START_FAILS,      //
};

// What kind of pool it is when it is sound.
enum manner {
    MANNER_PLAIN,       // as the real one
    MANNER_ABROAD,      // completes on the worker, and says so
    MANNER_SYNCHRONOUS, // has no workers
    MANNER_LEAVING,     // leaves completions behind, and says so
};

static enum defect defect;
static enum manner manner;
static const struct pool_ops *real;
static _Atomic uint64_t jobs;

// What goes through the real pool in place of a job.
struct wrapped {
    void (*invoke)(void *data);
    void (*ready)(void *data);
    void *data;
    bool due; // this one meets with the fault
};

// A job held back until the next of its key has gone first.
static struct wrapped *held;
static unsigned held_key;

static void complete(const struct wrapped *job)
{
    const bool kept = defect != DEFECT_LOSES && defect != DEFECT_LOSES_ONE && defect != DEFECT_COMPLETES_ABROAD;
    if (!job->due || kept)
        job->ready(job->data);
    if (job->due && defect == DEFECT_COMPLETES_TWICE)
        job->ready(job->data);
    if (job->due && defect == DEFECT_INVOKES_LATE)
        job->invoke(job->data);
}

static void run(const struct wrapped *job)
{
    if (job->due && (defect == DEFECT_NEVER_INVOKES || defect == DEFECT_INVOKES_LATE))
        return;
    job->invoke(job->data);
    if (job->due && defect == DEFECT_INVOKES_TWICE)
        job->invoke(job->data);
    if (job->due && defect == DEFECT_COMPLETES_ABROAD)
        job->ready(job->data);
}

static void wrapped_invoke(void *argument)
{
    run(argument);
    if (manner == MANNER_ABROAD)
        complete(argument);
}

static void wrapped_ready(void *argument)
{
    if (manner == MANNER_PLAIN)
        complete(argument);
    free(argument);
}

static long submit_held(struct pool *pool, unsigned scheduler)
{
    struct wrapped *job = held;
    unsigned key = held_key;
    held = NULL;
    return real->submit(pool, scheduler, &key, wrapped_invoke, wrapped_ready, job);
}

static void invoke_nothing(void *data)
{
    (void)data;
}

// Nobody would free what stands for a job that is left behind.
static long submit_left(struct pool *pool, unsigned scheduler, unsigned *key, struct wrapped *job)
{
    const struct wrapped given = *job;
    free(job);
    return real->submit(pool, scheduler, key,
                        given.due && defect == DEFECT_NEVER_INVOKES ? invoke_nothing : given.invoke, given.ready,
                        given.data);
}

static long wrapped_submit(struct pool *pool, unsigned scheduler, unsigned *key, void (*invoke)(void *),
                           void (*ready)(void *), void *data)
{
    struct wrapped *job = malloc(sizeof *job);
    const uint64_t number = at_add_rlx(&jobs, 1);
    const bool due = defect == DEFECT_LOSES_ONE ? number == 20 : defect != DEFECT_NONE && number % 50 == 20;
    *job = (struct wrapped){invoke, ready, data, due};
    if (job->due && defect == DEFECT_REORDERS && !held) {
        held = job;
        held_key = *key;
        return 1;
    }
    if (manner == MANNER_SYNCHRONOUS) {
        run(job);
        complete(job);
        free(job);
        return 0;
    }
    if (manner == MANNER_LEAVING)
        return submit_left(pool, scheduler, key, job);
    const bool follows = held && key && *key == held_key;
    const long id = real->submit(pool, scheduler, key, wrapped_invoke, wrapped_ready, job);
    if (id <= 0)
        free(job);
    else if (follows)
        assert_true(submit_held(pool, scheduler) > 0);
    return id;
}

static enum pool_more wrapped_pass(struct pool *pool, unsigned scheduler)
{
    return real->pass(pool, scheduler);
}

// With a job held back there may be nothing to wait for.
static void wrapped_wait(struct pool *pool, unsigned scheduler)
{
    if (held)
        submit_held(pool, scheduler);
    else
        real->wait(pool, scheduler);
}

static int wrapped_start(struct pool **pool, const struct pool_setup *setup, const void *config, struct fault *fault)
{
    if (defect == DEFECT_START_FAILS)
        return fault_set(fault, -EAGAIN, "no threads today");
    // Where all is done inside submit, nothing is ever asked of its worker.
    struct pool_setup asked = *setup;
    assert_int_equal(setup->workers == 0, manner == MANNER_SYNCHRONOUS);
    if (manner == MANNER_SYNCHRONOUS) {
        asked.workers = 1;
        asked.worker_cpus = NULL;
    }
    return real->start(pool, &asked, config, fault);
}

static int wrapped_attach(struct pool *pool, unsigned scheduler)
{
    return defect == DEFECT_ATTACH_FAILS ? -EMFILE : real->attach(pool, scheduler);
}

static int wrapped_stop(struct pool *pool, struct pool_statistics *statistics, struct fault *fault)
{
    while (defect == DEFECT_STOP_HANGS)
        sleep(1);
    const int result = real->stop(pool, statistics, fault);
    statistics->unrun -= defect == DEFECT_LEAVES_MORE;
    statistics->unrun += defect == DEFECT_LEAVES_LESS;
    return defect == DEFECT_STOP_FAILS ? fault_set(fault, -EIO, "seven jobs were forgotten") : result;
}

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

static void run_for(struct outcome *outcome, const char *workload, enum defect which, const struct run_settings *times)
{
    // Not on the stack: a stuck run's threads go on using them.
    static struct run_request request;
    static struct pool_ops ops;
    static struct pool_entry entry;
    char *text;
    char line[256];
    snprintf(line, sizeof line, "--workload %s --warmup 2ms", workload);
    words_expect(&request, line, &text);
    const struct pool_entry *listed = request.options.pool;
    real = listed->ops;
    ops = *real;
    entry = *listed;
    ops.resolve = NULL;
    ops.traits.completes_on_submitter = manner != MANNER_ABROAD;
    ops.traits.synchronous = manner == MANNER_SYNCHRONOUS;
    ops.start = wrapped_start;
    ops.attach = wrapped_attach;
    ops.submit = wrapped_submit;
    ops.pass = wrapped_pass;
    ops.wait = wrapped_wait;
    ops.stop = wrapped_stop;
    entry.ops = &ops;
    request.options.pool = &entry;
    request.options.settings.duration_ns = times->duration_ns;
    request.options.settings.stuck_ns = times->stuck_ns;
    defect = which;
    held = NULL;
    at_store_rlx(&jobs, 0);
    outcome_of(outcome, &request.options, &topology);
    if (outcome->record.exit_reason && strcmp(outcome->record.exit_reason, "stuck") == 0)
        return;
    request.options.pool = listed;
    options_free(&request);
    free(text);
}

static void run_on(struct outcome *outcome, const char *workload, enum defect which)
{
    const struct run_settings times = {.duration_ns = 20000000, .stuck_ns = 10000000000};
    run_for(outcome, workload, which, &times);
}

static const char *const loads[] = {
    "closed_loop:window=32",
    "closed_loop:schedulers=2,workers=2,window=16,sample_every=1",
    "blast:jobs=64",
    "blast:schedulers=2,jobs=40,sample_every=1",
    "stall:every=100,stall_ns=100us,window=30",
    "open_loop:rate=100k,workers=2,service_ns=0",
    "file_io:directory=.,file_bytes=40960,block_bytes=512,operation=mixed",
    "deflate:block_bytes=512,input_bytes=100k,level=1,verify_every=1,window=30",
};

#define LOADS (sizeof loads / sizeof loads[0])

// What externals submit must come home to the first scheduler.
static const char *const with_externals = "closed_loop:externals=3,window=8";

static const char *const synchronous_loads[] = {
    "closed_loop:workers=0,window=32",
    "closed_loop:workers=0,window=1,sample_every=1,service_ns=1us",
    "closed_loop:workers=0,schedulers=2,keys=3,other_work_ns=1us",
};

#define SYNCHRONOUS_LOADS (sizeof synchronous_loads / sizeof synchronous_loads[0])

static void expect_violation(const char *load_name, enum defect which, const char *words)
{
    struct outcome outcome;
    run_on(&outcome, load_name, which);
    assert_int_equal(outcome.code, 1);
    assert_string_equal(outcome.record.status, "failed");
    assert_string_equal(outcome.record.exit_reason, "incorrect");
    assert_string_equal(outcome.record.verdict, "violated");
    const char *detail = outcome.record.verdict_detail;
    const char *found = strstr(detail, words);
    // A number stands before the words, and it is not 0.
    if (!found || (found >= detail + 2 && memcmp(found - 2, " 0", 2) == 0))
        fail_msg("%s: '%s' does not count what '%s'", load_name, detail, words);
    outcome_free(&outcome);
}

static void expect_sound(const char *load_name)
{
    struct outcome outcome;
    run_on(&outcome, load_name, DEFECT_NONE);
    if (outcome.code != 0)
        fail_msg("%s: %s%s", load_name, outcome.fault.text,
                 outcome.record.verdict_detail ? outcome.record.verdict_detail : "");
    assert_true(outcome.record.operations > 0);
    outcome_free(&outcome);
}

static void test_sound_pool_passes(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOADS; i++)
        expect_sound(loads[i]);
}

static void test_invocations(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOADS; i++) {
        expect_violation(loads[i], DEFECT_NEVER_INVOKES, " never,");
        expect_violation(loads[i], DEFECT_INVOKES_TWICE, " were invoked twice");
        expect_violation(loads[i], DEFECT_INVOKES_LATE, " not invoked exactly once before");
    }
}

static void test_completions(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOADS; i++) {
        expect_violation(loads[i], DEFECT_COMPLETES_TWICE, " completed twice");
        expect_violation(loads[i], DEFECT_COMPLETES_ABROAD, " on another thread");
        expect_violation(loads[i], DEFECT_COMPLETES_ABROAD, " did not complete");
    }
    expect_sound(with_externals);
    expect_violation(with_externals, DEFECT_COMPLETES_ABROAD, " on another thread");
}

// The checks hold where jobs complete on workers too. A job that completes twice there does so before its slot can be
// in use again: its worker, the only one, has the rest of the round to do. Nor is it timed, as its owner reads the
// times.
static void test_completions_on_workers(void **state)
{
    (void)state;
    manner = MANNER_ABROAD;
    for (size_t i = 0; i < LOADS; i++) {
        expect_sound(loads[i]);
        expect_violation(loads[i], DEFECT_NEVER_INVOKES, " never,");
        expect_violation(loads[i], DEFECT_INVOKES_TWICE, " were invoked twice");
        expect_violation(loads[i], DEFECT_STOP_FAILS, "seven jobs were forgotten");
    }
    expect_sound("closed_loop:keys=3,window=32,workers=2");
    expect_sound("closed_loop:other_work_ns=10us,sample_every=1");
    expect_sound("stall:who=completion,every=100,stall_ns=100us,sample_every=1");
    expect_violation("closed_loop:keys=3,window=32,workers=2", DEFECT_REORDERS, " out of order");
    expect_violation("blast:jobs=64,workers=1,sample_every=0", DEFECT_INVOKES_LATE, " not invoked exactly once before");
    expect_violation("blast:jobs=64,workers=1,sample_every=0", DEFECT_COMPLETES_TWICE, " completed twice");
    manner = MANNER_PLAIN;
}

// Where jobs run inside submit, they do so on the submitting thread, and no call is ever inside another of its kind.
static void test_no_workers(void **state)
{
    (void)state;
    manner = MANNER_SYNCHRONOUS;
    for (size_t i = 0; i < SYNCHRONOUS_LOADS; i++) {
        expect_sound(synchronous_loads[i]);
        expect_violation(synchronous_loads[i], DEFECT_NEVER_INVOKES, " never,");
        expect_violation(synchronous_loads[i], DEFECT_INVOKES_TWICE, " were invoked twice");
        expect_violation(synchronous_loads[i], DEFECT_INVOKES_LATE, " not invoked exactly once before");
        expect_violation(synchronous_loads[i], DEFECT_COMPLETES_TWICE, " completed twice");
    }
    manner = MANNER_PLAIN;
}

// What is in flight when the threads leave may be left behind, but not a job more or less than the pool says.
static void test_jobs_left_behind(void **state)
{
    (void)state;
    static const char *const flushed[] = {
        "closed_loop:drain=no,service_ns=100us,window=64 --pool erts:stop=flush",
        "closed_loop:drain=no,service_ns=100us,window=64,externals=2,schedulers=2 --pool erts:stop=flush",
    };
    manner = MANNER_LEAVING;
    for (size_t i = 0; i < 2; i++) {
        expect_sound(flushed[i]);
        expect_violation(flushed[i], DEFECT_LEAVES_MORE, " did not complete and");
        expect_violation(flushed[i], DEFECT_LEAVES_LESS, " behind;");
        expect_violation(flushed[i], DEFECT_NEVER_INVOKES, " never,");
    }
    manner = MANNER_PLAIN;
    expect_sound("closed_loop:drain=no,window=64");
    expect_violation("closed_loop:drain=no,window=64", DEFECT_LOSES_ONE, " did not complete and");
    expect_violation("closed_loop:drain=no,window=64", DEFECT_LEAVES_LESS, " behind;");
}

static void test_order_of_a_key(void **state)
{
    (void)state;
    expect_violation("closed_loop:keys=3,window=32,workers=2", DEFECT_REORDERS, " out of order");
    expect_sound("closed_loop:keys=3,window=32,workers=2");
    static const char *const by_chance = "keyed:keys=3,rate=100k,slow_per_mille=10,slow_ns=10us,service_ns=0";
    expect_violation(by_chance, DEFECT_REORDERS, " out of order");
    expect_sound(by_chance);
}

static void test_stop_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOADS; i++)
        expect_violation(loads[i], DEFECT_STOP_FAILS, "seven jobs were forgotten");
}

static void test_refusals(void **state)
{
    (void)state;
    struct outcome outcome;
    run_on(&outcome, loads[1], DEFECT_START_FAILS);
    assert_int_equal(outcome.code, -EAGAIN);
    assert_string_equal(outcome.fault.text, "no threads today");
    outcome_free(&outcome);
    run_on(&outcome, loads[1], DEFECT_ATTACH_FAILS);
    assert_int_equal(outcome.code, -EMFILE);
    assert_non_null(strstr(outcome.fault.text, "scheduler 0 cannot attach"));
    outcome_free(&outcome);
}

// In a process of its own, for its threads can't be joined.
static int run_stuck(enum defect which, const char *workload)
{
    struct outcome *outcome = malloc(sizeof *outcome);
    const struct run_settings times = {.duration_ns = 5000000, .stuck_ns = 300000000};
    load(NULL);
    run_for(outcome, workload, which, &times);
    printf("%d %s %s %s %s\n", outcome->code, outcome->record.status, outcome->record.exit_reason,
           outcome->record.verdict, outcome->record.verdict_detail);
    fflush(stdout);
    _exit(0);
}

static void expect_stuck(enum defect which, const char *workload, const char *words)
{
    char arguments[128], said[1024];
    snprintf(arguments, sizeof arguments, "--stuck %d %d %s", manner, which, workload);
    child_says(arguments, said, sizeof said);
    assert_memory_equal(said, "1 failed stuck stuck ", 21);
    if (!strstr(said, words))
        fail_msg("'%s' does not mention '%s'", said, words);
}

// A lost job keeps its scheduler from finishing.
static void test_stuck(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOADS; i++) {
        expect_stuck(DEFECT_LOSES, loads[i], "scheduler 0: ");
        expect_stuck(DEFECT_STOP_HANGS, loads[i], "did not stop");
    }
    expect_stuck(DEFECT_LOSES, with_externals, "external 0: ");
    manner = MANNER_ABROAD;
    expect_stuck(DEFECT_LOSES, loads[0], "scheduler 0: ");
    expect_stuck(DEFECT_LOSES, loads[2], "scheduler 0: ");
    manner = MANNER_SYNCHRONOUS;
    expect_stuck(DEFECT_LOSES, synchronous_loads[0], "scheduler 0: ");
    manner = MANNER_PLAIN;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "--stuck") == 0) {
        manner = (enum manner)atoi(argv[2]);
        return run_stuck((enum defect)atoi(argv[3]), argv[4]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_pool_passes), cmocka_unit_test(test_invocations),
        cmocka_unit_test(test_completions),       cmocka_unit_test(test_completions_on_workers),
        cmocka_unit_test(test_no_workers),        cmocka_unit_test(test_jobs_left_behind),
        cmocka_unit_test(test_order_of_a_key),    cmocka_unit_test(test_stop_fails),
        cmocka_unit_test(test_refusals),          cmocka_unit_test(test_stuck),
    };
    return cmocka_run_group_tests_name("workload_pool_faults", tests, load, unload);
}
