// SPDX-License-Identifier: Apache-2.0
// The consumer's side of erts_mpsc, step by step: when elements are freed, how many at a time, by whom.
#include "tests/erts_mpsc_steps.h"

static void test_a_new_queue_is_empty_and_clean(void **state)
{
    (void)state;
    get_nothing();
    assert_int_equal(inspect(), QUEUE_CLEAN);
    assert_int_equal(clean(), QUEUE_CLEAN);
    assert_int_equal(notified(), 0);
    assert_true(queue.head.marker_used);
}

// One element from its consumption to its end: the period after which nobody can hold the marker that stood before it,
// then the marker behind it, then the period after which nobody can hold itself.
static void test_an_element_is_freed_after_two_grace_periods(void **state)
{
    (void)state;
    put(&managed[0], 1);
    get(1);
    assert_int_equal(given(), 0);
    assert_int_equal(clean(), QUEUE_NEED_PROGRESS);
    assert_int_equal(inspect(), QUEUE_NEED_PROGRESS);
    assert_int_equal(value, queue.head.grace.awaited);
    assert_false(progress_reached(domain, value));
    let_progress_happen();
    assert_true(progress_reached(domain, value));
    assert_int_equal(inspect(), QUEUE_DIRTY);
    assert_int_equal(clean(), QUEUE_DIRTY); // the marker may be taken out
    assert_true(queue.head.marker_used);
    assert_int_equal(clean(), QUEUE_DIRTY); // it went out, and in again behind
    assert_true(queue.head.marker_used);
    assert_ptr_equal(queue.head.head, &queue.tail.marker);
    assert_int_equal(clean(), QUEUE_NEED_PROGRESS);
    assert_int_equal(clean(), QUEUE_NEED_PROGRESS);
    assert_int_equal(given(), 0);
    let_progress_happen();
    assert_int_equal(inspect(), QUEUE_DIRTY);
    assert_int_equal(clean(), QUEUE_DIRTY);
    assert_int_equal(given(), 0);
    assert_int_equal(clean(), QUEUE_CLEAN);
    assert_int_equal(given(), 1);
    assert_int_equal(inspect(), QUEUE_CLEAN);
    assert_ptr_equal(queue.head.first, &queue.tail.marker);
    get_nothing();
}

static void test_inspect_sees_items_and_can_be_told_not_to(void **state)
{
    (void)state;
    put(&managed[0], 1);
    assert_int_equal(inspect(), QUEUE_DIRTY);
    assert_int_equal(mpsc_inspect(&queue, &consumer, false, &value), QUEUE_CLEAN);
    get(1);
    put(&managed[0], 2);
    assert_int_equal(inspect(), QUEUE_DIRTY);
    assert_int_equal(mpsc_inspect(&queue, &consumer, false, &value), QUEUE_NEED_PROGRESS);
}

// With everything freed up to the head, the look further ahead comes at the 100th time and not before.
static void test_the_hundredth_time_at_the_head_looks_ahead(void **state)
{
    (void)state;
    for (uintptr_t i = 1; i <= 300; i++)
        put(&managed[0], i);
    get(1); // asks for the period after which all 300 are free to go
    let_progress_happen();
    get(2); // finds it over
    assert_int_equal(item_at_last(), 300);
    assert_ptr_equal(queue.head.free_end, atomic_load(&queue.tail.last));
    get(3); // frees the marker, 1 and 2, and puts the marker in behind 300: the next period
    assert_int_equal(given(), 2);
    assert_int_equal(queue.head.at_head, 0);
    assert_ptr_equal(queue.head.candidate, &queue.tail.marker);
    let_progress_happen(); // it is over at once, but nobody looks
    for (uintptr_t i = 4; i <= 102; i++) {
        get(i);
        assert_int_equal(queue.head.at_head, i - 3);
        assert_int_equal(given(), i - 1);
        assert_int_equal(queue.head.free_end->item, 300);
    }
    get(103);
    assert_int_equal(queue.head.at_head, 0);
    assert_ptr_equal(queue.head.free_end, &queue.tail.marker);
    for (uintptr_t i = 104; i <= 300; i++)
        get(i);
    settle();
    assert_int_equal(given(), 300);
}

