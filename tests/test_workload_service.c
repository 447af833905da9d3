// SPDX-License-Identifier: Apache-2.0
// What is random in a load, from fixed seeds: the generator, service times, arrivals, and the keys of jobs.
#include "tests/unit.h"

#include <errno.h>
#include <math.h>

#include "core/machine/clock.h"
#include "workloads/keyed_spread.h"

#define DRAWS 1000000u

static int calibrate(void **state)
{
    (void)state;
    clock_calibrate();
    return 0;
}

static void expect_near(double value, double expected, double share)
{
    if (!(fabs(value - expected) <= fabs(expected) * share))
        fail_msg("%.6g is not within %.3g %% of %.6g", value, share * 100, expected);
}

// As the authors' reference gives it for the state 1, 2, 3, 4.
static void test_generator(void **state)
{
    (void)state;
    static const uint64_t reference[] = {11520, 0, 1509978240, 1215971899390074240};
    struct workload_random random = {.word = {1, 2, 3, 4}};
    for (unsigned i = 0; i < 4; i++)
        assert_true(workload_random_next(&random) == reference[i]);
}

static void test_threads_and_seeds_differ(void **state)
{
    (void)state;
    struct workload_random random[4];
    workload_random_init(&random[0], 1, 0);
    workload_random_init(&random[1], 1, 1);
    workload_random_init(&random[2], 2, 0);
    workload_random_init(&random[3], 1, 0);
    const uint64_t first = workload_random_next(&random[0]);
    assert_true(first != workload_random_next(&random[1]));
    assert_true(first != workload_random_next(&random[2]));
    assert_true(first == workload_random_next(&random[3]));
}

static void test_units(void **state)
{
    (void)state;
    struct workload_random random;
    workload_random_init(&random, 7, 3);
    double sum = 0, exponentials = 0;
    unsigned below[10] = {0};
    for (unsigned i = 0; i < DRAWS; i++) {
        const double unit = workload_random_unit(&random);
        assert_true(unit > 0 && unit < 1);
        sum += unit;
        exponentials += workload_random_exponential(&random, 5);
        below[workload_random_below(&random, 10)]++;
    }
    expect_near(sum / DRAWS, 0.5, 0.01);
    expect_near(exponentials / DRAWS, 5, 0.02);
    for (unsigned i = 0; i < 10; i++)
        expect_near(below[i], DRAWS / 10.0, 0.05);
}

static struct workload_service_config shaped(enum service_shape shape, uint64_t ns)
{
    return (struct workload_service_config){.service_ns = ns, .shape = shape, .slow_per_mille = 5, .slow_factor = 100};
}

// What a million jobs draw: their mean, and the share of them that takes at most `of_mean` times the mean.
struct drawn {
    double mean, shortest, longest;
};

static struct drawn draw(const struct workload_service *service)
{
    struct drawn drawn = {.shortest = INFINITY};
    for (unsigned i = 1; i <= DRAWS; i++) {
        const double ns = clock_ns(workload_service_ticks(service, 2, i));
        drawn.mean += ns / DRAWS;
        drawn.shortest = fmin(drawn.shortest, ns);
        drawn.longest = fmax(drawn.longest, ns);
    }
    return drawn;
}

static double share_below(const struct workload_service *service, double ns)
{
    unsigned below = 0;
    for (unsigned i = 1; i <= DRAWS; i++)
        below += clock_ns(workload_service_ticks(service, 2, i)) <= ns;
    return (double)below / DRAWS;
}

static void open_service(struct workload_service *service, enum service_shape shape, uint64_t ns)
{
    const struct workload_service_config config = shaped(shape, ns);
    struct fault fault = {""};
    assert_int_equal(workload_service_check(&config, &fault), 0);
    assert_int_equal(workload_service_init(service, &config, 1), 0);
}

// Of the slices themselves, not of draws: each but the last counts once, and the last for all its own.
static double mean_of_slices(const struct workload_service *service)
{
    double body = 0, last = 0;
    for (unsigned i = 0; i < SERVICE_SLICES; i++) {
        if (i < SERVICE_SLICES - 1)
            body += clock_ns(service->slices[i]);
        last += clock_ns(service->slices[SERVICE_SLICES + i]);
    }
    return (body + last / SERVICE_SLICES) / SERVICE_SLICES;
}

static void test_constant(void **state)
{
    (void)state;
    struct workload_service service;
    open_service(&service, SERVICE_CONSTANT, 5000);
    for (uint64_t i = 1; i < 5; i++)
        assert_int_equal(workload_service_ticks(&service, 5 - i, i), clock_ticks_in(5000));
    workload_service_fini(&service);
}

