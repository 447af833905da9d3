// SPDX-License-Identifier: Apache-2.0
// wCQ under schedules at the level of single accesses, with little or no patience, so that most of it is the slow path
// and somebody is always late with help.
#include "tests/queue_schedules.h"

#include "queues/wcq.c"

static void run(uint64_t capacity, uint64_t patience, uint64_t help_every, unsigned rounds)
{
    run_schedules(&wcq_queue_ops,
                  &(struct wcq_config){.capacity = capacity, .patience = patience, .help_every = help_every}, capacity,
                  ROUNDS(rounds));
}

static void test_always_slow(void **state)
{
    (void)state;
    run(2, 0, 1, 8000);
    run(4, 0, 2, 8000);
}

static void test_slow_and_fast(void **state)
{
    (void)state;
    run(2, 1, 1, 8000);
    run(4, 1, 1, 8000);
}

static void test_fast(void **state)
{
    (void)state;
    run(2, 16, 1, 8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_always_slow),
        cmocka_unit_test(test_slow_and_fast),
        cmocka_unit_test(test_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
