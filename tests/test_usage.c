// SPDX-License-Identifier: Apache-2.0
// What the process is said to have used, against work of a known kind.
#include <sched.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/measure/tasks.h"
#include "core/measure/usage.h"
#include "tests/unit.h"

#define MIB ((uint64_t)1 << 20)
#define LARGE (128 * MIB)

static uint64_t thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void cpu_time_covers_what_a_thread_burnt(void **state)
{
    (void)state;
    struct usage start, end;
    usage_read(&start);
    const uint64_t before = thread_cpu_ns();
    while (thread_cpu_ns() - before < 100000000) {}
    const uint64_t burnt = thread_cpu_ns() - before;
    usage_read(&end);
    const struct usage used = usage_between(&start, &end);
    // The kernel accounts a running thread up to the reading, but splits user from system by ticks.
    assert_true(used.cpu_user_ns + used.cpu_system_ns + 20000000 >= burnt);
}

static void sleeping_is_a_voluntary_switch(void **state)
{
    (void)state;
    struct usage start, end;
    usage_read(&start);
    for (int i = 0; i < 20; i++)
        usleep(1000);
    usage_read(&end);
    assert_true(usage_between(&start, &end).voluntary_switches >= 20);
}

static void peak_memory_follows_what_is_touched(void **state)
{
    (void)state;
    struct usage start, end;
    usage_read(&start);
    char *memory = malloc(LARGE);
    assert_non_null(memory);
    memset(memory, 1, LARGE);
    __asm__ volatile("" ::"r"(memory) : "memory");
    free(memory);
    usage_read(&end);
    assert_true(usage_between(&start, &end).peak_rss_bytes >= LARGE);
    assert_true(start.peak_rss_bytes > 0);
}

extern char **environ;

// By now this process has been large. A program that it starts has not.
static void a_large_parent_does_not_count(void **state)
{
    (void)state;
    char *const arguments[] = {"test_usage", "--peak-is-small", NULL};
    pid_t child;
    int status;
    assert_int_equal(posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void the_difference_is_taken_member_by_member(void **state)
{
    (void)state;
    const struct usage start = {10, 20, 30, 40, 50, 60};
    const struct usage end = {11, 22, 33, 44, 55, 66};
    const struct usage used = usage_between(&start, &end);
    assert_int_equal(used.cpu_user_ns, 1);
    assert_int_equal(used.cpu_system_ns, 2);
    assert_int_equal(used.voluntary_switches, 3);
    assert_int_equal(used.involuntary_switches, 4);
    assert_int_equal(used.peak_rss_bytes, 55);
    assert_int_equal(used.steal_ns, 6);
}

static void unknown_steal_stays_unknown(void **state)
{
    (void)state;
    struct usage start = {.steal_ns = UINT64_MAX}, end = {.steal_ns = 5};
    assert_true(usage_between(&start, &end).steal_ns == UINT64_MAX);
    assert_true(usage_between(&end, &start).steal_ns == UINT64_MAX);
    start.steal_ns = 7;
    assert_int_equal(usage_between(&start, &end).steal_ns, 0);
}

static void a_thread_is_told_of_what_it_did_itself(void **state)
{
    (void)state;
    struct thread_usage start, end;
    usage_read_thread(&start);
    const uint64_t before = thread_cpu_ns();
    while (thread_cpu_ns() - before < 5000000) {}
    for (int i = 0; i < 20; i++)
        usleep(1000);
    usage_read_thread(&end);
    assert_true(end.cpu_ns - start.cpu_ns >= 5000000);
    assert_true(end.voluntary_switches - start.voluntary_switches >= 20);
    assert_true(end.involuntary_switches >= start.involuntary_switches);
}

static void moves_are_counted_of_threads_that_stayed(void **state)
{
    (void)state;
    struct task before[] = {{10, 3}, {11, 5}, {12, 100}};
    struct task after[] = {{11, 5}, {10, 7}, {13, 9}};
    const struct tasks start = {before, 3}, end = {after, 3}, nobody = {NULL, 0};
    assert_int_equal(tasks_moves_of(&start, &end, 10), 4);
    assert_int_equal(tasks_moves_of(&start, &end, 11), 0);
    assert_true(tasks_moves_of(&start, &end, 12) == UINT64_MAX);
    assert_true(tasks_moves_of(&start, &end, 13) == UINT64_MAX);
    assert_int_equal(tasks_moves(&start, &end), 4);
    assert_true(tasks_moves(&start, &nobody) == UINT64_MAX);
    assert_true(tasks_moves(&nobody, &end) == UINT64_MAX);
}

// Moves this thread to and fro; where the kernel tells of moves it must tell of these.
static void a_thread_that_is_moved_is_counted(void **state)
{
    (void)state;
    cpu_set_t allowed;
    struct tasks start = {0}, end = {0};
    assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    tasks_read(&start);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (CPU_ISSET(cpu, &allowed))
            assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    }
    assert_int_equal(sched_setaffinity(0, sizeof allowed, &allowed), 0);
    tasks_read(&end);
    const uint64_t moves = tasks_moves_of(&start, &end, gettid());
    print_message("%zu threads are told of; this one was moved %lld times\n", end.count, (long long)moves);
    assert_true(moves == UINT64_MAX || end.count > 0);
    tasks_free(&start);
    tasks_free(&end);
    assert_int_equal(end.count, 0);
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "--peak-is-small") == 0) {
        struct usage usage;
        usage_read(&usage);
        return usage.peak_rss_bytes == 0 || usage.peak_rss_bytes >= LARGE;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_time_covers_what_a_thread_burnt),
        cmocka_unit_test(sleeping_is_a_voluntary_switch),
        cmocka_unit_test(peak_memory_follows_what_is_touched),
        cmocka_unit_test(a_large_parent_does_not_count),
        cmocka_unit_test(the_difference_is_taken_member_by_member),
        cmocka_unit_test(unknown_steal_stays_unknown),
        cmocka_unit_test(a_thread_is_told_of_what_it_did_itself),
        cmocka_unit_test(moves_are_counted_of_threads_that_stayed),
        cmocka_unit_test(a_thread_that_is_moved_is_counted),
    };
    return cmocka_run_group_tests_name("usage", tests, NULL, NULL);
}
