// SPDX-License-Identifier: Apache-2.0
// libuv's thread pool (uv_queue_work) behind the pool contract, for comparison with ours.
//
// One event loop a scheduler; libuv has one thread pool for the whole process, created at the first request and
// ended by uv_library_shutdown, so a process can start this pool once. What it lacks: keys, and job or ready
// queues that could be exchanged (one list under a mutex and condition variable serves all workers; finished
// requests come home in batches through one list a loop and an eventfd).
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "core/machine/memory.h"
#include "core/machine/topology.h"
#include "core/pool.h"
#include "core/sync/lock.h"
#include "core/sync/thread.h"

// libuv closes its descriptors by system calls that ThreadSanitizer does not see, so that it takes a number which is
// used again for a race. Read by its runtime, in builds that have one.
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:libuv.so\n";
}

#define UV_WORKERS_MAX 1024u // as libuv clamps UV_THREADPOOL_SIZE

struct peer_scheduler {
    uv_loop_t loop;
    struct pool *pool;
    _Atomic uint64_t submitted, completed, batches; // written by the scheduler only
    bool attached;
} ALIGNED_LINE;

struct pool {
    unsigned schedulers;
    _Atomic uint32_t attached; // schedulers between attach and detach
    _Atomic uint32_t closing;
    struct peer_scheduler scheduler[];
};

struct peer_job {
    uv_work_t request;
    struct peer_scheduler *home;
    void (*invoke)(void *);
    void (*ready)(void *);
    void *data;
};

// libuv ends the process when it cannot create its threads. So as many of the same size are created beforehand,
// all there at once, and ended again.
#define UV_STACK_BYTES (8u << 20)

static void wait_for_gate(void *argument)
{
    struct lock_node node;
    lock_acquire(argument, &node);
    lock_release(argument, &node);
}

static int probe_threads(unsigned count)
{
    struct thread *threads = calloc(count, sizeof *threads);
    if (!threads)
        return -ENOMEM;
    const struct thread_options options = {.stack_bytes = UV_STACK_BYTES, .cpu = -1};
    struct lock gate;
    struct lock_node node;
    int error = 0;
    lock_init(&gate, LOCK_MUTEX);
    lock_acquire(&gate, &node);
    for (unsigned i = 0; i < count && error == 0; i++)
        error = thread_start(&threads[i], &options, wait_for_gate, &gate);
    lock_release(&gate, &node);
    for (unsigned i = 0; i < count; i++)
        thread_join(&threads[i]);
    lock_fini(&gate);
    free(threads);
    return error;
}

// libuv starts its workers from whichever thread asks first, and they inherit that thread's processors. So main
// asks before anyone is pinned, with as many jobs as workers that wait for each other: every worker gets one, and pins
// itself.
struct pin_round {
    const struct pool_setup *setup;
    _Atomic uint32_t arrived;
    _Atomic int error;
};

static void pin_worker(uv_work_t *request)
{
    struct pin_round *round = request->data;
    const uint32_t number = at_add_ar(&round->arrived, 1, AT(uv_arrive, uv_all_arrived));
    const int cpu = round->setup->worker_cpus ? round->setup->worker_cpus[number] : -1;
    if (cpu >= 0) {
        const int error = topology_pin_self(round->setup->topology, (unsigned)cpu);
        if (error)
            at_store_rlx(&round->error, error);
    }
    SPIN_UNTIL(at_load_acq(&round->arrived, AT(uv_all_arrived, uv_arrive)) == round->setup->workers);
}

static void pinned(uv_work_t *request, int status)
{
    (void)request;
    (void)status;
}

static int start_workers(const struct pool_setup *setup)
{
    char size[16];
    snprintf(size, sizeof size, "%u", setup->workers);
    setenv("UV_THREADPOOL_SIZE", size, 1);
    uv_loop_t loop;
    uv_work_t *requests = calloc(setup->workers, sizeof *requests);
    if (!requests)
        return -ENOMEM;
    int error = uv_loop_init(&loop);
    struct pin_round round = {.setup = setup};
    for (unsigned i = 0; i < setup->workers && error == 0; i++) {
        requests[i].data = &round;
        error = uv_queue_work(&loop, &requests[i], pin_worker, pinned);
    }
    if (error == 0) {
        uv_run(&loop, UV_RUN_DEFAULT);
        uv_loop_close(&loop);
        error = at_load_rlx(&round.error);
    }
    free(requests);
    return error;
}

static int peer_start(struct pool **pool, const struct pool_setup *setup, const void *config, struct fault *fault)
{
    static bool started;
    (void)config;
    if (setup->workers < 1 || setup->workers > UV_WORKERS_MAX)
        return fault_set(fault, -EINVAL, "pool uv: libuv has 1 to %u workers, not %u", UV_WORKERS_MAX, setup->workers);
    if (started)
        return fault_set(fault, -EBUSY, "pool uv: libuv's thread pool can be started once in a process");
    const size_t size = sizeof(struct pool) + setup->schedulers * sizeof(struct peer_scheduler);
    struct pool *made = memory_system.alloc(&memory_system, size, LINE_PAIR, -1);
    if (!made)
        return fault_set(fault, -ENOMEM, "pool uv: no memory");
    int error = probe_threads(setup->workers);
    if (error)
        fault_set(fault, error, "pool uv: the machine, or a limit of it, allows no %u more threads", setup->workers);
    if (!error) {
        started = true;
        error = start_workers(setup);
    }
    if (error) {
        if (started)
            uv_library_shutdown();
        memory_system.free(&memory_system, made, size, -1);
        return fault_set(fault, error, "pool uv: cannot start or pin %u workers: %s", setup->workers,
                         uv_strerror(error));
    }
    made->schedulers = setup->schedulers;
    *pool = made;
    return 0;
}

