// SPDX-License-Identifier: Apache-2.0
// Who is woken for a job in the queue that all workers share: step by step, and two threads against each other.
#include "core/pool/sleepers.h"
#include "core/sync/event.h"
#include "tests/litmus.h"

static void hooked_reset(struct event *event);
#define event_reset hooked_reset
#include "core/pool/worker.c"
#undef event_reset
#include "tests/routing_rig.h"

static bool is_woken(unsigned number)
{
    return atomic_load(&rig.pool->workers[number].event.state) == 0;
}

static unsigned woken(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < rig.setup.workers; i++)
        count += is_woken(i);
    return count;
}

static void all_sleep(void)
{
    for (unsigned i = 0; i < rig.setup.workers; i++)
        assert_int_equal(step(i), WORKER_SLEEP);
    assert_int_equal(woken(), 0);
}

// ---------------------------------------------------------------- the list of sleepers

static void sleepers_are_picked_once_and_the_lowest_first(void **state)
{
    (void)state;
    static const unsigned numbers[] = {0, 1, 63, 64, 200, 1023};
    struct sleepers sleepers = {0};
    unsigned number;
    assert_false(sleepers_pick(&sleepers, 1024, &number));
    for (unsigned i = 6; i-- > 0;)
        sleepers_join(&sleepers, numbers[i]);
    for (unsigned i = 0; i < 6; i++) {
        assert_true(sleepers_pick(&sleepers, 1024, &number));
        assert_int_equal(number, numbers[i]);
    }
    assert_false(sleepers_pick(&sleepers, 1024, &number));
}

static void who_leaves_the_list_learns_whether_it_was_picked(void **state)
{
    (void)state;
    struct sleepers sleepers = {0};
    unsigned number;
    sleepers_join(&sleepers, 70);
    sleepers_join(&sleepers, 71);
    assert_true(sleepers_leave(&sleepers, 70));
    assert_true(sleepers_pick(&sleepers, 128, &number));
    assert_int_equal(number, 71);
    assert_false(sleepers_leave(&sleepers, 71));
    assert_false(sleepers_pick(&sleepers, 128, &number));
}

// ---------------------------------------------------------------- who is woken, step by step

static void a_job_wakes_one_that_sleeps_and_nobody_else(void **state)
{
    (void)state;
    begin(POOL_ROUTING_SHARED, 3, "list");
    submit(); // nobody sleeps yet
    assert_int_equal(step(0), WORKER_RAN);
    all_sleep();
    submit();
    assert_int_equal(woken(), 1);
    submit();
    assert_int_equal(woken(), 2);
    submit();
    submit();
    assert_int_equal(woken(), 3);
    put_away();
}

static void a_busy_worker_is_not_picked(void **state)
{
    (void)state;
    begin(POOL_ROUTING_SHARED, 2, "list");
    all_sleep();
    submit();
    assert_true(is_woken(0));
    assert_int_equal(step(0), WORKER_RAN);
    event_reset(&rig.pool->workers[0].event);
    submit();
    assert_false(is_woken(0));
    assert_true(is_woken(1));
    put_away();
}

// Its order to stop, or progress, say, and a job of which somebody else is told meanwhile.
static void a_worker_that_something_else_woke_is_off_the_list(void **state)
{
    (void)state;
    begin(POOL_ROUTING_SHARED, 2, "list");
    all_sleep();
    rig.job_queue.traits.notifies = true; // no wake for this one
    submit();
    rig.job_queue.traits.notifies = false;
    event_set(&rig.pool->workers[0].event);
    assert_int_equal(step(0), WORKER_RAN);
    event_reset(&rig.pool->workers[0].event);
    submit();
    assert_false(is_woken(0));
    assert_true(is_woken(1));
    put_away();
}

static const struct sleepers *watched; // NULL: no test watches the reset
static bool listed_too_early;

static void hooked_reset(struct event *event)
{
    if (watched)
        listed_too_early |= at_load_rlx(&watched->words[0]) != 0;
    event_reset(event);
}

// Or the reset eats the wake of who picked it in between, which then has nobody's name on the list any more.
static void a_worker_is_on_no_list_before_its_reset(void **state)
{
    (void)state;
    begin(POOL_ROUTING_SHARED, 1, "list");
    listed_too_early = false;
    watched = &rig.pool->sleepers;
    all_sleep();
    watched = NULL;
    assert_false(listed_too_early);
    assert_true(at_load_rlx(&rig.pool->sleepers.words[0]) != 0);
    put_away();
}

