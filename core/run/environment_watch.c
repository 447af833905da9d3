// SPDX-License-Identifier: Apache-2.0
#include "core/run/environment_watch.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES 1024
#define LINE_BYTES 4096
#define CPUS_READ_MOST 64u
#define SECOND_NS 1000000000u

static FILE *open_below(const char *root, const char *path)
{
    char full[PATH_BYTES];
    return snprintf(full, sizeof full, "%s%s", root, path) < (int)sizeof full ? fopen(full, "re") : NULL;
}

uint64_t environment_tick_ns(void)
{
    const long ticks_per_s = sysconf(_SC_CLK_TCK);
    return ticks_per_s > 0 ? SECOND_NS / (uint64_t)ticks_per_s : 10000000u;
}

uint64_t environment_passed(uint64_t opened, uint64_t closing)
{
    if (opened == UINT64_MAX || closing == UINT64_MAX)
        return UINT64_MAX;
    return closing > opened ? closing - opened : 0;
}

// One line of /proc/stat: "cpu3 user nice system idle iowait irq softirq steal ...". What interrupts take belongs to
// no process.
static void take_line(struct environment_edge *edge, const char *line, const struct topology *topology)
{
    uint64_t user, nice, system, steal;
    const uint64_t tick_ns = environment_tick_ns();
    const char *numbers = line + strcspn(line, " ");
    if (sscanf(numbers, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %*u %*u %*u %*u %" SCNu64, &user, &nice, &system,
               &steal) != 4)
        return;
    if (line[3] == ' ')
        edge->steal_ns = steal * tick_ns;
    else if (topology_cpu(topology, (unsigned)strtoul(line + 3, NULL, 10)))
        edge->processes_ns =
            (edge->processes_ns == UINT64_MAX ? 0 : edge->processes_ns) + (user + nice + system) * tick_ns;
}

static uint64_t clock_of(clockid_t clock)
{
    struct timespec now;
    return clock_gettime(clock, &now) == 0 ? (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec : 0;
}

void environment_edge_read(struct environment_edge *edge, const struct topology *topology, const char *root)
{
    *edge = (struct environment_edge){UINT64_MAX, UINT64_MAX, 0, NAN};
    // The one clock goes on while the machine is suspended, the other does not.
    const uint64_t monotonic_ns = clock_of(CLOCK_MONOTONIC), boot_ns = clock_of(CLOCK_BOOTTIME);
    edge->suspended_ns = boot_ns > monotonic_ns ? boot_ns - monotonic_ns : 0;
    FILE *file = open_below(root, "/proc/stat");
    char line[LINE_BYTES];
    while (file && fgets(line, sizeof line, file) && strncmp(line, "cpu", 3) == 0)
        take_line(edge, line, topology);
    if (file)
        fclose(file);
}

// Not a number: unknown.
static double frequency_of(unsigned cpu, const char *root)
{
    char path[PATH_BYTES];
    double khz = NAN;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_cur_freq", cpu);
    FILE *file = open_below(root, path);
    if (!file)
        return NAN;
    if (fscanf(file, "%lf", &khz) != 1 || khz <= 0)
        khz = NAN;
    fclose(file);
    return khz;
}

static bool stands_before(const int *cpus, unsigned index)
{
    for (unsigned i = 0; i < index; i++)
        if (cpus[i] == cpus[index])
            return true;
    return false;
}

void environment_edge_frequency(struct environment_edge *edge, const struct topology *topology, const int *cpus,
                                unsigned count, const char *root)
{
    double sum = 0;
    unsigned read = 0;
    const unsigned all = cpus ? count : topology->count;
    for (unsigned i = 0; i < all && read < CPUS_READ_MOST; i++) {
        if (cpus && stands_before(cpus, i))
            continue;
        sum += frequency_of(cpus ? (unsigned)cpus[i] : topology->cpus[i].os, root);
        read++;
    }
    edge->frequency_khz = read ? sum / read : NAN;
}

bool environment_isolated(const int *cpus, unsigned count, const char *root)
{
    char line[LINE_BYTES] = "";
    FILE *file = open_below(root, "/sys/devices/system/cpu/isolated");
    if (!file)
        return false;
    if (!fgets(line, sizeof line, file))
        line[0] = '\0';
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    unsigned *list = NULL, listed = 0;
    if (!line[0] || topology_parse_list("isolated", line, &list, &listed, NULL) != 0)
        return false;
    bool all = true;
    for (unsigned i = 0; i < count && all; i++) {
        bool found = false;
        for (unsigned j = 0; j < listed && !found; j++)
            found = list[j] == (unsigned)cpus[i];
        all = found;
    }
    free(list);
    return all;
}
