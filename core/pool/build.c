// SPDX-License-Identifier: Apache-2.0
// Making the parts of a pool, and giving them back; no thread of the pool runs here.
#include <errno.h>

#include "core/machine/clock.h"
#include "core/machine/memory.h"
#include "core/measure/accounting.h"
#include "core/pool/pool.h"
#include "core/pool/routing.h"
#include "core/pool/scheduler.h"
#include "core/pool/submit.h"
#include "core/pool/worker.h"
#include "core/sync/elements.h"
#include "core/sync/progress.h"

int pool_node(const struct pool *pool, const int *cpus, unsigned index)
{
    const struct topology *topology = pool->setup.topology;
    if (!topology || !cpus || cpus[index] < 0)
        return -1;
    const struct cpu *cpu = topology_cpu(topology, (unsigned)cpus[index]);
    return cpu ? (int)cpu->node : -1;
}

static void *env_alloc(void *context, size_t size, size_t align, int node)
{
    struct pool *pool = context;
    return pool->allocator->alloc(pool->allocator, size, align, node);
}

static void env_free(void *context, void *memory, size_t size, int node)
{
    struct pool *pool = context;
    pool->allocator->free(pool->allocator, memory, size, node);
}

static void *env_element_take(void *context)
{
    return elements_take(((struct pool *)context)->elements);
}

static void env_element_give(void *context, void *element)
{
    elements_give(((struct pool *)context)->elements, element);
}

unsigned pool_job_producers(const struct pool_setup *setup, const struct erts_pool_config *config)
{
    const unsigned workers = config->completion == POOL_COMPLETION_WORKER ? setup->workers : 0;
    const unsigned stopper = config->stop == POOL_STOP_DRAIN ? 0 : 1;
    return setup->schedulers + setup->externals + workers + stopper;
}

static int check_counts(const struct pool_setup *setup, const struct erts_pool_config *config, struct fault *fault)
{
    if (setup->workers > POOL_WORKERS_MAX)
        return fault_set(fault, -EINVAL, "workers: %u are too many; 0 to %u are allowed", setup->workers,
                         POOL_WORKERS_MAX);
    if (setup->schedulers == 0)
        return fault_set(fault, -EINVAL, "schedulers: 0 are too few; a pool needs at least 1");
    if (!config->smp && setup->schedulers > 1)
        return fault_set(fault, -EINVAL, "schedulers: %u are too many without SMP (smp=no), which has 1",
                         setup->schedulers);
    if (!config->smp && config->completion == POOL_COMPLETION_WORKER)
        return fault_set(fault, -EINVAL,
                         "completion=worker needs smp=yes: without SMP, threads other than the scheduler complete "
                         "nothing, so that the ready queue is compulsory");
    if (config->accounting && !READYQ_OBSERVE)
        return fault_set(fault, -ENOTSUP,
                         "accounting=yes is not in this build, which was made without it (READYQ_OBSERVE=OFF)");
    return 0;
}

// The poison must be the last of all jobs, whoever submitted them.
static int check_poison(const struct pool_setup *setup, const struct erts_pool_config *config, struct fault *fault)
{
    if (config->stop == POOL_STOP_DRAIN || setup->job_queue->traits.order == QUEUE_ORDER_FIFO)
        return 0;
    return fault_set(fault, -EINVAL,
                     "the queue %s is not FIFO over all producers (trait order), so that a job queue of it cannot be "
                     "ended by poison; stop=drain can",
                     setup->job_queue->entry->name);
}

// A poison is the last of the jobs of one worker, and there is no such thing in a queue that all share.
static int check_shared(const struct erts_pool_config *config, struct fault *fault)
{
    if (config->routing != POOL_ROUTING_SHARED || config->stop == POOL_STOP_DRAIN)
        return 0;
    return fault_set(fault, -EINVAL,
                     "routing=shared needs stop=drain: a job without a port ends one worker, and in a queue that all "
                     "workers share none knows which, nor which jobs are still behind it");
}

