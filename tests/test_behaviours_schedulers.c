// SPDX-License-Identifier: Apache-2.0
// Several schedulers: each is told, woken and served for itself. A number (b65) is that of the behaviour in
// tests/behaviours.md; s4 are those of consuming ready queues.
#include <errno.h>

#include "core/machine/clock.h"
#include "tests/pool_rig.h"

static struct rig rig;
static struct trace trace;

static int set_up(void **state)
{
    (void)state;
    memset(&trace, 0, sizeof trace);
    rig_init(&rig, 3, 2, "list", "list");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (rig.pool)
        rig_stop(&rig);
    return 0;
}

static uint32_t flags(unsigned number)
{
    return atomic_load(&rig.pool->schedulers[number].flags);
}

static bool event_is_set(struct event *event)
{
    return atomic_load(&event->state) == 0;
}

static void work_all(void)
{
    for (unsigned i = 0; i < rig.setup.workers; i++)
        rig_work(&rig, i);
}

static void s4_only_the_scheduler_whose_job_came_home_is_told(void **state)
{
    (void)state;
    rig_man(&rig);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(rig_submit(&rig, i, NULL, &trace) > 0);
        work_all();
        for (unsigned j = 0; j < 3; j++)
            assert_int_equal(flags(j), j == i ? SCHEDULER_READY : 0);
        while (scheduler_pass(&rig.pool->schedulers[i]) == POOL_MORE) {}
    }
}

static void s4_a_sleeper_is_poked_once_and_who_runs_not_at_all(void **state)
{
    (void)state;
    rig_man(&rig);
    struct scheduler *asleep = &rig.pool->schedulers[1], *awake = &rig.pool->schedulers[2];
    atomic_store(&asleep->flags, SCHEDULER_SLEEPING);
    event_reset(&asleep->event);
    event_reset(&awake->event);
    for (unsigned i = 0; i < 10; i++) {
        for (unsigned number = 1; number < 3; number++)
            assert_true(rig_submit(&rig, number, NULL, &trace) > 0);
        work_all();
        assert_false(event_is_set(&awake->event));
        assert_int_equal(event_is_set(&asleep->event), i == 0);
        event_reset(&asleep->event); // had it been set once more, that would show
    }
    atomic_store(&asleep->flags, SCHEDULER_READY);
}

static bool came_late;

// Finds nothing, and the next moment there is something.
static int dequeue_too_early(void *queue, void *handle, uintptr_t *item)
{
    const int result = scripted_dequeue(queue, handle, item);
    if (result == QUEUE_EMPTY && !came_late) {
        came_late = true;
        assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
        rig_work(&rig, 0);
    }
    return result;
}

static void s4_what_comes_home_just_after_the_look_is_found_by_the_next(void **state)
{
    (void)state;
    static struct queue_ops ops;
    ops = scripted_queue_ops;
    ops.dequeue = dequeue_too_early;
    rig_again(&rig, 1, 1, "scripted", "scripted");
    rig_man(&rig);
    rig.scheduler->ready.consumer.ops = &ops;
    came_late = false;
    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    rig_work(&rig, 0);
    assert_int_equal(scheduler_pass(rig.scheduler), POOL_MORE);
    assert_string_equal(trace.log, "iri");
    assert_int_equal(scheduler_pass(rig.scheduler), POOL_NOTHING);
    assert_string_equal(trace.log, "irir");
}

static _Atomic unsigned woken;

static void sleep_once(void *argument)
{
    (void)argument;
    struct scheduler *self = &rig.pool->schedulers[1];
    if (scheduler_attach(self) != 0)
        return;
    scheduler_wait(self);
    atomic_store(&woken, 1);
    SPIN_UNTIL(atomic_load(&woken) == 2);
    while (scheduler_pass(self) == POOL_MORE) {}
    scheduler_detach(self);
}

// The same with one that really sleeps, by what the kernel was asked for.
static void s4_a_burst_of_completions_costs_a_sleeper_one_wake(void **state)
{
    (void)state;
    struct thread thread;
    const struct thread_options options = {.cpu = -1};
    rig_again(&rig, 2, 1, "list", "list");
    rig.config.scheduler_spin_ns = 0;
    rig_start(&rig);
    atomic_store(&woken, 0);
    struct scheduler *sleeper = &rig.pool->schedulers[1];
    assert_int_equal(thread_start(&thread, &options, sleep_once, NULL), 0);
    SPIN_UNTIL(atomic_load(&sleeper->event.state) == -1);
    for (unsigned i = 0; i < 50; i++)
        scheduler_notify(sleeper);
    SPIN_UNTIL(atomic_load(&woken) == 1);
    for (unsigned i = 0; i < 50; i++) // awake, and has not looked yet
        scheduler_notify(sleeper);
    assert_int_equal(atomic_load(&sleeper->event.wakes), 1);
    atomic_store(&woken, 2);
    thread_join(&thread);
}

