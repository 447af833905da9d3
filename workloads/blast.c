// SPDX-License-Identifier: Apache-2.0
// Completions in a blast: in each round every scheduler submits `jobs` jobs, which the workers hold back until all are
// queued. Then a gate opens, the workers finish them as fast as they can, and all come home at once. This is the case
// for which the original puts a mutex in front of its lock-free ready queue.
//
// A worker holds the first job that it takes by spinning, then yielding, at the gate. A pool that has no room for a
// round makes its scheduler open the gate early; such a submit counts as failed, and the round gives no "drain".
//
// Latency: a job counts as submitted when the gate opens, if it was submitted before. job_queue: from there to the
// start of its service; service; ready_queue: from the end of its service to ready; total; and drain: from the gate's
// opening to a scheduler's last completion of the round, as it sees it. One operation is a job completed. How long a
// service takes, and of which distribution: core/workload_service.h.
#include <errno.h>

#include "core/workload.h"

// Jobs submitted between two ticks.
#define BURST 64u
#define STAGE_DRAIN (JOBS_TOTAL + 1)
// A gate that is open for every round: the run is over.
#define ROUND_ANY UINT64_MAX

struct config {
    uint64_t schedulers, workers;
    uint64_t jobs;
    struct workload_service_config service;
    uint64_t sample_every;
};

struct state {
    const struct config *config;
    struct workload_jobs jobs;
    struct workload_service service;
    _Atomic uint64_t gate ALIGNED_LINE;   // the last round whose jobs may go on
    _Atomic uint64_t opened_ticks;        // when it was opened for that round
    _Atomic uint64_t early;               // the last round for which it was opened before all was queued
    _Atomic uint64_t round ALIGNED_LINE;  // the round that may be submitted; ROUND_ANY: no more
    _Atomic uint64_t queued ALIGNED_LINE; // schedulers that have submitted all of the round
    _Atomic uint64_t consumed;            // schedulers that have consumed all of the round
};

static int resolve(const void *argument, struct workload_demand *demand, struct fault *fault)
{
    const struct config *config = argument;
    *demand = (struct workload_demand){.roles = {{.name = "scheduler", .threads = (unsigned)config->schedulers}},
                                       .workers = (unsigned)config->workers};
    return workload_service_check(&config->service, fault);
}

