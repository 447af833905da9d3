// SPDX-License-Identifier: Apache-2.0
#include "core/run/keep_awake.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/sync/atomic.h"
#include "core/sync/thread.h"

// Looks about the processor to itself between two yields: some microseconds.
#define YIELD_EVERY 64u

struct keep_awake {
    unsigned count;
    pid_t spinners[];
};

// ------------------------------------------------------------------------------------------------ the spinner

static int take_idle_class(unsigned cpu)
{
    cpu_set_t *set = CPU_ALLOC(cpu + 1);
    if (!set)
        return ENOMEM;
    const size_t size = CPU_ALLOC_SIZE(cpu + 1);
    CPU_ZERO_S(size, set);
    CPU_SET_S(cpu, size, set);
    const bool pinned = sched_setaffinity(0, size, set) == 0;
    CPU_FREE(set);
    const struct sched_param none = {0};
    return pinned && sched_setscheduler(0, SCHED_IDLE, &none) == 0 ? 0 : errno;
}

// The new process, which holds nothing of the old one open but the pipe, and never returns. It dies with the thread
// that made it.
static void spin(unsigned cpu, pid_t parent, int answer)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
    prctl(PR_SET_NAME, "readyq-awake");
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    const int error = take_idle_class(cpu);
    if (write(answer, &error, sizeof error) != sizeof error || error)
        _exit(0);
    dup2(answer, STDIN_FILENO);
    close_range(STDIN_FILENO + 1, ~0u, 0);
    close(STDIN_FILENO);
    // On some kernels a thread that yields hands its processor over even to this class, and would have it back only at
    // the end of a time slice; so this one yields in turn.
    for (unsigned round = 1;; round++) {
        cpu_relax();
        if (round % YIELD_EVERY == 0)
            thread_yield();
    }
}

// ------------------------------------------------------------------------------------------------ the run

// A spinner that died before it could answer has no errno.
static int read_answer(int pipe)
{
    int error;
    ssize_t got;
    while ((got = read(pipe, &error, sizeof error)) < 0 && errno == EINTR) {}
    return got == sizeof error ? error : ECHILD;
}

// A positive errno, or 0: it spins.
static int start_spinner(pid_t *spinner, unsigned cpu)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    const pid_t parent = getpid();
    *spinner = fork();
    if (*spinner == 0)
        spin(cpu, parent, ends[1]);
    int error = *spinner < 0 ? errno : 0;
    close(ends[1]);
    if (!error) {
        error = read_answer(ends[0]);
        if (error)
            waitpid(*spinner, NULL, 0);
    }
    close(ends[0]);
    return error;
}

// The control group's limit, in CPUs, of which spinners would take nearly all.
static int check_quota(const struct topology *topology, const struct environment *environment, struct fault *fault)
{
    for (unsigned i = 0; environment && i < environment->count; i++) {
        const struct environment_fact *fact = &environment->facts[i];
        const double quota = strcmp(fact->name, "cgroup_quota_cpus") == 0 ? strtod(fact->value, NULL) : 0;
        if (quota > 0 && quota < topology->count)
            return fault_set(
                fault, -EPERM,
                "--keep-awake yes: the control group allows the time of %s CPUs, which spinners on %u CPUs "
                "would use up; raise cpu.max, or allow as many CPUs (taskset)",
                fact->value, topology->count);
    }
    return 0;
}

int keep_awake_start(struct keep_awake **awake, const struct topology *topology, const struct environment *environment,
                     struct fault *fault)
{
    const int refused = check_quota(topology, environment, fault);
    if (refused)
        return refused;
    struct keep_awake *made = calloc(1, sizeof *made + topology->count * sizeof made->spinners[0]);
    if (!made)
        return fault_set(fault, -ENOMEM, "no memory for the spinners of --keep-awake");
    for (; made->count < topology->count; made->count++) {
        const unsigned cpu = topology->cpus[made->count].os;
        const int error = start_spinner(&made->spinners[made->count], cpu);
        if (error) {
            keep_awake_stop(made);
            return fault_set(fault, -error,
                             "--keep-awake yes: the system permits no spinner of idle priority (SCHED_IDLE) on CPU %u "
                             "(%s); leave the option out",
                             cpu, strerror(error));
        }
    }
    *awake = made;
    return 0;
}

uint64_t keep_awake_cpu_ns(const struct keep_awake *awake)
{
    uint64_t sum = 0;
    for (unsigned i = 0; awake && i < awake->count; i++) {
        clockid_t clock;
        struct timespec used;
        if (clock_getcpuclockid(awake->spinners[i], &clock) != 0 || clock_gettime(clock, &used) != 0)
            return UINT64_MAX;
        sum += (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
    }
    return awake ? sum : UINT64_MAX;
}

uint64_t keep_awake_switches(const struct keep_awake *awake)
{
    uint64_t sum = 0;
    for (unsigned i = 0; awake && i < awake->count; i++) {
        char path[64], line[256];
        uint64_t switches = 0;
        snprintf(path, sizeof path, "/proc/%ld/status", (long)awake->spinners[i]);
        FILE *file = fopen(path, "re");
        while (file && fgets(line, sizeof line, file))
            if (sscanf(line, "nonvoluntary_ctxt_switches: %" SCNu64, &switches) == 1)
                break;
        if (file)
            fclose(file);
        sum += switches;
    }
    return sum;
}

void keep_awake_stop(struct keep_awake *awake)
{
    if (!awake)
        return;
    for (unsigned i = 0; i < awake->count; i++)
        kill(awake->spinners[i], SIGKILL);
    for (unsigned i = 0; i < awake->count; i++)
        while (waitpid(awake->spinners[i], NULL, 0) < 0 && errno == EINTR) {}
    free(awake);
}
