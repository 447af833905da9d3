// SPDX-License-Identifier: Apache-2.0
// Real computation on real data: each job packs one block of a file with zlib, or unpacks one that was packed before.
// Every scheduler keeps `window` jobs in flight. This is what the manual of drivers tells their authors to use the pool
// for: work that would hold up a scheduler for too long.
//
// The file is read into memory, and its blocks are packed once, before anything is measured. Without another choice
// it is the program's own: machine code, tables and strings, there on every machine, but not the same in every build.
// Jobs take blocks at random. Each has a zlib stream of its own, made beforehand and reset for each block, as an open
// port of such a driver has; so the workers' caches hold many streams, not one each.
//
// Every result must be as long as it was the first time, and one in `verify_every` is checked byte by byte: what was
// packed is unpacked and compared with the block. The submitter does that, after the job; it is part of no latency, but
// keeps it busy.
//
// Latency: one job in `sample_every` is timed. job_queue: from before submit to the start of zlib's call; service: the
// call; ready_queue: from its end to ready; total. One operation is a job completed. Bytes are counted unpacked.
#include "workloads/deflate_input.h"
#include "workloads/own_window.h"

// Jobs submitted between two passes.
#define BURST 64u
// Of the streams and results of all jobs together, and what a stream takes, about.
#define MEMORY_MOST (UINT64_C(1) << 30)
#define STREAM_BYTES (UINT64_C(272) << 10)

enum operation { OPERATION_DEFLATE, OPERATION_INFLATE };

static const char *const operation_names[] = {"deflate", "inflate", NULL};

struct config {
    const char *file;
    uint64_t schedulers, workers;
    uint64_t window;
    uint64_t operation;
    uint64_t input_bytes, block_bytes;
    uint64_t level;
    uint64_t verify_every;
    uint64_t sample_every;
};

// A job's part of its slot.
struct task {
    struct packer packer;
    uint64_t block;
    bool done;
};

// A scheduler's.
struct bench {
    struct task *tasks;
    struct packer checker; // unpacks
    char failure[200];     // the first, as a sentence
    struct own_window window;
} ALIGNED_LINE;

struct state {
    const struct config *config;
    uint64_t seed;
    struct workload_jobs jobs;
    struct deflate_input input;
    struct bench *benches;
};

static int resolve(const void *argument, struct workload_demand *demand, struct fault *fault)
{
    const struct config *config = argument;
    const uint64_t jobs = config->schedulers * config->window;
    if (config->input_bytes < config->block_bytes)
        return fault_set(
            fault, -EINVAL,
            "deflate: input_bytes must be at least a block of %llu, not %llu; raise it, or lower block_bytes",
            (unsigned long long)config->block_bytes, (unsigned long long)config->input_bytes);
    if (jobs * (STREAM_BYTES + config->block_bytes) > MEMORY_MOST)
        return fault_set(
            fault, -EINVAL,
            "deflate: the streams of %llu jobs with blocks of %llu bytes take more than 1 GiB; lower window "
            "or schedulers",
            (unsigned long long)jobs, (unsigned long long)config->block_bytes);
    *demand = (struct workload_demand){.roles = {{.name = "scheduler", .threads = (unsigned)config->schedulers}},
                                       .workers = (unsigned)config->workers};
    return 0;
}

static struct bench *bench_of(const struct job_slot *slot)
{
    const struct state *state = slot->owner->workload;
    return &state->benches[slot->owner - state->jobs.owners];
}

static struct task *task_of(const struct job_slot *slot)
{
    return &bench_of(slot)->tasks[slot - slot->owner->slots];
}

static bool is_whole(const struct state *state, struct bench *bench, const struct task *task)
{
    const struct deflate_input *input = &state->input;
    const struct packer *result = &task->packer;
    if (result->packs) {
        packer_run(&bench->checker, result->made, result->size);
        result = &bench->checker;
    }
    return result->size == input->block_bytes &&
           memcmp(result->made, block_at(input, task->block), input->block_bytes) == 0;
}

