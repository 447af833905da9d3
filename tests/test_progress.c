// SPDX-License-Identifier: Apache-2.0
// Thread progress: step by step with one other managed thread under command, then under stress.
#include "core/machine/clock.h"
#include "core/machine/memory.h"
#include "core/sync/event.h"
#include "core/sync/progress.h"
#include "core/sync/thread.h"
#include "tests/progress_puppet.h"
#include "tests/unit.h"

static void update_often(struct progress_thread *self)
{
    for (unsigned i = 0; i < 20; i++)
        progress_update(self);
}

static void test_a_silent_managed_thread_holds_progress_back(void **state)
{
    (void)state;
    struct progress *progress;
    struct puppet puppet;
    assert_int_equal(progress_create(&progress, &memory_system, 2, 0), 0);
    struct progress_thread *self = progress_register_managed(progress, nobody, NULL);
    puppet_start(&puppet, progress);
    update_often(self);
    const uint64_t value = progress_later(progress);
    update_often(self);
    assert_false(progress_reached(progress, value));
    for (unsigned i = 0; i < 4 && !progress_reached(progress, value); i++) {
        puppet_do(&puppet, UPDATE);
        progress_update(self);
    }
    assert_true(progress_reached(progress, value));
    puppet_do(&puppet, LEAVE);
    progress_unregister(self);
    progress_destroy(progress);
}

static void test_a_value_needs_two_confirmations_of_every_thread(void **state)
{
    (void)state;
    struct progress *progress;
    struct puppet puppet;
    assert_int_equal(progress_create(&progress, &memory_system, 2, 1), 0);
    puppet_start(&puppet, progress);
    struct progress_thread *self = progress_register_unmanaged(progress, nobody, NULL);
    // The puppet confirms current + 1 before the value is asked for; that confirmation must not count.
    const uint64_t value = progress_later(progress);
    assert_int_equal(value, progress_current(progress) + 2);
    puppet_do(&puppet, UPDATE);
    assert_false(progress_reached(progress, value));
    puppet_do(&puppet, UPDATE);
    assert_true(progress_reached(progress, value));
    progress_unregister(self);
    puppet_do(&puppet, LEAVE);
    progress_destroy(progress);
}

// The same for a managed thread, which goes by its own confirmation: one puppet leads, the other has confirmed the
// next value before ours is asked for.
static void test_a_managed_threads_value_needs_two_confirmations_too(void **state)
{
    (void)state;
    struct progress *progress;
    struct puppet leader, silent;
    assert_int_equal(progress_create(&progress, &memory_system, 3, 0), 0);
    puppet_start(&leader, progress);
    puppet_start(&silent, progress);
    struct progress_thread *self = progress_register_managed(progress, nobody, NULL);
    puppet_do(&silent, UPDATE);
    puppet_do(&leader, UPDATE); // publishes what we have confirmed, but we did not look yet
    puppet_do(&silent, UPDATE);
    puppet_do(&leader, UPDATE);
    const uint64_t value = progress_later(progress);
    assert_int_equal(value, progress_current(progress) + 2);
    for (unsigned i = 0; i < 4; i++) {
        progress_update(self);
        puppet_do(&leader, UPDATE);
    }
    assert_false(progress_reached(progress, value));
    puppet_do(&silent, UPDATE);
    puppet_do(&leader, UPDATE);
    assert_true(progress_reached(progress, value));
    puppet_do(&silent, LEAVE);
    puppet_do(&leader, LEAVE);
    progress_unregister(self);
    progress_destroy(progress);
}

