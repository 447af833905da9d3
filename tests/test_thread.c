// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "core/machine/memory.h"
#include "core/sync/thread.h"
#include "tests/unit.h"

struct seen {
    char name[16];
    size_t stack_bytes;
    int cpu;
};

static void look(void *argument)
{
    struct seen *seen = argument;
    pthread_attr_t attributes;
    void *stack;
    pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &stack, &seen->stack_bytes);
    pthread_attr_destroy(&attributes);
    seen->cpu = sched_getcpu();
}

static void test_name_stack_and_pinning(void **state)
{
    (void)state;
    struct topology topology;
    struct fault fault = {""};
    assert_int_equal(topology_load(&topology, NULL, &fault), 0);
    for (unsigned i = 0; i < topology.count; i++) {
        struct seen seen = {.cpu = -1};
        struct thread thread;
        const struct thread_options options = {
            .name = "async_1", .stack_bytes = 256 * 1024, .topology = &topology, .cpu = (int)topology.cpus[i].os};
        assert_int_equal(thread_start(&thread, &options, look, &seen), 0);
        assert_int_equal(thread_join(&thread), 0);
        assert_string_equal(seen.name, "async_1");
        assert_int_equal(seen.cpu, topology.cpus[i].os);
        assert_true(seen.stack_bytes >= 256 * 1024);
        assert_true(seen.stack_bytes < 4096 * 1024);
    }
    topology_unload(&topology);
}

static void test_a_stack_too_small_is_raised(void **state)
{
    (void)state;
    struct seen seen = {.cpu = -1};
    struct thread thread;
    const struct thread_options options = {.stack_bytes = 1, .cpu = -1};
    assert_int_equal(thread_start(&thread, &options, look, &seen), 0);
    assert_int_equal(thread_join(&thread), 0);
    assert_true(seen.stack_bytes >= 16 * 1024);
}

static void test_pinning_where_we_may_not_is_reported(void **state)
{
    (void)state;
    struct topology topology;
    struct fault fault = {""};
    assert_int_equal(topology_load(&topology, NULL, &fault), 0);
    struct seen seen = {.cpu = -1};
    struct thread thread;
    const struct thread_options options = {.topology = &topology, .cpu = 100000};
    assert_int_equal(thread_start(&thread, &options, look, &seen), 0);
    assert_true(thread_join(&thread) < 0);
    topology_unload(&topology);
}

static void test_an_impossible_stack_is_refused(void **state)
{
    (void)state;
    struct seen seen;
    struct thread thread;
    const struct thread_options options = {.stack_bytes = (size_t)1 << 60, .cpu = -1};
    assert_true(thread_start(&thread, &options, look, &seen) < 0);
    assert_int_equal(thread_join(&thread), 0);
}

static void allocate(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < 7; i++)
        memory_system.free(&memory_system, memory_system.alloc(&memory_system, 64, 16, -1), 64, -1);
}

static void test_a_threads_counts_outlive_it(void **state)
{
    (void)state;
    const struct memory_counters before = memory_counters();
    struct thread thread;
    const struct thread_options options = {.cpu = -1};
    assert_int_equal(thread_start(&thread, &options, allocate, NULL), 0);
    thread_join(&thread);
    const struct memory_counters after = memory_counters();
    assert_int_equal(after.allocations - before.allocations, 7);
    assert_int_equal(after.frees - before.frees, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_stack_and_pinning),
        cmocka_unit_test(test_a_stack_too_small_is_raised),
        cmocka_unit_test(test_pinning_where_we_may_not_is_reported),
        cmocka_unit_test(test_an_impossible_stack_is_refused),
        cmocka_unit_test(test_a_threads_counts_outlive_it),
    };
    return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
