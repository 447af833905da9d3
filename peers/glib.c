// SPDX-License-Identifier: Apache-2.0
// GLib's thread pool behind the pool contract, for comparison with ours: an exclusive GThreadPool, whose threads are
// its own.
//
// Source: GLib's documentation, GThreadPool and GAsyncQueue. What a user of it does, and what is called here: submit is
// g_thread_pool_push; the pool's function ends with g_async_queue_push to the queue of the scheduler, since a
// GThreadPool has no way back; pass is g_async_queue_try_pop, and wait is g_async_queue_pop, which sleeps. Both ways
// are one list under a mutex with a condition variable. The other way that GLib's users take, a source for each
// result in a GMainContext, writes to an eventfd and allocates a source for each job, and was several times slower.
//
// Its threads cannot be joined: stop returns when each has run the destructors of its data, its last act. Where GLib
// gets no memory it ends the program.
//
// What it lacks: keys, job and ready queues that could be exchanged, ports, a bound.
#include <errno.h>
#include <glib.h>

#include "core/machine/memory.h"
#include "core/machine/topology.h"
#include "core/pool.h"
#include "core/sync/thread.h"

#define GLIB_WORKERS_MAX 1024u
#define PASS_MOST 1024u // jobs that one pass completes

// One thread that submits. Only it writes the counts.
struct peer_thread {
    GAsyncQueue *done; // schedulers only
    _Atomic uint64_t submitted, completed, batches;
    bool attached;
} ALIGNED_LINE;

struct pool {
    GThreadPool *threads;
    const struct pool_setup *setup; // while it starts
    unsigned workers;
    unsigned schedulers, count; // of all threads, the externals behind the schedulers
    size_t size;
    _Atomic uint32_t attached ALIGNED_LINE, externals, closing;
    _Atomic uint32_t numbered, arrived, left; // workers
    _Atomic int pin_error;
    struct peer_thread thread[];
};

struct peer_job {
    struct peer_thread *home;
    void (*invoke)(void *);
    void (*ready)(void *);
    void *data;
};

static struct peer_job pin_job; // its address alone: a worker that gets it pins itself
static struct peer_job poke;    // likewise: completes nothing

static void leave(void *pool)
{
    at_add_ar(&((struct pool *)pool)->left, 1, AT(glib_leave, glib_all_left));
}

static GPrivate member = G_PRIVATE_INIT(leave);

// As many of these as workers, which wait for each other: every worker gets one.
static void pin_worker(struct pool *pool)
{
    const struct pool_setup *setup = pool->setup;
    g_private_set(&member, pool);
    const uint32_t number = at_add_rlx(&pool->numbered, 1);
    const int cpu = setup->worker_cpus ? setup->worker_cpus[number] : -1;
    const int error = cpu >= 0 ? topology_pin_self(setup->topology, (unsigned)cpu) : 0;
    if (error)
        at_store_rlx(&pool->pin_error, error);
    at_add_ar(&pool->arrived, 1, AT(glib_arrive, glib_all_arrived, glib_started));
    SPIN_UNTIL(at_load_acq(&pool->arrived, AT(glib_all_arrived, glib_arrive)) == pool->workers);
}

static void run_job(void *data, void *pool)
{
    struct peer_job *job = data;
    if (job == &pin_job) {
        pin_worker(pool);
        return;
    }
    job->invoke(job->data);
    g_async_queue_push(job->home->done, job);
}

static void peer_free(struct pool *pool)
{
    for (unsigned i = 0; i < pool->schedulers; i++)
        if (pool->thread[i].done)
            g_async_queue_unref(pool->thread[i].done);
    memory_system.free(&memory_system, pool, pool->size, -1);
}

static int start_workers(struct pool *pool, struct fault *fault)
{
    GError *error = NULL;
    pool->threads = g_thread_pool_new(run_job, pool, (int)pool->workers, TRUE, &error);
    if (error) {
        fault_set(fault, -EAGAIN, "pool glib: cannot start %u workers: %s", pool->workers, error->message);
        g_error_free(error);
        g_thread_pool_free(pool->threads, TRUE, TRUE);
        return -EAGAIN;
    }
    for (unsigned i = 0; i < pool->workers; i++)
        g_thread_pool_push(pool->threads, &pin_job, NULL);
    SPIN_UNTIL(at_load_acq(&pool->arrived, AT(glib_started, glib_arrive)) == pool->workers);
    return 0;
}