// A worker that is told FULL sleeps until a place is freed, which never happens in a queue that was not full.
static int check_room(const struct pool_setup *setup, struct fault *fault)
{
    const struct queue_traits *traits = &setup->ready_queue->traits;
    if (traits->capacity == 0 || traits->full_exact)
        return 0;
    return fault_set(
        fault, -EINVAL,
        "the queue %s may answer FULL while it has room (trait full_exact), which would let a worker sleep "
        "for ever that waits for room in the ready queue",
        setup->ready_queue->entry->name);
}

// Nobody would make room for the workers' last jobs.
static int check_flush(const struct pool_setup *setup, const struct erts_pool_config *config, struct fault *fault)
{
    if (config->stop != POOL_STOP_FLUSH || setup->ready_queue->traits.capacity == 0)
        return 0;
    return fault_set(fault, -EINVAL,
                     "stop=flush consumes nothing more, so that it needs ready queues without a bound, and the queue "
                     "%s holds %llu (trait capacity)",
                     setup->ready_queue->entry->name, (unsigned long long)setup->ready_queue->traits.capacity);
}

int pool_check(const struct pool_setup *setup, const struct erts_pool_config *config, struct fault *fault)
{
    int error = check_counts(setup, config, fault);
    if (error || setup->workers == 0)
        return error;
    const bool shared = config->routing == POOL_ROUTING_SHARED;
    const struct queue_demand jobs = {
        .what = shared ? "shared job queue" : "job queue",
        .producers = pool_job_producers(setup, config),
        .consumers = shared ? setup->workers : 1,
        .must_be_exact = true,
    };
    const struct queue_demand ready = {
        .what = "ready queue",
        .producers = config->ready_lock == LOCK_NONE ? setup->workers : 1,
        .consumers = 1,
        .must_be_exact = true,
    };
    error = check_shared(config, fault);
    if (!error)
        error = queue_demand_check(setup->job_queue, &jobs, fault);
    if (!error)
        error = check_poison(setup, config, fault);
    if (error || config->completion == POOL_COMPLETION_WORKER)
        return error;
    error = check_flush(setup, config, fault);
    if (!error)
        error = check_room(setup, fault);
    return error ? error : queue_demand_check(setup->ready_queue, &ready, fault);
}

static int allocate(struct pool **made, const struct pool_setup *setup, const struct pool_extras *extras)
{
    struct allocator *allocator = extras->allocator ? extras->allocator : &memory_system;
    const size_t bytes = sizeof(struct pool) + setup->workers * sizeof(struct worker) +
                         setup->schedulers * sizeof(struct scheduler) + setup->externals * sizeof(struct submitter);
    char *block = allocator->alloc(allocator, bytes, LINE_PAIR, -1);
    if (!block)
        return -ENOMEM;
    struct pool *pool = (struct pool *)block;
    pool->allocator = allocator;
    pool->bytes = bytes;
    pool->setup = *setup;
    pool->worker_count = setup->workers;
    pool->scheduler_count = setup->schedulers;
    pool->external_count = setup->externals;
    block += sizeof(struct pool);
    pool->workers = (struct worker *)block;
    block += setup->workers * sizeof(struct worker);
    pool->schedulers = (struct scheduler *)block;
    block += setup->schedulers * sizeof(struct scheduler);
    pool->externals = (struct submitter *)block;
    event_init(&pool->event);
    *made = pool;
    return 0;
}

// Workers that complete jobs submit too, and need no way to a ready queue.
static unsigned worker_clients(const struct pool *pool)
{
    return pool_has_ready(pool) ? pool->scheduler_count : pool->job_queue_count;
}

static size_t client_bytes(const struct pool *pool)
{
    const size_t submitters = (size_t)pool->scheduler_count + pool->external_count;
    const size_t clients = submitters * pool->job_queue_count + (size_t)worker_clients(pool) * pool->worker_count;
    return clients * sizeof(struct queue_client);
}

