// SPDX-License-Identifier: Apache-2.0
// What lcrq.c and lprq.c share: a list of rings in which threads get their cells by fetch-and-add. How an item gets
// into a cell and out of it is theirs: cell_put and cell_take, which the file that includes this defines.
//
// Source: A. Morrison and Y. Afek, "Fast Concurrent Queues for x86 Processors", PPoPP 2013: the ring (CRQ) and the list
// of them (LCRQ).
//
// A ring hands out indices to both sides, an enqueuer's from `tail` and a dequeuer's from `head`. Index i belongs to
// one cell, and those who got the same index meet there. Who does not find what it needs makes sure that the other one
// won't either, and takes a new index. A cell is two words: `low` is the item, or 0; `high` is its turn, the index of
// the item that it holds or held, with a bit that is set while it is unsafe:
//
//     turn > i           too late for both of index i
//     no item, turn <= i an enqueuer of i may put its item, and makes the turn i. A dequeuer of i that does not want to
//                        wait makes the turn i + 1, whereupon that enqueuer is too late.
//     item, turn = i     is what the dequeuer of i came for. It takes it out, and leaves the turn.
//     item, turn < i     the ring is full, as an earlier dequeuer has been given this item and not taken it. The
//                        dequeuer of i marks the cell as unsafe, and goes. An enqueuer uses an unsafe cell only if
//                        its dequeuer has not set out (head <= i).
//
// An enqueuer that finds the ring full, or has had no luck for RINGS_PATIENCE times, closes it: a bit in `tail`. From
// then on no index counts, and who wants to enqueue links another ring behind, which has its item in it already.
//
// A dequeuer that finds nothing in the first ring and none behind it has seen an instant at which the queue was empty:
// when it read `tail`, at or before a `head` it had read earlier, so that each item was spoken for. If there is a ring
// behind, this one was closed before that was linked, and is looked at once more: between the first look and the
// closing, items may have come. Only then it is unlinked, and `tail` of the list before, so that no enqueuer can find
// it any more.
//
// What differs from the paper. A dequeuer does not take an index when head and tail, read first, show that there is
// nothing; it reads tail only if what it read before is used up. It takes an item out with one store: nobody else may
// change `low` of a cell that holds an item. It waits a little for an enqueuer that has its index. A turn that is
// passed by becomes i + 1 and not i + the ring's size. So all turns in a ring that nobody is in are at most `head`;
// that is what makes it fit for use again as it is, with indices that go on from there. Spare rings are kept, by
// handles that lost the race to link theirs, and a few in the queue. Neighbouring indices lie on different lines,
// unless `cells=adjacent`.
//
// Hazard pointers: a handle keeps its announcement from one operation to the next, so that it is written once per ring
// and not once per item. An idle handle holds back one ring.
//
// Indices have 63 bits: at 10^9 a second they last for 292 years.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                        enqueue   dequeue   others
//     enqueue                               -         -         -
//     dequeue                               -         -         -
//     others: attach, detach, statistics    -         -         -
//
// Progress: all are lock-free, as far as the allocator is, and the reclamation (epochs: memory grows while a thread
// stands still). An enqueuer and a dequeuer can make each other fail, but only until the ring is closed for it.
#pragma once

#include <errno.h>

#include "core/queue.h"
#include "core/reclaim.h"
#include "core/sync/atomic.h"

#define RINGS_CLOSED (UINT64_C(1) << 63) // in a ring's tail
#define RINGS_UNSAFE (UINT64_C(1) << 63) // in a cell's turn
#define RINGS_PATIENCE 16u               // indices an enqueuer takes in one ring before it closes it
#define RINGS_WAIT 64u                   // looks for an item that is on its way
#define RINGS_KEPT 32u                   // spare rings that the queue keeps, at most
#define RINGS_SPREAD_BITS 3u             // neighbouring indices are 2^3 cells apart: a pair of lines

struct rings_config {
    uint64_t ring;    // cells, before it is rounded up
    uint64_t reclaim; // enum reclaim_kind
    uint64_t cells;   // enum rings_cells
};

enum rings_cells { RINGS_SPREAD, RINGS_ADJACENT };
static const char *const rings_cells_names[] = {"spread", "adjacent", NULL};

struct ring {
    struct reclaim_node node; // from when it is retired; readers may still be inside
    struct ring *below;       // the next spare one
    _Atomic(struct ring *) next;
    _Atomic uint64_t head ALIGNED_LINE;
    _Atomic uint64_t tail ALIGNED_LINE;
    struct word_pair cells[] ALIGNED_LINE;
};