static void test_sleepers_and_leavers_hold_nobody_back(void **state)
{
    (void)state;
    struct progress *progress;
    struct puppet sleeper, leaver;
    assert_int_equal(progress_create(&progress, &memory_system, 3, 0), 0);
    struct progress_thread *self = progress_register_managed(progress, nobody, NULL);
    puppet_start(&sleeper, progress);
    puppet_start(&leaver, progress);
    puppet_do(&sleeper, SLEEP);
    puppet_do(&leaver, LEAVE);
    const uint64_t value = progress_later(progress);
    update_often(self);
    assert_true(progress_reached(progress, value));
    puppet_do(&sleeper, WAKE);
    const uint64_t next = progress_later(progress);
    update_often(self);
    assert_false(progress_reached(progress, next));
    puppet_do(&sleeper, LEAVE);
    update_often(self);
    assert_true(progress_reached(progress, next));
    progress_unregister(self);
    progress_destroy(progress);
}

static void test_a_leader_that_sleeps_hands_over(void **state)
{
    (void)state;
    struct progress *progress;
    struct puppet puppet;
    assert_int_equal(progress_create(&progress, &memory_system, 2, 0), 0);
    struct progress_thread *self = progress_register_managed(progress, nobody, NULL);
    puppet_start(&puppet, progress);
    update_often(self); // we lead
    const uint64_t value = progress_later(progress);
    progress_prepare_wait(self);
    for (unsigned i = 0; i < 4; i++)
        puppet_do(&puppet, UPDATE);
    assert_true(progress_reached(progress, value));
    progress_finalize_wait(self);
    puppet_do(&puppet, LEAVE);
    progress_unregister(self);
    progress_destroy(progress);
}

static void set_event(void *argument)
{
    event_set(argument);
}

static void await_progress(struct progress *progress, struct progress_thread *self, struct event *event)
{
    const uint64_t value = progress_later(progress);
    for (;;) {
        event_reset(event);
        if (progress_reached(progress, value))
            return;
        progress_request_wakeup(self, value);
        event_wait(event, 0);
    }
}

static void test_the_aux_thread_leads_when_all_sleep(void **state)
{
    (void)state;
    struct progress *progress;
    struct puppet puppet;
    struct event event;
    event_init(&event);
    assert_int_equal(progress_create(&progress, &memory_system, 1, 1), 0);
    puppet_start(&puppet, progress);
    puppet_do(&puppet, SLEEP);
    struct progress_thread *self = progress_register_unmanaged(progress, set_event, &event);
    for (unsigned i = 0; i < 200; i++)
        await_progress(progress, self, &event);
    progress_unregister(self);
    puppet_do(&puppet, WAKE);
    puppet_do(&puppet, LEAVE);
    progress_destroy(progress);
}

static void test_the_last_to_sleep_leaves_pending_wakeups_to_the_aux_thread(void **state)
{
    (void)state;
    struct progress *progress;
    struct puppet puppet;
    struct event event;
    event_init(&event);
    assert_int_equal(progress_create(&progress, &memory_system, 1, 1), 0);
    puppet_start(&puppet, progress);
    struct progress_thread *self = progress_register_unmanaged(progress, set_event, &event);
    const uint64_t value = progress_later(progress);
    progress_request_wakeup(self, value); // the puppet is awake, so the aux thread stays asleep
    assert_false(progress_reached(progress, value));
    puppet_do(&puppet, SLEEP);
    event_wait(&event, 0);
    assert_true(progress_reached(progress, value));
    progress_unregister(self);
    puppet_do(&puppet, WAKE);
    puppet_do(&puppet, LEAVE);
    progress_destroy(progress);
}

static void test_a_reached_value_wakes_at_once(void **state)
{
    (void)state;
    struct progress *progress;
    struct event event;
    event_init(&event);
    assert_int_equal(progress_create(&progress, &memory_system, 1, 0), 0);
    struct progress_thread *self = progress_register_managed(progress, set_event, &event);
    const uint64_t value = progress_later(progress);
    update_often(self);
    progress_request_wakeup(self, value);
    event_wait(&event, 0);
    progress_unregister(self);
    progress_destroy(progress);
}

