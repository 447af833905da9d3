// SPDX-License-Identifier: Apache-2.0
// The pool contract on top of the originals' richer interface: every scheduler submits through a default port of its
// own, whose driver runs the job's `ready`.
#include <errno.h>

#include "core/pool.h"
#include "core/pool/pool.h"
#include "core/pool/port.h"
#include "core/pool/scheduler.h"
#include "core/pool/submit.h"

static const char *const completion_names[] = {"ready_queue", "worker", NULL};
static const char *const routing_names[] = {"round_robin", "shared", "least_loaded", "two_choices", "fill", NULL};
static const char *const stop_names[] = {"drain", "poison", "flush", NULL};
static const char *const elements_names[] = {"prepared", "worker", NULL};
static const char *const freeing_names[] = {"deferred", "automatic", NULL};

// A scheduler that finds nothing spins for about as long as a job takes from an awake worker; the originals' workers
// do not spin. Waking a thread costs more than either, but spinning for that long would cost a processor that,
// with more threads than processors, the worker needs.
static const struct param params[] = {
    PARAM_CHOICE(struct erts_pool_config, completion, "ready_queue", completion_names,
                 "where a finished job completes: at home, through a ready queue, or on its worker"),
    PARAM_CHOICE(struct erts_pool_config, routing, "round_robin", routing_names,
                 "whose queue a job without a key goes to: each worker's in turn, one that all workers share (keys are "
                 "not kept), that of the worker with the fewest jobs, with fewer of two drawn at random, or of the "
                 "first that has little to do"),
    PARAM_NS(struct erts_pool_config, fill_ns, "5us", 1, 1000000000,
             "routing=fill: what a worker may have to do, by what its jobs took so far, before the next gets any"),
    PARAM_CHOICE(struct erts_pool_config, ready_lock, "mutex", lock_names,
                 "lock that workers hold while they put a finished job into a ready queue"),
    PARAM_CHOICE(struct erts_pool_config, elements, "prepared", elements_names,
                 "who allocates a ready queue's element: the submitter beforehand, or the worker"),
    PARAM_CHOICE(struct erts_pool_config, freeing, "deferred", freeing_names,
                 "who frees a job queue's elements: the scheduler that gets the job back, or the worker"),
    PARAM_U64(struct erts_pool_config, batch, "1", 1, POOL_BATCH_MAX, "jobs",
              "most jobs that a worker takes, and then sends home, at once"),
    PARAM_NS(struct erts_pool_config, reply_ns, "0", 0, 1000000000,
             "for how long a worker keeps the finished jobs of a batch, by what its jobs took so far; 0: until it has "
             "run all of it"),
    PARAM_U64(struct erts_pool_config, ready_limit, "20", 1, 100000, "jobs",
              "most jobs that a scheduler completes in one pass"),
    PARAM_U64(struct erts_pool_config, ready_batch, "1", 1, POOL_READY_BATCH_MAX, "jobs",
              "most jobs that a scheduler takes from its ready queue at once, before it completes them"),
    PARAM_BOOL(struct erts_pool_config, prefetch, "no",
               "asks for the memory of all jobs of a batch, and of what they work on, before the first is touched"),
    PARAM_U64(
        struct erts_pool_config, job_cache, "0", 0, 1 << 20, "jobs",
        "records of jobs that came home through its ready queue, which a scheduler keeps for those it submits next"),
    PARAM_BOOL(struct erts_pool_config, bare_jobs, "no",
               "jobs of the pool contract belong to no port, as it knows none: nothing is looked up and no lock taken "
               "where they complete; no, and wherever there is no ready queue: to a default port of their scheduler's"),
    PARAM_NS(
        struct erts_pool_config, worker_spin_ns, "0", 0, 1000000000,
        "how long a worker without a job spins before it sleeps; above 2 us only while waits have been shorter lately"),
    PARAM_NS(struct erts_pool_config, scheduler_spin_ns, "2us", 0, 1000000000,
             "how long a scheduler without work spins before it sleeps; above 2 us only while waits have been shorter "
             "lately"),
    PARAM_CHOICE(struct erts_pool_config, stop, "drain", stop_names,
                 "how workers end: told by a flag, by a job without a port, or so and with completions left unrun"),
    PARAM_BOOL(struct erts_pool_config, smp, "yes",
               "with thread progress; no: as a runtime of one scheduler, where queues count all that enter them"),
    PARAM_BOOL(struct erts_pool_config, thread_names, "yes", "names workers async_1, async_2, ..., as since 2018"),
    PARAM_U64(struct erts_pool_config, stack_kilowords, "16", 16, 8192, "kilowords",
              "stack of a worker, in 1024 words of 8 bytes"),
    PARAM_U64(struct erts_pool_config, id_start, "0", 0, UINT64_MAX, "",
              "where the counter of job ids stands at the start, to see it wrap around"),
    PARAM_BOOL(struct erts_pool_config, trace, "no",
               "prints a line at each stage of a job: -> submitted, <- started, =>> sent home, <<= completed"),
    PARAM_BOOL(struct erts_pool_config, accounting, "no", "keeps account of what each thread spends its time on"),
    PARAM_END,
};

