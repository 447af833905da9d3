// SPDX-License-Identifier: Apache-2.0
// What is read of a machine: on machines described to hwloc, where every number is known, and on this one, against
// what the kernel says.
#include "tests/unit.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/machine/topology.h"

static void assert_cpu(const struct topology *topology, unsigned i, struct cpu expected)
{
    const struct cpu *cpu = &topology->cpus[i];
    assert_int_equal(cpu->os, expected.os);
    assert_int_equal(cpu->core, expected.core);
    assert_int_equal(cpu->thread, expected.thread);
    assert_int_equal(cpu->cache, expected.cache);
    assert_int_equal(cpu->package, expected.package);
    assert_int_equal(cpu->node, expected.node);
}

static void load(struct topology *topology, const char *synthetic)
{
    struct fault fault = {0};
    if (topology_load(topology, synthetic, &fault))
        fail_msg("%s: %s", synthetic ? synthetic : "this machine", fault.text);
}

// Two packages of two nodes each, numbered by the system as Linux does on a server: siblings far apart.
static void test_relations(void **state)
{
    (void)state;
    struct topology topology;
    load(&topology, "package:2 l3:2 [numa] core:2 pu:2(indexes=0,8,1,9,2,10,3,11,4,12,5,13,6,14,7,15)");
    assert_int_equal(topology.count, 16);
    assert_int_equal(topology.online, 16);
    assert_int_equal(topology.cores, 8);
    assert_int_equal(topology.packages, 2);
    assert_int_equal(topology.nodes, 4);
    for (unsigned i = 0; i < 16; i++) {
        assert_cpu(&topology, i,
                   (struct cpu){.os = i / 2 + 8 * (i % 2),
                                .core = i / 2,
                                .thread = i % 2,
                                .cache = i / 4,
                                .package = i / 8,
                                .node = i / 4});
    }
    assert_ptr_equal(topology_cpu(&topology, 9), &topology.cpus[3]);
    assert_null(topology_cpu(&topology, 16));
    topology_unload(&topology);
    assert_int_equal(topology.count, 0);
    assert_null(topology.cpus);
}

