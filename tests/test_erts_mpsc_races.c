// SPDX-License-Identifier: Apache-2.0
// Threads of erts_mpsc that are interrupted where it hurts: who moves `last`, who notifies, who is waited for.
#include "tests/erts_mpsc_steps.h"

static void test_each_enqueue_notifies_once(void **state)
{
    (void)state;
    for (uintptr_t i = 1; i <= 10; i++) {
        put(i % 2 ? &managed[0] : &unmanaged[0], i);
        // The only unmanaged producer drains the count as well, but is notifying already.
        assert_int_equal(notified(), i);
    }
    assert_int_equal(mpsc_length(&queue), 10);
}

static void overtake(void)
{
    put(&managed[1], 2);
    assert_int_equal(notified(), 1);
    assert_int_equal(item_at_last(), 2);
}

static void test_an_overtaken_producer_neither_moves_last_nor_notifies(void **state)
{
    (void)state;
    interrupt("mpsc_move", overtake);
    put(&managed[0], 1);
    all_has_happened();
    assert_int_equal(notified(), 1);
    assert_int_equal(item_at_last(), 2);
    get(1);
    get(2);
    get_nothing();
}

static void test_an_overtaken_producer_that_drains_its_count_notifies(void **state)
{
    (void)state;
    interrupt("mpsc_move", overtake);
    put(&unmanaged[0], 1);
    all_has_happened();
    assert_int_equal(notified(), 2);
    assert_int_equal(item_at_last(), 2);
}

static void finish_third(void)
{
    put(&unmanaged[2], 3);
    assert_int_equal(notified(), 1);
    assert_int_equal(inside(0), 2);
}

static void start_second(void)
{
    interrupt("mpsc_move", finish_third);
    put(&unmanaged[1], 2);
    // Overtaken by the third, with the first still inside: nothing to tell.
    assert_int_equal(notified(), 1);
    assert_int_equal(inside(0), 1);
}

static void test_only_the_last_to_leave_notifies_for_the_count(void **state)
{
    (void)state;
    interrupt("mpsc_last", start_second);
    put(&unmanaged[0], 1);
    all_has_happened();
    assert_int_equal(notified(), 2);
    assert_int_equal(inside(0), 0);
    get(2);
    get(3);
    get(1);
}

static void nobody_is_inside(void)
{
    assert_int_equal(inside(0), 0);
}

static void test_an_unmanaged_producer_leaves_before_it_notifies(void **state)
{
    (void)state;
    env.pass_on = (void (*)(void *))(void *)nobody_is_inside;
    put(&unmanaged[0], 1);
    assert_int_equal(notified(), 1);
}

// The consumer takes all out and begins a period, with a producer inside on the old count.
static void consume_beside_one_inside(void)
{
    assert_int_equal(inside(0), 1);
    for (uintptr_t i = 1; i <= 5; i++)
        get(i);
    assert_int_equal(atomic_load(&queue.tail.gate.index), 1);
    let_progress_happen();
    assert_int_equal(clean(), QUEUE_NEED_PROGRESS);
    assert_int_equal(inspect(), QUEUE_NEED_PROGRESS);
    assert_true(progress_reached(domain, value));
    put(&unmanaged[1], 6); // counts on the new one
    assert_int_equal(inside(0), 1);
    assert_int_equal(inside(1), 0);
    get(6);
    assert_int_equal(given(), 0);
}

static void test_an_unmanaged_producer_inside_holds_up_freeing(void **state)
{
    (void)state;
    for (uintptr_t i = 1; i <= 5; i++)
        put(&managed[0], i);
    interrupt("mpsc_link", consume_beside_one_inside);
    put(&unmanaged[0], 7);
    all_has_happened();
    assert_int_equal(inside(0), 0);
    assert_int_equal(inspect(), QUEUE_DIRTY);
    get(7);
    settle();
    assert_int_equal(given(), 7);
}

// A managed producer is not counted: only its silence in thread progress holds freeing up.
static void consume_beside_a_managed_one(void)
{
    assert_int_equal(inside(0) + inside(1), 0);
    for (uintptr_t i = 1; i <= 5; i++)
        get(i);
    assert_int_equal(clean(), QUEUE_NEED_PROGRESS);
    assert_false(progress_reached(domain, value));
    assert_int_equal(given(), 0);
}

static void test_a_managed_producer_is_not_counted(void **state)
{
    (void)state;
    for (uintptr_t i = 1; i <= 5; i++)
        put(&managed[0], i);
    interrupt("mpsc_link", consume_beside_a_managed_one);
    put(&managed[1], 6);
    all_has_happened();
    get(6);
}

// Turns the index between a producer's look at it and its count.
static void turn_index(void)
{
    get(1);
    assert_int_equal(atomic_load(&queue.tail.gate.index), 1);
    let_progress_happen();
    assert_int_equal(inspect(), QUEUE_DIRTY); // nobody on the old count, as far as can be seen
}

static void counted_on_the_new_one(void)
{
    assert_int_equal(inside(0), 0);
    assert_int_equal(inside(1), 1);
}

