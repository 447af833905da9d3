// SPDX-License-Identifier: Apache-2.0
// The order of steps is the original's, and so are the effects of a failure half-way.
#include "core/pool/submit.h"

#include <errno.h>

#include "core/machine/memory.h"
#include "core/pool/pool.h"
#include "core/pool/port.h"
#include "core/pool/scheduler.h"
#include "core/pool/worker.h"
#include "core/sync/thread.h"

// A job queue that cannot tell whether it has room is asked this often: schedulers never wait in submit.
#define SUBMIT_RETRIES 64u

int submitter_attach(struct submitter *submitter, enum queue_thread_kind kind)
{
    struct pool *pool = submitter->pool;
    int error = 0;
    for (unsigned i = 0; i < pool->worker_count && !error; i++)
        error = queue_client_attach(&submitter->jobs[i], &pool->workers[i].jobs, QUEUE_PRODUCER, kind);
    if (error)
        submitter_detach(submitter);
    else
        at_store_rlx(&submitter->owner, thread_token());
    return error;
}

void submitter_detach(struct submitter *submitter)
{
    struct pool *pool = submitter->pool;
    at_store_rlx(&submitter->owner, NULL);
    for (unsigned i = 0; i < pool->worker_count; i++)
        queue_client_detach(&submitter->jobs[i], &pool->workers[i].jobs);
}

static int enter_external(struct pool *pool, struct submitter *submitter)
{
    at_add_sc(&pool->externals_attached, 1, AT(external_came, home_look));
    int error = 0;
    if (at_load_sc(&pool->home_left, AT(external_look, home_leaves)))
        error = -ESHUTDOWN;
    else if (at_xchg_acq(&submitter->taken, 1, AT(external_take, external_untake, external_free)) != 0)
        error = -EBUSY;
    else if ((error = submitter_attach(submitter, QUEUE_UNMANAGED)) != 0)
        at_store_rel(&submitter->taken, 0, AT(external_untake, external_take));
    return error;
}

static void leave_external(struct pool *pool, struct submitter *submitter)
{
    at_sub_sc(&pool->externals_attached, 1, AT(external_left, home_look));
    scheduler_notify(&pool->schedulers[submitter->home]);
    pool_leave(pool);
}

int pool_attach_external(struct pool *pool, unsigned external)
{
    if (external >= pool->external_count)
        return -EINVAL;
    int error = pool_enter(pool);
    if (error)
        return error;
    error = enter_external(pool, &pool->externals[external]);
    if (error)
        leave_external(pool, &pool->externals[external]);
    return error;
}

void pool_detach_external(struct pool *pool, unsigned external)
{
    struct submitter *submitter = &pool->externals[external];
    submitter_detach(submitter);
    at_store_rel(&submitter->taken, 0, AT(external_free, external_take));
    leave_external(pool, submitter);
}

// Never 0 and never negative, however often the counter has gone round: 1 .. LONG_MAX, then back down to 1. In
// unsigned arithmetic, since the most negative number has no positive counterpart; that one is left out as 0 is.
static long next_id(struct pool *pool)
{
    const unsigned long none = 1ul << (sizeof(long) * 8 - 1);
    unsigned long id;
    do
        id = at_add_rlx(&pool->last_id, 1) + 1;
    while (id == 0 || id == none);
    return (long)(id > none ? 0 - id : id);
}

static unsigned choose_worker(const struct pool *pool, long id, unsigned *key)
{
    if (!key)
        return (unsigned)(id % (long)pool->worker_count);
    *key %= pool->worker_count;
    return *key;
}

static int enqueue(struct submitter *submitter, unsigned number, struct job *job)
{
    int result;
    unsigned round = 0;
    while ((result = queue_enqueue(&submitter->jobs[number], (uintptr_t)job)) == QUEUE_RETRY && round < SUBMIT_RETRIES)
        thread_spin_round(round++);
    if (result == QUEUE_OK)
        queue_notify(&submitter->pool->workers[number].jobs);
    return result <= 0 ? result : -EAGAIN;
}

static void give_back(struct pool *pool, struct queue *ready, struct job *job)
{
    queue_discard(ready, job->cargo.element);
    if (job->driver)
        driver_handle_release(job->driver);
    if (job->data_lock)
        port_data_lock_release(job->data_lock);
    pool_free_job(pool, job);
}

static long submit(struct submitter *submitter, const struct job_call *call, unsigned *key)
{
    struct pool *pool = submitter->pool;
    struct port *port;
    int error = port_held(&pool->ports, call->port, &port);
    if (error)
        return error;
    struct job *job = pool_alloc_job(pool);
    if (!job)
        return -ENOMEM;
    const long id = next_id(pool);
    const unsigned number = choose_worker(pool, id, key);
    job->call = *call;
    job->id = id;
    job->scheduler = submitter->home;
    job->data_lock = port->data_lock;
    if (job->data_lock)
        port_data_lock_retain(job->data_lock);
    job->driver = port->driver->handle;
    if (job->driver)
        driver_handle_retain(job->driver);

    struct queue *ready = &pool->schedulers[submitter->home].ready.queue;
    job->cargo.element = NULL;
    if (pool->config.elements == POOL_ELEMENTS_PREPARED)
        error = queue_prepare(ready, &job->cargo.element);
    if (!error)
        error = enqueue(submitter, number, job); // once it is there, the job is not ours any more
    if (!error) {
        pool_count(&submitter->submitted);
        return id;
    }
    if (error == -EAGAIN)
        pool_count(&submitter->refused);
    give_back(pool, ready, job);
    return error;
}

long pool_async(struct submitter *submitter, const struct job_call *call, unsigned *key)
{
    if (at_load_rlx(&submitter->owner) != thread_token())
        return -EPERM;
    long result = -ESHUTDOWN;
    // Either stop sees this thread inside and waits for it, or this thread sees that the pool is closing.
    at_store_sc(&submitter->inside, 1, AT(submit_enter, stop_look));
    if (!at_load_sc(&submitter->pool->closing, AT(submit_look, stop_close)))
        result = submit(submitter, call, key);
    at_store_rel(&submitter->inside, 0, AT(submit_leave, stop_look));
    return result;
}
