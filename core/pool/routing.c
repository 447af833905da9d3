// SPDX-License-Identifier: Apache-2.0
#include "core/pool/routing.h"

#include "core/machine/clock.h"
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

// Jobs for which a submitter believes what it found out about a worker.
#define FILL_BELIEVED 16
// Of the mean, what the latest batch makes: one part in so many.
#define PACE_PARTS 8

void routing_begin(struct worker *worker)
{
    if (worker->pool->paced)
        at_store_rlx(&worker->pace.since_ticks, clock_ticks());
}

void routing_end(struct worker *worker, unsigned jobs)
{
    if (!worker->pool->paced)
        return;
    struct worker_pace *pace = &worker->pace;
    const uint64_t since = at_load_rlx(&pace->since_ticks), now = clock_ticks();
    const int64_t took = now > since ? (int64_t)((now - since) / jobs) : 0; // it may have moved to a processor behind
    const int64_t mean = (int64_t)at_load_rlx(&pace->job_ticks);
    at_store_rlx(&pace->job_ticks, (uint64_t)(mean + (took - mean) / PACE_PARTS));
    at_store_rlx(&pace->since_ticks, 0);
}

// Jobs that the worker may be given still.
static int64_t room_of(struct worker *worker, uint64_t now)
{
    const uint64_t fill_ticks = worker->pool->fill_ticks;
    const uint64_t since = at_load_rlx(&worker->pace.since_ticks);
    if (since && now > since && now - since > fill_ticks)
        return 0;
    const uint64_t job_ticks = at_load_rlx(&worker->pace.job_ticks);
    const uint64_t capacity = worker->pool->setup.job_queue->traits.capacity;
    const uint64_t enough = fill_ticks / (job_ticks + 1) + 1;
    return (int64_t)(capacity && capacity < enough ? capacity : enough) - load_of(worker);
}

static unsigned fill(struct submitter *submitter, long id)
{
    struct pool *pool = submitter->pool;
    if (submitter->believed > 0) {
        submitter->believed--;
        return submitter->filling;
    }
    const uint64_t now = clock_ticks();
    for (unsigned i = 0; i < pool->worker_count; i++) {
        const unsigned number = (submitter->home + i) % pool->worker_count;
        const int64_t room = room_of(&pool->workers[number], now);
        if (room <= 0)
            continue;
        submitter->filling = number;
        submitter->believed = (unsigned)(room < FILL_BELIEVED ? room : FILL_BELIEVED) - 1;
        return number;
    }
    return least_loaded(pool, (unsigned)(id % (long)pool->worker_count));
}

unsigned routing_by_load(struct submitter *submitter, long id)
{
    struct pool *pool = submitter->pool;
    if (pool->config.routing == POOL_ROUTING_FILL)
        return fill(submitter, id);
    if (pool->config.routing == POOL_ROUTING_TWO_CHOICES)
        return two_choices(submitter);
    return least_loaded(pool, (unsigned)(id % (long)pool->worker_count));
}
