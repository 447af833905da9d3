// SPDX-License-Identifier: Apache-2.0
#include "core/pool/pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/machine/memory.h"
#include "core/measure/accounting.h"
#include "core/pool/scheduler.h"
#include "core/pool/submit.h"
#include "core/pool/worker.h"
#include "core/sync/elements.h"
#include "core/sync/thread.h"

// What the originals count a thread's stack in: 1024 words of 8 bytes.
#define KILOWORD_BYTES 8192u

struct job *pool_alloc_job(struct pool *pool)
{
    return pool->allocator->alloc(pool->allocator, sizeof(struct job), _Alignof(struct job), -1);
}

void pool_free_job(struct pool *pool, struct job *job)
{
    pool->allocator->free(pool->allocator, job, sizeof *job, -1);
}

int pool_enter(struct pool *pool)
{
    at_add_rlx(&pool->leaving, 1);
    at_add_sc(&pool->attached, 1, AT(pool_entered, stop_attached));
    if (!at_load_sc(&pool->closing, AT(pool_enter_look, stop_close)))
        return 0;
    pool_leave(pool);
    return -ESHUTDOWN;
}

void pool_leave(struct pool *pool)
{
    at_sub_sc(&pool->attached, 1, AT(pool_left, stop_attached));
    event_set(&pool->event);
    at_sub_rel(&pool->leaving, 1, AT(pool_last_touch, stop_left));
}

unsigned pool_check_in(struct pool *pool)
{
    const unsigned before = at_add_sc(&pool->checked_in, 1, AT(worker_ready, start_count));
    event_set(&pool->event);
    return before + 1;
}

static int worker_fault(struct worker *worker, struct fault *fault)
{
    const int pin = at_load_rlx(&worker->thread.pin_result);
    if (worker->error)
        return fault_set(fault, worker->error, "worker %u of %u is not ready: %s", worker->index + 1,
                         worker->pool->worker_count,
                         worker->fault.text[0] ? worker->fault.text : strerror(-worker->error));
    if (pin)
        return fault_set(fault, pin, "worker %u of %u cannot be pinned to processor %d: %s", worker->index + 1,
                         worker->pool->worker_count, worker->thread.cpu, strerror(-pin));
    return 0;
}

static int start_worker(struct worker *worker, struct fault *fault)
{
    struct pool *pool = worker->pool;
    char name[16];
    snprintf(name, sizeof name, "async_%u", worker->index + 1);
    const struct thread_options options = {
        .name = pool->config.thread_names ? name : NULL,
        .stack_bytes = (size_t)pool->config.stack_kilowords * KILOWORD_BYTES,
        .topology = pool->setup.topology,
        .cpu = pool->setup.worker_cpus ? pool->setup.worker_cpus[worker->index] : -1,
    };
    const int error = thread_start(&worker->thread, &options, worker_main, worker);
    if (error)
        return fault_set(fault, error, "worker %u of %u cannot be started: %s", worker->index + 1, pool->worker_count,
                         fault_no_thread(error));
    return 0;
}

static int start_workers(struct pool *pool, struct fault *fault)
{
    int error = 0;
    unsigned started = 0;
    at_init(&pool->workers_alive, pool->worker_count);
    while (started < pool->worker_count && !error) {
        error = start_worker(&pool->workers[started], fault);
        started += !error;
    }
    for (;;) {
        event_reset(&pool->event);
        if (at_load_sc(&pool->checked_in, AT(start_count, worker_ready)) == started)
            break;
        event_wait(&pool->event, 0);
    }
    for (unsigned i = 0; i < started && !error; i++)
        error = worker_fault(&pool->workers[i], fault);
    return error;
}

int pool_create(struct pool **made, const struct pool_setup *setup, const struct erts_pool_config *config,
                const struct pool_extras *extras, struct fault *fault)
{
    struct pool *pool;
    int error = pool_build(&pool, setup, config, extras, fault);
    if (!error && !extras->threadless) {
        error = start_workers(pool, fault);
        if (error) {
            pool_end_workers(pool);
            pool_release(pool);
        }
    }
    if (error)
        return fault_set(fault, error, "the pool cannot be started: %s", strerror(-error));
    *made = pool;
    return 0;
}

