// SPDX-License-Identifier: Apache-2.0
// What pool workloads share, one step at a time, on a pool that only keeps what it was given: the test is its worker,
// and completes jobs here or on a thread made for it.
#include "tests/unit.h"

#include <errno.h>
#include <string.h>

#include "core/workload.h"

#define SLOTS 4

struct given {
    void (*invoke)(void *data);
    void (*ready)(void *data);
    struct job_slot *slot;
};

static struct given given[SLOTS + 1];
static unsigned given_count, passes, waits, home;
static long answer;

static long keep(struct pool *pool, unsigned thread, unsigned *key, void (*invoke)(void *), void (*ready)(void *),
                 void *data)
{
    (void)pool;
    assert_int_equal(thread, 0);
    assert_null(key);
    if (answer > 0)
        given[given_count++] = (struct given){invoke, ready, data};
    if (answer == 0) {
        invoke(data);
        ready(data);
    }
    return answer;
}

static enum pool_more pass(struct pool *pool, unsigned scheduler)
{
    (void)pool;
    assert_int_equal(scheduler, 0);
    passes++;
    return POOL_NOTHING;
}

static void wait(struct pool *pool, unsigned scheduler)
{
    (void)pool, (void)scheduler;
    waits++;
}

static void came_home(struct job_slot *slot)
{
    assert_non_null(slot);
    home++;
}

static void invoke(void *slot)
{
    workload_jobs_invoked(slot);
    workload_jobs_start(slot);
    workload_jobs_end(slot);
}

static void ready(void *slot)
{
    assert_true(workload_jobs_complete(slot, 0));
}

static void ready_late(void *slot)
{
    workload_jobs_arrived(slot);
    const uint64_t arrived = ((struct job_slot *)slot)->ready_ticks;
    clock_spin(clock_ticks_in(1000));
    assert_true(workload_jobs_complete(slot, 0));
    assert_true(arrived != 0);
    assert_int_equal(((struct job_slot *)slot)->ready_ticks, arrived);
}

static void elsewhere(void (*call)(void *), void *slot)
{
    struct thread thread = {.started = false};
    const struct thread_options options = {.cpu = -1};
    assert_int_equal(thread_start(&thread, &options, call, slot), 0);
    thread_join(&thread);
}

// One scheduler on a pool with one worker, or with none.
struct bench {
    struct pool_ops ops;
    struct pool_traits traits;
    struct workload_demand demand;
    struct workload_run run;
    struct workload_thread self;
    struct workload_jobs jobs;
    struct job_owner *owner;
};

static void set_up(struct bench *bench, bool completes_on_submitter, unsigned workers)
{
    *bench = (struct bench){
        .ops = {.submit = keep, .pass = pass, .wait = wait},
        .traits = {.completes_on_submitter = completes_on_submitter},
        .demand = {.roles = {{.name = "scheduler", .threads = 1}}, .workers = workers},
    };
    bench->run = (struct workload_run){
        .pool_ops = &bench->ops, .pool_traits = &bench->traits, .demand = &bench->demand, .threads = 1};
    bench->self = (struct workload_thread){.run = &bench->run, .role = &bench->demand.roles[0]};
    const struct jobs_plan plan = {.slots = SLOTS, .timed_every = 1, .came_home = came_home};
    assert_int_equal(workload_jobs_init(&bench->jobs, &bench->run, &plan), 0);
    bench->owner = workload_jobs_own(&bench->jobs, &bench->self);
    given_count = passes = waits = home = 0;
    answer = 1;
}

static void tear_down(struct bench *bench, bool sound)
{
    struct workload_verdict verdict = {.total = 0};
    workload_jobs_judge(&bench->jobs, &verdict);
    assert_int_equal(verdict.violated, !sound);
    workload_jobs_fini(&bench->jobs);
}

