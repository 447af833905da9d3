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
#include "queues/baseline.h"

static int faa_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    (void)item;
    at_add_rlx(&((struct baseline *)queue)->tail.count, 1);
    return QUEUE_OK;
}

static int faa_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct baseline *q = queue;
    at_add_rlx(&q->head.count, 1);
    *item = q->item;
    return QUEUE_OK;
}

#define QUEUE_LOOPS_NAME faa_loops
#define QUEUE_LOOPS_ENQUEUE faa_enqueue
#define QUEUE_LOOPS_DEQUEUE faa_dequeue
#include "core/queue_loops.h"

const struct queue_ops faa_queue_ops = {
    BASELINE_OPS,
    BASELINE_TRAITS(QUEUE_WAIT_FREE),
    .name = "faa",
    .summary = "no queue: one fetch-and-add counter for each side",
    .source = "baseline of Yang and Mellor-Crummey, PPoPP 2016, and others",
    .enqueue = faa_enqueue,
    .dequeue = faa_dequeue,
    .loops = &faa_loops,
};