// Everything that was consumed while progress stood still may go at once when it moves: in steps.
static void consume_200_and_let_them_go(void)
{
    for (uintptr_t i = 1; i <= 400; i++)
        put(&managed[0], i);
    for (uintptr_t i = 1; i <= 200; i++)
        get(i);
    assert_int_equal(given(), 0);
    let_progress_happen();
    assert_int_equal(mpsc_reclaim(&queue, &consumer, 1, false, &value), QUEUE_DIRTY); // the period is over
    assert_int_equal(mpsc_reclaim(&queue, &consumer, 1, false, &value), QUEUE_DIRTY); // the marker is out
    assert_int_equal(given(), 0);
    assert_ptr_not_equal(queue.head.first, &queue.tail.marker);
}

static void test_freeing_goes_in_steps_of_3_and_50(void **state)
{
    (void)state;
    consume_200_and_let_them_go();
    get(201);
    assert_int_equal(given(), 3);
    get(202);
    assert_int_equal(given(), 6);
    assert_int_equal(clean(), QUEUE_DIRTY);
    assert_int_equal(given(), 56);
}

static void test_deferred_garbage_is_kept_in_steps_of_50(void **state)
{
    (void)state;
    struct garbage_chain chain = {NULL, NULL};
    mpsc_defer_garbage(&queue, true);
    consume_200_and_let_them_go();
    assert_false(mpsc_take_garbage(&queue, &consumer, &chain));
    get(201);
    assert_int_equal(given(), 0);
    assert_true(mpsc_take_garbage(&queue, &consumer, &chain));
    assert_int_equal(garbage_length(&chain), 50);
    assert_false(mpsc_take_garbage(&queue, &consumer, &chain));
    clean();
    assert_true(mpsc_take_garbage(&queue, &consumer, &chain));
    assert_int_equal(garbage_length(&chain), 100);
    struct queue_statistics statistics;
    mpsc_statistics(&queue, &statistics);
    assert_int_equal(statistics.reclaimed, 100);
    assert_int_equal(statistics.memory_bytes, 300 * sizeof(struct element));
    assert_true(garbage_free(&chain, 50));
    assert_int_equal(given(), 50);
    assert_false(garbage_free(&chain, 50));
    assert_int_equal(given(), 100);
    clean(); // what is left in the queue's own chain is for fini
    assert_int_equal(garbage_length(&queue.head.garbage), 50);
}

static void test_a_dequeue_that_leaves_work_notifies_itself(void **state)
{
    (void)state;
    for (uintptr_t i = 1; i <= 4; i++)
        put(&managed[0], i);
    get(1);
    let_progress_happen();
    get(2);
    assert_int_equal(clean(), QUEUE_CLEAN); // nothing to be freed before 3 is consumed
    get(3);
    const uint64_t now = notified();
    get(4); // puts the marker in behind, with the period over
    assert_true(queue.head.marker_used);
    assert_int_equal(notified(), now + 1);
    assert_int_equal(clean(), QUEUE_NEED_PROGRESS);
    let_progress_happen();
    while (clean() == QUEUE_DIRTY) {}
    assert_int_equal(given(), 4);
    assert_int_equal(notified(), now + 1); // clean answers, and need not notify
}

static void test_fini_gives_back_what_is_inside(void **state)
{
    (void)state;
    for (uintptr_t i = 1; i <= 50; i++)
        put(&managed[i % 2], i);
    for (uintptr_t i = 1; i <= 20; i++)
        get(i);
    let_progress_happen();
    mpsc_defer_garbage(&queue, true);
    clean();
    clean();
    assert_non_null(queue.head.garbage.first);
    assert_int_equal(mpsc_length(&queue), 30);
}

int main(void)
{
    clock_calibrate();
    const struct CMUnitTest tests[] = {
        STEP(test_a_new_queue_is_empty_and_clean),
        STEP(test_an_element_is_freed_after_two_grace_periods),
        STEP(test_inspect_sees_items_and_can_be_told_not_to),
        STEP(test_the_hundredth_time_at_the_head_looks_ahead),
        STEP(test_freeing_goes_in_steps_of_3_and_50),
        STEP(test_deferred_garbage_is_kept_in_steps_of_50),
        STEP(test_a_dequeue_that_leaves_work_notifies_itself),
        STEP(test_fini_gives_back_what_is_inside),
    };
    return cmocka_run_group_tests_name("erts_mpsc", tests, make_domain, drop_domain);
}
