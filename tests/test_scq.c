// SPDX-License-Identifier: Apache-2.0
// SCQ under schedules at the level of single accesses, with rings so small that threads are always in each other's way.
#include "tests/queue_schedules.h"

#include "queues/scq.c"

static void test_capacity_1(void **state)
{
    (void)state;
    run_schedules(&scq_queue_ops, &(struct scq_config){.capacity = 1}, 1, ROUNDS(20000));
}

static void test_capacity_2(void **state)
{
    (void)state;
    run_schedules(&scq_queue_ops, &(struct scq_config){.capacity = 2}, 2, ROUNDS(20000));
}

static void test_capacity_4(void **state)
{
    (void)state;
    run_schedules(&scq_queue_ops, &(struct scq_config){.capacity = 4}, 4, ROUNDS(10000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capacity_1),
        cmocka_unit_test(test_capacity_2),
        cmocka_unit_test(test_capacity_4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
