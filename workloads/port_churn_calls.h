// SPDX-License-Identifier: Apache-2.0
// The callbacks of port_churn, each of which checks whether it may be called now. For port_churn.c only.
//
// `ready` and `stop` use plain memory of the port: the pool promises to hold the port's lock. All else is atomic, since
// it may be called on any thread. Whoever is done with a record says so last, for its owner may use it again then.
#pragma once

#include <errno.h>

#include "workloads/port_churn_faults.h"

// What the pool answers must fit what became of the port. `locked`: by a callback that holds it, after which it may
// die. With output left it lives on, unless a callback has ended meanwhile.
static void churn_close(struct churn_port *port, bool output_left, bool locked)
{
    const struct workload_run *run = port->owner->state->run;
    const bool before = churn_is_dead(port);
    const uint32_t ended = at_load_rlx(&port->ended);
    const int answer = run->pool_ops->ports->close(run->pool, port->id, output_left);
    const bool after = churn_is_dead(port);
    bool fits = answer == -EINVAL && after;
    if (answer == 0)
        fits = !before && (locked || after != output_left || (after && at_load_rlx(&port->ended) != ended));
    churn_check(port->owner->state, fits, CHURN_ANSWER);
    at_store_rel(&port->ordered, 1, AT(churn_order, churn_see_order));
}

// Whether this is the job's one end. What ends more often is not touched: its record may be in use again.
static bool churn_claim(struct churn_job *job)
{
    struct churn_state *state = job->port->owner->state;
    if (at_add_rlx(&job->ended, 1) + 1 != job->submissions) {
        churn_blame(state, CHURN_TWICE, 1);
        return false;
    }
    if (at_load_rlx(&job->invoked) != job->submissions) {
        churn_blame(state, CHURN_NOT_INVOKED_ONCE, 1);
        at_add_rlx(&job->port->returned, 1); // nobody need wait for that
    }
    churn_check_loaded(job->port);
    const struct churn_owner *home = job->port->owner;
    if (state->config->workers > 0 && home->self->role->external)
        home = state->owners; // the first scheduler
    if (state->run->pool_traits->completes_on_submitter)
        churn_check(state, churn_here == home, CHURN_STRAYED);
    return true;
}

static void churn_end(struct churn_job *job)
{
    if (job->timed)
        job->home_ticks = clock_ticks();
    struct churn_port *port = job->port;
    at_sub_rlx(&port->driver->held, 1);
    at_add_rlx(&port->owner->ended, 1);
    at_add_ar(&port->ended, 1, AT(churn_end, churn_see_end));
}

static void churn_invoke(void *data)
{
    struct churn_job *job = data;
    struct churn_port *port = job->port;
    struct churn_state *state = port->owner->state;
    if (at_add_rlx(&job->invoked, 1) + 1 != job->submissions) {
        churn_blame(state, CHURN_NOT_INVOKED_ONCE, 1);
        return;
    }
    churn_check_loaded(port);
    at_add_rlx(&port->driver->held, 1);
    const uint64_t number = (uint64_t)(job - port->jobs) + 1;
    if (state->config->key != CHURN_KEY_NONE)
        churn_check(state, at_load_rlx(&port->last_invoked) < number, CHURN_REORDERED);
    at_store_rlx(&port->last_invoked, number);
    if (job->timed)
        job->started_ticks = clock_ticks();
    if (state->service_ticks)
        clock_spin(state->service_ticks);
    if (job->closes && port->moment == CHURN_RUNNING)
        churn_close(port, port->output_left, state->config->workers == 0);
    if (job->timed)
        job->finished_ticks = clock_ticks();
    at_add_rlx(&port->returned, 1);
}

static void churn_ready(uint64_t id, void *port_data, void *job_data)
{
    struct churn_job *job = job_data;
    struct churn_port *port = job->port;
    struct churn_state *state = port->owner->state;
    if (!churn_claim(job))
        return;
    churn_check(state, port->alive, CHURN_READY_DEAD);
    churn_check(state, port == port_data && port->id == id && port->place == CHURN_OUTSIDE, CHURN_OVERLAPPED);
    const bool closes = job->closes && port->moment == CHURN_READY;
    port->place = closes ? CHURN_CLOSING : CHURN_INSIDE;
    if (closes)
        churn_close(port, port->output_left, true);
    port->place = CHURN_OUTSIDE;
    churn_end(job);
}

static void churn_free(void *data)
{
    struct churn_job *job = data;
    if (!churn_claim(job))
        return;
    churn_check(job->port->owner->state, !job->port->driver->has_ready || churn_is_dead(job->port), CHURN_FREED_ALIVE);
    churn_end(job);
}

static void churn_stop(uint64_t id, void *port_data)
{
    struct churn_port *port = port_data;
    struct churn_state *state = port->owner->state;
    churn_check_loaded(port);
    churn_check(state, port->alive && port->id == id, CHURN_NOT_STOPPED_ONCE);
    churn_check(state, port->place != CHURN_INSIDE, CHURN_OVERLAPPED);
    port->alive = false;
    at_sub_rlx(&port->driver->held, 1);
    at_add_ar(&port->stops, 1, AT(churn_stop, churn_see_stop));
}

static void churn_unload(void *driver_data)
{
    struct churn_driver *driver = driver_data;
    struct churn_state *state = driver->owner->state;
    churn_check(state, at_load_rlx(&driver->held) == 0, CHURN_UNLOADED_EARLY);
    churn_check(state, at_load_rlx(&driver->unloads) < driver->loads, CHURN_NOT_UNLOADED_ONCE);
    at_add_ar(&driver->unloads, 1, AT(churn_unload, churn_see_unload));
}