struct rings {
    _Atomic(struct ring *) head ALIGNED_LINE; // first and last in the list; these change once per ring only
    _Atomic(struct ring *) tail;
    uint64_t mask;                // cells - 1
    unsigned spread, spread_back; // shifts that make a cell's number from an index
    _Atomic(struct ring *) spare ALIGNED_LINE;
    _Atomic uint64_t kept;  // of them, roughly
    _Atomic uint64_t rings; // there are
    const struct queue_env *env;
    struct reclaim reclaim;
};

struct rings_handle {
    struct reclaim_record *record;
    struct ring *ring;  // used last, and announced if there are hazard pointers
    uint64_t next_head; // a dequeuer's: the next index if nobody else took any,
    uint64_t seen_tail; // and the tail that it saw last; both of `ring`
    struct ring *spare; // chain of this handle's own
} ALIGNED_LINE;

// Puts `item` in the cell of index i; false: this index came to nothing.
static inline bool cell_put(const struct rings *q, struct rings_handle *h, struct ring *ring, struct word_pair *cell,
                            uint64_t i, uintptr_t item);
// Takes the item of index i out of its cell; 0: there is none and there won't be.
static inline uintptr_t cell_take(struct ring *ring, struct word_pair *cell, uint64_t i);

static inline uint64_t cell_turn(uint64_t high)
{
    return high & ~RINGS_UNSAFE;
}

static inline struct word_pair *ring_cell(const struct rings *q, struct ring *ring, uint64_t i)
{
    const uint64_t back = (i & q->mask) >> q->spread_back;
    return &ring->cells[((i << q->spread) & q->mask) | back];
}

// An unsafe cell is no use to an enqueuer whose dequeuer has been there.
static inline bool ring_passed(struct ring *ring, uint64_t i)
{
    return at_load_sc(&ring->head, AT(rings_passed, rings_take)) > i;
}

// Whether a dequeuer of index i that found nothing yet should look again: only if an enqueuer has that index.
static inline bool ring_wait(struct ring *ring, uint64_t i, unsigned *waited)
{
    if (*waited == 0 && at_load_rlx(&ring->tail) - i - 1 >= RINGS_CLOSED / 2) // tail <= i, or closed
        return false;
    cpu_relax();
    return (*waited)++ < RINGS_WAIT;
}

// False: the ring is closed.
static inline bool ring_enqueue(struct rings *q, struct rings_handle *h, struct ring *ring, uintptr_t item)
{
    for (unsigned tries = 1;; tries++) {
        const uint64_t i = at_add_sc(&ring->tail, 1, AT(rings_put, rings_empty, rings_left, rings_close, rings_mend));
        if (i & RINGS_CLOSED)
            return false;
        if (cell_put(q, h, ring, ring_cell(q, ring, i), i, item))
            return true;
        const uint64_t head = at_load_sc(&ring->head, AT(rings_full, rings_take));
        if ((int64_t)(i - head) > (int64_t)q->mask || tries == RINGS_PATIENCE) {
            at_or_sc(&ring->tail, RINGS_CLOSED, AT(rings_close, rings_put, rings_empty, rings_left, rings_mend));
            return false;
        }
    }
}

// Dequeuers took indices that enqueuers have not got to: those would all be too late.
static void ring_mend(struct ring *ring)
{
    uint64_t tail = at_load_rlx(&ring->tail), head;
    do {
        head = at_load_sc(&ring->head, AT(rings_overtaken, rings_take));
    } while (head > tail &&
             !at_cas_sc(&ring->tail, &tail, head, AT(rings_mend, rings_put, rings_close, rings_empty, rings_left)));
}

// Whether indices were given to enqueuers that no dequeuer has got yet.
static inline bool ring_has_left(struct rings_handle *h, struct ring *ring)
{
    h->next_head = at_load_sc(&ring->head, AT(rings_head, rings_take));
    h->seen_tail = at_load_sc(&ring->tail, AT(rings_left, rings_put, rings_close, rings_mend)) & ~RINGS_CLOSED;
    return h->next_head < h->seen_tail;
}

// 0: the ring was empty.
static inline uintptr_t ring_dequeue(const struct rings *q, struct rings_handle *h, struct ring *ring)
{
    while (h->next_head < h->seen_tail || ring_has_left(h, ring)) {
        const uint64_t i =
            at_add_sc(&ring->head, 1, AT(rings_take, rings_passed, rings_full, rings_head, rings_overtaken));
        h->next_head = i + 1;
        const uintptr_t item = cell_take(ring, ring_cell(q, ring, i), i);
        if (item)
            return item;
        const uint64_t tail = at_load_sc(&ring->tail, AT(rings_empty, rings_put, rings_close, rings_mend));
        if ((tail & ~RINGS_CLOSED) <= i + 1) {
            ring_mend(ring);
            return 0;
        }
    }
    return 0;
}

