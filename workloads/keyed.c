// SPDX-License-Identifier: Apache-2.0
// Jobs of many keys, one of which is slow: what order costs the others. Jobs of one key must run one after the other,
// so a pool sends all of them to one worker; whatever else that worker has to do waits behind the slow ones, though
// other workers are idle (head-of-line blocking). With keyed=no the same jobs, of the same length and at the same
// times, go in without their keys, and the pool may run each wherever it likes: round robin, from one queue that all
// workers share, or where the queue is shorter of two. The difference is the price of order.
//
// The load is open (core/workload_offer.h): in a closed one the slow key would soon hold all that is in flight, and
// hold up the submitter in place of the others. A job's key is a function of the seed and its number, so both cases
// have the same keys (keyed_spread.h).
//
// Latency counts from when a job was due, as in open_loop, and one in `sample_every` is timed. job_queue, service,
// ready_queue and total are of the jobs of all keys but the slow one: what these wait is the question. slow_total:
// total of the slow key's. late: from when any job was due to its submission. One operation is a job completed.
#include "workloads/keyed_spread.h"

#define STAGE_SLOW_TOTAL (JOBS_TOTAL + 1)
#define STAGE_LATE (JOBS_TOTAL + 2)
#define SKEW_UNIT 100.0

enum shape { SHAPE_UNIFORM, SHAPE_ZIPF };

static const char *const shape_names[] = {"uniform", "zipf", NULL};

struct config {
    uint64_t schedulers, workers;
    struct workload_offer_config offer;
    uint64_t slots;
    uint64_t keyed, keys;
    uint64_t spread, skew_percent;
    uint64_t slow_per_mille, slow_ns;
    struct workload_service_config service;
    uint64_t sample_every;
};

struct state {
    struct workload_jobs jobs;
    struct workload_service service;
    struct workload_offer offer;
    struct spread spread;
    uint64_t slow_ticks;
};

static int resolve(const void *argument, struct workload_demand *demand, struct fault *fault)
{
    const struct config *config = argument;
    *demand = (struct workload_demand){.roles = {{.name = "scheduler", .threads = (unsigned)config->schedulers}},
                                       .workers = (unsigned)config->workers,
                                       .needs_keys = config->keyed};
    return workload_service_check(&config->service, fault);
}

// Of job `sequence` of that owner.
static unsigned key_of(const struct job_owner *owner, uint64_t sequence)
{
    const struct state *state = owner->workload;
    return spread_key(&state->spread, owner->number, sequence);
}

static bool is_slow(const struct job_slot *slot)
{
    const struct state *state = slot->owner->workload;
    return key_of(slot->owner, slot->sequence) == state->spread.keys;
}

static void record(struct workload_thread *self, const struct job_slot *slot)
{
    if (!is_slow(slot))
        workload_jobs_record(self, slot);
    else if (slot->ready_ticks > slot->submitted_ticks)
        workload_record(self, STAGE_SLOW_TOTAL, slot->ready_ticks - slot->submitted_ticks);
}

static int init_state(struct state *state, const struct config *config, const struct workload_run *run)
{
    const struct jobs_plan plan = {
        .workload = state,
        .slots = (unsigned)config->slots,
        .keys = config->keyed ? (unsigned)config->keys + 1 : 0,
        .timed_every = config->sample_every,
        .record = record,
        .key_of = key_of,
    };
    const double skew = config->spread == SHAPE_ZIPF ? (double)config->skew_percent / SKEW_UNIT : 0;
    state->slow_ticks = clock_ticks_in((double)config->slow_ns);
    int error = workload_jobs_init(&state->jobs, run, &plan);
    if (!error)
        error = spread_init(&state->spread, (unsigned)config->keys, skew, config->slow_per_mille, run->seed);
    if (!error)
        error = workload_service_init(&state->service, &config->service, run->seed);
    return error ? error : workload_offer_init(&state->offer, &config->offer, run, STAGE_LATE);
}

static int setup(struct workload_run *run, struct fault *fault)
{
    const struct config *config = run->config;
    struct state *state = run->state = workload_alloc(sizeof *state);
    if (!state || init_state(state, config, run) != 0)
        return fault_set(fault, -ENOMEM, "no memory for %u schedulers with %llu jobs of %llu keys each", run->threads,
                         (unsigned long long)config->slots, (unsigned long long)config->keys);
    return 0;
}

static void teardown(struct workload_run *run)
{
    struct state *state = run->state;
    if (state) {
        workload_jobs_fini(&state->jobs);
        workload_service_fini(&state->service);
        workload_offer_fini(&state->offer);
        spread_fini(&state->spread);
    }
    free(state);
    run->state = NULL;
}

static void invoke(void *data)
{
    struct job_slot *slot = data;
    const struct state *state = slot->owner->workload;
    workload_jobs_invoked(slot);
    workload_jobs_serve(slot, is_slow(slot)
                                  ? state->slow_ticks
                                  : workload_service_ticks(&state->service, slot->owner->number, slot->sequence));
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
    PARAM_U64(struct config, workers, "2", 0, 1024, "threads",
              "Async threads that run the jobs; 0: whoever submits a job runs it"),
    WORKLOAD_OFFER_PARAMS(struct config, offer, "10k"),
    PARAM_U64(struct config, slots, "4096", 1, 65536, "jobs",
              "Jobs that each of them has in flight at most; what is due beyond that waits, and counts as failed"),
    PARAM_BOOL(struct config, keyed, "yes",
               "Jobs are submitted with their keys, whose order is checked; no: without, so that nothing orders them"),
    PARAM_U64(struct config, keys, "64", 1, 4096, "keys", "Keys of each scheduler, beside the slow one"),
    PARAM_CHOICE(struct config, spread, "uniform", shape_names,
                 "How jobs are spread over the keys: evenly, or by Zipf's law"),
    PARAM_U64(struct config, skew_percent, "99", 1, 1000, "%",
              "Exponent of Zipf's law in hundredths: the k-th key gets a share proportional to k^-(skew/100)"),
    PARAM_U64(struct config, slow_per_mille, "10", 0, 1000, "jobs",
              "Jobs in a thousand that belong to one slow key of each scheduler; 0: there is none"),
    PARAM_NS(struct config, slow_ns, "1ms", 0, 1000000000, "Time that a job of the slow key keeps its worker busy"),
    WORKLOAD_SERVICE_PARAMS(struct config, service, "5us", 1000000000,
                            "Time that a job of any other key keeps its worker busy"),
    PARAM_U64(struct config, sample_every, "1", 0, 1 << 20, "jobs", "One job in so many is timed; 0: none"),
    PARAM_END,
};

const struct workload_ops keyed_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "keyed",
    .summary = "jobs of many keys, one of them slow, with the order of keys or without",
    .source = "a runtime's files or ports, whose calls keep their order; head-of-line blocking behind a slow one",
    .subject = WORKLOAD_ON_POOL,
    .operation = "job completed",
    .checks = "every job invoked once, then completed once, on a thread on which the pool may; order of each key",
    .stages = {"job_queue", "service", "ready_queue", "total", "slow_total", "late"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .report = report,
    .teardown = teardown,
};
