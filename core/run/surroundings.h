// SPDX-License-Identifier: Apache-2.0
// Everything around a run that is not the run: spinners that keep CPUs awake, the sentinel before and after, the
// counters of processor and kernel, and the machine at the edges of the window; and from these the verdict on the
// environment.
#ifndef READYQ_RUN_SURROUNDINGS_H
#define READYQ_RUN_SURROUNDINGS_H

#include "core/run/run.h"

struct surroundings;

// Before the first thread of the run. Keeps CPUs awake if so asked, takes the sentinel, opens the counters. 0, or a
// negative errno and a sentence. `plan` and `record` outlive it.
int surroundings_open(struct surroundings **made, const struct run_plan *plan, struct record *record,
                      struct fault *fault);

// By the controller, when all threads are in the window, and when it is over but all are in it still.
void surroundings_opened(struct surroundings *around);
void surroundings_closing(struct surroundings *around);

// After the run, or what became of it. Takes the sentinel again, if `ended`: no thread of the run is left. Where a
// window was measured, and the record holds its length and what the run used in it, it judges. Texts are put into
// `result`. Frees; does nothing to NULL.
void surroundings_close(struct surroundings *around, bool ended, struct run_result *result);

#endif
