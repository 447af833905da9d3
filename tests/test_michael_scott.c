// SPDX-License-Identifier: Apache-2.0
// Threads of michael_scott that are interrupted where it hurts: between linking and moving `tail`, and between finding
// a node and announcing it.
#include "tests/step_hooks.h"
// After the hooks.
#include "queues/michael_scott.c"

static struct check_env env;
static struct ms queue;
static struct ms_handle producers[2], consumers[2];

static void open_queue(enum reclaim_kind kind)
{
    const struct ms_config config = {.reclaim = kind};
    memset(plans, 0, sizeof plans);
    check_env_init(&env, &michael_scott_queue_ops, NULL);
    assert_int_equal(ms_init(&queue, &env.env, &config), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(ms_attach(&queue, &producers[i], QUEUE_PRODUCER, QUEUE_UNMANAGED), 0);
        assert_int_equal(ms_attach(&queue, &consumers[i], QUEUE_CONSUMER, QUEUE_UNMANAGED), 0);
    }
}

static void close_queue(void)
{
    struct fault fault = {""};
    all_has_happened();
    for (unsigned i = 0; i < 2; i++) {
        ms_detach(&queue, &producers[i]);
        ms_detach(&queue, &consumers[i]);
    }
    ms_fini(&queue);
    if (check_env_fini(&env, &fault) != 0)
        fail_msg("%s", fault.text);
}

static void put(unsigned producer, uintptr_t item)
{
    assert_int_equal(ms_enqueue(&queue, &producers[producer], item), QUEUE_OK);
}

static void get(unsigned consumer, uintptr_t expected)
{
    uintptr_t item = 0;
    assert_int_equal(ms_dequeue(&queue, &consumers[consumer], &item), QUEUE_OK);
    assert_int_equal(item, expected);
}

static void get_nothing(void)
{
    uintptr_t item = 77;
    assert_int_equal(ms_dequeue(&queue, &consumers[0], &item), QUEUE_EMPTY);
    assert_int_equal(item, 77);
}

static void take_the_only_one(void)
{
    get(0, 1);
    assert_ptr_equal(at_load_rlx(&queue.tail), at_load_rlx(&queue.head));
    get_nothing();
    put(1, 2);
}

static void test_tail_does_not_stay_at_a_node_that_is_gone(void **state)
{
    (void)state;
    for (unsigned kind = RECLAIM_HAZARD; kind <= RECLAIM_LEAK; kind++) {
        open_queue(kind);
        interrupt("ms_tail_move", take_the_only_one);
        put(0, 1);
        get(0, 2);
        get_nothing();
        close_queue();
    }
}

static void overtake(void)
{
    put(1, 2);
}

static void test_an_overtaken_producer_links_behind(void **state)
{
    (void)state;
    open_queue(RECLAIM_HAZARD);
    interrupt("ms_link", overtake);
    put(0, 1);
    get(0, 2);
    get(0, 1);
    get_nothing();
    close_queue();
}

static void help_and_overtake(void)
{
    put(1, 2);
    assert_int_equal(at_load_rlx(&queue.tail)->item, 2);
}

static void test_who_finds_tail_behind_moves_it(void **state)
{
    (void)state;
    open_queue(RECLAIM_HAZARD);
    interrupt("ms_tail_move", help_and_overtake);
    put(0, 1);
    assert_int_equal(at_load_rlx(&queue.tail)->item, 2);
    get(0, 1);
    get(0, 2);
    get_nothing();
    close_queue();
}

static bool looked_again;

static void note_the_look(void)
{
    looked_again = true;
}

static void must_have_looked_again(void)
{
    assert_true(looked_again);
}

// What the first consumer found behind the dummy is dequeued, and freed, before the consumer announces it.
static void free_what_was_found(void)
{
    const uint64_t given = at_load_rlx(&env.given);
    for (uintptr_t item = 1; item <= 3; item++) {
        consumers[1].record->look_at = 1;
        get(1, item);
    }
    assert_int_equal(at_load_rlx(&env.given) - given, 1);
    interrupt("ms_head", note_the_look);
    interrupt("ms_next_next", must_have_looked_again);
}

// Before the second announcement: the first one is of the dummy.
static void wait_for_second(void)
{
    interrupt("reclaim_announce", free_what_was_found);
}

static void test_a_node_that_was_gone_by_its_announcement_is_left_alone(void **state)
{
    (void)state;
    open_queue(RECLAIM_HAZARD);
    for (uintptr_t item = 1; item <= 4; item++)
        put(0, item);
    interrupt("reclaim_announce", wait_for_second);
    get(0, 4);
    get_nothing();
    close_queue();
}

static bool announces(const struct reclaim_record *record, const void *node)
{
    bool found = false;
    for (unsigned i = 0; i < RECLAIM_HAZARDS; i++)
        found |= at_load_rlx(&record->hazards[i]) == node;
    return found;
}

static unsigned announcements;

static void count_announcement(void)
{
    announcements++;
    interrupt("reclaim_announce", count_announcement);
}

static void look_at_announcements(void)
{
    const struct element *tail = at_load_rlx(&queue.tail);
    assert_true(announces(producers[0].record, tail));
    assert_true(announces(producers[0].record, at_load_rlx(&tail->next)));
}

static void test_a_node_is_announced_before_it_is_linked(void **state)
{
    (void)state;
    open_queue(RECLAIM_HAZARD);
    interrupt("ms_tail_move", look_at_announcements);
    put(0, 1);
    all_has_happened();
    interrupt("reclaim_announce", count_announcement);
    for (uintptr_t item = 2; item <= 5; item++)
        put(0, item);
    assert_int_equal(announcements, 0);
    for (uintptr_t item = 1; item <= 5; item++)
        get(0, item);
    // The dummy once, and then each successor.
    assert_int_equal(announcements, 6);
    memset(plans, 0, sizeof plans);
    close_queue();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tail_does_not_stay_at_a_node_that_is_gone),
        cmocka_unit_test(test_an_overtaken_producer_links_behind),
        cmocka_unit_test(test_who_finds_tail_behind_moves_it),
        cmocka_unit_test(test_a_node_that_was_gone_by_its_announcement_is_left_alone),
        cmocka_unit_test(test_a_node_is_announced_before_it_is_linked),
    };
    return cmocka_run_group_tests_name("michael_scott", tests, NULL, NULL);
}
