// SPDX-License-Identifier: Apache-2.0
// The order of steps is the original's, and so are the effects of a failure half-way.
#include "core/pool/submit.h"

#include <errno.h>

#include "core/machine/memory.h"
#include "core/measure/accounting.h"
#include "core/measure/probes.h"
#include "core/pool/complete.h"
#include "core/pool/pool.h"
#include "core/pool/port.h"
#include "core/pool/routing.h"
#include "core/pool/scheduler.h"
#include "core/pool/trace.h"
#include "core/pool/worker.h"
#include "core/sync/thread.h"

// A job queue that cannot tell whether it has room is asked this often: schedulers never wait in submit.
#define SUBMIT_RETRIES 64u

int submitter_attach(struct submitter *submitter, enum queue_thread_kind kind)
{
    struct pool *pool = submitter->pool;
    int error = 0;
    for (unsigned i = 0; i < pool->job_queue_count && !error; i++)
        error = queue_client_attach(&submitter->jobs[i], pool->workers[i].source, QUEUE_PRODUCER, kind);
    if (error)
        submitter_detach(submitter);
    else
        at_store_rlx(&submitter->owner, thread_token());
    return error;
}

static void empty_cache(struct submitter *submitter)
{
    for (struct job *job = submitter->cache, *next; job; job = next) {
        next = job->next;
        pool_free_job(submitter->pool, job);
    }
    submitter->cache = NULL;
    submitter->cached = 0;
}

void submitter_recycle(struct submitter *submitter, struct job *job)
{
    if (submitter->cached >= submitter->pool->config.job_cache) {
        pool_free_job(submitter->pool, job);
        return;
    }
    job->next = submitter->cache;
    submitter->cache = job;
    submitter->cached++;
}

static struct job *take_record(struct submitter *submitter)
{
    struct job *job = submitter->cache;
    if (!job)
        return pool_alloc_job(submitter->pool);
    submitter->cache = job->next;
    submitter->cached--;
    job->cargo.garbage = (struct garbage_chain){NULL, NULL};
    return job;
}

void submitter_detach(struct submitter *submitter)
{
    struct pool *pool = submitter->pool;
    at_store_rlx(&submitter->owner, NULL);
    empty_cache(submitter);
    for (unsigned i = 0; i < pool->job_queue_count; i++)
        queue_client_detach(&submitter->jobs[i], pool->workers[i].source);
}

int submitter_open_port(struct submitter *submitter)
{
    return port_open(&submitter->pool->ports, &pool_driver, NULL, NULL, &submitter->port);
}

void submitter_close_port(struct submitter *submitter)
{
    struct lock_node node;
    struct port_table *ports = &submitter->pool->ports;
    struct port *port = port_acquire(ports, submitter->port, &node);
    if (!port)
        return;
    port_close(ports, port);
    port_release(port, &node);
}

// A worker attaches when it first has need: when it started, the other workers' queues were not all there.
int submitter_here(struct pool *pool, unsigned thread, struct submitter **submitter)
{
    *submitter = submitter_at(pool, thread);
    if (!*submitter)
        return -EPERM;
    struct worker *worker = pool_has_ready(pool) ? NULL : worker_completing();
    if (!worker || worker->pool != pool)
        return 0;
    worker->submitter.home = (*submitter)->home;
    *submitter = &worker->submitter;
    return at_load_rlx(&worker->submitter.owner) ? 0 : submitter_attach(&worker->submitter, QUEUE_UNMANAGED);
}

