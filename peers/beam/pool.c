// SPDX-License-Identifier: Apache-2.0
// The pool inside ERTS: a workload's scheduler on an Erlang scheduler's thread.
//
// A workload is a loop that submits, passes and waits, while ERTS calls ready_async only from its own scheduler loop,
// when the driver's callback has returned. So the life of a scheduler runs as a fiber, on a stack of its own: pass and
// wait leave it, and the callback that it ran in returns to ERTS.
//   - From pass it goes on at the next turn (beam_turn) that the port's process gives it. As the process gives way
//     between two turns, ERTS completes up to 20 jobs in between, which is what it does between any two processes.
//   - From wait it goes on inside the ready_async of the job that came home first, as a driver would submit its next
//     job there. The process sleeps meanwhile, and so may ERTS.
//
// What that adds to ERTS: a turn, about half a microsecond, for each pass, and so for some 20 jobs of a large window
// and for every job of a window of 1; a record of a job from a free list; and a jump between two stacks. A driver
// without a workload, which submits its next job in ready_async and does nothing else, came out no faster than one that
// goes on in this way at windows of 1 and of 4096, and by up to 15 % faster in between, most at 4 to 16.
//
// One pool in a life of the emulator. All but what is said is used by the scheduler's thread only.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/machine/topology.h"
#include "core/sync/atomic.h"
#include "core/sync/event.h"
#include "peers/beam/fiber.h"
#include "peers/beam/inside.h"

struct beam_job {
    void (*invoke)(void *);
    void (*ready)(void *);
    void *data;
    struct beam_job *next; // free
};

#define JOBS_STEP 64u // records of jobs that are allocated at once

struct jobs_block {
    struct jobs_block *next;
    struct beam_job jobs[JOBS_STEP];
};

// What the program's threads want of the scheduler's thread.
enum request { REQUEST_NOTHING, REQUEST_PLACE, REQUEST_LIFE };

// Where the life is.
enum where { ENDED, RUNNING, PASSING, WAITING };

struct pool {
    const struct pool_setup *setup; // by start, until `answered`
    void (*life)(void *argument);   // by host, until `answered`
    void *argument;
    struct event answered;    // the program's thread waits for it
    _Atomic uint32_t request; // enum request
    _Atomic uint32_t done;    // what was asked for is; set before `answered`
    _Atomic int error;        // of placing threads
    _Atomic uint32_t closing;

    _Atomic uint64_t submitted ALIGNED_LINE; // written by the scheduler's thread only
    _Atomic uint64_t completed;              // likewise
    struct beam_job *free;
    struct jobs_block *blocks;
    struct fiber fiber;
    enum where where;
    bool asleep; // the port's process waits to be called
    bool attached;
};

static struct pool the_pool; // at most one
static bool started;

static void add_one(_Atomic uint64_t *count)
{
    at_store_rlx(count, at_load_rlx(count) + 1);
}

static uint64_t in_flight(struct pool *pool)
{
    return at_load_rlx(&pool->submitted) - at_load_rlx(&pool->completed);
}

// ------------------------------------------------------------------------------------------------ jobs

static struct beam_job *take_job(struct pool *pool)
{
    if (!pool->free) {
        struct jobs_block *block = calloc(1, sizeof *block);
        if (!block)
            return NULL;
        block->next = pool->blocks;
        pool->blocks = block;
        for (unsigned i = 0; i < JOBS_STEP; i++) {
            block->jobs[i].next = pool->free;
            pool->free = &block->jobs[i];
        }
    }
    struct beam_job *job = pool->free;
    pool->free = job->next;
    return job;
}

static void give_job(struct pool *pool, struct beam_job *job)
{
    job->next = pool->free;
    pool->free = job;
}

