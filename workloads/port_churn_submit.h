// SPDX-License-Identifier: Apache-2.0
// How port_churn's owners open ports and submit for them, and what they make of the answers. For port_churn.c only.
#pragma once

#include "workloads/port_churn_drivers.h"

// Rounds for which a port may keep jobs from coming home, so that it dies before they do.
#define HOLD_ROUNDS 32u

static void plan_port(struct churn_owner *owner, struct churn_port *port)
{
    const struct churn_config *config = owner->state->config;
    port->moment = (enum churn_moment)draw(owner, port->driver->has_ready ? CHURN_MOMENTS : CHURN_READY);
    port->output_left = draw(owner, 100) < config->output_percent;
    port->total = (unsigned)config->jobs_per_port;
    port->before = 1 + draw(owner, port->total);
    port->closer = draw(owner, port->before);
    port->wanted = 1 + draw(owner, port->before);
    port->holds = HOLD_ROUNDS;
    port->tried = port->accepted = 0;
    port->finally_closed = false;
    at_store_rlx(&port->last_invoked, 0);
    at_store_rlx(&port->ordered, 0);
    at_store_rlx(&port->returned, 0);
    at_store_rlx(&port->ended, 0);
}

static bool open_port(struct churn_owner *owner, struct churn_port *port)
{
    const struct workload_run *run = owner->self->run;
    struct churn_driver *driver = choose_driver(owner);
    if (!driver)
        return false;
    port->driver = driver;
    port->driver_load = driver->loads;
    plan_port(owner, port);
    port->opens++;
    port->alive = true;
    at_add_rlx(&driver->held, 1);
    const int answer =
        run->pool_ops->ports->open(run->pool, driver->handle, port, owner->state->config->data_lock, &port->id);
    port->open = answer == 0;
    if (port->open) {
        owner->ports_opened++;
        driver->ports_to_come -= driver->ports_to_come > 0;
        churn_check(owner->state, port->id != 0, CHURN_ANSWER);
        return true;
    }
    // A port that has just died may still take its place for a moment.
    churn_check(owner->state, answer == -ENFILE || answer == -ENOMEM, CHURN_ANSWER);
    owner->self->failed++;
    at_sub_rlx(&driver->held, 1);
    port->alive = false;
    port->opens--;
    return false;
}

// What submit answers must fit what the port was before, and is now. False: there is no room now.
static bool take_answer(struct churn_port *port, struct churn_job *job, bool dead, long answer)
{
    struct churn_owner *owner = port->owner;
    if (answer < 0)
        job->submissions--;
    if (answer == -EAGAIN || answer == -ENOMEM) {
        owner->self->failed++;
        return false;
    }
    port->tried++;
    if (answer >= 0) {
        port->accepted++;
        owner->accepted++;
        churn_check(owner->state, !dead && (answer == 0) == (owner->state->config->workers == 0), CHURN_ANSWER);
        return true;
    }
    const bool untouched =
        at_load_rlx(&job->invoked) == job->submissions && at_load_rlx(&job->ended) == job->submissions;
    churn_check(owner->state, answer == -EINVAL && untouched && churn_is_dead(port), CHURN_ANSWER);
    return true;
}

static bool submit_job(struct churn_port *port)
{
    struct churn_owner *owner = port->owner;
    const struct churn_config *config = owner->state->config;
    const struct workload_run *run = owner->self->run;
    struct churn_job *job = &port->jobs[port->tried];
    job->closes = port->moment >= CHURN_RUNNING && port->tried == port->closer;
    job->timed = config->sample_every && owner->accepted % config->sample_every == 0;
    job->submissions++;
    unsigned key = config->key == CHURN_KEY_PORT ? run->pool_ops->ports->key(port->id) : 0;
    const struct pool_port_job call = {.port = port->id, .invoke = churn_invoke, .free = churn_free, .data = job};
    const bool dead = churn_is_dead(port);
    job->submitted_ticks = job->timed ? clock_ticks() : 0;
    const long answer =
        run->pool_ops->ports->submit(run->pool, owner->self->index, &call, config->key == CHURN_KEY_NONE ? NULL : &key);
    return take_answer(port, job, dead, answer);
}
