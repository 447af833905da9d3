// SPDX-License-Identifier: Apache-2.0
// Throughput over time: which readings become intervals, and what made-up series are said to show.
#include <math.h>

#include "core/measure/timeline.h"
#include "tests/unit.h"

#define MS 1000000u
#define MOST 1000u

static void intervals_are_a_part_of_the_window_and_1_ms_at_least(void **state)
{
    (void)state;
    assert_int_equal(timeline_every_ns(1000 * MS, 100), 10 * MS);
    assert_int_equal(timeline_every_ns(20 * MS, 100), MS);
    assert_int_equal(timeline_every_ns(1000 * MS, 0), 0);
}

static void readings_become_intervals(void **state)
{
    (void)state;
    struct timeline timeline = {0};
    assert_int_equal(timeline_open(&timeline, 30 * MS, 3), 0);
    timeline_read(&timeline, 5000, 100);
    assert_int_equal(timeline.count, 0);
    timeline_read(&timeline, 5000 + 10 * MS, 130);
    timeline_read(&timeline, 5000 + 32 * MS, 130); // the reader was kept from its processor
    timeline_read(&timeline, 5000 + 36 * MS, 150); // too early: it waits for the next
    timeline_read(&timeline, 5000 + 42 * MS, 190);
    const struct record_interval expected[] = {{NULL, NULL, NULL, 0, 10 * MS, 30},
                                               {NULL, NULL, NULL, 10 * MS, 22 * MS, 0},
                                               {NULL, NULL, NULL, 32 * MS, 10 * MS, 60}};
    assert_int_equal(timeline.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(timeline.intervals[i].interval_start_ns, expected[i].interval_start_ns);
        assert_int_equal(timeline.intervals[i].interval_ns, expected[i].interval_ns);
        assert_int_equal(timeline.intervals[i].operations, expected[i].operations);
    }
    for (unsigned i = 1; i < 100; i++) // a window that does not end has room for no more
        timeline_read(&timeline, 5000 + (42 + 10 * i) * MS, 190);
    assert_int_equal(timeline.count, timeline.room);
    timeline_close(&timeline);
    assert_null(timeline.intervals);
}

static void without_a_timeline_nothing_is_said(void **state)
{
    (void)state;
    struct timeline timeline = {0};
    struct record record;
    record_clear(&record);
    assert_int_equal(timeline_open(&timeline, 30 * MS, 0), 0);
    timeline_record(&timeline, &record);
    assert_true(record.timeline_interval_ns == RECORD_ABSENT && record.interval_count == 0);
    timeline_close(&timeline);
}

// Numbers with a fixed seed; the sum of twelve is near enough to a normal distribution.
static uint64_t random_state;

static double uniform(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(random_state >> 11) / 9007199254740992.0;
}

static double normal(double mean, double deviation)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += uniform();
    return mean + sum * deviation;
}

static struct record_interval series[MOST];

// The rate of interval `i` of `count`, in operations an interval of 10 ms.
typedef double (*course)(size_t i, size_t count);

static struct timeline_shape shape_of(course rate, size_t count)
{
    for (size_t i = 0; i < count; i++)
        series[i] = (struct record_interval){
            .interval_start_ns = i * 10 * MS, .interval_ns = 10 * MS, .operations = (uint64_t)fmax(rate(i, count), 0)};
    return timeline_shape(series, count);
}

static double steady(size_t i, size_t count)
{
    (void)i;
    (void)count;
    return normal(100000, 5000);
}

static double noisy(size_t i, size_t count)
{
    (void)i;
    (void)count;
    return normal(100000, 30000);
}

static double even(size_t i, size_t count)
{
    (void)i;
    (void)count;
    return 50000 + 100000 * uniform();
}

static double skewed(size_t i, size_t count)
{
    (void)i;
    (void)count;
    return 100000 - 20000 * log(1 - uniform());
}

static double outliers(size_t i, size_t count)
{
    (void)count;
    return i % 20 == 7 ? 20000 : normal(100000, 3000);
}

static double equal(size_t i, size_t count)
{
    (void)i;
    (void)count;
    return 100000;
}