// Each draws other numbers, the same in each run with one seed: where its clients lie among all tells it apart.
static void init_submitter(struct submitter *submitter, struct pool *pool, struct queue_client *clients)
{
    const uint64_t place = (uint64_t)(clients - pool->clients);
    submitter->pool = pool;
    submitter->jobs = clients;
    submitter->random = ((pool->setup.seed + place) * UINT64_C(0x9e3779b97f4a7c15)) | 1;
}

static void init_worker(struct worker *worker, struct pool *pool, unsigned index, struct queue_client *clients)
{
    worker->pool = pool;
    worker->index = index;
    worker->source = pool_shares_jobs(pool) ? &pool->shared : &worker->jobs;
    worker->ready = clients;
    worker->poison = (struct job){.call = {.port = PORT_NONE}};
    init_submitter(&worker->submitter, pool, clients);
    worker->submitter.adopts = true;
    event_init(&worker->event);
    event_init(&worker->room);
}

static void init_scheduler(struct scheduler *scheduler, struct pool *pool, unsigned index, struct queue_client *clients)
{
    scheduler->pool = pool;
    scheduler->index = index;
    init_submitter(&scheduler->submitter, pool, clients);
    scheduler->submitter.home = index;
    event_init(&scheduler->event);
}

// Clients of one producer lie together; they are hardly ever written after attaching.
static int connect(struct pool *pool)
{
    struct queue_client *next = NULL;
    if (pool->worker_count > 0) {
        next = pool->clients = pool->allocator->alloc(pool->allocator, client_bytes(pool), LINE_PAIR, -1);
        if (!next)
            return -ENOMEM;
    }
    for (unsigned i = 0; i < pool->worker_count; i++, next += worker_clients(pool))
        init_worker(&pool->workers[i], pool, i, next);
    for (unsigned i = 0; i < pool->scheduler_count; i++, next += pool->job_queue_count)
        init_scheduler(&pool->schedulers[i], pool, i, next);
    for (unsigned i = 0; i < pool->external_count; i++, next += pool->job_queue_count)
        init_submitter(&pool->externals[i], pool, next);
    return 0;
}

static int open_elements(struct pool *pool)
{
    const size_t of_jobs = pool->setup.job_queue->entry->ops->element_size;
    const size_t of_ready = pool_has_ready(pool) ? pool->setup.ready_queue->entry->ops->element_size : 0;
    const size_t size = of_jobs > of_ready ? of_jobs : of_ready;
    if (size == 0)
        return 0;
    return elements_create(&pool->elements, pool->allocator, size, pool->scheduler_count + pool->worker_count);
}

static int open_ready_queues(struct pool *pool, struct fault *fault)
{
    int error = 0;
    struct queue_env env = pool->env;
    env.notify = scheduler_notify;
    env.producers_max = pool->worker_count;
    env.consumers_max = 1;
    for (unsigned i = 0; i < pool->scheduler_count && !error; i++) {
        env.notify_argument = &pool->schedulers[i];
        env.node = pool_node(pool, pool->setup.scheduler_cpus, i);
        error = ready_open(&pool->schedulers[i].ready, pool, i, &env, fault);
    }
    return error;
}

static int open_progress(struct pool *pool, struct fault *fault)
{
    const int error = progress_create(&pool->progress, pool->allocator, pool->scheduler_count, pool->worker_count);
    return error ? fault_set(fault, error, "thread progress cannot be set up: %s", fault_no_thread(error)) : 0;
}

static size_t account_bytes(const struct pool *pool)
{
    return ((size_t)pool->worker_count + pool->scheduler_count) * sizeof(struct account);
}

static int open_accounts(struct pool *pool)
{
    pool->accounts = pool->allocator->alloc(pool->allocator, account_bytes(pool), LINE_PAIR, -1);
    return pool->accounts ? 0 : -ENOMEM;
}

