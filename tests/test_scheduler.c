// SPDX-License-Identifier: Apache-2.0
// The scheduler's side, step by step: completing, reclaiming, being told, sleeping. A number (b48) is that of the
// behaviour in tests/behaviours.md; s4 are those of consuming ready queues.
#include <errno.h>

#include "core/machine/clock.h"
#include "core/sync/elements.h"
#include "tests/pool_rig.h"

static struct rig rig;
static struct trace trace;
static struct port_data_lock *data_lock; // of the port in question; the test's own reference, or NULL

static int set_up(void **state)
{
    (void)state;
    memset(&trace, 0, sizeof trace);
    rig_init(&rig, 1, 1, "scripted", "scripted");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (rig.pool)
        rig_stop(&rig);
    if (data_lock)
        port_data_lock_release(data_lock);
    data_lock = NULL;
    return 0;
}

static uint32_t flags(void)
{
    return atomic_load(&rig.scheduler->flags);
}

static enum pool_more pass(void)
{
    return scheduler_pass(rig.scheduler);
}

static void submit(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
}

// Submits `count` jobs and runs them, so that they wait in the ready queue.
static void bring_home(unsigned count)
{
    submit(count);
    rig_work(&rig, 0);
}

static uint64_t completed(void)
{
    return atomic_load(&rig.scheduler->ready.completed);
}

static void b18_each_scheduler_consumes_its_own_ready_queue(void **state)
{
    (void)state;
    rig_init(&rig, 2, 1, "list", "list");
    rig_man(&rig);
    struct scheduler *schedulers = rig.pool->schedulers;
    assert_ptr_not_equal(schedulers[0].ready.queue.memory, schedulers[1].ready.queue.memory);
    for (unsigned i = 0; i < 2; i++)
        assert_ptr_equal(schedulers[i].ready.consumer.queue, schedulers[i].ready.queue.memory);
}

static void b48_b49_a_pass_completes_20_and_says_more_even_if_none_is_left(void **state)
{
    (void)state;
    rig_man(&rig);
    assert_int_equal(rig.config.ready_limit, 20);
    bring_home(20);
    assert_int_equal(pass(), POOL_MORE);
    assert_int_equal(completed(), 20);
    assert_true(flags() & SCHEDULER_READY);
    assert_int_equal(script_count(&rig.ready_script, 'c'), 0);
    assert_int_equal(pass(), POOL_NOTHING);
    assert_int_equal(completed(), 20);
    assert_int_equal(script_count(&rig.ready_script, 'c'), 1);
}

static void b48_the_limit_is_an_option(void **state)
{
    (void)state;
    rig.config.ready_limit = 3;
    rig_man(&rig);
    bring_home(7);
    assert_int_equal(pass(), POOL_MORE);
    assert_int_equal(completed(), 3);
    assert_int_equal(pass(), POOL_MORE);
    assert_int_equal(completed(), 6);
    assert_int_equal(pass(), POOL_NOTHING);
    assert_int_equal(completed(), 7);
}

static void looks_that_find_something_are_counted(void **state)
{
    (void)state;
    struct pool_statistics statistics;
    rig.config.ready_limit = 3;
    rig_man(&rig);
    pass();
    erts_pool_ops.statistics(rig.pool, &statistics);
    assert_int_equal(statistics.batches, 0);
    bring_home(7);
    for (unsigned i = 0; i < 5; i++)
        pass();
    erts_pool_ops.statistics(rig.pool, &statistics);
    assert_int_equal(statistics.batches, 3);
    assert_int_equal(statistics.completed, 7);
}

