// SPDX-License-Identifier: Apache-2.0
// The gate's sentinel: how fast this machine is just now, measured by a program that never changes, so that what it
// says today compares with what it said years ago, whatever became of readyq meanwhile.
//
// DO NOT CHANGE THIS FILE, not even its comments. Histories hold what it measured, and another program measures
// something else. Whoever must change it gives it another VERSION, and begins every history anew. A test knows the
// file's hash. For the same reason it includes nothing of the project.
//
// It prints one line of JSON:
//   spin_ns        a fixed amount of arithmetic of which each step waits for the one before, so that neither the
//                  compiler nor a wide processor shortens it. Taken on each of the two CPUs below, the median of some
//                  repetitions, and of the two medians the greater. A median leaves out those repetitions during which
//                  the thread was kept from its CPU: it is the speed of the CPU, not of the scheduler.
//   round_trip_ns  of a cache line between the first two allowed CPUs that lie on different cores, by a thread pinned
//                  to each: the median of samples of some round trips each. null where there are no two such CPUs, or
//                  the threads cannot be had there, or the machine is so busy that they do not meet within the time.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VERSION 1

#define CPUS_MOST 8192
#define LIST_BYTES 256

#define SPIN_STEPS 150000u
#define SPIN_REPEATS 11u

// Round trips timed together, so that the clock's own cost does not show.
#define TRIPS 64u
#define SAMPLES 201u
#define SAMPLES_LEAST 15u
// Looks at the line before the clock is read and the CPU given up: the other side may not be running.
#define LOOKS 16384u
#define GIVE_UP_NS 300000000u

#define APART 128

// ------------------------------------------------------------------------------------------------ clock and numbers

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, unsigned count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

// ------------------------------------------------------------------------------------------------ CPUs

// A set of that CPU alone; to be freed.
static cpu_set_t *only(int cpu)
{
    cpu_set_t *set = CPU_ALLOC(CPUS_MOST);
    if (!set)
        return NULL;
    CPU_ZERO_S(CPU_ALLOC_SIZE(CPUS_MOST), set);
    CPU_SET_S((size_t)cpu, CPU_ALLOC_SIZE(CPUS_MOST), set);
    return set;
}

// Moves the calling thread.
static bool pin(int cpu)
{
    cpu_set_t *set = only(cpu);
    if (!set)
        return false;
    const bool pinned = sched_setaffinity(0, CPU_ALLOC_SIZE(CPUS_MOST), set) == 0;
    CPU_FREE(set);
    return pinned;
}

// The CPUs of the same core, in the kernel's words; without them every CPU is a core of its own.
static void read_core(int cpu, char *list, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    snprintf(list, size, "%d", cpu);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    char line[LIST_BYTES];
    if (fgets(line, sizeof line, file))
        snprintf(list, size, "%s", line);
    fclose(file);
    list[strcspn(list, "\n")] = '\0';
}

// The first two allowed CPUs on different cores; -1: there is none.
static void choose(int *first, int *second)
{
    *first = *second = -1;
    cpu_set_t *set = CPU_ALLOC(CPUS_MOST);
    if (!set)
        return;
    const size_t size = CPU_ALLOC_SIZE(CPUS_MOST);
    CPU_ZERO_S(size, set);
    char core[LIST_BYTES], other[LIST_BYTES];
    const bool known = sched_getaffinity(0, size, set) == 0;
    for (int cpu = 0; known && cpu < CPUS_MOST && *second < 0; cpu++) {
        if (!CPU_ISSET_S((size_t)cpu, size, set))
            continue;
        if (*first < 0) {
            *first = cpu;
            read_core(cpu, core, sizeof core);
            continue;
        }
        read_core(cpu, other, sizeof other);
        if (strcmp(core, other) != 0)
            *second = cpu;
    }
    CPU_FREE(set);
}

// ------------------------------------------------------------------------------------------------ one thread

static volatile uint64_t spun;

static double spin_once(void)
{
    uint64_t value = 88172645463325252u;
    const uint64_t start = now_ns();
    for (unsigned step = 0; step < SPIN_STEPS; step++) {
        value ^= value << 13;
        value ^= value >> 7;
        value ^= value << 17;
    }
    spun = value;
    return (double)(now_ns() - start);
}

