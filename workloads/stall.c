// SPDX-License-Identifier: Apache-2.0
// A closed loop in which one thread stalls now and then, to show what piles up meanwhile, and that nothing is lost.
// Every scheduler keeps `window` jobs in flight. `who` stalls for `stall_ns`, after each `every` jobs:
//
//   scheduler   the first scheduler: it neither passes nor sleeps, as in a driver call that takes too long. Its
//               finished jobs wait in its ready queue, up to its window. Where freeing rests on thread progress nobody
//               else gets elements freed either, as it is a managed thread: garbage grows with what the others do
//               meanwhile.
//   worker      one job keeps its worker busy. The jobs behind it in its job queue wait, those of other workers do not;
//               a scheduler whose window has filled up behind it has nothing left to submit. No garbage beyond what
//               preempted schedulers hold: workers are unmanaged.
//   completion  one `ready` takes that long. Where the pool completes on the submitter, it is that scheduler that
//               stalls, inside its pass and with its port locked, with the same effects as `scheduler`; where it
//               completes on the worker, the effects are those of `worker`.
//
// A stall must last longer than the system's turns, of some milliseconds each, or what piles up looks like what any
// preempted thread leaves behind.
//
// Jobs in flight are bounded by the windows all the while. How long the queues get is in the record if the run samples
// lengths. The stages job_queue and ready_queue show how long the others waited; stall: each stall, as it was. One
// operation is a job completed.
#include <errno.h>

#include "core/workload.h"

// Jobs submitted between two passes, and a stalled scheduler's ticks.
#define BURST 64u
#define TICK_NS 20000.0
#define STAGE_STALL (JOBS_TOTAL + 1)

enum who { WHO_SCHEDULER, WHO_WORKER, WHO_COMPLETION };

static const char *const who_names[] = {"scheduler", "worker", "completion", NULL};

struct config {
    uint64_t schedulers, workers;
    uint64_t window;
    uint64_t service_ns;
    uint64_t who;
    uint64_t stall_ns;
    uint64_t every;
    uint64_t sample_every;
};

struct state {
    const struct config *config;
    struct workload_jobs jobs;
    uint64_t service_ticks, stall_ticks, tick_ticks;
    uint64_t *stalls; // per scheduler and slot: how long the present job stalled, if it does
};

static int resolve(const void *argument, struct workload_demand *demand, struct fault *fault)
{
    (void)fault;
    const struct config *config = argument;
    *demand = (struct workload_demand){.roles = {{.name = "scheduler", .threads = (unsigned)config->schedulers}},
                                       .workers = (unsigned)config->workers};
    return 0;
}

static bool stalls(const struct state *state, const struct job_slot *slot, enum who who)
{
    return state->config->who == who && slot->sequence % state->config->every == 0;
}

static uint64_t *stall_of(const struct state *state, const struct job_slot *slot)
{
    const struct job_owner *owner = slot->owner;
    const size_t of_owner = (size_t)(owner - state->jobs.owners) * owner->slot_count;
    return &state->stalls[of_owner + (size_t)(slot - owner->slots)];
}

static void came_home(struct job_slot *slot)
{
    const struct state *state = slot->owner->workload;
    if (stalls(state, slot, WHO_WORKER) || stalls(state, slot, WHO_COMPLETION))
        workload_record(slot->owner->self, STAGE_STALL, *stall_of(state, slot));
}

static int setup(struct workload_run *run, struct fault *fault)
{
    const struct config *config = run->config;
    struct state *state = run->state = workload_alloc(sizeof *state);
    const struct jobs_plan plan = {
        .workload = state,
        .slots = (unsigned)config->window,
        .timed_every = config->sample_every,
        .came_home = came_home,
    };
    if (state)
        state->stalls = workload_alloc(config->schedulers * config->window * sizeof *state->stalls);
    if (!state || !state->stalls || workload_jobs_init(&state->jobs, run, &plan) != 0)
        return fault_set(fault, -ENOMEM, "no memory for %u threads with %llu jobs each", run->threads,
                         (unsigned long long)config->window);
    state->config = config;
    state->service_ticks = clock_ticks_in((double)config->service_ns);
    state->stall_ticks = clock_ticks_in((double)config->stall_ns);
    state->tick_ticks = clock_ticks_in(TICK_NS);
    return 0;
}

