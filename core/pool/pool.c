// SPDX-License-Identifier: Apache-2.0
#include "core/pool/pool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/machine/memory.h"
#include "core/pool/scheduler.h"
#include "core/pool/submit.h"
#include "core/pool/worker.h"
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

void pool_check_in(struct pool *pool)
{
    at_add_sc(&pool->checked_in, 1, AT(worker_ready, start_count));
    event_set(&pool->event);
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
        .name = name,
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

static void end_workers(struct pool *pool)
{
    for (unsigned i = 0; i < pool->worker_count; i++)
        worker_drain(&pool->workers[i]);
    for (unsigned i = 0; i < pool->worker_count; i++)
        thread_join(&pool->workers[i].thread);
}

int pool_create(struct pool **made, const struct pool_setup *setup, const struct erts_pool_config *config,
                const struct pool_extras *extras, struct fault *fault)
{
    struct pool *pool;
    int error = pool_build(&pool, setup, config, extras, fault);
    if (!error && !extras->threadless) {
        error = start_workers(pool, fault);
        if (error) {
            end_workers(pool);
            pool_release(pool);
        }
    }
    if (error)
        return fault_set(fault, error, "the pool cannot be started: %s", strerror(-error));
    *made = pool;
    return 0;
}

static void await_outside(struct submitter *submitter)
{
    SPIN_UNTIL(!at_load_sc(&submitter->inside, AT(stop_look, submit_enter, submit_leave)));
}

// From here on submit answers -ESHUTDOWN, and nobody who missed that is still inside.
static void close_submission(struct pool *pool)
{
    at_store_sc(&pool->closing, 1, AT(stop_close, submit_look, pool_enter_look));
    for (unsigned i = 0; i < pool->scheduler_count; i++) {
        await_outside(&pool->schedulers[i].submitter);
        scheduler_notify(&pool->schedulers[i]);
    }
    for (unsigned i = 0; i < pool->external_count; i++)
        await_outside(&pool->externals[i]);
}

// The thread that stops the pool may be one of those that stop waits for.
static void leave_myself(struct pool *pool)
{
    for (unsigned i = 0; i < pool->external_count; i++)
        if (at_load_rlx(&pool->externals[i].owner) == thread_token())
            pool_detach_external(pool, i);
    for (unsigned i = pool->scheduler_count; i-- > 0;)
        if (at_load_rlx(&pool->schedulers[i].submitter.owner) == thread_token())
            scheduler_detach(&pool->schedulers[i]);
}

static void await_departures(struct pool *pool)
{
    for (;;) {
        event_reset(&pool->event);
        if (at_load_sc(&pool->attached, AT(stop_attached, pool_entered, pool_left)) == 0)
            break;
        event_wait(&pool->event, 0);
    }
    SPIN_UNTIL(at_load_acq(&pool->leaving, AT(stop_left, pool_last_touch)) == 0);
}

void pool_statistics(struct pool *pool, struct pool_statistics *statistics)
{
    *statistics = (struct pool_statistics){0};
    for (unsigned i = 0; i < pool->worker_count; i++) {
        struct worker *worker = &pool->workers[i];
        statistics->invoked += at_load_rlx(&worker->invoked);
        statistics->parks += at_load_rlx(&worker->parks);
        statistics->wakes += at_load_rlx(&worker->event.wakes) + at_load_rlx(&worker->room.wakes);
    }
    for (unsigned i = 0; i < pool->scheduler_count; i++) {
        struct scheduler *scheduler = &pool->schedulers[i];
        statistics->completed += at_load_rlx(&scheduler->ready.completed);
        statistics->parks += at_load_rlx(&scheduler->parks);
        statistics->wakes += at_load_rlx(&scheduler->event.wakes);
        statistics->submitted += at_load_rlx(&scheduler->submitter.submitted);
        statistics->refused += at_load_rlx(&scheduler->submitter.refused);
    }
    for (unsigned i = 0; i < pool->external_count; i++) {
        statistics->submitted += at_load_rlx(&pool->externals[i].submitted);
        statistics->refused += at_load_rlx(&pool->externals[i].refused);
    }
}

int pool_stop(struct pool *pool, struct pool_statistics *statistics, struct fault *fault)
{
    close_submission(pool);
    for (unsigned i = 0; i < pool->worker_count; i++)
        worker_drain(&pool->workers[i]);
    leave_myself(pool);
    end_workers(pool);
    await_departures(pool);

    struct pool_statistics final;
    pool_statistics(pool, &final);
    const uint64_t outstanding = pool_release(pool);
    if (statistics)
        *statistics = final;
    if (final.submitted != final.invoked || final.submitted != final.completed)
        return fault_set(fault, -EIO,
                         "the pool lost jobs: %" PRIu64 " were submitted, %" PRIu64 " invoked and %" PRIu64
                         " completed",
                         final.submitted, final.invoked, final.completed);
    if (outstanding > 0)
        return fault_set(fault, -EIO, "the pool's queues kept %" PRIu64 " elements that they had taken", outstanding);
    return 0;
}
