// SPDX-License-Identifier: Apache-2.0
// Threads of a progress domain that are interrupted where a wake-up could be lost. Its source is compiled into this
// program with a hook in front of each labelled access, from which is called what another thread does meanwhile.
#include <string.h>

#include "core/machine/memory.h"
#include "core/sync/atomic.h"
#include "tests/unit.h"

static void pass_by(const char *label);

#undef at_load_sc
#undef at_store_sc
#undef at_xchg_sc
#undef at_xchg_ar
#undef at_add_sc
#undef at_sub_sc
#undef at_cas_sc
#define AT(label, ...) pass_by(#label)
#define at_load_sc(p, at) ((at), atomic_load(p))
#define at_store_sc(p, v, at) ((at), atomic_store((p), (v)))
#define at_xchg_sc(p, v, at) ((at), atomic_exchange((p), (v)))
#define at_xchg_ar(p, v, at) ((at), atomic_exchange((p), (v)))
#define at_add_sc(p, v, at) ((at), atomic_fetch_add((p), (v)))
#define at_sub_sc(p, v, at) ((at), atomic_fetch_sub((p), (v)))
#define at_cas_sc(p, expected, v, at) ((at), atomic_compare_exchange_strong((p), (expected), (v)))

#include "core/sync/progress.c"
#include "tests/progress_puppet.h"

// What is to happen before accesses, on whichever thread comes there first: each once.
static struct {
    _Atomic(const char *) label;
    void (*happens)(void);
} plans[2];

static void interrupt(unsigned plan, const char *label, void (*happens)(void))
{
    plans[plan].happens = happens;
    atomic_store(&plans[plan].label, label);
}

static void pass_by(const char *label)
{
    for (unsigned i = 0; i < 2; i++) {
        const char *planned = atomic_load(&plans[i].label);
        if (planned && strcmp(planned, label) == 0 && atomic_compare_exchange_strong(&plans[i].label, &planned, NULL))
            plans[i].happens();
    }
}

// As in core/sync/event.c.
#define PARKED (-1)

// One managed thread, and one unmanaged, which is woken for a value.
static struct {
    struct progress *domain;
    struct puppet puppet;
    struct progress_thread *self;
    uint64_t value;
    _Atomic uint32_t asleep; // the puppet
    _Atomic uint32_t calls;
} rig;

static void count_call(void *argument)
{
    (void)argument;
    at_add_rlx(&rig.calls, 1);
}

static int set_up(void **state)
{
    (void)state;
    at_init(&rig.calls, 0);
    at_init(&rig.asleep, 0);
    assert_int_equal(progress_create(&rig.domain, &memory_system, 1, 1), 0);
    puppet_start(&rig.puppet, rig.domain);
    rig.self = progress_register_unmanaged(rig.domain, count_call, NULL);
    rig.value = progress_later(rig.domain);
    return 0;
}

static void fall_asleep(void)
{
    puppet_do(&rig.puppet, SLEEP);
    at_store_rlx(&rig.asleep, 1);
}

static void wake_up(void)
{
    puppet_do(&rig.puppet, WAKE);
    at_store_rlx(&rig.asleep, 0);
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        atomic_store(&plans[i].label, NULL);
    if (at_load_rlx(&rig.asleep))
        wake_up();
    progress_unregister(rig.self);
    puppet_do(&rig.puppet, LEAVE);
    progress_destroy(rig.domain);
    return 0;
}

static void all_has_happened(void)
{
    for (unsigned i = 0; i < 2; i++)
        assert_null(atomic_load(&plans[i].label));
}

static void reach(void)
{
    while (!progress_reached(rig.domain, rig.value))
        puppet_do(&rig.puppet, UPDATE);
}

static void request(void)
{
    progress_request_wakeup(rig.self, rig.value);
}

// The value is reached, and its slot emptied, after the requester has looked.
static void request_too_late(const char *label)
{
    interrupt(0, label, reach);
    request();
    all_has_happened();
    assert_int_equal(at_load_rlx(&rig.calls), 1);
}

static void test_a_request_looks_again_when_it_was_too_late_to_be_queued(void **state)
{
    (void)state;
    request_too_late("progress_queue");
}

static void test_a_request_looks_again_when_it_was_too_late_to_be_counted(void **state)
{
    (void)state;
    request_too_late("progress_ask");
}

static void test_a_request_looks_again_when_it_was_too_late_for_its_slot(void **state)
{
    (void)state;
    request_too_late("progress_request");
}

