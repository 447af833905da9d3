// SPDX-License-Identifier: Apache-2.0
#include "core/measure/latency.h"

#include "core/machine/clock.h"

void latency_flush(struct latency *latency)
{
    for (uint32_t i = 0; i < latency->waiting; i++)
        histogram_record(latency->histogram, clock_whole_ns(latency->ticks[i]));
    latency->waiting = 0;
}
