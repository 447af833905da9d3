// SPDX-License-Identifier: Apache-2.0
// No queue at all: enqueue drops the item, dequeue answers the same one each time. What a workload reaches on it is
// the harness's own ceiling, which no queue can beat.
//
// Source: the null engines of storage benchmarks.
//
// May run at once (-): everything, but for init and fini, which exclude all.
// Progress: wait-free.
#include "core/queue.h"

// Names no producer, so that no run can take it for an item that was enqueued.
#define NULL_ITEM 1u

struct null_queue {
    uintptr_t item;
};

static int null_init(void *queue, const struct queue_env *env, const void *config)
{
    (void)env;
    (void)config;
    ((struct null_queue *)queue)->item = NULL_ITEM;
    return 0;
}

static int null_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void null_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static int null_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)queue;
    (void)handle;
    (void)item;
    return QUEUE_OK;
}

static int null_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    *item = ((struct null_queue *)queue)->item;
    return QUEUE_OK;
}

static void null_fini(void *queue)
{
    (void)queue;
}

#define QUEUE_LOOPS_NAME null_loops
#define QUEUE_LOOPS_ENQUEUE null_enqueue
#define QUEUE_LOOPS_DEQUEUE null_dequeue
#include "core/queue_loops.h"

const struct queue_ops null_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "null",
    .summary = "no queue at all: the harness's own ceiling",
    .source = "none",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_RELAXED,
               .relaxation = UINT32_MAX,
               .enqueue = QUEUE_WAIT_FREE,
               .dequeue = QUEUE_WAIT_FREE,
               .reclamation = "none needed",
               .baseline = true},
    .params = (const struct param[]){PARAM_END},
    .size = sizeof(struct null_queue),
    .align = _Alignof(struct null_queue),
    .handle_align = 1,
    .init = null_init,
    .fini = null_fini,
    .attach = null_attach,
    .detach = null_detach,
    .enqueue = null_enqueue,
    .dequeue = null_dequeue,
    .loops = &null_loops,
};
