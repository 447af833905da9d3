// SPDX-License-Identifier: Apache-2.0
// What the machine does while a run measures: read by the controller at the edges of the window, and made into the
// facts that core/run/environment_verdict.h judges.
#ifndef READYQ_RUN_ENVIRONMENT_WATCH_H
#define READYQ_RUN_ENVIRONMENT_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/machine/topology.h"

// The machine at one moment, since it was booted.
struct environment_edge {
    uint64_t processes_ns; // CPU time of all processes on the CPUs allowed; UINT64_MAX: unknown
    uint64_t steal_ns;     // over all CPUs; UINT64_MAX: unknown
    uint64_t suspended_ns; // time that it was suspended
    double frequency_khz;  // mean over the CPUs asked for; not a number: unknown
};

// Reads the accounts of CPU time. `root` stands before every path of the system's files; "" but in tests.
void environment_edge_read(struct environment_edge *edge, const struct topology *topology, const char *root);

// Reads the mean frequency of these CPUs, or of all allowed if `cpus` is NULL, which may take the kernel some
// milliseconds. At most the first 64 different ones are read.
void environment_edge_frequency(struct environment_edge *edge, const struct topology *topology, const int *cpus,
                                unsigned count, const char *root);

// Whether all of these CPUs are on the kernel's list of isolated ones.
bool environment_isolated(const int *cpus, unsigned count, const char *root);

// What the kernel's accounts of CPU time resolve.
uint64_t environment_tick_ns(void);

// The difference, or UINT64_MAX where one of the two is not known; accounts may step back by a tick.
uint64_t environment_passed(uint64_t opened, uint64_t closing);

#endif
