// SPDX-License-Identifier: Apache-2.0
// Threads of flat_combining that meet where it hurts: at the front of the publication list, and between the answer and
// the lock.
#include "tests/access_steps.h"

#include "core/check/conformance/env.h"
#include "queues/flat_combining.c"

#define RECORDS 3u

static struct check_env env;
static struct flat queue;
static struct flat_record records[RECORDS];

static int set_up(void **state)
{
    (void)state;
    const struct flat_config config = {.rounds = 1};
    forget_plans();
    check_env_init(&env, &flat_combining_queue_ops, NULL);
    memset(records, 0, sizeof records);
    assert_int_equal(flat_init(&queue, &env.env, &config), 0);
    for (unsigned i = 0; i < RECORDS; i++)
        assert_int_equal(flat_attach(&queue, &records[i], QUEUE_PRODUCER, QUEUE_UNMANAGED), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    struct fault fault = {""};
    flat_fini(&queue);
    if (check_env_fini(&env, &fault) != 0)
        print_error("%s\n", fault.text);
    return fault.text[0] ? -1 : 0;
}

static bool is_listed(const struct flat_record *record)
{
    for (const struct flat_record *at = at_load_rlx(&queue.front); at; at = at->next)
        if (at == record)
            return true;
    return false;
}

static void list_second(void)
{
    flat_list(&queue, &records[1]);
}

static void test_a_record_is_listed_while_another_is(void **state)
{
    (void)state;
    interrupt("flat_add", list_second);
    flat_list(&queue, &records[0]);
    all_has_happened();
    assert_true(is_listed(&records[0]));
    assert_true(is_listed(&records[1]));
}

static void test_a_record_is_listed_while_the_one_in_front_goes(void **state)
{
    (void)state;
    flat_list(&queue, &records[0]);
    interrupt("flat_drop", list_second);
    flat_detach(&queue, &records[0]);
    all_has_happened();
    assert_false(is_listed(&records[0]));
    assert_true(is_listed(&records[1]));
}

// The lock's holder, which goes by the published once.
static void serve(void)
{
    flat_pass(&queue, ++queue.items.passes);
}

static void serve_and_leave(void)
{
    serve();
    at_store_rlx(&queue.held, 0);
}

static void test_what_was_answered_before_the_lock_is_not_done_again(void **state)
{
    (void)state;
    uintptr_t item = 0;
    flat_list(&queue, &records[0]);
    at_store_rlx(&queue.held, 1);
    interrupt("flat_await", serve_and_leave);
    assert_int_equal(flat_enqueue(&queue, &records[0], 5), QUEUE_OK);
    all_has_happened();

    // The lock is seen free, and the answer comes before it is taken.
    at_store_rlx(&records[0].wanted, FLAT_NOTHING);
    interrupt("flat_take", serve);
    records[0].element = NULL;
    assert_int_equal(flat_length(&queue), 1);
    struct element *e = flat_publish(&queue, &records[0], FLAT_GET, NULL);
    all_has_happened();
    assert_non_null(e);
    assert_int_equal(e->item, 5);
    flat_discard(&queue, e);
    assert_int_equal(flat_length(&queue), 0);
    assert_int_equal(flat_dequeue(&queue, &records[1], &item), QUEUE_EMPTY);
}

static void take_idle_off(void)
{
    queue.items.passes += FLAT_PASSES_BETWEEN;
    flat_unlist_idle(&queue, queue.items.passes);
}

static void test_an_idle_record_goes_and_comes_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RECORDS; i++)
        flat_list(&queue, &records[i]);
    take_idle_off();
    assert_false(is_listed(&records[0]));
    assert_false(is_listed(&records[1]));
    assert_true(is_listed(&records[2]));
    assert_int_equal(at_load_rlx(&records[0].listed), 0);

    // Taken off between the decision to wait and the wait; it must list itself to be served.
    flat_list(&queue, &records[0]);
    flat_list(&queue, &records[1]);
    at_store_rlx(&queue.held, 1);
    interrupt("flat_want", take_idle_off);
    interrupt("flat_await", serve_and_leave);
    assert_int_equal(flat_enqueue(&queue, &records[0], 7), QUEUE_OK);
    all_has_happened();
    assert_true(is_listed(&records[0]));
    assert_int_equal(flat_length(&queue), 1);
    at_store_rlx(&queue.held, 0);
    for (unsigned i = 0; i < RECORDS; i++)
        flat_detach(&queue, &records[i]);
    assert_null(at_load_rlx(&queue.front));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_record_is_listed_while_another_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_record_is_listed_while_the_one_in_front_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_answered_before_the_lock_is_not_done_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_idle_record_goes_and_comes_back, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("flat_combining races", tests, NULL, NULL);
}