static void request_from_the_slot(void)
{
    request();
    assert_int_equal(at_load_rlx(&rig.calls), 0);
}

static void test_the_leader_looks_for_requests_after_it_has_published(void **state)
{
    (void)state;
    puppet_do(&rig.puppet, UPDATE);
    assert_int_equal(progress_current(rig.domain), rig.value - 1);
    interrupt(0, "progress_advance", request_from_the_slot);
    puppet_do(&rig.puppet, UPDATE);
    all_has_happened();
    assert_true(progress_reached(rig.domain, rig.value));
    assert_int_equal(at_load_rlx(&rig.calls), 1);
}

// Everybody else is through: if the aux thread is parked now, with a request pending, nobody ever wakes it.
static bool stuck(void)
{
    return at_load_rlx(&rig.domain->aux_event.state) == PARKED && at_load_rlx(&rig.domain->pending) > 0;
}

static void aux_serves(void)
{
    SPIN_UNTIL(at_load_rlx(&rig.calls) > 0 || stuck());
    assert_int_not_equal(at_load_rlx(&rig.calls), 0);
}

static void aux_parks(void)
{
    SPIN_UNTIL(at_load_rlx(&rig.domain->aux_event.state) == PARKED);
}

static void test_a_request_while_all_sleep_is_served(void **state)
{
    (void)state;
    aux_parks();
    fall_asleep();
    request();
    aux_serves();
}

static void test_a_request_is_served_when_all_fall_asleep_later(void **state)
{
    (void)state;
    aux_parks();
    request();
    fall_asleep();
    aux_serves();
}

static void serve_though_all_fall_asleep_at(const char *label)
{
    aux_parks();
    interrupt(0, label, fall_asleep);
    request();
    all_has_happened();
    aux_serves();
}

static void test_a_request_is_served_when_all_fall_asleep_before_it_counts(void **state)
{
    (void)state;
    serve_though_all_fall_asleep_at("progress_ask");
}

static void test_a_request_is_served_when_all_fall_asleep_before_it_is_in_its_slot(void **state)
{
    (void)state;
    serve_though_all_fall_asleep_at("progress_request");
}

static void test_a_request_is_served_when_all_fall_asleep_before_it_looks_for_them(void **state)
{
    (void)state;
    serve_though_all_fall_asleep_at("progress_count_awake");
}

static void serve_what_is_asked_at(const char *label)
{
    aux_parks();
    interrupt(0, label, request);
    fall_asleep();
    all_has_happened();
    aux_serves();
}

static void test_a_request_is_served_that_comes_before_the_last_counts_as_asleep(void **state)
{
    (void)state;
    serve_what_is_asked_at("progress_sleeper");
}

static void test_a_request_is_served_that_comes_before_the_last_looks_for_it(void **state)
{
    (void)state;
    serve_what_is_asked_at("progress_sleeper_look");
}

// The aux thread sees somebody awake, leaves the rest to it, and lies down; the other has gone to sleep by then.
static void test_the_aux_thread_is_not_relieved_by_one_who_sleeps_at_once(void **state)
{
    (void)state;
    aux_parks();
    fall_asleep();
    interrupt(0, "progress_aux_look", wake_up);
    interrupt(1, "progress_sleeper", fall_asleep);
    request();
    aux_serves();
    all_has_happened();
}

#define ON_A_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_RIG(test_a_request_looks_again_when_it_was_too_late_to_be_queued),
        ON_A_RIG(test_a_request_looks_again_when_it_was_too_late_to_be_counted),
        ON_A_RIG(test_a_request_looks_again_when_it_was_too_late_for_its_slot),
        ON_A_RIG(test_the_leader_looks_for_requests_after_it_has_published),
        ON_A_RIG(test_a_request_while_all_sleep_is_served),
        ON_A_RIG(test_a_request_is_served_when_all_fall_asleep_later),
        ON_A_RIG(test_a_request_is_served_when_all_fall_asleep_before_it_counts),
        ON_A_RIG(test_a_request_is_served_when_all_fall_asleep_before_it_is_in_its_slot),
        ON_A_RIG(test_a_request_is_served_when_all_fall_asleep_before_it_looks_for_them),
        ON_A_RIG(test_a_request_is_served_that_comes_before_the_last_counts_as_asleep),
        ON_A_RIG(test_a_request_is_served_that_comes_before_the_last_looks_for_it),
        ON_A_RIG(test_the_aux_thread_is_not_relieved_by_one_who_sleeps_at_once),
    };
    return cmocka_run_group_tests_name("progress races", tests, NULL, NULL);
}