// A thread that is done with its pool would be kept for another one.
static void end_workers(struct pool *pool)
{
    g_thread_pool_set_max_unused_threads(0);
    g_thread_pool_free(pool->threads, FALSE, TRUE);
    SPIN_UNTIL(at_load_acq(&pool->left, AT(glib_all_left, glib_leave)) == pool->workers);
}

static int peer_start(struct pool **pool, const struct pool_setup *setup, const void *config, struct fault *fault)
{
    (void)config;
    if (setup->workers < 1 || setup->workers > GLIB_WORKERS_MAX)
        return fault_set(fault, -EINVAL, "pool glib: it has 1 to %u workers, not %u", GLIB_WORKERS_MAX, setup->workers);
    const unsigned count = setup->schedulers + setup->externals;
    const size_t size = sizeof(struct pool) + count * sizeof(struct peer_thread);
    struct pool *made = memory_system.alloc(&memory_system, size, LINE_PAIR, -1);
    if (!made)
        return fault_set(fault, -ENOMEM, "pool glib: no memory for %u threads that submit", count);
    made->setup = setup;
    made->schedulers = setup->schedulers;
    made->count = count;
    made->workers = setup->workers;
    made->size = size;
    for (unsigned i = 0; i < setup->schedulers; i++)
        made->thread[i].done = g_async_queue_new();
    int error = start_workers(made, fault);
    if (!error && at_load_rlx(&made->pin_error)) {
        end_workers(made);
        error = fault_set(fault, at_load_rlx(&made->pin_error), "pool glib: cannot pin %u workers: %s", setup->workers,
                          g_strerror(-at_load_rlx(&made->pin_error)));
    }
    if (error)
        peer_free(made);
    else
        *pool = made;
    return error;
}

static int peer_attach(struct pool *pool, unsigned thread)
{
    if (pool->thread[thread].attached)
        return -EBUSY;
    if (at_load_acq(&pool->closing, AT(glib_closed_attach, glib_close)))
        return -ESHUTDOWN;
    pool->thread[thread].attached = true;
    if (thread >= pool->schedulers)
        at_add_rlx(&pool->externals, 1);
    at_add_ar(&pool->attached, 1, AT(glib_attached, glib_all_detached));
    return 0;
}

static long peer_submit(struct pool *pool, unsigned thread, unsigned *key, void (*invoke)(void *),
                        void (*ready)(void *), void *data)
{
    struct peer_thread *self = &pool->thread[thread];
    if (key)
        return -EINVAL;
    if (!self->attached)
        return -EPERM;
    if (at_load_acq(&pool->closing, AT(glib_closed, glib_close)))
        return -ESHUTDOWN;
    struct peer_job *job = memory_system.alloc(&memory_system, sizeof *job, 0, -1);
    if (!job)
        return -ENOMEM;
    *job = (struct peer_job){
        .home = thread < pool->schedulers ? self : &pool->thread[0], .invoke = invoke, .ready = ready, .data = data};
    g_thread_pool_push(pool->threads, job, NULL); // an error would tell of threads, and there are all
    const uint64_t id = at_load_rlx(&self->submitted) + 1;
    at_store_rlx(&self->submitted, id);
    return (long)id;
}

static unsigned complete_job(struct peer_job *job)
{
    if (job == &poke)
        return 0;
    job->ready(job->data);
    memory_system.free(&memory_system, job, sizeof *job, -1);
    return 1;
}

static void count_batch(struct peer_thread *self, unsigned completed)
{
    if (!completed)
        return;
    at_store_rlx(&self->completed, at_load_rlx(&self->completed) + completed);
    at_store_rlx(&self->batches, at_load_rlx(&self->batches) + 1);
}

