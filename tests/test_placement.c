// SPDX-License-Identifier: Apache-2.0
// Which thread runs where, on machines that we do not have. Expected orders are written out by hand.
#include "tests/unit.h"

#include <errno.h>
#include <string.h>

#include "core/machine/placement.h"

#define THREADS_MAX 32

// Server numbering: the first hardware threads of all cores come first.
#define TWO_PACKAGES_SMT "package:2 l3:1 core:2 pu:2(indexes=0,4,1,5,2,6,3,7)"
#define ONE_PACKAGE "package:1 l3:1 core:4 pu:1"
#define SEVERAL_CACHES "package:2 l3:2 core:2 pu:2"

struct expected {
    const char *machine;
    const char *pin;
    unsigned threads;
    int cpus[THREADS_MAX];
};

static const struct expected cases[] = {
    {ONE_PACKAGE, "none", 3, {-1, -1, -1}},
    {ONE_PACKAGE, "compact", 6, {0, 1, 2, 3, 0, 1}},
    {ONE_PACKAGE, "scatter", 6, {0, 1, 2, 3, 0, 1}},
    {ONE_PACKAGE, "no_smt", 6, {0, 1, 2, 3, 0, 1}},
    {ONE_PACKAGE, "3,0-1,3", 6, {3, 0, 1, 3, 3, 0}},

    {TWO_PACKAGES_SMT, "compact", 10, {0, 4, 1, 5, 2, 6, 3, 7, 0, 4}},
    {TWO_PACKAGES_SMT, "scatter", 10, {0, 2, 1, 3, 4, 6, 5, 7, 0, 2}},
    {TWO_PACKAGES_SMT, "no_smt", 6, {0, 1, 2, 3, 0, 1}},

    {SEVERAL_CACHES, "compact", 17, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0}},
    {SEVERAL_CACHES, "scatter", 17, {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15, 0}},
    {SEVERAL_CACHES, "no_smt", 9, {0, 2, 4, 6, 8, 10, 12, 14, 0}},

    // Restricted: of the first core only the second hardware thread is left; it is still a core's first.
    {"package:2 l3:1 core:2 pu:2@1-4", "compact", 5, {1, 2, 3, 4, 1}},
    {"package:2 l3:1 core:2 pu:2@1-4", "scatter", 5, {1, 4, 2, 3, 1}},
    {"package:2 l3:1 core:2 pu:2@1-4", "no_smt", 4, {1, 2, 4, 1}},
    {"package:2 l3:1 core:2 pu:2@7", "scatter", 3, {7, 7, 7}},
    {"package:2 l3:1 core:2 pu:2@7", "no_smt", 2, {7, 7}},

    // Asymmetric: four cores in the first package; one, without its sibling, in the second.
    {"package:2 l3:1 core:4 pu:2@0-7,12", "compact", 9, {0, 1, 2, 3, 4, 5, 6, 7, 12}},
    {"package:2 l3:1 core:4 pu:2@0-7,12", "scatter", 10, {0, 12, 2, 4, 6, 1, 3, 5, 7, 0}},
    {"package:2 l3:1 core:4 pu:2@0-7,12", "no_smt", 6, {0, 2, 4, 6, 12, 0}},

    // Asymmetric: caches of 2, 1, 0 and 2 cores; the second package's only cache is its first.
    {"package:2 l3:2 core:2 pu:1@0-2,6-7", "scatter", 6, {0, 6, 2, 1, 7, 0}},

    // No caches and no packages are told of.
    {"core:2 pu:2", "scatter", 5, {0, 2, 1, 3, 0}},
};

