// SPDX-License-Identifier: Apache-2.0
// The segments of segment_mpsc: how one and a place in it stand in one word, and the store of those that are not in
// use. For that queue only.
#pragma once

#include "core/queue.h"
#include "core/sync/atomic.h"

#define SEGMENT_SPARES 8u

// A segment is aligned to LINE_PAIR, so that of its address shifted left by 16 the low 23 bits are free.
#define SEGMENT_ADDRESS_SHIFT 16
#define SEGMENT_PLACE_BITS 23
#define SEGMENT_PLACE_MASK (((uint64_t)1 << SEGMENT_PLACE_BITS) - 1)

struct segment {
    _Atomic(struct segment *) next ALIGNED_LINE;
    _Atomic uintptr_t slots[] ALIGNED_LINE; // 0: not written
};

// Used once a segment.
struct segment_store {
    _Atomic(struct segment *) spares[SEGMENT_SPARES];
    _Atomic uint64_t held; // segments, spares included
    const struct queue_env *env;
    uint64_t size; // slots of a segment
} ALIGNED_LINE;

static inline uint64_t segment_word(const struct segment *segment, uint64_t place)
{
    return (uint64_t)(uintptr_t)segment << SEGMENT_ADDRESS_SHIFT | place;
}

static inline struct segment *segment_of(uint64_t word)
{
    return (struct segment *)(uintptr_t)((word & ~SEGMENT_PLACE_MASK) >> SEGMENT_ADDRESS_SHIFT);
}

static inline uint64_t segment_place(uint64_t word)
{
    return word & SEGMENT_PLACE_MASK;
}

static inline void segment_store_init(struct segment_store *store, const struct queue_env *env, uint64_t size)
{
    for (unsigned i = 0; i < SEGMENT_SPARES; i++)
        at_init(&store->spares[i], NULL);
    at_init(&store->held, 0);
    store->env = env;
    store->size = size;
}

static inline size_t segment_bytes(const struct segment_store *store)
{
    return sizeof(struct segment) + store->size * sizeof(uintptr_t);
}

static inline void segment_free(struct segment_store *store, struct segment *segment)
{
    at_sub_rlx(&store->held, 1);
    store->env->free(store->env->context, segment, segment_bytes(store), store->env->node);
}

// No successor, and all slots 0 but the first, which is the caller's to set. NULL: no memory, or none whose address
// fits into the word.
static inline struct segment *segment_take(struct segment_store *store)
{
    for (unsigned i = 0; i < SEGMENT_SPARES; i++) {
        struct segment *spare = at_load_rlx(&store->spares[i]);
        if (spare && (spare = at_xchg_acq(&store->spares[i], NULL, AT(segment_take, segment_give))))
            return spare;
    }
    const struct queue_env *env = store->env;
    struct segment *made = env->alloc(env->context, segment_bytes(store), _Alignof(struct segment), env->node);
    if (!made)
        return NULL;
    at_add_rlx(&store->held, 1);
    if (segment_of(segment_word(made, 0)) == made)
        return made;
    segment_free(store, made);
    return NULL;
}

// Takes back one that is as segment_take gives them.
static inline void segment_give(struct segment_store *store, struct segment *segment)
{
    for (unsigned i = 0; i < SEGMENT_SPARES; i++) {
        struct segment *none = NULL;
        if (!at_load_rlx(&store->spares[i]) &&
            at_cas_rel(&store->spares[i], &none, segment, AT(segment_give, segment_take)))
            return;
    }
    segment_free(store, segment);
}

// All that are there, by fini.
static inline void segment_store_fini(struct segment_store *store)
{
    for (unsigned i = 0; i < SEGMENT_SPARES; i++) {
        struct segment *spare = at_load_rlx(&store->spares[i]);
        if (spare)
            segment_free(store, spare);
    }
}