static size_t ring_size(const struct rings *q)
{
    return sizeof(struct ring) + (q->mask + 1) * sizeof(struct word_pair);
}

static void ring_free(struct rings *q, struct ring *ring)
{
    at_sub_rlx(&q->rings, 1);
    q->env->free(q->env->context, ring, ring_size(q), q->env->node);
}

// A ring that nobody is in, for use again. Any thread.
static void ring_give(void *owner, struct reclaim_node *node)
{
    struct rings *q = owner;
    struct ring *ring = (struct ring *)node;
    if (at_load_rlx(&q->kept) >= RINGS_KEPT) {
        ring_free(q, ring);
        return;
    }
    at_add_rlx(&q->kept, 1);
    ring->below = at_load_rlx(&q->spare);
    while (!at_cas_rel(&q->spare, &ring->below, ring, AT(rings_keep, rings_reuse)))
        ;
}

// A ring with nothing in it, from the handle, the queue or the environment, in this order.
static struct ring *ring_get(struct rings *q, struct rings_handle *h)
{
    struct ring *ring = h->spare;
    if (!ring) {
        ring = at_load_rlx(&q->spare) ? at_xchg_acq(&q->spare, NULL, AT(rings_reuse, rings_keep)) : NULL;
        if (ring)
            at_store_rlx(&q->kept, 0);
    }
    if (ring) {
        h->spare = ring->below;
    } else {
        ring = q->env->alloc(q->env->context, ring_size(q), _Alignof(struct ring), q->env->node);
        if (!ring)
            return NULL;
        at_add_rlx(&q->rings, 1);
    }
    const uint64_t start = at_load_rlx(&ring->head) + 1;
    at_store_rlx(&ring->head, start);
    at_store_rlx(&ring->tail, start);
    at_store_rlx(&ring->next, NULL);
    return ring;
}

// Links a ring with `item` in it behind a closed one. QUEUE_OK, QUEUE_RETRY: somebody else linked one, or -ENOMEM.
static int rings_append(struct rings *q, struct rings_handle *h, struct ring *last, uintptr_t item)
{
    struct ring *ring = ring_get(q, h), *none = NULL;
    if (!ring)
        return -ENOMEM;
    const uint64_t i = at_load_rlx(&ring->tail);
    struct word_pair *cell = ring_cell(q, ring, i);
    at_store_rlx(&cell->low, item);
    at_store_rlx(&cell->high, i);
    at_store_rlx(&ring->tail, i + 1);
    if (at_cas_sc(&last->next, &none, ring, AT(rings_link, rings_link, rings_behind, rings_next)))
        return QUEUE_OK;
    at_store_rlx(&cell->low, 0);
    ring->below = h->spare;
    h->spare = ring;
    return QUEUE_RETRY;
}

// Moves the end of the list on to the ring behind `last`, unless somebody has. False: there is none behind.
static bool rings_move_tail(struct rings *q, struct ring *last)
{
    struct ring *next = at_load_sc(&last->next, AT(rings_behind, rings_link));
    if (next)
        at_cas_sc(&q->tail, &last, next, AT(rings_move, rings_move, rings_last, rings_lagging));
    return next != NULL;
}

// The ring at `*place`, protected. What was announced for the ring used last still stands.
#define RINGS_ENTER(h, load)                               \
    ({                                                     \
        reclaim_enter((h)->record);                        \
        struct ring *found_ = (load);                      \
        while (__builtin_expect(found_ != (h)->ring, 0)) { \
            rings_enter_new((h), found_);                  \
            found_ = (load);                               \
        }                                                  \
        found_;                                            \
    })

static void rings_enter_new(struct rings_handle *h, struct ring *ring)
{
    reclaim_announce(h->record, 0, ring);
    h->ring = ring;
    h->next_head = h->seen_tail = 0;
}

static inline void rings_leave(struct rings_handle *h)
{
    if (h->record->kind == RECLAIM_EPOCH)
        reclaim_leave(h->record);
}

