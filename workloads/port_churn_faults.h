// SPDX-License-Identifier: Apache-2.0
// What a pool may do wrong to jobs, ports and drivers: counted where it is seen, and said at the end. For port_churn.c
// only.
#pragma once

#include <stdio.h>

#include "workloads/port_churn_books.h"

enum churn_fault {
    CHURN_LOST,
    CHURN_TWICE,
    CHURN_NOT_INVOKED_ONCE,
    CHURN_READY_DEAD,
    CHURN_FREED_ALIVE,
    CHURN_STRAYED,
    CHURN_REORDERED,
    CHURN_OVERLAPPED,
    CHURN_ANSWER,
    CHURN_NOT_STOPPED_ONCE,
    CHURN_LATE_CALL,
    CHURN_UNLOADED_EARLY,
    CHURN_NOT_UNLOADED_ONCE,
    CHURN_REFERENCES,
};

_Static_assert(CHURN_REFERENCES + 1 == CHURN_FAULTS, "one count each");

// What stands behind each count.
static const char *const churn_fault_words[CHURN_FAULTS] = {
    [CHURN_LOST] = "jobs ended neither by ready nor by free",
    [CHURN_TWICE] = "ends too many",
    [CHURN_NOT_INVOKED_ONCE] = "times a job was not invoked exactly once before its end",
    [CHURN_READY_DEAD] = "calls of ready for dead ports",
    [CHURN_FREED_ALIVE] = "jobs of live ports freed in place of ready",
    [CHURN_STRAYED] = "ends on another thread",
    [CHURN_REORDERED] = "out of order",
    [CHURN_OVERLAPPED] = "calls with the wrong port or inside another of its port",
    [CHURN_ANSWER] = "answers of open, submit or close that did not fit the port",
    [CHURN_NOT_STOPPED_ONCE] = "ports not stopped exactly once",
    [CHURN_LATE_CALL] = "calls after unload",
    [CHURN_UNLOADED_EARLY] = "drivers unloaded while in use",
    [CHURN_NOT_UNLOADED_ONCE] = "drivers not unloaded exactly once",
    [CHURN_REFERENCES] = "references left",
};

// Whose thread this is; NULL on workers.
static _Thread_local const struct churn_owner *churn_here;

static inline void churn_blame(struct churn_state *state, enum churn_fault fault, uint64_t count)
{
    at_add_rlx(&state->faults[fault], count);
}

static inline void churn_check(struct churn_state *state, bool good, enum churn_fault fault)
{
    if (__builtin_expect(!good, 0))
        churn_blame(state, fault, 1);
}

// Whether `stop` has run.
static inline bool churn_is_dead(struct churn_port *port)
{
    return at_load_acq(&port->stops, AT(churn_see_stop, churn_stop)) == port->opens;
}

// Whether the present life of a driver is over.
static inline bool churn_is_unloaded(struct churn_driver *driver)
{
    return at_load_acq(&driver->unloads, AT(churn_see_unload, churn_unload)) == driver->loads;
}

// No callback of a driver may run once it has been unloaded.
static inline void churn_check_loaded(struct churn_port *port)
{
    churn_check(port->owner->state, at_load_rlx(&port->driver->unloads) < port->driver_load, CHURN_LATE_CALL);
}

// When an owner goes, all that it began must be over.
static void churn_settle(struct churn_owner *owner)
{
    struct churn_state *state = owner->state;
    for (unsigned p = 0; p < state->config->ports; p++) {
        struct churn_port *port = &owner->ports[p];
        churn_check(state, churn_is_dead(port), CHURN_NOT_STOPPED_ONCE);
        for (unsigned j = 0; j < state->config->jobs_per_port; j++)
            churn_check(state, at_load_rlx(&port->jobs[j].ended) >= port->jobs[j].submissions, CHURN_LOST);
    }
    for (unsigned d = 0; d < owner->driver_count; d++)
        churn_check(state, churn_is_unloaded(&owner->drivers[d]), CHURN_NOT_UNLOADED_ONCE);
}

// By verify. One sentence of all that is not 0.
static void churn_judge(struct churn_state *state, struct workload_verdict *verdict)
{
    uint64_t ports = 0, drivers = 0;
    for (unsigned i = 0; i < state->owner_count; i++) {
        verdict->total += state->owners[i].accepted;
        ports += state->owners[i].ports_opened;
        drivers += state->owners[i].drivers_loaded;
    }
    const size_t size = sizeof verdict->detail;
    size_t length =
        (size_t)snprintf(verdict->detail, size, "of %llu jobs for %llu ports of %llu drivers",
                         (unsigned long long)verdict->total, (unsigned long long)ports, (unsigned long long)drivers);
    for (unsigned fault = 0; fault < CHURN_FAULTS; fault++) {
        const uint64_t count = at_load_rlx(&state->faults[fault]);
        if (count && length < size)
            length +=
                (size_t)snprintf(verdict->detail + length, size - length, "%s %llu %s", verdict->violated ? "," : ":",
                                 (unsigned long long)count, churn_fault_words[fault]);
        verdict->violated |= count > 0;
    }
    verdict->lost = at_load_rlx(&state->faults[CHURN_LOST]);
    verdict->duplicated = at_load_rlx(&state->faults[CHURN_TWICE]);
    verdict->reordered = at_load_rlx(&state->faults[CHURN_REORDERED]);
}
