// SPDX-License-Identifier: Apache-2.0
// The pairs of grace periods, of thread progress and of the workers, run against each other at full speed.
#include "core/machine/memory.h"
#include "core/pool/worker.c"
#include "core/sync/grace.h"
#include "core/sync/progress.c"
#include "tests/litmus.h"
#include "tests/pool_rig.h"

// Grace periods: the gate lies across the border of two lines, the counts on one and the index on the other.
static struct {
    uint8_t gap[LINE_PAIR - sizeof(uint32_t[2])];
    struct grace_gate gate;
    struct grace grace ALIGNED_LINE;
    bool over;
    uint32_t index ALIGNED_LINE;
} periods ALIGNED_LINE;

static void reset_period(void)
{
    grace_init(&periods.grace, &periods.gate, NULL);
}

static void look_at_gate(void)
{
    (void)at_load_rlx(&periods.gate.index);
    (void)at_load_rlx(&periods.gate.inside[0]);
}

static void pass_a_period(void)
{
    grace_begin(&periods.grace);
    periods.over = grace_over(&periods.grace);
}

static void enter(void)
{
    periods.index = grace_enter(&periods.gate);
}

// Who entered is still inside: no period that begins now may be over.
static bool missed_who_entered(void)
{
    if (!periods.over)
        return false;
    grace_begin(&periods.grace);
    return grace_over(&periods.grace);
}

static void test_a_grace_period_waits_for_who_entered_before_it(void **state)
{
    (void)state;
    static const struct litmus litmus = {
        .sides = {{.look = look_at_gate, .race = pass_a_period},
                  {.reset = reset_period, .look = look_at_gate, .race = enter}},
        .missed = missed_who_entered,
    };
    litmus_needs_two();
    litmus_run(&litmus);
    litmus_must_hold();
}

// Thread progress: one thread leads, the other wakes up.
static struct {
    struct progress *domain;
    struct progress_thread *leader ALIGNED_LINE;
    struct progress_thread *sleeper ALIGNED_LINE;
    uint64_t later ALIGNED_LINE; // as the thread that woke up sees it
    _Atomic uint32_t led;
} epochs;

static void nobody(void *argument)
{
    (void)argument;
}

static int begin_to_lead(void)
{
    epochs.leader = progress_register_managed(epochs.domain, nobody, NULL);
    if (epochs.leader)
        progress_update(epochs.leader);
    at_store_rel(&epochs.led, 1, AT(test_litmus_lead, test_litmus_follow));
    return epochs.leader ? 0 : -EAGAIN;
}

static int begin_to_sleep(void)
{
    SPIN_UNTIL(at_load_acq(&epochs.led, AT(test_litmus_follow, test_litmus_lead)));
    epochs.sleeper = progress_register_managed(epochs.domain, nobody, NULL);
    return epochs.sleeper ? 0 : -EAGAIN;
}

static void fall_asleep(void)
{
    progress_prepare_wait(epochs.sleeper);
}

static void look_at_progress(void)
{
    (void)at_load_rlx(&epochs.domain->current);
    (void)at_load_rlx(&epochs.sleeper->confirmed);
}

static void lead_on(void)
{
    progress_update(epochs.leader);
    progress_update(epochs.leader);
}

static void wake_up(void)
{
    progress_finalize_wait(epochs.sleeper);
    epochs.later = progress_later(epochs.domain);
}

static void end_to_lead(void)
{
    progress_unregister(epochs.leader);
}

static void end_to_sleep(void)
{
    progress_unregister(epochs.sleeper);
}

// It has confirmed later - 2, and is awake, so that nothing beyond may be reached.
static bool missed_who_woke_up(void)
{
    return progress_reached(epochs.domain, epochs.later - 1);
}

static void test_thread_progress_waits_for_who_has_woken_up(void **state)
{
    (void)state;
    static const struct litmus litmus = {
        .sides = {{.begin = begin_to_lead, .look = look_at_progress, .race = lead_on, .end = end_to_lead},
                  {.begin = begin_to_sleep,
                   .reset = fall_asleep,
                   .look = look_at_progress,
                   .race = wake_up,
                   .end = end_to_sleep}},
        .missed = missed_who_woke_up,
    };
    litmus_needs_two();
    at_init(&epochs.led, 0);
    assert_int_equal(progress_create(&epochs.domain, &memory_system, 2, 0), 0);
    litmus_run(&litmus);
    progress_destroy(epochs.domain);
    litmus_must_hold();
}

