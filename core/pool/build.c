// SPDX-License-Identifier: Apache-2.0
// Making the parts of a pool, and giving them back; no thread of the pool runs here.
#include <errno.h>

#include "core/machine/memory.h"
#include "core/pool/pool.h"
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

static int check(const struct pool_setup *setup, const struct erts_pool_config *config,
                 const struct pool_extras *extras, struct fault *fault)
{
    if (setup->workers == 0)
        return fault_set(fault, -EINVAL, "workers: 0 (every job run by its submitter) is not supported; 1 to %u are",
                         POOL_WORKERS_MAX);
    if (setup->workers > POOL_WORKERS_MAX)
        return fault_set(fault, -EINVAL, "workers: %u are too many; 1 to %u are allowed", setup->workers,
                         POOL_WORKERS_MAX);
    if (setup->schedulers == 0)
        return fault_set(fault, -EINVAL, "schedulers: 0 are too few; a pool needs at least 1");
    const struct queue_demand jobs = {
        .what = "job queue",
        .producers = setup->schedulers + extras->externals,
        .consumers = 1,
        .must_be_exact = true,
    };
    const struct queue_demand ready = {
        .what = "ready queue",
        .producers = config->ready_lock == LOCK_NONE ? setup->workers : 1,
        .consumers = 1,
        .must_be_exact = true,
    };
    const int error = queue_demand_check(setup->job_queue, &jobs, fault);
    return error ? error : queue_demand_check(setup->ready_queue, &ready, fault);
}

static int allocate(struct pool **made, const struct pool_setup *setup, const struct pool_extras *extras)
{
    struct allocator *allocator = extras->allocator ? extras->allocator : &memory_system;
    const size_t bytes = sizeof(struct pool) + setup->workers * sizeof(struct worker) +
                         setup->schedulers * sizeof(struct scheduler) + extras->externals * sizeof(struct submitter);
    char *block = allocator->alloc(allocator, bytes, LINE_PAIR, -1);
    if (!block)
        return -ENOMEM;
    struct pool *pool = (struct pool *)block;
    pool->allocator = allocator;
    pool->bytes = bytes;
    pool->setup = *setup;
    pool->worker_count = setup->workers;
    pool->scheduler_count = setup->schedulers;
    pool->external_count = extras->externals;
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

static size_t client_bytes(const struct pool *pool)
{
    const size_t senders = 2 * (size_t)pool->scheduler_count + pool->external_count;
    return senders * pool->worker_count * sizeof(struct queue_client);
}

// Clients of one producer lie together; they are hardly ever written after attaching.
static int connect(struct pool *pool)
{
    pool->clients = pool->allocator->alloc(pool->allocator, client_bytes(pool), LINE_PAIR, -1);
    if (!pool->clients)
        return -ENOMEM;
    struct queue_client *next = pool->clients;
    for (unsigned i = 0; i < pool->worker_count; i++, next += pool->scheduler_count) {
        struct worker *worker = &pool->workers[i];
        worker->pool = pool;
        worker->index = i;
        worker->ready = next;
        event_init(&worker->event);
        event_init(&worker->room);
    }
    for (unsigned i = 0; i < pool->scheduler_count; i++, next += pool->worker_count) {
        struct scheduler *scheduler = &pool->schedulers[i];
        scheduler->pool = pool;
        scheduler->index = i;
        scheduler->submitter.pool = pool;
        scheduler->submitter.home = i;
        scheduler->submitter.jobs = next;
        event_init(&scheduler->event);
    }
    for (unsigned i = 0; i < pool->external_count; i++, next += pool->worker_count) {
        pool->externals[i].pool = pool;
        pool->externals[i].jobs = next;
    }
    return 0;
}

static int open_elements(struct pool *pool)
{
    const size_t of_jobs = pool->setup.job_queue->entry->ops->element_size;
    const size_t of_ready = pool->setup.ready_queue->entry->ops->element_size;
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
        error = ready_open(&pool->schedulers[i].ready, pool, pool->setup.ready_queue, &env, fault);
    }
    return error;
}

static int open_progress(struct pool *pool, struct fault *fault)
{
    const int error = progress_create(&pool->progress, pool->allocator, pool->scheduler_count, pool->worker_count);
    return error ? fault_set(fault, error, "thread progress cannot be set up: %s", fault_no_thread(error)) : 0;
}

static int open_parts(struct pool *pool, const struct pool_extras *extras, struct fault *fault)
{
    int error = connect(pool);
    if (!error)
        error = port_table_init(&pool->ports, pool->allocator, pool->scheduler_count + extras->ports);
    if (!error)
        error = open_progress(pool, fault);
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
    return open_ready_queues(pool, fault);
}

uint64_t pool_release(struct pool *pool)
{
    uint64_t outstanding = 0;
    // Ready queues first: the garbage in them names the job queues that it came from.
    for (unsigned i = 0; i < pool->scheduler_count; i++)
        ready_close(&pool->schedulers[i].ready);
    for (unsigned i = 0; i < pool->worker_count; i++)
        queue_close(&pool->workers[i].jobs);
    if (pool->ports.ports)
        port_table_fini(&pool->ports);
    if (pool->elements)
        outstanding = elements_destroy(pool->elements);
    if (pool->progress)
        progress_destroy(pool->progress);
    if (pool->clients)
        pool->allocator->free(pool->allocator, pool->clients, client_bytes(pool), -1);
    pool->allocator->free(pool->allocator, pool, pool->bytes, -1);
    return outstanding;
}

int pool_build(struct pool **made, const struct pool_setup *setup, const struct erts_pool_config *config,
               const struct pool_extras *extras, struct fault *fault)
{
    int error = check(setup, config, extras, fault);
    if (error)
        return error;
    struct pool *pool;
    error = allocate(&pool, setup, extras);
    if (error)
        return error;
    pool->config = *config;
    error = open_parts(pool, extras, fault);
    if (error)
        pool_release(pool);
    else
        *made = pool;
    return error;
}
