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

// Retired segments are looked at the sooner the more items they have.
static void test_few_big_segments_wait(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 32768};
    for (unsigned i = 0; i < 2; i++) {
        static struct check_env env;
        static struct lscq queue;
        struct fault fault = {""};
        const struct lscq_config config = {.segment = sizes[i], .reclaim = RECLAIM_HAZARD};
        check_env_init(&env, &lscq_queue_ops, NULL);
        assert_int_equal(lscq_init(&queue, &env.env, &config), 0);
        assert_int_equal(queue.reclaim.pause == 1, i == 1);
        lscq_fini(&queue);
        assert_int_equal(check_env_fini(&env, &fault), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_of_1),           cmocka_unit_test(test_segments_of_2),
        cmocka_unit_test(test_segments_of_1_by_epochs), cmocka_unit_test(test_segments_of_4),
        cmocka_unit_test(test_few_big_segments_wait),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
