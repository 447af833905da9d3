// SPDX-License-Identifier: Apache-2.0
// No queue: two counters as in faa.c, but counted up by a loop of compare-and-swap. What this reaches is what is left
// to a queue whose every operation must win a compare-and-swap of one word; the distance from faa is what losing costs.
//
// Source: the customary floor beside the fetch-and-add baseline.
//
// May run at once (-): everything, but for init and fini, which exclude all.
// Progress: lock-free (a compare-and-swap fails only if another's succeeds).
#include "queues/baseline.h"

static void cas_loop_count(struct baseline_counter *counter)
{
    uint64_t count = at_load_rlx(&counter->count);
    while (!at_cas_rlx(&counter->count, &count, count + 1))
        ;
}

static int cas_loop_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    (void)item;
    cas_loop_count(&((struct baseline *)queue)->tail);
    return QUEUE_OK;
}

static int cas_loop_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct baseline *q = queue;
    cas_loop_count(&q->head);
    *item = q->item;
    return QUEUE_OK;
}

#define QUEUE_LOOPS_NAME cas_loop_loops
#define QUEUE_LOOPS_ENQUEUE cas_loop_enqueue
#define QUEUE_LOOPS_DEQUEUE cas_loop_dequeue
#include "core/queue_loops.h"

const struct queue_ops cas_loop_queue_ops = {
    BASELINE_OPS,
    BASELINE_TRAITS(QUEUE_LOCK_FREE),
    .name = "cas_loop",
    .summary = "no queue: one counter for each side, counted up by compare-and-swap",
    .source = "floor beside the fetch-and-add baseline",
    .enqueue = cas_loop_enqueue,
    .dequeue = cas_loop_dequeue,
    .loops = &cas_loop_loops,
};
