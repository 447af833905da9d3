// SPDX-License-Identifier: Apache-2.0
// The machine at the edges of the window, from files of machines that we do not have.
#include "tests/unit.h"

#include <math.h>

#include "core/run/environment_watch.h"
#include "tests/made_root.h"

#define CPU "/sys/devices/system/cpu"
#define STAT_BEFORE                           \
    "cpu  1000 100 500 90000 10 7 8 40 9 9\n" \
    "cpu0 600 60 300 40000 5 7 8 20 9 9\n"    \
    "cpu1 300 30 150 25000 5 0 0 15 0 0\n"    \
    "cpu2 100 10 50 25000 0 0 0 5 0 0\nintr 1 2 3\ncpu9 1 1 1 1 1 1 1 1 1 1\n"
#define STAT_AFTER                            \
    "cpu  1200 110 530 90100 10 9 9 46 9 9\n" \
    "cpu0 700 60 310 40050 5 9 9 23 9 9\n"    \
    "cpu1 310 30 155 25045 5 0 0 16 0 0\n"    \
    "cpu2 190 20 65 25005 0 0 0 7 0 0\nintr 1 2 3\n"

static struct topology topology;

static void load(const char *synthetic)
{
    assert_int_equal(topology_load(&topology, synthetic, NULL), 0);
}

// Of three processors, two are allowed: what the third does is no load of ours, but what the hypervisor takes is.
static void test_accounts_of_the_allowed(void **state)
{
    (void)state;
    struct environment_edge before, after;
    const uint64_t tick_ns = environment_tick_ns();
    load("package:1 core:3 pu:1@0-1");
    put("/proc/stat", STAT_BEFORE);
    environment_edge_read(&before, &topology, root);
    put("/proc/stat", STAT_AFTER);
    environment_edge_read(&after, &topology, root);
    assert_int_equal(before.processes_ns, (600 + 60 + 300 + 300 + 30 + 150) * tick_ns);
    assert_int_equal(environment_passed(before.processes_ns, after.processes_ns), (110 + 15) * tick_ns);
    assert_int_equal(environment_passed(before.steal_ns, after.steal_ns), 6 * tick_ns);
    topology_unload(&topology);
}

static void test_silent_machine(void **state)
{
    (void)state;
    struct environment_edge edge;
    load("package:1 core:2 pu:1");
    environment_edge_read(&edge, &topology, root);
    assert_true(edge.processes_ns == UINT64_MAX && edge.steal_ns == UINT64_MAX);
    environment_edge_frequency(&edge, &topology, NULL, 0, root);
    assert_true(isnan(edge.frequency_khz));
    assert_true(environment_passed(UINT64_MAX, 5) == UINT64_MAX && environment_passed(5, UINT64_MAX) == UINT64_MAX);
    assert_int_equal(environment_passed(7, 5), 0);
    put("/proc/stat", "cpu  1 2 3\ncpu0 garbage\n");
    environment_edge_read(&edge, &topology, root);
    assert_true(edge.processes_ns == UINT64_MAX && edge.steal_ns == UINT64_MAX);
    topology_unload(&topology);
}

static void test_frequency(void **state)
{
    (void)state;
    struct environment_edge edge;
    const int cpus[] = {1, 1, 2, 1};
    load("package:1 core:3 pu:1");
    put(CPU "/cpu0/cpufreq/scaling_cur_freq", "1000000\n");
    put(CPU "/cpu1/cpufreq/scaling_cur_freq", "2000000\n");
    put(CPU "/cpu2/cpufreq/scaling_cur_freq", "3000000\n");
    environment_edge_frequency(&edge, &topology, NULL, 0, root);
    assert_true(edge.frequency_khz == 2e6);
    environment_edge_frequency(&edge, &topology, cpus, 4, root);
    assert_true(edge.frequency_khz == 2.5e6);
    put(CPU "/cpu2/cpufreq/scaling_cur_freq", "0\n");
    environment_edge_frequency(&edge, &topology, cpus, 4, root);
    assert_true(isnan(edge.frequency_khz));
    topology_unload(&topology);
}

static void test_isolation(void **state)
{
    (void)state;
    const int cpus[] = {4, 5, 4};
    assert_false(environment_isolated(cpus, 3, root));
    put(CPU "/isolated", "\n");
    assert_false(environment_isolated(cpus, 3, root));
    put(CPU "/isolated", "2,4-5\n");
    assert_true(environment_isolated(cpus, 3, root));
    put(CPU "/isolated", "4\n");
    assert_false(environment_isolated(cpus, 3, root));
}

static void test_here(void **state)
{
    (void)state;
    struct environment_edge before, after;
    load(NULL);
    environment_edge_read(&before, &topology, "");
    environment_edge_read(&after, &topology, "");
    assert_true(before.processes_ns != UINT64_MAX);
    assert_true(environment_passed(before.processes_ns, after.processes_ns) < 1000000000000u);
    topology_unload(&topology);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_accounts_of_the_allowed, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_silent_machine, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_frequency, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_isolation, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_here, make_root, remove_root),
    };
    return cmocka_run_group_tests_name("environment_watch", tests, NULL, NULL);
}