static void test_a_job_completes_here(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench, true, 1);
    assert_int_equal(workload_jobs_top_up(bench.owner, 2, invoke, ready), 2);
    assert_int_equal(workload_jobs_in_flight(bench.owner), 2);
    invoke(given[0].slot);
    ready_late(given[0].slot);
    assert_int_equal(workload_jobs_in_flight(bench.owner), 1);
    assert_int_equal(workload_jobs_top_up(bench.owner, 100, invoke, ready), 3);
    for (unsigned i = 1; i < 5; i++) {
        invoke(given[i].slot);
        ready(given[i].slot);
    }
    assert_int_equal(home, 5);
    assert_int_equal(bench.owner->completed, 5);
    assert_int_equal(workload_jobs_in_flight(bench.owner), 0);
    tear_down(&bench, true);
}

static void test_a_job_completes_elsewhere(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench, false, 1);
    assert_int_equal(workload_jobs_top_up(bench.owner, 3, invoke, ready), 3);
    for (unsigned i = 0; i < 3; i++)
        invoke(given[i].slot);
    elsewhere(ready, given[1].slot);
    elsewhere(ready_late, given[0].slot);
    assert_int_equal(workload_jobs_in_flight(bench.owner), 3); // not before its owner has looked
    assert_int_equal(home, 0);
    assert_true(workload_jobs_await(bench.owner));
    assert_int_equal(workload_jobs_in_flight(bench.owner), 1);
    assert_int_equal(home, 2);
    assert_int_equal(waits, 0);
    assert_false(workload_jobs_await(bench.owner));
    assert_int_equal(waits, 1);
    ready(given[2].slot); // such a pool may complete on the submitter as well
    assert_int_equal(home, 3);
    assert_false(workload_jobs_await(bench.owner));
    assert_int_equal(waits, 1); // nothing to wait for
    assert_int_equal(passes, 3);
    tear_down(&bench, true);
}

// The second completion is counted, and the slot is free once.
static void test_a_job_completes_twice(void **state)
{
    (void)state;
    for (int there = 0; there < 2; there++) {
        struct bench bench;
        set_up(&bench, !there, 1);
        workload_jobs_top_up(bench.owner, 2, invoke, ready);
        invoke(given[0].slot);
        for (int i = 0; i < 2; i++) {
            if (there)
                elsewhere(ready, given[0].slot);
            else
                ready(given[0].slot);
        }
        workload_jobs_pass(bench.owner);
        assert_int_equal(bench.owner->completed, 1);
        assert_int_equal(workload_jobs_in_flight(bench.owner), 1);
        workload_jobs_top_up(bench.owner, 1, invoke, ready);
        assert_ptr_equal(given[2].slot, given[0].slot); // and is as good as before
        for (unsigned i = 1; i < 3; i++) {
            invoke(given[i].slot);
            if (there)
                elsewhere(ready, given[i].slot);
            else
                ready(given[i].slot);
        }
        workload_jobs_pass(bench.owner);
        assert_int_equal(workload_jobs_in_flight(bench.owner), 0);
        struct workload_verdict verdict;
        workload_jobs_judge(&bench.jobs, &verdict);
        assert_int_equal(verdict.duplicated, 1);
        assert_int_equal(verdict.lost, 0);
        tear_down(&bench, false);
    }
}

static void test_a_job_that_never_completes_is_lost(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench, true, 1);
    workload_jobs_top_up(bench.owner, 1, invoke, ready);
    invoke(given[0].slot);
    struct workload_verdict verdict;
    workload_jobs_judge(&bench.jobs, &verdict);
    assert_int_equal(verdict.total, 1);
    assert_int_equal(verdict.lost, 1);
    tear_down(&bench, false);
}

static bool is_violated(struct bench *bench, uint64_t unrun, uint64_t lost)
{
    struct workload_verdict verdict;
    bench->run.unrun = unrun;
    workload_jobs_judge(&bench->jobs, &verdict);
    assert_int_equal(verdict.lost, lost);
    return verdict.violated;
}

