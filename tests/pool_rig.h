// SPDX-License-Identifier: Apache-2.0
// A pool set up for a test: with threads, or without, where the test takes each step itself on its own thread.
#ifndef READYQ_TESTS_POOL_RIG_H
#define READYQ_TESTS_POOL_RIG_H

#include "core/machine/memory.h"
#include "core/pool/pool.h"
#include "core/pool/scheduler.h"
#include "core/pool/submit.h"
#include "core/pool/worker.h"
#include "core/run/params.h"
#include "tests/scripted_queue.h"
#include "tests/unit.h"

extern const struct pool_ops erts_pool_ops;

// Memory that counts, and that can be told to end.
struct rig_allocator {
    struct allocator base;
    _Atomic uint64_t allocations, frees;
    _Atomic uint64_t left; // allocations that still succeed
};

static inline void *rig_alloc(struct allocator *self, size_t size, size_t align, int node)
{
    struct rig_allocator *rig = (struct rig_allocator *)self;
    if (atomic_load(&rig->left) == 0)
        return NULL;
    atomic_fetch_sub(&rig->left, 1);
    atomic_fetch_add(&rig->allocations, 1);
    return memory_system.alloc(&memory_system, size, align, node);
}

static inline void rig_free(struct allocator *self, void *memory, size_t size, int node)
{
    atomic_fetch_add(&((struct rig_allocator *)self)->frees, 1);
    memory_system.free(&memory_system, memory, size, node);
}

struct rig {
    struct pool *pool;
    struct worker *worker;       // the first
    struct scheduler *scheduler; // the first
    struct rig_allocator memory;
    struct queue_choice job_queue, ready_queue;
    struct script job_script, ready_script; // for scripted queues
    struct script *job_script_at, *ready_script_at;
    struct erts_pool_config config;
    struct pool_setup setup;
    struct pool_extras extras;
    struct fault fault;
    bool manned; // workers opened and schedulers attached, by the test's own thread
};

static inline void rig_choose(struct queue_choice *choice, const char *spec, struct script **at, struct script *script)
{
    *at = script;
    if (strcmp(spec, "scripted") == 0) {
        *choice = scripted_choice(at);
        return;
    }
    struct fault fault = {""};
    if (queue_choice_parse(choice, spec, &fault) != 0)
        fail_msg("%s", fault.text);
}

// Everything at its default; the test may change `config`, `setup` and `extras` before rig_start.
static inline void rig_init(struct rig *rig, unsigned schedulers, unsigned workers, const char *job_queue,
                            const char *ready_queue)
{
    *rig = (struct rig){.memory = {.base = {rig_alloc, rig_free}, .left = UINT64_MAX}};
    rig_choose(&rig->job_queue, job_queue, &rig->job_script_at, &rig->job_script);
    rig_choose(&rig->ready_queue, ready_queue, &rig->ready_script_at, &rig->ready_script);
    assert_int_equal(params_defaults(erts_pool_ops.params, &rig->config, &rig->fault), 0);
    rig->setup = (struct pool_setup){.schedulers = schedulers,
                                     .ports = 8,
                                     .workers = workers,
                                     .job_queue = &rig->job_queue,
                                     .ready_queue = &rig->ready_queue};
    rig->extras = (struct pool_extras){.allocator = &rig->memory.base};
}

static inline int rig_try(struct rig *rig)
{
    const int error = pool_create(&rig->pool, &rig->setup, &rig->config, &rig->extras, &rig->fault);
    if (!error) {
        rig->worker = rig->pool->workers;
        rig->scheduler = rig->pool->schedulers;
    }
    return error;
}

// With worker threads.
static inline void rig_start(struct rig *rig)
{
    if (rig_try(rig) != 0)
        fail_msg("%s", rig->fault.text);
}

// Without: all threads' parts are played by the caller.
static inline void rig_man(struct rig *rig)
{
    rig->extras.threadless = true;
    rig_start(rig);
    for (unsigned i = 0; i < rig->setup.workers; i++)
        assert_int_equal(worker_open(&rig->pool->workers[i]), 0);
    for (unsigned i = 0; i < rig->setup.schedulers; i++)
        assert_int_equal(scheduler_attach(&rig->pool->schedulers[i]), 0);
    rig->manned = true;
}

// Forgets what the queues wrote down so far.
static inline void rig_forget(struct rig *rig)
{
    script_clear(&rig->job_script);
    script_clear(&rig->ready_script);
}

static inline void rig_forget_choices(struct rig *rig)
{
    if (rig->job_queue.config != &rig->job_script_at)
        queue_choice_fini(&rig->job_queue);
    if (rig->ready_queue.config != &rig->ready_script_at)
        queue_choice_fini(&rig->ready_queue);
}

// In place of the queues chosen first.
static inline void rig_again(struct rig *rig, unsigned schedulers, unsigned workers, const char *job_queue,
                             const char *ready_queue)
{
    rig_forget_choices(rig);
    rig_init(rig, schedulers, workers, job_queue, ready_queue);
}

// Steps worker `number` as often as it runs something or asks to be called again.
static inline enum worker_next rig_work(struct rig *rig, unsigned number)
{
    enum worker_next next;
    do
        next = worker_step(&rig->pool->workers[number]);
    while (next == WORKER_RAN || next == WORKER_AGAIN);
    return next;
}

// Lets a pool without threads finish what it has, as far as it can. What is left then is lost, and stop says so
// in place of waiting for it.
static inline void rig_settle(struct rig *rig)
{
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < rig->setup.workers; i++)
            rig_work(rig, i);
        for (unsigned i = 0; i < rig->setup.schedulers; i++)
            if (rig->pool->schedulers[i].attached)
                scheduler_pass(&rig->pool->schedulers[i]);
    }
    atomic_store(&rig->pool->workers_ended, 1);
}

// Stops, and sees that all memory came back.
static inline void rig_stop(struct rig *rig)
{
    if (rig->manned) {
        rig_settle(rig);
        for (unsigned i = 0; i < rig->setup.schedulers; i++)
            if (rig->pool->schedulers[i].attached)
                scheduler_detach(&rig->pool->schedulers[i]);
        for (unsigned i = 0; i < rig->setup.workers; i++)
            worker_close(&rig->pool->workers[i]);
    }
    struct pool_statistics statistics;
    if (pool_stop(rig->pool, &statistics, &rig->fault) != 0)
        fail_msg("%s", rig->fault.text);
    assert_int_equal(atomic_load(&rig->memory.allocations), atomic_load(&rig->memory.frees));
    rig_forget_choices(rig);
}

// A job that leaves its trace: what ran, in order.
struct trace {
    char log[256];
};

static inline void trace_note(struct trace *trace, char letter)
{
    trace->log[strlen(trace->log)] = letter;
}

static inline void trace_invoke(void *data)
{
    trace_note(data, 'i');
}

static inline void trace_ready(void *data)
{
    trace_note(data, 'r');
}

static inline void trace_free(void *data)
{
    trace_note(data, 'f');
}

// Submits through scheduler `number`, as a workload would.
static inline long rig_submit(struct rig *rig, unsigned number, unsigned *key, struct trace *trace)
{
    return erts_pool_ops.submit(rig->pool, number, key, trace_invoke, trace_ready, trace);
}

#endif
