// SPDX-License-Identifier: Apache-2.0
// Completions beside process work: every scheduler always has processes to run, as in a runtime under load, and looks
// after the pool between them. It runs processes for `work_ns`, tops its window of jobs up, makes one pass, and so
// on; it never sleeps. The more completions a pass runs, the sooner jobs come home, and the longer processes wait: a
// pool's limit of completions a pass is what decides, and is to be varied.
//
// The work keeps the scheduler busy by the clock; or it visits the lines of a working set of its own one after the
// other, in random order, reading and writing each. How many of them take `work_ns` is measured before the warm-up,
// while nothing else runs; what jobs and completions then throw out of the caches is work lost as much as the time
// that passes take. Threads that share a processor take from the work too.
//
// The note says which share of their time in the window the schedulers had for work: work done, at the time that it
// takes undisturbed, by time passed.
//
// Latency: one job in `sample_every` is timed. job_queue: from before submit to the start of invoke; service: invoke,
// as long as core/workload_service.h says; ready_queue: from the end of invoke to ready; total; pass: each pass,
// which keeps processes waiting so long; work: each turn of the processes, work_ns if nothing disturbs it. One
// operation is a job completed.
#include <errno.h>
#include <stdio.h>

#include "workloads/own_window.h"

// Jobs submitted between two passes.
#define BURST 64u
// Work between two ticks.
#define STEP_NS 20000.0
// Lines visited at a time to see how long that takes, and how often.
#define PROBE_LINES 8192u
#define PROBES 16u
#define STAGE_PASS (JOBS_TOTAL + 1)
#define STAGE_WORK (JOBS_TOTAL + 2)

struct config {
    uint64_t schedulers, workers;
    uint64_t window;
    struct workload_service_config service;
    uint64_t work_ns;
    uint64_t working_set_bytes;
    uint64_t sample_every;
};

// Of the working set: a random cycle through all of them.
struct line {
    struct line *next;
    uint64_t visits;
} __attribute__((aligned(64)));

// A scheduler's processes. Work is counted in units: lines visited, or ticks of the clock without a working set.
struct processes {
    struct line *lines;
    uint64_t line_count;
    struct line *at;
    double unit_ns;             // one unit takes, undisturbed
    uint64_t turn_units;        // in a turn
    uint64_t step_units, units; // between two ticks; done so far
    struct own_window window;   // in it
} ALIGNED_LINE;

struct state {
    const struct config *config;
    struct workload_jobs jobs;
    struct workload_service service;
    struct processes *processes;
};

static int resolve(const void *argument, struct workload_demand *demand, struct fault *fault)
{
    const struct config *config = argument;
    *demand = (struct workload_demand){.roles = {{.name = "scheduler", .threads = (unsigned)config->schedulers}},
                                       .workers = (unsigned)config->workers};
    return workload_service_check(&config->service, fault);
}

// One cycle, whatever is drawn: each line is put where one before it stood (Sattolo's way to shuffle).
static void link_lines(struct processes *processes, struct workload_random *random)
{
    struct line *lines = processes->lines;
    for (uint64_t i = 0; i < processes->line_count; i++)
        lines[i].next = &lines[i];
    for (uint64_t i = processes->line_count - 1; i > 0; i--) {
        const uint64_t other = workload_random_below(random, i);
        struct line *next = lines[i].next;
        lines[i].next = lines[other].next;
        lines[other].next = next;
    }
    processes->at = lines;
}

static int make_processes(struct state *state, unsigned scheduler, uint64_t seed)
{
    struct processes *processes = &state->processes[scheduler];
    struct workload_random random;
    processes->line_count = state->config->working_set_bytes / sizeof *processes->lines;
    if (processes->line_count == 0)
        return 0;
    processes->lines = workload_alloc(processes->line_count * sizeof *processes->lines);
    if (!processes->lines)
        return -ENOMEM;
    workload_random_init(&random, seed, scheduler);
    link_lines(processes, &random);
    return 0;
}

static int make_state(struct state *state, const struct workload_run *run)
{
    const struct config *config = state->config;
    const struct jobs_plan plan = {
        .workload = state,
        .slots = (unsigned)config->window,
        .timed_every = config->sample_every,
    };
    state->processes = workload_alloc(config->schedulers * sizeof *state->processes);
    int result = state->processes ? workload_jobs_init(&state->jobs, run, &plan) : -ENOMEM;
    if (!result)
        result = workload_service_init(&state->service, &config->service, run->seed);
    for (unsigned i = 0; i < config->schedulers && !result; i++)
        result = make_processes(state, i, run->seed);
    return result;
}

static int setup(struct workload_run *run, struct fault *fault)
{
    struct state *state = run->state = workload_alloc(sizeof *state);
    int result = -ENOMEM;
    if (state) {
        state->config = run->config;
        result = make_state(state, run);
    }
    return result ? fault_set(fault, result, "no memory for the jobs and working sets of %u threads", run->threads) : 0;
}

