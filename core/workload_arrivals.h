// SPDX-License-Identifier: Apache-2.0
// When the jobs of an open load are due, whatever the pool does: a schedule that one thread follows.
//
// It is drawn on a clock of its own that runs only in the bursts ("time on"), and then laid onto the real one: without
// bursts both are the same. Times are in ticks since the epoch that all threads share, so that their bursts coincide.
#ifndef READYQ_WORKLOAD_ARRIVALS_H
#define READYQ_WORKLOAD_ARRIVALS_H

#include <stdint.h>

#include "core/workload_random.h"

enum arrivals_kind {
    ARRIVALS_CONSTANT, // equal gaps
    ARRIVALS_POISSON,  // gaps drawn from an exponential distribution
    ARRIVALS_BURSTS,   // the same while on, none while off
};

// What all threads have in common, in ticks.
struct arrivals_pattern {
    enum arrivals_kind kind;
    double gap; // mean time on between two jobs of one thread
    double on;  // length of a burst
    double off; // from its end to the next
};

struct arrivals {
    const struct arrivals_pattern *pattern;
    struct workload_random random;
    double next;       // time on at which the next job is due
    uint64_t next_due; // the same on the real clock
};

// Time on that has passed at `ticks` of the real clock.
static inline double arrivals_time_on(const struct arrivals_pattern *pattern, double ticks)
{
    if (pattern->kind != ARRIVALS_BURSTS)
        return ticks;
    const double period = pattern->on + pattern->off;
    const double whole = floor(ticks / period);
    return whole * pattern->on + fmin(ticks - whole * period, pattern->on);
}

// The real time at which so much time on has passed.
static inline double arrivals_real_time(const struct arrivals_pattern *pattern, double time_on)
{
    if (pattern->kind != ARRIVALS_BURSTS)
        return time_on;
    return time_on + floor(time_on / pattern->on) * pattern->off;
}

// Goes on to the job after the next.
static inline void arrivals_advance(struct arrivals *arrivals)
{
    const struct arrivals_pattern *pattern = arrivals->pattern;
    arrivals->next += pattern->kind == ARRIVALS_CONSTANT ? pattern->gap
                                                         : workload_random_exponential(&arrivals->random, pattern->gap);
    arrivals->next_due = (uint64_t)arrivals_real_time(pattern, arrivals->next);
}

// From `now` on. `part`, from 0 to below 1, parts the threads of a constant schedule within the gap.
static inline void arrivals_start(struct arrivals *arrivals, const struct arrivals_pattern *pattern,
                                  const struct workload_random *random, uint64_t now, double part)
{
    *arrivals = (struct arrivals){.pattern = pattern, .random = *random};
    arrivals->next = arrivals_time_on(pattern, (double)now);
    if (pattern->kind == ARRIVALS_CONSTANT) {
        arrivals->next = (floor(arrivals->next / pattern->gap) + part) * pattern->gap;
        if (arrivals->next >= (double)now) {
            arrivals->next_due = (uint64_t)arrivals->next;
            return;
        }
    }
    arrivals_advance(arrivals);
}

// Jobs that are due at `now` and not advanced over yet; of random gaps, as many as are to be expected.
static inline double arrivals_backlog(const struct arrivals *arrivals, uint64_t now)
{
    if (arrivals->next_due > now)
        return 0;
    return 1 + (arrivals_time_on(arrivals->pattern, (double)now) - arrivals->next) / arrivals->pattern->gap;
}

#endif