static void test_who_finds_the_index_turned_counts_anew(void **state)
{
    (void)state;
    put(&managed[0], 1);
    interrupt("grace_enter", turn_index);
    interrupt("mpsc_last", counted_on_the_new_one);
    put(&unmanaged[0], 2);
    all_has_happened();
    assert_int_equal(inside(0), 0);
    assert_int_equal(inside(1), 0);
    get(2);
    settle();
}

// A producer has linked its element and not yet moved `last`, when the consumer puts the marker in behind it.
static void put_marker_behind(void)
{
    const uint64_t now = notified();
    assert_false(queue.head.marker_used);
    for (unsigned i = 0; i < MPSC_AT_HEAD_MAX && !queue.head.marker_used; i++)
        clean();
    assert_true(queue.head.marker_used);
    assert_ptr_equal(atomic_load(&queue.tail.last), &queue.tail.marker);
    assert_int_equal(notified(), now + 1); // nobody else will
}

static void take_marker_out(void)
{
    let_progress_happen();
    assert_int_equal(clean(), QUEUE_DIRTY);
    assert_true(queue.head.marker_used);
    clean(); // out it goes; not in again, as something follows
}

static void take_out_and_put_behind(void)
{
    take_marker_out();
    put_marker_behind();
}

static void test_the_consumer_notifies_itself_for_who_slid_in_before_the_marker(void **state)
{
    (void)state;
    put(&managed[0], 1);
    get(1);
    assert_int_equal(notified(), 1);
    interrupt("mpsc_move", take_out_and_put_behind);
    put(&managed[0], 2);
    all_has_happened();
    assert_int_equal(notified(), 2);
    put(&managed[0], 3); // behind the marker
    assert_int_equal(notified(), 3);
    assert_int_equal(inspect(), QUEUE_DIRTY);
    get(2);
    assert_int_equal(inspect(), QUEUE_DIRTY); // past the marker
    assert_ptr_equal(queue.head.head, &queue.tail.marker);
    get(3);
    get_nothing();
    settle();
    assert_int_equal(given(), 3);
}

static void slide_in(void)
{
    put(&managed[0], 2);
}

static void test_the_marker_goes_behind_who_slides_in(void **state)
{
    (void)state;
    put(&managed[0], 1);
    get(1);
    let_progress_happen();
    assert_int_equal(clean(), QUEUE_DIRTY);
    interrupt("mpsc_last", slide_in);
    clean(); // takes the marker out, and puts it in again
    all_has_happened();
    assert_true(queue.head.marker_used);
    assert_ptr_not_equal(queue.head.head, &queue.tail.marker);
    assert_ptr_equal(atomic_load(&queue.tail.last), &queue.tail.marker);
    get(2);
    get_nothing(); // steps on the marker
    assert_ptr_equal(queue.head.head, &queue.tail.marker);
    put(&managed[0], 3);
    get(3);
    settle();
}

static void consume_without_domain(void)
{
    get(1);
    assert_int_equal(clean(), QUEUE_CLEAN); // who leaves will notify
    assert_int_equal(inspect(), QUEUE_CLEAN);
    assert_int_equal(given(), 0);
}

static void overtake_without_domain(void)
{
    put(&unmanaged[1], 3);
    assert_int_equal(notified(), 2);
}

static void test_without_a_domain_only_the_counts_matter(void **state)
{
    (void)state;
    struct mpsc_handle refused;
    assert_int_equal(mpsc_attach(&queue, &refused, QUEUE_PRODUCER, QUEUE_MANAGED), -EINVAL);
    put(&unmanaged[0], 1);
    interrupt("mpsc_link", consume_without_domain);
    interrupt("mpsc_move", overtake_without_domain);
    put(&unmanaged[0], 2);
    all_has_happened();
    assert_int_equal(notified(), 3); // overtaken, but the period ended with it
    get(2);
    get(3);
    for (unsigned i = 0; i < 20 && clean() == QUEUE_DIRTY; i++) {}
    assert_int_equal(inspect(), QUEUE_CLEAN);
    assert_int_equal(given(), 3);
}

int main(void)
{
    clock_calibrate();
    const struct CMUnitTest tests[] = {
        STEP(test_each_enqueue_notifies_once),
        STEP(test_an_overtaken_producer_neither_moves_last_nor_notifies),
        STEP(test_an_overtaken_producer_that_drains_its_count_notifies),
        STEP(test_only_the_last_to_leave_notifies_for_the_count),
        STEP(test_an_unmanaged_producer_leaves_before_it_notifies),
        STEP(test_an_unmanaged_producer_inside_holds_up_freeing),
        STEP(test_a_managed_producer_is_not_counted),
        STEP(test_who_finds_the_index_turned_counts_anew),
        STEP(test_the_consumer_notifies_itself_for_who_slid_in_before_the_marker),
        STEP(test_the_marker_goes_behind_who_slides_in),
        cmocka_unit_test_setup_teardown(test_without_a_domain_only_the_counts_matter, set_up_without_domain, tear_down),
    };
    return cmocka_run_group_tests_name("erts_mpsc_races", tests, make_domain, drop_domain);
}