// Stress: readers walk to a cell through a shared pointer; the writer replaces the cell and scribbles on the old one
// once progress says that nobody can hold it.
#define READERS 2
#define WAITERS 2
#define ALIVE 0x600dce11u
#define DEAD 0xdeadce11u

struct cell {
    _Atomic uint32_t magic;
};

struct stress {
    struct progress *progress;
    _Atomic(struct cell *) cell;
    _Atomic uint32_t stop;
    _Atomic uint32_t violations;
    unsigned rounds;
};

static void reader(void *argument)
{
    struct stress *stress = argument;
    struct progress_thread *self = progress_register_managed(stress->progress, nobody, NULL);
    unsigned turn = 0;
    while (!at_load_rlx(&stress->stop)) {
        struct cell *cell = at_load_sc(&stress->cell, AT(test_progress_read, test_progress_swap));
        for (unsigned look = 0; look < 50; look++)
            if (at_load_rlx(&cell->magic) != ALIVE)
                at_add_rlx(&stress->violations, 1);
        if (++turn % 64 == 0) {
            progress_prepare_wait(self);
            thread_yield();
            progress_finalize_wait(self);
        } else {
            progress_update(self);
        }
    }
    progress_unregister(self);
}

static void waiter(void *argument)
{
    struct stress *stress = argument;
    struct event event;
    event_init(&event);
    struct progress_thread *self = progress_register_unmanaged(stress->progress, set_event, &event);
    for (unsigned i = 0; i < stress->rounds; i++)
        await_progress(stress->progress, self, &event);
    progress_unregister(self);
}

static void test_nobody_holds_what_progress_has_passed(void **state)
{
    (void)state;
    static struct stress stress;
    static struct cell cells[2];
    assert_int_equal(progress_create(&stress.progress, &memory_system, READERS, 1 + WAITERS), 0);
    at_init(&cells[0].magic, ALIVE);
    at_init(&stress.cell, &cells[0]);
    stress.rounds = ROUNDS(20000);
    struct thread threads[READERS + WAITERS];
    const struct thread_options options = {.cpu = -1};
    for (unsigned i = 0; i < READERS + WAITERS; i++)
        assert_int_equal(thread_start(&threads[i], &options, i < READERS ? reader : waiter, &stress), 0);
    struct event event;
    event_init(&event);
    struct progress_thread *self = progress_register_unmanaged(stress.progress, set_event, &event);
    for (unsigned i = 0; i < stress.rounds; i++) {
        struct cell *old = &cells[i % 2], *new = &cells[(i + 1) % 2];
        at_store_rlx(&new->magic, ALIVE);
        at_store_sc(&stress.cell, new, AT(test_progress_swap, test_progress_read));
        await_progress(stress.progress, self, &event);
        at_store_rlx(&old->magic, DEAD);
    }
    progress_unregister(self);
    for (unsigned i = READERS; i < READERS + WAITERS; i++)
        thread_join(&threads[i]);
    at_store_rlx(&stress.stop, 1);
    for (unsigned i = 0; i < READERS; i++)
        thread_join(&threads[i]);
    progress_destroy(stress.progress);
    assert_int_equal(at_load_rlx(&stress.violations), 0);
}

int main(void)
{
    clock_calibrate();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_silent_managed_thread_holds_progress_back),
        cmocka_unit_test(test_a_value_needs_two_confirmations_of_every_thread),
        cmocka_unit_test(test_a_managed_threads_value_needs_two_confirmations_too),
        cmocka_unit_test(test_sleepers_and_leavers_hold_nobody_back),
        cmocka_unit_test(test_a_leader_that_sleeps_hands_over),
        cmocka_unit_test(test_the_aux_thread_leads_when_all_sleep),
        cmocka_unit_test(test_the_last_to_sleep_leaves_pending_wakeups_to_the_aux_thread),
        cmocka_unit_test(test_a_reached_value_wakes_at_once),
        cmocka_unit_test(test_nobody_holds_what_progress_has_passed),
    };
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
