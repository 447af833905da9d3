// SPDX-License-Identifier: Apache-2.0
#include "core/run/doctor_probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "core/machine/clock.h"
#include "core/measure/hardware.h"
#include "core/run/doctor_others.h"
#include "core/run/environment_watch.h"
#include "core/run/sentinel.h"
#include "core/sync/event.h"
#include "core/sync/thread.h"

#define SENTINEL_PAUSE_NS 20000000ull
#define WAKES 201u
// What the verdict on a run's environment suspects; and where spinners begin to pay.
#define STEAL_PERCENT 2
#define OTHER_CPUS 0.1
#define WAKE_SLOW_NS 15000.0

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

unsigned doctor_split(double *values, unsigned count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    const unsigned least = count / 10 > 2 ? (count + 9) / 10 : 2;
    unsigned split = 0;
    double widest = DOCTOR_REGIME_FACTOR;
    for (unsigned i = least; i + least <= count; i++) {
        if (values[i] >= widest * values[i - 1]) {
            widest = values[i] / values[i - 1];
            split = i;
        }
    }
    return split;
}

// ------------------------------------------------------------------------------------------------ waking

// Two threads that wake each other in turn.
struct volley {
    struct event to_second, to_first;
    double one_way_ns[WAKES];
};

static void answer(void *argument)
{
    struct volley *volley = argument;
    for (unsigned i = 0; i < WAKES; i++) {
        event_wait(&volley->to_second, 0);
        event_reset(&volley->to_second);
        event_set(&volley->to_first);
    }
}

static void serve(void *argument)
{
    struct volley *volley = argument;
    for (unsigned i = 0; i < WAKES; i++) {
        event_reset(&volley->to_first);
        const uint64_t start = clock_ticks();
        event_set(&volley->to_second);
        event_wait(&volley->to_first, 0);
        volley->one_way_ns[i] = clock_ns(clock_ticks() - start) / 2;
    }
}

// Median of the time from setting an event to the return of the thread that slept on it.
static double wake_ns(const struct topology *topology)
{
    struct volley *volley = aligned_alloc(LINE_PAIR, (sizeof *volley + LINE_PAIR - 1) / LINE_PAIR * LINE_PAIR);
    if (!volley)
        return NAN;
    event_init(&volley->to_first);
    event_init(&volley->to_second);
    struct thread second = {0};
    const struct thread_options options = {
        .name = "wake", .topology = topology, .cpu = (int)topology->cpus[topology->count - 1].os};
    double median = NAN;
    if (thread_start(&second, &options, answer, volley) == 0) {
        serve(volley);
        thread_join(&second);
        qsort(volley->one_way_ns, WAKES, sizeof volley->one_way_ns[0], compare_doubles);
        median = volley->one_way_ns[WAKES / 2];
    }
    free(volley);
    return median;
}

// ------------------------------------------------------------------------------------------------ all of it

