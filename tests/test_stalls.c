// SPDX-License-Identifier: Apache-2.0
// Stalls stop a thread that never calls anything, take their signal back when they are over, and do not disturb what a
// thread does.
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "core/check/conformance/parts.h"
#include "core/check/conformance/stalls.h"
#include "core/machine/clock.h"
#include "tests/unit.h"

struct runner {
    struct thread thread;
    _Atomic uint64_t turns;
    _Atomic uint32_t stop;
    uint64_t longest_ns; // between two turns
    int error;           // errno at the end
};

// Does nothing but count, and note how long it did not.
static void run(void *argument)
{
    struct runner *self = argument;
    errno = 4711;
    uint64_t last_ns = clock_system_ns();
    while (!at_load_rlx(&self->stop)) {
        const uint64_t now_ns = clock_system_ns();
        if (now_ns - last_ns > self->longest_ns)
            self->longest_ns = now_ns - last_ns;
        last_ns = now_ns;
        at_add_rlx(&self->turns, 1);
    }
    self->error = errno;
}

static void start(struct runner *runner)
{
    const struct thread_options options = {.name = "runner", .cpu = -1};
    *runner = (struct runner){0};
    assert_int_equal(thread_start(&runner->thread, &options, run, runner), 0);
}

static void stop(struct runner *runner)
{
    at_store_rlx(&runner->stop, 1);
    thread_join(&runner->thread);
}

static void a_thread_that_only_counts_is_stopped_and_goes_on(void **state)
{
    (void)state;
    struct runner runner;
    uint64_t random = 12345;
    start(&runner);
    SPIN_UNTIL(at_load_rlx(&runner.turns) > 0);
    assert_int_equal(stalls_begin(), 0);
    assert_int_equal(stalls_count(), 0);
    for (unsigned i = 0; i < 50; i++) {
        stalls_stop(&runner.thread, &random);
        SPIN_UNTIL(stalls_count() > i);
        const uint64_t turns = at_load_rlx(&runner.turns);
        SPIN_UNTIL(at_load_rlx(&runner.turns) > turns);
    }
    stop(&runner);
    stalls_end();
    assert_int_equal(stalls_count(), 50);
    assert_true(runner.longest_ns > STALL_MOST_NS / 4);
    assert_int_equal(runner.error, 4711);
}

static void handler(int number)
{
    (void)number;
}

// Whoever had the signal has it again; who has ended may be stopped without harm.
static void the_signal_is_given_back(void **state)
{
    (void)state;
    const struct sigaction own = {.sa_handler = handler};
    struct sigaction before, before_steps, now;
    struct runner runner;
    uint64_t random = 12345;
    assert_int_equal(sigaction(SIGURG, &own, &before), 0);
    assert_int_equal(sigaction(SIGTRAP, &own, &before_steps), 0);
    assert_int_equal(stalls_begin(), 0);
    sigaction(SIGURG, NULL, &now);
    assert_true(now.sa_handler != handler);
    start(&runner);
    stop(&runner);
    stalls_stop(&runner.thread, &random);
    stalls_end();
    sigaction(SIGURG, &before, &now);
    assert_true(now.sa_handler == handler);
    sigaction(SIGTRAP, &before_steps, &now);
    assert_true(now.sa_handler == handler);
}

// A walk ends in one stop, within the instructions of about an operation, and not always after as many. It needs a
// plain build on an x86-64; elsewhere nothing happens.
static void a_walk_stops_within_the_next_instructions(void **state)
{
    (void)state;
    static struct runner runner;                  // for its turns only: each some instructions
    uint64_t random = 12345, stopped_at[2] = {0}; // the shortest and the longest way
#if defined(__x86_64__) && !defined(READYQ_SANITIZED)
    const unsigned stops = 1;
#else
    const unsigned stops = 0;
#endif
    errno = 4711;
    assert_int_equal(stalls_begin(), 0);
    for (unsigned i = 0; i < 100; i++) {
        uint64_t turns = 0;
        stalls_walk(&random);
        for (; turns < 1000 && stalls_count() == (uint64_t)i * stops; turns++)
            at_add_rlx(&runner.turns, 1);
        stopped_at[0] = i == 0 || turns < stopped_at[0] ? turns : stopped_at[0];
        stopped_at[1] = turns > stopped_at[1] ? turns : stopped_at[1];
        assert_int_equal(stalls_count(), (i + 1) * stops);
    }
    stalls_end();
    assert_int_equal(errno, 4711);
    if (stops)
        assert_true(stopped_at[0] < stopped_at[1] && stopped_at[1] < 200);
}

// The same seed stops for the same times.
static void the_length_of_a_stall_comes_from_the_seed(void **state)
{
    (void)state;
    uint64_t one = 99, other = 99;
    struct runner runner = {0};
    for (unsigned i = 0; i < 100; i++) {
        stalls_stop(&runner.thread, &one);
        suite_random(&other);
        assert_true(one == other);
    }
}

int main(void)
{
    clock_calibrate();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_that_only_counts_is_stopped_and_goes_on),
        cmocka_unit_test(the_signal_is_given_back),
        cmocka_unit_test(a_walk_stops_within_the_next_instructions),
        cmocka_unit_test(the_length_of_a_stall_comes_from_the_seed),
    };
    return cmocka_run_group_tests_name("stalls", tests, NULL, NULL);
}