static void teardown(struct workload_run *run)
{
    struct state *state = run->state;
    if (state) {
        workload_jobs_fini(&state->jobs);
        free(state->stalls);
    }
    free(state);
    run->state = NULL;
}

static void stall_with(const struct state *state, const struct job_slot *slot)
{
    const uint64_t start = clock_ticks();
    clock_spin(state->stall_ticks);
    *stall_of(state, slot) = clock_ticks() - start;
}

static void invoke(void *data)
{
    struct job_slot *slot = data;
    const struct state *state = slot->owner->workload;
    workload_jobs_invoked(slot);
    workload_jobs_start(slot);
    if (stalls(state, slot, WHO_WORKER))
        stall_with(state, slot);
    else if (state->service_ticks)
        clock_spin(state->service_ticks);
    workload_jobs_end(slot);
}

static void ready(void *data)
{
    struct job_slot *slot = data;
    const struct state *state = slot->owner->workload;
    if (stalls(state, slot, WHO_COMPLETION)) {
        workload_jobs_arrived(slot);
        stall_with(state, slot);
    }
    workload_jobs_complete(slot, 0);
}

// A stalled scheduler does nothing with the pool; but the run must learn that it is alive, and it of the run's end.
static void stall_here(struct workload_thread *self, const struct state *state, const struct job_owner *owner)
{
    const uint64_t start = clock_ticks();
    enum workload_phase phase = PHASE_WARMUP;
    while (clock_ticks() - start < state->stall_ticks && phase != PHASE_STOP) {
        const uint64_t left = state->stall_ticks - (clock_ticks() - start);
        clock_spin(left < state->tick_ticks ? left : state->tick_ticks);
        phase = workload_tick(self, owner->completed);
    }
    workload_record(self, STAGE_STALL, clock_ticks() - start);
}

static void body(struct workload_thread *self)
{
    struct state *state = self->run->state;
    struct job_owner *owner = workload_jobs_own(&state->jobs, self);
    const bool is_stalling = state->config->who == WHO_SCHEDULER && self->rank == 0;
    uint64_t stall_at = state->config->every;
    while (workload_tick(self, owner->completed) != PHASE_STOP) {
        const unsigned submitted = workload_jobs_top_up(owner, BURST, invoke, ready);
        if (submitted == BURST && owner->free_count)
            workload_jobs_pass(owner);
        else
            workload_jobs_await(owner);
        if (is_stalling && owner->completed >= stall_at) {
            // With all that it may have in flight, as it had when it was well.
            workload_jobs_top_up(owner, BURST, invoke, ready);
            stall_here(self, state, owner);
            stall_at = owner->completed + state->config->every;
        }
    }
    while (workload_jobs_in_flight(owner)) {
        workload_jobs_await(owner);
        workload_tick(self, owner->completed);
    }
}

static void verify(struct workload_run *run, struct workload_verdict *verdict)
{
    const struct state *state = run->state;
    workload_jobs_judge(&state->jobs, verdict);
}

static const struct param params[] = {
    PARAM_U64(struct config, schedulers, "2", 1, 256, "threads", "Threads that submit"),
    PARAM_U64(struct config, workers, "2", 1, 1024, "threads", "Async threads that run the jobs"),
    PARAM_U64(struct config, window, "64", 1, 65536, "jobs", "Jobs that each scheduler keeps in flight"),
    PARAM_NS(struct config, service_ns, "1us", 0, 1000000000, "Time that each job keeps its worker busy"),
    PARAM_CHOICE(struct config, who, "scheduler", who_names,
                 "What stalls: the first scheduler, the worker of a job, or the completion of one"),
    PARAM_NS(struct config, stall_ns, "20ms", 1, 1000000000, "Time that a stall takes"),
    PARAM_U64(struct config, every, "1000", 1, 1000000000, "jobs", "Jobs of a scheduler from one stall to the next"),
    PARAM_U64(struct config, sample_every, "16", 0, 1 << 20, "jobs", "One job in so many is timed; 0: none"),
    PARAM_END,
};

const struct workload_ops stall_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "stall",
    .summary = "every scheduler keeps a window of jobs in flight, and now and then a thread stalls",
    .source = "head-of-line blocking and unbounded garbage, as reported of the original's pool",
    .subject = WORKLOAD_ON_POOL,
    .operation = "job completed",
    .checks = "every job invoked once, then completed once, on a thread on which the pool may",
    .stages = {"job_queue", "service", "ready_queue", "total", "stall"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .teardown = teardown,
};
