// SPDX-License-Identifier: Apache-2.0
#include "core/pool/ready.h"

#include "core/measure/accounting.h"
#include "core/measure/probes.h"
#include "core/pool/complete.h"
#include "core/pool/pool.h"
#include "core/pool/trace.h"
#include "core/pool/worker.h"
#include "core/sync/thread.h"

// Items handed to a queue at once.
#define SEND_BATCH 64u

int ready_open(struct ready_queue *ready, struct pool *pool, unsigned number, const struct queue_env *env,
               struct fault *fault)
{
    const int error = queue_open(&ready->queue, pool->setup.ready_queue, env, fault);
    if (error)
        return error;
    ready->pool = pool;
    ready->limit = (unsigned)pool->config.ready_limit;
    const bool flush = pool->config.stop == POOL_STOP_FLUSH;
    lock_init_ranked(&ready->lock, (enum lock_kind)pool->config.ready_lock, LOCK_RANK_READY, number);
    at_init(&ready->crowded, 0);
    at_init(&ready->completed, 0);
    at_init(&ready->batches, 0);
    return flush ? queue_client_reserve(&ready->last, &ready->queue) : 0;
}

void ready_close(struct ready_queue *ready)
{
    if (!ready->pool)
        return;
    while (garbage_free(&ready->garbage, GARBAGE_STEP)) {}
    lock_fini(&ready->lock);
    queue_client_detach(&ready->last, &ready->queue);
    queue_close(&ready->queue);
}

// Port and id are read before: once it is in the queue, the job may be completed and freed at any moment.
static int send(struct ready_queue *ready, struct queue_client *client, const struct worker_job *job)
{
    const bool told = probe_reply_heard();
    const uint64_t port = told ? job->job->call.port : PORT_NONE;
    const long id = told ? job->job->id : 0;
    if (trace_wanted(ready->pool))
        trace(ready->pool, TRACE_REPLY, job->job->id);
    const int result = queue_enqueue_prepared(client, job->element, (uintptr_t)job->job);
    if (result == QUEUE_OK && told)
        probe_reply(port, id, &ready->queue);
    return result;
}

static unsigned send_singly(struct ready_queue *ready, struct queue_client *client, const struct worker_job *jobs,
                            unsigned count, int *result)
{
    unsigned sent = 0;
    do
        *result = send(ready, client, &jobs[sent]);
    while (*result == QUEUE_OK && ++sent < count);
    return sent;
}

// Nothing of a job that has left may be read, and so a batch goes only where nobody asks about single jobs.
static bool goes_as_batch(const struct ready_queue *ready, const struct worker_job *jobs, unsigned count)
{
    return count > 1 && !jobs[0].element && !probe_reply_heard() && !trace_wanted(ready->pool);
}

static unsigned send_batch(struct queue_client *client, const struct worker_job *jobs, unsigned count, int *result)
{
    uintptr_t items[SEND_BATCH];
    unsigned sent = 0;
    do {
        unsigned some = 0;
        for (; some < SEND_BATCH && sent + some < count; some++)
            items[some] = (uintptr_t)jobs[sent + some].job;
        sent += queue_enqueue_batch(client, items, some, result);
    } while (*result == QUEUE_OK && sent < count);
    return sent;
}

unsigned ready_enqueue(struct ready_queue *ready, struct queue_client *client, const struct worker_job *jobs,
                       unsigned count, int *result)
{
    struct lock_node node;
    unsigned sent;
    lock_acquire(&ready->lock, &node);
    sent = goes_as_batch(ready, jobs, count) ? send_batch(client, jobs, count, result)
                                             : send_singly(ready, client, jobs, count, result);
    lock_release(&ready->lock, &node);
    if (sent > 0)
        queue_notify(&ready->queue);
    return sent;
}

void ready_await_room(struct ready_queue *ready, struct worker *worker)
{
    at_store_rlx(&worker->awaited, ready);
    at_xchg_sc(&ready->crowded, 1, AT(room_ask, room_look, room_answer));
}

static void announce_room(struct ready_queue *ready)
{
    if (!at_load_sc(&ready->crowded, AT(room_look, room_ask)))
        return;
    at_xchg_sc(&ready->crowded, 0, AT(room_answer, room_ask));
    struct pool *pool = ready->pool;
    for (unsigned i = 0; i < pool->worker_count; i++)
        if (at_load_rlx(&pool->workers[i].awaited) == ready)
            event_set(&pool->workers[i].room);
}

// The enqueuer may need this processor to get on.
static void back_off(struct ready_queue *ready, bool idle)
{
    if (idle)
        thread_spin_round(ready->retries);
    ready->retries = idle ? ready->retries + 1 : 0;
}

static void complete(struct ready_queue *ready, struct job *job, struct account *account)
{
    struct pool *pool = ready->pool;
    trace(pool, TRACE_READY, job->id);
    probe_ready(job->call.port, job->id, &ready->queue);
    garbage_append(&ready->garbage, &job->cargo.garbage);
    job_complete(pool, job, ready->home, account);
    pool_count(&ready->completed);
}

static void free_garbage(struct ready_queue *ready, struct account *account)
{
    if (!ready->garbage.first)
        return;
    const enum account_state before = account_enter(account, ACCOUNT_CLEAN);
    garbage_free(&ready->garbage, GARBAGE_STEP);
    account_enter(account, before);
}

// The records come from the workers' processors, and so does what the completions work on, most likely.
static void prefetch(const uintptr_t *jobs, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        job_prefetch_write((const struct job *)jobs[i]);
    for (unsigned i = 0; i < count; i++)
        job_prefetch_data((const struct job *)jobs[i]);
}

// Takes up to `most` jobs and completes them all. Returns how many; at fewer, *result says why.
static unsigned complete_some(struct ready_queue *ready, unsigned most, int *result, struct account *account)
{
    uintptr_t jobs[POOL_READY_BATCH_MAX];
    const unsigned count = queue_dequeue_batch(&ready->consumer, jobs, most, result);
    if (count > 1 && ready->pool->config.prefetch)
        prefetch(jobs, count);
    for (unsigned i = 0; i < count; i++)
        complete(ready, (struct job *)jobs[i], account);
    return count;
}

bool ready_check(struct ready_queue *ready, struct account *account)
{
    unsigned completed = 0;
    int result = QUEUE_OK;
    const unsigned batch = (unsigned)ready->pool->config.ready_batch;
    const enum account_state before = account_enter(account, ACCOUNT_CHECK);
    while (completed < ready->limit && result == QUEUE_OK) {
        const unsigned left = ready->limit - completed;
        completed += complete_some(ready, left < batch ? left : batch, &result, account);
    }
    if (completed > 0) {
        pool_count(&ready->batches);
        announce_room(ready);
    }
    back_off(ready, completed == 0 && result == QUEUE_RETRY);
    free_garbage(ready, account);
    account_enter(account, before);
    return result != QUEUE_EMPTY;
}

enum queue_clean_state ready_clean(struct ready_queue *ready, uint64_t *progress)
{
    enum queue_clean_state state = queue_clean(&ready->consumer, progress);
    if (state == QUEUE_NEED_PROGRESS && !ready->pool->progress)
        state = QUEUE_CLEAN;
    return garbage_free(&ready->garbage, GARBAGE_STEP) ? QUEUE_DIRTY : state;
}
