// SPDX-License-Identifier: Apache-2.0
// A bounded ring under one lock: what a list under the same lock is without its elements. The lock is a parameter.
//
// Source: the bounded buffer of E. Dijkstra, "Cooperating sequential processes", EWD 123, 1965, section 4.3. One lock
// is in place of his three semaphores, as nobody waits for room or for items in here: the answers are FULL and EMPTY.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                       enqueue   dequeue   others
//     enqueue, enqueue_batch                               -         -         -
//     dequeue, dequeue_batch                               -         -         -
//     attach, detach, length                               -         -         -
//
// Progress: enqueue and dequeue wait for the lock, and so for its holder to run; the others are wait-free.
//
// Items in and out are counted, and a count's lower bits are its place in the ring; so the ring's size is a power of
// two, while the capacity is exactly what was asked for.
#include <errno.h>

#include "core/queue.h"
#include "core/sync/atomic.h"
#include "core/sync/lock.h"

struct ring_config {
    uint64_t lock; // number of the lock, not counting the first, "none"
    uint64_t capacity;
};

struct ring {
    struct lock lock; // of all that follows
    uintptr_t *slots;
    uint64_t mask;        // slots less one
    uint64_t capacity;    // at most as many as there are slots
    _Atomic uint64_t in;  // items that ever came in: written under the lock, read by anyone
    _Atomic uint64_t out; // likewise
    const struct queue_env *env;
};

static void ring_resolve(const void *config, struct queue_traits *traits)
{
    traits->capacity = ((const struct ring_config *)config)->capacity;
}

static int ring_init(void *queue, const struct queue_env *env, const void *config)
{
    struct ring *q = queue;
    const struct ring_config *chosen = config;
    uint64_t slots = 1;
    while (slots < chosen->capacity)
        slots *= 2;
    q->slots = env->alloc(env->context, slots * sizeof *q->slots, LINE_PAIR, env->node);
    if (!q->slots)
        return -ENOMEM;
    q->mask = slots - 1;
    q->capacity = chosen->capacity;
    at_init(&q->in, 0);
    at_init(&q->out, 0);
    q->env = env;
    lock_init(&q->lock, LOCK_MUTEX + (enum lock_kind)chosen->lock);
    return 0;
}

static int ring_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void ring_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static int ring_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    struct ring *q = queue;
    struct lock_node node;
    lock_acquire(&q->lock, &node);
    const uint64_t in = at_load_rlx(&q->in);
    const bool room = in - at_load_rlx(&q->out) < q->capacity;
    if (room) {
        q->slots[in & q->mask] = item;
        at_store_rlx(&q->in, in + 1);
    }
    lock_release(&q->lock, &node);
    return room ? QUEUE_OK : QUEUE_FULL;
}

static int ring_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct ring *q = queue;
    struct lock_node node;
    lock_acquire(&q->lock, &node);
    const uint64_t out = at_load_rlx(&q->out);
    const bool any = out != at_load_rlx(&q->in);
    if (any) {
        *item = q->slots[out & q->mask];
        at_store_rlx(&q->out, out + 1);
    }
    lock_release(&q->lock, &node);
    return any ? QUEUE_OK : QUEUE_EMPTY;
}

static unsigned ring_enqueue_batch(void *queue, void *handle, const uintptr_t *items, unsigned count, int *result)
{
    (void)handle;
    struct ring *q = queue;
    struct lock_node node;
    lock_acquire(&q->lock, &node);
    const uint64_t in = at_load_rlx(&q->in);
    const uint64_t room = q->capacity - (in - at_load_rlx(&q->out));
    const unsigned moved = room < count ? (unsigned)room : count;
    for (unsigned i = 0; i < moved; i++)
        q->slots[(in + i) & q->mask] = items[i];
    at_store_rlx(&q->in, in + moved);
    lock_release(&q->lock, &node);
    *result = moved == count ? QUEUE_OK : QUEUE_FULL;
    return moved;
}

static unsigned ring_dequeue_batch(void *queue, void *handle, uintptr_t *items, unsigned count, int *result)
{
    (void)handle;
    struct ring *q = queue;
    struct lock_node node;
    lock_acquire(&q->lock, &node);
    const uint64_t out = at_load_rlx(&q->out);
    const uint64_t there = at_load_rlx(&q->in) - out;
    const unsigned moved = there < count ? (unsigned)there : count;
    for (unsigned i = 0; i < moved; i++)
        items[i] = q->slots[(out + i) & q->mask];
    at_store_rlx(&q->out, out + moved);
    lock_release(&q->lock, &node);
    *result = moved == count ? QUEUE_OK : QUEUE_EMPTY;
    return moved;
}

static uint64_t ring_length(void *queue)
{
    struct ring *q = queue;
    const uint64_t out = at_load_rlx(&q->out), in = at_load_rlx(&q->in);
    return in > out ? in - out : 0;
}

static void ring_fini(void *queue)
{
    struct ring *q = queue;
    lock_fini(&q->lock);
    q->env->free(q->env->context, q->slots, (q->mask + 1) * sizeof *q->slots, q->env->node);
}

static const struct param ring_params[] = {
    PARAM_CHOICE(struct ring_config, lock, "mutex", &lock_names[LOCK_MUTEX], "lock around the ring"),
    PARAM_U64(struct ring_config, capacity, "1024", 1, UINT64_C(1) << 30, "items", "items that fit"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME ring_loops
#define QUEUE_LOOPS_ENQUEUE ring_enqueue
#define QUEUE_LOOPS_DEQUEUE ring_dequeue
#include "core/queue_loops.h"

const struct queue_ops ring_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "ring",
    .summary = "a bounded ring under one lock of your choice",
    .source = "bounded buffer as in Dijkstra, Cooperating sequential processes, 1965",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .capacity = 1024,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_BLOCKING,
               .dequeue = QUEUE_BLOCKING,
               .empty_exact = true,
               .full_exact = true,
               .reclamation = "none needed"},
    .params = ring_params,
    .config_size = sizeof(struct ring_config),
    .size = sizeof(struct ring),
    .align = _Alignof(struct ring),
    .handle_align = 1,
    .resolve = ring_resolve,
    .init = ring_init,
    .fini = ring_fini,
    .attach = ring_attach,
    .detach = ring_detach,
    .enqueue = ring_enqueue,
    .dequeue = ring_dequeue,
    .enqueue_batch = ring_enqueue_batch,
    .dequeue_batch = ring_dequeue_batch,
    .length = ring_length,
    .loops = &ring_loops,
};
