// SPDX-License-Identifier: Apache-2.0
// What `readyq doctor` measures of this machine: what the hypervisor and other programs take from it, in how many
// regimes the sentinel falls, how long it takes to wake a thread, and which counters there are.
#ifndef READYQ_RUN_DOCTOR_PROBE_H
#define READYQ_RUN_DOCTOR_PROBE_H

#include "core/run/doctor.h"

#define DOCTOR_SENTINELS_MAX 256
#define DOCTOR_OTHERS_MAX 3

// Another program, and how much of a CPU it had.
struct doctor_other {
    char name[20];
    double cpus;
};

struct doctor_measured {
    double seconds;                                // that the probe took
    double steal_percent;                          // of all CPUs' time; not a number: unknown
    double other_cpus;                             // how many CPUs the others had; likewise
    struct doctor_other others[DOCTOR_OTHERS_MAX]; // the busiest first; ends early with an empty name
    unsigned sentinels;
    double sentinel_ns[DOCTOR_SENTINELS_MAX]; // in the order in which they were taken
    unsigned regimes;                         // 1 or 2; 0: not known
    double regime_ns[2];                      // median of each, the faster first
    double wake_ns;                           // from a set event to the thread that slept on it; not a number: unknown
};

// The rule of scripts/benchlib/regimes.py: two regimes, where the greatest gap between neighbours in order is a factor
// of 1.5 at least, with so many values on both sides: a tenth of all, and two. Sorts `values`. Returns how many values
// lie below the gap, or 0: one regime.
#define DOCTOR_REGIME_FACTOR 1.5
unsigned doctor_split(double *values, unsigned count);

// Takes `time_ns` and little more.
void doctor_measure(struct doctor_measured *measured, const struct topology *topology, uint64_t time_ns);

// Adds what was measured to the findings.
void doctor_add_measured(struct doctor *doctor, const struct doctor_measured *measured);

// Adds which of the counters are there.
void doctor_add_counters(struct doctor *doctor);

#endif
