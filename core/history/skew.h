// SPDX-License-Identifier: Apache-2.0
// How far the clocks of two processors may differ: a bound, from what messages between them take.
#ifndef READYQ_HISTORY_SKEW_H
#define READYQ_HISTORY_SKEW_H

#include <sched.h>
#include <stdint.h>

#include "core/fault.h"

// Passes a token to and fro between processors that the process may use, up to 17 of them from the first to the last,
// and compares when it left with when it came. *ticks is the most by which the clocks of any two of these may differ:
// some 100 ns where they agree. 0 where there is one processor only, and where the system's clock is read. Some ms, and
// more where others keep the processors busy. 0, or a negative errno and a sentence.
int skew_measure(uint64_t *ticks, struct fault *fault);

// The most by which the clocks of two processors differ, from the shortest way of a token to each of them by those
// clocks. Pure.
uint64_t skew_bound(const int64_t *way_ticks);

// The same for `count` processors, from the bounds of each with the first. Two that differ from the first may differ
// from each other by both amounts. Pure.
uint64_t skew_of(const uint64_t *bounds, unsigned count);

// At most `most` of the processors of the set, at even distances from its first to its last; returns how many. Pure.
unsigned skew_spread(const cpu_set_t *set, unsigned *cpus, unsigned most);

#endif
