// SPDX-License-Identifier: Apache-2.0
// Decides which clock can be trusted, and measures it against the system's.
#include "core/machine/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define CALIBRATION_NS 20000000u
#define PAIR_ATTEMPTS 100
#define COST_BATCHES 31
#define COST_BATCH_READS 1000
#define GRANULARITY_READS 5000

struct clock_facts clock_facts = {.source = "clock_gettime", .ns_per_tick = 1.0, .ns_fixed = 1ull << CLOCK_FIXED_BITS};

// hyperv_clocksource_tsc_page and others may be as good, but nobody has checked.
static const char *const clocksources_trusted[] = {"tsc", "kvm-clock", "arch_sys_counter"};

bool clock_counter_trusted(bool invariant, const char *clocksource)
{
    if (!invariant || !clocksource)
        return false;
    for (size_t i = 0; i < sizeof clocksources_trusted / sizeof clocksources_trusted[0]; i++) {
        if (strcmp(clocksource, clocksources_trusted[i]) == 0)
            return true;
    }
    return false;
}

#if defined(__x86_64__)
#define COUNTER_NAME "rdtscp"

// Constant and non-stop, and the instruction that waits for earlier ones is there.
static bool counter_invariant(void)
{
    unsigned eax, ebx, ecx, power, extended;
    if (!__get_cpuid(0x80000007u, &eax, &ebx, &ecx, &power) || !__get_cpuid(0x80000001u, &eax, &ebx, &ecx, &extended))
        return false;
    return (power & 1u << 8) && (extended & 1u << 27);
}
#elif defined(__aarch64__)
#define COUNTER_NAME "cntvct"

// The architecture's generic timer is so by definition.
static bool counter_invariant(void)
{
    return true;
}
#else
#define COUNTER_NAME "none"

static bool counter_invariant(void)
{
    return false;
}
#endif

// The kernel's own choice, without the newline; NULL when it does not tell.
static const char *read_clocksource(char *text, int size)
{
    FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
    if (!file)
        return NULL;
    const char *line = fgets(text, size, file);
    fclose(file);
    if (line)
        text[strcspn(text, "\n")] = '\0';
    return line;
}

// The rate that no time daemon bends.
static uint64_t raw_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// Both clocks at one moment.
struct moment {
    uint64_t ticks;
    uint64_t ns;
};

// An interrupt between the readings spoils a pair, so the one whose readings lie closest together is taken.
static struct moment moment_now(void)
{
    struct moment best = {0};
    uint64_t best_gap = UINT64_MAX;
    for (unsigned i = 0; i < PAIR_ATTEMPTS; i++) {
        const uint64_t before = clock_ticks();
        const uint64_t ns = raw_ns();
        const uint64_t gap = clock_ticks() - before;
        if (gap < best_gap) {
            best_gap = gap;
            best = (struct moment){.ticks = before + gap / 2, .ns = ns};
        }
    }
    return best;
}

// Busy for the whole time, so that the processor runs at its working speed when its cost is measured next.
static double measure_ns_per_tick(void)
{
    const struct moment start = moment_now();
    while (raw_ns() - start.ns < CALIBRATION_NS) {}
    const struct moment end = moment_now();
    if (end.ticks <= start.ticks)
        return 0;
    return (double)(end.ns - start.ns) / (double)(end.ticks - start.ticks);
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double measure_cost_ns(void)
{
    double costs[COST_BATCHES];
    for (unsigned batch = 0; batch < COST_BATCHES; batch++) {
        const uint64_t start = clock_ticks();
        uint64_t last = start;
        for (unsigned i = 0; i < COST_BATCH_READS; i++)
            last = clock_ticks();
        costs[batch] = clock_ns(last - start) / COST_BATCH_READS;
    }
    qsort(costs, COST_BATCHES, sizeof costs[0], compare_doubles);
    return costs[COST_BATCHES / 2];
}

static double measure_granularity_ns(void)
{
    uint64_t smallest = UINT64_MAX;
    uint64_t last = clock_ticks();
    for (unsigned i = 0; i < GRANULARITY_READS; i++) {
        const uint64_t now = clock_ticks();
        if (now > last && now - last < smallest)
            smallest = now - last;
        last = now;
    }
    return smallest == UINT64_MAX ? 0 : clock_ns(smallest);
}

void clock_calibrate(void)
{
    char text[64];
    clock_facts =
        (struct clock_facts){.source = "clock_gettime", .ns_per_tick = 1.0, .ns_fixed = 1ull << CLOCK_FIXED_BITS};
    if (clock_counter_trusted(counter_invariant(), read_clocksource(text, sizeof text))) {
        clock_facts.counter = true;
        const double ns_per_tick = measure_ns_per_tick();
        if (ns_per_tick > 0) {
            clock_facts.source = COUNTER_NAME;
            clock_facts.ns_per_tick = ns_per_tick;
            clock_facts.ns_fixed = (uint64_t)(ns_per_tick * (double)(1ull << CLOCK_FIXED_BITS) + 0.5);
        } else {
            clock_facts.counter = false;
        }
    }
    clock_facts.cost_ns = measure_cost_ns();
    clock_facts.granularity_ns = measure_granularity_ns();
}
