// SPDX-License-Identifier: Apache-2.0
// Spinners of idle priority: one a CPU, of the right class and place, outside of the process's accounts, and gone with
// whoever started them.
#include "tests/unit.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/run/keep_awake.h"

static struct topology topology;

static void nap_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

// Children of `parent` that are no zombies; the first 64 into `found`.
static unsigned children_of(pid_t parent, pid_t found[64])
{
    unsigned count = 0;
    DIR *folder = opendir("/proc");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[300], state;
        int of;
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *file = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "re") : NULL;
        if (!file)
            continue;
        if (fscanf(file, "%*d %*[^)]) %c %d", &state, &of) == 2 && of == parent && state != 'Z' && count < 64)
            found[count++] = atoi(entry->d_name);
        fclose(file);
    }
    closedir(folder);
    return count;
}

static void test_one_a_cpu(void **state)
{
    (void)state;
    struct keep_awake *awake = NULL;
    struct fault fault = {""};
    pid_t spinners[64];
    assert_int_equal(keep_awake_start(&awake, &topology, NULL, &fault), 0);
    const unsigned count = children_of(getpid(), spinners);
    assert_int_equal(count, topology.count < 64 ? topology.count : 64);
    bool pinned[CPU_SETSIZE] = {false};
    for (unsigned i = 0; i < count; i++) {
        cpu_set_t set;
        assert_int_equal(sched_getscheduler(spinners[i]), SCHED_IDLE);
        assert_int_equal(sched_getaffinity(spinners[i], sizeof set, &set), 0);
        assert_int_equal(CPU_COUNT(&set), 1);
        unsigned cpu = 0;
        while (!CPU_ISSET(cpu, &set))
            cpu++;
        assert_non_null(topology_cpu(&topology, cpu));
        assert_false(pinned[cpu]);
        pinned[cpu] = true;
    }
    keep_awake_stop(awake);
    assert_int_equal(children_of(getpid(), spinners), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

// What they take is told apart from what this process does.
static void test_their_time_is_not_ours(void **state)
{
    (void)state;
    struct keep_awake *awake = NULL;
    struct rusage before, after;
    assert_true(keep_awake_cpu_ns(NULL) == UINT64_MAX);
    assert_int_equal(keep_awake_switches(NULL), 0);
    assert_int_equal(keep_awake_start(&awake, &topology, NULL, NULL), 0);
    getrusage(RUSAGE_SELF, &before);
    const uint64_t first_ns = keep_awake_cpu_ns(awake);
    // They may have to wait for others, the longer the more of these there are; looking often would be work of ours.
    uint64_t now_ns = first_ns;
    for (unsigned ms = 10; ms < 60000 && now_ns < first_ns + 5000000; ms *= 2) {
        nap_ms(ms);
        now_ns = keep_awake_cpu_ns(awake);
    }
    assert_true(now_ns > first_ns);
    getrusage(RUSAGE_SELF, &after);
    const long ours_us =
        after.ru_utime.tv_usec - before.ru_utime.tv_usec + 1000000 * (after.ru_utime.tv_sec - before.ru_utime.tv_sec);
    assert_true((uint64_t)ours_us * 1000 < now_ns - first_ns);
    keep_awake_stop(awake);
}

// A run that is killed leaves none behind.
static void test_they_die_with_the_run(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t run = fork();
    if (run == 0) {
        struct keep_awake *awake = NULL;
        const int error = keep_awake_start(&awake, &topology, NULL, NULL);
        pid_t spinners[64];
        memset(spinners, 0, sizeof spinners);
        children_of(getpid(), spinners);
        _exit(error || write(ends[1], spinners, sizeof spinners) != sizeof spinners || pause());
    }
    pid_t spinners[64];
    assert_int_equal(read(ends[0], spinners, sizeof spinners), sizeof spinners);
    assert_true(spinners[0] > 0);
    kill(run, SIGKILL);
    assert_int_equal(waitpid(run, NULL, 0), run);
    for (unsigned i = 0; i < 64 && spinners[i]; i++) {
        unsigned naps = 0;
        // Whoever inherits orphans may leave them as zombies; those don't spin.
        for (; naps < 3000 && sched_getscheduler(spinners[i]) == SCHED_IDLE; naps++) {
            char path[64], now = 'X';
            snprintf(path, sizeof path, "/proc/%ld/stat", (long)spinners[i]);
            FILE *file = fopen(path, "re");
            if (file && fscanf(file, "%*d %*[^)]) %c", &now) != 1)
                now = 'X';
            if (file)
                fclose(file);
            if (now == 'Z' || now == 'X')
                break;
            nap_ms(10);
        }
        assert_true(naps < 3000);
    }
    close(ends[0]);
    close(ends[1]);
}

static void test_a_quota_that_they_would_use_up(void **state)
{
    (void)state;
    struct keep_awake *awake = NULL;
    struct fault fault = {""};
    struct environment environment = {.facts = {{"cgroup_quota_cpus", "0.50"}}, .count = 1};
    assert_int_equal(keep_awake_start(&awake, &topology, &environment, &fault), -EPERM);
    assert_null(awake);
    assert_non_null(strstr(fault.text, "the control group allows the time of 0.50 CPUs"));
    environment = (struct environment){.facts = {{"cgroup_quota_cpus", "none"}}, .count = 1};
    assert_int_equal(keep_awake_start(&awake, &topology, &environment, NULL), 0);
    keep_awake_stop(awake);
    keep_awake_stop(NULL);
}

// A CPU that is not there stands for a system that forbids it; those that spin already are ended.
static void test_refused(void **state)
{
    (void)state;
    struct keep_awake *awake = NULL;
    struct fault fault = {""};
    struct cpu cpus[2] = {topology.cpus[0], {.os = 1000}};
    const struct topology wrong = {.cpus = cpus, .count = 2};
    pid_t spinners[64];
    assert_true(keep_awake_start(&awake, &wrong, NULL, &fault) < 0);
    assert_non_null(strstr(fault.text, "no spinner of idle priority (SCHED_IDLE) on CPU 1000"));
    assert_int_equal(children_of(getpid(), spinners), 0);
}

static int load(void **state)
{
    (void)state;
    return topology_load(&topology, NULL, NULL);
}

static int unload(void **state)
{
    (void)state;
    topology_unload(&topology);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_a_cpu),
        cmocka_unit_test(test_their_time_is_not_ours),
        cmocka_unit_test(test_they_die_with_the_run),
        cmocka_unit_test(test_a_quota_that_they_would_use_up),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("keep_awake", tests, load, unload);
}
