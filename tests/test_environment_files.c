// SPDX-License-Identifier: Apache-2.0
// The environment record of machines that we do not have, from files as their kernels write them.
#include "tests/unit.h"

#include "tests/environment_checks.h"
#include "tests/made_root.h"

static void read_machine(struct environment *environment, const char *synthetic)
{
    struct topology topology;
    assert_int_equal(topology_load(&topology, synthetic, NULL), 0);
    environment_read_from(environment, &topology, root);
    topology_unload(&topology);
    assert_proper(environment);
}

#define CPU "/sys/devices/system/cpu"

// A server of bare metal, with everything switched on; and much beside the allow-list that names its owner.
static void test_server(void **state)
{
    (void)state;
    put("/proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
    put("/proc/sys/kernel/hostname", "secrethost\n");
    put("/proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 79\n"
                         "model name\t: Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz\nmicrocode\t: 0xb000040\n"
                         "flags\t\t: fpu vme nohypervisor\n\nprocessor\t: 1\nmodel name\t: another\n");
    put(CPU "/isolated", "4-7\n");
    put(CPU "/nohz_full", "(null)\n");
    put(CPU "/smt/control", "on\n");
    put(CPU "/cpu0/cpufreq/scaling_driver", "intel_pstate\n");
    put(CPU "/cpu0/cpufreq/scaling_governor", "performance\n");
    put(CPU "/cpu1/cpufreq/scaling_governor", "performance\n");
    put(CPU "/cpu2/cpufreq/scaling_governor", "powersave\n");
    put(CPU "/cpuidle/current_driver", "intel_idle\n");
    put(CPU "/intel_pstate/no_turbo", "1\n");
    put(CPU "/vulnerabilities/mds", "Vulnerable; SMT vulnerable\n");
    put(CPU "/vulnerabilities/l1tf", "Mitigation: PTE Inversion\n");
    put(CPU "/vulnerabilities/meltdown", "Mitigation: PTI /secret\n");
    put(CPU "/vulnerabilities/srbds", "Not affected\n");
    put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
    put("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    put("/proc/sys/kernel/numa_balancing", "1\n");
    put("/proc/sys/kernel/randomize_va_space", "2\n");
    put("/proc/meminfo", "MemTotal:       131900000 kB\nMemFree:        1 kB\n");
    put("/proc/loadavg", "3.25 1.00 0.50 2/345 6789\n");
    put("/proc/pressure/cpu", "some avg10=12.34 avg60=1.00 avg300=0.10 total=12345\nfull avg10=9.00 avg60=0 total=0\n");
    put("/proc/self/cgroup", "0::/user.slice/alice.slice/a.scope\n");
    put("/sys/fs/cgroup/user.slice/cpu.max", "150000 100000\n");
    put("/sys/fs/cgroup/user.slice/alice.slice/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/user.slice/alice.slice/a.scope/cpu.max", "800000 100000\n");

    struct environment environment;
    read_machine(&environment, "package:2 core:4 pu:2@0-1,3,8");
    assert_string_equal(environment.machine, "intel-xeon-cpu-e5-2680-v4-16cpu");
    static const char *const expected[][2] = {
        {"kernel", "6.1.0-18-amd64"},
        {"cpu_model", "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz"},
        {"microcode", "0xb000040"},
        {"hypervisor", "no"},
        {"cpus_online", "16"},
        {"cpus_allowed", "4"},
        {"cpus_allowed_list", "0-1,3,8"},
        {"cores", "3"},
        {"packages", "2"},
        {"numa_nodes", "1"},
        {"cpus_isolated", "4-7"},
        {"cpus_tickless", "(null)"},
        {"smt", "on"},
        {"frequency_driver", "intel_pstate"},
        {"idle_driver", "intel_idle"},
        {"turbo", "off"},
        {"clocksource", "hpet"},
        {"transparent_hugepage", "madvise"},
        {"numa_balancing", "1"},
        {"memory_total_kib", "131900000"},
        {"load_average_1min", "3.25"},
        {"cpu_pressure_avg10_percent", "12.34"},
        {"governor", "mixed"},
        {"mitigations", "vulnerable: mds; mitigated: l1tf meltdown"},
        {"cgroup_quota_cpus", "1.50"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_value(&environment, expected[i][0], expected[i][1]);
    assert_int_equal(value(&environment, "aslr")[0], '2');
    assert_no_word(&environment, "secrethost");
    assert_no_word(&environment, "secret");
    assert_no_word(&environment, "alice");
}

// Another driver's way to tell the same, cgroups of the older kind, and text that no record should hold as it is.
static void test_other_ways(void **state)
{
    (void)state;
    char noise[400];
    memset(noise, 'x', sizeof noise);
    noise[sizeof noise - 1] = '\0';
    put("/proc/sys/kernel/osrelease", noise);
    put("/proc/cpuinfo", "model name\t: AMD EPYC\t7\xc2\xae \"Rome\" (64)\x01\nflags\t: fpu hypervisor sse\n");
    put(CPU "/cpufreq/boost", "1\n");
    put(CPU "/cpu0/cpufreq/scaling_governor", "schedutil\n");
    put(CPU "/cpu1/cpufreq/scaling_governor", "schedutil\n");
    put(CPU "/vulnerabilities/mds", "Not affected\n");
    put("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
    put("/proc/self/cgroup", "12:cpuset:/a\n4:cpuacct,cpu:/docker/0123\n0::/\nnonsense\n");
    put("/sys/fs/cgroup/cpu/docker/0123/cpu.cfs_quota_us", "50000\n");
    put("/sys/fs/cgroup/cpu/docker/0123/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    struct environment environment;
    read_machine(&environment, "pu:2");
    assert_string_equal(environment.machine, "amd-epyc-7-rome-2cpu");
    assert_value(&environment, "cpu_model", "AMD EPYC?7?? \"Rome\" (64)?");
    assert_value(&environment, "hypervisor", "yes");
    assert_value(&environment, "turbo", "on");
    assert_value(&environment, "governor", "schedutil");
    assert_value(&environment, "mitigations", "vulnerable: none; mitigated: none");
    assert_value(&environment, "transparent_hugepage", "always");
    assert_value(&environment, "cgroup_quota_cpus", "0.50");
    assert_int_equal(strlen(value(&environment, "kernel")), 159);
    assert_string_equal(value(&environment, "kernel") + 155, "x...");
}

// A processor without a name, as Arm's are, and no limit set.
static void test_nameless_processor(void **state)
{
    (void)state;
    put("/proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n");
    struct environment environment;
    read_machine(&environment, "pu:64");
    assert_string_equal(environment.machine, "arm-0x41-0xd0c-64cpu");
    assert_value(&environment, "hypervisor", "");
}

// The tightest limit on the way up counts, in either kind of hierarchy.
static void test_quota(void **state)
{
    (void)state;
    put("/sys/fs/cgroup/a/cpu.max", "400000 100000\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "300000 100000\n");
    put("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/d/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "25000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "20000\n");
    put("/sys/fs/cgroup/cpu/e/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/e/cpu.cfs_period_us", "100000\n");
    static const char *const groups[][2] = {
        {"0::/", "none"},
        {"0::/d", "none"},
        {"0::/missing/and/more", "none"},
        {"0::/a", "4.00"},
        {"0::/a/b/c", "3.00"},
        {"1:cpu:/", "1.25"},
        {"1:cpu:/e", "1.25"},
        {"1:cpu,cpuacct:/", "1.25"},
        {"1:cpuacct,cpu:/", "1.25"},
        {"1:cpuacct,cpu,memory:/", "1.25"},
        {"1:cpuset:/\n2:cpuacct:/\n3:cpuset,cpuacct:/", "none"},
        {"1:cpu:/\n0::/a", "1.25"},
        {"0::/a\n1:cpu:/", "1.25"},
    };
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        struct environment environment;
        put("/proc/self/cgroup", groups[i][0]);
        read_machine(&environment, "pu:8");
        assert_value(&environment, "cgroup_quota_cpus", groups[i][1]);
    }
}

// A machine that tells nothing: empty values, which is not the same as "none" or 0.
static void test_silent_machine(void **state)
{
    (void)state;
    struct environment environment;
    read_machine(&environment, "pu:1");
    static const char *const silent[] = {"cpu_model",
                                         "kernel",
                                         "hypervisor",
                                         "governor",
                                         "turbo",
                                         "aslr",
                                         "transparent_hugepage",
                                         "mitigations",
                                         "microcode",
                                         "smt",
                                         "cgroup_quota_cpus",
                                         "memory_total_kib",
                                         "cpu_pressure_avg10_percent"};
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++)
        assert_value(&environment, silent[i], "");
    assert_non_null(strstr(environment.machine, "-1cpu"));
}

static void test_long_label(void **state)
{
    (void)state;
    put("/proc/cpuinfo",
        "model name : (TM) ABCDEFGHIJ KLMNOPQRST UVWXYZABCD EFGHIJKLMN OPQRSTUVWX YZABCDEFGH IJKLMNOPQR\n");
    struct environment environment;
    read_machine(&environment, "pu:128");
    assert_string_equal(environment.machine, "abcdefghij-klmnopqrst-uvwxyzabcd-efghijklmn-opqrstuvwx-y-128cpu");
    assert_int_equal(strlen(environment.machine), sizeof environment.machine - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_server, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_other_ways, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_nameless_processor, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_quota, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_silent_machine, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_long_label, make_root, remove_root),
    };
    return cmocka_run_group_tests_name("environment_files", tests, NULL, NULL);
}
