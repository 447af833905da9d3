// SPDX-License-Identifier: Apache-2.0
// How far apart two processors are right now: the round trip of a cache line between them. On a virtual machine
// it changes from minute to minute, and results of different regimes do not compare, so every run takes it just
// before and just after itself.
#ifndef READYQ_RUN_SENTINEL_H
#define READYQ_RUN_SENTINEL_H

#include "core/machine/topology.h"

// Median round trip in ns between the first two allowed processors that lie on different cores, of some 2 ms of
// ping-pong by two threads pinned there. Not a number where there are no such two, or no threads to be had.
double sentinel_round_trip_ns(const struct topology *topology);

// The same between two processors by the operating system's numbers, allowed and not the same.
double sentinel_between_ns(const struct topology *topology, unsigned first, unsigned second);

#endif