static void teardown(struct workload_run *run)
{
    struct state *state = run->state;
    if (!state)
        return;
    for (unsigned i = 0; state->processes && i < state->config->schedulers; i++)
        free(state->processes[i].lines);
    free(state->processes);
    workload_service_fini(&state->service);
    workload_jobs_fini(&state->jobs);
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

static void visit(struct processes *processes, uint64_t lines)
{
    struct line *at = processes->at;
    for (; lines; lines--) {
        at->visits++;
        at = at->next;
    }
    processes->at = at;
}

// The least of some measurements, for others only add to it. The first visits bring the lines near.
static double line_ns(struct processes *processes)
{
    const uint64_t lines = processes->line_count < PROBE_LINES ? processes->line_count : PROBE_LINES;
    uint64_t least = UINT64_MAX;
    visit(processes, processes->line_count);
    for (unsigned i = 0; i < PROBES; i++) {
        const uint64_t start = clock_ticks();
        visit(processes, lines);
        const uint64_t ticks = clock_ticks() - start;
        least = ticks < least ? ticks : least;
    }
    return clock_ns(least) / (double)lines;
}

static uint64_t at_least_one(double units)
{
    return units < 1 ? 1 : (uint64_t)units;
}

static void measure_work(struct processes *processes, const struct config *config)
{
    processes->unit_ns = processes->lines ? line_ns(processes) : clock_ns(1);
    processes->turn_units = at_least_one((double)config->work_ns / processes->unit_ns);
    processes->step_units = at_least_one(STEP_NS / processes->unit_ns);
}

// One turn of the processes, unless the run ends meanwhile.
static enum workload_phase work(struct workload_thread *self, struct processes *processes,
                                const struct job_owner *owner)
{
    const uint64_t start = clock_ticks();
    enum workload_phase phase = PHASE_WARMUP;
    for (uint64_t left = processes->turn_units, step; left && phase != PHASE_STOP; left -= step) {
        step = left < processes->step_units ? left : processes->step_units;
        if (processes->lines)
            visit(processes, step);
        else
            clock_spin(step);
        processes->units += step;
        phase = own_window_tick(&processes->window, self, owner->completed, processes->units);
    }
    workload_record(self, STAGE_WORK, clock_ticks() - start);
    return phase;
}

static void pass(struct workload_thread *self, struct job_owner *owner)
{
    const uint64_t start = clock_ticks();
    workload_jobs_pass(owner);
    workload_record(self, STAGE_PASS, clock_ticks() - start);
}

static void body(struct workload_thread *self)
{
    struct state *state = self->run->state;
    struct processes *processes = &state->processes[self->index];
    struct job_owner *owner = workload_jobs_own(&state->jobs, self);
    measure_work(processes, state->config);
    while (work(self, processes, owner) != PHASE_STOP) {
        workload_jobs_top_up(owner, BURST, invoke, ready);
        pass(self, owner);
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

static void report(struct workload_run *run, struct workload_report *report)
{
    const struct state *state = run->state;
    double ns_per_s = 0;
    for (unsigned i = 0; i < state->config->schedulers; i++)
        ns_per_s += own_window_rate(&state->processes[i].window) * state->processes[i].unit_ns;
    report->work_share = ns_per_s / 1e9 / (double)state->config->schedulers;
    snprintf(report->note, sizeof report->note, "the schedulers had %.1f %% of their time for process work",
             100 * report->work_share);
}

static const struct param params[] = {
    PARAM_U64(struct config, schedulers, "1", 1, 256, "threads", "Threads that submit, and always have other work"),
    PARAM_U64(struct config, workers, "1", 1, 1024, "threads", "Async threads that run the jobs"),
    PARAM_U64(struct config, window, "256", 1, 65536, "jobs",
              "Jobs that each scheduler keeps in flight, submitting at most 64 between two passes"),
    WORKLOAD_SERVICE_PARAMS(struct config, service, "0", 1000000000, "Time that each job keeps its worker busy"),
    PARAM_NS(struct config, work_ns, "100us", 100, 100000000,
             "Process work between two passes, as long as it takes undisturbed"),
    PARAM_U64(struct config, working_set_bytes, "0", 0, 1 << 26, "bytes",
              "Memory that the processes of a scheduler go through; 0: they only take time"),
    PARAM_U64(struct config, sample_every, "16", 0, 1 << 20, "jobs", "One job in so many is timed; 0: none"),
    PARAM_END,
};

const struct workload_ops scheduler_busy_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "scheduler_busy",
    .summary = "schedulers with process work at all times, and a window of jobs in flight",
    .source = "a runtime under load, whose schedulers run processes and look after finished jobs in between",
    .subject = WORKLOAD_ON_POOL,
    .operation = "job completed",
    .checks = "every job invoked once, then completed once, on a thread on which the pool may",
    .stages = {"job_queue", "service", "ready_queue", "total", "pass", "work"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .report = report,
    .teardown = teardown,
};