static long submit_job(struct pool *pool, unsigned *key, void (*invoke)(void *), void (*ready)(void *), void *data)
{
    struct beam_job *job = take_job(pool);
    if (!job)
        return -ENOMEM;
    job->invoke = invoke;
    job->ready = ready;
    job->data = data;
    if (beam_async(key, job) < 0) {
        give_job(pool, job);
        return -ESHUTDOWN;
    }
    add_one(&pool->submitted);
    return (long)at_load_rlx(&pool->submitted);
}

void beam_invoke(void *data)
{
    struct beam_job *job = data;
    job->invoke(job->data);
}

// ------------------------------------------------------------------------------------------------ requests

// By a thread of the program: has the scheduler's thread do something, and waits until that is done.
static void ask(struct pool *pool, enum request request)
{
    at_store_rlx(&pool->done, 0);
    event_reset(&pool->answered);
    at_store_rel(&pool->request, request, AT(beam_ask, beam_hear));
    beam_call();
    while (!at_load_acq(&pool->done, AT(beam_answered, beam_answer)))
        event_wait(&pool->answered, 0);
}

static void answer(struct pool *pool)
{
    at_store_rel(&pool->done, 1, AT(beam_answer, beam_answered));
    event_set(&pool->answered);
}

static void pin_self(struct pool *pool, int cpu)
{
    const int error = cpu < 0 ? 0 : topology_pin_self(pool->setup->topology, (unsigned)cpu);
    if (error)
        at_store_rlx(&pool->error, error);
}

static void place_worker(void *cpu)
{
    pin_self(&the_pool, *(const int *)cpu);
}

static void worker_placed(void *cpu)
{
    (void)cpu;
    if (in_flight(&the_pool) == 0)
        answer(&the_pool);
}

// Of the threads that ERTS has, each pins itself: a job of key i is worker i's.
static void place_threads(struct pool *pool)
{
    static const int nowhere = -1;
    const struct pool_setup *setup = pool->setup;
    pin_self(pool, setup->scheduler_cpus ? setup->scheduler_cpus[0] : nowhere);
    for (unsigned i = 0; i < setup->workers; i++) {
        unsigned key = i;
        const int *cpu = setup->worker_cpus ? &setup->worker_cpus[i] : &nowhere;
        if (submit_job(pool, &key, place_worker, worker_placed, (void *)cpu) < 0)
            at_store_rlx(&pool->error, -ENOMEM);
    }
    if (in_flight(pool) == 0)
        answer(pool);
}

static void live(void)
{
    struct pool *pool = &the_pool;
    pool->life(pool->argument);
    pool->where = ENDED;
}

// Until it leaves its stack: only then may the pool be freed.
static void go_on(struct pool *pool, void (*enter)(struct fiber *fiber))
{
    pool->where = RUNNING;
    enter(&pool->fiber);
    if (pool->where == ENDED)
        answer(pool);
}

void beam_ready(void *data)
{
    struct pool *pool = &the_pool;
    const struct beam_job job = *(struct beam_job *)data;
    give_job(pool, data);
    add_one(&pool->completed);
    job.ready(job.data);
    if (pool->where != WAITING)
        return;
    go_on(pool, fiber_resume);
    if (pool->where != PASSING || !pool->asleep)
        return;
    pool->asleep = false;
    beam_call();
}

bool beam_turn(void)
{
    struct pool *pool = &the_pool;
    const uint32_t request = at_load_acq(&pool->request, AT(beam_hear, beam_ask));
    if (request != REQUEST_NOTHING)
        at_store_rlx(&pool->request, REQUEST_NOTHING);
    if (request == REQUEST_PLACE) {
        place_threads(pool);
    } else if (request == REQUEST_LIFE) {
        go_on(pool, fiber_begin);
    } else if (pool->where == PASSING) {
        go_on(pool, fiber_resume);
    }
    pool->asleep = pool->where != PASSING;
    return !pool->asleep;
}

// ------------------------------------------------------------------------------------------------ the contract

