// SPDX-License-Identifier: Apache-2.0
// Jobs come when they are due, whether or not the pool keeps up: at equal gaps, at random ones (a Poisson process),
// or in bursts. This is the load of a server whose clients do not wait for each other, and the one under which a
// latency means something: the greater the share of the pool's capacity that is asked for, the longer jobs wait, and
// beyond the knee without end. A sweep of `rate` draws that curve.
//
// Every scheduler has its share of the rate and passes the pool between its jobs. It can't sleep in the pool, which no
// clock would wake: it watches the clock all the time, and is awake when the next job is due, so that the CPU time of
// such a run includes one CPU a scheduler whatever the rate. With idle=sleep it naps while nothing is in flight and the
// next job is far off; what it oversleeps shows as `late`.
//
// Latency counts from when a job was due, also if the scheduler was held up, or all its slots were in use, or the pool
// refused it. One job in `sample_every` is timed. job_queue: from when it was due to the start of invoke; service:
// invoke; ready_queue: from the end of invoke to ready; total: from when it was due to ready; late: from when it was
// due to its submission, which is part of job_queue. One operation is a job completed, and one failed is a job that
// found no slot, or no room in the pool, when it was due.
//
// What is due when the run ends, and was not submitted, is dropped. The record says which rate was due in the window,
// and if the machine could not offer it or the pool did not keep up.
#include <errno.h>

#include "core/workload.h"

#define STAGE_LATE (JOBS_TOTAL + 1)

struct config {
    uint64_t schedulers, workers;
    struct workload_offer_config offer;
    uint64_t slots;
    struct workload_service_config service;
    uint64_t sample_every;
};

struct state {
    struct workload_jobs jobs;
    struct workload_service service;
    struct workload_offer offer;
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
        .workload = state, .slots = (unsigned)config->slots, .timed_every = config->sample_every};
    if (!state || workload_jobs_init(&state->jobs, run, &plan) != 0 ||
        workload_service_init(&state->service, &config->service, run->seed) != 0 ||
        workload_offer_init(&state->offer, &config->offer, run, STAGE_LATE) != 0)
        return fault_set(fault, -ENOMEM, "no memory for %u schedulers with %llu jobs each", run->threads,
                         (unsigned long long)config->slots);
    return 0;
}

static void teardown(struct workload_run *run)
{
    struct state *state = run->state;
    if (state) {
        workload_jobs_fini(&state->jobs);
        workload_service_fini(&state->service);
        workload_offer_fini(&state->offer);
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

static void body(struct workload_thread *self)
{
    struct state *state = self->run->state;
    workload_offer_body(&state->offer, workload_jobs_own(&state->jobs, self), invoke, ready);
}

static void verify(struct workload_run *run, struct workload_verdict *verdict)
{
    const struct state *state = run->state;
    workload_jobs_judge(&state->jobs, verdict);
}

static void report(struct workload_run *run, struct workload_report *report)
{
    const struct state *state = run->state;
    workload_offer_report(&state->offer, report);
}

static const struct param params[] = {
    PARAM_U64(struct config, schedulers, "1", 1, 256, "threads", "Threads that submit, and complete"),
    PARAM_U64(struct config, workers, "1", 0, 1024, "threads",
              "Async threads that run the jobs; 0: whoever submits a job runs it"),
    WORKLOAD_OFFER_PARAMS(struct config, offer, "10k"),
    PARAM_U64(struct config, slots, "4096", 1, 65536, "jobs",
              "Jobs that each of them has in flight at most; what is due beyond that waits, and counts as failed"),
    WORKLOAD_SERVICE_PARAMS(struct config, service, "1us", 1000000000, "Time that each job keeps its worker busy"),
    PARAM_U64(struct config, sample_every, "1", 0, 1 << 20, "jobs", "One job in so many is timed; 0: none"),
    PARAM_END,
};

const struct workload_ops open_loop_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "open_loop",
    .summary = "jobs come at a given rate, however slow the pool is",
    .source =
        "requests of independent clients; latency from the intended start, against coordinated omission (G. Tene)",
    .subject = WORKLOAD_ON_POOL,
    .operation = "job completed",
    .checks = "every job invoked once, then completed once, on a thread on which the pool may",
    .stages = {"job_queue", "service", "ready_queue", "total", "late"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .report = report,
    .teardown = teardown,
};
