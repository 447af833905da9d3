// SPDX-License-Identifier: Apache-2.0
// The process's allocator: zeroed, aligned, counted per thread, and on the node that was asked for. Machines with
// other nodes than this one's are put in place by hwloc's own variables, in children.
#include "tests/unit.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/machine/memory.h"

#define HUGE_BYTES (SIZE_MAX / 4)

#if !defined(__has_feature)
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZED "address sanitizer"
#elif defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define SANITIZED "thread sanitizer"
#else
#define SANITIZED ""
#endif

// A sanitizer ends the program when asked for too much, unless told otherwise.
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void *take(size_t size, size_t align, int node)
{
    return memory_system.alloc(&memory_system, size, align, node);
}

static void give(void *memory, size_t size, int node)
{
    memory_system.free(&memory_system, memory, size, node);
}

static bool all_zero(const unsigned char *memory, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (memory[i])
            return false;
    }
    return true;
}

// Memory that is dirtied and freed comes back zeroed.
static void test_zeroed_and_aligned(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 24, 64, 200, 4096, 100000};
    for (size_t align = 1; align <= 65536; align *= 2) {
        for (size_t i = 0; i < 6; i++) {
            void *held[8];
            for (unsigned round = 0; round < 4; round++) {
                for (unsigned j = 0; j < 8; j++) {
                    held[j] = take(sizes[i], align, -1);
                    assert_non_null(held[j]);
                    assert_int_equal((uintptr_t)held[j] % align, 0);
                    assert_true(all_zero(held[j], sizes[i]));
                    memset(held[j], 0xa5, sizes[i]);
                }
                for (unsigned j = 0; j < 8; j++)
                    give(held[j], sizes[i], -1);
            }
        }
    }
}

static void test_empty(void **state)
{
    (void)state;
    void *memory = take(0, 0, -1);
    assert_non_null(memory);
    give(memory, 0, -1);
    const struct memory_counters before = memory_counters();
    give(NULL, 64, -1);
    assert_int_equal(memory_counters().frees, before.frees);
}

static void test_failure(void **state)
{
    (void)state;
    const struct memory_counters before = memory_counters();
    assert_null(take(HUGE_BYTES, 8, -1));
    assert_null(take(HUGE_BYTES, 128, -1));
    const struct memory_counters after = memory_counters();
    assert_int_equal(after.failures, before.failures + 2);
    assert_int_equal(after.allocations, before.allocations);
    assert_int_equal(after.frees, before.frees);
}

struct worker {
    bool flush;
    struct memory_counters seen;
};

static void *allocate_some(void *argument)
{
    struct worker *worker = argument;
    void *held[100];
    for (unsigned i = 0; i < 100; i++)
        held[i] = take(32, 8, -1);
    for (unsigned i = 0; i < 70; i++)
        give(held[i], 32, -1);
    worker->seen = memory_counters();
    if (worker->flush)
        memory_flush_counters();
    for (unsigned i = 70; i < 100; i++)
        give(held[i], 32, -1); // not flushed any more
    return NULL;
}

