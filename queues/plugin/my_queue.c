// SPDX-License-Identifier: Apache-2.0
// An example of a queue that is compiled on its own and named by path: a ring under a ticket lock.
//
//     gcc -std=gnu17 -O3 -shared -fPIC -I. -o my_queue.so queues/plugin/my_queue.c
//     build/release/readyq check ./my_queue.so
//
// Source: the textbook's bounded buffer.
//
// May run at once (-): everything, but for init and fini, which exclude all.
// Progress: enqueue and dequeue wait for the lock; the others are wait-free.
#include <errno.h>

#include "core/queue.h"
#include "core/sync/lock.h"

struct config {
    uint64_t capacity;
};

struct my_queue {
    struct lock lock; // of all that follows
    uint64_t enqueued, dequeued;
    uint64_t capacity;
    uintptr_t *items;
    const struct queue_env *env;
};

static void my_resolve(const void *config, struct queue_traits *traits)
{
    traits->capacity = ((const struct config *)config)->capacity;
}

static int my_init(void *queue, const struct queue_env *env, const void *config)
{
    const uint64_t capacity = ((const struct config *)config)->capacity;
    struct my_queue *q = queue;
    *q = (struct my_queue){.capacity = capacity, .env = env};
    q->items = env->alloc(env->context, capacity * sizeof *q->items, _Alignof(uintptr_t), env->node);
    if (!q->items)
        return -ENOMEM;
    lock_init(&q->lock, LOCK_TICKET);
    return 0;
}

static int my_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void my_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static int my_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    struct my_queue *q = queue;
    struct lock_node node;
    lock_acquire(&q->lock, &node);
    const bool room = q->enqueued - q->dequeued < q->capacity;
    if (room)
        q->items[q->enqueued++ % q->capacity] = item;
    lock_release(&q->lock, &node);
    return room ? QUEUE_OK : QUEUE_FULL;
}

static int my_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct my_queue *q = queue;
    struct lock_node node;
    lock_acquire(&q->lock, &node);
    const bool any = q->enqueued != q->dequeued;
    if (any)
        *item = q->items[q->dequeued++ % q->capacity];
    lock_release(&q->lock, &node);
    return any ? QUEUE_OK : QUEUE_EMPTY;
}

static void my_fini(void *queue)
{
    struct my_queue *q = queue;
    lock_fini(&q->lock);
    q->env->free(q->env->context, q->items, q->capacity * sizeof *q->items, q->env->node);
}

static const struct param my_params[] = {
    PARAM_U64(struct config, capacity, "1024", 1, 1 << 30, "items", "items that fit"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME my_loops
#define QUEUE_LOOPS_ENQUEUE my_enqueue
#define QUEUE_LOOPS_DEQUEUE my_dequeue
#include "core/queue_loops.h"

const struct queue_ops readyq_queue = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "my_queue",
    .summary = "an example of a queue from a shared object",
    .source = "textbook",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_BLOCKING,
               .dequeue = QUEUE_BLOCKING,
               .empty_exact = true,
               .full_exact = true,
               .capacity = 1024,
               .reclamation = "none needed"},
    .params = my_params,
    .config_size = sizeof(struct config),
    .size = sizeof(struct my_queue),
    .align = _Alignof(struct my_queue),
    .handle_align = 1,
    .resolve = my_resolve,
    .init = my_init,
    .fini = my_fini,
    .attach = my_attach,
    .detach = my_detach,
    .enqueue = my_enqueue,
    .dequeue = my_dequeue,
    .loops = &my_loops,
};
