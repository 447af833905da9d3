// SPDX-License-Identifier: Apache-2.0
// Keeps idle CPUs from halting while a run measures. To wake a thread on a CPU that has halted takes tens of
// microseconds on a virtual machine, a few on one that is awake, so that whoever measures wakes measures the
// hypervisor.
//
// For each allowed CPU there is one spinner, of the scheduling class SCHED_IDLE, pinned there: it runs when nobody else
// wants the CPU, and gives way to whoever wakes. (Against processes of other control groups, or of another session,
// the kernel weighs groups before it looks at classes; there a spinner counts as much as its group does.) Spinners are
// processes of their own and not threads of the run, so that neither its CPU time nor its switches, its counters or its
// peak memory hold anything of theirs; and what they take is read from their CPU clocks, so that they are no other load
// either. They end with the run, and with the process however it ends.
#ifndef READYQ_RUN_KEEP_AWAKE_H
#define READYQ_RUN_KEEP_AWAKE_H

#include <stdint.h>

#include "core/fault.h"
#include "core/machine/environment.h"
#include "core/machine/topology.h"

struct keep_awake;

// Starts them, and returns when all spin. 0, or a negative errno and a sentence: the system permits no such processes,
// or allows this one fewer CPUs' time than there are CPUs, which spinners would use up. `environment` may be NULL.
int keep_awake_start(struct keep_awake **awake, const struct topology *topology, const struct environment *environment,
                     struct fault *fault);

// CPU time of all spinners since they were started; UINT64_MAX: `awake` is NULL, or it can't be read.
uint64_t keep_awake_cpu_ns(const struct keep_awake *awake);

// Times since they were started that one of them had to leave its CPU to somebody, which is how often they got one. A
// thread of the run that yields while it waits for another may be switched to a spinner, which counts as if it had lost
// its CPU. 0 without them.
uint64_t keep_awake_switches(const struct keep_awake *awake);

// Ends them. Does nothing to NULL.
void keep_awake_stop(struct keep_awake *awake);

#endif
