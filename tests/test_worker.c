// SPDX-License-Identifier: Apache-2.0
// The async worker, step by step, on queues that say what was asked of them. A number (b36) is that of the
// behaviour in tests/behaviours.md.
#include <errno.h>

#include "tests/pool_rig.h"

static struct rig rig;

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig, 1, 1, "scripted", "scripted");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (rig.pool)
        rig_stop(&rig);
    return 0;
}

static struct scripted *jobs(void)
{
    return rig.worker->jobs.memory;
}

static struct scripted *ready(void)
{
    return rig.scheduler->ready.queue.memory;
}

static bool event_is_set(struct event *event)
{
    return atomic_load(&event->state) == 0;
}

static void b14_worker_is_unmanaged_and_progress_wakes_it(void **state)
{
    (void)state;
    rig_man(&rig);
    event_reset(&rig.worker->event);
    progress_request_wakeup(rig.worker->progress, progress_current(rig.pool->progress));
    assert_true(event_is_set(&rig.worker->event));
    // A managed one would have to confirm each value, and progress would stand still.
    const uint64_t later = progress_later(rig.pool->progress);
    for (unsigned i = 0; i < 10; i++)
        progress_update(rig.scheduler->progress);
    assert_true(progress_reached(rig.pool->progress, later));
}

static void b12_b15_each_side_makes_its_queue_and_only_the_workers_defers(void **state)
{
    (void)state;
    rig_init(&rig, 3, 1, "scripted", "scripted");
    rig_start(&rig);
    assert_int_equal(rig.ready_script.made, 3);
    assert_ptr_equal(rig.ready_script.made_by, thread_token());
    assert_false(rig.ready_script.deferred);
    assert_int_equal(rig.job_script.made, 1);
    assert_ptr_not_equal(rig.job_script.made_by, thread_token());
    assert_true(rig.job_script.deferred);
    for (unsigned i = 0; i < 3; i++) {
        assert_ptr_equal(rig.pool->schedulers[i].ready.queue.env.notify_argument, &rig.pool->schedulers[i]);
        assert_ptr_equal(rig.pool->schedulers[i].ready.queue.env.notify, scheduler_notify);
    }
}

static void b15_freeing_automatic_defers_nothing(void **state)
{
    (void)state;
    rig.config.freeing = POOL_FREEING_AUTOMATIC;
    rig_man(&rig);
    assert_int_equal(rig.job_script.made, 1);
    assert_false(rig.job_script.deferred);
}

static void b36_b46_the_prepared_element_is_taken_out_before_garbage_goes_in(void **state)
{
    (void)state;
    struct trace trace = {""};
    rig_man(&rig);
    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    void *prepared = rig.ready_script.prepared;
    assert_non_null(prepared);
    scripted_litter(jobs(), 3);
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    assert_ptr_equal(rig.ready_script.enqueued, prepared);
    assert_string_equal(rig.ready_script.log, "pE");
    const struct job *job = (struct job *)ready()->items[0];
    assert_int_equal(garbage_length(&job->cargo.garbage), 3);
    scheduler_pass(rig.scheduler);
    assert_string_equal(trace.log, "ir");
}

static void b37_the_queues_garbage_goes_first_and_the_saved_after_it(void **state)
{
    (void)state;
    struct trace trace = {""};
    rig_man(&rig);
    scripted_litter(jobs(), 2);
    rig.job_script.inspect[0] = QUEUE_NEED_PROGRESS;
    assert_int_equal(worker_step(rig.worker), WORKER_SLEEP);
    assert_int_equal(garbage_length(&rig.worker->saved), 2);
    const struct garbage_node *saved = rig.worker->saved.first;

    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    scripted_litter(jobs(), 1);
    const struct garbage_node *fresh = jobs()->garbage.first;
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    const struct job *job = (struct job *)ready()->items[0];
    assert_ptr_equal(job->cargo.garbage.first, fresh);
    assert_ptr_equal(fresh->next, saved);
    assert_null(rig.worker->saved.first);
    assert_int_equal(script_count(&rig.job_script, 'x'), 0);
    scheduler_pass(rig.scheduler);
    assert_int_equal(script_count(&rig.job_script, 'x'), 3);
}

