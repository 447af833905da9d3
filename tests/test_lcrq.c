// SPDX-License-Identifier: Apache-2.0
// Threads of lcrq that are interrupted where it hurts; see rings_steps.h.
#define RINGS_SOURCE "queues/lcrq.c"
#define RINGS_OPS lcrq_queue_ops
#define RINGS_PUT "lcrq_guess"
#define RINGS_TAKE "lcrq_now"
#include "tests/rings_steps.h"

// The enqueuer of index 5, which had looked at its cell before the dequeuer of 5 set out, swaps its item in between
// that one's two looks.
static void enqueuer_of_5_swaps(void)
{
    struct ring *ring = atomic_load(&queue.head);
    assert_true(word_pair_swap(ring_cell(&queue, ring, 5), 0, RINGS_UNSAFE | 1, 105, 5));
}

static void test_two_words_that_were_not_there_at_once_are_not_believed(void **state)
{
    (void)state;
    put(0, 101);
    put(0, 102);
    interrupt(RINGS_PUT, take_slowly);
    put(1, 104); // index 3 came to nothing, and left its cell unsafe, of turn 1
    all_has_happened();
    get(0, 104);
    struct ring *ring = atomic_load(&queue.head);
    assert_int_equal(atomic_fetch_add(&ring->tail, 1), 5);
    interrupt("lcrq_item", enqueuer_of_5_swaps);
    get(1, 105);
    all_has_happened();
    get_nothing(0);
}

// Retired rings are looked at the sooner the more cells they have.
static void test_few_big_rings_wait(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {2, 32768};
    for (unsigned i = 0; i < 2; i++) {
        struct fault fault = {""};
        const struct rings_config config = {.ring = sizes[i], .reclaim = RECLAIM_HAZARD};
        check_env_init(&env, &RINGS_OPS, NULL);
        assert_int_equal(rings_init(&queue, &env.env, &config), 0);
        assert_int_equal(queue.reclaim.pause == 1, i == 1);
        rings_fini(&queue);
        assert_int_equal(check_env_fini(&env, &fault), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RINGS_STEPS,
        cmocka_unit_test_setup_teardown(test_two_words_that_were_not_there_at_once_are_not_believed, set_up, tear_down),
        cmocka_unit_test(test_few_big_rings_wait),
    };
    return cmocka_run_group_tests_name("lcrq", tests, NULL, NULL);
}
