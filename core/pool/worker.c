// SPDX-License-Identifier: Apache-2.0
#include "core/pool/worker.h"

#include <errno.h>

#include "core/pool/pool.h"
#include "core/pool/scheduler.h"
#include "core/sync/elements.h"

static void wake(void *argument)
{
    struct worker *self = argument;
    event_set(&self->event);
}

static int open_jobs(struct worker *self)
{
    struct pool *pool = self->pool;
    struct queue_env env = pool->env;
    env.notify = wake;
    env.notify_argument = self;
    env.producers_max = pool->scheduler_count + pool->external_count;
    env.consumers_max = 1;
    env.node = pool_node(pool, pool->setup.worker_cpus, self->index);
    int error = queue_open(&self->jobs, pool->setup.job_queue, &env, &self->fault);
    if (error)
        return error;
    const struct queue_ops *ops = self->jobs.ops;
    if (pool->config.freeing == POOL_FREEING_DEFERRED && ops->defer_garbage)
        ops->defer_garbage(self->jobs.memory, true);
    return queue_client_attach(&self->consumer, &self->jobs, QUEUE_CONSUMER, QUEUE_UNMANAGED);
}

static int attach_elements(struct worker *self)
{
    struct pool *pool = self->pool;
    if (!pool->elements || pool->config.elements != POOL_ELEMENTS_WORKER)
        return 0;
    const int node = pool_node(pool, pool->setup.worker_cpus, self->index);
    const int error = elements_attach(pool->elements, ELEMENTS_PER_THREAD, node);
    self->caches_elements = error == 0;
    return error == -EBUSY ? 0 : error;
}

int worker_open(struct worker *self)
{
    struct pool *pool = self->pool;
    self->progress = progress_register_unmanaged(pool->progress, wake, self);
    if (!self->progress)
        return -EAGAIN;
    int error = attach_elements(self);
    if (!error)
        error = open_jobs(self);
    for (unsigned i = 0; i < pool->scheduler_count && !error; i++)
        error = queue_client_attach(&self->ready[i], &pool->schedulers[i].ready.queue, QUEUE_PRODUCER, QUEUE_UNMANAGED);
    return error;
}

void worker_close(struct worker *self)
{
    struct pool *pool = self->pool;
    while (garbage_free(&self->saved, GARBAGE_STEP)) {}
    for (unsigned i = 0; i < pool->scheduler_count; i++)
        queue_client_detach(&self->ready[i], &pool->schedulers[i].ready.queue);
    queue_client_detach(&self->consumer, &self->jobs);
    if (self->caches_elements)
        elements_detach(pool->elements);
    if (self->progress)
        progress_unregister(self->progress);
    self->progress = NULL;
}

void worker_drain(struct worker *self)
{
    at_store_sc(&self->draining, 1, AT(drain_order, drain_look));
    event_set(&self->event);
}

// Sends the finished job home. The record is the scheduler's as soon as it is in the ready queue.
static enum worker_next reply(struct worker *self)
{
    struct job *job = self->done;
    struct ready_queue *home = &self->pool->schedulers[job->scheduler].ready;
    struct queue_client *client = &self->ready[job->scheduler];
    int result = ready_enqueue(home, client, self->done_element, job);
    if (result == QUEUE_FULL) {
        event_reset(&self->room);
        ready_await_room(home, self);
        result = ready_enqueue(home, client, self->done_element, job);
        if (result == QUEUE_FULL)
            return WORKER_NO_ROOM;
    }
    if (result != QUEUE_OK)
        return WORKER_RETRY;
    self->done = NULL;
    if (at_load_rlx(&self->awaited))
        at_store_rlx(&self->awaited, NULL);
    return WORKER_RAN;
}

static enum worker_next run(struct worker *self, struct job *job)
{
    if (job->call.port == PORT_NONE)
        return WORKER_STOP;
    // Taken out before the chain is written over it.
    self->done_element = job->cargo.element;
    job->cargo.garbage = (struct garbage_chain){NULL, NULL};
    queue_take_garbage(&self->consumer, &job->cargo.garbage);
    garbage_append(&job->cargo.garbage, &self->saved);
    job->call.invoke(job->call.data);
    pool_count(&self->invoked);
    self->done = job;
    return reply(self);
}

// With nothing to dequeue and nothing to clean at once. The event is reset before the look at the order to stop,
// and that before the look at the queue: what comes later sets the event again.
static enum worker_next rest(struct worker *self)
{
    event_reset(&self->event);
    const bool draining = at_load_sc(&self->draining, AT(drain_look, drain_order));
    for (;;) {
        uint64_t progress;
        queue_take_garbage(&self->consumer, &self->saved);
        switch (queue_inspect(&self->consumer, true, &progress)) {
        case QUEUE_DIRTY:
            return WORKER_AGAIN;
        case QUEUE_NEED_PROGRESS:
            // What was saved is kept: a job may come before the progress does, and carry it home.
            progress_request_wakeup(self->progress, progress);
            return WORKER_SLEEP;
        case QUEUE_CLEAN:
            if (!garbage_free(&self->saved, GARBAGE_STEP))
                return draining ? WORKER_STOP : WORKER_SLEEP;
        }
    }
}

enum worker_next worker_step(struct worker *self)
{
    if (self->done)
        return reply(self);
    uintptr_t item;
    const int result = queue_dequeue(&self->consumer, &item);
    if (result == QUEUE_OK)
        return run(self, (struct job *)item);
    if (result == QUEUE_RETRY)
        return WORKER_RETRY;
    uint64_t progress;
    if (queue_clean(&self->consumer, &progress) == QUEUE_DIRTY)
        return WORKER_AGAIN;
    return rest(self);
}

static void sleep_on(struct worker *self, struct event *event)
{
    event_wait(event, self->pool->config.worker_spin_ns);
    at_store_rlx(&self->parks, self->event.parks + self->room.parks);
}

static void loop(struct worker *self)
{
    unsigned retries = 0;
    for (;;) {
        const enum worker_next next = worker_step(self);
        if (next == WORKER_STOP)
            return;
        if (next == WORKER_SLEEP)
            sleep_on(self, &self->event);
        else if (next == WORKER_NO_ROOM)
            sleep_on(self, &self->room);
        else if (next == WORKER_RETRY)
            thread_spin_round(retries);
        retries = next == WORKER_RETRY ? retries + 1 : 0;
    }
}

// The last worker tells the schedulers that nothing more will come home.
static void depart(struct pool *pool)
{
    if (at_sub_ar(&pool->workers_alive, 1, AT(worker_departs, worker_departs)) != 1)
        return;
    at_store_sc(&pool->workers_ended, 1, AT(workers_end, workers_seen));
    for (unsigned i = 0; i < pool->scheduler_count; i++)
        scheduler_notify(&pool->schedulers[i]);
}

void worker_main(void *argument)
{
    struct worker *self = argument;
    struct pool *pool = self->pool;
    self->error = worker_open(self);
    const bool good = self->error == 0;
    pool_check_in(pool);
    if (good)
        loop(self);
    worker_close(self);
    depart(pool);
}
