// SPDX-License-Identifier: Apache-2.0
// Latencies of one thread on their way into its histogram.
//
// A reading of the clock waits for all that stands before it, so whatever is done between two readings is paid for
// in full. Finding a bin and counting in it is a chain of dependent steps; appending to a short list is not. So the
// values are kept in a list, which is emptied into the histogram when it is full.
#ifndef READYQ_MEASURE_LATENCY_H
#define READYQ_MEASURE_LATENCY_H

#include <stdint.h>

#include "core/measure/histogram.h"

#define LATENCY_LIST 64u

struct latency {
    struct histogram *histogram; // of ns
    uint32_t waiting;            // in the list
    uint64_t ticks[LATENCY_LIST];
};

// Empties the list into the histogram. The recording thread, or anyone once that has ended.
void latency_flush(struct latency *latency);

// Records an interval in clock ticks. The recording thread only.
static inline void latency_record(struct latency *latency, uint64_t ticks)
{
    latency->ticks[latency->waiting++] = ticks;
    if (__builtin_expect(latency->waiting == LATENCY_LIST, 0))
        latency_flush(latency);
}

#endif
