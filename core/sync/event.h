// SPDX-License-Identifier: Apache-2.0
// An event that one thread waits for and any thread sets: it spins, then parks on a futex.
//
// No wake is lost if the waiter does reset, then looks for work, then waits, and the others make work visible,
// then set. Both sides are sequentially consistent, so that either the waiter's look finds the work or the set
// comes after the reset. An event serves one purpose only: no lock may share it (in the originals one did, and
// its resets ate wakes: ERL-1304).
#ifndef READYQ_SYNC_EVENT_H
#define READYQ_SYNC_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sync/atomic.h"

struct event {
    _Atomic int32_t state;  // EVENT_ON, EVENT_OFF or EVENT_PARKED
    _Atomic uint64_t wakes; // set calls that found the waiter parked and woke it through the kernel
    uint64_t parks;         // waits that went into the kernel; the waiter's own
} ALIGNED_LINE;

// Off.
void event_init(struct event *event);

// Any thread. Sets the event, and wakes its waiter if that is parked. Cheap when it is set already.
void event_set(struct event *event);

// The waiter. Clears the event; what it reads next is read after that.
void event_reset(struct event *event);

// The waiter. Spins until it is set, for `spin_ns` at most. True: it is set.
bool event_spin(struct event *event, uint64_t spin_ns);

// The waiter. Returns at once if set, otherwise when it becomes set: spins for `spin_ns`, then parks. It may
// also return early, so callers look for work again in any case. There is no time-out.
void event_wait(struct event *event, uint64_t spin_ns);

// The waiter of a scripted schedule, in which one thread takes all parts: as event_wait up to the sleep, and no
// further. True: it would sleep now, and the next set wakes it through the kernel.
bool event_park(struct event *event);

#endif
