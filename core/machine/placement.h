// SPDX-License-Identifier: Apache-2.0
// Which thread runs where: a pure function from a topology to a list of processors, so that it is tested on
// machines that we do not have.
#ifndef READYQ_MACHINE_PLACEMENT_H
#define READYQ_MACHINE_PLACEMENT_H

#include "core/machine/topology.h"

enum placement_policy {
    PLACEMENT_NONE,    // the operating system decides; every entry is -1
    PLACEMENT_COMPACT, // neighbours first: hardware threads of a core, cores of a cache, then the next package
    PLACEMENT_SCATTER, // as far apart as possible: packages in turn, caches in turn, cores in turn, siblings last
    PLACEMENT_NO_SMT,  // as compact, one hardware thread a core
    PLACEMENT_LIST,    // as listed by the user
};

// NULL-terminated, in the order of enum placement_policy without LIST: "none", "compact", "scatter", "no_smt".
extern const char *const placement_names[];

// What the user typed for --pin: a policy's name, or a list of the operating system's numbers ("0,2-3,1"; the
// order is kept and a number may come twice).
struct placement {
    enum placement_policy policy;
    unsigned *list; // PLACEMENT_LIST only, owned
    unsigned count; // of `list`
};

// 0, or -EINVAL / -ENOMEM and a sentence. A listed processor that is not allowed is refused.
int placement_parse(struct placement *placement, const char *text, const struct topology *topology,
                    struct fault *fault);
void placement_fini(struct placement *placement);

// Fills cpus[0 .. threads-1] with operating system numbers for thread 0, 1, ... (-1: not pinned), beginning again
// at the first processor when there are more threads than processors.
void placement_choose(const struct placement *placement, const struct topology *topology, unsigned threads, int *cpus);

#endif
