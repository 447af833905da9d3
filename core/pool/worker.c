// SPDX-License-Identifier: Apache-2.0
#include "core/pool/worker.h"

#include <errno.h>

#include "core/machine/clock.h"
#include "core/machine/memory.h"
#include "core/measure/accounting.h"
#include "core/measure/probes.h"
#include "core/pool/complete.h"
#include "core/pool/pool.h"
#include "core/pool/routing.h"
#include "core/pool/scheduler.h"
#include "core/pool/trace.h"
#include "core/sync/elements.h"

static _Thread_local struct worker *completing;

struct worker *worker_completing(void)
{
    return completing;
}

static void wake(void *argument)
{
    struct worker *self = argument;
    event_set(&self->event);
}

static int open_jobs(struct worker *self)
{
    struct pool *pool = self->pool;
    if (self->source != &self->jobs)
        return 0;
    struct queue_env env = pool->env;
    env.notify = wake;
    env.notify_argument = self;
    env.producers_max = pool_job_producers(&pool->setup, &pool->config);
    env.consumers_max = 1;
    env.node = pool_node(pool, pool->setup.worker_cpus, self->index);
    return routing_open(pool, &self->jobs, &env, &self->fault);
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

static size_t batch_bytes(const struct pool *pool)
{
    return (size_t)pool->config.batch * (sizeof(struct worker_job) + sizeof(uintptr_t));
}

static int open_memory(struct worker *self)
{
    struct pool *pool = self->pool;
    self->batch = pool->allocator->alloc(pool->allocator, batch_bytes(pool), LINE_PAIR, -1);
    if (!self->batch)
        return -ENOMEM;
    self->items = (uintptr_t *)(self->batch + pool->config.batch);
    return attach_elements(self);
}

static int attach_queues(struct worker *self)
{
    struct pool *pool = self->pool;
    int error = queue_client_attach(&self->consumer, self->source, QUEUE_CONSUMER, QUEUE_UNMANAGED);
    for (unsigned i = 0; pool_has_ready(pool) && i < pool->scheduler_count && !error; i++)
        error = queue_client_attach(&self->ready[i], &pool->schedulers[i].ready.queue, QUEUE_PRODUCER, QUEUE_UNMANAGED);
    return error;
}

int worker_open(struct worker *self)
{
    struct pool *pool = self->pool;
    if (pool->progress) {
        self->progress = progress_register_unmanaged(pool->progress, wake, self);
        if (!self->progress)
            return -EAGAIN;
    }
    int error = open_memory(self);
    if (!error)
        error = open_jobs(self);
    return error ? error : attach_queues(self);
}

void worker_close(struct worker *self)
{
    struct pool *pool = self->pool;
    while (garbage_free(&self->saved, GARBAGE_STEP)) {}
    if (pool_has_ready(pool))
        for (unsigned i = 0; i < pool->scheduler_count; i++)
            queue_client_detach(&self->ready[i], &pool->schedulers[i].ready.queue);
    if (at_load_rlx(&self->submitter.owner))
        submitter_detach(&self->submitter);
    queue_client_detach(&self->consumer, self->source);
    if (self->caches_elements)
        elements_detach(pool->elements);
    if (self->batch)
        pool->allocator->free(pool->allocator, self->batch, batch_bytes(pool), -1);
    if (self->account)
        account_close(self->account);
    if (self->progress)
        progress_unregister(self->progress);
    self->batch = NULL;
    self->progress = NULL;
}

void worker_drain(struct worker *self)
{
    at_store_sc(&self->draining, 1, AT(drain_order, drain_look));
    event_set(&self->event);
}

// How many of the next jobs in hand go home to the scheduler that the first of them goes to.
static unsigned same_home(const struct worker *self)
{
    const struct worker_job *next = &self->batch[self->sent];
    unsigned count = 1;
    while (__builtin_expect(self->sent + count < self->ran, 0) && next[count].job->scheduler == next->job->scheduler)
        count++;
    return count;
}

static int send_some(struct worker *self)
{
    int result;
    const struct worker_job *next = &self->batch[self->sent];
    const unsigned home = next->job->scheduler;
    struct ready_queue *ready = &self->pool->schedulers[home].ready;
    self->sent += ready_enqueue(ready, &self->ready[home], next, same_home(self), &result);
    return result;
}

// The originals' way without ready queues: the job ends here, whoever submitted it.
static void complete_here(struct worker *self, struct job *job)
{
    struct scheduler *home = &self->pool->schedulers[job->scheduler];
    trace(self->pool, TRACE_READY, job->id);
    probe_ready(job->call.port, job->id, NULL);
    completing = self;
    job_complete(self->pool, job, NULL, self->account);
    completing = NULL;
    scheduler_count_elsewhere(home);
}

static void invoke(struct worker *self, struct job *job)
{
    trace(self->pool, TRACE_GET, job->id);
    account_enter(self->account, ACCOUNT_PORT);
    job->call.invoke(job->call.data);
    account_enter(self->account, ACCOUNT_OTHER);
    pool_count(&self->invoked);
}

// How many jobs to run before those that have run go home.
static unsigned run_length(const struct worker *self)
{
    const unsigned left = self->taken - self->ran;
    const uint64_t reply_ticks = self->pool->reply_ticks;
    if (!reply_ticks)
        return left;
    const uint64_t most = reply_ticks / (at_load_rlx(&self->pace.job_ticks) + 1) + 1;
    return most < left ? (unsigned)most : left;
}

static void run_some(struct worker *self)
{
    const bool sends = pool_has_ready(self->pool);
    const unsigned count = run_length(self);
    routing_begin(self);
    for (unsigned i = 0; i < count; i++, self->ran++) {
        invoke(self, self->batch[self->ran].job);
        if (!sends)
            complete_here(self, self->batch[self->ran].job);
    }
    routing_end(self, count);
    if (!sends)
        self->sent = self->ran;
}

// Sends home what has run. The records are the schedulers' as soon as they are in the ready queues.
static enum worker_next reply(struct worker *self)
{
    while (self->sent < self->ran) {
        int result = send_some(self);
        if (result == QUEUE_FULL) {
            event_reset(&self->room);
            ready_await_room(&self->pool->schedulers[self->batch[self->sent].job->scheduler].ready, self);
            result = send_some(self);
            if (result == QUEUE_FULL)
                return WORKER_NO_ROOM;
        }
        if (result != QUEUE_OK)
            return WORKER_RETRY;
    }
    return WORKER_RAN;
}

// Goes on with the batch in hand, from where it is.
static enum worker_next run(struct worker *self)
{
    enum worker_next next = reply(self);
    while (next == WORKER_RAN && self->ran < self->taken) {
        run_some(self);
        next = reply(self);
    }
    if (next != WORKER_RAN)
        return next;
    self->taken = self->ran = self->sent = 0;
    if (at_load_rlx(&self->awaited))
        at_store_rlx(&self->awaited, NULL);
    return self->poisoned ? WORKER_STOP : WORKER_RAN;
}

static void prefetch_data(const struct worker *self)
{
    for (unsigned i = 0; i < self->taken && self->taken > 1 && self->pool->config.prefetch; i++)
        job_prefetch_data(self->batch[i].job);
}

// Takes the element out before the chain of garbage is written over it. False: it is the poison, which stays as it is.
static bool take(struct worker *self, struct job *job)
{
    probe_get(job->call.port, job->id, self->source);
    if (job->call.port == PORT_NONE) {
        self->poisoned = true;
        return false;
    }
    self->batch[self->taken++] = (struct worker_job){.job = job, .element = job->cargo.element};
    if (job->cargo.element) // what is not written need not change hands
        job->cargo.garbage = (struct garbage_chain){NULL, NULL};
    return true;
}

// The first job carries the garbage of all.
static void load_garbage(struct worker *self)
{
    struct garbage_chain garbage = {NULL, NULL};
    if (queue_take_garbage(&self->consumer, &garbage) || self->saved.first) {
        garbage_append(&garbage, &self->saved);
        self->batch[0].job->cargo.garbage = garbage;
    }
}

// Up to a batch, without waiting for more. Behind the poison there is nothing.
static int take_batch(struct worker *self)
{
    int result;
    const unsigned count =
        queue_dequeue_batch(&self->consumer, self->items, (unsigned)self->pool->config.batch, &result);
    for (unsigned i = 0; i < count && count > 1 && self->pool->config.prefetch; i++)
        job_prefetch_read((const struct job *)self->items[i]);
    for (unsigned i = 0; i < count && take(self, (struct job *)self->items[i]); i++) {}
    if (self->taken > 0)
        load_garbage(self);
    prefetch_data(self);
    return count > 0 ? QUEUE_OK : result;
}

// In front of the shared queue, wakes go to those on the list only.
static void list_myself(struct worker *self)
{
    sleepers_join(&self->pool->sleepers, self->index);
    self->listed = true;
}

// False: it was picked, and what for is still to be done.
static bool unlist_myself(struct worker *self)
{
    self->listed = false;
    return sleepers_leave(&self->pool->sleepers, self->index);
}

// With nothing to dequeue and nothing to clean at once. The event is reset before the look at the order to stop,
// and that before the look at the queue: what comes later sets the event again.
static enum worker_next rest(struct worker *self)
{
    event_reset(&self->event);
    if (self->source != &self->jobs)
        list_myself(self);
    const bool draining = at_load_sc(&self->draining, AT(drain_look, drain_order));
    for (;;) {
        uint64_t progress;
        queue_take_garbage(&self->consumer, &self->saved);
        switch (queue_inspect(&self->consumer, true, &progress)) {
        case QUEUE_DIRTY:
            return WORKER_AGAIN;
        case QUEUE_NEED_PROGRESS:
            // What was saved is kept: a job may come before the progress does, and carry it home. Without SMP
            // there is no progress to wait for.
            if (self->progress) {
                progress_request_wakeup(self->progress, progress);
                return WORKER_SLEEP;
            }
            __attribute__((fallthrough));
        case QUEUE_CLEAN:
            if (!garbage_free(&self->saved, GARBAGE_STEP))
                return draining ? WORKER_STOP : WORKER_SLEEP;
        }
    }
}

// Who was picked and stays awake has a job already, maybe, so that another must see to the one it was picked for.
static enum worker_next lie_down(struct worker *self)
{
    const enum worker_next next = rest(self);
    if (self->listed && next != WORKER_SLEEP && !unlist_myself(self))
        routing_wake_one(self->pool);
    return next;
}

static bool clean(struct worker *self)
{
    uint64_t progress;
    account_enter(self->account, ACCOUNT_CLEAN);
    const bool dirty = queue_clean(&self->consumer, &progress) == QUEUE_DIRTY;
    account_enter(self->account, ACCOUNT_OTHER);
    return dirty;
}

enum worker_next worker_step(struct worker *self)
{
    if (self->taken > 0)
        return run(self);
    if (__builtin_expect(self->listed, 0))
        unlist_myself(self); // picked or not: it looks for a job now
    const int result = take_batch(self);
    if (result == QUEUE_OK)
        return run(self);
    if (result == QUEUE_RETRY)
        return WORKER_RETRY;
    if (clean(self))
        return WORKER_AGAIN;
    account_enter(self->account, ACCOUNT_CHECK);
    const enum worker_next next = lie_down(self);
    account_enter(self->account, ACCOUNT_OTHER);
    return next;
}

static void sleep_on(struct worker *self, struct event *event)
{
    const uint64_t spin_ns = self->pool->config.worker_spin_ns;
    const uint64_t start = spin_ns ? clock_ticks() : 0;
    account_enter(self->account, ACCOUNT_CHECK);
    if (!spin_ns || !event_spin(event, patience_ns(&self->patience, spin_ns))) {
        account_enter(self->account, ACCOUNT_SLEEP);
        event_wait(event, 0);
    }
    if (spin_ns)
        patience_learn(&self->patience, spin_ns, clock_ticks() - start);
    account_enter(self->account, ACCOUNT_OTHER);
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

// The number tells which worker in the order of arrival it is, as in the original, and not which by name.
static void open_account(struct worker *self, unsigned arrival)
{
    struct pool *pool = self->pool;
    if (!pool->accounts)
        return;
    self->account = self->submitter.account = &pool->accounts[self->index];
    account_open(self->account, "async", arrival);
}

void worker_main(void *argument)
{
    struct worker *self = argument;
    struct pool *pool = self->pool;
    self->error = worker_open(self);
    const bool good = self->error == 0;
    const unsigned arrival = pool_check_in(pool);
    if (good) {
        open_account(self, arrival);
        loop(self);
    }
    worker_close(self);
    depart(pool);
}
