// SPDX-License-Identifier: Apache-2.0
// The pool contract on top of the originals' richer interface: every scheduler submits through a default port of its
// own, whose driver runs the job's `ready`.
#include <errno.h>

#include "core/pool.h"
#include "core/pool/pool.h"
#include "core/pool/port.h"
#include "core/pool/scheduler.h"
#include "core/pool/submit.h"

static const char *const elements_names[] = {"prepared", "worker", NULL};
static const char *const freeing_names[] = {"deferred", "automatic", NULL};

// A scheduler that finds nothing spins for about as long as a job takes from an awake worker; the originals' workers
// do not spin. Waking a thread costs more than either, but spinning for that long would cost a processor that,
// with more threads than processors, the worker needs.
static const struct param params[] = {
    PARAM_CHOICE(struct erts_pool_config, ready_lock, "mutex", lock_names,
                 "lock that workers hold while they put a finished job into a ready queue"),
    PARAM_CHOICE(struct erts_pool_config, elements, "prepared", elements_names,
                 "who allocates a ready queue's element: the submitter beforehand, or the worker"),
    PARAM_CHOICE(struct erts_pool_config, freeing, "deferred", freeing_names,
                 "who frees a job queue's elements: the scheduler that gets the job back, or the worker"),
    PARAM_U64(struct erts_pool_config, ready_limit, "20", 1, 100000, "jobs",
              "most jobs that a scheduler completes in one pass"),
    PARAM_NS(struct erts_pool_config, worker_spin_ns, "0", 0, 1000000000,
             "how long a worker without a job spins before it sleeps"),
    PARAM_NS(struct erts_pool_config, scheduler_spin_ns, "2us", 0, 1000000000,
             "how long a scheduler without work spins before it sleeps"),
    PARAM_U64(struct erts_pool_config, stack_kilowords, "16", 16, 8192, "kilowords",
              "stack of a worker, in 1024 words of 8 bytes"),
    PARAM_END,
};

static void run_ready(struct port *port, const struct job *job)
{
    (void)port;
    job->call.ready(job->call.data);
}

const struct driver pool_driver = {.name = "default", .ready_async = run_ready};

static int ops_start(struct pool **pool, const struct pool_setup *setup, const void *config, struct fault *fault)
{
    const struct pool_extras extras = {0};
    return pool_create(pool, setup, config, &extras, fault);
}

static int ops_attach(struct pool *pool, unsigned scheduler)
{
    return scheduler < pool->scheduler_count ? scheduler_attach(&pool->schedulers[scheduler]) : -EINVAL;
}

static long ops_submit(struct pool *pool, unsigned scheduler, unsigned *key, void (*invoke)(void *data),
                       void (*ready)(void *data), void *data)
{
    struct scheduler *self = &pool->schedulers[scheduler];
    const struct job_call call = {.port = self->port, .invoke = invoke, .ready = ready, .data = data};
    struct port *port;
    // `ready` submits with the port held already.
    if (port_held(&pool->ports, self->port, &port) == 0)
        return pool_async(&self->submitter, &call, key);
    struct lock_node node;
    port = port_acquire(&pool->ports, self->port, &node);
    if (!port)
        return -EPERM;
    const long result = pool_async(&self->submitter, &call, key);
    port_release(port, &node);
    return result;
}

static enum pool_more ops_pass(struct pool *pool, unsigned scheduler)
{
    return scheduler_pass(&pool->schedulers[scheduler]);
}

static void ops_wait(struct pool *pool, unsigned scheduler)
{
    scheduler_wait(&pool->schedulers[scheduler]);
}

static void ops_detach(struct pool *pool, unsigned scheduler)
{
    scheduler_detach(&pool->schedulers[scheduler]);
}

const struct pool_ops erts_pool_ops = {
    .abi_version = POOL_ABI_VERSION,
    .name = "erts",
    .summary = "the pool of Erlang's runtime: a queue a worker, a ready queue a scheduler",
    .source = "erl_async.c of Erlang/OTP (2013 and 2018), from its description; written anew",
    .traits = {.keys = true, .completes_on_submitter = true, .takes_queues = true, .job_capacity = 0},
    .params = params,
    .config_size = sizeof(struct erts_pool_config),
    .start = ops_start,
    .attach = ops_attach,
    .submit = ops_submit,
    .pass = ops_pass,
    .wait = ops_wait,
    .detach = ops_detach,
    .stop = pool_stop,
    .statistics = pool_statistics,
};
