// SPDX-License-Identifier: Apache-2.0
// Every scheduler keeps `window` jobs in flight: as one comes home, the next is submitted. Completions only count;
// the scheduler's loop tops the window up, so that nothing recurses. External submitters do the same, but their jobs
// come home to the first scheduler. Without workers every job is invoked and completed inside its submit.
//
// With `drain` off, threads leave with their windows in flight: the pool's detach and stop have to deal with what is
// left, and a pool that is told to leave completions behind has some to leave.
//
// Between passes a scheduler may do other work, which stands for the processes that a real one runs; without any, it
// sleeps when nothing has come home. One operation is a job completed. How long a service takes, and of which
// distribution: core/workload_service.h.
//
// Latency: one job in `sample_every` is timed. job_queue: from before submit to the start of invoke; service: invoke;
// ready_queue: from the end of invoke to ready; total: from before submit to ready. pass: how long one pass kept the
// scheduler from its other work; of every pass, if there is other work and anything is timed at all.
#include <errno.h>

#include "core/workload.h"

// Jobs submitted between two passes.
#define BURST 64u
// What they may take of a thread that runs them itself.
#define BURST_NS 20000u
#define STAGE_PASS (JOBS_TOTAL + 1)

struct config {
    uint64_t schedulers, workers, externals;
    uint64_t window;
    struct workload_service_config service;
    uint64_t keys;
    uint64_t sample_every;
    uint64_t other_work_ns;
    bool drain;
};

struct state {
    const struct config *config;
    struct workload_jobs jobs;
    struct workload_service service;
    uint64_t other_ticks;
    unsigned burst;
    _Atomic uint64_t externals ALIGNED_LINE; // whose jobs the first scheduler may still have to complete
};

static int resolve(const void *argument, struct workload_demand *demand, struct fault *fault)
{
    const struct config *config = argument;
    *demand = (struct workload_demand){.roles = {{.name = "scheduler", .threads = (unsigned)config->schedulers}},
                                       .workers = (unsigned)config->workers,
                                       .needs_keys = config->keys > 0};
    if (config->externals)
        demand->roles[1] =
            (struct workload_role){.name = "external", .threads = (unsigned)config->externals, .external = true};
    return workload_service_check(&config->service, fault);
}

static unsigned choose_burst(const struct config *config)
{
    if (config->workers || config->service.service_ns <= BURST_NS / BURST)
        return BURST;
    return config->service.service_ns < BURST_NS ? (unsigned)(BURST_NS / config->service.service_ns) : 1;
}

static int setup(struct workload_run *run, struct fault *fault)
{
    const struct config *config = run->config;
    struct state *state = run->state = workload_alloc(sizeof *state);
    const struct jobs_plan plan = {
        .workload = state,
        .slots = (unsigned)config->window,
        .keys = (unsigned)config->keys,
        .timed_every = config->sample_every,
    };
    if (!state || workload_jobs_init(&state->jobs, run, &plan) != 0 ||
        workload_service_init(&state->service, &config->service, run->seed) != 0)
        return fault_set(fault, -ENOMEM, "no memory for %u threads with %llu jobs each", run->threads,
                         (unsigned long long)config->window);
    state->config = config;
    state->other_ticks = clock_ticks_in((double)config->other_work_ns);
    state->burst = choose_burst(config);
    at_init(&state->externals, config->externals);
    return 0;
}

static void teardown(struct workload_run *run)
{
    struct state *state = run->state;
    if (state) {
        workload_jobs_fini(&state->jobs);
        workload_service_fini(&state->service);
    }
    free(state);
    run->state = NULL;
}

static void invoke(void *data)
{
    struct job_slot *slot = data;
    const struct state *state = slot->owner->workload;
    workload_jobs_invoked(slot);
    workload_jobs_serve(slot, workload_service_ticks(&state->service, slot->owner->number, slot->sequence));
}

static void ready(void *slot)
{
    workload_jobs_complete(slot, 0);
}

// A pass without a sleep, for who submits on at once or has other work.
static void pass(struct workload_thread *self, const struct state *state, struct job_owner *owner)
{
    const bool timed = state->other_ticks && state->config->sample_every && !self->role->external;
    const uint64_t start = timed ? clock_ticks() : 0;
    workload_jobs_pass(owner);
    if (timed)
        workload_record(self, STAGE_PASS, clock_ticks() - start);
}