static void b48_garbage_comes_home_with_the_jobs_and_is_freed_one_step_a_pass(void **state)
{
    (void)state;
    rig_man(&rig);
    submit(1);
    scripted_litter(rig.worker->jobs.memory, 2 * GARBAGE_STEP + 10);
    rig_work(&rig, 0);
    assert_true(ready_check(&rig.scheduler->ready, NULL) == false);
    assert_int_equal(script_count(&rig.job_script, 'x'), GARBAGE_STEP);
    uint64_t progress;
    assert_int_equal(ready_clean(&rig.scheduler->ready, &progress), QUEUE_DIRTY); // b50: more garbage
    assert_int_equal(script_count(&rig.job_script, 'x'), 2 * GARBAGE_STEP);
    assert_int_equal(ready_clean(&rig.scheduler->ready, &progress), QUEUE_CLEAN);
    assert_int_equal(script_count(&rig.job_script, 'x'), 2 * GARBAGE_STEP + 10);
}

static void b50_clean_answers_as_the_queue_does_once_the_garbage_is_gone(void **state)
{
    (void)state;
    uint64_t progress = 0;
    rig_man(&rig);
    rig.ready_script.clean[0] = QUEUE_DIRTY;
    rig.ready_script.clean[1] = QUEUE_NEED_PROGRESS;
    rig.ready_script.progress = 1234;
    assert_int_equal(ready_clean(&rig.scheduler->ready, &progress), QUEUE_DIRTY);
    assert_int_equal(ready_clean(&rig.scheduler->ready, &progress), QUEUE_NEED_PROGRESS);
    assert_int_equal(progress, 1234);
    assert_int_equal(ready_clean(&rig.scheduler->ready, &progress), QUEUE_CLEAN);
}

static struct driver_handle handle;
static struct lock_node node;
static struct job_call call;

// Dead or alive.
static bool port_is_held(void)
{
    return atomic_load(&rig.pool->ports.ports[(uint32_t)call.port - 1].holder) == thread_token();
}

// H: under the port's lock. h: not.
static void note_ready(struct port *port, const struct job *job)
{
    assert_ptr_equal(job->call.data, &trace);
    assert_ptr_equal(port->driver_data, &trace);
    trace_note(&trace, 'R');
    trace_note(&trace, port_is_held() ? 'H' : 'h');
}

static void note_free(void *data)
{
    trace_note(data, 'f');
    trace_note(data, port_is_held() ? 'H' : 'h');
}

// Counts what the job held when its driver is given back, which comes last.
static void note_unload(struct driver_handle *unloaded)
{
    (void)unloaded;
    trace_note(&trace, 'u');
    trace_note(&trace, port_is_held() ? 'H' : 'h');
    trace_note(&trace, (char)('0' + atomic_load(&data_lock->references)));
}

static const struct driver full = {.name = "full", .ready_async = note_ready, .handle = &handle};
static const struct driver mute = {.name = "mute", .handle = &handle};

// Brings one job of a port of `driver` home. The job holds the only references to driver and data lock beside the
// port's and, to the data lock, the test's.
static struct port *bring_home_of(const struct driver *driver)
{
    rig_man(&rig);
    data_lock = port_data_lock_create(&memory_system);
    driver_handle_init(&handle, note_unload);
    call = (struct job_call){.invoke = trace_invoke, .free = note_free, .data = &trace};
    assert_int_equal(port_open(&rig.pool->ports, driver, &trace, data_lock, &call.port), 0);
    driver_handle_release(&handle);
    struct port *port = port_acquire(&rig.pool->ports, call.port, &node);
    assert_true(pool_async(&rig.scheduler->submitter, &call, NULL) > 0);
    rig_work(&rig, 0);
    assert_string_equal(trace.log, "i");
    return port;
}

static void b51_b52_the_driver_is_called_under_the_ports_lock(void **state)
{
    (void)state;
    struct port *port = bring_home_of(&full);
    port_release(port, &node);
    pass();
    assert_string_equal(trace.log, "iRH"); // and free is not
    assert_int_equal(atomic_load(&data_lock->references), 2);
    assert_int_equal(atomic_load(&handle.references), 1);
}