static int peer_attach(struct pool *pool, unsigned scheduler)
{
    struct peer_scheduler *self = &pool->scheduler[scheduler];
    const int error = self->attached ? -EBUSY : uv_loop_init(&self->loop);
    if (error)
        return error;
    self->pool = pool;
    self->attached = true;
    at_add_ar(&pool->attached, 1, AT(uv_attached, uv_all_detached));
    return 0;
}

static void run_job(uv_work_t *request)
{
    struct peer_job *job = request->data;
    job->invoke(job->data);
}

static void complete_job(uv_work_t *request, int status)
{
    (void)status; // nothing is ever cancelled
    struct peer_job *job = request->data;
    struct peer_scheduler *home = job->home;
    job->ready(job->data);
    memory_system.free(&memory_system, job, sizeof *job, -1);
    at_store_rlx(&home->completed, at_load_rlx(&home->completed) + 1);
}

static long peer_submit(struct pool *pool, unsigned scheduler, unsigned *key, void (*invoke)(void *),
                        void (*ready)(void *), void *data)
{
    struct peer_scheduler *self = &pool->scheduler[scheduler];
    if (key)
        return -EINVAL;
    if (!self->attached)
        return -EPERM;
    if (at_load_acq(&pool->closing, AT(uv_closed, uv_close)))
        return -ESHUTDOWN;
    struct peer_job *job = memory_system.alloc(&memory_system, sizeof *job, 16, -1);
    if (!job)
        return -ENOMEM;
    job->request.data = job;
    job->home = self;
    job->invoke = invoke;
    job->ready = ready;
    job->data = data;
    const int error = uv_queue_work(&self->loop, &job->request, run_job, complete_job);
    if (error) {
        memory_system.free(&memory_system, job, sizeof *job, -1);
        return error;
    }
    const uint64_t id = at_load_rlx(&self->submitted) + 1;
    at_store_rlx(&self->submitted, id);
    return (long)id;
}

static void run_loop(struct peer_scheduler *self, uv_run_mode mode)
{
    const uint64_t before = at_load_rlx(&self->completed);
    uv_run(&self->loop, mode);
    if (at_load_rlx(&self->completed) != before)
        at_store_rlx(&self->batches, at_load_rlx(&self->batches) + 1);
}

static enum pool_more peer_pass(struct pool *pool, unsigned scheduler)
{
    run_loop(&pool->scheduler[scheduler], UV_RUN_NOWAIT);
    return POOL_NOTHING;
}

static void peer_wait(struct pool *pool, unsigned scheduler)
{
    run_loop(&pool->scheduler[scheduler], UV_RUN_ONCE);
}

static void peer_detach(struct pool *pool, unsigned scheduler)
{
    struct peer_scheduler *self = &pool->scheduler[scheduler];
    if (!self->attached)
        return;
    run_loop(self, UV_RUN_DEFAULT);
    uv_loop_close(&self->loop);
    self->attached = false;
    at_sub_rel(&pool->attached, 1, AT(uv_detached, uv_all_detached));
}

static void peer_statistics(struct pool *pool, struct pool_statistics *statistics)
{
    *statistics = (struct pool_statistics){
        .refused = 0, .invoked = UINT64_MAX, .wakes = UINT64_MAX, .parks = UINT64_MAX, .retries = UINT64_MAX};
    for (unsigned i = 0; i < pool->schedulers; i++) {
        statistics->submitted += at_load_rlx(&pool->scheduler[i].submitted);
        statistics->completed += at_load_rlx(&pool->scheduler[i].completed);
        statistics->batches += at_load_rlx(&pool->scheduler[i].batches);
    }
}

static int peer_stop(struct pool *pool, struct pool_statistics *statistics, struct fault *fault)
{
    at_store_rel(&pool->closing, 1, AT(uv_close, uv_closed));
    SPIN_UNTIL(at_load_acq(&pool->attached, AT(uv_all_detached, uv_detached, uv_attached)) == 0);
    struct pool_statistics counts;
    peer_statistics(pool, &counts);
    if (statistics)
        *statistics = counts;
    uv_library_shutdown();
    const size_t size = sizeof(struct pool) + pool->schedulers * sizeof(struct peer_scheduler);
    memory_system.free(&memory_system, pool, size, -1);
    if (counts.submitted != counts.completed)
        return fault_set(fault, -EIO, "pool uv: %llu jobs never completed",
                         (unsigned long long)(counts.submitted - counts.completed));
    return 0;
}

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

static const struct param peer_params[] = {PARAM_END};

const struct pool_ops uv_pool_ops = {
    .abi_version = POOL_ABI_VERSION,
    .name = "uv",
    .summary = "libuv's thread pool, uv_queue_work: one locked list for all workers",
    .source = "libuv " TEXT(UV_VERSION_MAJOR) "." TEXT(UV_VERSION_MINOR) "." TEXT(UV_VERSION_PATCH),
    .traits = {.keys = false,
               .fifo = true,
               .completes_on_submitter = true,
               .takes_queues = false,
               .synchronous = false,
               .externals = false,
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