static void b38_dirty_after_clean_tries_again_at_once(void **state)
{
    (void)state;
    rig_man(&rig);
    event_set(&rig.worker->event);
    rig.job_script.clean[0] = QUEUE_DIRTY;
    assert_int_equal(worker_step(rig.worker), WORKER_AGAIN);
    assert_string_equal(rig.job_script.log, ".c");
    assert_true(event_is_set(&rig.worker->event));
}

static void b39_resets_then_collects_then_inspects(void **state)
{
    (void)state;
    rig_man(&rig);
    event_set(&rig.worker->event);
    scripted_litter(jobs(), 1);
    rig.job_script.inspect[0] = QUEUE_NEED_PROGRESS;
    assert_int_equal(worker_step(rig.worker), WORKER_SLEEP);
    assert_string_equal(rig.job_script.log, ".cti");
    assert_true(rig.job_script.ensured_empty);
    // A spurious wake adds to what is saved.
    scripted_litter(jobs(), 2);
    rig.job_script.inspect[1] = QUEUE_NEED_PROGRESS;
    assert_int_equal(worker_step(rig.worker), WORKER_SLEEP);
    assert_int_equal(garbage_length(&rig.worker->saved), 3);
}

// What sets the event while the worker looks must still be there when it goes to wait.
static void set_during_inspect(void)
{
    event_set(&rig.worker->event);
}

static enum queue_clean_state inspect_and_set(void *queue, void *handle, bool ensure_empty, uint64_t *progress)
{
    set_during_inspect();
    return scripted_inspect(queue, handle, ensure_empty, progress);
}

static void b39_a_wake_during_the_look_is_kept(void **state)
{
    (void)state;
    static struct queue_ops ops;
    ops = scripted_queue_ops;
    ops.inspect = inspect_and_set;
    rig_man(&rig);
    rig.worker->consumer.ops = &ops;
    assert_int_equal(worker_step(rig.worker), WORKER_SLEEP);
    assert_true(event_is_set(&rig.worker->event));
}

static void b40_dirty_at_inspect_does_not_wait(void **state)
{
    (void)state;
    rig_man(&rig);
    rig.job_script.inspect[0] = QUEUE_DIRTY;
    assert_int_equal(worker_step(rig.worker), WORKER_AGAIN);
    assert_string_equal(rig.job_script.log, ".ci");
}

static void b41_needing_progress_frees_nothing_and_asks_to_be_woken(void **state)
{
    (void)state;
    rig_man(&rig);
    scripted_litter(jobs(), 5);
    rig.job_script.inspect[0] = QUEUE_NEED_PROGRESS;
    rig.job_script.progress = progress_later(rig.pool->progress);
    assert_int_equal(worker_step(rig.worker), WORKER_SLEEP);
    assert_int_equal(script_count(&rig.job_script, 'x'), 0);
    assert_int_equal(garbage_length(&rig.worker->saved), 5);
    assert_false(event_is_set(&rig.worker->event));
    while (!progress_reached(rig.pool->progress, rig.job_script.progress))
        progress_update(rig.scheduler->progress);
    assert_true(event_is_set(&rig.worker->event));
}

static void b42_clean_frees_in_steps_and_looks_again_after_each_that_left_more(void **state)
{
    (void)state;
    rig_man(&rig);
    scripted_litter(jobs(), 2 * GARBAGE_STEP + 20);
    assert_int_equal(worker_step(rig.worker), WORKER_SLEEP);
    char expected[256] = ".cti";
    for (unsigned i = 0; i < 2 * GARBAGE_STEP + 20; i++)
        strcat(expected, i > 0 && i % GARBAGE_STEP == 0 ? "ix" : "x");
    assert_string_equal(rig.job_script.log, expected);
}

static void b42_a_job_that_comes_while_freeing_is_taken_before_the_rest_is_freed(void **state)
{
    (void)state;
    rig_man(&rig);
    scripted_litter(jobs(), GARBAGE_STEP + 20);
    rig.job_script.inspect[1] = QUEUE_DIRTY;
    assert_int_equal(worker_step(rig.worker), WORKER_AGAIN);
    assert_int_equal(script_count(&rig.job_script, 'x'), GARBAGE_STEP);
    assert_int_equal(garbage_length(&rig.worker->saved), 20);
}