static void test_policies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct expected *expected = &cases[i];
        struct topology topology;
        struct placement placement;
        struct fault fault = {0};
        if (topology_load(&topology, expected->machine, &fault) ||
            placement_parse(&placement, expected->pin, &topology, &fault))
            fail_msg("%s", fault.text);
        // Fewer threads than that take the same processors in the same order, and nothing beyond is written.
        for (unsigned threads = 0; threads <= expected->threads; threads++) {
            int cpus[THREADS_MAX];
            memset(cpus, 0x77, sizeof cpus);
            placement_choose(&placement, &topology, threads, cpus);
            for (unsigned thread = 0; thread < THREADS_MAX; thread++) {
                const int should = thread < threads ? expected->cpus[thread] : 0x77777777;
                if (cpus[thread] != should)
                    fail_msg("%s, %s, %u threads: thread %u is on %d, not %d", expected->machine, expected->pin,
                             threads, thread, cpus[thread], should);
            }
        }
        placement_fini(&placement);
        topology_unload(&topology);
    }
}

// On a large machine every processor is taken once before any is taken twice, whatever the policy.
static void test_each_once(void **state)
{
    (void)state;
    struct topology topology;
    assert_int_equal(topology_load(&topology, "package:2 l3:4 core:8 pu:2@0-99,101-127", NULL), 0);
    static const struct {
        const char *pin;
        unsigned processors;
    } policies[] = {{"compact", 127}, {"scatter", 127}, {"no_smt", 64}};
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        struct placement placement;
        int cpus[300];
        unsigned taken[128] = {0};
        assert_int_equal(placement_parse(&placement, policies[i].pin, &topology, NULL), 0);
        placement_choose(&placement, &topology, 300, cpus);
        for (unsigned thread = 0; thread < 300; thread++) {
            assert_non_null(topology_cpu(&topology, (unsigned)cpus[thread]));
            const unsigned round = taken[cpus[thread]]++;
            assert_int_equal(round, thread / policies[i].processors);
        }
        placement_fini(&placement);
    }
    topology_unload(&topology);
}

static void test_names(void **state)
{
    (void)state;
    struct topology topology;
    assert_int_equal(topology_load(&topology, ONE_PACKAGE, NULL), 0);
    static const enum placement_policy policies[] = {PLACEMENT_NONE, PLACEMENT_COMPACT, PLACEMENT_SCATTER,
                                                     PLACEMENT_NO_SMT};
    for (unsigned i = 0; i < 4; i++) {
        struct placement placement;
        assert_int_equal(placement_parse(&placement, placement_names[i], &topology, NULL), 0);
        assert_int_equal(placement.policy, policies[i]);
        assert_null(placement.list);
        placement_fini(&placement);
    }
    assert_null(placement_names[4]);
    topology_unload(&topology);
}

static void test_bad_text(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"", "--pin: '' is neither a policy (none, compact, scatter, no_smt) nor a list of processors such as 0,2-3"},
        {"a", "--pin: 'a' is neither a policy (none, compact, scatter, no_smt) nor a list of processors such as 0,2-3"},
        {"-1",
         "--pin: '-1' is neither a policy (none, compact, scatter, no_smt) nor a list of processors such as 0,2-3"},
        {"list",
         "--pin: 'list' is neither a policy (none, compact, scatter, no_smt) nor a list of processors such as 0,2-3"},
        {"0-", "--pin: '0-' is not a list of processors such as 0,2-3"},
        {"0,x", "--pin: '0,x' is not a list of processors such as 0,2-3"},
        {"3-1", "--pin: the range 3-1 runs backwards"},
        {"7", "--pin: processor 7 is not one that this process may use (0-1,4-5)"},
        {"0-4", "--pin: processor 2 is not one that this process may use (0-1,4-5)"},
    };
    struct topology topology;
    assert_int_equal(topology_load(&topology, "package:2 core:2 pu:2@0-1,4-5", NULL), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct placement placement;
        struct fault fault = {0};
        assert_int_equal(placement_parse(&placement, bad[i][0], &topology, &fault), -EINVAL);
        assert_string_equal(fault.text, bad[i][1]);
        assert_null(placement.list);
    }
    topology_unload(&topology);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_each_once),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_bad_text),
    };
    return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
