// SPDX-License-Identifier: Apache-2.0
// No queue: two counters as in faa.c, but counted up by a loop of compare-and-swap. What this reaches is what is left
// to a queue whose every operation must win a compare-and-swap of one word; the distance from faa is what losing costs.
//
// Source: the customary floor beside the fetch-and-add baseline.
//
// May run at once (-): everything, but for init and fini, which exclude all.
// Progress: lock-free (a compare-and-swap fails only if another's succeeds).
#include "core/queue.h"
#include "core/sync/atomic.h"

// Names no producer, so that no run can take it for an item that was enqueued.
#define CAS_LOOP_ITEM 1u

struct cas_loop_counter {
    _Atomic uint64_t count;
} ALIGNED_LINE;

struct cas_loop {
    struct cas_loop_counter tail, head;
};

static int cas_loop_init(void *queue, const struct queue_env *env, const void *config)
{
    (void)env;
    (void)config;
    struct cas_loop *q = queue;
    at_init(&q->tail.count, 0);
    at_init(&q->head.count, 0);
    return 0;
}

static int cas_loop_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void cas_loop_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static void cas_loop_count(struct cas_loop_counter *counter)
{
    uint64_t count = at_load_rlx(&counter->count);
    while (!at_cas_rlx(&counter->count, &count, count + 1))
        ;
}

static int cas_loop_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    (void)item;
    cas_loop_count(&((struct cas_loop *)queue)->tail);
    return QUEUE_OK;
}

static int cas_loop_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    cas_loop_count(&((struct cas_loop *)queue)->head);
    *item = CAS_LOOP_ITEM;
    return QUEUE_OK;
}

static void cas_loop_fini(void *queue)
{
    (void)queue;
}

#define QUEUE_LOOPS_NAME cas_loop_loops
#define QUEUE_LOOPS_ENQUEUE cas_loop_enqueue
#define QUEUE_LOOPS_DEQUEUE cas_loop_dequeue
#include "core/queue_loops.h"

const struct queue_ops cas_loop_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "cas_loop",
    .summary = "no queue: one counter for each side, counted up by compare-and-swap",
    .source = "floor beside the fetch-and-add baseline",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_RELAXED,
               .relaxation = UINT32_MAX,
               .enqueue = QUEUE_LOCK_FREE,
               .dequeue = QUEUE_LOCK_FREE,
               .reclamation = "none needed",
               .baseline = true},
    .params = (const struct param[]){PARAM_END},
    .size = sizeof(struct cas_loop),
    .align = _Alignof(struct cas_loop),
    .handle_align = 1,
    .init = cas_loop_init,
    .fini = cas_loop_fini,
    .attach = cas_loop_attach,
    .detach = cas_loop_detach,
    .enqueue = cas_loop_enqueue,
    .dequeue = cas_loop_dequeue,
    .loops = &cas_loop_loops,
};