static void b43_after_a_wait_it_goes_on_from_the_dequeue(void **state)
{
    (void)state;
    rig_man(&rig);
    assert_int_equal(worker_step(rig.worker), WORKER_SLEEP);
    script_clear(&rig.job_script);
    worker_step(rig.worker);
    assert_int_equal(rig.job_script.log[0], '.');
}

static void b44_a_job_without_a_port_ends_the_worker(void **state)
{
    (void)state;
    struct trace trace = {""};
    rig_man(&rig);
    struct job poison = {.call = {.port = PORT_NONE, .invoke = trace_invoke, .data = &trace}};
    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    assert_int_equal(queue_enqueue(&rig.scheduler->submitter.jobs[0], (uintptr_t)&poison), QUEUE_OK);
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    scripted_litter(jobs(), 1);
    assert_int_equal(worker_step(rig.worker), WORKER_STOP);
    assert_string_equal(trace.log, "i");
    assert_null(poison.cargo.garbage.first);
    scheduler_pass(rig.scheduler);
}

static bool ready_locked, port_locked;

static bool mutex_is_held(struct lock *lock)
{
    if (pthread_mutex_trylock(&lock->u.mutex) != 0)
        return true;
    pthread_mutex_unlock(&lock->u.mutex);
    return false;
}

static void look_at_locks(void)
{
    ready_locked = mutex_is_held(&rig.scheduler->ready.lock);
    port_locked = mutex_is_held(&rig.pool->ports.ports[0].lock);
}

static void invoke_and_look(void *data)
{
    trace_note(data, 'i');
    look_at_locks();
}

static void b45_invoke_runs_without_any_lock(void **state)
{
    (void)state;
    struct trace trace = {""};
    rig_man(&rig);
    assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, invoke_and_look, trace_ready, &trace) > 0);
    ready_locked = port_locked = true;
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    assert_false(ready_locked);
    assert_false(port_locked);
    scheduler_pass(rig.scheduler);
}

static void b5_b46_the_reply_holds_the_home_schedulers_lock_alone(void **state)
{
    (void)state;
    struct trace trace = {""};
    rig_man(&rig);
    assert_int_equal(rig.config.ready_lock, LOCK_MUTEX);
    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    rig.ready_script.inside = look_at_locks;
    ready_locked = false;
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    assert_true(ready_locked);
    assert_false(port_locked);
    assert_false(mutex_is_held(&rig.scheduler->ready.lock));
    scheduler_pass(rig.scheduler);
}

static unsigned locked_ports;

static void count_and_acquire(struct lock *lock, struct lock_node *node)
{
    (void)node;
    locked_ports++;
    pthread_mutex_lock(&lock->u.mutex);
}

static void b46_the_reply_looks_no_port_up(void **state)
{
    (void)state;
    struct trace trace = {""};
    rig_man(&rig);
    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    struct lock_ops counting = *rig.pool->ports.lock.ops;
    const struct lock_ops *const original = rig.pool->ports.lock.ops;
    counting.acquire = count_and_acquire;
    for (unsigned i = 0; i < rig.pool->ports.capacity; i++)
        rig.pool->ports.ports[i].lock.ops = &counting;
    rig.pool->ports.lock.ops = &counting;
    locked_ports = 0;
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    const unsigned by_worker = locked_ports;
    scheduler_pass(rig.scheduler);
    const unsigned by_scheduler = locked_ports - by_worker;
    for (unsigned i = 0; i < rig.pool->ports.capacity; i++)
        rig.pool->ports.ports[i].lock.ops = original;
    rig.pool->ports.lock.ops = original;
    assert_string_equal(trace.log, "ir");
    assert_int_equal(by_worker, 0);
    assert_int_equal(by_scheduler, 1); // who completes it does
}

static bool notified_under_lock;

static void notify_and_look(void *argument)
{
    notified_under_lock = mutex_is_held(&rig.scheduler->ready.lock);
    scheduler_notify(argument);
}