static struct queue_ops hooked;
static unsigned dequeues;

// The first worker has found nothing and has not put itself down yet: the wake goes to the second.
static enum queue_clean_state a_job_comes_before_the_list(void *queue, void *handle, uint64_t *progress)
{
    (void)queue;
    (void)handle;
    (void)progress;
    submit_quietly();
    assert_true(is_woken(1));
    return QUEUE_CLEAN;
}

// Its last look takes that job out; the second worker finds none and sleeps again; the next job picks the first.
static int another_comes_after_the_look(void *queue, void *handle, uintptr_t *item)
{
    const struct queue_ops *ops = rig.pool->shared.ops;
    const int result = ops->dequeue(queue, handle, item);
    if (++dequeues == 2) {
        assert_int_equal(result, QUEUE_OK);
        assert_int_equal(step(1), WORKER_SLEEP);
        assert_false(is_woken(1));
        submit_quietly();
        assert_true(is_woken(0));
        assert_false(is_woken(1));
    }
    return result;
}

static void who_was_picked_with_a_job_in_hand_passes_the_wake_on(void **state)
{
    (void)state;
    begin(POOL_ROUTING_SHARED, 2, "list");
    assert_int_equal(step(1), WORKER_SLEEP);
    dequeues = 0;
    hooked = *rig.pool->shared.ops;
    assert_null(hooked.inspect);
    hooked.clean = a_job_comes_before_the_list;
    hooked.dequeue = another_comes_after_the_look;
    rig.worker->consumer.ops = &hooked;
    assert_int_equal(step(0), WORKER_AGAIN);
    rig.worker->consumer.ops = rig.pool->shared.ops;
    assert_true(is_woken(1)); // or the second job waits for the end of the first, beside a worker that sleeps
    assert_int_equal(step(1), WORKER_RAN);
    assert_int_equal(step(0), WORKER_RAN);
    put_away();
}

// A job that comes between the reset and the last look finds the worker on the list, whatever the look finds.
static enum queue_clean_state a_job_comes_during_the_look(void *queue, void *handle, bool ensure_empty,
                                                          uint64_t *progress)
{
    (void)queue;
    (void)handle;
    (void)ensure_empty;
    (void)progress;
    submit_quietly();
    return QUEUE_CLEAN;
}

static void a_job_that_comes_during_the_last_look_wakes(void **state)
{
    (void)state;
    begin(POOL_ROUTING_SHARED, 1, "list");
    hooked = *rig.pool->shared.ops;
    hooked.inspect = a_job_comes_during_the_look;
    rig.worker->consumer.ops = &hooked;
    assert_int_equal(step(0), WORKER_SLEEP);
    assert_true(is_woken(0));
    rig.worker->consumer.ops = rig.pool->shared.ops;
    put_away();
}

static void workers_of_a_shared_queue_are_drained_one_by_one(void **state)
{
    (void)state;
    begin(POOL_ROUTING_SHARED, 2, "list");
    all_sleep();
    submit();
    worker_drain(&rig.pool->workers[1]);
    assert_true(is_woken(1));
    assert_int_equal(step(1), WORKER_RAN);
    assert_int_equal(step(1), WORKER_STOP);
    submit();
    assert_int_equal(step(0), WORKER_RAN);
    assert_int_equal(step(0), WORKER_SLEEP);
    put_away();
}

// ---------------------------------------------------------------- a job and a worker that goes to sleep

static enum worker_next next ALIGNED_LINE;
static _Atomic uint32_t worker_closed ALIGNED_LINE;

static int begin_to_work(void)
{
    return worker_open(rig.worker);
}

static void forget_the_wake(void)
{
    event_reset(&rig.worker->event);
}

static void complete_all(void)
{
    while (scheduler_pass(rig.scheduler) == POOL_MORE) {}
}

static int begin_to_submit(void)
{
    return scheduler_attach(rig.scheduler);
}

static void look_at_both(void)
{
    (void)at_load_rlx(&rig.pool->sleepers.words[0]);
}

static void rest_once(void)
{
    next = worker_step(rig.worker);
}

// Nobody took the job, and nobody is told of it.
static bool missed_the_job(void)
{
    return next == WORKER_SLEEP && !event_spin(&rig.worker->event, 1);
}

static void run_what_is_left(void)
{
    while (worker_step(rig.worker) != WORKER_SLEEP) {}
    forget_the_wake();
}

static void end_to_work(void)
{
    run_what_is_left();
    worker_close(rig.worker);
    at_store_rel(&worker_closed, 1, AT(test_sleepers_close, test_sleepers_closed));
}