static uint64_t own_cpu_ns(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000u +
           (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000u;
}

// Takes sentinels until the time is over, at least one.
static void watch_sentinel(struct doctor_measured *measured, const struct topology *topology, uint64_t time_ns)
{
    const uint64_t start = clock_system_ns();
    const uint64_t pause_ns =
        time_ns / DOCTOR_SENTINELS_MAX > SENTINEL_PAUSE_NS ? time_ns / DOCTOR_SENTINELS_MAX : SENTINEL_PAUSE_NS;
    const struct timespec pause = {(time_t)(pause_ns / 1000000000u), (long)(pause_ns % 1000000000u)};
    do {
        const double round_trip_ns = sentinel_round_trip_ns(topology);
        if (!isnan(round_trip_ns) && measured->sentinels < DOCTOR_SENTINELS_MAX)
            measured->sentinel_ns[measured->sentinels++] = round_trip_ns;
        nanosleep(&pause, NULL);
    } while (clock_system_ns() - start < time_ns);
}

static void find_regimes(struct doctor_measured *measured)
{
    const unsigned count = measured->sentinels;
    double sorted[DOCTOR_SENTINELS_MAX];
    if (count == 0)
        return;
    memcpy(sorted, measured->sentinel_ns, count * sizeof sorted[0]);
    const unsigned split = doctor_split(sorted, count);
    measured->regimes = split ? 2 : 1;
    measured->regime_ns[0] = sorted[(split ? split : count) / 2];
    measured->regime_ns[1] = split ? sorted[split + (count - split) / 2] : NAN;
}

void doctor_measure(struct doctor_measured *measured, const struct topology *topology, uint64_t time_ns)
{
    struct environment_edge before, after;
    struct doctor_processes processes_before, processes_after;
    *measured = (struct doctor_measured){0};
    measured->wake_ns = wake_ns(topology);
    doctor_processes_read(&processes_before, "");
    const uint64_t start_ns = clock_system_ns(), own_before_ns = own_cpu_ns();
    environment_edge_read(&before, topology, "");
    watch_sentinel(measured, topology, time_ns);
    environment_edge_read(&after, topology, "");
    const uint64_t own_ns = own_cpu_ns() - own_before_ns, passed_ns = clock_system_ns() - start_ns;
    doctor_processes_read(&processes_after, "");
    measured->seconds = (double)passed_ns / 1e9;
    const uint64_t steal_ns = environment_passed(before.steal_ns, after.steal_ns);
    const uint64_t all_ns = environment_passed(before.processes_ns, after.processes_ns);
    measured->steal_percent =
        steal_ns == UINT64_MAX ? NAN : 100 * (double)steal_ns / (double)passed_ns / (double)topology->online;
    measured->other_cpus =
        all_ns == UINT64_MAX ? NAN : (double)(all_ns > own_ns ? all_ns - own_ns : 0) / (double)passed_ns;
    doctor_busiest(&processes_before, &processes_after, measured->seconds, measured->others);
    find_regimes(measured);
    doctor_processes_free(&processes_before);
    doctor_processes_free(&processes_after);
}

// ------------------------------------------------------------------------------------------------ findings

static void add_steal(struct doctor *doctor, const struct doctor_measured *measured)
{
    static const char why[] = "runs are judged suspect from 2 % on, invalid from 10 % on";
    if (isnan(measured->steal_percent))
        doctor_add(doctor, "steal", DOCTOR_CANNOT, why, "the system does not tell what a hypervisor takes");
    else if (measured->steal_percent < STEAL_PERCENT)
        doctor_add(doctor, "steal", DOCTOR_OK, why, "the hypervisor took %.1f %% of the CPUs' time",
                   measured->steal_percent);
    else
        doctor_command(doctor_add(doctor, "steal", DOCTOR_WARNING, why, "the hypervisor took %.1f %% of the CPUs' time",
                                  measured->steal_percent),
                       "measure at another hour, or on a machine (or dedicated host) of your own");
}

static void add_others(struct doctor *doctor, const struct doctor_measured *measured)
{
    static const char why[] = "runs are judged suspect from 0.1 of a CPU on, invalid from 0.5 on";
    char names[120] = "";
    for (unsigned i = 0; i < DOCTOR_OTHERS_MAX && measured->others[i].name[0]; i++) {
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s %.2f", used ? ", " : ": ", measured->others[i].name,
                 measured->others[i].cpus);
    }
    if (isnan(measured->other_cpus))
        return;
    const bool quiet = measured->other_cpus < OTHER_CPUS;
    struct doctor_finding *finding = doctor_add(doctor, "other_load", quiet ? DOCTOR_OK : DOCTOR_WARNING, why,
                                                "other processes had %.2f CPUs%s", measured->other_cpus, names);
    if (!quiet)
        doctor_command(finding, "end them ('top' shows all), or keep them off: taskset, isolcpus");
}

static void add_regimes(struct doctor *doctor, const struct doctor_measured *measured)
{
    static const char why[] =
        "the round trip of a cache line says how far apart the CPUs are; runs of different regimes "
        "do not compare, so scripts/compare pairs those of one";
    if (measured->regimes == 0)
        doctor_add(doctor, "sentinel", DOCTOR_CANNOT, why, "there are no two cores to send a cache line between");
    else if (measured->regimes == 1)
        doctor_add(doctor, "sentinel", DOCTOR_OK, why, "%u sentinels in one regime, around %.0f ns",
                   measured->sentinels, measured->regime_ns[0]);
    else
        doctor_command(
            doctor_add(doctor, "sentinel", DOCTOR_WARNING, why, "%u sentinels in two regimes, around %.0f and %.0f ns",
                       measured->sentinels, measured->regime_ns[0], measured->regime_ns[1]),
            "end other programs; on a virtual machine nothing helps but many repeats in blocks (scripts/sweep)");
}

static void add_wake(struct doctor *doctor, const struct doctor_measured *measured)
{
    static const char why[] =
        "a CPU that has halted takes long to wake; latencies of pools that sleep are made of this";
    if (isnan(measured->wake_ns))
        return;
    const bool fast = measured->wake_ns < WAKE_SLOW_NS;
    struct doctor_finding *finding = doctor_add(doctor, "wake", fast ? DOCTOR_OK : DOCTOR_ADVICE, why,
                                                "to wake a thread takes %.1f us", measured->wake_ns / 1000);
    if (!fast)
        doctor_command(finding, "readyq run --keep-awake yes ...");
}

void doctor_add_measured(struct doctor *doctor, const struct doctor_measured *measured)
{
    add_steal(doctor, measured);
    add_others(doctor, measured);
    add_regimes(doctor, measured);
    add_wake(doctor, measured);
}

void doctor_add_counters(struct doctor *doctor)
{
    struct hardware hardware;
    char absent[1000];
    hardware_open(&hardware, NULL);
    hardware_tell_absent(&hardware, absent, sizeof absent);
    hardware_close(&hardware);
    static const char why[] = "they say why a run is as fast as it is; the columns of those that are absent stay empty";
    if (absent[0])
        doctor_add(doctor, "counters", DOCTOR_CANNOT, why, "absent are %.220s", absent);
    else
        doctor_add(doctor, "counters", DOCTOR_OK, why, "all counters are there");
}