// Left behind: as many as the pool says, invoked, and each once.
static void test_a_job_may_be_left_behind(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench, true, 1);
    workload_jobs_top_up(bench.owner, 3, invoke, ready);
    invoke(given[0].slot);
    invoke(given[1].slot);
    ready(given[0].slot);
    assert_true(is_violated(&bench, 2, 0)); // the third was not invoked
    invoke(given[2].slot);
    assert_true(is_violated(&bench, 0, 2));
    assert_true(is_violated(&bench, 1, 1));
    assert_false(is_violated(&bench, 2, 0));
    assert_true(is_violated(&bench, 3, 0));
    invoke(given[2].slot);
    assert_true(is_violated(&bench, 2, 0));
    tear_down(&bench, false);
}

static void test_a_job_is_done_inside_submit(void **state)
{
    (void)state;
    for (int on_submitter = 0; on_submitter < 2; on_submitter++) {
        struct bench bench;
        set_up(&bench, on_submitter, 0);
        answer = 0;
        assert_int_equal(workload_jobs_top_up(bench.owner, 10, invoke, ready), 10);
        assert_int_equal(bench.owner->completed, 10);
        assert_int_equal(home, 10);
        assert_int_equal(workload_jobs_in_flight(bench.owner), 0);
        tear_down(&bench, true);
    }
}

static void test_a_refused_job_leaves_nothing(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench, true, 1);
    answer = -EAGAIN;
    assert_int_equal(workload_jobs_top_up(bench.owner, 10, invoke, ready), 0);
    assert_int_equal(bench.self.failed, 1);
    assert_int_equal(bench.owner->submitted, 0);
    assert_int_equal(workload_jobs_in_flight(bench.owner), 0);
    tear_down(&bench, true);
}

// A slot that was used 2^32 times counts on from 0.
static void test_counts_go_round(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench, false, 1);
    struct job_slot *slot = bench.owner->free[SLOTS - 1];
    at_store_rlx(&slot->submitted, UINT32_MAX);
    at_store_rlx(&slot->invoked, UINT32_MAX);
    at_store_rlx(&slot->completed, UINT32_MAX);
    workload_jobs_top_up(bench.owner, 1, invoke, ready);
    assert_ptr_equal(given[0].slot, slot);
    struct workload_verdict verdict;
    workload_jobs_judge(&bench.jobs, &verdict);
    assert_int_equal(verdict.lost, 1);
    invoke(slot);
    elsewhere(ready, slot);
    workload_jobs_pass(bench.owner);
    assert_int_equal(at_load_rlx(&slot->completed), 0);
    assert_int_equal(home, 1);
    tear_down(&bench, true);
}

// As long as is asked for; a timed job notes when that was, another nothing.
static void test_a_job_is_served(void **state)
{
    (void)state;
    struct job_slot timed = {.submitted_ticks = clock_ticks()}, untimed = {.sequence = 1};
    for (uint64_t ticks = 0; ticks < 1000000; ticks = 10 * ticks + 100) {
        uint64_t before = clock_ticks();
        workload_jobs_serve(&timed, ticks);
        assert_in_range(timed.started_ticks, before, timed.ended_ticks);
        assert_in_range(timed.ended_ticks, timed.started_ticks + ticks, clock_ticks());
        before = clock_ticks();
        workload_jobs_serve(&untimed, ticks);
        assert_true(clock_ticks() - before >= ticks);
        assert_int_equal(untimed.started_ticks | untimed.ended_ticks, 0);
    }
}

static int load(void **state)
{
    (void)state;
    clock_calibrate();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job_completes_here),
        cmocka_unit_test(test_a_job_completes_elsewhere),
        cmocka_unit_test(test_a_job_completes_twice),
        cmocka_unit_test(test_a_job_that_never_completes_is_lost),
        cmocka_unit_test(test_a_job_may_be_left_behind),
        cmocka_unit_test(test_a_job_is_done_inside_submit),
        cmocka_unit_test(test_a_refused_job_leaves_nothing),
        cmocka_unit_test(test_counts_go_round),
        cmocka_unit_test(test_a_job_is_served),
    };
    return cmocka_run_group_tests_name("workloads_jobs", tests, load, NULL);
}
