// SPDX-License-Identifier: Apache-2.0
// The ring of Concurrency Kit for any number of producers and one consumer.
//
// Source: Concurrency Kit, ck_ring.h, the functions whose names end with _mpsc.
//
// May run at once: everything but init and fini, and one dequeue at a time.
//
// Progress, and what FULL means: as in ck_ring.c for producers; dequeue is wait-free.
#include "queues/libraries/ck_rings.h"

static int ck_ring_mpsc_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    struct ck_rings *q = queue;
    SLEEP_FENCE(q->env);
    if (!ck_ring_enqueue_mpsc(&q->ring, q->slots, (const void *)item))
        return QUEUE_FULL;
    SLEEP_FENCE(q->env);
    return QUEUE_OK;
}

static int ck_ring_mpsc_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct ck_rings *q = queue;
    void *value;
    SLEEP_FENCE(q->env);
    if (!ck_ring_dequeue_mpsc(&q->ring, q->slots, &value))
        return QUEUE_EMPTY;
    *item = (uintptr_t)value;
    SLEEP_FENCE(q->env);
    return QUEUE_OK;
}

#define QUEUE_LOOPS_NAME ck_ring_mpsc_loops
#define QUEUE_LOOPS_ENQUEUE ck_ring_mpsc_enqueue
#define QUEUE_LOOPS_DEQUEUE ck_ring_mpsc_dequeue
#include "core/queue_loops.h"

const struct queue_ops ck_ring_mpsc_queue_ops = {
    CK_RINGS_OPS,
    .name = "ck_ring_mpsc",
    .summary = "ring of Concurrency Kit, many to one",
    .source = "Concurrency Kit, ck_ring.h (mpsc)",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_ONE,
               .capacity = 1023,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_BLOCKING,
               .dequeue = QUEUE_WAIT_FREE,
               .empty_exact = true,
               .spins = true,
               .reclamation = "none needed"},
    .enqueue = ck_ring_mpsc_enqueue,
    .dequeue = ck_ring_mpsc_dequeue,
    .loops = &ck_ring_mpsc_loops,
};
