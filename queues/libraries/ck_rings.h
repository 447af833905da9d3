// SPDX-License-Identifier: Apache-2.0
// What the three rings of Concurrency Kit have in common: all but enqueue and dequeue. The struct is the same for any
// number of threads; which functions are called makes the difference.
#pragma once

#include <ck_ring.h>
#include <errno.h>

#include "core/queue.h"
#include "core/sync/atomic.h"
#include "core/sync/sleep_fence.h"

struct ck_rings_config {
    uint64_t capacity;
};

struct ck_rings {
    ck_ring_t ring;
    ck_ring_buffer_t *slots ALIGNED_LINE;
    const struct queue_env *env;
} ALIGNED_LINE;

// The library's ring has a power of two of slots, one of which stays free.
static unsigned ck_rings_slots(const void *config)
{
    unsigned slots = 2;
    while (slots - 1 < ((const struct ck_rings_config *)config)->capacity)
        slots *= 2;
    return slots;
}

static void ck_rings_resolve(const void *config, struct queue_traits *traits)
{
    traits->capacity = ck_rings_slots(config) - 1;
}

static int ck_rings_init(void *queue, const struct queue_env *env, const void *config)
{
    struct ck_rings *q = queue;
    const unsigned slots = ck_rings_slots(config);
    q->env = env;
    q->slots = env->alloc(env->context, slots * sizeof *q->slots, LINE_PAIR, env->node);
    if (!q->slots)
        return -ENOMEM;
    ck_ring_init(&q->ring, slots);
    return 0;
}

static void ck_rings_fini(void *queue)
{
    struct ck_rings *q = queue;
    q->env->free(q->env->context, q->slots, ck_ring_capacity(&q->ring) * sizeof *q->slots, q->env->node);
}

static int ck_rings_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void ck_rings_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static uint64_t ck_rings_length(void *queue)
{
    return ck_ring_size(&((struct ck_rings *)queue)->ring);
}

static const struct param ck_rings_params[] = {
    PARAM_U64(struct ck_rings_config, capacity, "1023", 1, (1u << 30) - 1, "items",
              "items that fit at least; rounded up to a power of two less one"),
    PARAM_END,
};

// The functions of the table that all have in common.
#define CK_RINGS_OPS                                                                                            \
    .abi_version = QUEUE_ABI_VERSION, .params = ck_rings_params, .config_size = sizeof(struct ck_rings_config), \
    .size = sizeof(struct ck_rings), .align = _Alignof(struct ck_rings), .handle_align = 1,                     \
    .resolve = ck_rings_resolve, .init = ck_rings_init, .fini = ck_rings_fini, .attach = ck_rings_attach,       \
    .detach = ck_rings_detach, .length = ck_rings_length
