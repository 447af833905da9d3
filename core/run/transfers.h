// SPDX-License-Identifier: Apache-2.0
// The core-to-core matrix: how long a cache line that one processor has written takes to another that reads it. What a
// contention curve is read against: no queue hands an item on in less.
#ifndef READYQ_RUN_TRANSFERS_H
#define READYQ_RUN_TRANSFERS_H

#include <stdio.h>

#include "core/fault.h"
#include "core/machine/topology.h"

// Measures all pairs of allowed processors, TRANSFERS_PASSES times one after the other, so that what changes on the
// machine meanwhile meets all alike, and prints the medians and how far each pair's passes lie apart. Some 2 ms a pair
// and pass. 0, or -ENOMEM or -EAGAIN (no threads, or not where they should be) and a sentence.
#define TRANSFERS_PASSES 5u
int transfers_print(const struct topology *topology, FILE *out, struct fault *fault);

#endif
