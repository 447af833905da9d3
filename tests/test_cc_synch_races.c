// SPDX-License-Identifier: Apache-2.0
// Threads of cc_synch that meet where it hurts: a request that was told is used again at once, and the role of who
// serves goes on to one that waits, or to a blank. The others' parts are done by hand, up to where they would wait.
#include "tests/access_steps.h"

#include "core/check/conformance/env.h"
#include "queues/cc_synch.c"

static struct check_env env;
static struct cc_queue queue;
static struct cc_handle first, second, third, consumer;

static int open_queue(uint64_t most)
{
    const struct cc_config config = {.most = most};
    forget_plans();
    check_env_init(&env, &cc_synch_queue_ops, NULL);
    assert_int_equal(cc_init(&queue, &env.env, &config), 0);
    assert_int_equal(cc_attach(&queue, &first, QUEUE_PRODUCER, QUEUE_UNMANAGED), 0);
    assert_int_equal(cc_attach(&queue, &second, QUEUE_PRODUCER, QUEUE_UNMANAGED), 0);
    assert_int_equal(cc_attach(&queue, &third, QUEUE_PRODUCER, QUEUE_UNMANAGED), 0);
    return cc_attach(&queue, &consumer, QUEUE_CONSUMER, QUEUE_UNMANAGED);
}

static int set_up(void **state)
{
    (void)state;
    return open_queue(64);
}

static int set_up_for_two(void **state)
{
    (void)state;
    return open_queue(2);
}

static int tear_down(void **state)
{
    (void)state;
    struct fault fault = {""};
    cc_fini(&queue);
    if (check_env_fini(&env, &fault) != 0)
        print_error("%s\n", fault.text);
    return fault.text[0] ? -1 : 0;
}

// An enqueue up to where it waits.
static void announce(struct cc_handle *h, uintptr_t item)
{
    struct element *e = env.env.element_take(env.env.context);
    struct cc_request *blank = h->request;
    at_init(&e->next, NULL);
    e->item = item;
    at_store_rlx(&blank->next, NULL);
    at_store_rlx(&blank->told, CC_WAIT);
    h->request = atomic_exchange(&queue.lines[QUEUE_PRODUCER].tail, blank);
    h->request->element = e;
    at_store_rlx(&h->request->next, blank);
}

static void expect(uintptr_t item)
{
    uintptr_t found = 0;
    assert_int_equal(cc_dequeue(&queue, &consumer, &found), QUEUE_OK);
    assert_int_equal(found, item);
}

static void announce_second(void)
{
    announce(&second, 2);
}

static void announce_third(void)
{
    announce(&third, 3);
}

static void announce_second_again(void)
{
    assert_int_equal(at_load_rlx(&second.request->told), CC_DONE);
    announce(&second, 4);
}

static void test_a_request_told_done_is_used_again_at_once(void **state)
{
    (void)state;
    interrupt("cc_await", announce_second);
    interrupt("cc_follow", announce_third);
    interrupt("cc_follow", announce_second_again);
    assert_int_equal(cc_enqueue(&queue, &first, 1), QUEUE_OK);
    all_has_happened();
    assert_int_equal(cc_length(&queue), 4);
    const uintptr_t items[] = {1, 2, 3, 4};
    for (unsigned i = 0; i < sizeof items / sizeof items[0]; i++)
        expect(items[i]);
}

static void test_after_so_many_the_next_in_line_serves(void **state)
{
    (void)state;
    interrupt("cc_await", announce_second);
    interrupt("cc_follow", announce_third);
    assert_int_equal(cc_enqueue(&queue, &first, 1), QUEUE_OK);
    all_has_happened();
    assert_int_equal(at_load_rlx(&second.request->told), CC_DONE);
    assert_int_equal(at_load_rlx(&third.request->told), CC_SERVE);
    assert_int_equal(cc_length(&queue), 2);
    cc_serve(&queue, QUEUE_PRODUCER, third.request);
    expect(1);
    expect(2);
    expect(3);
}

static void test_a_blank_told_to_serve_is_served_by_who_fills_it_in(void **state)
{
    (void)state;
    for (uintptr_t item = 1; item <= 5; item++) {
        struct cc_request *blank = at_load_rlx(&queue.lines[QUEUE_PRODUCER].tail);
        assert_int_equal(at_load_rlx(&blank->told), CC_SERVE);
        assert_int_equal(cc_enqueue(&queue, item % 2 ? &first : &second, item), QUEUE_OK);
        assert_ptr_not_equal(at_load_rlx(&queue.lines[QUEUE_PRODUCER].tail), blank);
    }
    for (uintptr_t item = 1; item <= 5; item++)
        expect(item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_request_told_done_is_used_again_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_after_so_many_the_next_in_line_serves, set_up_for_two, tear_down),
        cmocka_unit_test_setup_teardown(test_a_blank_told_to_serve_is_served_by_who_fills_it_in, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("cc_synch races", tests, NULL, NULL);
}