static void check(const struct state *state, struct bench *bench, const struct task *task, bool fully)
{
    const size_t size = task->packer.packs ? state->input.packed[task->block].size : state->input.block_bytes;
    const char *verb = operation_names[state->config->operation];
    if (bench->failure[0])
        return;
    if (task->packer.size != size)
        snprintf(bench->failure, sizeof bench->failure, "%s of block %llu gave %zu bytes where it must give %zu", verb,
                 (unsigned long long)task->block, task->packer.size, size);
    else if (fully && !is_whole(state, bench, task))
        snprintf(bench->failure, sizeof bench->failure, "%s of block %llu gave other bytes than it must", verb,
                 (unsigned long long)task->block);
}

// A job that was never invoked is the pool's fault, and counted as such.
static void came_home(struct job_slot *slot)
{
    const struct state *state = slot->owner->workload;
    const uint64_t every = state->config->verify_every;
    struct bench *bench = bench_of(slot);
    struct task *task = task_of(slot);
    if (!task->done)
        return;
    task->done = false;
    check(state, bench, task, every && slot->sequence % every == 0);
    if (bench->failure[0])
        workload_give_up(slot->owner->self);
}

static int make_bench(const struct state *state, struct bench *bench)
{
    const struct config *config = state->config;
    bench->tasks = workload_alloc(config->window * sizeof *bench->tasks);
    int result = bench->tasks ? packer_init(&bench->checker, false, 0, config->block_bytes) : -ENOMEM;
    for (uint64_t i = 0; i < config->window && !result; i++)
        result = packer_init(&bench->tasks[i].packer, config->operation == OPERATION_DEFLATE, (int)config->level,
                             config->block_bytes);
    return result;
}

static int make_memory(struct state *state, const struct workload_run *run)
{
    const struct config *config = state->config;
    const struct jobs_plan plan = {
        .workload = state,
        .slots = (unsigned)config->window,
        .timed_every = config->sample_every,
        .came_home = came_home,
    };
    state->benches = workload_alloc(config->schedulers * sizeof *state->benches);
    int result = state->benches ? workload_jobs_init(&state->jobs, run, &plan) : -ENOMEM;
    for (unsigned i = 0; i < config->schedulers && !result; i++)
        result = make_bench(state, &state->benches[i]);
    return result;
}

static int setup(struct workload_run *run, struct fault *fault)
{
    const struct config *config = run->config;
    struct state *state = run->state = workload_alloc(sizeof *state);
    int result = -ENOMEM;
    if (state) {
        state->config = config;
        state->seed = run->seed;
        state->input.block_bytes = config->block_bytes;
        result = make_memory(state, run);
    }
    if (result)
        return fault_set(fault, result, "no memory for %u threads with %llu jobs each", run->threads,
                         (unsigned long long)config->window);
    return deflate_input_make(&state->input, config->file, config->input_bytes, (int)config->level, fault);
}

static void free_bench(const struct state *state, struct bench *bench)
{
    for (uint64_t i = 0; bench->tasks && i < state->config->window; i++)
        packer_fini(&bench->tasks[i].packer);
    packer_fini(&bench->checker);
    free(bench->tasks);
}

static void teardown(struct workload_run *run)
{
    struct state *state = run->state;
    if (!state)
        return;
    for (unsigned i = 0; state->benches && i < state->config->schedulers; i++)
        free_bench(state, &state->benches[i]);
    free(state->benches);
    deflate_input_free(&state->input);
    workload_jobs_fini(&state->jobs);
    free(state);
    run->state = NULL;
}

static uint64_t choose_block(const struct state *state, const struct job_slot *slot)
{
    const uint64_t scheduler = (uint64_t)(slot->owner - state->jobs.owners);
    return workload_random_mix(workload_random_mix(state->seed + scheduler) + slot->sequence) % state->input.blocks;
}

