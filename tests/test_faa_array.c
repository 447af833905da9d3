// SPDX-License-Identifier: Apache-2.0
// Threads of faa_array that are interrupted where it hurts: between number and cell, between two counters, and where
// segments change.
#include "tests/step_hooks.h"
// After the hooks.
#include "queues/faa_array.c"

#define CELLS 4u

static struct check_env env;
static struct faa queue;
static struct faa_handle producers[2], consumers[2];

static void open_queue(enum reclaim_kind kind)
{
    const struct faa_config config = {.reclaim = kind, .segment = CELLS};
    memset(plans, 0, sizeof plans);
    check_env_init(&env, &faa_array_queue_ops, NULL);
    assert_int_equal(faa_init(&queue, &env.env, &config), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(faa_attach(&queue, &producers[i], QUEUE_PRODUCER, QUEUE_UNMANAGED), 0);
        assert_int_equal(faa_attach(&queue, &consumers[i], QUEUE_CONSUMER, QUEUE_UNMANAGED), 0);
    }
}

static void close_queue(void)
{
    struct fault fault = {""};
    all_has_happened();
    for (unsigned i = 0; i < 2; i++) {
        faa_detach(&queue, &producers[i]);
        faa_detach(&queue, &consumers[i]);
    }
    faa_fini(&queue);
    if (check_env_fini(&env, &fault) != 0)
        fail_msg("%s", fault.text);
}

static void put(unsigned producer, uintptr_t item)
{
    assert_int_equal(faa_enqueue(&queue, &producers[producer], item), QUEUE_OK);
}

static void get(unsigned consumer, uintptr_t expected)
{
    uintptr_t item = 0;
    assert_int_equal(faa_dequeue(&queue, &consumers[consumer], &item), QUEUE_OK);
    assert_int_equal(item, expected);
}

static void get_nothing(void)
{
    uintptr_t item = 77;
    assert_int_equal(faa_dequeue(&queue, &consumers[0], &item), QUEUE_EMPTY);
    assert_int_equal(item, 77);
}

static void test_a_consumer_does_not_wait_for_ever(void **state)
{
    (void)state;
    open_queue(RECLAIM_HAZARD);
    interrupt("faa_fill", get_nothing);
    put(0, 1);
    assert_int_equal(at_load_rlx(&at_load_rlx(&queue.head)->cells[0]), FAA_POISON);
    get(0, 1);
    get_nothing();
    close_queue();
}

static void fill_late(void)
{
    at_store_rlx(&at_load_rlx(&queue.head)->cells[0], 5);
}

static void test_an_item_may_come_at_the_last_moment(void **state)
{
    (void)state;
    open_queue(RECLAIM_HAZARD);
    at_store_rlx(&at_load_rlx(&queue.tail)->enqueued, 1);
    interrupt("faa_poison", fill_late);
    get(0, 5);
    close_queue();
}

static void move_both_counters(void)
{
    put(0, 3);
    get(1, 1);
    get(1, 2);
}

// The queue is never empty, whichever counter is read first.
static void test_counters_that_move_meanwhile_hide_no_item(void **state)
{
    (void)state;
    static const char *const reads[] = {"faa_dequeued", "faa_seen"};
    for (unsigned i = 0; i < 2; i++) {
        open_queue(RECLAIM_HAZARD);
        put(0, 1);
        put(0, 2);
        interrupt(reads[i], move_both_counters);
        get(0, 3);
        close_queue();
    }
}

static struct segment *left;

static void go_on_to_the_next(void)
{
    left = at_load_rlx(&queue.head);
    for (uintptr_t item = 1; item <= CELLS + 1; item++)
        get(0, item);
    assert_ptr_not_equal(at_load_rlx(&queue.head), left);
    assert_ptr_equal(at_load_rlx(&queue.tail), at_load_rlx(&queue.head));
    put(1, CELLS + 2);
}

static void test_tail_does_not_stay_at_a_segment_that_is_gone(void **state)
{
    (void)state;
    for (unsigned kind = RECLAIM_HAZARD; kind <= RECLAIM_LEAK; kind++) {
        open_queue(kind);
        for (uintptr_t item = 1; item <= CELLS; item++)
            put(0, item);
        interrupt("faa_tail_move", go_on_to_the_next);
        put(0, CELLS + 1);
        get(0, CELLS + 2);
        get_nothing();
        close_queue();
    }
}

static void extend_first(void)
{
    put(1, CELLS + 1);
}

static void test_of_two_new_segments_one_is_kept_for_later(void **state)
{
    (void)state;
    open_queue(RECLAIM_HAZARD);
    for (uintptr_t item = 1; item <= CELLS; item++)
        put(0, item);
    interrupt("faa_extend", extend_first);
    put(0, CELLS + 2);
    assert_non_null(at_load_rlx(&queue.spares[0]));
    const uint64_t allocations = at_load_rlx(&env.allocations);
    for (uintptr_t item = CELLS + 3; item <= 2 * CELLS + 2; item++)
        put(0, item);
    assert_int_equal(at_load_rlx(&env.allocations), allocations);
    for (uintptr_t item = 1; item <= 2 * CELLS + 2; item++)
        get(0, item);
    get_nothing();
    close_queue();
}

static void test_no_cell_is_given_up_where_nobody_puts(void **state)
{
    (void)state;
    open_queue(RECLAIM_HAZARD);
    for (uintptr_t item = 1; item <= CELLS + 1; item++)
        put(0, item);
    for (uintptr_t item = 1; item <= CELLS + 1; item++)
        get(0, item);
    get_nothing();
    assert_int_equal(at_load_rlx(&at_load_rlx(&queue.head)->dequeued), 1);
    close_queue();
}

static void test_freed_segments_are_used_again(void **state)
{
    (void)state;
    for (unsigned kind = RECLAIM_HAZARD; kind <= RECLAIM_EPOCH; kind++) {
        open_queue(kind);
        for (uintptr_t item = 1; item <= 10 * CELLS; item++) {
            consumers[0].record->look_at = 1;
            put(0, item);
            get(0, item);
        }
        const uint64_t allocations = at_load_rlx(&env.allocations);
        for (uintptr_t item = 1; item <= 100 * CELLS; item++) {
            consumers[0].record->look_at = 1;
            put(0, item);
            get(0, item);
        }
        get_nothing();
        assert_int_equal(at_load_rlx(&env.allocations), allocations);
        close_queue();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_consumer_does_not_wait_for_ever),
        cmocka_unit_test(test_an_item_may_come_at_the_last_moment),
        cmocka_unit_test(test_counters_that_move_meanwhile_hide_no_item),
        cmocka_unit_test(test_tail_does_not_stay_at_a_segment_that_is_gone),
        cmocka_unit_test(test_of_two_new_segments_one_is_kept_for_later),
        cmocka_unit_test(test_no_cell_is_given_up_where_nobody_puts),
        cmocka_unit_test(test_freed_segments_are_used_again),
    };
    return cmocka_run_group_tests_name("faa_array", tests, NULL, NULL);
}