// One round of a thread that may submit no more at once. Returns whether it got anywhere.
static bool consume(struct workload_thread *self, const struct state *state, struct job_owner *owner)
{
    if (!state->other_ticks || self->role->external)
        return workload_jobs_await(owner);
    const uint64_t before = owner->completed;
    pass(self, state, owner);
    clock_spin(state->other_ticks);
    return owner->completed != before;
}

static void drain(struct workload_thread *self, const struct state *state, struct job_owner *owner)
{
    while (workload_jobs_in_flight(owner)) {
        consume(self, state, owner);
        workload_tick(self, owner->completed);
    }
}

// What externals have in flight comes home to the first scheduler, which so leaves last.
static void leave(struct workload_thread *self, struct state *state, struct job_owner *owner)
{
    if (self->role->external)
        at_sub_rel(&state->externals, 1, AT(closed_loop_leave, closed_loop_others_left));
    if (self->index != 0)
        return;
    for (unsigned idle = 0; at_load_acq(&state->externals, AT(closed_loop_others_left, closed_loop_leave)) > 0;) {
        const enum pool_more more = workload_jobs_pass(owner);
        workload_tick(self, owner->completed);
        thread_spin_round(more == POOL_MORE ? 0 : idle++);
    }
}

static void body(struct workload_thread *self)
{
    struct state *state = self->run->state;
    struct job_owner *owner = workload_jobs_own(&state->jobs, self);
    unsigned idle = 0;
    while (workload_tick(self, owner->completed) != PHASE_STOP) {
        const unsigned submitted = workload_jobs_top_up(owner, state->burst, invoke, ready);
        if (state->config->workers && submitted == state->burst && owner->free_count)
            pass(self, state, owner);
        else if (consume(self, state, owner) || submitted || workload_jobs_in_flight(owner))
            idle = 0;
        else
            thread_spin_round(idle++);
    }
    if (!state->config->drain)
        return;
    drain(self, state, owner);
    leave(self, state, owner);
}

static void verify(struct workload_run *run, struct workload_verdict *verdict)
{
    const struct state *state = run->state;
    workload_jobs_judge(&state->jobs, verdict);
}

static const struct param params[] = {
    PARAM_U64(struct config, schedulers, "1", 1, 256, "threads", "Threads that submit, and complete"),
    PARAM_U64(struct config, workers, "1", 0, 1024, "threads",
              "Async threads that run the jobs; 0: whoever submits a job runs it"),
    PARAM_U64(struct config, externals, "0", 0, 256, "threads", "Threads beside the schedulers that only submit"),
    PARAM_U64(struct config, window, "256", 1, 65536, "jobs", "Jobs that each of them keeps in flight"),
    WORKLOAD_SERVICE_PARAMS(struct config, service, "0", 1000000000, "Time that each job keeps its worker busy"),
    PARAM_U64(struct config, keys, "0", 0, 4096, "keys",
              "Jobs go round so many keys, and those of one key keep their order; 0: no keys"),
    PARAM_U64(struct config, sample_every, "16", 0, 1 << 20, "jobs", "One job in so many is timed; 0: none"),
    PARAM_NS(struct config, other_work_ns, "0", 0, 1000000,
             "Time that a scheduler is busy elsewhere between two passes; 0: it sleeps when nothing came home"),
    PARAM_BOOL(struct config, drain, "yes",
               "Each of them waits for its jobs before it leaves; no: leaves them to the pool's detach and stop"),
    PARAM_END,
};

const struct workload_ops closed_loop_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "closed_loop",
    .summary = "every scheduler keeps a window of jobs in flight",
    .source = "the way of a linked-in driver with a bounded number of driver_async calls under way",
    .subject = WORKLOAD_ON_POOL,
    .operation = "job completed",
    .checks =
        "every job invoked once, then completed once, on a thread on which the pool may, or left as the pool says; "
        "order of each key",
    .stages = {"job_queue", "service", "ready_queue", "total", "pass"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .teardown = teardown,
};