static double spin(int cpu)
{
    double samples[SPIN_REPEATS];
    if (cpu >= 0)
        pin(cpu);
    spin_once();
    for (unsigned i = 0; i < SPIN_REPEATS; i++)
        samples[i] = spin_once();
    return median(samples, SPIN_REPEATS);
}

// ------------------------------------------------------------------------------------------------ two threads

// Odd: the first thread's turn is over; even: the second's.
struct table {
    _Alignas(APART) _Atomic uint64_t ball;
    _Alignas(APART) _Atomic unsigned present;
    uint64_t give_up_ns;
};

static bool in_time(const struct table *table, unsigned looks)
{
    if (looks % LOOKS != 0)
        return true;
    sched_yield();
    return now_ns() < table->give_up_ns;
}

// Whether it came.
static bool await(struct table *table, uint64_t ball)
{
    for (unsigned looks = 1; atomic_load_explicit(&table->ball, memory_order_acquire) != ball; looks++)
        if (!in_time(table, looks))
            return false;
    return true;
}

// Whether both threads are on their CPUs. Nothing is timed before: one that has not come would wait behind the other
// for its turn on a CPU, and that would be measured.
static bool meet(struct table *table)
{
    atomic_fetch_add_explicit(&table->present, 1, memory_order_acq_rel);
    for (unsigned looks = 1; atomic_load_explicit(&table->present, memory_order_acquire) != 2; looks++)
        if (!in_time(table, looks))
            return false;
    return true;
}

static void *answer(void *argument)
{
    struct table *table = argument;
    if (!meet(table))
        return NULL;
    for (uint64_t ball = 1; ball < 2 * (uint64_t)TRIPS * SAMPLES; ball += 2) {
        if (!await(table, ball))
            return NULL;
        atomic_store_explicit(&table->ball, ball + 1, memory_order_release);
    }
    return NULL;
}

static bool trip(struct table *table, uint64_t ball)
{
    atomic_store_explicit(&table->ball, ball + 1, memory_order_release);
    return await(table, ball + 2);
}

// How many samples were taken.
static unsigned serve(struct table *table, double *samples)
{
    uint64_t ball = 0;
    if (!meet(table))
        return 0;
    for (unsigned taken = 0; taken < SAMPLES; taken++) {
        const uint64_t start = now_ns();
        for (unsigned i = 0; i < TRIPS; i++, ball += 2)
            if (!trip(table, ball))
                return taken;
        samples[taken] = (double)(now_ns() - start) / TRIPS;
    }
    return SAMPLES;
}

// On that CPU from its first instruction on.
static bool begin(pthread_t *thread, struct table *table, int cpu)
{
    cpu_set_t *set = only(cpu);
    pthread_attr_t attributes;
    if (!set || pthread_attr_init(&attributes) != 0) {
        CPU_FREE(set);
        return false;
    }
    const bool begun = pthread_attr_setaffinity_np(&attributes, CPU_ALLOC_SIZE(CPUS_MOST), set) == 0 &&
                       pthread_create(thread, &attributes, answer, table) == 0;
    pthread_attr_destroy(&attributes);
    CPU_FREE(set);
    return begun;
}

static double round_trip(int first, int second)
{
    static struct table table;
    static double samples[SAMPLES];
    pthread_t other;
    if (second < 0 || !pin(first))
        return NAN;
    table.give_up_ns = now_ns() + GIVE_UP_NS;
    if (!begin(&other, &table, second))
        return NAN;
    const unsigned taken = serve(&table, samples);
    pthread_join(other, NULL);
    return taken >= SAMPLES_LEAST ? median(samples, taken) : NAN;
}

// ------------------------------------------------------------------------------------------------ the line

int main(void)
{
    int first, second;
    choose(&first, &second);
    const double spin_first_ns = spin(first), spin_second_ns = second >= 0 ? spin(second) : 0;
    const double spin_ns = spin_first_ns > spin_second_ns ? spin_first_ns : spin_second_ns;
    const double round_trip_ns = round_trip(first, second);
    printf("{\"schema_version\": 1, \"sentinel\": %d, \"spin_ns\": %.1f, ", VERSION, spin_ns);
    if (isnan(round_trip_ns))
        printf("\"round_trip_ns\": null}\n");
    else
        printf("\"round_trip_ns\": %.3f}\n", round_trip_ns);
    return fflush(stdout) == 0 ? 0 : 1;
}
