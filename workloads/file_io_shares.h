// SPDX-License-Identifier: Apache-2.0
// What each of file_io's schedulers works on: its blocks, what it knows of them, and what its jobs are to do. For
// file_io.c only.
#pragma once

#include "workloads/file_io_files.h"
#include "workloads/own_window.h"

// Blocks of a scheduler that are read once more in the end.
#define READ_BACK 1024u

enum io_operation { IO_READ, IO_WRITE, IO_MIXED };
enum io_access { IO_RANDOM, IO_SEQUENTIAL };

struct io_config {
    const char *directory;
    uint64_t schedulers, workers;
    uint64_t window;
    uint64_t shared;
    uint64_t file_bytes, block_bytes;
    uint64_t operation;
    uint64_t write_share;
    uint64_t access;
    uint64_t fsync_every;
    uint64_t direct;
    uint64_t sample_every;
};

// What a job is to do.
struct io_task {
    uint64_t block; // among its scheduler's
    bool writes;
    bool syncs;
};

// A job's part of its slot.
struct io_transfer {
    struct io_task task;
    uint64_t *buffer;
    bool done;
    const char *call; // the last that was made
    int error;        // of it: 0 or a negative errno
    uint64_t sync_ticks;
};

// What a scheduler works on. Its own thread's, but for `transfers`, of which a worker has one at a time.
struct io_share {
    const struct io_config *config;
    uint64_t seed;
    uint64_t blocks;
    int file;
    unsigned number;      // of the file
    uint64_t first;       // block of the file that is its first
    uint32_t *generation; // per block: how often it was written
    bool *busy;           // per block
    struct io_transfer *transfers;
    char *buffers;
    struct workload_random random;
    struct io_task next; // drawn, and not yet taken by the pool
    bool is_drawn;
    uint64_t sequential, writes;
    char failure[200]; // the first, as a sentence
    struct own_window window;
} ALIGNED_LINE;

static inline uint64_t io_blocks_of_each(const struct io_config *config)
{
    return config->file_bytes / config->block_bytes / (config->shared ? config->schedulers : 1);
}

static struct io_name name_of(const struct io_share *share, uint64_t block)
{
    return (struct io_name){share->seed, share->number, share->first + block, share->generation[block]};
}

// Fills what the task writes.
static void io_share_fill(const struct io_share *share, const struct io_task *task, uint64_t *words)
{
    struct io_name name = name_of(share, task->block);
    name.generation++;
    io_block_fill(words, share->config->block_bytes, &name);
}

static void io_share_check(struct io_share *share, uint64_t block, const uint64_t *words)
{
    const struct io_name name = name_of(share, block);
    const size_t bytes = share->config->block_bytes;
    if (!io_block_is(words, bytes, &name) && !share->failure[0])
        io_block_explain(words, bytes, &name, share->failure, sizeof share->failure);
}

static void io_share_fail(struct io_share *share, uint64_t block, const char *call, int error)
{
    if (!share->failure[0])
        snprintf(share->failure, sizeof share->failure, "%s of block %llu of file %u failed: %s", call,
                 (unsigned long long)(share->first + block), share->number, strerror(-error));
}

// There is always a block that is not busy: they are as many as the jobs at least.
static uint64_t draw_block(struct io_share *share)
{
    uint64_t block = share->config->access == IO_RANDOM ? workload_random_below(&share->random, share->blocks)
                                                        : share->sequential++ % share->blocks;
    while (share->busy[block])
        block = (block + 1) % share->blocks;
    return block;
}

// Decides what the next job does.
static void io_share_draw(struct io_share *share)
{
    const struct io_config *config = share->config;
    struct io_task *task = &share->next;
    task->block = draw_block(share);
    task->writes = config->operation == IO_WRITE ||
                   (config->operation == IO_MIXED && workload_random_below(&share->random, 100) < config->write_share);
    share->writes += task->writes;
    task->syncs = task->writes && config->fsync_every && share->writes % config->fsync_every == 0;
    share->busy[task->block] = true;
    share->is_drawn = true;
}

// What was written and perhaps never read, evenly over the blocks. No job is under way.
static void io_share_read_back(struct io_share *share)
{
    const size_t bytes = share->config->block_bytes;
    uint64_t *words = share->transfers[0].buffer;
    for (uint64_t i = 0; i < share->blocks && !share->failure[0]; i += share->blocks / READ_BACK + 1) {
        if (share->generation[i] == 0)
            continue;
        const int error = io_move(share->file, false, words, bytes, (share->first + i) * bytes);
        if (error)
            io_share_fail(share, i, "a read", error);
        else
            io_share_check(share, i, words);
    }
}

// 0, or -ENOMEM with something to be freed.
static int io_share_make(struct io_share *share, const struct io_config *config, uint64_t seed, unsigned scheduler)
{
    share->config = config;
    share->seed = seed;
    share->blocks = io_blocks_of_each(config);
    share->number = config->shared ? 0 : scheduler;
    share->first = config->shared ? scheduler * share->blocks : 0;
    share->generation = workload_alloc(share->blocks * sizeof *share->generation);
    share->busy = workload_alloc(share->blocks * sizeof *share->busy);
    share->transfers = workload_alloc(config->window * sizeof *share->transfers);
    share->buffers = io_alloc(config->window * config->block_bytes);
    if (!share->generation || !share->busy || !share->transfers || !share->buffers)
        return -ENOMEM;
    for (uint64_t i = 0; i < config->window; i++)
        share->transfers[i].buffer = (uint64_t *)(share->buffers + i * config->block_bytes);
    workload_random_init(&share->random, seed, scheduler);
    return 0;
}

static void io_share_free(struct io_share *share)
{
    free(share->generation);
    free(share->busy);
    free(share->transfers);
    free(share->buffers);
}