static void b51_b54_of_a_dead_port_only_free_runs_and_references_go_last(void **state)
{
    (void)state;
    struct port *port = bring_home_of(&full);
    port_close(&rig.pool->ports, port);
    port_release(port, &node);
    assert_string_equal(trace.log, "i"); // the job holds the driver
    pass();
    assert_string_equal(trace.log, "ifhuh1");
}

static void b51_of_a_dead_port_without_free_nothing_runs(void **state)
{
    (void)state;
    struct port *port = bring_home_of(&full);
    port_close(&rig.pool->ports, port);
    port_release(port, &node);
    ((struct job *)((struct scripted *)rig.scheduler->ready.queue.memory)->items[0])->call.free = NULL;
    pass();
    assert_string_equal(trace.log, "iuh1");
}

static void b52_without_a_callback_free_runs_under_the_lock(void **state)
{
    (void)state;
    struct port *port = bring_home_of(&mute);
    port_release(port, &node);
    pass();
    assert_string_equal(trace.log, "ifH");
}

static void b53_b54_a_closing_port_dies_after_the_callback_and_is_let_go_before_the_references(void **state)
{
    (void)state;
    struct port *port = bring_home_of(&full);
    port->output_bytes = 1;
    port_close(&rig.pool->ports, port);
    port->output_bytes = 0;
    port_release(port, &node);
    pass();
    assert_string_equal(trace.log, "iRHuh1");
    assert_null(port_acquire(&rig.pool->ports, call.port, &node));
}

static unsigned resubmissions;

static void submit_again(void *data)
{
    trace_note(data, 'r');
    if (resubmissions-- > 0)
        assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, trace_invoke, submit_again, data) > 0);
}

static void b51_a_completion_may_submit(void **state)
{
    (void)state;
    rig_man(&rig);
    resubmissions = 3;
    submit_again(&trace);
    for (unsigned i = 0; i < 4; i++) {
        rig_work(&rig, 0);
        pass();
    }
    assert_string_equal(trace.log, "riririr");
}

static bool event_is_set(void)
{
    return atomic_load(&rig.scheduler->event.state) == 0;
}

static void s4_only_the_first_notify_raises_the_flag_and_it_wakes_only_a_sleeper(void **state)
{
    (void)state;
    rig_man(&rig);
    event_reset(&rig.scheduler->event);
    scheduler_notify(rig.scheduler);
    assert_int_equal(flags(), SCHEDULER_READY);
    assert_false(event_is_set());

    atomic_store(&rig.scheduler->flags, SCHEDULER_SLEEPING);
    scheduler_notify(rig.scheduler);
    assert_true(event_is_set());
    event_reset(&rig.scheduler->event);
    scheduler_notify(rig.scheduler);
    assert_false(event_is_set());
    atomic_store(&rig.scheduler->flags, 0);
}

static void s4_the_flag_is_lowered_before_the_queue_is_looked_at(void **state)
{
    (void)state;
    rig_man(&rig);
    bring_home(1);
    assert_int_equal(flags(), SCHEDULER_READY);
    // What comes home while the handler runs raises it again.
    struct trace inner = {""};
    rig.scheduler->ready.limit = 1;
    assert_true(rig_submit(&rig, 0, NULL, &inner) > 0);
    assert_int_equal(pass(), POOL_MORE);
    rig_work(&rig, 0);
    assert_int_equal(flags(), SCHEDULER_READY);
    assert_int_equal(pass(), POOL_MORE);
    assert_string_equal(inner.log, "ir");
    assert_int_equal(pass(), POOL_NOTHING);
    assert_int_equal(flags(), 0);
}

static void notify_from_within(void *data)
{
    trace_note(data, 'r');
    assert_int_equal(flags() & SCHEDULER_READY, 0);
    scheduler_notify(rig.scheduler);
}