static void count_submitter(struct submitter *submitter, struct pool_statistics *statistics)
{
    const uint64_t ran = at_load_rlx(&submitter->ran);
    statistics->submitted += at_load_rlx(&submitter->submitted);
    statistics->refused += at_load_rlx(&submitter->refused);
    statistics->invoked += ran;
    statistics->completed += ran;
}

void pool_statistics(struct pool *pool, struct pool_statistics *statistics)
{
    *statistics = (struct pool_statistics){.batches = pool_has_ready(pool) ? 0 : UINT64_MAX, .retries = UINT64_MAX};
    for (unsigned i = 0; i < pool->worker_count; i++) {
        struct worker *worker = &pool->workers[i];
        statistics->invoked += at_load_rlx(&worker->invoked);
        statistics->parks += at_load_rlx(&worker->parks);
        statistics->wakes += at_load_rlx(&worker->event.wakes) + at_load_rlx(&worker->room.wakes);
        count_submitter(&worker->submitter, statistics);
    }
    for (unsigned i = 0; i < pool->scheduler_count; i++) {
        struct scheduler *scheduler = &pool->schedulers[i];
        statistics->completed += at_load_rlx(&scheduler->ready.completed);
        statistics->parks += at_load_rlx(&scheduler->parks);
        statistics->wakes += at_load_rlx(&scheduler->event.wakes);
        statistics->completed += at_load_rlx(&scheduler->completed_elsewhere);
        if (pool_has_ready(pool))
            statistics->batches += at_load_rlx(&scheduler->ready.batches);
        count_submitter(&scheduler->submitter, statistics);
    }
    for (unsigned i = 0; i < pool->external_count; i++)
        count_submitter(&pool->externals[i], statistics);
    statistics->unrun = pool->unrun;
}

// What is not known of one is not known of all.
static void add_known(uint64_t *sum, uint64_t value)
{
    *sum = *sum == UINT64_MAX || value == QUEUE_UNCOUNTED ? UINT64_MAX : *sum + value;
}

// A worker that never ran has not made its queue.
static void add_retries(uint64_t *sum, struct queue *queue)
{
    struct queue_statistics counted;
    if (!queue->memory)
        return;
    queue_statistics(queue, &counted);
    add_known(sum, counted.retries);
}

uint64_t pool_retries(struct pool *pool)
{
    uint64_t sum = pool->worker_count ? 0 : UINT64_MAX;
    for (unsigned i = 0; i < pool->job_queue_count; i++)
        add_retries(&sum, pool->workers[i].source);
    for (unsigned i = 0; pool_has_ready(pool) && i < pool->scheduler_count; i++)
        add_retries(&sum, &pool->schedulers[i].ready.queue);
    return sum;
}

void pool_lengths(struct pool *pool, struct pool_lengths *lengths)
{
    *lengths = (struct pool_lengths){0};
    for (unsigned i = 0; i < pool->job_queue_count; i++)
        add_known(&lengths->jobs, queue_length(pool->workers[i].source));
    for (unsigned i = 0; pool_has_ready(pool) && i < pool->scheduler_count; i++)
        add_known(&lengths->ready, queue_length(&pool->schedulers[i].ready.queue));
    if (pool->elements)
        lengths->elements = elements_outstanding(pool->elements);
}

unsigned pool_accounts(struct pool *pool, struct pool_account *accounts, unsigned count)
{
    _Static_assert(ACCOUNT_STATES == POOL_ACCOUNT_STATES, "the contract has a place for each state");
    const unsigned threads = pool->accounts ? pool->worker_count + pool->scheduler_count : 0;
    unsigned filled = 0;
    for (unsigned i = 0; i < threads && filled < count; i++) {
        struct account_reading reading;
        struct account *account = &pool->accounts[i];
        if (!account_read(account, &reading))
            continue;
        struct pool_account *to = &accounts[filled++];
        *to = (struct pool_account){.kind = account->kind, .number = account->number};
        for (unsigned state = 0; state < ACCOUNT_STATES; state++)
            to->ns[state] = (uint64_t)clock_ns(reading.ticks[state]);
    }
    return filled;
}

struct queue *pool_ready_queue(struct pool *pool, unsigned scheduler)
{
    if (!pool_has_ready(pool) || scheduler >= pool->scheduler_count)
        return NULL;
    return &pool->schedulers[scheduler].ready.queue;
}
