// SPDX-License-Identifier: Apache-2.0
// Why no wake is lost: all accesses below are in one total order. If event_set reads ON and leaves, that
// read comes before the waiter's next reset, and so does whatever the setter made visible before it; the look
// that follows the reset finds it. If it does not read ON, it writes ON, which no later reset of the same round
// can precede unless the look after that reset finds the work.
#include "core/sync/event.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/machine/clock.h"
#include "core/sync/thread.h"

enum event_state { EVENT_ON = 0, EVENT_OFF = 1, EVENT_PARKED = -1 };

void event_init(struct event *event)
{
    at_init(&event->state, EVENT_OFF);
    at_init(&event->wakes, 0);
    event->parks = 0;
}

void event_set(struct event *event)
{
    if (at_load_sc(&event->state, AT(event_look, event_off)) == EVENT_ON)
        return;
    if (at_xchg_sc(&event->state, EVENT_ON, AT(event_on, event_off, event_park, event_seen)) == EVENT_PARKED) {
        at_add_rlx(&event->wakes, 1);
        syscall(SYS_futex, &event->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

void event_reset(struct event *event)
{
    // A read-modify-write, so that the waiter's look at its work can not overtake it on any machine.
    at_xchg_sc(&event->state, EVENT_OFF, AT(event_off, event_look, event_on));
}

static bool event_is_on(struct event *event)
{
    return at_load_acq(&event->state, AT(event_seen, event_on)) == EVENT_ON;
}

bool event_spin(struct event *event, uint64_t spin_ns)
{
    const uint64_t start = clock_ticks();
    const uint64_t spin_ticks = clock_ticks_in((double)spin_ns), alone_ticks = clock_ticks_in(THREAD_SPIN_ALONE_NS);
    uint64_t spun;
    do {
        if (event_is_on(event))
            return true;
        spun = clock_ticks() - start;
        if (spun < alone_ticks)
            cpu_relax();
        else
            thread_yield();
    } while (spun < spin_ticks);
    return false;
}

static bool park(struct event *event)
{
    int32_t expected = EVENT_OFF;
    if (!at_cas_sc(&event->state, &expected, EVENT_PARKED, AT(event_park, event_on)))
        return false;
    event->parks++;
    return true;
}

bool event_park(struct event *event)
{
    return park(event);
}

void event_wait(struct event *event, uint64_t spin_ns)
{
    if (spin_ns && event_spin(event, spin_ns))
        return;
    if (!park(event))
        return;
    while (!event_is_on(event))
        syscall(SYS_futex, &event->state, FUTEX_WAIT_PRIVATE, EVENT_PARKED, NULL, NULL, 0);
}
