// SPDX-License-Identifier: Apache-2.0
// LSCQ under schedules at the level of single accesses, with segments so small that they change all the time.
#include "tests/queue_schedules.h"

#include "queues/lscq.c"

// So that a segment is freed, and taken again, as soon as nobody holds it.
static void look_soon(void *handle)
{
    struct reclaim_record *record = ((struct lscq_handle *)handle)->record;
    if (record->kind != RECLAIM_LEAK)
        record->look_at = 0;
}

static int set_up(void **state)
{
    (void)state;
    schedule.before_call = look_soon;
    return 0;
}

static void test_segments_of_1(void **state)
{
    (void)state;
    run_schedules(&lscq_queue_ops, &(struct lscq_config){.segment = 1, .reclaim = RECLAIM_HAZARD}, 0, ROUNDS(10000));
}

static void test_segments_of_2(void **state)
{
    (void)state;
    run_schedules(&lscq_queue_ops, &(struct lscq_config){.segment = 2, .reclaim = RECLAIM_HAZARD}, 0, ROUNDS(10000));
}

static void test_segments_of_1_by_epochs(void **state)
{
    (void)state;
    run_schedules(&lscq_queue_ops, &(struct lscq_config){.segment = 1, .reclaim = RECLAIM_EPOCH}, 0, ROUNDS(10000));
}

static void test_segments_of_4(void **state)
{
    (void)state;
    run_schedules(&lscq_queue_ops, &(struct lscq_config){.segment = 4, .reclaim = RECLAIM_LEAK}, 0, ROUNDS(10000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_of_1),
        cmocka_unit_test(test_segments_of_2),
        cmocka_unit_test(test_segments_of_1_by_epochs),
        cmocka_unit_test(test_segments_of_4),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
