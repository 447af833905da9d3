// SPDX-License-Identifier: Apache-2.0
// The environment record of this machine, against independent sources; and it names neither host, user nor path.
#include "tests/unit.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tests/environment_checks.h"

static void run(const char *command, char *answer, size_t size)
{
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    answer[0] = '\0';
    if (fgets(answer, (int)size, pipe))
        answer[strcspn(answer, "\n")] = '\0';
    pclose(pipe);
}

static void test_here(void **state)
{
    (void)state;
    struct topology topology;
    struct environment environment;
    assert_int_equal(topology_load(&topology, NULL, NULL), 0);
    environment_read(&environment, &topology);
    assert_proper(&environment);

    struct utsname system;
    char expected[160];
    assert_int_equal(uname(&system), 0);
    assert_value(&environment, "kernel", system.release);
    assert_value(&environment, "architecture", system.machine);
    snprintf(expected, sizeof expected, "%ld", sysconf(_SC_PAGESIZE));
    assert_value(&environment, "page_size_bytes", expected);
    snprintf(expected, sizeof expected, "%u", topology.count);
    assert_value(&environment, "cpus_allowed", expected);
    run("sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status", expected, sizeof expected);
    assert_value(&environment, "cpus_allowed_list", expected);
    run("awk '/^MemTotal/ {print $2}' /proc/meminfo", expected, sizeof expected);
    assert_value(&environment, "memory_total_kib", expected);
    run("getconf GNU_LIBC_VERSION", expected, sizeof expected);
    assert_value(&environment, "libc", expected);
    run("sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo", expected, sizeof expected);
    if (expected[0])
        assert_value(&environment, "cpu_model", expected);
    snprintf(expected, sizeof expected, "-%ucpu", topology.online);
    assert_non_null(strstr(environment.machine, expected));
    topology_unload(&topology);
}

static void test_names_nobody(void **state)
{
    (void)state;
    struct topology topology;
    struct environment environment;
    assert_int_equal(topology_load(&topology, NULL, NULL), 0);
    environment_read(&environment, &topology);
    struct utsname system;
    assert_int_equal(uname(&system), 0);
    assert_no_word(&environment, system.nodename);
    const struct passwd *user = getpwuid(getuid());
    if (user)
        assert_no_word(&environment, user->pw_name);
    char folder[1024];
    assert_non_null(getcwd(folder, sizeof folder));
    if (strlen(folder) > 1)
        assert_no_word(&environment, folder);
    topology_unload(&topology);
}

// The kernel's count lies between two readings of our own.
static void test_steal(void **state)
{
    (void)state;
    const char *command = "awk '/^cpu / {printf \"%.0f\", $9 * 1e9 / '$(getconf CLK_TCK)'}' /proc/stat";
    char before[32], after[32];
    run(command, before, sizeof before);
    const uint64_t steal = environment_steal_ns();
    run(command, after, sizeof after);
    assert_in_range(steal, strtoull(before, NULL, 10), strtoull(after, NULL, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_here),
        cmocka_unit_test(test_names_nobody),
        cmocka_unit_test(test_steal),
    };
    return cmocka_run_group_tests_name("environment", tests, NULL, NULL);
}
