// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "core/machine/clock.h"
#include "core/measure/latency.h"
#include "tests/unit.h"

static void test_every_value_reaches_the_histogram(void **state)
{
    (void)state;
    for (unsigned count = 0; count < 3 * LATENCY_LIST; count++) {
        struct latency latency = {.histogram = malloc(sizeof *latency.histogram)};
        histogram_clear(latency.histogram);
        for (unsigned i = 1; i <= count; i++)
            latency_record(&latency, clock_ticks_in(1000.0 * i));
        latency_flush(&latency);
        latency_flush(&latency);
        assert_int_equal(latency.histogram->count, count);
        if (count > 0) {
            assert_in_range(latency.histogram->min, 998, 1000);
            assert_in_range(latency.histogram->max, 1000 * count - 2, 1000 * count);
        }
        free(latency.histogram);
    }
}

int main(void)
{
    clock_calibrate();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_value_reaches_the_histogram)};
    return cmocka_run_group_tests_name("latency", tests, NULL, NULL);
}
