// SPDX-License-Identifier: Apache-2.0
// Which queue a job goes to, step by step.
#include <errno.h>

#include "core/pool/routing.h"
#include "tests/routing_rig.h"

static void submit_for(unsigned key)
{
    assert_true(rig_submit(&rig, 0, &key, &traces) > 0);
}

// ---------------------------------------------------------------- one queue for all workers

static void every_worker_takes_from_the_shared_queue(void **state)
{
    (void)state;
    struct pool_lengths lengths;
    begin(POOL_ROUTING_SHARED, 3, "list");
    for (unsigned i = 0; i < 3; i++)
        submit();
    pool_lengths(rig.pool, &lengths);
    assert_int_equal(lengths.jobs, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_null(rig.pool->workers[i].jobs.memory);
        assert_int_equal(step(2 - i), WORKER_RAN);
    }
    pool_lengths(rig.pool, &lengths);
    assert_int_equal(lengths.jobs, 0);
    assert_int_equal(scheduler_pass(rig.scheduler), POOL_NOTHING);
    assert_string_equal(traces.log, "iiirrr");
    put_away();
}

static void a_full_shared_queue_refuses(void **state)
{
    (void)state;
    struct pool_statistics statistics;
    begin(POOL_ROUTING_SHARED, 3, "list:capacity=2");
    submit();
    submit();
    assert_int_equal(rig_submit(&rig, 0, NULL, &traces), -EAGAIN);
    pool_statistics(rig.pool, &statistics);
    assert_int_equal(statistics.submitted, 2);
    assert_int_equal(statistics.refused, 1);
    put_away();
}

static void check_refuses(const char *job_queue, unsigned workers, enum pool_stop_kind stop, const char *expected)
{
    rig_init(&rig, 1, workers, job_queue, "list");
    rig.config.routing = POOL_ROUTING_SHARED;
    rig.config.stop = stop;
    const int error = erts_pool_ops.check(&rig.setup, &rig.config, &rig.fault);
    assert_int_equal(error, expected ? -EINVAL : 0);
    if (expected && !strstr(rig.fault.text, expected))
        fail_msg("%s", rig.fault.text);
    rig_forget_choices(&rig);
}

static void without_memory_at_any_step_the_start_is_unwound(void **state)
{
    (void)state;
    int error = -ENOMEM;
    for (unsigned left = 0; error; left++) {
        rig_init(&rig, 2, 3, "michael_scott", "list");
        rig.config.routing = POOL_ROUTING_SHARED;
        atomic_store(&rig.memory.left, left);
        error = rig_try(&rig);
        if (error) {
            assert_int_equal(error, -ENOMEM);
            assert_int_equal(atomic_load(&rig.memory.allocations), atomic_load(&rig.memory.frees));
            rig_forget_choices(&rig);
        }
    }
    put_away();
}

static void what_cannot_be_shared_is_refused(void **state)
{
    (void)state;
    check_refuses("list", 3, POOL_STOP_DRAIN, NULL);
    check_refuses("erts_mpsc", 1, POOL_STOP_DRAIN, NULL);
    check_refuses("erts_mpsc", 2, POOL_STOP_DRAIN, "shared job queue has 2");
    check_refuses("list", 3, POOL_STOP_POISON, "routing=shared needs stop=drain");
    check_refuses("list", 3, POOL_STOP_FLUSH, "routing=shared needs stop=drain");
    check_refuses("list", 0, POOL_STOP_POISON, NULL); // nothing is shared, and nobody is poisoned
}

static void a_shared_queue_keeps_no_keys(void **state)
{
    (void)state;
    unsigned key = 5;
    struct pool_traits traits = erts_pool_ops.traits;
    begin(POOL_ROUTING_SHARED, 2, "list");
    erts_pool_ops.resolve(&rig.config, &traits);
    assert_false(traits.keys);
    assert_int_equal(rig_submit(&rig, 0, &key, &traces), -EINVAL);
    put_away();
    for (unsigned routing = 0; routing < 4; routing++) {
        rig.config.routing = routing;
        traits = erts_pool_ops.traits;
        erts_pool_ops.resolve(&rig.config, &traits);
        assert_int_equal(traits.keys, routing != POOL_ROUTING_SHARED);
    }
}

