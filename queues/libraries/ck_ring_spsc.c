// SPDX-License-Identifier: Apache-2.0
// The ring of Concurrency Kit for one producer and one consumer.
//
// Source: Concurrency Kit, ck_ring.h, the functions whose names end with _spsc.
//
// May run at once: everything but init and fini, and one enqueue and one dequeue at a time.
//
// Progress: wait-free.
#include "queues/libraries/ck_rings.h"

static int ck_ring_spsc_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    struct ck_rings *q = queue;
    SLEEP_FENCE(q->env);
    if (!ck_ring_enqueue_spsc(&q->ring, q->slots, (const void *)item))
        return QUEUE_FULL;
    SLEEP_FENCE(q->env);
    return QUEUE_OK;
}

static int ck_ring_spsc_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct ck_rings *q = queue;
    void *value;
    SLEEP_FENCE(q->env);
    if (!ck_ring_dequeue_spsc(&q->ring, q->slots, &value))
        return QUEUE_EMPTY;
    *item = (uintptr_t)value;
    SLEEP_FENCE(q->env);
    return QUEUE_OK;
}

#define QUEUE_LOOPS_NAME ck_ring_spsc_loops
#define QUEUE_LOOPS_ENQUEUE ck_ring_spsc_enqueue
#define QUEUE_LOOPS_DEQUEUE ck_ring_spsc_dequeue
#include "core/queue_loops.h"

const struct queue_ops ck_ring_spsc_queue_ops = {
    CK_RINGS_OPS,
    .name = "ck_ring_spsc",
    .summary = "ring of Concurrency Kit, one to one",
    .source = "Concurrency Kit, ck_ring.h (spsc)",
    .traits = {.producers = QUEUE_ONE,
               .consumers = QUEUE_ONE,
               .capacity = 1023,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_WAIT_FREE,
               .dequeue = QUEUE_WAIT_FREE,
               .empty_exact = true,
               .full_exact = true,
               .reclamation = "none needed"},
    .enqueue = ck_ring_spsc_enqueue,
    .dequeue = ck_ring_spsc_dequeue,
    .loops = &ck_ring_spsc_loops,
};