static unsigned completed_in_pass;

static void count_ready(void *data)
{
    (void)data;
    completed_in_pass++;
}

static void s4_each_scheduler_completes_at_most_the_limit_a_pass(void **state)
{
    (void)state;
    rig.config.ready_limit = 4;
    rig_man(&rig);
    for (unsigned i = 0; i < 30; i++)
        assert_true(erts_pool_ops.submit(rig.pool, i % 3, NULL, trace_invoke, count_ready, &trace) > 0);
    work_all();
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 3; i++) {
            completed_in_pass = 0;
            assert_int_equal(scheduler_pass(&rig.pool->schedulers[i]), round < 2 ? POOL_MORE : POOL_NOTHING);
            assert_int_equal(completed_in_pass, round < 2 ? 4 : 2);
        }
    }
}

// Its reclamation waits for the others' progress and not for its own sleep.
static void s4_a_silent_scheduler_holds_up_reclamation_and_loses_no_job(void **state)
{
    (void)state;
    rig_again(&rig, 2, 1, "erts_mpsc", "erts_mpsc");
    rig_start(&rig);
    assert_int_equal(scheduler_attach(rig.scheduler), 0);
    struct thread thread;
    const struct thread_options options = {.cpu = -1};
    atomic_store(&woken, 0);
    assert_int_equal(thread_start(&thread, &options, sleep_once, NULL), 0);
    SPIN_UNTIL(atomic_load(&rig.pool->schedulers[1].event.state) == -1);
    scheduler_notify(&rig.pool->schedulers[1]);
    SPIN_UNTIL(atomic_load(&woken) == 1); // awake from now on, and silent
    const uint64_t later = progress_later(rig.pool->progress);
    for (unsigned i = 0; i < 500; i++) {
        assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, trace_invoke, count_ready, &(struct trace){""}) > 0);
        while (atomic_load(&rig.scheduler->ready.completed) <= i)
            scheduler_pass(rig.scheduler);
    }
    assert_false(progress_reached(rig.pool->progress, later));
    struct pool_lengths lengths;
    erts_pool_ops.lengths(rig.pool, &lengths);
    assert_true(lengths.elements >= 500); // what piles up
    atomic_store(&woken, 2);
    thread_join(&thread);
    while (!progress_reached(rig.pool->progress, later))
        scheduler_pass(rig.scheduler);
    erts_pool_ops.detach(rig.pool, 0);
}

static struct {
    unsigned log[64], count;
} order;

static void note_order(void *data)
{
    order.log[order.count++] = (unsigned)(uintptr_t)data;
}

static void b27_with_several_schedulers_invokes_keep_the_order_of_a_key_and_completions_that_of_a_home(void **state)
{
    (void)state;
    rig_man(&rig);
    order.count = 0;
    for (unsigned i = 0; i < 30; i++) {
        unsigned key = 1;
        assert_true(erts_pool_ops.submit(rig.pool, i % 3, &key, note_order, note_order, (void *)(uintptr_t)i) > 0);
    }
    work_all();
    assert_int_equal(order.count, 30);
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(order.log[i], i);
    order.count = 0;
    for (unsigned home = 3; home-- > 0;) // the last one first
        while (scheduler_pass(&rig.pool->schedulers[home]) == POOL_MORE) {}
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(order.log[i], 2 - i / 10 + i % 10 * 3);
}

static void b65_the_locks_have_their_places_in_the_order(void **state)
{
    (void)state;
    rig_man(&rig);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(rig.pool->schedulers[i].ready.lock.rank, LOCK_RANK_READY);
        assert_int_equal(rig.pool->schedulers[i].ready.lock.number, i);
    }
    assert_int_equal(rig.pool->ports.ports[0].lock.rank, LOCK_RANK_PORT);
    assert_int_equal(rig.pool->ports.lock.rank, LOCK_RANK_PORT_TABLE);
    struct port_data_lock *data_lock = port_data_lock_create(&memory_system);
    assert_int_equal(data_lock->lock.rank, LOCK_RANK_PORT_DATA);
    port_data_lock_release(data_lock);
    assert_true(LOCK_RANK_PORT < LOCK_RANK_PORT_DATA && LOCK_RANK_PORT_DATA < LOCK_RANK_READY);
}

static struct port_data_lock *data_lock;
static struct driver_handle handle;

static void note_held(char letter)
{
    trace_note(&trace, letter);
    trace_note(&trace, (char)('0' + atomic_load(&data_lock->references)));
}

static void invoke_and_note(void *data)
{
    (void)data;
    note_held('i');
}