static void s4_a_notify_during_the_check_is_kept_for_the_next_pass(void **state)
{
    (void)state;
    rig_man(&rig);
    assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, trace_invoke, notify_from_within, &trace) > 0);
    rig_work(&rig, 0);
    assert_int_equal(pass(), POOL_MORE);
    assert_true(flags() & SCHEDULER_READY);
    assert_int_equal(pass(), POOL_NOTHING);
}

static void s4_empty_cleans_in_the_same_pass_and_dirty_once_more_in_the_next(void **state)
{
    (void)state;
    rig_man(&rig);
    bring_home(1);
    rig.ready_script.clean[0] = QUEUE_DIRTY;
    rig_forget(&rig);
    assert_int_equal(pass(), POOL_MORE);
    assert_string_equal(rig.ready_script.log, "d.c");
    assert_int_equal(pass(), POOL_NOTHING);
    assert_string_equal(rig.ready_script.log, "d.cc");
    assert_int_equal(pass(), POOL_NOTHING);
    assert_string_equal(rig.ready_script.log, "d.cc");
}

static void s4_more_drops_a_pending_clean(void **state)
{
    (void)state;
    rig.config.ready_limit = 2;
    rig_man(&rig);
    bring_home(1);
    rig.ready_script.clean[0] = QUEUE_DIRTY;
    assert_int_equal(pass(), POOL_MORE);
    assert_true(rig.scheduler->clean_due);
    bring_home(2);
    rig_forget(&rig);
    assert_int_equal(pass(), POOL_MORE);
    assert_string_equal(rig.ready_script.log, "dd");
    assert_false(rig.scheduler->clean_due);
    assert_int_equal(pass(), POOL_NOTHING);
}

static void s4_clean_waits_for_progress(void **state)
{
    (void)state;
    rig_man(&rig);
    bring_home(1);
    rig.ready_script.clean[0] = QUEUE_NEED_PROGRESS;
    rig.ready_script.progress = progress_current(rig.pool->progress) + 4;
    assert_int_equal(pass(), POOL_NOTHING);
    rig_forget(&rig);
    while (!progress_reached(rig.pool->progress, rig.ready_script.progress)) {
        assert_string_equal(rig.ready_script.log, "");
        pass();
    }
    pass();
    assert_string_equal(rig.ready_script.log, "c");
    assert_int_equal(pass(), POOL_NOTHING);
}

static void s4_new_completions_end_the_wait_for_progress(void **state)
{
    (void)state;
    rig_man(&rig);
    bring_home(1);
    rig.ready_script.clean[0] = QUEUE_NEED_PROGRESS;
    rig.ready_script.progress = progress_current(rig.pool->progress) + 1000;
    assert_int_equal(pass(), POOL_NOTHING);
    bring_home(1);
    rig_forget(&rig);
    assert_int_equal(pass(), POOL_NOTHING);
    assert_string_equal(rig.ready_script.log, "d.c");
}

// Nobody else is awake: without the wake-up that it asks for, this would sleep for ever.
static void s4_a_sleeping_scheduler_is_woken_by_the_progress_it_needs(void **state)
{
    (void)state;
    rig_man(&rig);
    bring_home(1);
    rig.ready_script.clean[0] = QUEUE_NEED_PROGRESS;
    rig.ready_script.progress = progress_later(rig.pool->progress) + 1;
    assert_int_equal(pass(), POOL_NOTHING);
    while (!progress_reached(rig.pool->progress, rig.ready_script.progress))
        scheduler_wait(rig.scheduler);
    assert_int_equal(flags() & SCHEDULER_SLEEPING, 0);
    rig_forget(&rig);
    pass();
    assert_string_equal(rig.ready_script.log, "c");
}

static void wait_returns_at_once_when_there_is_work(void **state)
{
    (void)state;
    rig_man(&rig);
    bring_home(1);
    scheduler_wait(rig.scheduler);
    assert_int_equal(atomic_load(&rig.scheduler->parks), 0);
    assert_int_equal(flags(), SCHEDULER_READY);
    pass();
    assert_string_equal(trace.log, "ir");
}