static int enter_external(struct pool *pool, struct submitter *submitter)
{
    at_add_sc(&pool->externals_attached, 1, AT(external_came, home_look));
    int error = 0;
    if (at_load_sc(&pool->home_left, AT(external_look, home_leaves, home_abandons)))
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

// By the number of job queues, which is that of the workers, or 1: the first stands for all that share it. Without
// workers there is one place only.
static unsigned choose_worker(struct submitter *submitter, long id, unsigned *key)
{
    const struct pool *pool = submitter->pool;
    if (pool->job_queue_count == 0)
        return key ? (*key = 0) : 0;
    if (!key)
        return pool->by_load ? routing_by_load(submitter, id) : (unsigned)(id % (long)pool->job_queue_count);
    *key %= pool->job_queue_count;
    return *key;
}

// What is told of the job is taken from before: once it is in the queue, it may be freed at any moment.
static int enqueue(struct submitter *submitter, unsigned number, struct job *job)
{
    struct queue *jobs = submitter->pool->workers[number].source;
    const uint64_t port = job->call.port;
    const long id = job->id;
    int result;
    unsigned round = 0;
    trace(submitter->pool, TRACE_ADD, id);
    while ((result = queue_enqueue(&submitter->jobs[number], (uintptr_t)job)) == QUEUE_RETRY && round < SUBMIT_RETRIES)
        thread_spin_round(round++);
    if (result == QUEUE_OK) {
        probe_add(port, id, jobs);
        queue_notify(jobs);
    }
    return result <= 0 ? result : -EAGAIN;
}

// A bare job has no port, and so none.
static void take_references(struct pool *pool, struct job *job, const struct port *port)
{
    job->data_lock = NULL;
    job->driver = NULL;
    if (!port)
        return;
    job->data_lock = port->data_lock;
    if (job->data_lock) {
        port_data_lock_retain(job->data_lock);
        port_table_reference(&pool->ports);
    }
    job->driver = port->driver->handle;
    if (job->driver) {
        driver_handle_retain(job->driver);
        port_table_reference(&pool->ports);
    }
}

// Counted before the job can be completed, and taken back if it was not sent: the scheduler must not leave meanwhile.
static void adopt(struct submitter *submitter, bool adopted)
{
    if (!submitter->adopts)
        return;
    struct scheduler *home = &submitter->pool->schedulers[submitter->home];
    if (adopted)
        at_add_rlx(&home->adopted, 1);
    else
        at_sub_rlx(&home->adopted, 1);
}

// Likewise: a load must not seem less than nothing.
static void assign(struct pool *pool, unsigned number, bool assigned)
{
    if (!pool->by_load)
        return;
    if (assigned)
        at_add_rlx(&pool->workers[number].assigned, 1);
    else
        at_sub_rlx(&pool->workers[number].assigned, 1);
}

static int send(struct submitter *submitter, unsigned number, struct job *job)
{
    struct pool *pool = submitter->pool;
    struct queue *ready = &pool->schedulers[submitter->home].ready.queue;
    void *element = NULL;
    int error = pool->prepares ? queue_prepare(ready, &element) : 0;
    job->cargo.element = element;
    adopt(submitter, true);
    assign(pool, number, true);
    if (!error)
        error = enqueue(submitter, number, job); // once it is there, the job is not ours any more
    if (!error)
        return 0;
    adopt(submitter, false);
    assign(pool, number, false);
    if (element)
        queue_discard(ready, element);
    job_drop(pool, job);
    return error;
}

// Without workers: under the port's lock all the while, with no look-up and no references. Callbacks may submit again.
static long run_here(struct submitter *submitter, struct port *port, struct job *job)
{
    struct pool *pool = submitter->pool;
    pool_count(&submitter->submitted);
    const enum account_state before = account_enter(submitter->account, ACCOUNT_PORT);
    port_enter(port);
    job->call.invoke(job->call.data);
    account_enter(submitter->account, ACCOUNT_READY);
    if (!port_ready(&pool->ports, port, job) && job->call.free) {
        account_enter(submitter->account, ACCOUNT_PORT);
        job->call.free(job->call.data);
    }
    account_enter(submitter->account, before);
    port_leave(&pool->ports, port);
    pool_free_job(pool, job);
    pool_count(&submitter->ran);
    return 0;
}

static long submit(struct submitter *submitter, struct port *port, const struct job_call *call, unsigned *key)
{
    struct pool *pool = submitter->pool;
    if (key && pool_shares_jobs(pool))
        return -EINVAL;
    struct job *job = take_record(submitter);
    if (!job)
        return -ENOMEM;
    const long id = pool->worker_count ? next_id(pool) : 0;
    const unsigned number = choose_worker(submitter, id, key);
    job->call = *call;
    job->id = id;
    job->scheduler = submitter->home;
    if (id == 0)
        return run_here(submitter, port, job);
    take_references(pool, job, port);
    const int error = send(submitter, number, job);
    if (!error)
        pool_count(&submitter->submitted);
    else if (error == -EAGAIN)
        pool_count(&submitter->refused);
    return error ? error : id;
}

// Inside once more is what a callback that submits is, where there are no workers.
static long submit_inside(struct submitter *submitter, struct port *port, const struct job_call *call, unsigned *key)
{
    long result = -ESHUTDOWN;
    const uint32_t depth = at_load_rlx(&submitter->inside);
    // Either stop sees this thread inside and waits for it, or this thread sees that the pool is closing.
    at_store_sc(&submitter->inside, depth + 1, AT(submit_enter, stop_look));
    if (!at_load_sc(&submitter->pool->closing, AT(submit_look, stop_close)))
        result = submit(submitter, port, call, key);
    at_store_rel(&submitter->inside, depth, AT(submit_leave, stop_look));
    return result;
}

long pool_async(struct submitter *submitter, const struct job_call *call, unsigned *key)
{
    struct port *port;
    if (!submitter_is_mine(submitter))
        return -EPERM;
    const int error = port_held(&submitter->pool->ports, call->port, &port);
    return error ? error : submit_inside(submitter, port, call, key);
}

long pool_async_bare(struct submitter *submitter, const struct job_call *call, unsigned *key)
{
    return submitter_is_mine(submitter) ? submit_inside(submitter, NULL, call, key) : -EPERM;
}

long pool_async_locking(struct submitter *submitter, const struct job_call *call, unsigned *key)
{
    struct port_table *ports = &submitter->pool->ports;
    struct lock_node node;
    struct port *port;
    bool inner;
    if (!submitter_is_mine(submitter))
        return -EPERM;
    const int error = port_turn_to(ports, call->port, &node, &port, &inner);
    if (error)
        return error;
    const long result = submit_inside(submitter, port, call, key);
    if (!inner)
        port_release(port, &node);
    return result;
}

unsigned pool_port_key(uint64_t port)
{
    return (unsigned)port;
}

int pool_cancel(struct pool *pool, long id, struct fault *fault)
{
    (void)pool;
    return fault_set(fault, -ENOTSUP,
                     "job %ld cannot be cancelled: once submitted it may be queued, running or on its way home, and "
                     "nothing that cancel returned could tell its owner which; let it run and ignore its result",
                     id);
}