static double counted(size_t i, size_t count) // of few operations an interval
{
    (void)i;
    (void)count;
    return 3 + (uniform() < 0.5) + (uniform() < 0.5);
}

static double idle(size_t i, size_t count)
{
    (void)i;
    (void)count;
    return 0;
}

static double two_halves(size_t i, size_t count)
{
    return normal(2 * i < count ? 100000 : 150000, 5000);
}

static double two_in_turn(size_t i, size_t count)
{
    (void)count;
    return normal(i % 10 < 7 ? 100000 : 130000, 3000);
}

static double three_levels(size_t i, size_t count)
{
    (void)count;
    return normal(100000 + 60000 * (double)(i % 3), 3000);
}

static double stalls(size_t i, size_t count)
{
    (void)count;
    return i % 4 == 0 ? 0 : normal(100000, 3000);
}

// The share of many series that were said to have `modes` modes.
static double share_with(course rate, size_t count, uint64_t modes)
{
    unsigned found = 0;
    random_state = 1;
    for (unsigned trial = 0; trial < 200; trial++)
        found += shape_of(rate, count).modes == modes;
    return found / 200.0;
}

static void noise_of_any_shape_is_one_mode(void **state)
{
    (void)state;
    const course courses[] = {steady, noisy, even, skewed, outliers, equal, counted, idle};
    for (size_t i = 0; i < sizeof courses / sizeof *courses; i++) {
        const double few = share_with(courses[i], 30, 1), many = share_with(courses[i], 100, 1);
        if (few < 0.95 || many < 0.99)
            fail_msg("series %zu: one mode in %.3f of short ones, %.3f of long ones", i, few, many);
    }
}

static void two_rates_are_two_modes(void **state)
{
    (void)state;
    assert_true(share_with(two_halves, 40, 2) > 0.9);
    assert_true(share_with(two_halves, 100, 2) > 0.99);
    assert_true(share_with(two_in_turn, 100, 2) > 0.99);
    assert_true(share_with(stalls, 100, 2) > 0.99);
    assert_true(share_with(three_levels, 300, 3) > 0.9);
}

static void too_few_intervals_say_nothing(void **state)
{
    (void)state;
    random_state = 1;
    struct timeline_shape shape = shape_of(two_halves, 8);
    assert_true(isnan(shape.drift) && isnan(shape.cv) && shape.modes == RECORD_ABSENT);
    shape = shape_of(two_halves, 29);
    assert_true(!isnan(shape.drift) && !isnan(shape.cv) && shape.modes == RECORD_ABSENT);
    assert_true(shape_of(two_halves, 30).modes != RECORD_ABSENT);
    assert_true(isnan(timeline_shape(NULL, 0).drift));
}

static double rising(size_t i, size_t count)
{
    (void)count;
    return 1000 + 100 * (double)i;
}

static void drift_and_variation_are_those_of_the_rates(void **state)
{
    (void)state;
    struct timeline_shape shape = shape_of(rising, 9); // 1000, 1100, ... 1800
    assert_true(fabs(shape.drift - 1700.0 / 1100.0) < 1e-9);
    assert_true(fabs(shape.cv - sqrt(75000) / 1400) < 1e-9);
    // An interval that was longer, at the same rate, changes nothing.
    series[4].interval_ns *= 3;
    series[4].operations *= 3;
    assert_true(fabs(timeline_shape(series, 9).cv - shape.cv) < 1e-9);
    shape = shape_of(idle, 40);
    assert_true(!isfinite(shape.drift) && !isfinite(shape.cv) && shape.modes == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_are_a_part_of_the_window_and_1_ms_at_least),
        cmocka_unit_test(readings_become_intervals),
        cmocka_unit_test(without_a_timeline_nothing_is_said),
        cmocka_unit_test(noise_of_any_shape_is_one_mode),
        cmocka_unit_test(two_rates_are_two_modes),
        cmocka_unit_test(too_few_intervals_say_nothing),
        cmocka_unit_test(drift_and_variation_are_those_of_the_rates),
    };
    return cmocka_run_group_tests_name("timeline", tests, NULL, NULL);
}
