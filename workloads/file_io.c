// SPDX-License-Identifier: Apache-2.0
// Real file operations, which the original's pool was made for: each job reads or writes one block of a file, on the
// file system of the directory given. Every scheduler keeps `window` jobs in flight.
//
// The files are made before anything is measured: one for each scheduler, or one for all, of which each has its own
// part. They have no names, so that nothing is left behind however the run ends. Only one job at a time is under way
// for a block; which, its submitter says, so that a read must find what was written last: each block holds its name,
// how often it was written, and bytes that follow from these (file_io_blocks.h). The submitter fills what is to be
// written, before the job, and checks what was read, after it; neither is part of any latency, but both keep it busy.
// At the end some blocks that were written are read once more. A call that fails ends the run, which says why.
//
// Without direct=yes the calls go through the page cache: reads find what was just written there, writes are copied,
// and the device sees them at a sync or later. Then this measures the kernel's copying and locks beside the pool;
// with direct=yes, or an fsync after each write, the device.
//
// Latency: one job in `sample_every` is timed. job_queue: from before submit to the start of the call; service: the
// call, and the fsync after it; ready_queue: from its end to ready; total; and fsync: each such call alone. One
// operation is a job completed.
#include "workloads/file_io_shares.h"

// Jobs submitted between two passes, and how many bytes they may fill.
#define BURST 64u
#define BURST_BYTES 65536u
// Of the buffers of all jobs together.
#define BUFFERS_MOST (UINT64_C(1) << 30)
#define STAGE_FSYNC (JOBS_TOTAL + 1)

static const char *const operation_names[] = {"read", "write", "mixed", NULL};
static const char *const access_names[] = {"random", "sequential", NULL};

struct state {
    const struct io_config *config;
    struct workload_jobs jobs;
    int *files;
    unsigned file_count;
    struct io_share *shares;
    unsigned burst;
};

static int resolve(const void *argument, struct workload_demand *demand, struct fault *fault)
{
    const struct io_config *config = argument;
    if (config->block_bytes % IO_BLOCK_LEAST != 0)
        return fault_set(fault, -EINVAL, "file_io: block_bytes must be a multiple of %u, not %llu", IO_BLOCK_LEAST,
                         (unsigned long long)config->block_bytes);
    if (io_blocks_of_each(config) < config->window)
        return fault_set(
            fault, -EINVAL,
            "file_io: file_bytes gives each scheduler %llu blocks, fewer than the %llu jobs of its window; "
            "raise file_bytes, or lower window or block_bytes",
            (unsigned long long)io_blocks_of_each(config), (unsigned long long)config->window);
    if (config->schedulers * config->window * config->block_bytes > BUFFERS_MOST)
        return fault_set(fault, -EINVAL,
                         "file_io: the buffers of %llu jobs of %llu bytes take more than 1 GiB; lower window or "
                         "block_bytes",
                         (unsigned long long)(config->schedulers * config->window),
                         (unsigned long long)config->block_bytes);
    *demand = (struct workload_demand){.roles = {{.name = "scheduler", .threads = (unsigned)config->schedulers}},
                                       .workers = (unsigned)config->workers};
    return 0;
}

static unsigned choose_burst(const struct io_config *config)
{
    if (!config->workers || config->block_bytes >= BURST_BYTES)
        return 1;
    return config->block_bytes * BURST > BURST_BYTES ? (unsigned)(BURST_BYTES / config->block_bytes) : BURST;
}

static struct io_share *share_of(const struct job_slot *slot)
{
    const struct state *state = slot->owner->workload;
    return &state->shares[slot->owner - state->jobs.owners];
}

static struct io_transfer *transfer_of(const struct job_slot *slot)
{
    return &share_of(slot)->transfers[slot - slot->owner->slots];
}

// A job that was never invoked is the pool's fault, and counted as such.
static void came_home(struct job_slot *slot)
{
    struct io_share *share = share_of(slot);
    const struct io_transfer *transfer = transfer_of(slot);
    const struct io_task *task = &transfer->task;
    share->busy[task->block] = false;
    if (!transfer->done)
        return;
    if (transfer->error)
        io_share_fail(share, task->block, transfer->call, transfer->error);
    else if (task->writes)
        share->generation[task->block]++;
    else
        io_share_check(share, task->block, transfer->buffer);
    if (task->syncs)
        workload_record(slot->owner->self, STAGE_FSYNC, transfer->sync_ticks);
    if (share->failure[0])
        workload_give_up(slot->owner->self);
}

