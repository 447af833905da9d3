// SPDX-License-Identifier: Apache-2.0
#include "core/run/subject.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "core/machine/memory.h"
#include "core/run/phases.h"
#include "core/sync/atomic.h"

static void *env_alloc(void *context, size_t size, size_t align, int node)
{
    (void)context;
    return memory_system.alloc(&memory_system, size, align, node);
}

static void env_free(void *context, void *memory, size_t size, int node)
{
    (void)context;
    memory_system.free(&memory_system, memory, size, node);
}

static void notify_nobody(void *argument)
{
    (void)argument;
}

static void *env_element_take(void *context)
{
    return elements_take(((struct subject *)context)->elements);
}

static void env_element_give(void *context, void *element)
{
    elements_give(((struct subject *)context)->elements, element);
}

static int node_of(const struct run_plan *plan, unsigned thread)
{
    const struct cpu *cpu = plan->cpus[thread] < 0 ? NULL : topology_cpu(plan->topology, (unsigned)plan->cpus[thread]);
    return cpu ? (int)cpu->node : -1;
}

// Threads on a queue, by what they are.
struct head_count {
    unsigned producers, consumers, managed, unmanaged;
    unsigned first_consumer;
};

static struct head_count count_heads(const struct workload_demand *demand)
{
    struct head_count heads = {.first_consumer = 0};
    unsigned index = 0;
    for (unsigned r = 0; r < WORKLOAD_ROLES_MAX && demand->roles[r].name; r++) {
        const struct workload_role *role = &demand->roles[r];
        if (role->consumes && heads.consumers == 0)
            heads.first_consumer = index;
        heads.producers += role->produces ? role->threads : 0;
        heads.consumers += role->consumes ? role->threads : 0;
        *(role->kind == QUEUE_MANAGED ? &heads.managed : &heads.unmanaged) += role->threads;
        index += role->threads;
    }
    return heads;
}

// Undoes open_queue, as far as it came.
static uint64_t close_queue(struct subject *subject)
{
    if (subject->queue.memory)
        queue_close(&subject->queue);
    const uint64_t leaked = subject->elements ? elements_destroy(subject->elements) : 0;
    if (subject->progress)
        progress_destroy(subject->progress);
    return leaked;
}

static int open_queue(struct subject *subject, struct fault *fault)
{
    const struct queue_choice *choice = subject->run->queue_choice;
    const struct queue_ops *ops = choice->entry->ops;
    const struct head_count heads = count_heads(&subject->plan->demand);
    int result = progress_create(&subject->progress, &memory_system, heads.managed, heads.unmanaged);
    if (result)
        return fault_set(fault, result, "thread progress cannot be set up: %s", fault_no_thread(result));
    if (ops->element_size)
        result = elements_create(&subject->elements, &memory_system, ops->element_size, heads.producers);
    if (result) {
        close_queue(subject);
        return fault_set(fault, result, "no memory for the elements of queue %s", choice->entry->name);
    }
    // A history takes an operation for visible when it has returned, so a queue must behave as where somebody sleeps.
    const bool recorded = subject->plan->options->settings.check != HISTORY_SCOPE_NONE;
    const struct queue_env env = {
        .notify = recorded ? notify_nobody : NULL,
        .alloc = env_alloc,
        .free = env_free,
        .element_take = ops->element_size ? env_element_take : NULL,
        .element_give = ops->element_size ? env_element_give : NULL,
        .context = subject,
        .progress = subject->progress,
        .producers_max = heads.producers,
        .consumers_max = heads.consumers,
        .node = node_of(subject->plan, heads.first_consumer),
    };
    const bool direct = subject->plan->options->settings.dispatch == RUN_DISPATCH_DIRECT;
    subject->run->queue = &subject->queue;
    subject->run->loops = direct ? ops->loops : &queue_vtable_loops;
    result = queue_open(&subject->queue, choice, &env, fault);
    if (result) {
        subject->queue.memory = NULL;
        close_queue(subject);
    }
    return result;
}

static int start_pool(struct subject *subject, struct fault *fault)
{
    struct workload_run *run = subject->run;
    const struct pool_setup setup = run_plan_pool_setup(subject->plan);
    const int result = run->pool_ops->start(&subject->pool, &setup, subject->plan->options->pool_config, fault);
    run->pool_traits = &subject->plan->pool_traits;
    run->pool = subject->pool;
    return result;
}

int subject_open(struct subject *subject, const struct run_plan *plan, struct workload_run *run, struct fault *fault)
{
    *subject = (struct subject){.plan = plan, .run = run};
    int result = judging_open(&subject->judging, plan, &run->queue_choice, &run->pool_ops, fault);
    if (result)
        return result;
    result = run->pool_ops ? start_pool(subject, fault) : open_queue(subject, fault);
    if (result)
        judging_close(&subject->judging);
    return result;
}

// The threads of a queue workload look for work by themselves.
static void no_wakeup(void *argument)
{
    (void)argument;
}

static void leave_queue(struct workload_thread *self, struct subject *subject)
{
    queue_client_detach(&self->consumer, &subject->queue);
    queue_client_detach(&self->producer, &subject->queue);
    if (subject->elements && self->role->produces)
        elements_detach(subject->elements);
    progress_unregister(progress_self(subject->progress));
    self->progress = NULL;
}

