// SPDX-License-Identifier: Apache-2.0
// The list of Concurrency Kit for one producer and one consumer.
//
// Source: Concurrency Kit, ck_fifo.h, the functions whose names begin with ck_fifo_spsc.
//
// May run at once: everything but init and fini, and one enqueue and one dequeue at a time.
//
// Progress: wait-free, as far as the environment's memory is.
//
// The library keeps the nodes that were consumed in its list and hands them to the producer again. So a node comes from
// the environment only where none is left over, and goes back at the end.
#include <ck_fifo.h>
#include <errno.h>

#include "core/queue.h"
#include "core/sync/atomic.h"
#include "core/sync/sleep_fence.h"

struct fifo {
    ck_fifo_spsc_t fifo;
    const struct queue_env *env ALIGNED_LINE;
} ALIGNED_LINE;

static int fifo_init(void *queue, const struct queue_env *env, const void *config)
{
    (void)config;
    struct fifo *q = queue;
    ck_fifo_spsc_entry_t *stub = env->element_take(env->context);
    if (!stub)
        return -ENOMEM;
    q->env = env;
    ck_fifo_spsc_init(&q->fifo, stub);
    return 0;
}

static int fifo_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void fifo_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static int fifo_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    struct fifo *q = queue;
    ck_fifo_spsc_entry_t *entry = ck_fifo_spsc_recycle(&q->fifo);
    if (!entry)
        entry = q->env->element_take(q->env->context);
    if (!entry)
        return -ENOMEM;
    ck_fifo_spsc_enqueue(&q->fifo, entry, (void *)item);
    SLEEP_FENCE(q->env);
    return QUEUE_OK;
}

static int fifo_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct fifo *q = queue;
    void *value;
    SLEEP_FENCE(q->env);
    if (!ck_fifo_spsc_dequeue(&q->fifo, &value))
        return QUEUE_EMPTY;
    *item = (uintptr_t)value;
    return QUEUE_OK;
}

static void fifo_fini(void *queue)
{
    struct fifo *q = queue;
    ck_fifo_spsc_entry_t *entry, *next;
    ck_fifo_spsc_deinit(&q->fifo, &entry);
    for (; entry; entry = next) {
        next = entry->next;
        q->env->element_give(q->env->context, entry);
    }
}

#define QUEUE_LOOPS_NAME ck_fifo_spsc_loops
#define QUEUE_LOOPS_ENQUEUE fifo_enqueue
#define QUEUE_LOOPS_DEQUEUE fifo_dequeue
#include "core/queue_loops.h"

const struct queue_ops ck_fifo_spsc_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "ck_fifo_spsc",
    .summary = "list of Concurrency Kit, one to one",
    .source = "Concurrency Kit, ck_fifo.h (spsc)",
    .traits = {.producers = QUEUE_ONE,
               .consumers = QUEUE_ONE,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_WAIT_FREE,
               .dequeue = QUEUE_WAIT_FREE,
               .empty_exact = true,
               .reclamation = "nodes reused in place"},
    .params = (const struct param[]){PARAM_END},
    .size = sizeof(struct fifo),
    .align = _Alignof(struct fifo),
    .handle_align = 1,
    .element_size = sizeof(ck_fifo_spsc_entry_t),
    .init = fifo_init,
    .fini = fifo_fini,
    .attach = fifo_attach,
    .detach = fifo_detach,
    .enqueue = fifo_enqueue,
    .dequeue = fifo_dequeue,
    .loops = &ck_fifo_spsc_loops,
};
