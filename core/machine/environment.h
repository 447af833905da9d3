// SPDX-License-Identifier: Apache-2.0
// What a result must be read with: the machine and the system, by an allow-list. Names no host, user or path.
#ifndef READYQ_MACHINE_ENVIRONMENT_H
#define READYQ_MACHINE_ENVIRONMENT_H

#include <stdint.h>

#include "core/machine/topology.h"

#define ENVIRONMENT_FACTS_MAX 48

struct environment_fact {
    const char *name; // "kernel", "cpu_model", "governor", "transparent_hugepage", ...
    char value[160];  // empty: the machine does not tell
};

struct environment {
    struct environment_fact facts[ENVIRONMENT_FACTS_MAX];
    unsigned count;
    char machine[64]; // a label without the host's name, [a-z0-9-] only: "intel-xeon-processor-2cpu"
};

// Reads the machine; never fails, what can't be read stays empty.
void environment_read(struct environment *environment, const struct topology *topology);

// The same with the files of /proc and /sys taken from below the directory `root`, so that other machines' files
// can be read in tests.
void environment_read_from(struct environment *environment, const struct topology *topology, const char *root);

// CPU time that the hypervisor took from this machine since boot, in ns, from /proc/stat; UINT64_MAX: unknown.
uint64_t environment_steal_ns(void);

#endif
