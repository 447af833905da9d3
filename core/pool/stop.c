// SPDX-License-Identifier: Apache-2.0
// The end of a pool. Nothing is lost on the way: jobs submitted before the stop finish, those after it are refused,
// also to a thread that was about to submit.
//
// The originals stop with a job without a port for each worker, which is the last in its queue, and then only join
// the workers: completions that have not run never do, and nothing is freed, since the process ends. The options
// poison and flush do the same, but with a record of its own for each queue (theirs was one for all, partly not
// initialised, and written by all workers at once), with everything freed, and with a count of what was left.
#include <errno.h>
#include <inttypes.h>

#include "core/measure/probes.h"
#include "core/pool/complete.h"
#include "core/pool/pool.h"
#include "core/pool/scheduler.h"
#include "core/pool/submit.h"
#include "core/pool/trace.h"
#include "core/pool/worker.h"
#include "core/sync/thread.h"

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
    for (unsigned i = 0; i < pool->worker_count; i++)
        await_outside(&pool->workers[i].submitter);
}

// A thread that stops the pool goes on consuming what comes home to it: a worker may be waiting for room there.
static void pass_mine(struct pool *pool)
{
    for (unsigned i = 0; i < pool->scheduler_count; i++)
        if (submitter_is_mine(&pool->schedulers[i].submitter))
            scheduler_pass(&pool->schedulers[i]);
}

// False: there was no room.
static bool send_poison(struct worker *worker, struct queue_client *client)
{
    const int result = queue_enqueue(client, (uintptr_t)&worker->poison);
    if (result == QUEUE_FULL || result == QUEUE_RETRY)
        return false;
    if (result != QUEUE_OK) {
        worker_drain(worker); // no memory for an element: it is told by its flag
        return true;
    }
    probe_add(PORT_NONE, 0, &worker->jobs);
    queue_notify(&worker->jobs);
    return true;
}

static void poison(struct pool *pool, struct worker *worker)
{
    struct queue_client client;
    if (!worker->jobs.memory)
        return;
    if (queue_client_attach(&client, &worker->jobs, QUEUE_PRODUCER, QUEUE_UNMANAGED) != 0) {
        worker_drain(worker);
        return;
    }
    trace(pool, TRACE_ADD, 0);
    for (unsigned round = 0; !send_poison(worker, &client); round++) {
        pass_mine(pool);
        thread_spin_round(round);
    }
    queue_client_detach(&client, &worker->jobs);
}

static void order_end(struct pool *pool)
{
    for (unsigned i = 0; i < pool->worker_count; i++) {
        if (pool->config.stop == POOL_STOP_DRAIN)
            worker_drain(&pool->workers[i]);
        else
            poison(pool, &pool->workers[i]);
    }
}

static void join_workers(struct pool *pool)
{
    for (unsigned i = 0; i < pool->worker_count; i++)
        thread_join(&pool->workers[i].thread);
}

void pool_end_workers(struct pool *pool)
{
    for (unsigned i = 0; i < pool->worker_count; i++)
        worker_drain(&pool->workers[i]);
    join_workers(pool);
}

// The thread that stops the pool may be one of those that stop waits for.
static void leave_myself(struct pool *pool)
{
    for (unsigned i = 0; i < pool->external_count; i++)
        if (submitter_is_mine(&pool->externals[i]))
            pool_detach_external(pool, i);
    for (unsigned i = pool->scheduler_count; i-- > 0;)
        if (submitter_is_mine(&pool->schedulers[i].submitter))
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

// What came home to a scheduler that had left. Its driver and data lock are let go; no callback runs.
static int discard_unrun(struct pool *pool, struct ready_queue *ready)
{
    int error = queue_client_attach_reserved(&ready->last, &ready->queue, QUEUE_CONSUMER, QUEUE_UNMANAGED);
    if (error)
        return error;
    uintptr_t item;
    while (queue_dequeue(&ready->last, &item) == QUEUE_OK) {
        struct job *job = (struct job *)item;
        while (garbage_free(&job->cargo.garbage, GARBAGE_STEP)) {}
        job_drop(pool, job);
        pool->unrun++;
    }
    return 0;
}

static int discard_all_unrun(struct pool *pool)
{
    int error = 0;
    if (pool->config.stop != POOL_STOP_FLUSH || !pool_has_ready(pool))
        return 0;
    for (unsigned i = 0; i < pool->scheduler_count && !error; i++)
        error = discard_unrun(pool, &pool->schedulers[i].ready);
    return error;
}

static int judge(const struct pool_statistics *final, uint64_t outstanding, struct fault *fault)
{
    if (final->submitted != final->invoked || final->submitted != final->completed + final->unrun)
        return fault_set(fault, -EIO,
                         "the pool lost jobs: %" PRIu64 " were submitted, %" PRIu64 " invoked, %" PRIu64
                         " completed and %" PRIu64 " left behind",
                         final->submitted, final->invoked, final->completed, final->unrun);
    if (outstanding > 0)
        return fault_set(fault, -EIO, "the pool's queues kept %" PRIu64 " elements that they had taken", outstanding);
    return 0;
}

int pool_stop(struct pool *pool, struct pool_statistics *statistics, struct fault *fault)
{
    close_submission(pool);
    order_end(pool);
    leave_myself(pool);
    join_workers(pool);
    await_departures(pool);
    const int error = discard_all_unrun(pool);

    struct pool_statistics final;
    pool_statistics(pool, &final);
    final.retries = pool_retries(pool);
    const uint64_t outstanding = pool_release(pool);
    if (statistics)
        *statistics = final;
    if (error)
        return fault_set(fault, error, "what was left behind in the ready queues cannot be looked at");
    return judge(&final, outstanding, fault);
}
