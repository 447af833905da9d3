// SPDX-License-Identifier: Apache-2.0
// What kfifo.c and dcbo.c share: segments that were freed are kept for reuse, since short ones are used up quickly. A
// stack that is pushed one by one and taken whole, so that no pointer to its top can be fooled by one that went and
// came back; who takes it keeps the rest for itself.
#pragma once

#include "core/queue.h"
#include "core/reclaim.h"
#include "core/sync/atomic.h"

struct spares {
    _Atomic(struct reclaim_node *) top ALIGNED_LINE;
    _Atomic uint64_t kept; // about
    uint64_t most ALIGNED_LINE;
    size_t size; // of a segment
    const struct queue_env *env;
};

static void spares_init(struct spares *spares, const struct queue_env *env, size_t size, uint64_t most)
{
    *spares = (struct spares){.most = most, .size = size, .env = env};
}

static void spares_free(struct spares *spares, struct reclaim_node *node)
{
    spares->env->free(spares->env->context, node, spares->size, spares->env->node);
}

// A segment that nobody else knows, its content as the next user wants to find it. Any thread.
static void spares_give(struct spares *spares, struct reclaim_node *node)
{
    if (at_load_rlx(&spares->kept) >= spares->most) {
        spares_free(spares, node);
        return;
    }
    at_add_rlx(&spares->kept, 1);
    node->next = at_load_rlx(&spares->top);
    while (!at_cas_rel(&spares->top, &node->next, node, AT(spares_give, spares_take)))
        ;
}

// From the chain that belongs to the caller, from the stack, or new and zeroed, in this order. NULL: no memory.
static struct reclaim_node *spares_take(struct spares *spares, struct reclaim_node **own)
{
    struct reclaim_node *node = *own;
    if (!node && at_load_rlx(&spares->top)) {
        node = at_xchg_acq(&spares->top, NULL, AT(spares_take, spares_give));
        at_store_rlx(&spares->kept, 0);
    }
    if (!node)
        return spares->env->alloc(spares->env->context, spares->size, LINE_PAIR, spares->env->node);
    *own = node->next;
    return node;
}

// The caller's chain.
static void spares_return(struct spares *spares, struct reclaim_node *own)
{
    for (struct reclaim_node *next; own; own = next) {
        next = own->next;
        spares_give(spares, own);
    }
}

static void spares_fini(struct spares *spares)
{
    for (struct reclaim_node *node = at_load_rlx(&spares->top), *next; node; node = next) {
        next = node->next;
        spares_free(spares, node);
    }
}

// A start for a handle's row of numbers that look random: odd, and unlike that of the next handle.
static inline uint64_t random_seed(uint64_t number)
{
    return (number * 2 + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

// The next of the row, as a number below `limit`.
static inline uint32_t random_below(uint64_t *state, uint32_t limit)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)((*state >> 32) * limit >> 32);
}
