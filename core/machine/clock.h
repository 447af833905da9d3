// SPDX-License-Identifier: Apache-2.0
// The clock of all latencies: the processor's time-stamp counter where it is invariant, otherwise the
// system's monotonic clock. It knows its own cost and granularity.
#ifndef READYQ_MACHINE_CLOCK_H
#define READYQ_MACHINE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define CLOCK_FIXED_BITS 32

// Set once by clock_calibrate, read by everyone afterwards.
struct clock_facts {
    const char *source;    // "rdtscp", "cntvct" or "clock_gettime"
    uint64_t ns_fixed;     // ns per tick, in units of 2^-CLOCK_FIXED_BITS
    double ns_per_tick;    // 1 where the system's clock is read
    double cost_ns;        // of one read, median of many
    double granularity_ns; // smallest step seen between two different readings
    bool counter;          // whether clock_ticks reads the processor's counter
};

extern struct clock_facts clock_facts;

// Whether the counter may be the clock: it runs at one rate in every power state (`invariant`), and the kernel,
// which watches it and compares it between processors, keeps its own time by it (`clocksource`, as sysfs names
// it; NULL: not known). Pure.
bool clock_counter_trusted(bool invariant, const char *clocksource);

// Takes about 20 ms. Once, by main, before any other thread.
void clock_calibrate(void);

static inline uint64_t clock_system_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// A reading. Any thread; readings of different threads compare where the counter is synchronised between
// processors, which clock_calibrate requires before it chooses the counter. Earlier reads and writes of the
// program are done before it is taken.
static inline uint64_t clock_ticks(void)
{
#if defined(__x86_64__)
    if (__builtin_expect(clock_facts.counter, 1)) {
        unsigned processor;
        return __builtin_ia32_rdtscp(&processor);
    }
#elif defined(__aarch64__)
    if (__builtin_expect(clock_facts.counter, 1)) {
        uint64_t ticks;
        __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks)::"memory");
        return ticks;
    }
#endif
    return clock_system_ns();
}

// A reading of which nothing later in program order can have been executed before: the start of an interval that must
// not be narrower than what it encloses. clock_ticks does not give that. A processor runs ahead of its counter, and may
// have loaded what the program loads next before it is read; a load that seems to be later than it was accuses
// whatever was loaded of being old. The fence after the reading holds back all that follows until it is taken,
// whichever clock was read. It costs some ns more, which a latency need not pay: those errors stay far below what it
// measures.
static inline uint64_t clock_ticks_before(void)
{
    const uint64_t ticks = clock_ticks();
#if defined(__x86_64__)
    __asm__ volatile("lfence" ::: "memory");
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#else
    __asm__ volatile("" ::: "memory");
#endif
    return ticks;
}

// Length of an interval between two readings, in whole ns, rounded down: one multiplication, for hot paths.
static inline uint64_t clock_whole_ns(uint64_t ticks)
{
    return (uint64_t)(((unsigned __int128)ticks * clock_facts.ns_fixed) >> CLOCK_FIXED_BITS);
}

// Length of an interval between two readings, in ns.
static inline double clock_ns(uint64_t ticks)
{
    return (double)ticks * clock_facts.ns_per_tick;
}

// Ticks in an interval of `ns`.
static inline uint64_t clock_ticks_in(double ns)
{
    return (uint64_t)(ns / clock_facts.ns_per_tick);
}

// Two readings.
struct clock_span {
    uint64_t start, end;
};

// Keeps the calling thread busy for `ticks`, by the clock. Returns its first reading and its last, so that who wants to
// know when that was need not read again.
static inline struct clock_span clock_spin(uint64_t ticks)
{
    struct clock_span span = {.start = clock_ticks()};
    do
        span.end = clock_ticks();
    while (span.end - span.start < ticks);
    return span;
}

#endif
