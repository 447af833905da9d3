// SPDX-License-Identifier: Apache-2.0
// Think times: their distributions, by given random numbers; how much of a time becomes turns of the loop; that a
// thread thinks for no less than it was asked to where the clock is read; and that its achieved times are told.
#include "tests/unit.h"

#include <math.h>

#include "core/machine/clock.h"
#include "core/machine/topology.h"
#include "tests/run_words.h"

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

static double drawn(enum workload_think_shape shape, double unit)
{
    const struct workload_think think = {.mean_ns = 1000, .shape = shape};
    return workload_think_draw(&think, unit);
}

static void test_shapes(void **state)
{
    (void)state;
    assert_float_equal(drawn(THINK_CONSTANT, 0.1), 1000, 0);
    assert_float_equal(drawn(THINK_UNIFORM, 0.25), 500, 1e-9);
    assert_float_equal(drawn(THINK_UNIFORM, 0.75), 1500, 1e-9);
    assert_float_equal(drawn(THINK_EXPONENTIAL, exp(-1)), 1000, 1e-9);
    assert_float_equal(drawn(THINK_EXPONENTIAL, exp(-3)), 3000, 1e-9);
}

// By a fixed seed, so that it is the same numbers each time.
static void test_means(void **state)
{
    (void)state;
    for (unsigned shape = THINK_CONSTANT; shape <= THINK_EXPONENTIAL; shape++) {
        struct workload_random random;
        double sum = 0;
        workload_random_init(&random, 1, 2);
        for (unsigned i = 0; i < 100000; i++)
            sum += drawn((enum workload_think_shape)shape, workload_random_unit(&random));
        assert_float_equal(sum / 100000, 1000, 20);
    }
}

static void test_turns(void **state)
{
    (void)state;
    const struct workload_think think = {.turn_ns = 2, .fixed_ns = 30};
    assert_int_equal(workload_think_turns(&think, 0), 0);
    assert_int_equal(workload_think_turns(&think, 30), 0);
    assert_int_equal(workload_think_turns(&think, 40), 5);
    assert_int_equal(workload_think_turns(&think, 1030), 500);
}

static void test_calibration(void **state)
{
    (void)state;
    struct workload_think none = {.mean_ns = 0}, some = {.mean_ns = 100, .shape = THINK_EXPONENTIAL};
    workload_think_calibrate(&none);
    workload_think_calibrate(&some);
    assert_float_equal(none.turn_ns, 0, 0);
    assert_true(some.turn_ns > 0 && some.turn_ns < 1e6);
    assert_true(some.fixed_ns > 0 && some.fixed_ns < 1e6);
}

// Two threads with the same seed think differently, and one thinks the same each time.
static void test_threads_differ(void **state)
{
    (void)state;
    const struct workload_run run = {.seed = 7};
    const struct workload_think made = {.mean_ns = 100, .shape = THINK_UNIFORM};
    const struct workload_thread first = {.run = (struct workload_run *)&run, .index = 0};
    const struct workload_thread second = {.run = (struct workload_run *)&run, .index = 1};
    struct workload_think one, again, other;
    struct workload_random own;
    workload_think_start(&one, &made, &first);
    workload_think_start(&again, &made, &first);
    workload_think_start(&other, &made, &second);
    workload_random_init(&own, run.seed, first.index);
    const uint64_t number = workload_random_next(&one.random);
    assert_true(number == workload_random_next(&again.random));
    assert_true(number != workload_random_next(&other.random));
    assert_true(number != workload_random_next(&own)); // that a workload draws what it does from
}

static void test_quantum(void **state)
{
    (void)state;
    const struct workload_think none = {.mean_ns = 0}, brief = {.mean_ns = 1000}, lengthy = {.mean_ns = 1e6};
    assert_int_equal(workload_think_quantum(&none, 64), 64);
    assert_int_equal(workload_think_quantum(&brief, 64), 21);
    assert_int_equal(workload_think_quantum(&lengthy, 64), 1);
}

// Only where the clock is read is there a least; and the run ends although one thought is longer than the window.
static void test_achieved_times(void **state)
{
    (void)state;
    struct run_request request;
    char *text;
    struct outcome outcome;
    words_expect(&request, "--workload pairs:sample_every=1,think_ns=50us --queue list --warmup 1ms --duration 20ms",
                 &text);
    outcome_of(&outcome, &request.options, &topology);
    assert_int_equal(outcome.code, 0);
    assert_string_equal(outcome.record.stages[2].name, "think");
    assert_true(outcome.record.stages[2].histogram->count > 0);
    assert_true(outcome.record.stages[2].histogram->min + 10 >= 50000); // less what is lost to whole ticks
    outcome_free(&outcome);
    options_free(&request);
    free(text);
    words_expect(&request,
                 "--workload producer_consumer:consumer_think_ns=100ms --queue list --warmup 0 --duration 250ms",
                 &text);
    outcome_of(&outcome, &request.options, &topology);
    assert_int_equal(outcome.code, 0);
    assert_true(outcome.record.window_skew_ns < 5000000000u);
    outcome_free(&outcome);
    options_free(&request);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),         cmocka_unit_test(test_means),   cmocka_unit_test(test_turns),
        cmocka_unit_test(test_calibration),    cmocka_unit_test(test_quantum), cmocka_unit_test(test_threads_differ),
        cmocka_unit_test(test_achieved_times),
    };
    return cmocka_run_group_tests_name("workload_think", tests, load, unload);
}
