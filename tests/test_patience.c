// SPDX-License-Identifier: Apache-2.0
// How long a waiting thread spins, by what its latest waits were.
#include "core/sync/patience.h"
#include "tests/unit.h"

#define SPIN_NS 50000u
#define ALONE_NS ((uint64_t)THREAD_SPIN_ALONE_NS)

static void learn(struct patience *patience, double ns, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        patience_learn(patience, SPIN_NS, clock_ticks_in(ns));
}

static void it_spins_at_first(void **state)
{
    (void)state;
    const struct patience patience = {0};
    assert_int_equal(patience_ns(&patience, SPIN_NS), SPIN_NS);
}

static void long_waits_end_it_and_short_ones_bring_it_back(void **state)
{
    (void)state;
    struct patience patience = {0};
    learn(&patience, 1e9, 20);
    assert_int_equal(patience_ns(&patience, SPIN_NS), ALONE_NS);
    learn(&patience, 3000, 20);
    assert_int_equal(patience_ns(&patience, SPIN_NS), SPIN_NS);
}

static void one_long_wait_does_not(void **state)
{
    (void)state;
    struct patience patience = {0};
    learn(&patience, 3000, 20);
    learn(&patience, 1e9, 1);
    assert_int_equal(patience_ns(&patience, SPIN_NS), SPIN_NS);
}

static void what_disturbs_nobody_is_not_a_matter_of_patience(void **state)
{
    (void)state;
    struct patience patience = {0};
    learn(&patience, 1e9, 20);
    assert_int_equal(patience_ns(&patience, ALONE_NS), ALONE_NS);
    assert_int_equal(patience_ns(&patience, 1), 1);
    assert_int_equal(patience_ns(&patience, 0), 0);
}

static int calibrate(void **state)
{
    (void)state;
    clock_calibrate();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_spins_at_first),
        cmocka_unit_test(long_waits_end_it_and_short_ones_bring_it_back),
        cmocka_unit_test(one_long_wait_does_not),
        cmocka_unit_test(what_disturbs_nobody_is_not_a_matter_of_patience),
    };
    return cmocka_run_group_tests_name("patience", tests, calibrate, NULL);
}
