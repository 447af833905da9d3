// SPDX-License-Identifier: Apache-2.0
// What a callback, which holds its port's lock, may ask of the pool: anything about its own port, even when that has
// just died, and nothing that could make two threads wait for each other. Nothing here may hang.
#include <errno.h>

#include "tests/pool_rig.h"

static struct rig rig;
static struct pool_driver *driver;
static uint64_t own, other;
static long answers[8];
static unsigned answer_count;

static const struct pool_port_ops *ports(void)
{
    return erts_pool_ops.ports;
}

static void note(long answer)
{
    answers[answer_count++] = answer;
}

static void do_nothing(void *data)
{
    (void)data;
}

static void submit_to(uint64_t port)
{
    const struct pool_port_job job = {.port = port, .invoke = do_nothing};
    note(ports()->submit(rig.pool, 0, &job, NULL));
}

static int set_up(void **state)
{
    (void)state;
    answer_count = 0;
    rig_init(&rig, 1, 1, "list", "list");
    rig_man(&rig);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_stop(&rig);
    return 0;
}

static void open_ports(const struct pool_driver_ops *ops)
{
    driver = ports()->load(rig.pool, ops, NULL);
    assert_non_null(driver);
    assert_int_equal(ports()->open(rig.pool, driver, NULL, false, &other), 0);
    assert_int_equal(ports()->open(rig.pool, driver, NULL, false, &own), 0);
    ports()->unload(rig.pool, driver);
}

static void run_one(void (*free)(void *data))
{
    const struct pool_port_job job = {.port = own, .invoke = do_nothing, .free = free};
    assert_true(ports()->submit(rig.pool, 0, &job, NULL) > 0);
    rig_work(&rig, 0);
    erts_pool_ops.pass(rig.pool, 0);
}

static void ask_from_stop(uint64_t port, void *data)
{
    (void)data;
    note(ports()->close(rig.pool, port, false));
    submit_to(port);
}

static void a_port_that_dies_is_no_port_to_its_own_stop(void **state)
{
    (void)state;
    static const struct pool_driver_ops ops = {.name = "asks", .stop = ask_from_stop};
    open_ports(&ops);
    assert_int_equal(ports()->close(rig.pool, own, false), 0);
    assert_int_equal(answer_count, 2);
    assert_int_equal(answers[0], -EINVAL);
    assert_int_equal(answers[1], -EINVAL);
}

static void close_twice_and_submit(void *data)
{
    (void)data;
    note(ports()->close(rig.pool, own, false));
    note(ports()->close(rig.pool, own, false));
    submit_to(own);
}

static void free_may_close_its_port_which_dies_after_it(void **state)
{
    (void)state;
    static const struct pool_driver_ops mute = {.name = "mute"};
    open_ports(&mute);
    run_one(close_twice_and_submit);
    assert_int_equal(answers[0], 0);
    assert_int_equal(answers[1], 0); // still dying
    assert_true(answers[2] > 0);
    rig_work(&rig, 0);
    erts_pool_ops.pass(rig.pool, 0);
    assert_int_equal(ports()->close(rig.pool, own, false), -EINVAL);
}

static void turn_to_others(uint64_t port, void *port_data, void *data)
{
    (void)port_data;
    (void)data;
    assert_int_equal(port, own);
    submit_to(own);
    submit_to(other); // comes before its own
    note(ports()->close(rig.pool, other, false));
    note(erts_pool_ops.submit(rig.pool, 0, NULL, do_nothing, do_nothing, NULL));
    uint64_t opened;
    note(ports()->open(rig.pool, driver, NULL, false, &opened));
}

static void a_callback_is_refused_what_could_end_in_a_deadlock(void **state)
{
    (void)state;
    static const struct pool_driver_ops ops = {.name = "turns", .ready = turn_to_others};
    open_ports(&ops);
    rig.scheduler->ready.limit = 1;
    run_one(NULL);
    assert_int_equal(answer_count, 5);
    assert_true(answers[0] > 0);
    for (unsigned i = 1; i < 5; i++)
        assert_int_equal(answers[i], -EDEADLK);
    ports()->close(rig.pool, own, false); // the job under way ends with nothing to call
}

static void ports_may_be_released_in_any_order(void **state)
{
    (void)state;
    static const struct pool_driver_ops mute = {.name = "mute"};
    struct lock_node nodes[2];
    open_ports(&mute);
    struct port *first = port_acquire(&rig.pool->ports, other, &nodes[0]);
    struct port *second = port_acquire(&rig.pool->ports, own, &nodes[1]);
    port_release(first, &nodes[0]);
    const bool still = port_holds_any(&rig.pool->ports);
    submit_to(other);
    port_release(second, &nodes[1]);
    assert_true(still); // only now, as a test that ends with a port locked hangs
    assert_int_equal(answers[0], -EDEADLK);
    assert_false(port_holds_any(&rig.pool->ports));
    submit_to(other);
    assert_true(answers[1] > 0);
}

static void default_ports_have_places_of_their_own(void **state)
{
    (void)state;
    static const struct pool_driver_ops mute = {.name = "mute"};
    open_ports(&mute);
    uint64_t port;
    for (unsigned i = 2; i < rig.setup.ports; i++)
        assert_int_equal(ports()->open(rig.pool, driver, NULL, false, &port), 0);
    assert_int_equal(ports()->open(rig.pool, driver, NULL, false, &port), -ENFILE);
    erts_pool_ops.detach(rig.pool, 0);
    assert_int_equal(ports()->open(rig.pool, driver, NULL, false, &port), -ENFILE);
}

static void a_thread_is_one_scheduler_only(void **state)
{
    (void)state;
    struct rig two;
    rig_init(&two, 2, 1, "list", "list");
    rig_start(&two);
    assert_int_equal(erts_pool_ops.attach(two.pool, 0), 0);
    assert_int_equal(erts_pool_ops.attach(two.pool, 1), -EBUSY);
    erts_pool_ops.detach(two.pool, 0);
    assert_int_equal(erts_pool_ops.attach(two.pool, 1), 0);
    rig_stop(&two);
}

static void a_ready_queue_that_may_say_full_for_nothing_is_refused(void **state)
{
    (void)state;
    struct rig bounded;
    rig_init(&bounded, 1, 1, "list", "list:capacity=4");
    bounded.ready_queue.traits.full_exact = false;
    assert_int_equal(rig_try(&bounded), -EINVAL);
    assert_non_null(strstr(bounded.fault.text, "trait full_exact"));
    rig_forget_choices(&bounded);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_port_that_dies_is_no_port_to_its_own_stop),
        TEST(free_may_close_its_port_which_dies_after_it),
        TEST(a_callback_is_refused_what_could_end_in_a_deadlock),
        TEST(ports_may_be_released_in_any_order),
        TEST(default_ports_have_places_of_their_own),
        TEST(a_thread_is_one_scheduler_only),
        TEST(a_ready_queue_that_may_say_full_for_nothing_is_refused),
    };
    return cmocka_run_group_tests_name("pool_ports", tests, NULL, NULL);
}