static void run_ready(struct port *port, const struct job *job)
{
    (void)port;
    job->call.ready(job->call.data);
}

const struct driver pool_driver = {.name = "default", .ready_async = run_ready, .has_places = true};

static int ops_check(const struct pool_setup *setup, const void *config, struct fault *fault)
{
    return pool_check(setup, config, fault);
}

static int ops_start(struct pool **pool, const struct pool_setup *setup, const void *config, struct fault *fault)
{
    const struct pool_extras extras = {0};
    return pool_create(pool, setup, config, &extras, fault);
}

static int ops_attach(struct pool *pool, unsigned thread)
{
    if (thread < pool->scheduler_count)
        return scheduler_attach(&pool->schedulers[thread]);
    return pool_attach_external(pool, thread - pool->scheduler_count);
}

static long ops_submit(struct pool *pool, unsigned thread, unsigned *key, void (*invoke)(void *data),
                       void (*ready)(void *data), void *data)
{
    struct submitter *submitter = submitter_at(pool, thread);
    if (!submitter)
        return -EPERM;
    const struct job_call call = {
        .port = pool->bare_jobs ? PORT_BARE : submitter->port, .invoke = invoke, .ready = ready, .data = data};
    if (pool->bare_jobs)
        return pool_async_bare(submitter, &call, key);
    const int error = pool_has_ready(pool) ? 0 : submitter_here(pool, thread, &submitter);
    return error ? error : pool_async_locking(submitter, &call, key);
}

static enum pool_more ops_pass(struct pool *pool, unsigned scheduler)
{
    return scheduler_pass(&pool->schedulers[scheduler]);
}

static void ops_wait(struct pool *pool, unsigned scheduler)
{
    scheduler_wait(&pool->schedulers[scheduler]);
}

static void ops_detach(struct pool *pool, unsigned thread)
{
    if (thread < pool->scheduler_count)
        scheduler_detach(&pool->schedulers[thread]);
    else
        pool_detach_external(pool, thread - pool->scheduler_count);
}

static void ops_resolve(const void *config, struct pool_traits *traits)
{
    const struct erts_pool_config *chosen = config;
    traits->completes_on_submitter = chosen->completion == POOL_COMPLETION_READY_QUEUE;
    if (chosen->routing == POOL_ROUTING_SHARED)
        traits->keys = false;
}

const struct pool_ops erts_pool_ops = {
    .abi_version = POOL_ABI_VERSION,
    .name = "erts",
    .summary = "the pool of Erlang's runtime: a queue a worker, a ready queue a scheduler",
    .source = "erl_async.c of Erlang/OTP (2013 and 2018), from its description; written anew",
    .traits = {.keys = true,
               .fifo = true,
               .completes_on_submitter = true,
               .takes_queues = true,
               .synchronous = true,
               .externals = true,
               .job_capacity = 0},
    .params = params,
    .config_size = sizeof(struct erts_pool_config),
    .resolve = ops_resolve,
    .check = ops_check,
    .start = ops_start,
    .attach = ops_attach,
    .submit = ops_submit,
    .pass = ops_pass,
    .wait = ops_wait,
    .detach = ops_detach,
    .stop = pool_stop,
    .statistics = pool_statistics,
    .lengths = pool_lengths,
    .accounts = pool_accounts,
    .ports = &erts_port_ops,
};