static struct rig rig;

// A worker that is told to stop: its event is set already, so that whoever sets it leaves it as it is.
static enum worker_next next ALIGNED_LINE;

static int begin_to_work(void)
{
    return worker_open(rig.worker);
}

static void reset_order(void)
{
    at_store_rlx(&rig.worker->draining, 0);
}

static void set_event(void)
{
    event_set(&rig.worker->event);
}

static void look_at_order(void)
{
    (void)at_load_rlx(&rig.worker->draining);
    (void)at_load_rlx(&rig.worker->event.state);
}

static void order_to_stop(void)
{
    worker_drain(rig.worker);
}

static void work(void)
{
    next = worker_step(rig.worker);
}

static void end_to_work(void)
{
    worker_close(rig.worker);
}

static bool missed_the_order(void)
{
    return next != WORKER_STOP && !event_spin(&rig.worker->event, 1);
}

static void test_a_worker_sleeps_through_no_order_to_stop(void **state)
{
    (void)state;
    static const struct litmus litmus = {
        .sides =
            {{.reset = set_event, .look = look_at_order, .race = order_to_stop},
             {.begin = begin_to_work, .reset = reset_order, .look = look_at_order, .race = work, .end = end_to_work}},
        .missed = missed_the_order,
    };
    litmus_needs_two();
    rig_init(&rig, 1, 1, "list", "list");
    rig.config.completion = POOL_COMPLETION_WORKER;
    rig.extras.threadless = true;
    rig_start(&rig);
    litmus_run(&litmus);
    rig_stop(&rig);
    litmus_must_hold();
}

// The last worker leaves, and finds the scheduler told already that something came home.
static bool seen ALIGNED_LINE;

static int begin_to_schedule(void)
{
    return scheduler_attach(rig.scheduler);
}

static void reset_ended(void)
{
    at_store_rlx(&rig.pool->workers_ended, 0);
}

static void reset_alive(void)
{
    at_store_rlx(&rig.pool->workers_alive, 1);
    scheduler_notify(rig.scheduler);
}

static void look_at_ended(void)
{
    (void)at_load_rlx(&rig.pool->workers_ended);
    (void)at_load_rlx(&rig.scheduler->flags);
}

static void last_departs(void)
{
    depart(rig.pool);
}

// As scheduler_detach does before it sleeps.
static void pass(void)
{
    scheduler_pass(rig.scheduler);
    seen = at_load_sc(&rig.pool->workers_ended, AT(test_litmus_seen, workers_end));
}

static void end_to_schedule(void)
{
    at_store_rlx(&rig.pool->workers_ended, 1);
    scheduler_detach(rig.scheduler);
}

static bool missed_the_end(void)
{
    return !seen && !(at_load_rlx(&rig.scheduler->flags) & SCHEDULER_READY);
}

static void test_a_scheduler_sleeps_through_no_end_of_the_workers(void **state)
{
    (void)state;
    static const struct litmus litmus = {
        .sides = {{.reset = reset_alive, .look = look_at_ended, .race = last_departs},
                  {.begin = begin_to_schedule,
                   .reset = reset_ended,
                   .look = look_at_ended,
                   .race = pass,
                   .end = end_to_schedule}},
        .missed = missed_the_end,
    };
    litmus_needs_two();
    rig_init(&rig, 1, 1, "list", "list");
    rig.config.completion = POOL_COMPLETION_WORKER;
    rig.extras.threadless = true;
    rig_start(&rig);
    assert_int_equal(worker_open(rig.worker), 0);
    litmus_run(&litmus);
    worker_close(rig.worker);
    rig_stop(&rig);
    litmus_must_hold();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_grace_period_waits_for_who_entered_before_it),
        cmocka_unit_test(test_thread_progress_waits_for_who_has_woken_up),
        cmocka_unit_test(test_a_worker_sleeps_through_no_order_to_stop),
        cmocka_unit_test(test_a_scheduler_sleeps_through_no_end_of_the_workers),
    };
    return cmocka_run_group_tests_name("litmus", tests, litmus_set_up, litmus_tear_down);
}
