// SPDX-License-Identifier: Apache-2.0
// The pool of the originals, as its own parts see it; its users see core/pool.h. One block of memory holds it:
// this header, the workers, the schedulers and the external submitters, each on lines of its own.
//
// Lifetime: created by main, then the workers (each makes its own job queue, unless they share one, and checks in),
// then the schedulers attach. stop (stop.c) closes submission, waits until nobody is inside submit, lets the workers
// drain and the schedulers consume, and frees it all when the last has left.
//
// Without workers there are no queues, no elements and no thread progress: a job runs inside submit.
#ifndef READYQ_POOL_POOL_H
#define READYQ_POOL_POOL_H

#include <stdint.h>

#include "core/pool.h"
#include "core/pool/config.h"
#include "core/pool/port.h"
#include "core/pool/sleepers.h"
#include "core/queue_client.h"
#include "core/sync/atomic.h"
#include "core/sync/event.h"

struct account;
struct allocator;
struct elements;
struct progress;
struct scheduler;
struct submitter;
struct worker;

// What the contract has no word for. All zero: as the contract has it.
struct pool_extras {
    struct allocator *allocator; // NULL: memory_system
    bool threadless;             // starts no workers: the caller opens, steps and closes them itself
};

struct pool {
    struct pool_setup setup;
    struct erts_pool_config config;
    struct allocator *allocator;
    size_t bytes;
    struct queue_env env; // of all its queues, but for whom to notify
    unsigned worker_count, scheduler_count, external_count;
    unsigned job_queue_count; // as many as there are workers, or the shared one
    bool has_ready;           // jobs come home through ready queues
    bool prepares;            // and who submits allocates their element
    uint64_t fill_ticks;      // routing=fill
    uint64_t reply_ticks;     // 0: a batch goes home as a whole
    bool paced;               // workers tell how long their jobs take
    bool by_load;             // jobs without a key are routed by the workers' load, which is counted
    bool bare_jobs;           // jobs of the contract belong to no port
    bool threadless;          // as in pool_extras
    struct worker *workers;
    struct scheduler *schedulers;
    struct submitter *externals;
    struct queue_client *clients; // of all producers, handed out to them
    struct progress *progress;    // NULL: without SMP, or without workers
    struct elements *elements;    // NULL: the queues use none
    struct account *accounts;     // of the workers, then of the schedulers; NULL: none are kept
    struct port_table ports;
    _Atomic uint32_t closing;       // submit is refused
    _Atomic uint32_t workers_ended; // nothing more comes home

    _Atomic unsigned long last_id ALIGNED_LINE;

    struct event event ALIGNED_LINE; // main waits for the others
    _Atomic uint32_t checked_in;     // workers that are ready, or failed
    _Atomic uint32_t workers_alive;
    _Atomic uint32_t attached; // schedulers and externals
    _Atomic uint32_t leaving;  // of those, still touching the pool
    _Atomic uint32_t externals_attached;
    _Atomic uint32_t home_left;          // the scheduler that externals' jobs come home to has left
    _Atomic uint32_t scheduler_accounts; // opened so far
    uint64_t unrun;                      // jobs that an exit flush left behind

    struct queue shared ALIGNED_LINE;      // the workers' job queue under POOL_ROUTING_SHARED
    struct sleepers sleepers ALIGNED_LINE; // in front of it
};

// The driver of default ports: runs the job's own `ready`.
extern const struct driver pool_driver;

// Ports through the contract.
extern const struct pool_port_ops erts_port_ops;

// Whether all workers take their jobs from one queue.
static inline bool pool_shares_jobs(const struct pool *pool)
{
    return pool->config.routing == POOL_ROUTING_SHARED && pool->worker_count > 0;
}

// Whether jobs come home through ready queues.
static inline bool pool_has_ready(const struct pool *pool)
{
    return pool->has_ready;
}

// As pool_ops.check (build.c).
int pool_check(const struct pool_setup *setup, const struct erts_pool_config *config, struct fault *fault);

// 0 and *pool with its workers ready, or a negative errno and a sentence. By main.
int pool_create(struct pool **pool, const struct pool_setup *setup, const struct erts_pool_config *config,
                const struct pool_extras *extras, struct fault *fault);

// The two halves without threads (build.c). pool_release gives back whatever there is, and returns the number of
// elements that never came back.
int pool_build(struct pool **pool, const struct pool_setup *setup, const struct erts_pool_config *config,
               const struct pool_extras *extras, struct fault *fault);
uint64_t pool_release(struct pool *pool);

// As pool_ops.stop; not from a callback. A caller that is attached itself is detached on the way. With
// POOL_STOP_POISON each worker is ended by a job without a port, as in the originals; POOL_STOP_FLUSH does the same
// and leaves uncompleted what comes home no more (their exit flush), and counts it.
int pool_stop(struct pool *pool, struct pool_statistics *statistics, struct fault *fault);

// As pool_ops.statistics, lengths and accounts.
void pool_statistics(struct pool *pool, struct pool_statistics *statistics);
void pool_lengths(struct pool *pool, struct pool_lengths *lengths);
unsigned pool_accounts(struct pool *pool, struct pool_account *accounts, unsigned count);

// Attempts of all its queues that failed and were repeated; UINT64_MAX: not known. When no thread is inside any more.
uint64_t pool_retries(struct pool *pool);

// The ready queue of scheduler `scheduler`, from 0; NULL: there is none to poll. Any thread.
struct queue *pool_ready_queue(struct pool *pool, unsigned scheduler);

// Ends all workers whose threads run, by their flags. For a start that failed.
void pool_end_workers(struct pool *pool);

// Every thread that attaches calls pool_enter first (0, or -ESHUTDOWN) and pool_leave last, after which the pool
// may be gone.
int pool_enter(struct pool *pool);
void pool_leave(struct pool *pool);

// By each worker, once. Returns how many have checked in, itself included.
unsigned pool_check_in(struct pool *pool);

// With `cargo` empty, and nothing else set; NULL: no memory.
struct job *pool_alloc_job(struct pool *pool);
void pool_free_job(struct pool *pool, struct job *job);

// NUMA node of the processor that thread `index` is pinned to by `cpus` (may be NULL); negative: unknown.
int pool_node(const struct pool *pool, const int *cpus, unsigned index);

// Counts one. The counter has one writer.
static inline void pool_count(_Atomic uint64_t *counter)
{
    at_store_rlx(counter, at_load_rlx(counter) + 1);
}

#endif
