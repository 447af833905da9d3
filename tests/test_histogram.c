// SPDX-License-Identifier: Apache-2.0
// The histogram's promises: each value has its bin, the stated relative error holds, nothing is dropped.
#include <stdlib.h>

#include "core/measure/histogram.h"
#include "tests/unit.h"

static struct histogram first, second, both;

// xorshift64* (S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled"): a fixed
// sequence, so that a failure can be repeated.
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

// Random over all magnitudes, not only the largest.
static uint64_t next_value(uint64_t *state)
{
    const uint64_t bits = next_random(state) >> 58;
    return next_random(state) >> bits;
}

static void check_value(uint64_t value)
{
    const size_t bin = histogram_bin(value);
    assert_true(bin < HISTOGRAM_BINS);
    const uint64_t low = histogram_bin_low(bin);
    const uint64_t high = histogram_bin_high(bin);
    assert_true(low <= value && value <= high);
    // Any value that stands for the bin is within the stated relative error of any value in it.
    assert_true((double)(high - low) <= (double)low * HISTOGRAM_RELATIVE_ERROR);
}

static void every_value_is_within_the_stated_error(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < 100000; value++)
        check_value(value);
    const uint64_t edges[] = {0, 1, 127, 128, 255, 256, 257, 511, 512, INT64_MAX, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        check_value(edges[i]);
    for (unsigned bit = 0; bit < 64; bit++) {
        check_value(UINT64_C(1) << bit);
        check_value((UINT64_C(1) << bit) - 1);
        check_value((UINT64_C(1) << bit) + 1);
    }
    uint64_t seed = 1;
    for (unsigned i = 0; i < 1000000; i++)
        check_value(next_value(&seed));
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < 256; value++) {
        assert_int_equal(histogram_bin_low(histogram_bin(value)), value);
        assert_int_equal(histogram_bin_high(histogram_bin(value)), value);
    }
    assert_int_equal(histogram_bin(256), histogram_bin(257));
}

static void bins_cover_all_values_without_gap_or_overlap(void **state)
{
    (void)state;
    uint64_t expected_low = 0;
    for (size_t bin = 0; bin < HISTOGRAM_BINS; bin++) {
        assert_true(histogram_bin_low(bin) == expected_low);
        assert_int_equal(histogram_bin(histogram_bin_low(bin)), bin);
        assert_int_equal(histogram_bin(histogram_bin_high(bin)), bin);
        expected_low = histogram_bin_high(bin) + 1;
    }
    assert_true(expected_low == 0); // one past UINT64_MAX
}

static int compare_values(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

// The value of the smallest rank whose share of all reaches thousandths / 1000, in whole numbers.
static uint64_t exact_quantile(const uint64_t *sorted, uint64_t count, uint64_t thousandths)
{
    const uint64_t rank = (thousandths * count + 999) / 1000;
    return sorted[rank > 0 ? rank - 1 : 0];
}

static void quantiles_agree_with_a_sorted_array(void **state)
{
    (void)state;
    enum { MOST = 20000 };
    uint64_t *values = malloc(MOST * sizeof *values);
    assert_non_null(values);
    uint64_t seed = 7;
    for (uint64_t count = 1; count <= MOST; count = count < 300 ? count + 1 : count * 2) {
        histogram_clear(&first);
        for (uint64_t i = 0; i < count; i++) {
            values[i] = next_value(&seed);
            histogram_record(&first, values[i]);
        }
        qsort(values, count, sizeof *values, compare_values);
        for (uint64_t thousandths = 0; thousandths <= 1000; thousandths++) {
            const uint64_t exact = exact_quantile(values, count, thousandths);
            const uint64_t estimate = histogram_quantile(&first, (double)thousandths / 1000);
            // Same bin, so within the stated error.
            assert_int_equal(histogram_bin(estimate), histogram_bin(exact));
            assert_true(estimate >= values[0] && estimate <= values[count - 1]);
        }
    }
    free(values);
}

static void quantile_of_small_values_is_exact(void **state)
{
    (void)state;
    histogram_clear(&first);
    for (uint64_t value = 1; value <= 100; value++)
        histogram_record(&first, value);
    for (unsigned percent = 1; percent <= 100; percent++)
        assert_int_equal(histogram_quantile(&first, percent / 100.0), percent);
    assert_int_equal(histogram_quantile(&first, 0), 1);
}

static void an_empty_histogram_answers_zero(void **state)
{
    (void)state;
    histogram_clear(&first);
    assert_int_equal(first.count, 0);
    assert_true(first.min == UINT64_MAX);
    assert_int_equal(histogram_quantile(&first, 0.5), 0);
    assert_true(histogram_mean(&first) == 0);
}

static void summary_values_are_exact(void **state)
{
    (void)state;
    histogram_clear(&first);
    const uint64_t values[] = {1000003, 17, 0, 999};
    for (size_t i = 0; i < 4; i++)
        histogram_record(&first, values[i]);
    assert_int_equal(first.count, 4);
    assert_int_equal(first.min, 0);
    assert_int_equal(first.max, 1000003);
    assert_true(histogram_mean(&first) == (1000003 + 17 + 999) / 4.0);
    histogram_record(&first, UINT64_MAX);
    assert_true(first.max == UINT64_MAX);
    assert_true(histogram_quantile(&first, 1) == histogram_bin_low(HISTOGRAM_BINS - 1) + (UINT64_C(1) << 55) - 1);
}

static void merging_equals_recording_together(void **state)
{
    (void)state;
    uint64_t seed = 99;
    histogram_clear(&first);
    histogram_clear(&second);
    histogram_clear(&both);
    for (unsigned i = 0; i < 10000; i++) {
        // Small enough for the sums of doubles to be exact, whatever the order.
        const uint64_t value = next_value(&seed) >> 30;
        histogram_record(i % 3 ? &first : &second, value);
        histogram_record(&both, value);
    }
    histogram_merge(&first, &second);
    assert_memory_equal(&first, &both, sizeof both);

    histogram_clear(&second);
    histogram_merge(&first, &second);
    assert_memory_equal(&first, &both, sizeof both);
    histogram_merge(&second, &first);
    assert_memory_equal(&second, &both, sizeof both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_is_within_the_stated_error),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(bins_cover_all_values_without_gap_or_overlap),
        cmocka_unit_test(quantiles_agree_with_a_sorted_array),
        cmocka_unit_test(quantile_of_small_values_is_exact),
        cmocka_unit_test(an_empty_histogram_answers_zero),
        cmocka_unit_test(summary_values_are_exact),
        cmocka_unit_test(merging_equals_recording_together),
    };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