static struct memory_counters run_threads(bool flush, struct worker workers[4])
{
    pthread_t threads[4];
    const struct memory_counters before = memory_counters();
    for (unsigned i = 0; i < 4; i++) {
        workers[i] = (struct worker){.flush = flush};
        assert_int_equal(pthread_create(&threads[i], NULL, allocate_some, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    struct memory_counters change = memory_counters();
    change.allocations -= before.allocations;
    change.frees -= before.frees;
    change.failures -= before.failures;
    return change;
}

// A thread sees its own counts and the flushed ones; others see them when they are flushed, and once.
static void test_counters(void **state)
{
    (void)state;
    struct worker workers[4];
    struct memory_counters change = run_threads(true, workers);
    assert_int_equal(change.allocations, 400);
    assert_int_equal(change.frees, 280);
    change = run_threads(false, workers);
    assert_int_equal(change.allocations, 0);
    assert_int_equal(change.frees, 0);

    memory_flush_counters();
    const struct memory_counters before = memory_counters();
    give(take(32, 8, -1), 32, -1);
    assert_int_equal(memory_counters().allocations, before.allocations + 1);
    memory_flush_counters();
    memory_flush_counters();
    assert_int_equal(memory_counters().allocations, before.allocations + 1);
    assert_int_equal(memory_counters().frees, before.frees + 1);
}

// ------------------------------------------------------------------------------------------------ nodes

// Runs the check in a child, where the machine that hwloc shows has not been looked at yet.
static int in_child(int (*check)(void), const char *machine)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("HWLOC_SYNTHETIC", machine, 1);
        setenv("HWLOC_THISSYSTEM", "1", 1);
        _exit(check());
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

// The kernel's word on where this page has to be.
static bool bound_to_node_0(void *memory)
{
    int mode = -1;
    unsigned long nodes[64] = {0};
    if (syscall(SYS_get_mempolicy, &mode, nodes, sizeof nodes * 8, memory, MPOL_F_ADDR))
        return false;
    return mode == MPOL_BIND && nodes[0] == 1;
}

#define CHECKED_OTHERWISE 77 // the system does not let us bind memory

static int check_bound(void)
{
    const struct memory_counters before = memory_counters();
    if (strcmp(memory_binding(), "not permitted") == 0)
        return CHECKED_OTHERWISE;
    if (strcmp(memory_binding(), "bound") != 0)
        return 1;
    unsigned char *memory = take(5000, 64, 0);
    if (!memory || (uintptr_t)memory % 64 || !all_zero(memory, 5000))
        return 2;
    if (!bound_to_node_0(memory) || !bound_to_node_0(memory + 4999))
        return 3;
    memset(memory, 0xa5, 5000);
    give(memory, 5000, 0);
    unsigned char byte;
    if (syscall(SYS_mincore, (uintptr_t)memory & -(uintptr_t)sysconf(_SC_PAGESIZE), 1, &byte) != -1 || errno != ENOMEM)
        return 4; // still mapped
    if (take(5000, 64, 1) || take(HUGE_BYTES, 64, 0) || take(64, 1u << 24, 0))
        return 5; // no such node, too much, aligned beyond a page
    void *empty = take(0, 0, 0);
    if (!empty)
        return 8;
    give(empty, 0, 0);
    void *anywhere = take(64, 64, -1);
    if (!anywhere || bound_to_node_0(anywhere))
        return 6;
    give(anywhere, 64, -1);
    const struct memory_counters after = memory_counters();
    return after.allocations == before.allocations + 3 && after.frees == before.frees + 3 &&
                   after.failures == before.failures + 3
               ? 0
               : 7;
}

// A node that this machine has and one that it has not, where hwloc says that there are two.
static void test_bound(void **state)
{
    (void)state;
    const int result = in_child(check_bound, "numa:2 core:1 pu:1");
    if (result == CHECKED_OTHERWISE)
        skip();
    assert_int_equal(result, 0);
}

// Nothing to choose: malloc answers, which gives more than one block a page.
static int check_one_node(void)
{
    if (strcmp(memory_binding(), "one node") != 0)
        return 1;
    void *first = take(64, 64, 0), *second = take(64, 64, 0);
    if (!first || !second || bound_to_node_0(first))
        return 2;
    const uintptr_t a = (uintptr_t)first, b = (uintptr_t)second;
    if ((a > b ? a - b : b - a) >= 65536)
        return 3;
    give(first, 64, 0);
    give(second, 64, 0);
    return 0;
}

static void test_one_node(void **state)
{
    (void)state;
    assert_int_equal(in_child(check_one_node, "core:2 pu:1"), 0);
}

// ------------------------------------------------------------------------------------------------ names

// The name that this program, run anew with that library preloaded, gives its allocator.
static void name_with_preload(const char *library, char *name, size_t size)
{
    char self[512], command[1024];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    assert_true(snprintf(command, sizeof command, "LD_PRELOAD='%s' '%s' name", library, self) < (int)sizeof command);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    const bool read = fgets(name, (int)size, pipe);
    assert_int_equal(pclose(pipe), 0);
    assert_true(read);
}

static void test_name(void **state)
{
    (void)state;
    char name[128];
    if (SANITIZED[0]) {
        assert_string_equal(memory_allocator_name(), SANITIZED);
        return;
    }
    name_with_preload("", name, sizeof name);
    char expected[64];
    snprintf(expected, sizeof expected, "libc %s", gnu_get_libc_version());
    assert_string_equal(name, expected);
}

// The loader complains of a library that it does not find, and otherwise says nothing.
static bool can_preload(const char *library)
{
    char command[128], complaint[8];
    snprintf(command, sizeof command, "LD_PRELOAD='%s' true 2>&1", library);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    const bool complained = fgets(complaint, sizeof complaint, pipe);
    pclose(pipe);
    return !complained;
}

static void test_name_jemalloc(void **state)
{
    (void)state;
    if (SANITIZED[0] || !can_preload("libjemalloc.so.2"))
        skip();
    char name[128];
    name_with_preload("libjemalloc.so.2", name, sizeof name);
    assert_memory_equal(name, "jemalloc 5.", 11);
}

// Any other library that answers malloc is named by its file. This one comes with glibc.
static void test_name_other(void **state)
{
    (void)state;
    if (SANITIZED[0] || !can_preload("libc_malloc_debug.so.0"))
        skip();
    char name[128];
    name_with_preload("libc_malloc_debug.so.0", name, sizeof name);
    assert_string_equal(name, "libc_malloc_debug.so.0");
}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "name") == 0)
        return fputs(memory_allocator_name(), stdout) < 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound), // before anything that looks at this machine's nodes
        cmocka_unit_test(test_one_node),      cmocka_unit_test(test_zeroed_and_aligned), cmocka_unit_test(test_empty),
        cmocka_unit_test(test_failure),       cmocka_unit_test(test_counters),           cmocka_unit_test(test_name),
        cmocka_unit_test(test_name_jemalloc), cmocka_unit_test(test_name_other),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