static void b46_a_queue_that_does_not_notify_is_notified_for_when_the_lock_is_free(void **state)
{
    (void)state;
    struct trace trace = {""};
    rig_man(&rig);
    rig.scheduler->ready.queue.env.notify = notify_and_look;
    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    notified_under_lock = true;
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    assert_false(notified_under_lock);
    assert_int_equal(scheduler_pass(rig.scheduler), POOL_NOTHING);
    assert_string_equal(trace.log, "ir");
}

static void b47_the_worker_frees_neither_job_nor_elements(void **state)
{
    (void)state;
    struct trace trace = {""};
    rig_man(&rig);
    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    scripted_litter(jobs(), 4);
    const uint64_t frees = atomic_load(&rig.memory.frees);
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    assert_int_equal(atomic_load(&rig.memory.frees), frees);
    assert_int_equal(script_count(&rig.job_script, 'x'), 0);
    scheduler_pass(rig.scheduler);
    assert_int_equal(atomic_load(&rig.memory.frees), frees + 1);
    assert_int_equal(script_count(&rig.job_script, 'x'), 4);
}

static void full_ready_queue_parks_the_worker_until_a_pass_makes_room(void **state)
{
    (void)state;
    struct trace trace = {""};
    rig.ready_script.capacity = 1;
    rig_man(&rig);
    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    assert_int_equal(worker_step(rig.worker), WORKER_NO_ROOM);
    assert_string_equal(rig.ready_script.log, "ppEff"); // looked once more after it said that it waits
    assert_false(event_is_set(&rig.worker->room));
    assert_string_equal(trace.log, "ii");
    scheduler_pass(rig.scheduler);
    assert_true(event_is_set(&rig.worker->room));
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    scheduler_pass(rig.scheduler);
    assert_string_equal(trace.log, "iirr");
    assert_int_equal(atomic_load(&rig.worker->invoked), 2);
}

static void every_worker_without_room_is_woken(void **state)
{
    (void)state;
    struct trace trace = {""};
    rig_init(&rig, 1, 3, "scripted", "scripted");
    rig.ready_script.capacity = 1;
    rig_man(&rig);
    for (unsigned i = 0; i < 3; i++)
        assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    struct worker *workers = rig.pool->workers;
    assert_int_equal(worker_step(&workers[0]), WORKER_RAN);
    assert_int_equal(worker_step(&workers[1]), WORKER_NO_ROOM);
    assert_int_equal(worker_step(&workers[2]), WORKER_NO_ROOM);
    scheduler_pass(rig.scheduler);
    assert_true(event_is_set(&workers[1].room));
    assert_true(event_is_set(&workers[2].room));
    assert_int_equal(worker_step(&workers[2]), WORKER_RAN);
    assert_int_equal(worker_step(&workers[1]), WORKER_NO_ROOM);
    scheduler_pass(rig.scheduler);
    assert_true(event_is_set(&workers[1].room));
    assert_int_equal(worker_step(&workers[1]), WORKER_RAN);
    scheduler_pass(rig.scheduler);
    assert_string_equal(trace.log, "iiirrr");
}

static void a_job_is_not_lost_when_memory_is_short_on_its_way_home(void **state)
{
    (void)state;
    struct trace trace = {""};
    rig.config.elements = POOL_ELEMENTS_WORKER;
    rig_man(&rig);
    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    assert_string_equal(rig.ready_script.log, "");
    rig.ready_script.refusal = -ENOMEM;
    rig.ready_script.refusals = 2;
    assert_int_equal(worker_step(rig.worker), WORKER_RETRY);
    assert_int_equal(worker_step(rig.worker), WORKER_RETRY);
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    assert_string_equal(rig.ready_script.log, "e");
    scheduler_pass(rig.scheduler);
    assert_string_equal(trace.log, "ir");
}

static void an_unclear_answer_is_asked_again(void **state)
{
    (void)state;
    rig_man(&rig);
    rig.job_script.retries = 1;
    assert_int_equal(worker_step(rig.worker), WORKER_RETRY);
    assert_string_equal(rig.job_script.log, "");
    assert_int_equal(worker_step(rig.worker), WORKER_SLEEP);
}