static int setup(struct workload_run *run, struct fault *fault)
{
    const struct config *config = run->config;
    struct state *state = run->state = workload_alloc(sizeof *state);
    const struct jobs_plan plan = {
        .workload = state,
        .slots = (unsigned)config->jobs,
        .timed_every = config->sample_every,
    };
    if (!state || workload_jobs_init(&state->jobs, run, &plan) != 0 ||
        workload_service_init(&state->service, &config->service, run->seed) != 0)
        return fault_set(fault, -ENOMEM, "no memory for %llu schedulers with %llu jobs each",
                         (unsigned long long)config->schedulers, (unsigned long long)config->jobs);
    state->config = config;
    at_init(&state->gate, 0);
    at_init(&state->round, 1);
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

static uint64_t gate_of(struct state *state)
{
    return at_load_acq(&state->gate, AT(blast_gate_see, blast_gate_open));
}

// Before the others can see it open, they can see when.
static void open_gate(struct state *state, uint64_t round)
{
    at_store_rlx(&state->opened_ticks, clock_ticks());
    at_store_rel(&state->gate, round, AT(blast_gate_open, blast_gate_see));
}

static void invoke(void *data)
{
    struct job_slot *slot = data;
    struct state *state = slot->owner->workload;
    workload_jobs_invoked(slot);
    const uint64_t round = (slot->sequence - 1) / state->config->jobs + 1;
    SPIN_UNTIL(gate_of(state) >= round);
    workload_jobs_serve(slot, workload_service_ticks(&state->service, slot->owner->number, slot->sequence));
}

static void ready(void *data)
{
    struct job_slot *slot = data;
    struct state *state = slot->owner->workload;
    workload_jobs_complete(slot, at_load_rlx(&state->opened_ticks));
}

// One round of the scheduler's own loop while it waits for other threads.
static void attend(struct workload_thread *self, struct job_owner *owner, unsigned idle)
{
    workload_jobs_pass(owner);
    workload_tick(self, owner->completed);
    thread_spin_round(idle);
}

// A run in which a job strayed can not go on, and nobody may be left waiting.
static bool is_broken(struct state *state)
{
    return at_load_rlx(&state->jobs.strayed) > 0;
}

static void submit_round(struct workload_thread *self, struct state *state, struct job_owner *owner, uint64_t round)
{
    unsigned idle = 0;
    for (uint64_t submitted = 0; submitted < state->config->jobs && !is_broken(state);) {
        if (workload_jobs_submit(owner, invoke, ready) >= 0) {
            idle = 0;
            if (++submitted % BURST == 0)
                workload_tick(self, owner->completed);
            continue;
        }
        self->failed++;
        if (gate_of(state) < round) {
            at_store_rlx(&state->early, round);
            open_gate(state, round);
        }
        attend(self, owner, idle++);
    }
}

// The last scheduler to have queued its jobs opens the gate.
static void pass_gate(struct workload_thread *self, struct state *state, struct job_owner *owner, uint64_t round)
{
    if (at_add_ar(&state->queued, 1, AT(blast_queued, blast_queued)) + 1 == round * state->config->schedulers &&
        gate_of(state) < round)
        open_gate(state, round);
    for (unsigned idle = 0; gate_of(state) < round && !is_broken(state); idle++)
        attend(self, owner, idle);
}

static void consume_round(struct workload_thread *self, struct job_owner *owner)
{
    while (workload_jobs_in_flight(owner)) {
        workload_jobs_await(owner);
        workload_tick(self, owner->completed);
    }
}

// The last scheduler to have consumed its jobs decides whether there is another round, so that all do the same.
static uint64_t next_round(struct workload_thread *self, struct state *state, struct job_owner *owner, uint64_t round)
{
    const enum workload_phase phase = workload_tick(self, owner->completed);
    if (at_add_ar(&state->consumed, 1, AT(blast_consumed, blast_consumed)) + 1 == round * state->config->schedulers)
        at_store_rel(&state->round, phase == PHASE_STOP ? ROUND_ANY : round + 1, AT(blast_round_set, blast_round_see));
    for (unsigned idle = 0; !is_broken(state); idle++) {
        const uint64_t next = at_load_acq(&state->round, AT(blast_round_see, blast_round_set));
        if (next != round)
            return next;
        attend(self, owner, idle);
    }
    return ROUND_ANY;
}

static void body(struct workload_thread *self)
{
    struct state *state = self->run->state;
    struct job_owner *owner = workload_jobs_own(&state->jobs, self);
    workload_tick(self, 0);
    for (uint64_t round = 1; round != ROUND_ANY; round = next_round(self, state, owner, round)) {
        submit_round(self, state, owner, round);
        pass_gate(self, state, owner, round);
        const uint64_t opened = at_load_rlx(&state->opened_ticks);
        consume_round(self, owner);
        const uint64_t end = clock_ticks();
        if (at_load_rlx(&state->early) != round && end > opened)
            workload_record(self, STAGE_DRAIN, end - opened);
    }
    if (is_broken(state))
        open_gate(state, ROUND_ANY);
}

static void verify(struct workload_run *run, struct workload_verdict *verdict)
{
    const struct state *state = run->state;
    workload_jobs_judge(&state->jobs, verdict);
}

static const struct param params[] = {
    PARAM_U64(struct config, schedulers, "1", 1, 256, "threads", "Threads that submit"),
    PARAM_U64(struct config, workers, "2", 1, 1024, "threads", "Async threads that run the jobs"),
    PARAM_U64(struct config, jobs, "1024", 1, 65536, "jobs", "Jobs of each scheduler in a round"),
    WORKLOAD_SERVICE_PARAMS(struct config, service, "0", 1000000,
                            "Time that each job keeps its worker busy once the gate is open"),
    PARAM_U64(struct config, sample_every, "16", 0, 1 << 20, "jobs", "One job in so many is timed; 0: none"),
    PARAM_END,
};

const struct workload_ops blast_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "blast",
    .summary = "n completions come home at once, round after round",
    .source = "the 'blast' of completions that the original's lock in front of the ready queue is meant for",
    .subject = WORKLOAD_ON_POOL,
    .operation = "job completed",
    .checks = "every job invoked once, then completed once, on a thread on which the pool may",
    .stages = {"job_queue", "service", "ready_queue", "total", "drain"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .teardown = teardown,
};
