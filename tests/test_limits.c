// SPDX-License-Identifier: Apache-2.0
// How many threads and how much memory a machine allows, on machines made of files.
#include "tests/unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/run/limits.h"

static void write_file(const char *root, const char *path, const char *text)
{
    char name[512], *slash;
    snprintf(name, sizeof name, "%s%s", root, path);
    for (slash = name + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(name, 0700);
        *slash = '/';
    }
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void remove_folder(const char *root)
{
    char command[300];
    snprintf(command, sizeof command, "rm -r '%s'", root);
    assert_int_equal(system(command), 0);
}

static void expect_limit(const char *root, uint64_t threads, const char *name)
{
    const struct thread_limit limit = limits_threads(root);
    assert_int_equal(limit.threads, threads);
    assert_non_null(strstr(limit.name, name));
}

static void expect_bytes(const char *root, uint64_t bytes, const char *name)
{
    const struct memory_limit limit = limits_memory(root);
    assert_int_equal(limit.bytes, bytes);
    assert_non_null(strstr(limit.name, name));
}

static void test_memory(void **state)
{
    (void)state;
    char root[256];
    const char *temporary = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/readyq-limits-XXXXXX", temporary ? temporary : P_tmpdir);
    assert_non_null(mkdtemp(root));
    expect_bytes(root, UINT64_MAX, "no limit");
    write_file(root, "/proc/meminfo", "MemTotal:       2097152 kB\nMemFree:        1 kB\n");
    expect_bytes(root, UINT64_C(2) << 30, "machine");
    write_file(root, "/proc/self/cgroup", "0::/a/b\n");
    write_file(root, "/sys/fs/cgroup/a/b/memory.max", "max\n");
    expect_bytes(root, UINT64_C(2) << 30, "machine");
    write_file(root, "/sys/fs/cgroup/a/memory.max", "1073741824\n");
    expect_bytes(root, UINT64_C(1) << 30, "control group");
    write_file(root, "/proc/self/cgroup", "5:cpu,memory:/old\n4:pids:/a\n");
    write_file(root, "/sys/fs/cgroup/memory/old/memory.limit_in_bytes", "9223372036854771712\n");
    expect_bytes(root, UINT64_C(2) << 30, "machine");
    write_file(root, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "4096\n");
    expect_bytes(root, 4096, "control group");
    remove_folder(root);
}

static void test_limits(void **state)
{
    (void)state;
    char root[256];
    const char *temporary = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/readyq-limits-XXXXXX", temporary ? temporary : P_tmpdir);
    assert_non_null(mkdtemp(root));
    expect_limit(root, THREADS_MAX, "limit of a run");
    write_file(root, "/proc/sys/kernel/threads-max", "900\n");
    expect_limit(root, 900, "threads-max");
    write_file(root, "/proc/self/cgroup", "0::/a/b\n");
    expect_limit(root, 900, "threads-max");
    write_file(root, "/sys/fs/cgroup/a/b/pids.max", "max\n");
    expect_limit(root, 900, "threads-max");
    write_file(root, "/sys/fs/cgroup/a/pids.max", "100\n");
    expect_limit(root, 100, "pids.max");
    write_file(root, "/sys/fs/cgroup/a/pids.current", "30\n");
    expect_limit(root, 70, "pids.max");
    write_file(root, "/sys/fs/cgroup/pids.max", "7\n");
    expect_limit(root, 7, "pids.max");
    write_file(root, "/proc/self/cgroup", "5:cpu,pids:/old\n4:cpu:/other\n");
    write_file(root, "/sys/fs/cgroup/pids/old/pids.max", "50\n");
    write_file(root, "/sys/fs/cgroup/pids/old/pids.current", "60\n");
    expect_limit(root, 0, "pids.max");
    remove_folder(root);
}

// Root is exempt from the user's limit, so it is asked as somebody else, in a process of its own.
static void test_limit_of_the_user(void **state)
{
    (void)state;
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit most = {.rlim_cur = 5, .rlim_max = 5};
        const bool ready = (geteuid() != 0 || setuid(65534) == 0) && setrlimit(RLIMIT_NPROC, &most) == 0;
        const struct thread_limit limit = limits_threads("/nowhere");
        _exit(ready && limit.threads == 5 && strstr(limit.name, "ulimit -u") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_limit_of_the_user),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
