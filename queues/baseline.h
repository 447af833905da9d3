// SPDX-License-Identifier: Apache-2.0
// What null.c, faa.c and cas_loop.c have in common, which carry no items and are there to be compared with: all but
// enqueue and dequeue.
#pragma once

#include "core/queue.h"
#include "core/sync/atomic.h"

// Names no producer, so that no run can take it for an item that was enqueued.
#define BASELINE_ITEM 1u

struct baseline_counter {
    _Atomic uint64_t count;
} ALIGNED_LINE;

struct baseline {
    struct baseline_counter tail, head; // one for each side
    uintptr_t item ALIGNED_LINE;        // that dequeue answers; in memory, so that no compiler knows it
};

static int baseline_init(void *queue, const struct queue_env *env, const void *config)
{
    (void)env;
    (void)config;
    struct baseline *q = queue;
    at_init(&q->tail.count, 0);
    at_init(&q->head.count, 0);
    q->item = BASELINE_ITEM;
    return 0;
}

static int baseline_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void baseline_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static void baseline_fini(void *queue)
{
    (void)queue;
}

#define BASELINE_TRAITS(guarantee)           \
    .traits = {.producers = QUEUE_MANY,      \
               .consumers = QUEUE_MANY,      \
               .order = QUEUE_ORDER_RELAXED, \
               .relaxation = UINT32_MAX,     \
               .enqueue = (guarantee),       \
               .dequeue = (guarantee),       \
               .reclamation = "none needed", \
               .baseline = true}

// The rest of the table that all have in common.
#define BASELINE_OPS                                                                                                \
    .abi_version = QUEUE_ABI_VERSION, .params = (const struct param[]){PARAM_END}, .size = sizeof(struct baseline), \
    .align = _Alignof(struct baseline), .handle_align = 1, .init = baseline_init, .fini = baseline_fini,            \
    .attach = baseline_attach, .detach = baseline_detach