// A machine that tells of processors only: each is a core, and all are one package with one cache.
static void test_bare(void **state)
{
    (void)state;
    struct topology topology;
    load(&topology, "pu:3");
    assert_int_equal(topology.cores, 3);
    assert_int_equal(topology.packages, 1);
    assert_int_equal(topology.nodes, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_cpu(&topology, i, (struct cpu){.os = i, .core = i});
    topology_unload(&topology);
}

// The last level counts, not the nearest.
static void test_levels_of_cache(void **state)
{
    (void)state;
    struct topology topology;
    load(&topology, "package:1 l3:2 l2:2 l1:1 core:1 pu:2");
    for (unsigned i = 0; i < 8; i++)
        assert_cpu(&topology, i, (struct cpu){.os = i, .core = i / 2, .thread = i % 2, .cache = i / 4});
    topology_unload(&topology);
}

// Numbers keep the whole machine's meaning when only some processors are allowed; counts are of the allowed.
static void test_restricted(void **state)
{
    (void)state;
    struct topology topology;
    load(&topology, "package:2 l3:1 [numa] core:2 pu:2@3,4-5,99");
    assert_int_equal(topology.count, 3);
    assert_int_equal(topology.online, 8);
    assert_int_equal(topology.cores, 2);
    assert_int_equal(topology.packages, 2);
    assert_int_equal(topology.nodes, 2);
    assert_cpu(&topology, 0, (struct cpu){.os = 3, .core = 1, .thread = 1});
    assert_cpu(&topology, 1, (struct cpu){.os = 4, .core = 2, .cache = 1, .package = 1, .node = 1});
    assert_cpu(&topology, 2, (struct cpu){.os = 5, .core = 2, .thread = 1, .cache = 1, .package = 1, .node = 1});
    assert_null(topology_cpu(&topology, 0));
    char text[16];
    topology_write_list(&topology, text, sizeof text);
    assert_string_equal(text, "3-5");
    topology_unload(&topology);

    load(&topology, "package:2 [numa] core:2 pu:2@6");
    assert_int_equal(topology.packages, 1);
    assert_int_equal(topology.nodes, 1);
    assert_cpu(&topology, 0, (struct cpu){.os = 6, .core = 3, .cache = 1, .package = 1, .node = 1});
    topology_unload(&topology);
}

static void test_bad_descriptions(void **state)
{
    (void)state;
    static const struct {
        const char *synthetic;
        const char *sentence;
    } cases[] = {
        {"", "synthetic machine: hwloc cannot read ''; it should be like 'package:2 core:4 pu:2'"},
        {"core:0", "synthetic machine: hwloc cannot read 'core:0'; it should be like 'package:2 core:4 pu:2'"},
        {"pu:4@", "synthetic machine: the list of processors is empty"},
        {"pu:4@x", "synthetic machine: 'x' is not a list of processors such as 0,2-3"},
        {"pu:4@4-7", "synthetic machine: it has none of the processors 4-7 that are allowed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct topology topology;
        struct fault fault = {0};
        assert_int_equal(topology_load(&topology, cases[i].synthetic, &fault), -EINVAL);
        assert_string_equal(fault.text, cases[i].sentence);
        assert_null(topology.cpus);
        assert_null(topology.hwloc);
    }
}

static void test_lists(void **state)
{
    (void)state;
    unsigned *list, count;
    assert_int_equal(topology_parse_list("x", "7,2-4,3,65535", &list, &count, NULL), 0);
    const unsigned expected[] = {7, 2, 3, 4, 3, 65535};
    assert_int_equal(count, 6);
    assert_memory_equal(list, expected, sizeof expected);
    free(list);
    assert_int_equal(topology_parse_list("x", "0-65535", &list, &count, NULL), 0);
    assert_int_equal(count, 65536);
    assert_int_equal(list[65535], 65535);
    free(list);
}

static void test_bad_lists(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "--x: the list of processors is empty"},
        {"0-", "--x: '0-' is not a list of processors such as 0,2-3"},
        {"-1", "--x: '-1' is not a list of processors such as 0,2-3"},
        {"a", "--x: 'a' is not a list of processors such as 0,2-3"},
        {"1,", "--x: '1,' is not a list of processors such as 0,2-3"},
        {"1,,2", "--x: '1,,2' is not a list of processors such as 0,2-3"},
        {"1 2", "--x: '1 2' is not a list of processors such as 0,2-3"},
        {"1-2-3", "--x: '1-2-3' is not a list of processors such as 0,2-3"},
        {"3-1", "--x: the range 3-1 runs backwards"},
        {"65536", "--x: '65536' has a processor number above 65535"},
        {"0-18446744073709551616", "--x: '0-18446744073709551616' has a processor number above 65535"},
        {"0-65535,0", "--x: more than 65536 processors are listed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fault fault = {0};
        unsigned *list = NULL, count = 77;
        assert_int_equal(topology_parse_list("--x", cases[i][0], &list, &count, &fault), -EINVAL);
        assert_string_equal(fault.text, cases[i][1]);
        assert_null(list);
        assert_int_equal(count, 77);
    }
}

// A list that does not fit says so.
static void test_long_list(void **state)
{
    (void)state;
    struct topology topology;
    load(&topology, "pu:20@0,2,4,6,8,10,12,14,16,18");
    char text[12], whole[64];
    topology_write_list(&topology, text, sizeof text);
    assert_string_equal(text, "0,2,4,6,...");
    topology_write_list(&topology, whole, sizeof whole);
    assert_string_equal(whole, "0,2,4,6,8,10,12,14,16,18");
    topology_unload(&topology);
}

// ------------------------------------------------------------------------------------------------ this machine

static void assert_matches_affinity(const struct topology *topology)
{
    cpu_set_t affinity;
    assert_int_equal(sched_getaffinity(0, sizeof affinity, &affinity), 0);
    assert_int_equal(topology->count, CPU_COUNT(&affinity));
    for (unsigned i = 0; i < topology->count; i++)
        assert_true(CPU_ISSET(topology->cpus[i].os, &affinity));
}

static void test_this_machine(void **state)
{
    (void)state;
    struct topology topology;
    load(&topology, NULL);
    assert_matches_affinity(&topology);
    assert_int_equal(topology.online, sysconf(_SC_NPROCESSORS_ONLN));
    assert_in_range(topology.cores, 1, topology.count);
    assert_in_range(topology.packages, 1, topology.cores);
    topology_unload(&topology);
}

// A process whose affinity was narrowed sees no more than that, while the machine stays as large as it is. In a
// child, so that this process keeps its processors.
static int check_narrowed(void)
{
    struct topology topology;
    cpu_set_t affinity, one;
    if (sched_getaffinity(0, sizeof affinity, &affinity))
        return 1;
    unsigned last = 0;
    for (unsigned i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &affinity))
            last = i;
    }
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    if (sched_setaffinity(0, sizeof one, &one) || topology_load(&topology, NULL, NULL))
        return 2;
    if (topology.count != 1 || topology.cpus[0].os != last || topology.cores != 1)
        return 3;
    if (topology.online != (unsigned)sysconf(_SC_NPROCESSORS_ONLN))
        return 4;
    for (unsigned i = 0; i < CPU_SETSIZE; i++) {
        if (i != last && CPU_ISSET(i, &affinity) && topology_pin_self(&topology, i) != -EINVAL)
            return 5;
    }
    topology_unload(&topology);
    return 0;
}

