// SPDX-License-Identifier: Apache-2.0
// The sentinel times the cache line, and not how long the system takes to let its threads run: it plays only when both
// are in place.
#include "tests/unit.h"

#include <errno.h>
#include <math.h>
#include <time.h>

#include "core/machine/clock.h"
#include "core/run/sentinel.h"
#include "core/sync/thread.h"

#define LATE_NS 30000000

static struct topology topology;

// What thread_start does in the place of the real one, to the sentinel's two threads.
static struct {
    unsigned refused; // this one can't be started; 0: none
    unsigned started; // so far
    void (*body)(void *argument);
    void *argument;
    _Atomic int begun;     // the first, which comes late, does what it was started for
    bool second_was_alone; // when it was started
} made;

static void late(void *argument)
{
    (void)argument;
    nanosleep(&(struct timespec){.tv_nsec = LATE_NS}, NULL);
    at_store_rlx(&made.begun, 1);
    made.body(made.argument);
}

int __real_thread_start(struct thread *thread, const struct thread_options *options, void (*body)(void *),
                        void *argument);
int __wrap_thread_start(struct thread *thread, const struct thread_options *options, void (*body)(void *),
                        void *argument);

int __wrap_thread_start(struct thread *thread, const struct thread_options *options, void (*body)(void *),
                        void *argument)
{
    if (++made.started == made.refused)
        return -EAGAIN;
    if (made.started == 1) {
        made.body = body;
        made.argument = argument;
        return __real_thread_start(thread, options, late, NULL);
    }
    made.second_was_alone = !at_load_rlx(&made.begun);
    return __real_thread_start(thread, options, body, argument);
}

static double play(unsigned refused)
{
    made.refused = refused;
    made.started = 0;
    made.second_was_alone = true;
    at_store_rlx(&made.begun, 0);
    return sentinel_round_trip_ns(&topology);
}

static void test_it_tells_the_distance_of_two_cores(void **state)
{
    (void)state;
    const double ns = play(0);
    assert_true(topology.cores > 1 ? ns > 0 : isnan(ns));
    const unsigned count = topology.count;
    topology.count = 1;
    assert_true(isnan(play(0)));
    topology.count = count;
}

static void test_the_second_waits_until_the_first_is_in_place(void **state)
{
    (void)state;
    if (topology.cores < 2)
        skip();
    play(0);
    assert_int_equal(made.started, 2);
    assert_false(made.second_was_alone);
}

static void test_without_threads_it_tells_nothing(void **state)
{
    (void)state;
    assert_true(isnan(play(1)));
    assert_true(isnan(play(2)));
}

static int begin(void **state)
{
    (void)state;
    struct fault fault = {""};
    clock_calibrate();
    return topology_load(&topology, NULL, &fault);
}

static int end(void **state)
{
    (void)state;
    topology_unload(&topology);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_tells_the_distance_of_two_cores),
        cmocka_unit_test(test_the_second_waits_until_the_first_is_in_place),
        cmocka_unit_test(test_without_threads_it_tells_nothing),
    };
    return cmocka_run_group_tests_name("sentinel", tests, begin, end);
}
