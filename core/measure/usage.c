// SPDX-License-Identifier: Apache-2.0
// From getrusage, /proc/self/status and the machine; read at the edges of the window, never inside it.
#include "core/measure/usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "core/machine/environment.h"

static uint64_t timeval_ns(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_usec * 1000u;
}

// Greatest resident size of this program, in bytes; 0 when the system does not tell. ru_maxrss is no answer: it
// survives exec, so a run that was started by a large program would report that program's size.
static uint64_t peak_resident_bytes(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    if (!status)
        return 0;
    char line[256];
    uint64_t peak_kib = 0;
    while (fgets(line, sizeof line, status)) {
        if (sscanf(line, "VmHWM: %" SCNu64 " kB", &peak_kib) == 1)
            break;
    }
    fclose(status);
    return peak_kib * 1024;
}

void usage_read(struct usage *usage)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    usage->cpu_user_ns = timeval_ns(used.ru_utime);
    usage->cpu_system_ns = timeval_ns(used.ru_stime);
    usage->voluntary_switches = (uint64_t)used.ru_nvcsw;
    usage->involuntary_switches = (uint64_t)used.ru_nivcsw;
    usage->peak_rss_bytes = peak_resident_bytes();
    if (usage->peak_rss_bytes == 0)
        usage->peak_rss_bytes = (uint64_t)used.ru_maxrss * 1024;
    usage->steal_ns = environment_steal_ns();
}

void usage_read_thread(struct thread_usage *usage)
{
    struct timespec cpu;
    struct rusage used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    getrusage(RUSAGE_THREAD, &used);
    usage->cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
    usage->voluntary_switches = (uint64_t)used.ru_nvcsw;
    usage->involuntary_switches = (uint64_t)used.ru_nivcsw;
}

// The kernel's counters are scaled estimates that may step back by a tick.
static uint64_t difference(uint64_t end, uint64_t start)
{
    return end > start ? end - start : 0;
}

struct usage usage_between(const struct usage *start, const struct usage *end)
{
    const int steal_known = start->steal_ns != UINT64_MAX && end->steal_ns != UINT64_MAX;
    return (struct usage){
        .cpu_user_ns = difference(end->cpu_user_ns, start->cpu_user_ns),
        .cpu_system_ns = difference(end->cpu_system_ns, start->cpu_system_ns),
        .voluntary_switches = difference(end->voluntary_switches, start->voluntary_switches),
        .involuntary_switches = difference(end->involuntary_switches, start->involuntary_switches),
        .peak_rss_bytes = end->peak_rss_bytes,
        .steal_ns = steal_known ? difference(end->steal_ns, start->steal_ns) : UINT64_MAX,
    };
}
