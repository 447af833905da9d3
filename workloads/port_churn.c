// SPDX-License-Identifier: Apache-2.0
// Ports that close, and drivers that are unloaded, while their jobs are queued, running and coming home: each job must
// end in exactly one of ready and free, and nothing may be left.
//
// Every scheduler, and every external submitter, keeps `ports` ports going. A port is opened for one of the drivers
// that are loaded, gets some of its jobs, is closed at a moment drawn by lot (also by a callback of one of its own
// jobs), is sent the rest of its jobs, which a dead port must refuse, and is opened anew when all have ended. Some
// close with output left, and die later. Drivers, with or without `ready`, are unloaded while their ports and jobs
// live.
//
// Latency: one job in `sample_every` is timed. job_queue: from before submit to the start of invoke; service: invoke;
// ready_queue: from the end of invoke to ready or free; total: from before submit to there.
#include <stdlib.h>

#include "core/workload.h"
#include "workloads/port_churn_submit.h"

// Jobs submitted for a port at one go.
#define BURST 8u
// One look at the clock may not add more than this to the time without progress: the process may have been suspended.
#define QUIET_STEP_NS 10e6

static int resolve(const void *argument, struct workload_demand *demand, struct fault *fault)
{
    (void)fault;
    const struct churn_config *config = argument;
    *demand = (struct workload_demand){
        .roles = {{.name = "scheduler", .threads = (unsigned)config->schedulers}},
        .workers = (unsigned)config->workers,
        .needs_ports = (unsigned)((config->schedulers + config->externals) * config->ports),
        .needs_keys = config->key != CHURN_KEY_NONE,
    };
    if (config->externals)
        demand->roles[1] =
            (struct workload_role){.name = "external", .threads = (unsigned)config->externals, .external = true};
    return 0;
}

