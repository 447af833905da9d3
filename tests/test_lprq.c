// SPDX-License-Identifier: Apache-2.0
// Threads of lprq that are interrupted where it hurts; see rings_steps.h.
#define RINGS_SOURCE "queues/lprq.c"
#define RINGS_OPS lprq_queue_ops
#define RINGS_PUT "lprq_turn"
#define RINGS_TAKE "lprq_now"
#include "tests/rings_steps.h"

static void give_up_on_1_again(void)
{
    get_nothing(0);
}

static void test_a_dequeuer_can_give_up_at_each_step_of_the_enqueuer(void **state)
{
    (void)state;
    static const char *const steps[] = {"lprq_free", "lprq_book", "lprq_move", "lprq_put"};
    for (unsigned i = 0; i < 4; i++) {
        interrupt(steps[i], give_up_on_1_again);
        put(0, 101 + i);
        all_has_happened();
        get(1, 101 + i);
        get_nothing(1);
    }
}

static void two_more_and_the_second_in_the_cell_of_1(void)
{
    put(1, 102);
    put(1, 103);
}

static void find_turn_1_and_then_item_103(void)
{
    interrupt("lprq_item", two_more_and_the_second_in_the_cell_of_1);
    get(0, 102);
}

static void test_a_cell_that_went_to_a_later_item_while_it_was_read(void **state)
{
    (void)state;
    interrupt("lprq_put", find_turn_1_and_then_item_103);
    put(0, 101);
    all_has_happened();
    get(0, 103);
    get(0, 101);
    get_nothing(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RINGS_STEPS,
        STEP(test_a_dequeuer_can_give_up_at_each_step_of_the_enqueuer),
        STEP(test_a_cell_that_went_to_a_later_item_while_it_was_read),
    };
    return cmocka_run_group_tests_name("lprq", tests, NULL, NULL);
}