static void close_pool(struct pool *pool)
{
    if (pool->fiber.stack)
        fiber_end(&pool->fiber);
    for (struct jobs_block *block = pool->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    pool->blocks = NULL;
    pool->free = NULL;
}

static int inside_start(struct pool **made, const struct pool_setup *setup, const void *config, struct fault *fault)
{
    (void)config;
    struct pool *pool = &the_pool;
    if (started)
        return fault_set(fault, -EBUSY, "pool beam can be started once in a process only");
    if (beam_async_threads() != setup->workers)
        return fault_set(fault, -EINVAL, "pool beam: ERTS has %u async threads, and %u workers are asked for",
                         beam_async_threads(), setup->workers);
    started = true;
    event_init(&pool->answered);
    pool->setup = setup;
    int error = fiber_make(&pool->fiber, live);
    if (!error) {
        ask(pool, REQUEST_PLACE);
        error = at_load_rlx(&pool->error);
    }
    if (error) {
        close_pool(pool);
        return fault_set(fault, error, "pool beam: the threads of ERTS can't be placed: %s", strerror(-error));
    }
    at_store_rlx(&pool->submitted, 0);
    at_store_rlx(&pool->completed, 0);
    *made = pool;
    return 0;
}

static void inside_host(struct pool *pool, unsigned thread, void (*life)(void *), void *argument)
{
    (void)thread;
    pool->life = life;
    pool->argument = argument;
    ask(pool, REQUEST_LIFE);
}

static int inside_attach(struct pool *pool, unsigned thread)
{
    if (thread != 0)
        return -EINVAL;
    pool->attached = true;
    return 0;
}

static long inside_submit(struct pool *pool, unsigned thread, unsigned *key, void (*invoke)(void *),
                          void (*ready)(void *), void *data)
{
    (void)thread;
    if (at_load_acq(&pool->closing, AT(beam_closed, beam_close)))
        return -ESHUTDOWN;
    return submit_job(pool, key, invoke, ready, data);
}

static enum pool_more inside_pass(struct pool *pool, unsigned scheduler)
{
    (void)scheduler;
    pool->where = PASSING;
    fiber_leave(&pool->fiber);
    return POOL_NOTHING;
}

static void inside_wait(struct pool *pool, unsigned scheduler)
{
    (void)scheduler;
    if (in_flight(pool) == 0)
        return;
    pool->where = WAITING;
    fiber_leave(&pool->fiber);
}

static void inside_detach(struct pool *pool, unsigned thread)
{
    if (!pool->attached)
        return;
    while (in_flight(pool))
        inside_wait(pool, thread);
    pool->attached = false;
}

static void inside_statistics(struct pool *pool, struct pool_statistics *statistics)
{
    *statistics = (struct pool_statistics){.submitted = at_load_rlx(&pool->submitted),
                                           .completed = at_load_rlx(&pool->completed),
                                           .invoked = UINT64_MAX,
                                           .wakes = UINT64_MAX,
                                           .parks = UINT64_MAX,
                                           .batches = UINT64_MAX,
                                           .retries = UINT64_MAX};
}

static int inside_stop(struct pool *pool, struct pool_statistics *statistics, struct fault *fault)
{
    at_store_rel(&pool->closing, 1, AT(beam_close, beam_closed));
    struct pool_statistics counts;
    inside_statistics(pool, &counts);
    if (statistics)
        *statistics = counts;
    close_pool(pool);
    if (counts.submitted != counts.completed)
        return fault_set(fault, -EIO, "pool beam: %llu jobs never completed",
                         (unsigned long long)(counts.submitted - counts.completed));
    return 0;
}

const struct pool_ops beam_inside_ops = {
    .host = inside_host,
    .start = inside_start,
    .attach = inside_attach,
    .submit = inside_submit,
    .pass = inside_pass,
    .wait = inside_wait,
    .detach = inside_detach,
    .stop = inside_stop,
    .statistics = inside_statistics,
};