static void invoke(void *data)
{
    struct job_slot *slot = data;
    const struct state *state = slot->owner->workload;
    struct task *task = task_of(slot);
    workload_jobs_invoked(slot);
    task->block = choose_block(state, slot);
    const struct packed_block *packed = &state->input.packed[task->block];
    const bool packs = task->packer.packs;
    workload_jobs_start(slot);
    packer_run(&task->packer, packs ? block_at(&state->input, task->block) : packed->bytes,
               packs ? state->input.block_bytes : packed->size);
    workload_jobs_end(slot);
    task->done = true;
}

static void ready(void *slot)
{
    workload_jobs_complete(slot, 0);
}

static void body(struct workload_thread *self)
{
    struct state *state = self->run->state;
    struct own_window *window = &state->benches[self->index].window;
    struct job_owner *owner = workload_jobs_own(&state->jobs, self);
    const unsigned burst = state->config->workers ? BURST : 1;
    unsigned idle = 0;
    while (own_window_tick(window, self, owner->completed, owner->completed) != PHASE_STOP) {
        const unsigned submitted = workload_jobs_top_up(owner, burst, invoke, ready);
        if (submitted == burst && owner->free_count)
            workload_jobs_pass(owner);
        else if (workload_jobs_await(owner) || submitted || workload_jobs_in_flight(owner))
            idle = 0;
        else
            thread_spin_round(idle++);
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
    for (unsigned i = 0; i < state->config->schedulers && !verdict->violated; i++) {
        verdict->violated = state->benches[i].failure[0];
        snprintf(verdict->detail, sizeof verdict->detail, "%s", state->benches[i].failure);
    }
}

static void report(struct workload_run *run, struct workload_report *report)
{
    const struct state *state = run->state;
    double blocks_per_s = 0;
    for (unsigned i = 0; i < state->config->schedulers; i++)
        blocks_per_s += own_window_rate(&state->benches[i].window);
    report->bytes_per_s = blocks_per_s * (double)state->config->block_bytes;
    snprintf(report->note, sizeof report->note, "level %llu packs these blocks of %zu bytes to %.1f %% of their size",
             (unsigned long long)state->config->level, state->input.block_bytes,
             100 * deflate_input_share(&state->input));
}

static const struct param params[] = {
    PARAM_TEXT(struct config, file, "/proc/self/exe",
               "What is packed, its path without comma; /proc/self/exe: the program's own file"),
    PARAM_U64(struct config, schedulers, "1", 1, 256, "threads", "Threads that submit"),
    PARAM_U64(struct config, workers, "2", 0, 1024, "threads",
              "Async threads that run the jobs; 0: whoever submits a job runs it"),
    PARAM_U64(struct config, window, "16", 1, 4096, "jobs", "Jobs that each scheduler keeps in flight"),
    PARAM_CHOICE(struct config, operation, "deflate", operation_names,
                 "What a job does: packs a block, or unpacks one that was packed before"),
    PARAM_U64(struct config, input_bytes, "4M", 64, 256000000, "bytes", "At most so much of the file is taken"),
    PARAM_U64(struct config, block_bytes, "16384", 64, 1 << 20, "bytes",
              "What one job packs, or has when it has unpacked"),
    PARAM_U64(struct config, level, "6", 0, 9, "", "How hard zlib tries: 0 copies, 1 is fastest, 9 packs best"),
    PARAM_U64(struct config, verify_every, "64", 0, 1 << 20, "jobs",
              "The result of one job in so many is checked byte by byte; 0: only its length, of every job"),
    PARAM_U64(struct config, sample_every, "1", 0, 1 << 20, "jobs", "One job in so many is timed; 0: none"),
    PARAM_END,
};

const struct workload_ops deflate_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "deflate",
    .summary = "jobs pack, or unpack, blocks of a real file with zlib",
    .source = "long computations in a linked-in driver, and the runtime's own driver for zlib",
    .subject = WORKLOAD_ON_POOL,
    .operation = "job completed",
    .checks =
        "every job invoked once, then completed once, on a thread on which the pool may; every result of the length "
        "that it must have, some of the very bytes",
    .stages = {"job_queue", "service", "ready_queue", "total"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .report = report,
    .teardown = teardown,
};