static void end_to_submit(void)
{
    SPIN_UNTIL(at_load_acq(&worker_closed, AT(test_sleepers_closed, test_sleepers_close)));
    at_store_rlx(&rig.pool->workers_ended, 1);
    scheduler_detach(rig.scheduler);
}

static void no_worker_sleeps_through_a_job(void **state)
{
    (void)state;
    static const struct litmus litmus = {
        .sides = {{.begin = begin_to_work,
                   .reset = run_what_is_left,
                   .look = look_at_both,
                   .race = rest_once,
                   .end = end_to_work},
                  {.begin = begin_to_submit,
                   .reset = complete_all,
                   .look = look_at_both,
                   .race = submit_quietly,
                   .end = end_to_submit}},
        .missed = missed_the_job,
    };
    litmus_needs_two();
    rig_init(&rig, 1, 1, "list", "list");
    rig.config.routing = POOL_ROUTING_SHARED;
    rig.extras.threadless = true;
    rig_start(&rig);
    at_init(&worker_closed, 0);
    litmus_run(&litmus);
    rig_stop(&rig);
    litmus_must_hold();
}

// The list alone, without the barriers of a queue: who comes and looks, and who publishes and looks.
static struct {
    struct sleepers sleepers;
    _Atomic uint32_t item ALIGNED_LINE;
    bool seen ALIGNED_LINE;
    bool picked ALIGNED_LINE;
    bool other ALIGNED_LINE;
} bare;

static void reset_bare(void)
{
    at_store_rlx(&bare.sleepers.words[0], 0);
    at_store_rlx(&bare.item, 0);
}

static void look_at_bare(void)
{
    (void)at_load_rlx(&bare.sleepers.words[0]);
    (void)at_load_rlx(&bare.item);
}

static void come_and_look(void)
{
    sleepers_join(&bare.sleepers, 0);
    bare.seen = at_load_sc(&bare.item, AT(test_sleepers_look, test_sleepers_publish));
}

static bool pick_bare(void)
{
    unsigned number;
    return sleepers_pick(&bare.sleepers, 1, &number);
}

static void publish_and_pick(void)
{
    at_store_sc(&bare.item, 1, AT(test_sleepers_publish, test_sleepers_look));
    bare.picked = pick_bare();
}

static bool missed_both(void)
{
    return !bare.seen && !bare.picked;
}

static void who_comes_sees_the_item_or_is_picked(void **state)
{
    (void)state;
    static const struct litmus litmus = {
        .sides = {{.reset = reset_bare, .look = look_at_bare, .race = come_and_look},
                  {.look = look_at_bare, .race = publish_and_pick}},
        .missed = missed_both,
    };
    litmus_needs_two();
    litmus_run(&litmus);
    litmus_must_hold();
}

static void put_one_down(void)
{
    sleepers_join(&bare.sleepers, 0);
}

static void pick_here(void)
{
    bare.picked = pick_bare();
}

static void pick_there(void)
{
    bare.other = pick_bare();
}

static bool not_picked_once(void)
{
    return bare.picked == bare.other;
}

static void one_sleeper_is_picked_by_one(void **state)
{
    (void)state;
    static const struct litmus litmus = {
        .sides = {{.reset = put_one_down, .look = look_at_bare, .race = pick_here},
                  {.look = look_at_bare, .race = pick_there}},
        .missed = not_picked_once,
    };
    litmus_needs_two();
    reset_bare();
    litmus_run(&litmus);
    litmus_must_hold();
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sleepers_are_picked_once_and_the_lowest_first),
        TEST(who_leaves_the_list_learns_whether_it_was_picked),
        TEST(a_job_wakes_one_that_sleeps_and_nobody_else),
        TEST(a_busy_worker_is_not_picked),
        TEST(a_worker_that_something_else_woke_is_off_the_list),
        TEST(a_worker_is_on_no_list_before_its_reset),
        TEST(who_was_picked_with_a_job_in_hand_passes_the_wake_on),
        TEST(a_job_that_comes_during_the_last_look_wakes),
        TEST(workers_of_a_shared_queue_are_drained_one_by_one),
        TEST(no_worker_sleeps_through_a_job),
        TEST(who_comes_sees_the_item_or_is_picked),
        TEST(one_sleeper_is_picked_by_one),
    };
    return cmocka_run_group_tests_name("pool sleepers", tests, litmus_set_up, litmus_tear_down);
}