// ---------------------------------------------------------------- by load

static uint64_t waiting(unsigned number)
{
    return queue_length(&rig.pool->workers[number].jobs);
}

static void least_loaded_goes_where_the_fewest_wait(void **state)
{
    (void)state;
    begin(POOL_ROUTING_LEAST_LOADED, 3, "list");
    for (unsigned i = 0; i < 6; i++)
        submit();
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(waiting(i), 2);
    assert_int_equal(step(2), WORKER_RAN); // while it is the turn of the one before
    submit();
    assert_int_equal(waiting(2), 2);
    submit_for(0);
    submit_for(3); // 0 again
    for (unsigned i = 0; i < 4; i++)
        submit();
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(waiting(i), 4);
    put_away();
}

static void equals_have_turns(void **state)
{
    (void)state;
    begin(POOL_ROUTING_LEAST_LOADED, 4, "list");
    for (unsigned i = 0; i < 40; i++) {
        submit_quietly();
        for (unsigned number = 0; number < 4; number++)
            rig_work(&rig, number);
        scheduler_pass(rig.scheduler);
    }
    for (unsigned number = 0; number < 4; number++)
        assert_int_equal(atomic_load(&rig.pool->workers[number].invoked), 10);
    put_away();
}

static void a_refused_job_is_no_load(void **state)
{
    (void)state;
    for (unsigned routing = POOL_ROUTING_LEAST_LOADED; routing <= POOL_ROUTING_TWO_CHOICES; routing++) {
        begin(routing, 2, "list:capacity=2");
        for (unsigned i = 0; i < 4; i++)
            submit();
        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(rig_submit(&rig, 0, NULL, &traces), -EAGAIN);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(atomic_load(&rig.pool->workers[i].assigned), 2);
        put_away();
    }
}

static void two_choices_takes_the_better_of_two(void **state)
{
    (void)state;
    begin(POOL_ROUTING_TWO_CHOICES, 2, "list");
    for (unsigned i = 0; i < 5; i++)
        submit_for(0);
    for (unsigned i = 0; i < 5; i++)
        submit();
    assert_int_equal(waiting(0), 5);
    assert_int_equal(waiting(1), 5);
    put_away();
}

static void two_choices_spread_jobs_evenly(void **state)
{
    (void)state;
    begin(POOL_ROUTING_TWO_CHOICES, 16, "list");
    for (unsigned i = 0; i < 1600; i++)
        submit_quietly();
    for (unsigned i = 0; i < 16; i++)
        assert_in_range(waiting(i), 90, 110); // one choice would leave some below 80 and some above 120
    put_away();
}

static void one_worker_is_all_the_choice_there_is(void **state)
{
    (void)state;
    for (unsigned routing = 0; routing < 4; routing++) {
        begin(routing, 1, "list");
        submit();
        submit();
        assert_int_equal(step(0), WORKER_RAN);
        put_away();
    }
}

static void without_workers_there_is_nothing_to_choose(void **state)
{
    (void)state;
    for (unsigned routing = 0; routing < 4; routing++) {
        begin(routing, 0, "list");
        assert_int_equal(rig_submit(&rig, 0, NULL, &traces), 0);
        assert_string_equal(traces.log, "ir");
        put_away();
    }
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_worker_takes_from_the_shared_queue),
        TEST(a_full_shared_queue_refuses),
        TEST(without_memory_at_any_step_the_start_is_unwound),
        TEST(what_cannot_be_shared_is_refused),
        TEST(a_shared_queue_keeps_no_keys),
        TEST(least_loaded_goes_where_the_fewest_wait),
        TEST(equals_have_turns),
        TEST(a_refused_job_is_no_load),
        TEST(two_choices_takes_the_better_of_two),
        TEST(two_choices_spread_jobs_evenly),
        TEST(one_worker_is_all_the_choice_there_is),
        TEST(without_workers_there_is_nothing_to_choose),
    };
    return cmocka_run_group_tests_name("pool routing", tests, NULL, NULL);
}
