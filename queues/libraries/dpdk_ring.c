// SPDX-License-Identifier: Apache-2.0
// The ring of DPDK, on memory of ours: its environment layer is linked with it and never started.
//
// Source: DPDK, rte_ring.h, a table of slots with two pairs of counters. How threads of one side get past each other is
// its parameter `sync`:
//     mt    each waits until those that reserved before it have published
//     rts   who ends last publishes for all who reserved before it; the others do not wait
//     hts   one reserves at a time
//     st    one producer and one consumer
//
// May run at once: everything but init and fini; with sync=st one enqueue and one dequeue at a time.
//
// Progress: wait-free with st; otherwise both sides may have to wait for a thread of their own side. (rts only where it
// may not run too far ahead, which is what its tail is limited by.)
//
// What the answers mean. With mt and rts a reserved place counts as taken, and one whose dequeue has not ended as well:
// FULL may be answered while fewer items than fit can be dequeued. With rts an enqueue may return while the one before
// it is still at work, which hides its item: EMPTY is not exact. With hts and st both are.
#include <errno.h>
#include <rte_ring.h>

#include "core/queue.h"
#include "core/sync/atomic.h"
#include "core/sync/sleep_fence.h"

enum { DPDK_MT, DPDK_RTS, DPDK_HTS, DPDK_ST };

struct dpdk_config {
    uint64_t sync;
    uint64_t capacity;
};

struct dpdk {
    struct rte_ring *ring;
    size_t bytes;
    const struct queue_env *env;
};

static void dpdk_resolve(const void *config, struct queue_traits *traits)
{
    const struct dpdk_config *chosen = config;
    const bool alone = chosen->sync == DPDK_ST;
    traits->capacity = chosen->capacity;
    traits->producers = traits->consumers = alone ? QUEUE_ONE : QUEUE_MANY;
    traits->enqueue = traits->dequeue = alone ? QUEUE_WAIT_FREE : QUEUE_BLOCKING;
    traits->empty_exact = chosen->sync != DPDK_RTS;
    traits->full_exact = alone || chosen->sync == DPDK_HTS;
}

static int dpdk_init(void *queue, const struct queue_env *env, const void *config)
{
    static const unsigned flags[] = {[DPDK_MT] = 0,
                                     [DPDK_RTS] = RING_F_MP_RTS_ENQ | RING_F_MC_RTS_DEQ,
                                     [DPDK_HTS] = RING_F_MP_HTS_ENQ | RING_F_MC_HTS_DEQ,
                                     [DPDK_ST] = RING_F_SP_ENQ | RING_F_SC_DEQ};
    const struct dpdk_config *chosen = config;
    struct dpdk *q = queue;
    // One slot more, since the library always leaves one free.
    const ssize_t bytes = rte_ring_get_memsize(rte_align32pow2((uint32_t)chosen->capacity + 1));
    if (bytes < 0)
        return (int)bytes;
    q->env = env;
    q->bytes = (size_t)bytes;
    q->ring = env->alloc(env->context, q->bytes, LINE_PAIR, env->node);
    if (!q->ring)
        return -ENOMEM;
    const int error =
        rte_ring_init(q->ring, "readyq", (unsigned)chosen->capacity, flags[chosen->sync] | RING_F_EXACT_SZ);
    if (error)
        env->free(env->context, q->ring, q->bytes, env->node);
    return error;
}

static void dpdk_fini(void *queue)
{
    struct dpdk *q = queue;
    q->env->free(q->env->context, q->ring, q->bytes, q->env->node);
}

static int dpdk_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void dpdk_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static int dpdk_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    struct dpdk *q = queue;
    SLEEP_FENCE(q->env);
    if (rte_ring_enqueue(q->ring, (void *)item) != 0)
        return QUEUE_FULL;
    SLEEP_FENCE(q->env);
    return QUEUE_OK;
}

static int dpdk_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct dpdk *q = queue;
    void *value;
    SLEEP_FENCE(q->env);
    if (rte_ring_dequeue(q->ring, &value) != 0)
        return QUEUE_EMPTY;
    *item = (uintptr_t)value;
    SLEEP_FENCE(q->env);
    return QUEUE_OK;
}

static uint64_t dpdk_length(void *queue)
{
    return rte_ring_count(((struct dpdk *)queue)->ring);
}

static const char *const dpdk_syncs[] = {"mt", "rts", "hts", "st", NULL};

static const struct param dpdk_params[] = {
    PARAM_CHOICE(struct dpdk_config, sync, "mt", dpdk_syncs,
                 "how threads of one side get past each other; st: one producer and one consumer"),
    PARAM_U64(struct dpdk_config, capacity, "1023", 1, (1u << 30) - 1, "items", "items that fit"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME dpdk_ring_loops
#define QUEUE_LOOPS_ENQUEUE dpdk_enqueue
#define QUEUE_LOOPS_DEQUEUE dpdk_dequeue
#include "core/queue_loops.h"

const struct queue_ops dpdk_ring_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "dpdk_ring",
    .summary = "rte_ring of DPDK, without its environment layer",
    .source = "DPDK, rte_ring",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .capacity = 1023,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_BLOCKING,
               .dequeue = QUEUE_BLOCKING,
               .empty_exact = true,
               .spins = true,
               .reclamation = "none needed"},
    .params = dpdk_params,
    .config_size = sizeof(struct dpdk_config),
    .size = sizeof(struct dpdk),
    .align = _Alignof(struct dpdk),
    .handle_align = 1,
    .resolve = dpdk_resolve,
    .init = dpdk_init,
    .fini = dpdk_fini,
    .attach = dpdk_attach,
    .detach = dpdk_detach,
    .enqueue = dpdk_enqueue,
    .dequeue = dpdk_dequeue,
    .length = dpdk_length,
    .loops = &dpdk_ring_loops,
};