static int enter_queue(struct workload_thread *self, struct subject *subject)
{
    const struct workload_role *role = self->role;
    const bool managed = role->kind == QUEUE_MANAGED;
    struct progress_thread *registered =
        (managed ? progress_register_managed : progress_register_unmanaged)(subject->progress, no_wakeup, NULL);
    if (!registered)
        return -ENOMEM;
    self->progress = managed ? registered : NULL;
    int result = 0;
    judging_name_thread(&subject->judging, self);
    if (subject->elements && role->produces)
        result = elements_attach(subject->elements, ELEMENTS_PER_THREAD, node_of(subject->plan, self->index));
    if (!result && role->produces)
        result = queue_client_attach(&self->producer, &subject->queue, QUEUE_PRODUCER, role->kind);
    if (!result && role->consumes)
        result = queue_client_attach(&self->consumer, &subject->queue, QUEUE_CONSUMER, role->kind);
    if (result)
        leave_queue(self, subject);
    return result;
}

int subject_attach(struct workload_thread *self, void *argument)
{
    struct subject *subject = argument;
    if (subject->pool)
        return self->run->pool_ops->attach(subject->pool, self->index);
    return enter_queue(self, subject);
}

void subject_detach(struct workload_thread *self, void *argument)
{
    struct subject *subject = argument;
    if (subject->pool)
        self->run->pool_ops->detach(subject->pool, self->index);
    else
        leave_queue(self, subject);
}

// Stopping a pool joins its workers, which a faulty pool may never let end; so a thread of its own does it, and main
// keeps the watch.
struct stopper {
    const struct pool_ops *ops;
    struct pool *pool;
    struct pool_statistics statistics;
    struct fault fault;
    int result;
    _Atomic uint32_t done;
    struct thread thread;
};

static void stop_body(void *argument)
{
    struct stopper *stopper = argument;
    stopper->result = stopper->ops->stop(stopper->pool, &stopper->statistics, &stopper->fault);
    at_store_rel(&stopper->done, 1, AT(subject_stopped, subject_see_stopped));
}

static bool await_stopped(struct stopper *stopper, uint64_t most_ns)
{
    const struct timespec nap = {.tv_nsec = 1000000};
    for (uint64_t waited = 0; waited < most_ns; waited += (uint64_t)nap.tv_nsec) {
        if (at_load_acq(&stopper->done, AT(subject_see_stopped, subject_stopped)))
            return true;
        nanosleep(&nap, NULL);
    }
    return false;
}

static bool stop_pool(struct subject *subject, struct fault *fault)
{
    struct stopper *stopper = calloc(1, sizeof *stopper);
    if (!stopper) {
        fault_set(fault, -ENOMEM, "no memory to stop the pool");
        return false;
    }
    stopper->ops = subject->run->pool_ops;
    stopper->pool = subject->pool;
    const uint64_t most_ns = subject->plan->options->settings.stuck_ns;
    const struct thread_options options = {.name = "stopper", .cpu = -1};
    if (thread_start(&stopper->thread, &options, stop_body, stopper) != 0)
        stop_body(stopper);
    if (!await_stopped(stopper, most_ns)) {
        fault_set(fault, -ETIMEDOUT, "the pool did not stop within %.3g s, though no job was in flight",
                  (double)most_ns * 1e-9);
        return false;
    }
    thread_join(&stopper->thread);
    const int result = stopper->result;
    if (result)
        fault_set(fault, result, "stopping the pool: %s", stopper->fault.text);
    subject->final = stopper->statistics;
    free(stopper);
    subject->pool = NULL;
    return true;
}

bool subject_close(struct subject *subject, struct fault *fault)
{
    if (subject->pool)
        return stop_pool(subject, fault);
    queue_statistics(&subject->queue, &subject->left);
    subject->backlog = subject->elements ? elements_outstanding(subject->elements) : RECORD_ABSENT;
    const int64_t kept = (int64_t)close_queue(subject);
    if (kept > 0)
        fault_set(fault, -EIO, "the queue kept %lld elements when it was closed", (long long)kept);
    if (kept < 0)
        fault_set(fault, -EIO, "the queue gave %lld elements back twice", (long long)-kept);
    return true;
}

_Static_assert(QUEUE_UNCOUNTED == RECORD_ABSENT, "what a queue does not count is absent from the record");

void subject_record(const struct subject *subject, struct record *record)
{
    if (subject->run->pool_ops) {
        record->queue_retries = subject->final.retries;
        return;
    }
    record->queue_retries = subject->left.retries;
    record->queue_memory_bytes = subject->left.memory_bytes;
    record->reclaim_backlog = subject->backlog;
}

void workload_reclaim(struct workload_thread *self)
{
    struct run_thread *thread = self->inner;
    uint64_t value = 0;
    if (queue_clean(&self->consumer, &value) != QUEUE_NEED_PROGRESS || self->progress)
        return;
    struct progress *progress = self->run->queue->env.progress;
    if (thread->awaited && !progress_reached(progress, thread->awaited))
        return;
    thread->awaited = value;
    progress_request_wakeup(progress_self(progress), value);
}
