// SPDX-License-Identifier: Apache-2.0
// Threads of lcrq and lprq that are interrupted where it hurts. The file that includes this names the queue's source
// (RINGS_SOURCE) and ops (RINGS_OPS), and the labels of the first access to a cell on either side (RINGS_PUT,
// RINGS_TAKE). The source is compiled into the program with a hook in front of labelled accesses: at a chosen one a
// thread is taken to be interrupted, and what others do meanwhile is called from the hook. Rings have two cells, and
// their first index is 1.
#ifndef READYQ_TESTS_RINGS_STEPS_H
#define READYQ_TESTS_RINGS_STEPS_H

#include <string.h>

#include "core/check/conformance/env.h"
#include "core/sync/atomic.h"
#include "tests/unit.h"

static inline void before(const char *label);

#undef at_load_sc
#undef at_store_sc
#undef at_add_sc
#undef at_cas_sc
#undef at_cas2_sc
#define AT(label, ...) before(#label)
#define at_load_sc(p, at) ((at), atomic_load(p))
#define at_store_sc(p, v, at) ((at), atomic_store((p), (v)))
#define at_add_sc(p, v, at) ((at), atomic_fetch_add((p), (v)))
#define at_cas_sc(p, expected, v, at) ((at), atomic_compare_exchange_strong((p), (expected), (v)))
#define at_cas2_sc(pair, low, high, new_low, new_high, at) \
    ((at), word_pair_swap((pair), (low), (high), (new_low), (new_high)))

#include RINGS_SOURCE

// What is to happen before accesses: each once, in whatever order the accesses come.
#define PLANS 4u
static struct {
    const char *label;
    void (*happens)(void);
} plans[PLANS];

static inline void interrupt(const char *label, void (*happens)(void))
{
    unsigned i = 0;
    while (i < PLANS && plans[i].label)
        i++;
    assert_true(i < PLANS);
    plans[i].label = label;
    plans[i].happens = happens;
}

static inline void before(const char *label)
{
    for (unsigned i = 0; i < PLANS; i++) {
        if (plans[i].label && strcmp(plans[i].label, label) == 0) {
            plans[i].label = NULL;
            plans[i].happens();
            return;
        }
    }
}

static inline void all_has_happened(void)
{
    for (unsigned i = 0; i < PLANS; i++)
        assert_null(plans[i].label);
}

static struct check_env env;
static struct rings queue;
static struct rings_handle producers[2], consumers[2];

static inline int set_up(void **state)
{
    (void)state;
    const struct rings_config config = {.ring = 2, .reclaim = RECLAIM_HAZARD};
    memset(plans, 0, sizeof plans);
    memset(producers, 0, sizeof producers);
    memset(consumers, 0, sizeof consumers);
    check_env_init(&env, &RINGS_OPS, NULL);
    assert_int_equal(rings_init(&queue, &env.env, &config), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(rings_attach(&queue, &producers[i], QUEUE_PRODUCER, QUEUE_UNMANAGED), 0);
        assert_int_equal(rings_attach(&queue, &consumers[i], QUEUE_CONSUMER, QUEUE_UNMANAGED), 0);
    }
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    struct fault fault = {""};
    for (unsigned i = 0; i < 2; i++) {
        rings_detach(&queue, &producers[i]);
        rings_detach(&queue, &consumers[i]);
    }
    rings_fini(&queue);
    if (check_env_fini(&env, &fault) != 0)
        print_error("%s\n", fault.text);
    return fault.text[0] ? -1 : 0;
}

static inline void put(unsigned producer, uintptr_t item)
{
    assert_int_equal(rings_enqueue(&queue, &producers[producer], item), QUEUE_OK);
}

static inline void get(unsigned consumer, uintptr_t expected)
{
    uintptr_t item = 0;
    assert_int_equal(rings_dequeue(&queue, &consumers[consumer], &item), QUEUE_OK);
    assert_int_equal(item, expected);
}

static inline void get_nothing(unsigned consumer)
{
    uintptr_t item = 77;
    assert_int_equal(rings_dequeue(&queue, &consumers[consumer], &item), QUEUE_EMPTY);
    assert_int_equal(item, 77);
}

static void dequeuer_of_3_marks_the_cell(void)
{
    get(1, 102);
    get_nothing(1); // index 3, whose enqueuer stands still; its cell holds 101
}

static void take_slowly(void)
{
    interrupt(RINGS_TAKE, dequeuer_of_3_marks_the_cell);
    get(0, 101);
}

// Index 3 goes to an enqueuer that stands still while the dequeuer of 3 comes and goes.
static void test_an_unsafe_cell_is_left_alone_by_who_has_lost_its_dequeuer(void **state)
{
    (void)state;
    put(0, 101);
    put(0, 102);
    interrupt(RINGS_PUT, take_slowly);
    put(1, 103);
    all_has_happened();
    get(0, 103);
    get_nothing(0);
}

