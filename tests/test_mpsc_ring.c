// SPDX-License-Identifier: Apache-2.0
// mpsc_ring under schedules at the level of single accesses, full now and then.
#include "tests/queue_schedules.h"

#include "queues/mpsc_ring.c"

static void test_one_place(void **state)
{
    (void)state;
    run_schedules(&mpsc_ring_queue_ops, &(struct mpsc_ring_config){.capacity = 1}, 1, ROUNDS(10000));
}

static void test_two_places(void **state)
{
    (void)state;
    run_schedules(&mpsc_ring_queue_ops, &(struct mpsc_ring_config){.capacity = 2}, 2, ROUNDS(10000));
}

static void test_four_places(void **state)
{
    (void)state;
    run_schedules(&mpsc_ring_queue_ops, &(struct mpsc_ring_config){.capacity = 4}, 4, ROUNDS(10000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_place),
        cmocka_unit_test(test_two_places),
        cmocka_unit_test(test_four_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