static inline int rings_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct rings *q = queue;
    struct rings_handle *h = handle;
    int result = QUEUE_RETRY;
    while (result == QUEUE_RETRY) {
        struct ring *ring = RINGS_ENTER(h, at_load_sc(&q->tail, AT(rings_last, rings_move)));
        if (__builtin_expect(ring_enqueue(q, h, ring, item), 1)) {
            result = QUEUE_OK;
        } else if (!rings_move_tail(q, ring)) {
            result = rings_append(q, h, ring, item);
            if (result == QUEUE_OK)
                rings_move_tail(q, ring);
        }
        rings_leave(h);
    }
    return result;
}

// Unlinks a ring that is used up: first from the end of the list, then from its head.
static void rings_move_head(struct rings *q, struct rings_handle *h, struct ring *first, struct ring *next)
{
    struct ring *ring = first;
    if (at_load_sc(&q->tail, AT(rings_lagging, rings_move)) == first)
        rings_move_tail(q, first);
    if (at_cas_sc(&q->head, &ring, next, AT(rings_unlink, rings_unlink, rings_first)))
        reclaim_retire(h->record, &first->node);
}

static inline int rings_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct rings *q = queue;
    struct rings_handle *h = handle;
    for (;;) {
        struct ring *ring = RINGS_ENTER(h, at_load_sc(&q->head, AT(rings_first, rings_unlink))), *next = NULL;
        uintptr_t found = ring_dequeue(q, h, ring);
        if (!found && (next = at_load_sc(&ring->next, AT(rings_next, rings_link)))) {
            found = ring_dequeue(q, h, ring);
            if (!found)
                rings_move_head(q, h, ring, next);
        }
        rings_leave(h);
        if (found)
            *item = found;
        if (found || !next)
            return found ? QUEUE_OK : QUEUE_EMPTY;
    }
}

static void rings_resolve(const void *config, struct queue_traits *traits)
{
    traits->reclamation = reclaim_traits[((const struct rings_config *)config)->reclaim];
}

static int rings_init(void *queue, const struct queue_env *env, const void *config)
{
    struct rings *q = queue;
    const struct rings_config *chosen = config;
    struct rings_handle none = {0};
    unsigned bits = 1;
    while (UINT64_C(1) << bits < chosen->ring)
        bits++;
    *q = (struct rings){.mask = (UINT64_C(1) << bits) - 1, .env = env};
    if (chosen->cells == RINGS_SPREAD)
        q->spread = bits < RINGS_SPREAD_BITS ? bits : RINGS_SPREAD_BITS;
    q->spread_back = bits - q->spread;
    struct ring *ring = ring_get(q, &none);
    if (!ring)
        return -ENOMEM;
    if (reclaim_init(&q->reclaim, (enum reclaim_kind)chosen->reclaim, env, ring_give, q)) {
        ring_free(q, ring);
        return -ENOMEM;
    }
    reclaim_expect(&q->reclaim, q->mask + 1);
    at_init(&q->head, ring);
    at_init(&q->tail, ring);
    return 0;
}

static int rings_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)role;
    (void)kind;
    struct rings_handle *h = handle;
    h->record = reclaim_attach(&((struct rings *)queue)->reclaim);
    return h->record ? 0 : -EAGAIN;
}

static void rings_detach(void *queue, void *handle)
{
    struct rings_handle *h = handle;
    for (struct ring *ring = h->spare, *below; ring; ring = below) {
        below = ring->below;
        ring_give(queue, &ring->node);
    }
    reclaim_detach(h->record);
}

static void rings_statistics(void *queue, struct queue_statistics *statistics)
{
    struct rings *q = queue;
    uint64_t waiting;
    reclaim_count(&q->reclaim, &statistics->reclaimed, &waiting);
    statistics->memory_bytes = at_load_rlx(&q->rings) * ring_size(q);
}

static void rings_fini(void *queue)
{
    struct rings *q = queue;
    reclaim_fini(&q->reclaim);
    for (struct ring *ring = at_load_rlx(&q->head), *next; ring; ring = next) {
        next = at_load_rlx(&ring->next);
        ring_free(q, ring);
    }
    for (struct ring *ring = at_load_rlx(&q->spare), *below; ring; ring = below) {
        below = ring->below;
        ring_free(q, ring);
    }
}

static const struct param rings_params[] = {
    PARAM_U64(struct rings_config, ring, "1024", 2, 65536, "cells", "cells of a ring, rounded up to a power of two"),
    PARAM_CHOICE(struct rings_config, reclaim, "hazard", reclaim_names, "how rings are freed"),
    PARAM_CHOICE(struct rings_config, cells, "spread", rings_cells_names, "whether neighbours share a cache line"),
    PARAM_END,
};
