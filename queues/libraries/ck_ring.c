// SPDX-License-Identifier: Apache-2.0
// The ring of Concurrency Kit for any number of producers and consumers.
//
// Source: Concurrency Kit, ck_ring.h, the functions whose names end with _mpmc.
//
// May run at once: everything but init and fini.
//
// Progress, and what FULL means: a producer reserves a slot with a compare-and-swap, fills it, and waits until all who
// reserved before it have published theirs. So enqueue blocks, and a place that is only reserved counts as taken: FULL
// may be answered while fewer items than fit can be dequeued. Dequeue is lock-free.
#include "queues/libraries/ck_rings.h"

static int ck_ring_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    struct ck_rings *q = queue;
    SLEEP_FENCE(q->env);
    if (!ck_ring_enqueue_mpmc(&q->ring, q->slots, (const void *)item))
        return QUEUE_FULL;
    SLEEP_FENCE(q->env);
    return QUEUE_OK;
}

static int ck_ring_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct ck_rings *q = queue;
    void *value;
    SLEEP_FENCE(q->env);
    if (!ck_ring_dequeue_mpmc(&q->ring, q->slots, &value))
        return QUEUE_EMPTY;
    *item = (uintptr_t)value;
    SLEEP_FENCE(q->env);
    return QUEUE_OK;
}

#define QUEUE_LOOPS_NAME ck_ring_loops
#define QUEUE_LOOPS_ENQUEUE ck_ring_enqueue
#define QUEUE_LOOPS_DEQUEUE ck_ring_dequeue
#include "core/queue_loops.h"

const struct queue_ops ck_ring_queue_ops = {
    CK_RINGS_OPS,
    .name = "ck_ring",
    .summary = "ring of Concurrency Kit, many to many",
    .source = "Concurrency Kit, ck_ring.h (mpmc)",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .capacity = 1023,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_BLOCKING,
               .dequeue = QUEUE_LOCK_FREE,
               .empty_exact = true,
               .spins = true,
               .reclamation = "none needed"},
    .enqueue = ck_ring_enqueue,
    .dequeue = ck_ring_dequeue,
    .loops = &ck_ring_loops,
};
