// SPDX-License-Identifier: Apache-2.0
// A ring under a mutex that has one fault, or none, as its configuration (an enum defect) says.
#ifndef READYQ_TESTS_FAULTY_QUEUE_H
#define READYQ_TESTS_FAULTY_QUEUE_H

#include <errno.h>

#include "core/queue.h"
#include "core/queue_loops.h"
#include "core/sync/lock.h"

// So large that a fault which adds items does not fill it in a short run.
#define RING 65536u

enum defect {
    DEFECT_NONE,
    DEFECT_LOSES,          // now and then an item is taken and dropped
    DEFECT_DUPLICATES,     // now and then an item comes twice
    DEFECT_BALANCES,       // loses one item and duplicates another, so that the sums agree
    DEFECT_REORDERS,       // now and then two items change places
    DEFECT_INVENTS,        // now and then an item comes that nobody enqueued
    DEFECT_INVENTS_OTHERS, // of a producer that there is not
    DEFECT_FALSE_EMPTY,    // an item that is alone is not found at once
    DEFECT_HIDES_LAST,     // nor, as long as there are producers, for even longer
    DEFECT_STUTTERS,       // gives an item only after 300 answers EMPTY
    DEFECT_BLINKS,         // says EMPTY with items in it, but only in the beginning
    DEFECT_LEAKS,          // keeps its elements
    DEFECT_GETS_STUCK,     // gives no more, and so, when it is full, takes no more
    DEFECT_REFUSES,        // can't be made
    DEFECT_CANT_ATTACH,    // its second consumer can't attach
};

// A ring under a mutex.
struct faulty {
    struct lock lock;
    const struct queue_env *env;
    enum defect defect;
    uint64_t head, tail;
    uint64_t dequeues, hidden, producers, consumers, leaked;
    uintptr_t items[RING];
};

static int faulty_init(void *queue, const struct queue_env *env, const void *config)
{
    struct faulty *q = queue;
    q->env = env;
    q->defect = *(const enum defect *)config;
    lock_init(&q->lock, LOCK_MUTEX);
    return q->defect == DEFECT_REFUSES ? -ENOMEM : 0;
}

static void faulty_fini(void *queue)
{
    lock_fini(&((struct faulty *)queue)->lock);
}

static int faulty_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)kind;
    struct faulty *q = queue;
    struct lock_node node;
    lock_acquire(&q->lock, &node);
    *(enum queue_role *)handle = role;
    q->consumers += role == QUEUE_CONSUMER;
    q->producers += role == QUEUE_PRODUCER;
    const bool refused = role == QUEUE_CONSUMER && q->defect == DEFECT_CANT_ATTACH && q->consumers == 2;
    lock_release(&q->lock, &node);
    return refused ? -EMFILE : 0;
}

static void faulty_detach(void *queue, void *handle)
{
    struct faulty *q = queue;
    struct lock_node node;
    lock_acquire(&q->lock, &node);
    q->producers -= *(enum queue_role *)handle == QUEUE_PRODUCER;
    lock_release(&q->lock, &node);
}

static void put(struct faulty *q, uintptr_t item)
{
    q->items[q->tail++ % RING] = item;
}

// One item in 16 of each producer meets with the fault.
static bool is_due(uintptr_t item)
{
    return (item & ITEM_SEQUENCE_MASK) % 16 == 8;
}

static void put_faulty(struct faulty *q, uintptr_t item)
{
    const bool due = is_due(item);
    if (due && q->defect == DEFECT_LOSES)
        return;
    if (due && q->defect == DEFECT_BALANCES && q->tail > q->head) {
        put(q, q->items[(q->tail - 1) % RING]);
        return;
    }
    put(q, item);
    if (due && q->defect == DEFECT_DUPLICATES)
        put(q, item);
    if (due && q->defect == DEFECT_INVENTS)
        put(q, item + 1000000);
    if (due && q->defect == DEFECT_INVENTS_OTHERS)
        put(q, item_make(200, 0));
    if (due && q->defect == DEFECT_REORDERS && q->tail - q->head > 1) {
        q->items[(q->tail - 1) % RING] = q->items[(q->tail - 2) % RING];
        q->items[(q->tail - 2) % RING] = item;
    }
}

static int faulty_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    struct faulty *q = queue;
    struct lock_node node;
    lock_acquire(&q->lock, &node);
    // One place stays free for what a fault adds.
    const bool full = q->tail - q->head >= RING - 1;
    if (!full)
        put_faulty(q, item);
    // So few come from the producer's cache, which is freed as a whole.
    const bool leaks = !full && q->defect == DEFECT_LEAKS && q->leaked < 50;
    q->leaked += leaks;
    lock_release(&q->lock, &node);
    if (leaks && !q->env->element_take(q->env->context))
        return -ENOMEM;
    return full ? QUEUE_FULL : QUEUE_OK;
}

// Whether the item that is alone in the queue is kept back this time.
static bool hides(struct faulty *q)
{
    if (q->defect == DEFECT_BLINKS)
        return ++q->hidden < 60 && q->hidden % 3 == 0;
    if (q->defect == DEFECT_STUTTERS)
        return q->tail > q->head && ++q->hidden % 301 != 0;
    if (q->tail - q->head != 1 || (q->defect != DEFECT_FALSE_EMPTY && q->defect != DEFECT_HIDES_LAST))
        return false;
    if (q->defect == DEFECT_HIDES_LAST && q->producers > 0)
        return true;
    if (++q->hidden < 30)
        return true;
    q->hidden = 0;
    return false;
}

static int faulty_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct faulty *q = queue;
    struct lock_node node;
    lock_acquire(&q->lock, &node);
    const bool empty = q->head == q->tail || hides(q) || (q->defect == DEFECT_GETS_STUCK && q->dequeues > 10);
    if (!empty) {
        *item = q->items[q->head++ % RING];
        q->dequeues++;
    }
    lock_release(&q->lock, &node);
    return empty ? QUEUE_EMPTY : QUEUE_OK;
}

static const struct param no_params[] = {PARAM_END};

static const struct queue_ops faulty_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "faulty",
    .summary = "a ring with a fault",
    .source = "this test",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .capacity = RING - 1,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_BLOCKING,
               .dequeue = QUEUE_BLOCKING,
               .empty_exact = true,
               .reclamation = "none needed"},
    .params = no_params,
    .size = sizeof(struct faulty),
    .align = _Alignof(struct faulty),
    .handle_size = sizeof(enum queue_role),
    .handle_align = _Alignof(enum queue_role),
    .element_size = 16,
    .init = faulty_init,
    .fini = faulty_fini,
    .attach = faulty_attach,
    .detach = faulty_detach,
    .enqueue = faulty_enqueue,
    .dequeue = faulty_dequeue,
};

static const struct queue_entry faulty_entry = {.name = "faulty", .presets = "", .ops = &faulty_ops};

#endif
