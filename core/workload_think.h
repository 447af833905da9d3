// SPDX-License-Identifier: Apache-2.0
// Think time: how long a thread of a workload is busy elsewhere between two operations. Without it one thread often
// does a long run of operations while the queue's lines stay in its cache, and a queue looks better than it will
// serve. Included by core/workload.h.
//
// A short time is made of turns of a loop in registers, whose length is measured when the workload is set up; a long
// one reads the clock. The random draw is part of the time that was asked for. What the threads achieved is a latency
// of its own, the stage "think" of the workload: one time in so many lies between two readings of the clock, whose
// own cost (clock_cost_ns of the record) is in it. It is never subtracted from anything.
#ifndef READYQ_WORKLOAD_THINK_H
#define READYQ_WORKLOAD_THINK_H

#include <stdint.h>

#include "core/workload_random.h"

// The longest mean that a workload should offer.
#define WORKLOAD_THINK_MOST_NS 100000000u

struct workload_thread;

enum workload_think_shape {
    THINK_CONSTANT,
    THINK_UNIFORM,     // between 0 and twice the mean
    THINK_EXPONENTIAL, //
};

// Of enum workload_think_shape, for a parameter; NULL-terminated.
extern const char *const workload_think_names[];

// Think times as a workload wants them, and then one thread's own.
struct workload_think {
    double mean_ns; // 0: none
    enum workload_think_shape shape;
    unsigned stage;  // that the achieved times go to
    uint64_t every;  // one in so many is timed; 0: none
    double turn_ns;  // what one turn of the loop takes, and
    double fixed_ns; // what drawing and counting take beside them, both measured
    uint64_t untimed;
    struct workload_random random;
};

// By setup, with mean_ns, shape, stage and every set: measures the rest, where there is a mean. Takes some ms.
void workload_think_calibrate(struct workload_think *think);

// By a thread, before its first: its own think times, from those that setup made.
void workload_think_start(struct workload_think *mine, const struct workload_think *made,
                          const struct workload_thread *self);

// The time that belongs to a random number between 0 and 1. Pure.
double workload_think_draw(const struct workload_think *think, double unit);

// Turns of the loop that make up `ns`. Pure.
uint64_t workload_think_turns(const struct workload_think *think, double ns);

// Out of line part of workload_think.
void workload_think_once(struct workload_think *mine, struct workload_thread *self, uint64_t operations);

// Thinks once. By a thread between two operations, which it counts by `operations`: in a long time it goes on ticking,
// and passing quiescent points; then it returns early at PHASE_STOP.
static inline void workload_think(struct workload_think *mine, struct workload_thread *self, uint64_t operations)
{
    if (mine->mean_ns > 0)
        workload_think_once(mine, self, operations);
}

// Operations that a thread with these think times may do between two ticks, `most` at most.
static inline unsigned workload_think_quantum(const struct workload_think *mine, unsigned most)
{
    const double fit = mine->mean_ns > 0 ? 20000 / mine->mean_ns + 1 : most;
    return fit < most ? (unsigned)fit : most;
}

#endif