// Another thread plays the worker, over and over, while this one sleeps for each job.
static _Atomic uint32_t rounds_left;

static void notify_sleepers(void *argument)
{
    struct scheduler *scheduler = argument;
    while (atomic_load(&rounds_left) > 0) {
        if (!(atomic_load(&scheduler->flags) & SCHEDULER_READY))
            scheduler_notify(scheduler);
        else
            thread_yield();
    }
}

static void no_wake_is_lost_between_looking_and_sleeping(void **state)
{
    (void)state;
    for (unsigned spin = 0; spin < 2; spin++) {
        rig_init(&rig, 1, 1, "scripted", "scripted");
        rig.config.scheduler_spin_ns = spin * 500;
        rig_man(&rig);
        atomic_store(&rounds_left, ROUNDS(5000));
        struct thread thread;
        const struct thread_options options = {.cpu = -1};
        assert_int_equal(thread_start(&thread, &options, notify_sleepers, rig.scheduler), 0);
        for (; atomic_load(&rounds_left) > 0; atomic_fetch_sub(&rounds_left, 1)) {
            while (!(flags() & SCHEDULER_READY))
                scheduler_wait(rig.scheduler);
            script_clear(&rig.ready_script);
            pass();
        }
        thread_join(&thread);
        pass();
        rig_stop(&rig);
        rig.pool = NULL;
    }
}

// A spinning scheduler moves thread progress on, which a sleeping one does not.
static struct {
    uint64_t progress; // reached by spinning
    bool slept;
} sight;

static void notify_who_spins_or_sleeps(void *argument)
{
    struct scheduler *scheduler = argument;
    for (;;) {
        sight.slept = atomic_load(&scheduler->event.state) == -1; // in the kernel, or just before
        if (sight.slept || progress_reached(rig.pool->progress, sight.progress))
            break;
        thread_yield();
    }
    scheduler_notify(scheduler);
}

static void wait_until_told(uint64_t spin_ns)
{
    rig_again(&rig, 1, 1, "scripted", "scripted");
    rig.config.scheduler_spin_ns = spin_ns;
    rig_man(&rig);
    sight.progress = progress_later(rig.pool->progress) + 100;
    struct thread thread;
    const struct thread_options options = {.cpu = -1};
    assert_int_equal(thread_start(&thread, &options, notify_who_spins_or_sleeps, rig.scheduler), 0);
    while (!(flags() & SCHEDULER_READY))
        scheduler_wait(rig.scheduler);
    thread_join(&thread);
    pass();
}

static void s4_before_it_sleeps_a_scheduler_spins(void **state)
{
    (void)state;
    struct erts_pool_config defaults;
    assert_int_equal(params_defaults(erts_pool_ops.params, &defaults, &rig.fault), 0);
    assert_int_equal(defaults.scheduler_spin_ns, 2000);
    wait_until_told(UINT64_C(3600000000000));
    assert_false(sight.slept);
    assert_int_equal(atomic_load(&rig.scheduler->parks), 0);
    rig_stop(&rig);
    rig.pool = NULL;
    wait_until_told(0);
    assert_true(sight.slept);
    assert_true(atomic_load(&rig.scheduler->parks) >= 1);
}

static void an_unclear_answer_keeps_the_flag_up(void **state)
{
    (void)state;
    rig_man(&rig);
    bring_home(1);
    rig.ready_script.retries = 1;
    assert_int_equal(pass(), POOL_MORE);
    assert_string_equal(trace.log, "i");
    assert_int_equal(pass(), POOL_NOTHING);
    assert_string_equal(trace.log, "ir");
}

