// SPDX-License-Identifier: Apache-2.0
// No queue at all: enqueue drops the item, dequeue answers the same one each time. What a workload reaches on it is
// the harness's own ceiling, which no queue can beat.
//
// Source: the null engines of storage benchmarks.
//
// May run at once (-): everything, but for init and fini, which exclude all.
// Progress: wait-free.
#include "queues/baseline.h"

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
    *item = ((struct baseline *)queue)->item;
    return QUEUE_OK;
}

#define QUEUE_LOOPS_NAME null_loops
#define QUEUE_LOOPS_ENQUEUE null_enqueue
#define QUEUE_LOOPS_DEQUEUE null_dequeue
#include "core/queue_loops.h"

const struct queue_ops null_queue_ops = {
    BASELINE_OPS,
    BASELINE_TRAITS(QUEUE_WAIT_FREE),
    .name = "null",
    .summary = "no queue at all: the harness's own ceiling",
    .source = "none",
    .enqueue = null_enqueue,
    .dequeue = null_dequeue,
    .loops = &null_loops,
};