static int make_memory(struct state *state, const struct workload_run *run)
{
    const struct io_config *config = state->config;
    const struct jobs_plan plan = {
        .workload = state,
        .slots = (unsigned)config->window,
        .timed_every = config->sample_every,
        .came_home = came_home,
    };
    state->files = workload_alloc(state->file_count * sizeof *state->files);
    state->shares = workload_alloc(config->schedulers * sizeof *state->shares);
    if (!state->files || !state->shares)
        return -ENOMEM;
    for (unsigned i = 0; i < state->file_count; i++)
        state->files[i] = -1;
    int result = workload_jobs_init(&state->jobs, run, &plan);
    for (unsigned i = 0; i < config->schedulers && !result; i++)
        result = io_share_make(&state->shares[i], config, run->seed, i);
    return result;
}

static int make_files(const struct state *state, uint64_t seed, struct fault *fault)
{
    const struct io_config *config = state->config;
    const struct io_files files = {
        .directory = config->directory,
        .count = state->file_count,
        .blocks = io_blocks_of_each(config) * (config->shared ? config->schedulers : 1),
        .block_bytes = config->block_bytes,
        .direct = config->direct,
        .seed = seed,
    };
    const int result = io_files_make(&files, state->files, fault);
    for (unsigned i = 0; i < config->schedulers && !result; i++)
        state->shares[i].file = state->files[state->shares[i].number];
    return result;
}

static int setup(struct workload_run *run, struct fault *fault)
{
    const struct io_config *config = run->config;
    if (!config->directory[0])
        return fault_set(fault, -EINVAL,
                         "file_io: directory is missing; give one on the file system that is to be measured, as in "
                         "file_io:directory=results");
    struct state *state = run->state = workload_alloc(sizeof *state);
    int result = -ENOMEM;
    if (state) {
        state->config = config;
        state->file_count = config->shared ? 1 : (unsigned)config->schedulers;
        state->burst = choose_burst(config);
        result = make_memory(state, run);
    }
    if (result)
        return fault_set(fault, result, "no memory for %u threads with %llu jobs each", run->threads,
                         (unsigned long long)config->window);
    return make_files(state, run->seed, fault);
}

static void teardown(struct workload_run *run)
{
    struct state *state = run->state;
    if (!state)
        return;
    for (unsigned i = 0; state->shares && i < state->config->schedulers; i++)
        io_share_free(&state->shares[i]);
    if (state->files)
        io_files_close(state->files, state->file_count);
    free(state->files);
    free(state->shares);
    workload_jobs_fini(&state->jobs);
    free(state);
    run->state = NULL;
}

static void call(const struct io_share *share, struct io_transfer *transfer, size_t bytes)
{
    const struct io_task *task = &transfer->task;
    transfer->call = task->writes ? "a write" : "a read";
    transfer->error = io_move(share->file, task->writes, transfer->buffer, bytes, (share->first + task->block) * bytes);
    if (!task->syncs || transfer->error)
        return;
    const uint64_t start = clock_ticks();
    transfer->call = "the fsync after a write";
    transfer->error = io_sync(share->file);
    transfer->sync_ticks = clock_ticks() - start;
}

static void invoke(void *data)
{
    struct job_slot *slot = data;
    const struct state *state = slot->owner->workload;
    struct io_transfer *transfer = transfer_of(slot);
    workload_jobs_invoked(slot);
    workload_jobs_start(slot);
    call(share_of(slot), transfer, state->config->block_bytes);
    workload_jobs_end(slot);
    transfer->done = true;
}

static void ready(void *slot)
{
    workload_jobs_complete(slot, 0);
}

// What the pool refuses is the next to be tried again, so that the same seed draws the same tasks.
static bool submit(struct io_share *share, struct job_owner *owner)
{
    if (!share->is_drawn)
        io_share_draw(share);
    struct io_transfer *transfer = transfer_of(owner->free[owner->free_count - 1]);
    transfer->task = share->next;
    transfer->done = false;
    if (share->next.writes)
        io_share_fill(share, &share->next, transfer->buffer);
    share->is_drawn = workload_jobs_submit(owner, invoke, ready) < 0;
    owner->self->failed += share->is_drawn;
    return !share->is_drawn;
}