// All that workers need.
static int open_queues(struct pool *pool, struct fault *fault)
{
    int error = pool->config.smp ? open_progress(pool, fault) : 0;
    if (!error)
        error = open_elements(pool);
    if (error)
        return error;
    pool->env = (struct queue_env){
        .alloc = env_alloc,
        .free = env_free,
        .element_take = env_element_take,
        .element_give = env_element_give,
        .context = pool,
        .progress = pool->progress,
    };
    error = pool_has_ready(pool) ? open_ready_queues(pool, fault) : 0;
    return !error && pool_shares_jobs(pool) ? routing_open_shared(pool, fault) : error;
}

// An external submitter leaves while its jobs are on their way, so its default port stays until the pool goes.
static int open_external_ports(struct pool *pool)
{
    int error = 0;
    for (unsigned i = 0; i < pool->external_count && !error; i++)
        error = submitter_open_port(&pool->externals[i]);
    return error;
}

static int open_parts(struct pool *pool, struct fault *fault)
{
    const unsigned ports = pool->scheduler_count + pool->external_count + pool->setup.ports;
    int error = connect(pool);
    if (!error)
        error = port_table_init(&pool->ports, pool->allocator, ports, ports - pool->setup.ports);
    if (!error)
        error = open_external_ports(pool);
    if (!error && pool->config.accounting)
        error = open_accounts(pool);
    if (!error && pool->worker_count > 0)
        error = open_queues(pool, fault);
    return error;
}

uint64_t pool_release(struct pool *pool)
{
    uint64_t outstanding = 0;
    // Ready queues first: the garbage in them names the job queues that it came from.
    for (unsigned i = 0; i < pool->scheduler_count; i++)
        ready_close(&pool->schedulers[i].ready);
    for (unsigned i = 0; i < pool->worker_count; i++)
        queue_close(&pool->workers[i].jobs);
    queue_close(&pool->shared);
    if (pool->ports.ports)
        port_table_fini(&pool->ports);
    if (pool->elements)
        outstanding = elements_destroy(pool->elements);
    if (pool->progress)
        progress_destroy(pool->progress);
    if (pool->accounts)
        pool->allocator->free(pool->allocator, pool->accounts, account_bytes(pool), -1);
    if (pool->clients)
        pool->allocator->free(pool->allocator, pool->clients, client_bytes(pool), -1);
    pool->allocator->free(pool->allocator, pool, pool->bytes, -1);
    return outstanding;
}

int pool_build(struct pool **made, const struct pool_setup *setup, const struct erts_pool_config *config,
               const struct pool_extras *extras, struct fault *fault)
{
    int error = pool_check(setup, config, fault);
    if (error)
        return error;
    struct pool *pool;
    error = allocate(&pool, setup, extras);
    if (error)
        return error;
    pool->config = *config;
    pool->threadless = extras->threadless;
    pool->has_ready = setup->workers > 0 && config->completion == POOL_COMPLETION_READY_QUEUE;
    pool->prepares = pool->has_ready && config->elements == POOL_ELEMENTS_PREPARED;
    pool->bare_jobs = pool->has_ready && config->bare_jobs;
    pool->by_load = config->routing == POOL_ROUTING_LEAST_LOADED || config->routing == POOL_ROUTING_TWO_CHOICES ||
                    config->routing == POOL_ROUTING_FILL;
    pool->by_load = pool->by_load && setup->workers > 1;
    pool->paced = (pool->by_load && config->routing == POOL_ROUTING_FILL) || config->reply_ns > 0;
    pool->reply_ticks = clock_ticks_in((double)config->reply_ns);
    pool->fill_ticks = clock_ticks_in((double)config->fill_ns);
    pool->job_queue_count = pool_shares_jobs(pool) ? 1 : setup->workers;
    at_init(&pool->last_id, (unsigned long)config->id_start);
    error = open_parts(pool, fault);
    if (error)
        pool_release(pool);
    else
        *made = pool;
    return error;
}
