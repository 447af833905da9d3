// SPDX-License-Identifier: Apache-2.0
// No queue: two counters, one for each side. Enqueue adds one to its counter by fetch-and-add and drops the item;
// dequeue adds one to the other and answers the same item each time. What this reaches is what the hardware gives to
// one contended word, and so what a queue is read against that pays one fetch-and-add an operation. No upper bound: a
// queue that takes places by the batch, or combines, may pass it.
//
// Source: the customary baseline; as in C. Yang and J. Mellor-Crummey, "A Wait-free Queue as Fast as Fetch-and-Add",
// PPoPP 2016.
//
// May run at once (-): everything, but for init and fini, which exclude all.
// Progress: wait-free, where fetch-and-add is one instruction.
#include "core/queue.h"
#include "core/sync/atomic.h"

// Names no producer, so that no run can take it for an item that was enqueued.
#define FAA_ITEM 1u

struct faa_counter {
    _Atomic uint64_t count;
} ALIGNED_LINE;

struct faa {
    struct faa_counter tail, head;
};

static int faa_init(void *queue, const struct queue_env *env, const void *config)
{
    (void)env;
    (void)config;
    struct faa *q = queue;
    at_init(&q->tail.count, 0);
    at_init(&q->head.count, 0);
    return 0;
}

static int faa_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void faa_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static int faa_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    (void)item;
    at_add_rlx(&((struct faa *)queue)->tail.count, 1);
    return QUEUE_OK;
}

static int faa_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    at_add_rlx(&((struct faa *)queue)->head.count, 1);
    *item = FAA_ITEM;
    return QUEUE_OK;
}

static void faa_fini(void *queue)
{
    (void)queue;
}

#define QUEUE_LOOPS_NAME faa_loops
#define QUEUE_LOOPS_ENQUEUE faa_enqueue
#define QUEUE_LOOPS_DEQUEUE faa_dequeue
#include "core/queue_loops.h"

const struct queue_ops faa_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "faa",
    .summary = "no queue: one fetch-and-add counter for each side",
    .source = "baseline of Yang and Mellor-Crummey, PPoPP 2016, and others",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_RELAXED,
               .relaxation = UINT32_MAX,
               .enqueue = QUEUE_WAIT_FREE,
               .dequeue = QUEUE_WAIT_FREE,
               .reclamation = "none needed",
               .baseline = true},
    .params = (const struct param[]){PARAM_END},
    .size = sizeof(struct faa),
    .align = _Alignof(struct faa),
    .handle_align = 1,
    .init = faa_init,
    .fini = faa_fini,
    .attach = faa_attach,
    .detach = faa_detach,
    .enqueue = faa_enqueue,
    .dequeue = faa_dequeue,
    .loops = &faa_loops,
};
