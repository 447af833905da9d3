// SPDX-License-Identifier: Apache-2.0
// Sparse jobs: what it costs to wake a pool that sleeps, and to let it sleep. Every `interval_ns` a scheduler submits
// one job, then sleeps inside the pool until it has come home, and then in the kernel until the next is due; nothing
// else happens, so that workers sleep as the pool lets them. The record's CPU times are those of a pool at rest: a pool
// that spins before it sleeps, or instead, shows there, and wakes faster.
//
// A job that takes longer than the interval puts those after it off: at most one of a scheduler is in flight, and
// what it missed is not made up for. Schedulers take turns: their first jobs are evenly spread over the interval. The
// longest sleep is cut into pieces, so that the run can end in time; where intervals are longer than a piece, these
// wake-ups of the scheduler are among the voluntary switches.
//
// Latency: every job is timed. wake: from before submit to the start of invoke, on a worker that slept; service:
// invoke, long enough for the scheduler to have gone to sleep; ready: from the end of invoke to ready, on a scheduler
// that slept; total: from before submit to ready; and late: how much later than it asked for the kernel woke the
// scheduler for its next job, without a pool, by a timer: what a wake-up costs on this machine at that moment. One
// operation is a job completed.
#include <errno.h>
#include <sys/prctl.h>
#include <time.h>

#include "core/workload.h"

#define NS_PER_S UINT64_C(1000000000)
// By how much the kernel may put a wake-up off to save power; 50 us if nobody says otherwise.
#define SLACK_NS 1ul
// The longest sleep without a tick, as the run's own between two looks at its threads.
#define SLEEP_NS 20000000u
#define STAGE_LATE (JOBS_TOTAL + 1)

struct config {
    uint64_t schedulers, workers;
    uint64_t interval_ns;
    struct workload_service_config service;
};

struct state {
    const struct config *config;
    struct workload_jobs jobs;
    struct workload_service service;
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
    const struct jobs_plan plan = {.workload = state, .slots = 1, .timed_every = 1};
    if (!state || workload_jobs_init(&state->jobs, run, &plan) != 0 ||
        workload_service_init(&state->service, &config->service, run->seed) != 0)
        return fault_set(fault, -ENOMEM, "no memory for %u threads of workload idle_wake", run->threads);
    state->config = config;
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

static void sleep_until(uint64_t ns)
{
    const struct timespec time = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) {}
}

// Sleeps until a job is due, which is in the future or now. Returns the phase at its end.
static enum workload_phase rest(struct workload_thread *self, const struct job_owner *owner, uint64_t due_ns)
{
    enum workload_phase phase = workload_tick(self, owner->completed);
    for (uint64_t now = clock_system_ns(); now < due_ns && phase != PHASE_STOP; now = clock_system_ns()) {
        sleep_until(due_ns - now > SLEEP_NS ? now + SLEEP_NS : due_ns);
        phase = workload_tick(self, owner->completed);
    }
    return phase;
}

static void record_late(struct workload_thread *self, uint64_t due_ns)
{
    const uint64_t now = clock_system_ns();
    workload_record(self, STAGE_LATE, clock_ticks_in(now > due_ns ? (double)(now - due_ns) : 0));
}

// One job, from its submission until it is home. A pool without room for it, which it cannot be for long, is asked
// again.
static void run_job(struct workload_thread *self, struct job_owner *owner)
{
    for (unsigned idle = 0; !workload_jobs_top_up(owner, 1, invoke, ready); idle++) {
        if (workload_tick(self, owner->completed) == PHASE_STOP)
            return;
        workload_jobs_pass(owner);
        thread_spin_round(idle);
    }
    while (workload_jobs_in_flight(owner)) {
        workload_jobs_await(owner);
        workload_tick(self, owner->completed);
    }
}

// The first time after now that is a whole number of intervals after the time before.
static uint64_t next_due(uint64_t due_ns, uint64_t interval_ns)
{
    const uint64_t now = clock_system_ns();
    const uint64_t passed = now > due_ns ? now - due_ns : 0;
    return due_ns + (passed / interval_ns + 1) * interval_ns;
}

static void body(struct workload_thread *self)
{
    struct state *state = self->run->state;
    const struct config *config = state->config;
    struct job_owner *owner = workload_jobs_own(&state->jobs, self);
    prctl(PR_SET_TIMERSLACK, SLACK_NS, 0ul, 0ul, 0ul);
    uint64_t due_ns = clock_system_ns() + self->rank * config->interval_ns / config->schedulers;
    while (rest(self, owner, due_ns) != PHASE_STOP) {
        record_late(self, due_ns);
        run_job(self, owner);
        due_ns = next_due(due_ns, config->interval_ns);
    }
}

static void verify(struct workload_run *run, struct workload_verdict *verdict)
{
    const struct state *state = run->state;
    workload_jobs_judge(&state->jobs, verdict);
}

static void report(struct workload_run *run, struct workload_report *report)
{
    const struct config *config = run->config;
    report->offered_ops_per_s = (double)(config->schedulers * NS_PER_S) / (double)config->interval_ns;
}

static const struct param params[] = {
    PARAM_U64(struct config, schedulers, "1", 1, 256, "threads", "Threads that submit"),
    PARAM_U64(struct config, workers, "1", 1, 1024, "threads", "Async threads that sleep until there is a job"),
    PARAM_NS(struct config, interval_ns, "1ms", 1000, 1000000000,
             "Time from one job of a scheduler to its next; shorter than what --stuck allows"),
    WORKLOAD_SERVICE_PARAMS(struct config, service, "20us", 1000000000,
                            "Time that each job keeps its worker busy, while its scheduler goes to sleep"),
    PARAM_END,
};

const struct workload_ops idle_wake_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "idle_wake",
    .summary = "one job now and then, on a pool that sleeps in between",
    .source = "an idle runtime: its threads sleep in the kernel, and each job pays for waking them",
    .subject = WORKLOAD_ON_POOL,
    .operation = "job completed",
    .checks = "every job invoked once, then completed once, on a thread on which the pool may",
    .stages = {"wake", "service", "ready", "total", "late"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .report = report,
    .teardown = teardown,
};