static void ready_and_note(struct port *port, const struct job *job)
{
    (void)port;
    (void)job;
    note_held('r');
}

static void unload(struct driver_handle *unloaded)
{
    (void)unloaded;
}

// The original's manual has it end with invoke.
static void b66_the_data_lock_is_held_until_the_callback_has_run(void **state)
{
    (void)state;
    struct lock_node node;
    const struct driver driver = {.name = "noting", .ready_async = ready_and_note, .handle = &handle};
    struct job_call call = {.invoke = invoke_and_note};
    rig_man(&rig);
    driver_handle_init(&handle, unload);
    data_lock = port_data_lock_create(&memory_system);
    assert_int_equal(port_open(&rig.pool->ports, &driver, NULL, data_lock, &call.port), 0);
    struct port *port = port_acquire(&rig.pool->ports, call.port, &node);
    assert_true(pool_async(&rig.scheduler->submitter, &call, NULL) > 0);
    port_release(port, &node);
    work_all();
    note_held('w');
    while (scheduler_pass(rig.scheduler) == POOL_MORE) {}
    note_held('e');
    assert_string_equal(trace.log, "i3w3r3e2"); // the test, the port and the job
    rig_stop(&rig);
    rig.pool = NULL;
    port_data_lock_release(data_lock);
}

// An event serves one purpose: what wakes a worker for a job must not be eaten by its wait for something else. In the
// original of 2020 the slow path of locks did that.
static void a_wake_for_a_job_outlives_the_wait_for_room(void **state)
{
    (void)state;
    rig_again(&rig, 1, 1, "scripted", "scripted");
    rig.ready_script.capacity = 1;
    rig_man(&rig);
    for (unsigned i = 0; i < 2; i++)
        assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    assert_true(event_is_set(&rig.worker->event));
    assert_int_equal(worker_step(rig.worker), WORKER_NO_ROOM);
    assert_true(event_is_set(&rig.worker->event));
    assert_false(event_is_set(&rig.worker->room));
    event_reset(&rig.worker->event);
    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    assert_true(event_is_set(&rig.worker->event));
    assert_false(event_is_set(&rig.worker->room)); // and a job is no room
    scheduler_pass(rig.scheduler);
    assert_true(event_is_set(&rig.worker->room));
}

static void let_progress_happen(void)
{
    for (unsigned i = 0; i < 4; i++)
        progress_update(rig.scheduler->progress);
}

// When all that is in the queue is free to go once consumed, the queue's own marker goes in behind, and more comes
// behind that. It is no end. What the test misses it takes out all the same, or the pool could not be stopped.
static void the_originals_queue_is_never_empty_with_an_item_behind_its_marker(void **state)
{
    (void)state;
    unsigned missed = 0;
    uintptr_t item;
    uint64_t progress;
    rig_again(&rig, 1, 1, "erts_mpsc", "erts_mpsc");
    rig.config.freeing = POOL_FREEING_AUTOMATIC;
    rig_man(&rig);
    struct queue_client *consumer = &rig.worker->consumer;
    for (uintptr_t i = 1; i <= 25; i++) {
        assert_int_equal(queue_enqueue(rig.scheduler->submitter.jobs, i), QUEUE_OK);
        if (i == 20) {
            for (unsigned taken = 0; taken < 5; taken++) {
                missed += queue_dequeue(consumer, &item) != QUEUE_OK;
                let_progress_happen();
            }
        }
    }
    for (item = 0; item < 25;) {
        if (queue_dequeue(consumer, &item) != QUEUE_OK) {
            missed++;
            queue_inspect(consumer, true, &progress);
        }
    }
    assert_int_equal(missed, 0);
}

int main(void)
{
    clock_calibrate();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(s4_only_the_scheduler_whose_job_came_home_is_told),
        TEST(s4_a_sleeper_is_poked_once_and_who_runs_not_at_all),
        TEST(s4_what_comes_home_just_after_the_look_is_found_by_the_next),
        TEST(s4_a_burst_of_completions_costs_a_sleeper_one_wake),
        TEST(s4_each_scheduler_completes_at_most_the_limit_a_pass),
        TEST(s4_a_silent_scheduler_holds_up_reclamation_and_loses_no_job),
        TEST(b27_with_several_schedulers_invokes_keep_the_order_of_a_key_and_completions_that_of_a_home),
        TEST(b65_the_locks_have_their_places_in_the_order),
        TEST(b66_the_data_lock_is_held_until_the_callback_has_run),
        TEST(a_wake_for_a_job_outlives_the_wait_for_room),
        TEST(the_originals_queue_is_never_empty_with_an_item_behind_its_marker),
    };
    return cmocka_run_group_tests_name("behaviours schedulers", tests, NULL, NULL);
}
