// SPDX-License-Identifier: Apache-2.0
// Whose doing it is that a run's threads lose their CPUs: that of others who ran there, and not of our own controller,
// which wakes to read the course of the run.
#include "tests/unit.h"

#include <sched.h>
#include <string.h>
#include <time.h>

#include "core/machine/clock.h"
#include "core/run/surroundings.h"

#define LOST 40u          // times that threads lost their CPU
#define WAKES 60u         // of the controller, more than those
#define BURNT_NS 80000000 // by what is none of the run's threads
#define WINDOW_NS 100000000u

static uint64_t cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

// A run without threads, whose controller sleeps so often in its window, and may keep the CPU busy.
static void judge(struct run_result *result, unsigned wakes, uint64_t burnt_ns)
{
    struct topology topology;
    struct surroundings *around = NULL;
    struct record record;
    struct fault fault = {""};
    const struct run_options options = {.settings = {.counters = RUN_COUNTERS_NO}};
    assert_int_equal(topology_load(&topology, NULL, &fault), 0);
    const struct run_plan plan = {.options = &options, .topology = &topology, .threads = 1};
    record_clear(&record);
    *result = (struct run_result){0};
    assert_int_equal(surroundings_open(&around, &plan, &record, &fault), 0);
    surroundings_opened(around);
    for (unsigned i = 0; i < wakes; i++)
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    for (const uint64_t start = cpu_ns(); cpu_ns() - start < burnt_ns;) {}
    surroundings_closing(around);
    record.threads = 1;
    record.window_ns = record.duration_ns = WINDOW_NS;
    record.cpu_user_ns = record.cpu_system_ns = 0;
    record.switches_involuntary = LOST;
    surroundings_close(around, false, result);
    topology_unload(&topology);
}

static bool was_disturbed(const struct run_result *result)
{
    return strstr(result->environment.reasons, "threads lost their CPUs") != NULL;
}

static void test_others_disturb(void **state)
{
    (void)state;
    struct run_result result;
    judge(&result, 0, BURNT_NS);
    assert_true(was_disturbed(&result));
}

static void test_the_controllers_wakes_are_no_disturbance(void **state)
{
    (void)state;
    struct run_result result;
    judge(&result, WAKES, BURNT_NS);
    assert_false(was_disturbed(&result));
}

// On one CPU, of which alone the accounts are read.
static int begin(void **state)
{
    (void)state;
    cpu_set_t allowed, one;
    int cpu = 0;
    clock_calibrate();
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return -1;
    while (!CPU_ISSET(cpu, &allowed))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return sched_setaffinity(0, sizeof one, &one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_others_disturb),
        cmocka_unit_test(test_the_controllers_wakes_are_no_disturbance),
    };
    return cmocka_run_group_tests_name("surroundings", tests, begin, NULL);
}