// A driver on its way out is held by a port that is still in use, so one more record a port is enough.
static bool make_owner(struct churn_owner *owner, struct churn_state *state, unsigned index)
{
    const struct churn_config *config = state->config;
    owner->state = state;
    owner->random = state->run->seed ^ ((uint64_t)index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    owner->driver_count = (unsigned)(config->drivers + config->ports);
    owner->ports = workload_alloc(config->ports * sizeof *owner->ports);
    owner->jobs = workload_alloc(config->ports * config->jobs_per_port * sizeof *owner->jobs);
    owner->drivers = workload_alloc(owner->driver_count * sizeof *owner->drivers);
    if (!owner->ports || !owner->jobs || !owner->drivers)
        return false;
    for (unsigned p = 0; p < config->ports; p++) {
        owner->ports[p].owner = owner;
        owner->ports[p].jobs = &owner->jobs[p * config->jobs_per_port];
        for (unsigned j = 0; j < config->jobs_per_port; j++)
            owner->ports[p].jobs[j].port = &owner->ports[p];
    }
    for (unsigned d = 0; d < owner->driver_count; d++)
        owner->drivers[d].owner = owner;
    return true;
}

static int setup(struct workload_run *run, struct fault *fault)
{
    const struct churn_config *config = run->config;
    struct churn_state *state = run->state = workload_alloc(sizeof *state);
    bool made = state != NULL;
    if (made) {
        state->config = config;
        state->run = run;
        state->owner_count = run->threads;
        state->service_ticks = clock_ticks_in((double)config->service_ns);
        state->patience_ticks = clock_ticks_in((double)(config->patience_ns + config->service_ns));
        state->owners = workload_alloc(run->threads * sizeof *state->owners);
        made = state->owners != NULL;
    }
    for (unsigned i = 0; made && i < run->threads; i++)
        made = make_owner(&state->owners[i], state, i);
    return made ? 0
                : fault_set(fault, -ENOMEM, "no memory for %u threads with %llu ports of %llu jobs each", run->threads,
                            (unsigned long long)config->ports, (unsigned long long)config->jobs_per_port);
}

static void teardown(struct workload_run *run)
{
    struct churn_state *state = run->state;
    for (unsigned i = 0; state && state->owners && i < state->owner_count; i++) {
        free(state->owners[i].ports);
        free(state->owners[i].jobs);
        free(state->owners[i].drivers);
    }
    if (state)
        free(state->owners);
    free(state);
    run->state = NULL;
}

// Whether the moment has come at which the owner closes.
static bool is_due(struct churn_port *port)
{
    const unsigned ended = at_load_rlx(&port->ended);
    switch (port->moment) {
    case CHURN_QUEUED:
        return true;
    case CHURN_COMING:
        if (ended < port->accepted && port->holds > 0) {
            port->holds--;
            port->owner->holding = true;
        }
        return at_load_rlx(&port->returned) >= port->accepted;
    case CHURN_ENDED:
        return ended >= port->wanted;
    default:
        return false;
    }
}

// The run is over: what has not been submitted stays at home.
static void cut_plan(struct churn_port *port)
{
    if (port->moment >= CHURN_RUNNING && port->closer >= port->tried)
        port->moment = CHURN_QUEUED;
    port->total = port->tried;
    if (port->before > port->tried)
        port->before = port->tried;
    if (port->wanted > port->accepted)
        port->wanted = port->accepted;
}

// Clocks of two processors may differ by a few ticks.
static void record(struct workload_thread *self, unsigned stage, uint64_t start, uint64_t end)
{
    workload_record(self, stage, end > start ? end - start : 0);
}

static void finish_port(struct churn_owner *owner, struct churn_port *port)
{
    port->open = false;
    for (unsigned j = 0; j < port->accepted && owner->self->recording; j++) {
        const struct churn_job *job = &port->jobs[j];
        if (!job->timed)
            continue;
        record(owner->self, JOBS_JOB_QUEUE, job->submitted_ticks, job->started_ticks);
        record(owner->self, JOBS_SERVICE, job->started_ticks, job->finished_ticks);
        record(owner->self, JOBS_READY_QUEUE, job->finished_ticks, job->home_ticks);
        record(owner->self, JOBS_TOTAL, job->submitted_ticks, job->home_ticks);
    }
}

// A port that has been told to close, and has got all its jobs. Once dead it can't be closed, which some find out.
static bool bury_port(struct churn_owner *owner, struct churn_port *port)
{
    const bool all_ended = at_load_acq(&port->ended, AT(churn_see_end, churn_end)) == port->accepted;
    if (port->output_left && !port->finally_closed && (all_ended || draw(owner, 4) == 0)) {
        port->finally_closed = true;
        churn_close(port, false, false);
        return true;
    }
    if (!all_ended || !churn_is_dead(port))
        return false;
    if (draw(owner, 8) == 0)
        churn_close(port, false, false);
    finish_port(owner, port);
    return true;
}

// Takes a port one step further. False: it waits for others.
static bool step_port(struct churn_owner *owner, struct churn_port *port)
{
    if (!port->open)
        return !owner->stopping && open_port(owner, port);
    if (owner->stopping)
        cut_plan(port);
    const bool ordered = at_load_acq(&port->ordered, AT(churn_see_order, churn_order));
    const unsigned due = ordered || port->moment >= CHURN_RUNNING ? port->total : port->before;
    unsigned submitted = 0;
    while (submitted < BURST && port->tried < due && submit_job(port))
        submitted++;
    if (port->tried < due)
        return submitted > 0;
    if (!ordered && is_due(port)) {
        churn_close(port, port->output_left, false);
        return true;
    }
    return (ordered && bury_port(owner, port)) || submitted > 0;
}

static bool is_drained(struct churn_owner *owner)
{
    for (unsigned p = 0; p < owner->state->config->ports; p++)
        if (owner->ports[p].open)
            return false;
    for (unsigned d = 0; d < owner->driver_count; d++)
        if (owner->drivers[d].handle || !churn_is_unloaded(&owner->drivers[d]))
            return false;
    return true;
}

// A scheduler's jobs that came home. True: some did, or more may.
static bool pass(struct churn_owner *owner)
{
    const struct workload_run *run = owner->self->run;
    if (owner->self->role->external)
        return false;
    const uint64_t before = at_load_rlx(&owner->ended);
    return run->pool_ops->pass(run->pool, owner->self->index) == POOL_MORE || at_load_rlx(&owner->ended) != before;
}

static bool go_round(struct churn_owner *owner)
{
    bool moved = false;
    owner->holding = false;
    change_drivers(owner);
    for (unsigned p = 0; p < owner->state->config->ports; p++) {
        moved |= step_port(owner, &owner->ports[p]);
        owner->stopping |= workload_tick(owner->self, at_load_rlx(&owner->ended)) == PHASE_STOP;
    }
    if (!moved && owner->holding) {
        thread_spin_round(owner->idle++);
        return true;
    }
    moved |= pass(owner);
    if (moved)
        owner->idle = 0;
    return moved;
}

// Whether nothing has ended anywhere for longer than any job takes.
static bool has_waited_enough(struct churn_owner *owner)
{
    const struct churn_state *state = owner->state;
    uint64_t activity = 0;
    for (unsigned i = 0; i < state->owner_count; i++)
        activity += at_load_rlx(&state->owners[i].ended);
    const uint64_t now = clock_ticks(), most = clock_ticks_in(QUIET_STEP_NS);
    const uint64_t step = now - owner->looked_ticks;
    owner->quiet_ticks = activity != owner->activity ? 0 : owner->quiet_ticks + (step < most ? step : most);
    owner->looked_ticks = now;
    owner->activity = activity;
    return owner->quiet_ticks > state->patience_ticks;
}

// Sleeps only while a job has not run: it is sure to be heard of, even from a pool that then forgets how to end it.
static void rest(struct churn_owner *owner)
{
    const struct workload_run *run = owner->self->run;
    for (unsigned p = 0; p < owner->state->config->ports && !owner->self->role->external; p++) {
        struct churn_port *port = &owner->ports[p];
        if (port->open && at_load_rlx(&port->returned) < port->accepted) {
            run->pool_ops->wait(run->pool, owner->self->index);
            return;
        }
    }
    thread_spin_round(owner->idle++);
}

// References may be given back just after the call that they were held for.
static void check_references(struct churn_owner *owner)
{
    const struct churn_state *state = owner->state;
    const struct workload_run *run = state->run;
    const uint64_t start = clock_ticks();
    uint64_t left;
    for (unsigned round = 0; (left = run->pool_ops->ports->references(run->pool)) > 0; round++) {
        if (clock_ticks() - start > state->patience_ticks)
            break;
        pass(owner);
        workload_tick(owner->self, at_load_rlx(&owner->ended));
        thread_spin_round(round);
    }
    churn_blame(owner->state, CHURN_REFERENCES, left);
}

// Jobs of externals come home to the first scheduler, which stays for them; the last to go looks whether all is clean.
static void leave(struct churn_owner *owner)
{
    struct churn_state *state = owner->state;
    churn_settle(owner);
    if (owner->self->role->external)
        at_add_ar(&state->externals_done, 1, AT(churn_external_done, churn_see_externals));
    for (unsigned round = 0; owner == state->owners; round++) {
        if (at_load_acq(&state->externals_done, AT(churn_see_externals, churn_external_done)) ==
            state->config->externals)
            break;
        pass(owner);
        workload_tick(owner->self, at_load_rlx(&owner->ended));
        thread_spin_round(round);
    }
    if (at_add_ar(&state->done, 1, AT(churn_done, churn_done)) + 1 == state->owner_count)
        check_references(owner);
}

static void body(struct workload_thread *self)
{
    struct churn_state *state = self->run->state;
    struct churn_owner *owner = &state->owners[self->index];
    owner->self = self;
    churn_here = owner;
    workload_tick(self, 0);
    while (!owner->stopping || !is_drained(owner)) {
        if (go_round(owner))
            continue;
        if (!has_waited_enough(owner)) {
            rest(owner);
        } else if (owner->stopping) {
            break;
        } else {
            workload_give_up(self);
            owner->stopping = true;
            owner->quiet_ticks = 0;
        }
    }
    leave(owner);
}

static void verify(struct workload_run *run, struct workload_verdict *verdict)
{
    churn_judge(run->state, verdict);
}

static const char *const key_names[] = {"none", "port", "one", NULL};

static const struct param params[] = {
    PARAM_U64(struct churn_config, schedulers, "1", 1, 256, "threads", "Threads that submit and complete"),
    PARAM_U64(struct churn_config, workers, "1", 0, 1024, "threads",
              "Async threads that run the jobs; 0: the submitter runs them itself"),
    PARAM_U64(struct churn_config, externals, "0", 0, 256, "threads",
              "Threads beside the schedulers that submit too; their jobs complete on the first scheduler"),
    PARAM_U64(struct churn_config, ports, "4", 1, 256, "ports", "Ports that each submitting thread keeps going"),
    PARAM_U64(struct churn_config, jobs_per_port, "8", 1, 256, "jobs",
              "Jobs in the life of a port, some of them after it has been closed"),
    PARAM_CHOICE(struct churn_config, key, "none", key_names,
                 "Jobs go round the workers (none), by a key of their port (port), or all to one worker (one)"),
    PARAM_U64(struct churn_config, drivers, "2", 1, 64, "drivers", "Drivers that each submitting thread has loaded"),
    PARAM_BOOL(struct churn_config, data_lock, "yes", "Ports have a port-data lock"),
    PARAM_U64(struct churn_config, output_percent, "25", 0, 100, "%",
              "Share of ports that are closed with output left, and die later"),
    PARAM_NS(struct churn_config, service_ns, "0", 0, 1000000000, "Time that each job keeps its worker busy"),
    PARAM_NS(struct churn_config, patience_ns, "3s", 1000000, 3600000000000,
             "Time without the end of a job after which what is owed, beyond its service, counts as lost"),
    PARAM_U64(struct churn_config, sample_every, "16", 0, 1 << 20, "jobs", "One job in so many is timed; 0: none"),
    PARAM_END,
};

const struct workload_ops port_churn_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "port_churn",
    .summary = "ports close and drivers are unloaded while their jobs are under way",
    .source = "ports, drivers and their references as erl_async.c and io.c of Erlang/OTP have them",
    .subject = WORKLOAD_ON_POOL,
    .operation = "job ended",
    .checks =
        "every job invoked once, then ended by ready or by free, once; ports and drivers let go, once and in time",
    .stages = {"job_queue", "service", "ready_queue", "total"},
    .params = params,
    .config_size = sizeof(struct churn_config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .teardown = teardown,
};
