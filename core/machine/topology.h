// SPDX-License-Identifier: Apache-2.0
// The machine's processors as hwloc sees them, and pinning.
#ifndef READYQ_MACHINE_TOPOLOGY_H
#define READYQ_MACHINE_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fault.h"

// One processing unit (hardware thread) that this process may run on.
struct cpu {
    unsigned os;      // the operating system's number
    unsigned core;    // logical number of its core
    unsigned thread;  // which hardware thread of that core it is, from 0
    unsigned cache;   // logical number of its last-level cache
    unsigned package; // logical number of its package
    unsigned node;    // operating system's number of its NUMA node
};

struct topology {
    struct cpu *cpus;  // allowed ones only, in hwloc's logical order
    unsigned count;    //
    unsigned cores;    // among the allowed
    unsigned packages; // among the allowed
    unsigned nodes;    // among the allowed
    unsigned online;   // processing units of the whole machine, allowed or not
    void *hwloc;       // hwloc_topology_t
};

// Reads this machine, less what affinity or cgroup do not allow. With `synthetic` (an hwloc description such as
// "package:2 core:4 pu:2") that machine in place of this one, for tests; it may end in '@' and the numbers that
// are allowed there ("package:2 core:4 pu:2@0-3,6"). 0, or a negative errno and a sentence (-EINVAL: no allowed
// processor, or a bad description).
int topology_load(struct topology *topology, const char *synthetic, struct fault *fault);
void topology_unload(struct topology *topology);

// The allowed processor with that operating system number; NULL if there is none.
const struct cpu *topology_cpu(const struct topology *topology, unsigned os);

// Pins the calling thread to one processor. 0 or a negative errno (-EINVAL: not an allowed one; -ENOTSUP: the
// topology is of another machine than this).
int topology_pin_self(const struct topology *topology, unsigned os);

// Reads a list of operating system numbers ("0,2-3,1") in the order given. *list becomes the caller's, to be
// released by free(). `what` begins the sentence: the option or text that the list came from. 0, -EINVAL or -ENOMEM.
int topology_parse_list(const char *what, const char *text, unsigned **list, unsigned *count, struct fault *fault);

// Writes the allowed numbers as such a list, ascending; one that does not fit ends in "...".
void topology_write_list(const struct topology *topology, char *text, size_t size);

#endif