static void told_to_drain_it_stops_when_empty_and_clean_and_not_before(void **state)
{
    (void)state;
    struct trace trace = {""};
    rig_man(&rig);
    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    worker_drain(rig.worker);
    assert_true(event_is_set(&rig.worker->event));
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    scripted_litter(jobs(), 1);
    rig.job_script.inspect[0] = QUEUE_NEED_PROGRESS;
    rig.job_script.inspect[1] = QUEUE_DIRTY;
    assert_int_equal(worker_step(rig.worker), WORKER_SLEEP);
    assert_int_equal(worker_step(rig.worker), WORKER_AGAIN);
    assert_int_equal(worker_step(rig.worker), WORKER_STOP);
    assert_null(rig.worker->saved.first);
    scheduler_pass(rig.scheduler);
}

// The order to stop may come while the worker looks; it must not take the empty queue that it saw before for the
// last state.
static enum queue_clean_state inspect_and_drain(void *queue, void *handle, bool ensure_empty, uint64_t *progress)
{
    worker_drain(rig.worker);
    return scripted_inspect(queue, handle, ensure_empty, progress);
}

static void an_order_to_stop_during_the_look_is_obeyed_after_another_look(void **state)
{
    (void)state;
    static struct queue_ops ops;
    ops = scripted_queue_ops;
    ops.inspect = inspect_and_drain;
    rig_man(&rig);
    rig.worker->consumer.ops = &ops;
    assert_int_equal(worker_step(rig.worker), WORKER_SLEEP);
    assert_true(event_is_set(&rig.worker->event));
    assert_int_equal(worker_step(rig.worker), WORKER_STOP);
}

static void a_queue_without_clean_and_inspect_works_as_well(void **state)
{
    (void)state;
    struct trace trace = {""};
    rig_init(&rig, 1, 1, "list", "list");
    rig_man(&rig);
    assert_int_equal(worker_step(rig.worker), WORKER_SLEEP);
    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    assert_true(event_is_set(&rig.worker->event));
    assert_int_equal(rig_work(&rig, 0), WORKER_SLEEP);
    scheduler_pass(rig.scheduler);
    assert_string_equal(trace.log, "ir");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(b14_worker_is_unmanaged_and_progress_wakes_it),
        TEST(b12_b15_each_side_makes_its_queue_and_only_the_workers_defers),
        TEST(b15_freeing_automatic_defers_nothing),
        TEST(b36_b46_the_prepared_element_is_taken_out_before_garbage_goes_in),
        TEST(b37_the_queues_garbage_goes_first_and_the_saved_after_it),
        TEST(b38_dirty_after_clean_tries_again_at_once),
        TEST(b39_resets_then_collects_then_inspects),
        TEST(b39_a_wake_during_the_look_is_kept),
        TEST(b40_dirty_at_inspect_does_not_wait),
        TEST(b41_needing_progress_frees_nothing_and_asks_to_be_woken),
        TEST(b42_clean_frees_in_steps_and_looks_again_after_each_that_left_more),
        TEST(b42_a_job_that_comes_while_freeing_is_taken_before_the_rest_is_freed),
        TEST(b43_after_a_wait_it_goes_on_from_the_dequeue),
        TEST(b44_a_job_without_a_port_ends_the_worker),
        TEST(b45_invoke_runs_without_any_lock),
        TEST(b5_b46_the_reply_holds_the_home_schedulers_lock_alone),
        TEST(b46_the_reply_looks_no_port_up),
        TEST(b46_a_queue_that_does_not_notify_is_notified_for_when_the_lock_is_free),
        TEST(b47_the_worker_frees_neither_job_nor_elements),
        TEST(full_ready_queue_parks_the_worker_until_a_pass_makes_room),
        TEST(every_worker_without_room_is_woken),
        TEST(a_job_is_not_lost_when_memory_is_short_on_its_way_home),
        TEST(an_unclear_answer_is_asked_again),
        TEST(told_to_drain_it_stops_when_empty_and_clean_and_not_before),
        TEST(an_order_to_stop_during_the_look_is_obeyed_after_another_look),
        TEST(a_queue_without_clean_and_inspect_works_as_well),
    };
    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
