// SPDX-License-Identifier: Apache-2.0
// Threads of kfifo that are interrupted where it hurts: while they look at the places of a segment, before they fill
// one, and where segments change.
#include "tests/step_hooks.h"
// After the hooks.
#include "queues/kfifo.c"

#define PLACES 2u

static struct check_env env;
static struct kfifo queue;
static struct kfifo_handle producers[2], consumers[2];

static void open_queue(enum reclaim_kind kind)
{
    const struct kfifo_config config = {.reclaim = kind, .k = PLACES};
    memset(plans, 0, sizeof plans);
    memset(producers, 0, sizeof producers);
    memset(consumers, 0, sizeof consumers);
    check_env_init(&env, &kfifo_queue_ops, NULL);
    assert_int_equal(kfifo_init(&queue, &env.env, &config), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(kfifo_attach(&queue, &producers[i], QUEUE_PRODUCER, QUEUE_UNMANAGED), 0);
        assert_int_equal(kfifo_attach(&queue, &consumers[i], QUEUE_CONSUMER, QUEUE_UNMANAGED), 0);
    }
}

static void close_queue(void)
{
    struct fault fault = {""};
    all_has_happened();
    for (unsigned i = 0; i < 2; i++) {
        kfifo_detach(&queue, &producers[i]);
        kfifo_detach(&queue, &consumers[i]);
    }
    kfifo_fini(&queue);
    if (check_env_fini(&env, &fault) != 0)
        fail_msg("%s", fault.text);
}

static void put(unsigned producer, uintptr_t item)
{
    assert_int_equal(kfifo_enqueue(&queue, &producers[producer], item), QUEUE_OK);
}

static uintptr_t got(void)
{
    uintptr_t item = 0;
    assert_int_equal(kfifo_dequeue(&queue, &consumers[0], &item), QUEUE_OK);
    return item;
}

// The items of a segment, in whatever order.
static void get_both(uintptr_t one, uintptr_t other)
{
    const uintptr_t first = got(), second = got();
    assert_true((first == one && second == other) || (first == other && second == one));
}

static void get_nothing(void)
{
    uintptr_t item = 77;
    assert_int_equal(kfifo_dequeue(&queue, &consumers[0], &item), QUEUE_EMPTY);
    assert_int_equal(item, 77);
}

static bool swapped;

// The item comes out of its place, and another one went into the one that was looked at already.
static void swap_places(void)
{
    struct segment *segment = at_load_rlx(&queue.head);
    const unsigned filled = at_load_rlx(&segment->places[0]) ? 0 : 1;
    at_store_rlx(&segment->places[1 - filled], 2);
    at_store_rlx(&segment->places[filled], KFIFO_SPENT);
    swapped = true;
}

static void swap_at_the_next_look(void)
{
    interrupt("kfifo_look", swap_places);
}

static void test_an_item_behind_the_back_is_not_missed(void **state)
{
    (void)state;
    unsigned swaps = 0;
    for (unsigned i = 0; i < 32; i++) {
        open_queue(RECLAIM_HAZARD);
        consumers[0].random = random_seed(i);
        swapped = false;
        put(0, 1);
        interrupt("kfifo_look", swap_at_the_next_look);
        const uintptr_t item = got();
        assert_int_equal(item, swapped ? 2 : 1);
        swaps += swapped;
        memset(plans, 0, sizeof plans);
        get_nothing();
        close_queue();
    }
    assert_true(swaps > 0 && swaps < 32);
}

static void fill_three(void)
{
    for (uintptr_t item = 1; item <= PLACES + 1; item++)
        put(1, item);
}

static void test_who_comes_late_overtakes_nobody(void **state)
{
    (void)state;
    open_queue(RECLAIM_HAZARD);
    interrupt("kfifo_fill", fill_three);
    put(0, 9);
    get_both(1, 2);
    get_both(3, 9);
    get_nothing();
    close_queue();
}

static void go_on_to_the_next(void)
{
    struct segment *left = at_load_rlx(&queue.head);
    get_both(1, 2);
    assert_int_equal(got(), 3);
    assert_ptr_not_equal(at_load_rlx(&queue.head), left);
    assert_ptr_equal(at_load_rlx(&queue.tail), at_load_rlx(&queue.head));
    put(1, 4);
}

static void test_tail_does_not_stay_at_a_segment_that_is_gone(void **state)
{
    (void)state;
    for (unsigned kind = RECLAIM_HAZARD; kind <= RECLAIM_LEAK; kind++) {
        open_queue(kind);
        put(0, 1);
        put(0, 2);
        interrupt("kfifo_tail_move", go_on_to_the_next);
        put(0, 3);
        assert_int_equal(got(), 4);
        get_nothing();
        close_queue();
    }
}

static void extend_first(void)
{
    put(1, 3);
}

static void test_of_two_new_segments_one_is_kept_empty(void **state)
{
    (void)state;
    open_queue(RECLAIM_HAZARD);
    put(0, 1);
    put(0, 2);
    interrupt("kfifo_extend", extend_first);
    put(0, 4);
    struct segment *kept = (struct segment *)producers[0].spares;
    assert_non_null(kept);
    for (unsigned i = 0; i < PLACES; i++)
        assert_int_equal(at_load_rlx(&kept->places[i]), 0);
    get_both(1, 2);
    get_both(3, 4);
    get_nothing();
    close_queue();
}

static void test_a_segment_comes_back_with_all_places_free(void **state)
{
    (void)state;
    struct reclaim_node *none = NULL;
    open_queue(RECLAIM_HAZARD);
    struct segment *segment = (struct segment *)spares_take(&queue.spares, &none);
    for (unsigned i = 0; i < PLACES; i++)
        at_store_rlx(&segment->places[i], KFIFO_SPENT);
    at_store_rlx(&segment->next, segment);
    segment_give(&queue, &segment->retired);
    assert_ptr_equal(spares_take(&queue.spares, &none), segment);
    for (unsigned i = 0; i < PLACES; i++)
        assert_int_equal(at_load_rlx(&segment->places[i]), 0);
    assert_null(at_load_rlx(&segment->next));
    spares_give(&queue.spares, &segment->retired);
    close_queue();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_item_behind_the_back_is_not_missed),
        cmocka_unit_test(test_who_comes_late_overtakes_nobody),
        cmocka_unit_test(test_tail_does_not_stay_at_a_segment_that_is_gone),
        cmocka_unit_test(test_of_two_new_segments_one_is_kept_empty),
        cmocka_unit_test(test_a_segment_comes_back_with_all_places_free),
    };
    return cmocka_run_group_tests_name("kfifo", tests, NULL, NULL);
}