static int in_child(int (*check)(void))
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(check());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_narrowed_affinity(void **state)
{
    (void)state;
    assert_int_equal(in_child(check_narrowed), 0);
}

#define NOT_HERE 77 // this machine has only one processor for us

// hwloc is made to believe that this system has processor 0 alone, which the affinity then leaves out.
static int check_nothing_left(void)
{
    struct topology topology;
    struct fault fault = {0};
    cpu_set_t affinity;
    if (sched_getaffinity(0, sizeof affinity, &affinity))
        return 1;
    CPU_CLR(0, &affinity);
    if (CPU_COUNT(&affinity) == 0)
        return NOT_HERE;
    setenv("HWLOC_SYNTHETIC", "pu:1", 1);
    setenv("HWLOC_THISSYSTEM", "1", 1);
    if (sched_setaffinity(0, sizeof affinity, &affinity))
        return 2;
    if (topology_load(&topology, NULL, &fault) != -EINVAL || topology.cpus)
        return 3;
    return strncmp(fault.text, "no processor is left: the system allows 0 and the affinity of this process is ", 78) !=
           0;
}

static void test_nothing_left(void **state)
{
    (void)state;
    const int result = in_child(check_nothing_left);
    if (result == NOT_HERE)
        skip();
    assert_int_equal(result, 0);
}

struct pinned {
    const struct topology *topology;
    int failures;
};

static void *pin_everywhere(void *argument)
{
    struct pinned *pinned = argument;
    for (unsigned i = 0; i < pinned->topology->count; i++) {
        const unsigned os = pinned->topology->cpus[i].os;
        cpu_set_t affinity;
        pinned->failures += topology_pin_self(pinned->topology, os) != 0;
        pinned->failures += sched_getaffinity(0, sizeof affinity, &affinity) != 0;
        pinned->failures += CPU_COUNT(&affinity) != 1 || !CPU_ISSET(os, &affinity) || sched_getcpu() != (int)os;
    }
    return NULL;
}

// Pins the calling thread and no other.
static void test_pin(void **state)
{
    (void)state;
    struct topology topology;
    load(&topology, NULL);
    struct pinned pinned = {.topology = &topology};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, pin_everywhere, &pinned), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pinned.failures, 0);
    assert_matches_affinity(&topology);
    assert_int_equal(topology_pin_self(&topology, 65535), -EINVAL);
    assert_matches_affinity(&topology);
    topology_unload(&topology);
}

// Nobody is pinned to a machine that is only described.
static void test_pin_elsewhere(void **state)
{
    (void)state;
    struct topology here, topology;
    load(&here, NULL);
    load(&topology, "pu:2");
    assert_int_equal(topology_pin_self(&topology, 0), -ENOTSUP);
    assert_matches_affinity(&here);
    topology_unload(&topology);
    topology_unload(&here);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relations),
        cmocka_unit_test(test_levels_of_cache),
        cmocka_unit_test(test_bare),
        cmocka_unit_test(test_restricted),
        cmocka_unit_test(test_bad_descriptions),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_bad_lists),
        cmocka_unit_test(test_long_list),
        cmocka_unit_test(test_this_machine),
        cmocka_unit_test(test_pin),
        cmocka_unit_test(test_narrowed_affinity),
        cmocka_unit_test(test_nothing_left),
        cmocka_unit_test(test_pin_elsewhere),
    };
    return cmocka_run_group_tests_name("topology", tests, NULL, NULL);
}
