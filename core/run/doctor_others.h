// SPDX-License-Identifier: Apache-2.0
// Who else runs: the CPU time of each process, from its files, at two moments.
#ifndef READYQ_RUN_DOCTOR_OTHERS_H
#define READYQ_RUN_DOCTOR_OTHERS_H

#include "core/run/doctor_probe.h"

struct doctor_process {
    long id;
    char name[20];
    uint64_t cpu_ns;
};

struct doctor_processes {
    struct doctor_process *all; // owned, by id
    size_t count;
};

// All processes but this one; what can't be read is left out.
void doctor_processes_read(struct doctor_processes *processes, const char *root);
void doctor_processes_free(struct doctor_processes *processes);

// The busiest between two readings, that is those which had a hundredth of a CPU at least.
void doctor_busiest(const struct doctor_processes *before, const struct doctor_processes *after, double seconds,
                    struct doctor_other others[DOCTOR_OTHERS_MAX]);

#endif
