// SPDX-License-Identifier: Apache-2.0
// The matrix of transfers: each pair's median of its passes, half of a round trip, the same both ways; and how far
// single passes lie from it.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/run/sentinel.h"
#include "tests/unit.h"

static double told(const struct topology *topology, unsigned first, unsigned second);

#define sentinel_between_ns told
#include "core/run/transfers.c"

static struct cpu cpus[] = {{.os = 0}, {.os = 4}, {.os = 2}};
static const struct topology three = {.cpus = cpus, .count = 3};
static unsigned calls;
static bool no_threads;

// Of 4 and 0, pass by pass: 25, 20, 30, 10, 35 one way; of the others the same each time.
static double told(const struct topology *topology, unsigned first, unsigned second)
{
    static const double passes[TRANSFERS_PASSES] = {50, 40, 60, 20, 70};
    assert_ptr_equal(topology, &three);
    assert_int_not_equal(first, second);
    if (no_threads)
        return NAN;
    const double of_4_and_0 = passes[calls++ / 3];
    return first + second == 4 ? of_4_and_0 : first + second == 2 ? 200 : 301;
}

static char *printed(const struct topology *topology, int expected, struct fault *fault)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(transfers_print(topology, out, fault), expected);
    fclose(out);
    return text;
}

static void test_medians_and_their_spread(void **state)
{
    (void)state;
    calls = 0;
    char *text = printed(&three, 0, NULL);
    assert_string_equal(text, "\ntransfer of a cache line from one processor to another, in ns\n"
                              "  cpu       0      4      2\n"
                              "     0      -   25.0  100.0\n"
                              "     4   25.0      -  150.5\n"
                              "     2  100.0  150.5      -\n"
                              "  medians of 5 passes; single passes lie between 0.40 and 1.40 of their pair's\n");
    assert_int_equal(calls, 3 * TRANSFERS_PASSES);
    free(text);
}

static void test_without_threads_there_is_no_matrix(void **state)
{
    (void)state;
    struct fault fault = {""};
    no_threads = true;
    char *text = printed(&three, -EAGAIN, &fault);
    assert_string_equal(text, "");
    assert_non_null(strstr(fault.text, "processors 4 and 0"));
    free(text);
    no_threads = false;
}

static void test_one_processor_has_nobody_to_send_to(void **state)
{
    (void)state;
    const struct topology one = {.cpus = cpus, .count = 1};
    char *text = printed(&one, 0, NULL);
    assert_non_null(strstr(text, "there is one processor only"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_medians_and_their_spread),
        cmocka_unit_test(test_without_threads_there_is_no_matrix),
        cmocka_unit_test(test_one_processor_has_nobody_to_send_to),
    };
    return cmocka_run_group_tests_name("transfers", tests, NULL, NULL);
}
