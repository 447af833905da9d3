// SPDX-License-Identifier: Apache-2.0
// How far the clocks of two processors may differ, as far as anybody can tell.
#ifndef READYQ_HISTORY_SKEW_H
#define READYQ_HISTORY_SKEW_H

#include <stdint.h>

#include "core/fault.h"

// Passes a token to and fro between processors that the process may use, and compares when it left with when it came.
// *ticks is 0 where none ever came before it left, and where there is one processor only or the system's clock is
// read; otherwise the most by which two of the clocks were seen to differ. Some ms. 0, or a negative errno and a
// sentence.
int skew_measure(uint64_t *ticks, struct fault *fault);

// The same from given facts: by how much the clock of each of `count` processors disagrees with that of the first.
// Two that disagree with the first may disagree with each other by both amounts. Pure.
uint64_t skew_of(const uint64_t *lags, unsigned count);

#endif