static unsigned top_up(const struct state *state, struct io_share *share, struct job_owner *owner)
{
    unsigned submitted = 0;
    while (owner->free_count && submitted < state->burst && submit(share, owner))
        submitted++;
    return submitted;
}

static void body(struct workload_thread *self)
{
    struct state *state = self->run->state;
    struct io_share *share = &state->shares[self->index];
    struct job_owner *owner = workload_jobs_own(&state->jobs, self);
    unsigned idle = 0;
    while (own_window_tick(&share->window, self, owner->completed, owner->completed) != PHASE_STOP) {
        const unsigned submitted = top_up(state, share, owner);
        if (submitted == state->burst && owner->free_count)
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
        io_share_read_back(&state->shares[i]);
        verdict->violated = state->shares[i].failure[0];
        snprintf(verdict->detail, sizeof verdict->detail, "%s", state->shares[i].failure);
    }
}

// Every call reaches the device before it counts.
static bool is_synced(const struct io_config *config)
{
    return config->operation == IO_WRITE && config->fsync_every == 1;
}

static void report(struct workload_run *run, struct workload_report *report)
{
    const struct state *state = run->state;
    double blocks_per_s = 0;
    for (unsigned i = 0; i < state->config->schedulers; i++)
        blocks_per_s += own_window_rate(&state->shares[i].window);
    report->bytes_per_s = blocks_per_s * (double)state->config->block_bytes;
    if (!state->config->direct && !is_synced(state->config))
        snprintf(report->note, sizeof report->note, "the calls went through the page cache, not always to the device");
}

static const struct param params[] = {
    PARAM_TEXT(struct io_config, directory, "",
               "Where the files are made: one that is there and can be written, its path without comma; required"),
    PARAM_U64(struct io_config, schedulers, "1", 1, 256, "threads", "Threads that submit"),
    PARAM_U64(struct io_config, workers, "2", 0, 1024, "threads",
              "Async threads that make the calls; 0: whoever submits a job makes its call"),
    PARAM_U64(struct io_config, window, "32", 1, 4096, "jobs", "Jobs that each scheduler keeps in flight"),
    PARAM_BOOL(struct io_config, shared, "no",
               "All schedulers work on one file, each on a part of its own; no: each on a file of its own"),
    PARAM_U64(struct io_config, file_bytes, "16M", IO_BLOCK_LEAST, 1000000000000, "bytes", "Size of each file"),
    PARAM_U64(struct io_config, block_bytes, "4096", IO_BLOCK_LEAST, 1 << 20, "bytes",
              "What one job reads or writes: a multiple of 512"),
    PARAM_CHOICE(struct io_config, operation, "mixed", operation_names, "What the jobs do"),
    PARAM_U64(struct io_config, write_share, "30", 0, 100, "%", "Of mixed operations: how many are writes"),
    PARAM_CHOICE(struct io_config, access, "random", access_names, "Which block is next"),
    PARAM_U64(struct io_config, fsync_every, "0", 0, 1000000000, "writes",
              "After so many writes of a scheduler, the job of the last one syncs its file to the device; 0: never"),
    PARAM_BOOL(struct io_config, direct, "no",
               "The calls pass the page cache by (O_DIRECT); no: reads are of what the kernel keeps in memory"),
    PARAM_U64(struct io_config, sample_every, "1", 0, 1 << 20, "jobs", "One job in so many is timed; 0: none"),
    PARAM_END,
};

const struct workload_ops file_io_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "file_io",
    .summary = "jobs read, write and sync blocks of real files in a directory given",
    .source = "the file driver of the original's runtime, whose calls its pool was made for",
    .subject = WORKLOAD_ON_POOL,
    .operation = "job completed",
    .checks =
        "every job invoked once, then completed once, on a thread on which the pool may; every read finds what was "
        "written last; no call fails",
    .stages = {"job_queue", "service", "ready_queue", "total", "fsync"},
    .params = params,
    .config_size = sizeof(struct io_config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .report = report,
    .teardown = teardown,
};