static void detach_consumes_what_is_in_flight_and_closes_the_default_port(void **state)
{
    (void)state;
    rig_man(&rig);
    const uint64_t port = rig.scheduler->submitter.port;
    bring_home(50);
    scheduler_detach(rig.scheduler);
    assert_int_equal(completed(), 50);
    assert_null(port_acquire(&rig.pool->ports, port, &node));
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), -EPERM);
    assert_int_equal(elements_outstanding(rig.pool->elements), 0);
}

static void a_scheduler_is_attached_once(void **state)
{
    (void)state;
    rig_man(&rig);
    assert_int_equal(erts_pool_ops.attach(rig.pool, 0), -EBUSY);
    assert_int_equal(erts_pool_ops.attach(rig.pool, 1), -EINVAL);
    scheduler_detach(rig.scheduler);
    assert_int_equal(erts_pool_ops.attach(rig.pool, 0), -EBUSY);
}

static void attaching_without_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    rig_init(&rig, 1, 1, "erts_mpsc", "erts_mpsc");
    rig.extras.threadless = true;
    rig_start(&rig);
    assert_int_equal(worker_open(rig.worker), 0);
    const uint64_t held = atomic_load(&rig.memory.allocations) - atomic_load(&rig.memory.frees);
    for (uint64_t enough = 0;; enough++) {
        atomic_store(&rig.scheduler->taken, 0);
        atomic_store(&rig.memory.left, enough);
        const int error = scheduler_attach(rig.scheduler);
        atomic_store(&rig.memory.left, UINT64_MAX);
        if (error == 0) {
            assert_true(enough >= 2);
            break;
        }
        assert_int_equal(error, -ENOMEM);
        assert_int_equal(atomic_load(&rig.pool->attached), 0);
        // The slab of a cache stays with the domain.
        assert_true(atomic_load(&rig.memory.allocations) - atomic_load(&rig.memory.frees) <= held + 1);
    }
    rig.manned = true;
}

int main(void)
{
    clock_calibrate();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(b18_each_scheduler_consumes_its_own_ready_queue),
        TEST(b48_b49_a_pass_completes_20_and_says_more_even_if_none_is_left),
        TEST(b48_the_limit_is_an_option),
        TEST(looks_that_find_something_are_counted),
        TEST(b48_garbage_comes_home_with_the_jobs_and_is_freed_one_step_a_pass),
        TEST(b50_clean_answers_as_the_queue_does_once_the_garbage_is_gone),
        TEST(b51_b52_the_driver_is_called_under_the_ports_lock),
        TEST(b51_b54_of_a_dead_port_only_free_runs_and_references_go_last),
        TEST(b51_of_a_dead_port_without_free_nothing_runs),
        TEST(b52_without_a_callback_free_runs_under_the_lock),
        TEST(b53_b54_a_closing_port_dies_after_the_callback_and_is_let_go_before_the_references),
        TEST(b51_a_completion_may_submit),
        TEST(s4_only_the_first_notify_raises_the_flag_and_it_wakes_only_a_sleeper),
        TEST(s4_the_flag_is_lowered_before_the_queue_is_looked_at),
        TEST(s4_a_notify_during_the_check_is_kept_for_the_next_pass),
        TEST(s4_empty_cleans_in_the_same_pass_and_dirty_once_more_in_the_next),
        TEST(s4_more_drops_a_pending_clean),
        TEST(s4_clean_waits_for_progress),
        TEST(s4_new_completions_end_the_wait_for_progress),
        TEST(s4_a_sleeping_scheduler_is_woken_by_the_progress_it_needs),
        TEST(wait_returns_at_once_when_there_is_work),
        TEST(no_wake_is_lost_between_looking_and_sleeping),
        TEST(s4_before_it_sleeps_a_scheduler_spins),
        TEST(an_unclear_answer_keeps_the_flag_up),
        TEST(detach_consumes_what_is_in_flight_and_closes_the_default_port),
        TEST(a_scheduler_is_attached_once),
        TEST(attaching_without_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests_name("scheduler", tests, NULL, NULL);
}