static void give_up_on_1(void)
{
    get_nothing(0);
}

static void test_an_enqueuer_whose_dequeuer_has_given_up_takes_another_index(void **state)
{
    (void)state;
    interrupt(RINGS_PUT, give_up_on_1);
    put(0, 101);
    all_has_happened();
    get(1, 101);
    get_nothing(0);
}

static void fill_a_ring_and_more(void)
{
    put(0, 101);
    put(0, 102);
    put(0, 103);
}

static void test_a_ring_is_looked_at_again_before_the_next_one(void **state)
{
    (void)state;
    interrupt("rings_next", fill_a_ring_and_more);
    get(0, 101);
    all_has_happened();
    get(0, 102);
    get(0, 103);
    get_nothing(0);
}

static void use_up_the_first_ring(void)
{
    get(0, 101);
    get(0, 102);
    get(0, 103);
    assert_ptr_equal(atomic_load(&queue.head), atomic_load(&queue.tail));
}

static void test_the_end_of_the_list_is_moved_before_its_head(void **state)
{
    (void)state;
    put(0, 101);
    put(0, 102);
    interrupt("rings_move", use_up_the_first_ring);
    put(0, 103);
    all_has_happened();
}

static void other_takes_it(void)
{
    get(1, 101);
}

static void test_indices_that_dequeuers_took_in_vain_are_passed_over(void **state)
{
    (void)state;
    put(0, 101);
    interrupt("rings_take", other_takes_it);
    get_nothing(0);
    all_has_happened();
    struct ring *ring = atomic_load(&queue.head);
    assert_int_equal(atomic_load(&ring->tail), atomic_load(&ring->head));
    put(0, 102);
    assert_int_equal(atomic_load(&ring->tail), 4);
    get(0, 102);
}

static void two_in_and_one_out(void)
{
    put(0, 101);
    put(0, 102);
    get(1, 101);
}

static void test_empty_is_judged_by_the_tail_that_was_read_last(void **state)
{
    (void)state;
    interrupt("rings_head", two_in_and_one_out);
    get(0, 102);
    interrupt("rings_left", fill_a_ring_and_more);
    get(0, 101);
    all_has_happened();
    get(1, 102);
    get(1, 103);
    get_nothing(1);
}

static void other_links_first(void)
{
    put(1, 103);
}

static void test_who_loses_the_race_to_link_keeps_its_ring_and_its_item(void **state)
{
    (void)state;
    put(0, 101);
    put(0, 102);
    interrupt("rings_link", other_links_first);
    put(0, 104);
    all_has_happened();
    assert_non_null(producers[0].spare);
    for (uintptr_t item = 101; item <= 104; item++)
        get(0, item);
    put(0, 105);
    put(0, 106);
    put(0, 107); // in the ring that was kept
    for (uintptr_t item = 105; item <= 107; item++)
        get(1, item);
    get_nothing(0);
}

static void three_out(void)
{
    uintptr_t item;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(rings_dequeue(&queue, &consumers[1], &item), QUEUE_OK);
}

// More rings than can be held back are used up, so that all that can be given back is.
static void use_up_many_rings(void)
{
    for (uintptr_t i = 0; i < 1000; i++) {
        fill_a_ring_and_more();
        three_out();
    }
    uintptr_t item;
    assert_int_equal(rings_dequeue(&queue, &consumers[1], &item), QUEUE_OK);
}

static void test_a_ring_is_held_back_while_a_handle_stays_with_it(void **state)
{
    (void)state;
    put(0, 1);
    interrupt("reclaim_announce", use_up_many_rings);
    get_nothing(0); // a ring that it found before, and must not use
    all_has_happened();
    struct ring *held = consumers[0].ring;
    assert_ptr_equal(held, atomic_load(&queue.head));
    const uint64_t head = atomic_load(&held->head);
    put(0, 1);
    use_up_many_rings();
    assert_in_range(atomic_load(&held->head), head, head + 4);
}

#define STEP(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
#define RINGS_STEPS                                                             \
    STEP(test_an_unsafe_cell_is_left_alone_by_who_has_lost_its_dequeuer),       \
        STEP(test_an_enqueuer_whose_dequeuer_has_given_up_takes_another_index), \
        STEP(test_a_ring_is_looked_at_again_before_the_next_one),               \
        STEP(test_the_end_of_the_list_is_moved_before_its_head),                \
        STEP(test_indices_that_dequeuers_took_in_vain_are_passed_over),         \
        STEP(test_empty_is_judged_by_the_tail_that_was_read_last),              \
        STEP(test_who_loses_the_race_to_link_keeps_its_ring_and_its_item),      \
        STEP(test_a_ring_is_held_back_while_a_handle_stays_with_it)

#endif
