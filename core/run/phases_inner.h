// SPDX-License-Identifier: Apache-2.0
// What the two halves of core/run/phases.h share: the control of the phases, and what is told of them afterwards.
#ifndef READYQ_RUN_PHASES_INNER_H
#define READYQ_RUN_PHASES_INNER_H

#include "core/run/phases.h"
#include "core/run/progress_line.h"

// How far a thread has checked in.
enum run_state { RUN_STARTING, RUN_ATTACHED, RUN_WARM, RUN_ENTERED, RUN_LEFT, RUN_DONE };

// The phase as the controller sets it; from WORD_WARMUP to WORD_STOP in the order of enum workload_phase.
enum run_word { WORD_GATHER, WORD_WARMUP, WORD_WINDOW, WORD_COOLDOWN, WORD_STOP, WORD_ABORT };

struct run_phases {
    _Atomic uint32_t phase ALIGNED_LINE; // read by all at every tick, so nothing else lives on its line
    _Atomic uint32_t given_up ALIGNED_LINE;
    struct phases_plan plan;
    struct progress_line line;
    unsigned started;               // threads
    enum run_state awaited;         // what the controller waits for
    uint64_t due_ns[PHASES_TIMERS]; // when each timer is, by the system's clock; 0: it is off
    struct run_thread threads[];
};

// One sentence about a stuck run: the phase and each thread's operations, as many as fit.
void phases_describe_stuck(const struct run_phases *phases, const char *phase, char *detail, size_t size);

#endif
