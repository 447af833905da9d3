// SPDX-License-Identifier: Apache-2.0
// What the doctor finds on machines that we do not have, from their files; and its arithmetic.
#include "tests/unit.h"

#include <math.h>
#include <unistd.h>

#include "core/run/doctor.h"
#include "core/run/doctor_others.h"
#include "core/run/doctor_probe.h"
#include "tests/made_root.h"

#define CPU "/sys/devices/system/cpu"

static struct doctor doctor;

static void examine(const char *synthetic, bool is_root)
{
    static struct environment environment;
    struct topology topology;
    assert_int_equal(topology_load(&topology, synthetic, NULL), 0);
    environment_read_from(&environment, &topology, root);
    const struct doctor_patient patient = {&topology, &environment, root, is_root};
    doctor.count = 0;
    doctor_examine_system(&doctor, &patient);
    doctor_examine_processors(&doctor, &patient);
    topology_unload(&topology);
    assert_in_range(doctor.count, 1, DOCTOR_FINDINGS_MAX - 1);
    for (unsigned i = 0; i < doctor.count; i++) {
        const struct doctor_finding *finding = &doctor.findings[i];
        assert_true(finding->found[0] && finding->why[0]);
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(finding->name, doctor.findings[j].name);
    }
}

static const struct doctor_finding *find(const char *name)
{
    for (unsigned i = 0; i < doctor.count; i++)
        if (strcmp(doctor.findings[i].name, name) == 0)
            return &doctor.findings[i];
    return NULL;
}

static void expect(const char *name, enum doctor_severity severity, const char *found, const char *command)
{
    const struct doctor_finding *finding = find(name);
    if (!finding)
        fail_msg("nothing is found about %s", name);
    if (finding->severity != severity)
        fail_msg("%s is %s: %s", name, doctor_severity_names[finding->severity], finding->found);
    if (!strstr(finding->found, found))
        fail_msg("%s: '%s' does not hold '%s'", name, finding->found, found);
    if (!strstr(finding->command, command) || (command[0] == '\0' && finding->command[0]))
        fail_msg("%s: '%s' does not hold '%s'", name, finding->command, command);
}