static void test_exponential(void **state)
{
    (void)state;
    struct workload_service service;
    open_service(&service, SERVICE_EXPONENTIAL, 10000);
    expect_near(mean_of_slices(&service), 10000, 0.0005);
    expect_near(draw(&service).mean, 10000, 0.02);
    expect_near(share_below(&service, 10000 * log(2)), 0.5, 0.02);
    expect_near(1 - share_below(&service, 10000 * log(100)), 0.01, 0.1);
    expect_near(1 - share_below(&service, 10000 * log(1000)), 0.001, 0.3);
    workload_service_fini(&service);
}

static void test_bimodal(void **state)
{
    (void)state;
    struct workload_service service;
    open_service(&service, SERVICE_BIMODAL, 10000);
    const double fast = 10000 / (0.995 + 0.5);
    const struct drawn drawn = draw(&service);
    expect_near(drawn.mean, 10000, 0.05);
    expect_near(drawn.shortest, fast, 0.001);
    expect_near(drawn.longest, 100 * fast, 0.001);
    expect_near(1 - share_below(&service, 2 * fast), 0.005, 0.15);
    workload_service_fini(&service);
}

// A share of (length / shortest)^-1.1 takes longer than that, but for the bound.
static void test_pareto(void **state)
{
    (void)state;
    struct workload_service service;
    open_service(&service, SERVICE_PARETO, 10000);
    expect_near(mean_of_slices(&service), 10000, 0.0005);
    const struct drawn drawn = draw(&service);
    expect_near(drawn.mean, 10000, 0.15);
    expect_near(drawn.longest / drawn.shortest, 10000, 0.5);
    expect_near(1 - share_below(&service, 10 * drawn.shortest), pow(10, -1.1), 0.03);
    expect_near(1 - share_below(&service, 100 * drawn.shortest), pow(100, -1.1), 0.1);
    workload_service_fini(&service);
}

static void test_draws_repeat(void **state)
{
    (void)state;
    struct workload_service one, again;
    const struct workload_service_config config = shaped(SERVICE_EXPONENTIAL, 10000);
    open_service(&one, SERVICE_EXPONENTIAL, 10000);
    assert_int_equal(workload_service_init(&again, &config, 2), 0);
    unsigned owners = 0, seeds = 0;
    for (unsigned i = 1; i <= 1000; i++) {
        const uint64_t ticks = workload_service_draw(&one, 0, i);
        assert_true(ticks == workload_service_draw(&one, 0, i));
        owners += ticks == workload_service_draw(&one, 1, i);
        seeds += ticks == workload_service_draw(&again, 0, i);
    }
    assert_true(owners < 50 && seeds < 50);
    workload_service_fini(&one);
    workload_service_fini(&again);
}

static void test_no_service(void **state)
{
    (void)state;
    for (enum service_shape shape = SERVICE_CONSTANT; shape <= SERVICE_PARETO; shape++) {
        struct workload_service service;
        open_service(&service, shape, 0);
        assert_int_equal(service.shape, SERVICE_CONSTANT);
        assert_int_equal(service.mean_ticks, 0);
        assert_int_equal(workload_service_ticks(&service, 1, 1), 0);
        workload_service_fini(&service);
    }
}

static void test_too_long(void **state)
{
    (void)state;
    struct fault fault = {""};
    struct workload_service_config config = shaped(SERVICE_PARETO, 1000000);
    assert_int_equal(workload_service_check(&config, &fault), -EINVAL);
    assert_non_null(strstr(fault.text, "service_ns must be at most 66"));
    config.shape = SERVICE_CONSTANT;
    config.service_ns = 1000000000;
    assert_int_equal(workload_service_check(&config, &fault), 0);
    config.shape = SERVICE_BIMODAL;
    assert_int_equal(workload_service_check(&config, &fault), -EINVAL);
}

static struct arrivals begin(const struct arrivals_pattern *pattern, unsigned thread, uint64_t now, double part)
{
    struct workload_random random;
    struct arrivals arrivals;
    workload_random_init(&random, 1, thread);
    arrivals_start(&arrivals, pattern, &random, now, part);
    assert_true(arrivals.next_due >= now);
    return arrivals;
}

