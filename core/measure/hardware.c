// SPDX-License-Identifier: Apache-2.0
#include "core/measure/hardware.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct source {
    const char *name;
    uint32_t type;
    uint64_t config;
    bool in_kernel; // happens there only
} sources[HARDWARE_COUNTERS] = {
    [HARDWARE_CYCLES] = {"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, false},
    [HARDWARE_INSTRUCTIONS] = {"instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, false},
    [HARDWARE_CACHE_REFERENCES] = {"cache references", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES, false},
    [HARDWARE_CACHE_MISSES] = {"cache misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, false},
    [HARDWARE_BRANCH_MISSES] = {"branch misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES, false},
    [HARDWARE_MIGRATIONS] = {"migrations", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS, true},
    [HARDWARE_SWITCHES] = {"context switches", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES, true},
    [HARDWARE_FAULTS] = {"page faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, false},
};

static const char *const reasons[] = {
    [HARDWARE_NOT_ASKED] = "not asked for",
    [HARDWARE_NOT_PERMITTED] =
        "not permitted (sudo sysctl kernel.perf_event_paranoid=1, or the capability CAP_PERFMON; in a container the "
        "filter of system calls must let perf_event_open through)",
    [HARDWARE_NOT_SUPPORTED] = "not supported by this machine (virtual machines seldom show hardware counters)",
    [HARDWARE_OVERCOMMITTED] =
        "over-committed, so that they were counted for too small a part of the time (end other users of the counters: "
        "perf, or the kernel's NMI watchdog)",
    [HARDWARE_SPARED] = "left out, for each context switch would pay for them while the processor's are absent "
                        "(--counters yes takes them)",
};

static int open_for_this_thread(struct perf_event_attr *attributes)
{
    return (int)syscall(SYS_perf_event_open, attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static enum hardware_state state_of(int error)
{
    return error == EACCES || error == EPERM ? HARDWARE_NOT_PERMITTED : HARDWARE_NOT_SUPPORTED;
}

// Returns whether one was refused that user mode alone might be granted.
static bool open_all(struct hardware *hardware, hardware_open_function *open, bool user_only)
{
    bool refused = false;
    hardware->user_only = user_only;
    for (unsigned i = 0; i < HARDWARE_COUNTERS; i++) {
        struct perf_event_attr attributes = {
            .size = sizeof attributes,
            .type = sources[i].type,
            .config = sources[i].config,
            .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
            .inherit = 1,
            .exclude_kernel = user_only,
            .exclude_hv = 1,
        };
        errno = EPERM;
        hardware->files[i] = user_only && sources[i].in_kernel ? -1 : open(&attributes);
        hardware->states[i] = hardware->files[i] < 0 ? state_of(errno) : HARDWARE_COUNTED;
        refused |= hardware->states[i] == HARDWARE_NOT_PERMITTED;
    }
    return refused;
}

void hardware_open(struct hardware *hardware, hardware_open_function *open)
{
    if (!open)
        open = open_for_this_thread;
    // All count the same modes, or their ratios would mean nothing.
    if (open_all(hardware, open, false)) {
        hardware_close(hardware);
        open_all(hardware, open, true);
    }
}

void hardware_spare(struct hardware *hardware)
{
    for (unsigned i = 0; i < HARDWARE_COUNTERS; i++)
        if (sources[i].type == PERF_TYPE_HARDWARE && hardware->states[i] == HARDWARE_COUNTED)
            return;
    hardware_close(hardware);
    for (unsigned i = 0; i < HARDWARE_COUNTERS; i++)
        if (hardware->states[i] == HARDWARE_COUNTED)
            hardware->states[i] = HARDWARE_SPARED;
}

void hardware_none(struct hardware *hardware)
{
    *hardware = (struct hardware){0};
    for (unsigned i = 0; i < HARDWARE_COUNTERS; i++) {
        hardware->files[i] = -1;
        hardware->states[i] = HARDWARE_NOT_ASKED;
    }
}

void hardware_close(struct hardware *hardware)
{
    for (unsigned i = 0; i < HARDWARE_COUNTERS; i++) {
        if (hardware->files[i] >= 0)
            close(hardware->files[i]);
        hardware->files[i] = -1;
    }
}

void hardware_read(const struct hardware *hardware, struct hardware_reading *reading)
{
    *reading = (struct hardware_reading){0};
    for (unsigned i = 0; i < HARDWARE_COUNTERS; i++) {
        struct hardware_value *value = &reading->values[i];
        if (hardware->files[i] >= 0 && read(hardware->files[i], value, sizeof *value) != sizeof *value)
            *value = (struct hardware_value){0};
    }
}

// What share of the threads' time a counter really counted. Where no thread ran, nothing was missed.
static double share_between(const struct hardware_value *opened, const struct hardware_value *closing)
{
    const uint64_t enabled_ns = closing->enabled_ns - opened->enabled_ns;
    const uint64_t running_ns = closing->running_ns - opened->running_ns;
    return enabled_ns ? (double)running_ns / (double)enabled_ns : 1;
}

struct hardware_counts hardware_between(struct hardware *hardware, const struct hardware_reading *opened,
                                        const struct hardware_reading *closing)
{
    struct hardware_counts between = {.counted_share = NAN};
    for (unsigned i = 0; i < HARDWARE_COUNTERS; i++) {
        between.counts[i] = UINT64_MAX;
        const struct hardware_value *start = &opened->values[i], *end = &closing->values[i];
        if (hardware->states[i] == HARDWARE_COUNTED && end->enabled_ns == 0) // it could not be read
            hardware->states[i] = HARDWARE_NOT_SUPPORTED;
        if (hardware->states[i] != HARDWARE_COUNTED)
            continue;
        const double share = share_between(start, end), counted = (double)(end->count - start->count);
        if (share < HARDWARE_LEAST_SHARE) {
            hardware->states[i] = HARDWARE_OVERCOMMITTED;
            continue;
        }
        between.counts[i] = share < 1 ? (uint64_t)(counted / share + 0.5) : end->count - start->count;
        if (sources[i].type == PERF_TYPE_HARDWARE && !(share >= between.counted_share))
            between.counted_share = share;
    }
    return between;
}

// The names of all counters in one state: "cycles, instructions".
static void list_names(const struct hardware *hardware, enum hardware_state state, char *names, size_t size)
{
    names[0] = '\0';
    for (unsigned i = 0; i < HARDWARE_COUNTERS; i++) {
        const size_t used = strlen(names);
        if (hardware->states[i] == state)
            snprintf(names + used, size - used, "%s%s", used ? ", " : "", sources[i].name);
    }
}

void hardware_tell_absent(const struct hardware *hardware, char *text, size_t size)
{
    text[0] = '\0';
    for (enum hardware_state state = HARDWARE_NOT_PERMITTED; state <= HARDWARE_SPARED; state++) {
        char names[160];
        const size_t used = strlen(text);
        list_names(hardware, state, names, sizeof names);
        if (names[0])
            snprintf(text + used, size - used, "%s%s: %s", used ? "; " : "", names, reasons[state]);
    }
}

const char *hardware_scope(const struct hardware *hardware)
{
    for (unsigned i = 0; i < HARDWARE_COUNTERS; i++)
        if (hardware->states[i] == HARDWARE_COUNTED)
            return hardware->user_only ? "user" : "user+kernel";
    return NULL;
}
