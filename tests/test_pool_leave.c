// SPDX-License-Identifier: Apache-2.0
// Leaving a pool while others are still at it: each wait is met by a thread that is held at just that point.
#include <errno.h>

#include "tests/pool_rig.h"

extern const struct queue_ops list_queue_ops;

static struct rig rig;

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig, 1, 1, "list", "list");
    return 0;
}

static void nothing(void *data)
{
    (void)data;
}

// Long enough for a thread that does not wait as it should to go on and do harm.
static void dawdle(void)
{
    for (unsigned i = 0; i < 2000; i++)
        thread_yield();
}

// A job queue whose enqueue does not return before the pool is closing.
static _Atomic unsigned inside;

static int enqueue_late(void *queue, void *handle, uintptr_t item)
{
    atomic_store(&inside, 1);
    SPIN_UNTIL(atomic_load(&rig.pool->closing));
    dawdle();
    return list_queue_ops.enqueue(queue, handle, item);
}

static long late_id;

static void submit_late(void *argument)
{
    (void)argument;
    erts_pool_ops.attach(rig.pool, 0);
    late_id = erts_pool_ops.submit(rig.pool, 0, NULL, nothing, nothing, NULL);
    erts_pool_ops.detach(rig.pool, 0);
}

static void stop_waits_for_who_is_inside_submit(void **state)
{
    (void)state;
    struct thread thread;
    struct pool_statistics statistics;
    const struct thread_options options = {.cpu = -1};
    struct queue_entry entry = *rig.job_queue.entry;
    struct queue_ops ops = list_queue_ops;
    ops.enqueue = enqueue_late;
    entry.ops = &ops;
    rig.job_queue.entry = &entry;
    atomic_store(&inside, 0);
    rig_start(&rig);
    assert_int_equal(thread_start(&thread, &options, submit_late, NULL), 0);
    SPIN_UNTIL(atomic_load(&inside));
    const int result = erts_pool_ops.stop(rig.pool, &statistics, &rig.fault);
    thread_join(&thread);
    rig_forget_choices(&rig);
    if (result != 0)
        fail_msg("%s", rig.fault.text);
    assert_int_equal(late_id, 1);
    assert_int_equal(statistics.invoked, 1);
    assert_int_equal(statistics.completed, 1);
}

// An external submitter that submits only once its home is about to leave.
static struct {
    struct thread thread;
    struct job_call call;
    _Atomic unsigned attached, home_leaves;
    long id;
    unsigned completed;
} external;

static void external_ready(void *data)
{
    (void)data;
    external.completed++;
}

static void external_body(void *argument)
{
    (void)argument;
    struct lock_node node;
    pool_attach_external(rig.pool, 0);
    atomic_store(&external.attached, 1);
    SPIN_UNTIL(atomic_load(&external.home_leaves));
    dawdle();
    struct port *port = port_acquire(&rig.pool->ports, external.call.port, &node);
    external.id = pool_async(rig.pool->externals, &external.call, NULL);
    port_release(port, &node);
    pool_detach_external(rig.pool, 0);
}

static void b19_the_home_of_externals_waits_for_them_and_their_jobs(void **state)
{
    (void)state;
    const struct thread_options options = {.cpu = -1};
    memset(&external, 0, sizeof external);
    rig.setup.externals = 1;
    rig_start(&rig);
    external.call = (struct job_call){.invoke = nothing, .ready = external_ready};
    assert_int_equal(port_open(&rig.pool->ports, &pool_driver, NULL, NULL, &external.call.port), 0);
    assert_int_equal(erts_pool_ops.attach(rig.pool, 0), 0);
    assert_int_equal(thread_start(&external.thread, &options, external_body, NULL), 0);
    SPIN_UNTIL(atomic_load(&external.attached));
    atomic_store(&external.home_leaves, 1);
    erts_pool_ops.detach(rig.pool, 0);
    assert_int_equal(external.completed, 1);
    thread_join(&external.thread);
    assert_int_equal(external.id, 1);
    assert_int_equal(pool_attach_external(rig.pool, 0), -ESHUTDOWN); // nobody would take its jobs home
    rig_stop(&rig);
}

static void an_external_is_one_thread_at_a_time(void **state)
{
    (void)state;
    rig.setup.externals = 1;
    rig_man(&rig);
    assert_int_equal(pool_attach_external(rig.pool, 0), 0);
    assert_int_equal(pool_attach_external(rig.pool, 0), -EBUSY);
    pool_detach_external(rig.pool, 0);
    assert_int_equal(pool_attach_external(rig.pool, 0), 0);
    pool_detach_external(rig.pool, 0);
    rig_stop(&rig);
}

// Stop must not free the pool under a scheduler that is on its way out.
static _Atomic unsigned leavers;

static void attach_and_leave(void *argument)
{
    const unsigned number = (unsigned)(uintptr_t)argument;
    erts_pool_ops.attach(rig.pool, number);
    atomic_fetch_add(&leavers, 1);
    SPIN_UNTIL(atomic_load(&rig.pool->closing));
    erts_pool_ops.detach(rig.pool, number);
}

static void stop_waits_for_schedulers_that_leave(void **state)
{
    (void)state;
    struct thread threads[3];
    const struct thread_options options = {.cpu = -1};
    rig_forget_choices(&rig);
    for (unsigned round = 0; round < ROUNDS(200); round++) {
        rig_init(&rig, 3, 1, "erts_mpsc", "erts_mpsc");
        atomic_store(&leavers, 0);
        rig_start(&rig);
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(thread_start(&threads[i], &options, attach_and_leave, (void *)(uintptr_t)i), 0);
        SPIN_UNTIL(atomic_load(&leavers) == 3);
        rig_stop(&rig);
        for (unsigned i = 0; i < 3; i++)
            thread_join(&threads[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(stop_waits_for_who_is_inside_submit, set_up),
        cmocka_unit_test_setup(b19_the_home_of_externals_waits_for_them_and_their_jobs, set_up),
        cmocka_unit_test_setup(an_external_is_one_thread_at_a_time, set_up),
        cmocka_unit_test_setup(stop_waits_for_schedulers_that_leave, set_up),
    };
    return cmocka_run_group_tests_name("pool leave", tests, NULL, NULL);
}