static void test_constant_arrivals(void **state)
{
    (void)state;
    const struct arrivals_pattern pattern = {.kind = ARRIVALS_CONSTANT, .gap = 1000.25};
    struct arrivals one = begin(&pattern, 0, 5000, 0), other = begin(&pattern, 1, 5000, 0.5);
    const uint64_t first = one.next_due;
    assert_true(first >= 5000 && first <= 6001);
    for (unsigned i = 1; i <= 1000; i++) {
        assert_true(fabs(fabs((double)one.next_due - (double)other.next_due) - 500) <= 2);
        arrivals_advance(&one);
        arrivals_advance(&other);
        assert_true(fabs((double)(one.next_due - first) - i * 1000.25) <= 1);
    }
    assert_true(arrivals_backlog(&one, one.next_due - 1) < 0.5);
    expect_near(arrivals_backlog(&one, one.next_due + 10002), 11, 0.001);
}

static void test_poisson_arrivals(void **state)
{
    (void)state;
    const struct arrivals_pattern pattern = {.kind = ARRIVALS_POISSON, .gap = 1000};
    struct arrivals arrivals = begin(&pattern, 0, 0, 0);
    double squares = 0;
    uint64_t last = 0;
    for (unsigned i = 0; i < DRAWS; i++) {
        squares += pow((double)(arrivals.next_due - last), 2) / DRAWS;
        last = arrivals.next_due;
        arrivals_advance(&arrivals);
    }
    expect_near((double)last, DRAWS * 1000.0, 0.02);
    expect_near(squares, 2e6, 0.05); // of an exponential distribution: twice the square of the mean
}

// All of them in the bursts, at the mean rate, whenever the thread starts.
static void test_bursts(void **state)
{
    (void)state;
    const struct arrivals_pattern pattern = {.kind = ARRIVALS_BURSTS, .gap = 10, .on = 1000, .off = 9000};
    for (uint64_t from = 0; from < 30000; from += 700) {
        struct arrivals arrivals = begin(&pattern, 0, from, 0);
        unsigned count = 0;
        for (; arrivals.next_due < from + 1000000; arrivals_advance(&arrivals), count++)
            assert_true(arrivals.next_due % 10000 <= 1000);
        expect_near(count, 10000, 0.05);
        expect_near(arrivals_backlog(&arrivals, arrivals.next_due + 1000000), 10000, 0.01);
    }
}

// How often each of 64 keys is drawn, and the slow one.
static void expect_spread(double skew, uint64_t slow_per_mille)
{
    struct spread spread;
    unsigned counts[65] = {0};
    double sum = 0;
    assert_int_equal(spread_init(&spread, 64, skew, slow_per_mille, 1), 0);
    for (unsigned key = 1; key <= 64; key++)
        sum += pow(key, -skew);
    for (unsigned i = 1; i <= DRAWS; i++)
        counts[spread_key(&spread, 3, i)]++;
    const double slow = (double)slow_per_mille / 1000;
    for (unsigned key = 0; key < 64; key++) {
        const double expected = (1 - slow) * pow(key + 1, -skew) / sum * DRAWS;
        assert_true(fabs(counts[key] - expected) < 5 * sqrt(expected) + 1);
    }
    assert_true(fabs(counts[64] - slow * DRAWS) < 5 * sqrt(slow * DRAWS) + 1);
    spread_fini(&spread);
}

static void test_keys(void **state)
{
    (void)state;
    expect_spread(0, 0);
    expect_spread(0, 10);
    expect_spread(0.99, 10);
    expect_spread(2, 500);
}

static void test_a_single_key(void **state)
{
    (void)state;
    struct spread spread;
    assert_int_equal(spread_init(&spread, 1, 0.99, 0, 1), 0);
    for (unsigned i = 1; i < 1000; i++)
        assert_int_equal(spread_key(&spread, 0, i), 0);
    spread_fini(&spread);
    assert_int_equal(spread_init(&spread, 1, 0.99, 1000, 1), 0);
    unsigned slow = 0;
    for (unsigned i = 1; i < 1000; i++)
        slow += spread_key(&spread, 0, i);
    assert_int_equal(slow, 999);
    spread_fini(&spread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generator),
        cmocka_unit_test(test_threads_and_seeds_differ),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_constant),
        cmocka_unit_test(test_exponential),
        cmocka_unit_test(test_bimodal),
        cmocka_unit_test(test_pareto),
        cmocka_unit_test(test_draws_repeat),
        cmocka_unit_test(test_no_service),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_constant_arrivals),
        cmocka_unit_test(test_poisson_arrivals),
        cmocka_unit_test(test_bursts),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_a_single_key),
    };
    return cmocka_run_group_tests_name("workload_service", tests, calibrate, NULL);
}