// A desktop as it is sold: everything is on.
static void put_desktop(void)
{
    put("/proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu vme\n");
    put("/proc/stat", "cpu  1 2 3 4 5 6 7 8\n");
    put("/proc/loadavg", "3.25 1.00 0.50 2/345 6789\n");
    put("/proc/meminfo",
        "MemTotal:  16000000 kB\nHugePages_Total:   12\nSwapTotal:  2048000 kB\nSwapFree:  1024000 kB\n");
    put("/proc/self/limits", "Limit                     Soft Limit           Hard Limit           Units\n"
                             "Max stack size            1073741824           unlimited            bytes\n"
                             "Max open files            256                  1048576              files\n"
                             "Max locked memory         8192                 8192                 bytes\n");
    put("/proc/sys/kernel/perf_event_paranoid", "4\n");
    put("/proc/sys/kernel/threads-max", "500\n");
    put("/proc/sys/kernel/numa_balancing", "1\n");
    put("/proc/sys/kernel/randomize_va_space", "2\n");
    put("/proc/4711/comm", "irqbalance\n");
    put("/proc/self/cgroup", "0::/a.slice/b.scope\n");
    put("/sys/fs/cgroup/a.slice/b.scope/cpu.max", "150000 100000\n");
    put("/sys/fs/cgroup/a.slice/b.scope/cpu.stat", "usage_usec 5\nnr_periods 100\nnr_throttled 17\n");
    put("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
    put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
    put("/sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet acpi_pm\n");
    put(CPU "/isolated", "\n");
    put(CPU "/intel_pstate/no_turbo", "0\n");
    put(CPU "/vulnerabilities/meltdown", "Mitigation: PTI\n");
    for (unsigned i = 0; i < 8; i++) {
        char path[128];
        snprintf(path, sizeof path, CPU "/cpu%u/cpufreq/scaling_governor", i);
        put(path, "powersave\n");
    }
}

static void test_desktop(void **state)
{
    (void)state;
    put_desktop();
    examine("package:2 numa:1 core:2 pu:2", false);
    expect("governor", DOCTOR_WARNING, "powersave", "sudo cpupower frequency-set --governor performance");
    expect("turbo", DOCTOR_ADVICE, "turbo is on", "echo 1 | sudo tee " CPU "/intel_pstate/no_turbo");
    expect("smt", DOCTOR_ADVICE, "hardware threads", "readyq run --pin no_smt");
    expect("isolation", DOCTOR_ADVICE, "no CPU is isolated", "isolcpus=1-7 nohz_full=1-7 rcu_nocbs=1-7");
    expect("cpu_quota", DOCTOR_WARNING, "the time of 1.50 CPUs; it was halted 17 times", "echo max | sudo tee cpu.max");
    expect("clock", DOCTOR_WARNING, "hpet", "echo tsc | sudo tee");
    expect("mitigations", DOCTOR_OK, "meltdown", "mitigations=off");
    expect("hypervisor", DOCTOR_OK, "no hypervisor", "");
    expect("threads", DOCTOR_ADVICE, "no more than 500 threads are allowed (kernel.threads-max)", "ulimit -u");
    expect("open_files", DOCTOR_ADVICE, "no more than 256", "ulimit -n 4096");
    expect("stack", DOCTOR_ADVICE, "1024 MiB", "ulimit -s 8192");
    expect("locked_memory", DOCTOR_ADVICE, "no more than 8 KiB", "ulimit -l");
    expect("transparent_huge_pages", DOCTOR_ADVICE, "always", "echo madvise | sudo tee");
    expect("huge_pages", DOCTOR_OK, "12 huge pages", "");
    expect("swap", DOCTOR_WARNING, "2000 MiB of swap, 1000 in use", "sudo swapoff --all");
    expect("numa_balancing", DOCTOR_ADVICE, "is on", "sudo sysctl kernel.numa_balancing=0");
    expect("load", DOCTOR_WARNING, "3.25", "top");
    expect("irqbalance", DOCTOR_ADVICE, "is running", "sudo systemctl stop irqbalance");
    expect("perf_event_paranoid", DOCTOR_ADVICE, "is 4", "sudo sysctl kernel.perf_event_paranoid=1");
    assert_null(find("contention"));
    assert_null(find("numa"));
    assert_null(find("packages"));
    examine("package:2 numa:1 core:2 pu:2", true);
    expect("perf_event_paranoid", DOCTOR_OK, "root is exempt", "");
}

// One that somebody has prepared.
static void test_prepared_server(void **state)
{
    (void)state;
    put_desktop();
    put("/proc/loadavg", "0.05 0.01 0.00 1/345 6789\n");
    put("/proc/meminfo", "MemTotal:  16000000 kB\nHugePages_Total:   0\nSwapTotal:  0 kB\nSwapFree:  0 kB\n");
    put("/proc/self/limits", "Max stack size            unlimited            unlimited            bytes\n"
                             "Max open files            1024                 1048576              files\n"
                             "Max locked memory         65536                65536                bytes\n");
    put("/proc/sys/kernel/perf_event_paranoid", "-1\n");
    put("/proc/sys/kernel/numa_balancing", "0\n");
    put("/proc/4711/comm", "irqbalanced\n");
    put("/sys/fs/cgroup/a.slice/b.scope/cpu.max", "max 100000\n");
    put("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
    put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
    put(CPU "/isolated", "2-7\n");
    put(CPU "/nohz_full", "2-7\n");
    put(CPU "/intel_pstate/no_turbo", "1\n");
    for (unsigned i = 0; i < 8; i++) {
        char path[128];
        snprintf(path, sizeof path, CPU "/cpu%u/cpufreq/scaling_governor", i);
        put(path, "performance\n");
    }
    examine("package:2 numa:1 core:4 pu:1", false);
    static const char *const well[] = {"governor",
                                       "turbo",
                                       "smt",
                                       "isolation",
                                       "cpu_quota",
                                       "open_files",
                                       "stack",
                                       "locked_memory",
                                       "transparent_huge_pages",
                                       "swap",
                                       "numa_balancing",
                                       "load",
                                       "irqbalance",
                                       "perf_event_paranoid"};
    for (unsigned i = 0; i < sizeof well / sizeof *well; i++)
        expect(well[i], DOCTOR_OK, "", "");
}

// A small virtual machine that tells nothing.
static void test_silent_virtual_machine(void **state)
{
    (void)state;
    put("/proc/cpuinfo", "flags\t\t: fpu hypervisor\n");
    examine("package:1 core:2 pu:1", false);
    expect("governor", DOCTOR_CANNOT, "no control", "");
    assert_null(find("turbo"));
    expect("smt", DOCTOR_CANNOT, "hides", "");
    expect("isolation", DOCTOR_CANNOT, "no CPU is isolated", "");
    expect("hypervisor", DOCTOR_CANNOT, "virtual machine", "");
    expect("contention", DOCTOR_CANNOT, "beyond 2 threads", "");
    expect("numa", DOCTOR_CANNOT, "remote memory", "");
    expect("packages", DOCTOR_CANNOT, "between packages", "");
    expect("clock", DOCTOR_WARNING, "unknown", "");
    expect("perf_event_paranoid", DOCTOR_CANNOT, "without counters", "");
    expect("open_files", DOCTOR_OK, "", "");
    expect("cpu_quota", DOCTOR_OK, "no limit", "");
    examine("package:1 core:1 pu:1", false);
    expect("contention", DOCTOR_CANNOT, "beyond 1 thread at", "");
}

static void test_boost_of_other_drivers(void **state)
{
    (void)state;
    put(CPU "/cpufreq/boost", "1\n");
    examine("package:1 core:4 pu:1", false);
    expect("turbo", DOCTOR_ADVICE, "on", "echo 0 | sudo tee " CPU "/cpufreq/boost");
}

static void test_split(void **state)
{
    (void)state;
    double one[] = {100, 110, 90, 130, 149, 80}, two[] = {170, 60, 175, 62, 64, 90};
    assert_int_equal(doctor_split(one, 6), 0);
    assert_int_equal(doctor_split(two, 6), 4);
    double alone[] = {60, 61, 62, 63, 300}, pair[] = {60, 61, 62, 300, 301};
    assert_int_equal(doctor_split(alone, 5), 0); // one value is no regime
    assert_int_equal(doctor_split(pair, 5), 3);
    double edge[] = {100, 100, 150, 150}, below[] = {100, 100, 149.9, 149.9};
    assert_int_equal(doctor_split(edge, 4), 2);
    assert_int_equal(doctor_split(below, 4), 0);
    assert_int_equal(doctor_split(edge, 0), 0);
}

// With a name that holds what ends a name, and one that began meanwhile.
static void test_busiest(void **state)
{
    (void)state;
    struct doctor_processes before, after;
    struct doctor_other others[DOCTOR_OTHERS_MAX];
    put("/proc/9/stat", "9 (idle) S 1 1 1 0 -1 0 0 0 0 0 100 50 0 0 20 0 1 0 5\n");
    put("/proc/10/stat", "10 (a) b (c) R 1 1 1 0 -1 0 0 0 0 0 100 50 0 0 20 0 1 0 5\n");
    put("/proc/11/stat", "broken");
    put("/proc/self/stat", "10 (self) R 1 1 1 0 -1 0 0 0 0 0 100 50 0 0 20 0 1 0 5\n");
    doctor_processes_read(&before, root);
    assert_int_equal(before.count, 2);
    put("/proc/10/stat", "10 (a) b (c) R 1 1 1 0 -1 0 0 0 0 0 150 100 0 0 20 0 1 0 5\n");
    put("/proc/12/stat", "12 (cc1) R 1 1 1 0 -1 0 0 0 0 0 180 0 0 0 20 0 1 0 5\n");
    doctor_processes_read(&after, root);
    doctor_busiest(&before, &after, 2.0, others);
    const double ticks_per_s = (double)sysconf(_SC_CLK_TCK);
    assert_string_equal(others[0].name, "cc1");
    assert_true(fabs(others[0].cpus - 90 / ticks_per_s) < 1e-9);
    assert_string_equal(others[1].name, "a) b (c");
    assert_true(fabs(others[1].cpus - 50 / ticks_per_s) < 1e-9);
    assert_string_equal(others[2].name, "");
    doctor_processes_free(&before);
    doctor_processes_free(&after);
}

static void test_measured_findings(void **state)
{
    (void)state;
    struct doctor_measured measured = {.steal_percent = 1.9,
                                       .other_cpus = 0.09,
                                       .regimes = 1,
                                       .regime_ns = {80, NAN},
                                       .sentinels = 9,
                                       .wake_ns = 4000};
    doctor.count = 0;
    doctor_add_measured(&doctor, &measured);
    static const char *const names[] = {"steal", "other_load", "sentinel", "wake"};
    for (unsigned i = 0; i < 4; i++)
        expect(names[i], DOCTOR_OK, "", "");
    measured = (struct doctor_measured){.steal_percent = 2,
                                        .other_cpus = 0.1,
                                        .others = {{"cc1", 0.1}},
                                        .regimes = 2,
                                        .regime_ns = {80, 170},
                                        .sentinels = 9,
                                        .wake_ns = 40000};
    doctor.count = 0;
    doctor_add_measured(&doctor, &measured);
    expect("steal", DOCTOR_WARNING, "2.0 %", "another hour");
    expect("other_load", DOCTOR_WARNING, "0.10 CPUs: cc1 0.10", "taskset");
    expect("sentinel", DOCTOR_WARNING, "around 80 and 170 ns", "repeats");
    expect("wake", DOCTOR_ADVICE, "40.0 us", "--keep-awake yes");
    measured = (struct doctor_measured){.steal_percent = NAN, .other_cpus = NAN, .wake_ns = NAN};
    doctor.count = 0;
    doctor_add_measured(&doctor, &measured);
    expect("steal", DOCTOR_CANNOT, "does not tell", "");
    expect("sentinel", DOCTOR_CANNOT, "no two cores", "");
    assert_int_equal(doctor.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_desktop, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_prepared_server, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_silent_virtual_machine, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_boost_of_other_drivers, make_root, remove_root),
        cmocka_unit_test(test_split),
        cmocka_unit_test_setup_teardown(test_busiest, make_root, remove_root),
        cmocka_unit_test(test_measured_findings),
    };
    return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
