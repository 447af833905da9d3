// SPDX-License-Identifier: Apache-2.0
// Every scheduler keeps `window` jobs in flight: as one comes home, the next is submitted. Completions only count;
// the scheduler's loop tops the window up, so that nothing recurses.
//
// Between passes a scheduler may do other work, which stands for the processes that a real one runs; without any, it
// sleeps when nothing has come home. One operation is a job completed.
//
// Latency: one job in `sample_every` is timed. job_queue: from before submit to the start of invoke; service: invoke;
// ready_queue: from the end of invoke to ready; total: from before submit to ready.
#include <errno.h>

#include "core/workload.h"

// Jobs submitted between two passes.
#define BURST 64u

struct config {
    uint64_t schedulers, workers;
    uint64_t window;
    uint64_t service_ns;
    uint64_t keys;
    uint64_t sample_every;
    uint64_t other_work_ns;
};

struct state {
    const struct config *config;
    struct workload_jobs jobs;
    uint64_t service_ticks;
    uint64_t other_ticks;
};

static int resolve(const void *argument, struct workload_demand *demand, struct fault *fault)
{
    (void)fault;
    const struct config *config = argument;
    *demand = (struct workload_demand){.roles = {{.name = "scheduler", .threads = (unsigned)config->schedulers}},
                                       .workers = (unsigned)config->workers,
                                       .needs_keys = config->keys > 0};
    return 0;
}

static int setup(struct workload_run *run, struct fault *fault)
{
    const struct config *config = run->config;
    struct state *state = run->state = workload_alloc(sizeof *state);
    const struct jobs_plan plan = {
        .workload = state,
        .schedulers = (unsigned)config->schedulers,
        .slots = (unsigned)config->window,
        .keys = (unsigned)config->keys,
        .timed_every = config->sample_every,
    };
    if (!state || workload_jobs_init(&state->jobs, &plan) != 0)
        return fault_set(fault, -ENOMEM, "no memory for %llu schedulers with %llu jobs each",
                         (unsigned long long)config->schedulers, (unsigned long long)config->window);
    state->config = config;
    state->service_ticks = clock_ticks_in((double)config->service_ns);
    state->other_ticks = clock_ticks_in((double)config->other_work_ns);
    return 0;
}

static void teardown(struct workload_run *run)
{
    struct state *state = run->state;
    if (state)
        workload_jobs_fini(&state->jobs);
    free(state);
    run->state = NULL;
}

static void invoke(void *data)
{
    struct job_slot *slot = data;
    const struct state *state = slot->owner->workload;
    workload_jobs_invoked(slot);
    workload_jobs_start(slot);
    if (state->service_ticks)
        clock_spin(state->service_ticks);
    workload_jobs_end(slot);
}

static void ready(void *slot)
{
    workload_jobs_complete(slot, 0);
}

// Fills the window. Returns the jobs submitted; stops early when the pool has no room.
static unsigned top_up(struct job_owner *owner)
{
    unsigned submitted = 0;
    while (owner->free_count && submitted < BURST) {
        if (workload_jobs_submit(owner, invoke, ready) <= 0) {
            owner->self->failed++;
            break;
        }
        submitted++;
    }
    return submitted;
}

// One round of the scheduler when it may submit no more at once. Returns whether it got anywhere.
static bool consume(struct workload_thread *self, const struct state *state, struct job_owner *owner)
{
    const struct pool_ops *ops = self->run->pool_ops;
    const uint64_t before = owner->completed;
    const enum pool_more more = ops->pass(self->run->pool, self->rank);
    if (state->other_ticks)
        clock_spin(state->other_ticks);
    else if (more == POOL_NOTHING && owner->completed == before && workload_jobs_in_flight(owner))
        ops->wait(self->run->pool, self->rank);
    return owner->completed != before;
}

static void body(struct workload_thread *self)
{
    struct state *state = self->run->state;
    struct job_owner *owner = workload_jobs_own(&state->jobs, self);
    unsigned idle = 0;
    while (workload_tick(self, owner->completed) != PHASE_STOP) {
        const unsigned submitted = top_up(owner);
        if (submitted == BURST && owner->free_count)
            self->run->pool_ops->pass(self->run->pool, self->rank);
        else if (consume(self, state, owner) || submitted || workload_jobs_in_flight(owner))
            idle = 0;
        else
            thread_spin_round(idle++);
    }
    while (workload_jobs_in_flight(owner)) {
        consume(self, state, owner);
        workload_tick(self, owner->completed);
    }
}

static void verify(struct workload_run *run, struct workload_verdict *verdict)
{
    const struct state *state = run->state;
    workload_jobs_judge(&state->jobs, verdict);
}

static const struct param params[] = {
    PARAM_U64(struct config, schedulers, "1", 1, 256, "threads", "Threads that submit"),
    PARAM_U64(struct config, workers, "1", 1, 1024, "threads", "Async threads that run the jobs"),
    PARAM_U64(struct config, window, "256", 1, 65536, "jobs", "Jobs that each scheduler keeps in flight"),
    PARAM_NS(struct config, service_ns, "0", 0, 1000000000, "Time that each job keeps its worker busy"),
    PARAM_U64(struct config, keys, "0", 0, 4096, "keys",
              "Jobs go round so many keys, and those of one key keep their order; 0: no keys"),
    PARAM_U64(struct config, sample_every, "16", 0, 1 << 20, "jobs", "One job in so many is timed; 0: none"),
    PARAM_NS(struct config, other_work_ns, "0", 0, 1000000,
             "Time that a scheduler is busy elsewhere between two passes; 0: it sleeps when nothing came home"),
    PARAM_END,
};

const struct workload_ops closed_loop_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "closed_loop",
    .summary = "every scheduler keeps a window of jobs in flight",
    .source = "the way of a linked-in driver with a bounded number of driver_async calls under way",
    .subject = WORKLOAD_ON_POOL,
    .operation = "job completed",
    .checks = "every job invoked once, then completed once, on the thread that submitted it; order of each key",
    .stages = {"job_queue", "service", "ready_queue", "total"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .teardown = teardown,
};
