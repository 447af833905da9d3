// SPDX-License-Identifier: Apache-2.0
#include "core/pool/routing.h"

#include "core/pool/submit.h"
#include "core/pool/worker.h"

int routing_open(struct pool *pool, struct queue *jobs, const struct queue_env *env, struct fault *fault)
{
    const int error = queue_open(jobs, pool->setup.job_queue, env, fault);
    if (error)
        return error;
    const bool carried = pool_has_ready(pool) && pool->config.freeing == POOL_FREEING_DEFERRED;
    if (carried && jobs->ops->defer_garbage)
        jobs->ops->defer_garbage(jobs->memory, true);
    return 0;
}

int routing_open_shared(struct pool *pool, struct fault *fault)
{
    struct queue_env env = pool->env;
    env.notify = routing_wake_one;
    env.notify_argument = pool;
    env.producers_max = pool_job_producers(&pool->setup, &pool->config);
    env.consumers_max = pool->worker_count;
    env.node = -1;
    return routing_open(pool, &pool->shared, &env, fault);
}

void routing_wake_one(void *argument)
{
    struct pool *pool = argument;
    unsigned number;
    if (sleepers_pick(&pool->sleepers, pool->worker_count, &number))
        event_set(&pool->workers[number].event);
}

// Below 0 for a moment, where the two were not read at once.
static int64_t load_of(struct worker *worker)
{
    return (int64_t)(at_load_rlx(&worker->assigned) - at_load_rlx(&worker->invoked));
}

static unsigned least_loaded(struct pool *pool, unsigned start)
{
    unsigned best = start;
    int64_t least = load_of(&pool->workers[start]);
    for (unsigned i = 1; i < pool->worker_count && least > 0; i++) {
        const unsigned number = (start + i) % pool->worker_count;
        const int64_t load = load_of(&pool->workers[number]);
        if (load < least) {
            least = load;
            best = number;
        }
    }
    return best;
}

static uint64_t draw(struct submitter *submitter)
{
    submitter->random ^= submitter->random << 13;
    submitter->random ^= submitter->random >> 7;
    submitter->random ^= submitter->random << 17;
    return submitter->random;
}

static unsigned two_choices(struct submitter *submitter)
{
    struct pool *pool = submitter->pool;
    if (pool->worker_count == 1)
        return 0;
    const uint64_t random = draw(submitter);
    const unsigned one = (unsigned)((random >> 32) % pool->worker_count);
    const unsigned step = 1 + (unsigned)((random & UINT32_MAX) % (pool->worker_count - 1));
    const unsigned other = (one + step) % pool->worker_count;
    return load_of(&pool->workers[other]) < load_of(&pool->workers[one]) ? other : one;
}

unsigned routing_by_load(struct submitter *submitter, long id)
{
    struct pool *pool = submitter->pool;
    if (pool->config.routing == POOL_ROUTING_TWO_CHOICES)
        return two_choices(submitter);
    return least_loaded(pool, (unsigned)(id % (long)pool->worker_count));
}
