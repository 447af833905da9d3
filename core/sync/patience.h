// SPDX-License-Identifier: Apache-2.0
// How long a thread that waits should spin before it sleeps: for long only while that has paid lately.
//
// To be woken costs microseconds, on a virtual machine tens of them, and so does to wake. A thread whose next work
// comes sooner than that does better to look for it; one whose work comes now and then only burns a processor. So the
// mean of the latest waits decides: while they are shorter than the time for which it may spin, it spins for that
// time, else no longer than what disturbs nobody.
#ifndef READYQ_SYNC_PATIENCE_H
#define READYQ_SYNC_PATIENCE_H

#include <stdint.h>

#include "core/machine/clock.h"
#include "core/sync/thread.h"

// Of the mean, what the latest wait makes: one part in so many.
#define PATIENCE_PARTS 8u
// The longest wait that counts, in parts of the time for which the thread may spin: a single rest is soon forgotten.
#define PATIENCE_MOST 2u

// The thread's own. All zero: it spins at first.
struct patience {
    uint64_t mean_ticks;
};

// How long to spin now, in ns, of at most `spin_ns`.
static inline uint64_t patience_ns(const struct patience *patience, uint64_t spin_ns)
{
    const uint64_t alone_ns = (uint64_t)THREAD_SPIN_ALONE_NS;
    if (spin_ns <= alone_ns || patience->mean_ticks <= clock_ticks_in((double)spin_ns))
        return spin_ns;
    return alone_ns;
}

// After each wait, whether it ended in a spin or in a sleep.
static inline void patience_learn(struct patience *patience, uint64_t spin_ns, uint64_t waited_ticks)
{
    const uint64_t most = PATIENCE_MOST * clock_ticks_in((double)spin_ns);
    const uint64_t counts = waited_ticks < most ? waited_ticks : most;
    patience->mean_ticks += counts / PATIENCE_PARTS;
    patience->mean_ticks -= patience->mean_ticks / PATIENCE_PARTS;
}

#endif