static enum pool_more peer_pass(struct pool *pool, unsigned scheduler)
{
    struct peer_thread *self = &pool->thread[scheduler];
    struct peer_job *job;
    unsigned completed = 0;
    while (completed < PASS_MOST && (job = g_async_queue_try_pop(self->done)))
        completed += complete_job(job);
    count_batch(self, completed);
    return completed == PASS_MOST ? POOL_MORE : POOL_NOTHING;
}

static void peer_wait(struct pool *pool, unsigned scheduler)
{
    struct peer_thread *self = &pool->thread[scheduler];
    count_batch(self, complete_job(g_async_queue_pop(self->done)));
}

// What externals submit comes home to scheduler 0.
static bool waits_for_jobs(struct pool *pool, unsigned scheduler)
{
    uint64_t submitted = at_load_rlx(&pool->thread[scheduler].submitted);
    if (scheduler == 0) {
        if (at_load_acq(&pool->externals, AT(glib_externals_left, glib_external_leaves)) > 0)
            return true;
        for (unsigned i = pool->schedulers; i < pool->count; i++)
            submitted += at_load_rlx(&pool->thread[i].submitted);
    }
    return submitted != at_load_rlx(&pool->thread[scheduler].completed);
}

static void peer_detach(struct pool *pool, unsigned thread)
{
    struct peer_thread *self = &pool->thread[thread];
    if (!self->attached)
        return;
    if (thread >= pool->schedulers) {
        at_sub_rel(&pool->externals, 1, AT(glib_external_leaves, glib_externals_left));
        g_async_queue_push(pool->thread[0].done, &poke); // which may sleep for this
    } else {
        while (waits_for_jobs(pool, thread))
            peer_wait(pool, thread);
    }
    self->attached = false;
    at_sub_rel(&pool->attached, 1, AT(glib_detached, glib_all_detached));
}

static void peer_statistics(struct pool *pool, struct pool_statistics *statistics)
{
    *statistics = (struct pool_statistics){
        .invoked = UINT64_MAX, .wakes = UINT64_MAX, .parks = UINT64_MAX, .retries = UINT64_MAX};
    for (unsigned i = 0; i < pool->count; i++) {
        statistics->submitted += at_load_rlx(&pool->thread[i].submitted);
        statistics->completed += at_load_rlx(&pool->thread[i].completed);
        statistics->batches += at_load_rlx(&pool->thread[i].batches);
    }
}

static int peer_stop(struct pool *pool, struct pool_statistics *statistics, struct fault *fault)
{
    at_store_rel(&pool->closing, 1, AT(glib_close, glib_closed, glib_closed_attach));
    SPIN_UNTIL(at_load_acq(&pool->attached, AT(glib_all_detached, glib_detached, glib_attached)) == 0);
    struct pool_statistics counts;
    peer_statistics(pool, &counts);
    if (statistics)
        *statistics = counts;
    end_workers(pool);
    peer_free(pool);
    if (counts.submitted != counts.completed)
        return fault_set(fault, -EIO, "pool glib: %llu jobs never completed",
                         (unsigned long long)(counts.submitted - counts.completed));
    return 0;
}

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

static const struct param peer_params[] = {PARAM_END};

const struct pool_ops glib_pool_ops = {
    .abi_version = POOL_ABI_VERSION,
    .name = "glib",
    .summary = "GLib, g_thread_pool_push: one locked list for all workers, one more home",
    .source = "GLib " TEXT(GLIB_MAJOR_VERSION) "." TEXT(GLIB_MINOR_VERSION) "." TEXT(GLIB_MICRO_VERSION),
    .traits = {.keys = false,
               .fifo = true,
               .completes_on_submitter = true,
               .takes_queues = false,
               .synchronous = false,
               .externals = true,
               .job_capacity = 0},
    .params = peer_params,
    .config_size = 0,
    .start = peer_start,
    .attach = peer_attach,
    .submit = peer_submit,
    .pass = peer_pass,
    .wait = peer_wait,
    .detach = peer_detach,
    .stop = peer_stop,
    .statistics = peer_statistics,
};
