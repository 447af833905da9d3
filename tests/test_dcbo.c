// SPDX-License-Identifier: Apache-2.0
// Threads of dcbo that are interrupted where it hurts: while they go over the sub-queues, and where segments change.
#include "tests/step_hooks.h"
// After the hooks.
#include "queues/dcbo.c"

#define CELLS 2u

static struct check_env env;
static struct dcbo queue;
static struct dcbo_handle producers[2], consumers[2];

static void open_queue(enum reclaim_kind kind, uint64_t queues)
{
    const struct dcbo_config config = {.reclaim = kind, .queues = queues, .choices = 1, .segment = CELLS};
    memset(plans, 0, sizeof plans);
    memset(producers, 0, sizeof producers);
    memset(consumers, 0, sizeof consumers);
    check_env_init(&env, &dcbo_queue_ops, NULL);
    assert_int_equal(dcbo_init(&queue, &env.env, &config), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(dcbo_attach(&queue, &producers[i], QUEUE_PRODUCER, QUEUE_UNMANAGED), 0);
        assert_int_equal(dcbo_attach(&queue, &consumers[i], QUEUE_CONSUMER, QUEUE_UNMANAGED), 0);
    }
}

static void close_queue(void)
{
    struct fault fault = {""};
    all_has_happened();
    for (unsigned i = 0; i < 2; i++) {
        dcbo_detach(&queue, &producers[i]);
        dcbo_detach(&queue, &consumers[i]);
    }
    dcbo_fini(&queue);
    if (check_env_fini(&env, &fault) != 0)
        fail_msg("%s", fault.text);
}

static void put(unsigned producer, uintptr_t item)
{
    assert_int_equal(dcbo_enqueue(&queue, &producers[producer], item), QUEUE_OK);
}

static void get(uintptr_t expected)
{
    uintptr_t item = 0;
    assert_int_equal(dcbo_dequeue(&queue, &consumers[0], &item), QUEUE_OK);
    assert_int_equal(item, expected);
}

static void get_nothing(void)
{
    uintptr_t item = 77;
    assert_int_equal(dcbo_dequeue(&queue, &consumers[0], &item), QUEUE_EMPTY);
    assert_int_equal(item, 77);
}

static void put_into(unsigned sub, uintptr_t item)
{
    assert_int_equal(sub_put(&queue, &producers[0], &queue.subs[sub], item), QUEUE_OK);
}

// There is always one item at least.
static void swap_items(void)
{
    put_into(0, 2);
    assert_int_equal(sub_get(&queue, &consumers[1], &queue.subs[1]), 1);
}

static void swap_at_the_next_count(void)
{
    interrupt("dcbo_counted", swap_items);
}

static void test_an_item_behind_the_back_is_not_missed(void **state)
{
    (void)state;
    static void (*const happens[])(void) = {swap_items, swap_at_the_next_count};
    for (unsigned i = 0; i < 2; i++) {
        open_queue(RECLAIM_LEAK, 2);
        put_into(1, 1);
        interrupt("dcbo_counted", happens[i]);
        assert_int_equal(dcbo_sweep(&queue, &consumers[0], 0), 2);
        get_nothing();
        close_queue();
    }
}

// The same where the item comes with a new segment.
static void test_a_new_segment_behind_the_back_is_not_missed(void **state)
{
    (void)state;
    open_queue(RECLAIM_LEAK, 2);
    for (uintptr_t item = 11; item < 11 + CELLS; item++) {
        put_into(0, item);
        assert_int_equal(sub_get(&queue, &consumers[1], &queue.subs[0]), item);
    }
    put_into(1, 1);
    interrupt("dcbo_counted", swap_at_the_next_count);
    assert_int_equal(dcbo_sweep(&queue, &consumers[0], 0), 2);
    get_nothing();
    close_queue();
}

static void test_a_sub_queue_counts_what_was_done_to_it(void **state)
{
    (void)state;
    open_queue(RECLAIM_HAZARD, 1);
    for (uintptr_t item = 1; item <= 3 * CELLS; item++) {
        put(0, item);
        assert_int_equal(sub_enqueues(&queue, &producers[1], &queue.subs[0]), item);
    }
    for (uintptr_t item = 1; item <= 3 * CELLS; item++) {
        get(item);
        assert_int_equal(sub_dequeues(&queue, &consumers[1], &queue.subs[0]), item);
    }
    close_queue();
}

static void test_the_least_used_of_those_looked_at_is_chosen(void **state)
{
    (void)state;
    open_queue(RECLAIM_HAZARD, 2);
    queue.choices = 16;
    put_into(0, 1);
    for (uintptr_t item = 2; item <= 8; item++)
        put(0, item);
    assert_int_equal(sub_enqueues(&queue, &producers[1], &queue.subs[0]), 4);
    assert_int_equal(sub_enqueues(&queue, &producers[1], &queue.subs[1]), 4);
    uintptr_t item;
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(dcbo_dequeue(&queue, &consumers[0], &item), QUEUE_OK);
    assert_int_equal(sub_dequeues(&queue, &consumers[1], &queue.subs[0]), 4);
    close_queue();
}

static void go_on_to_the_next(void)
{
    struct segment *left = at_load_rlx(&queue.subs[0].head);
    for (uintptr_t item = 1; item <= CELLS + 1; item++)
        get(item);
    assert_ptr_not_equal(at_load_rlx(&queue.subs[0].head), left);
    assert_ptr_equal(at_load_rlx(&queue.subs[0].tail), at_load_rlx(&queue.subs[0].head));
    put(1, CELLS + 2);
}

static void test_tail_does_not_stay_at_a_segment_that_is_gone(void **state)
{
    (void)state;
    for (unsigned kind = RECLAIM_HAZARD; kind <= RECLAIM_LEAK; kind++) {
        open_queue(kind, 1);
        for (uintptr_t item = 1; item <= CELLS; item++)
            put(0, item);
        interrupt("dcbo_tail_move", go_on_to_the_next);
        put(0, CELLS + 1);
        get(CELLS + 2);
        get_nothing();
        close_queue();
    }
}

static void extend_first(void)
{
    put(1, CELLS + 1);
}

static void test_of_two_new_segments_one_is_kept_empty(void **state)
{
    (void)state;
    open_queue(RECLAIM_HAZARD, 1);
    for (uintptr_t item = 1; item <= CELLS; item++)
        put(0, item);
    interrupt("dcbo_extend", extend_first);
    put(0, CELLS + 2);
    struct segment *kept = (struct segment *)producers[0].spares;
    assert_non_null(kept);
    assert_int_equal(at_load_rlx(&kept->enqueued), 0);
    assert_int_equal(at_load_rlx(&kept->cells[0]), 0);
    for (uintptr_t item = 1; item <= CELLS + 2; item++)
        get(item);
    get_nothing();
    close_queue();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_item_behind_the_back_is_not_missed),
        cmocka_unit_test(test_a_new_segment_behind_the_back_is_not_missed),
        cmocka_unit_test(test_a_sub_queue_counts_what_was_done_to_it),
        cmocka_unit_test(test_the_least_used_of_those_looked_at_is_chosen),
        cmocka_unit_test(test_tail_does_not_stay_at_a_segment_that_is_gone),
        cmocka_unit_test(test_of_two_new_segments_one_is_kept_empty),
    };
    return cmocka_run_group_tests_name("dcbo", tests, NULL, NULL);
}
