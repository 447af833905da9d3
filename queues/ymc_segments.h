// SPDX-License-Identifier: Apache-2.0
// The memory of ymc.c: an endless array of cells, as a list of segments that are appended as needed and freed when
// nobody can touch them any more; and the places of the threads that use it.
//
// Why no segment is freed under a thread. In an operation a thread keeps in `guard` the number of the lowest segment
// that it may touch, at first that of the segment it used last. It sets that before it adds to `tail` or `head`. Who
// frees, one at a time, adds 0 to both: before each of the two steps below. So of each operation it knows, in each
// step, that it sees its guard, or that this one adds later and sees all that was written before.
//   1. It finds the lowest segment of tail, head and all guards, and lets `entry` point there and `low` be its number.
//      An operation not seen has a cell at or behind there. So if its own segment lies before `low`, which may be
//      freed, it goes on from `entry` instead.
//   2. It finds the lowest of that and all guards, and frees all before. An operation not seen looked at `low` later.
// A helper lowers its guard to the request's segment (seq_cst), and then looks (seq_cst) whether the request is still
// pending; if so the guard of its owner is still set. The owner may drop it right then, after the helper's was
// read and before its own is: therefore guards are read twice over in step 2, when that of the helper is there.
// An idle thread guards nothing; one that stands still in an operation holds up all that was freed behind its segment.
//
// Why memory may run out. Whoever is to append a segment needs one, and a dequeue that took a cell can't go back. So
// each keeps as many spares as can be missing: every cell that was handed out and lies behind the last segment is one
// of at most two a thread. If spares can't be had before an attempt, enqueue answers -ENOMEM and dequeue QUEUE_RETRY;
// and they withdraw their request if that happens later.
#pragma once

#include <errno.h>
#include <string.h>

#include "core/queue.h"
#include "core/sync/atomic.h"

#define YMC_CLOSED UINTPTR_MAX // the item of a cell that was given up
#define YMC_PENDING (UINT64_C(1) << 63)
#define YMC_CELL(state) ((state) & ~YMC_PENDING)
#define YMC_WITHDRAWN (YMC_PENDING - 1) // state of an enqueue request that nobody may claim any more
#define YMC_NOBODY UINT64_MAX           // closed for enqueue requests, or taken by a dequeue without one
#define YMC_IDLE UINT64_MAX             // guard of a thread in no operation
#define YMC_PLACE_BITS 12u              // of a name; what is left lasts 14 years at ten million cells a second
#define YMC_SPIN 16u                    // looks at a cell whose enqueue must be about to fill it

struct ymc_cell {
    _Atomic uintptr_t item; // 0, YMC_CLOSED or what was enqueued
    _Atomic uint64_t put;   // 0, YMC_NOBODY or the name of an enqueue request: its number and its place
    _Atomic uint64_t get;   // 0, YMC_NOBODY or the number of a dequeue request
};

struct ymc_segment {
    _Atomic(struct ymc_segment *) next;
    uint64_t number; // holds cells number << cells_log and on
    struct ymc_cell cells[];
};

// What a handle stands for. Those of producers come first; a place is never freed, only lent.
struct ymc_place {
    _Atomic uint64_t guard ALIGNED_LINE;
    struct ymc_segment *segment; // used last
    uint64_t number;             // of that segment; 0: none
    struct ymc_segment *spares;
    uint64_t spare_count;
    uint64_t head_least, tail_least; // of a consumer: both ends were there, or further
    unsigned peer_get;               // of a consumer: whose turn to be helped it is, among the consumers
    unsigned peer_put;               // and among the producers
    uint64_t peer_request;           // of the latter, that could not be helped yet; 0: none
    _Atomic uint32_t taken;
    // The request.
    _Atomic uint64_t state ALIGNED_LINE; // pending: a number or a candidate's; otherwise the cell that it got
    _Atomic uint64_t id;                 // of a dequeue: its number
    _Atomic(struct ymc_segment *) from;  // of a dequeue: where the search begins
    _Atomic uintptr_t item;              // of an enqueue
};

struct ymc {
    _Atomic uint64_t tail ALIGNED_LINE;
    _Atomic uint64_t head ALIGNED_LINE;
    _Atomic uint64_t low ALIGNED_LINE; // number of the segment `entry`: those before may be gone
    _Atomic(struct ymc_segment *) entry;
    struct ymc_place *places ALIGNED_LINE;
    unsigned producers, consumers; // places of each
    unsigned cells_log;
    bool leak;
    unsigned spin;
    uint64_t cells_mask, patience, reserve;
    const struct queue_env *env;
    _Atomic uint32_t freeing ALIGNED_LINE; // 1: somebody is
    struct ymc_segment *first;             // the oldest that is there; of who is freeing
    _Atomic uint64_t segments;             // that are there, spares included
};

static size_t ymc_segment_size(const struct ymc *q)
{
    return sizeof(struct ymc_segment) + (q->cells_mask + 1) * sizeof(struct ymc_cell);
}

static struct ymc_segment *ymc_segment_new(struct ymc *q)
{
    struct ymc_segment *segment = q->env->alloc(q->env->context, ymc_segment_size(q), LINE_PAIR, q->env->node);
    if (segment)
        at_add_rlx(&q->segments, 1);
    return segment;
}

static void ymc_segment_free(struct ymc *q, struct ymc_segment *segment)
{
    q->env->free(q->env->context, segment, ymc_segment_size(q), q->env->node);
    at_sub_rlx(&q->segments, 1);
}

static void ymc_spare_put(struct ymc_place *p, struct ymc_segment *segment)
{
    at_store_rlx(&segment->next, p->spares);
    p->spares = segment;
    p->spare_count++;
}

static struct ymc_segment *ymc_spare_take(struct ymc *q, struct ymc_place *p)
{
    struct ymc_segment *segment = p->spares;
    if (!segment)
        return ymc_segment_new(q);
    p->spares = at_load_rlx(&segment->next);
    p->spare_count--;
    at_store_rlx(&segment->next, NULL);
    return segment;
}

// Before an attempt. False: no memory.
static bool ymc_stock(struct ymc *q, struct ymc_place *p)
{
    while (__builtin_expect(p->spare_count < q->reserve, 0)) {
        struct ymc_segment *segment = ymc_segment_new(q);
        if (!segment)
            return false;
        ymc_spare_put(p, segment);
    }
    return true;
}

static struct ymc_segment *ymc_extend(struct ymc *q, struct ymc_place *p, struct ymc_segment *last)
{
    struct ymc_segment *segment = ymc_spare_take(q, p), *next = NULL;
    if (!segment)
        return NULL;
    segment->number = last->number + 1;
    if (at_cas_ar(&last->next, &next, segment, AT(ymc_append, ymc_append, ymc_next, ymc_next_entry)))
        return segment;
    ymc_spare_put(p, segment);
    return next;
}

// The cell of that index, from segment *at on, which becomes the cell's. NULL: no memory for a segment on the way.
static struct ymc_cell *ymc_find(struct ymc *q, struct ymc_place *p, struct ymc_segment **at, uint64_t index)
{
    struct ymc_segment *segment = *at;
    while (segment->number != index >> q->cells_log) {
        struct ymc_segment *next = at_load_acq(&segment->next, AT(ymc_next, ymc_append));
        if (!next)
            next = ymc_extend(q, p, segment);
        if (!next)
            return NULL;
        segment = next;
    }
    *at = segment;
    return &segment->cells[index & q->cells_mask];
}

// As ymc_find from the thread's own segment on, which stays the cell's.
static struct ymc_cell *ymc_find_own(struct ymc *q, struct ymc_place *p, uint64_t index)
{
    if (__builtin_expect(p->number == index >> q->cells_log, 1))
        return &p->segment->cells[index & q->cells_mask];
    struct ymc_cell *cell = ymc_find(q, p, &p->segment, index);
    p->number = p->segment->number;
    return cell;
}

// After the first addition of an operation, whose guard is set: its own segment, if that may be gone.
static void ymc_enter(struct ymc *q, struct ymc_place *p)
{
    if (__builtin_expect(at_load_acq(&q->low, AT(ymc_low, ymc_set_low)) > p->number, 0)) {
        p->segment = at_load_acq(&q->entry, AT(ymc_entry, ymc_set_entry));
        p->number = p->segment->number;
    }
}

static void ymc_leave(struct ymc_place *p)
{
    at_store_rel(&p->guard, YMC_IDLE, AT(ymc_unguard, ymc_guards));
}

// A helper, before it touches segments from `number` on. If the request is still pending after this, it may.
static void ymc_guard_also(struct ymc_place *p, uint64_t number)
{
    const uint64_t guard = at_load_rlx(&p->guard);
    at_store_sc(&p->guard, number < guard ? number : guard, AT(ymc_lower, ymc_guards, ymc_state));
}

static uint64_t ymc_guarded(struct ymc *q, uint64_t lowest)
{
    for (unsigned i = 0; i < q->producers + q->consumers; i++) {
        const uint64_t guard = at_load_sc(&q->places[i].guard, AT(ymc_guards, ymc_unguard, ymc_lower));
        if (guard < lowest)
            lowest = guard;
    }
    return lowest;
}

static uint64_t ymc_lowest_end(struct ymc *q)
{
    const uint64_t tail = at_add_sc(&q->tail, 0, AT(ymc_meet_tail, ymc_take_tail));
    const uint64_t head = at_add_sc(&q->head, 0, AT(ymc_meet_head, ymc_take_head));
    return (tail < head ? tail : head) >> q->cells_log;
}

// See the head of this file.
static void ymc_reclaim(struct ymc *q, struct ymc_place *p)
{
    if (q->leak || at_xchg_acq(&q->freeing, 1, AT(ymc_lock, ymc_unlock)))
        return;
    uint64_t lowest = ymc_lowest_end(q);
    lowest = ymc_guarded(q, lowest);
    struct ymc_segment *entry = at_load_rlx(&q->entry), *next;
    while (entry->number < lowest && (next = at_load_acq(&entry->next, AT(ymc_next_entry, ymc_append))))
        entry = next;
    at_store_rel(&q->entry, entry, AT(ymc_set_entry, ymc_entry));
    at_store_rel(&q->low, entry->number, AT(ymc_set_low, ymc_low));
    ymc_lowest_end(q);
    lowest = ymc_guarded(q, ymc_guarded(q, entry->number));
    while (q->first->number < lowest) {
        struct ymc_segment *dead = q->first;
        q->first = at_load_rlx(&dead->next);
        if (p->spare_count < q->reserve) {
            memset(dead, 0, ymc_segment_size(q));
            ymc_spare_put(p, dead);
        } else {
            ymc_segment_free(q, dead);
        }
    }
    at_store_rel(&q->freeing, 0, AT(ymc_unlock, ymc_lock));
}

static void ymc_give_spares(struct ymc *q, struct ymc_place *p)
{
    while (p->spare_count > 0)
        ymc_segment_free(q, ymc_spare_take(q, p));
}

// Its request stays as the last thread left it: a number is never used again.
static int ymc_place_take(struct ymc *q, enum queue_role role, struct ymc_place **place)
{
    const unsigned first = role == QUEUE_PRODUCER ? 0 : q->producers;
    const unsigned end = role == QUEUE_PRODUCER ? q->producers : q->producers + q->consumers;
    for (unsigned i = first; i < end; i++) {
        struct ymc_place *p = &q->places[i];
        uint32_t no = 0;
        if (!at_cas_acq(&p->taken, &no, 1, AT(ymc_take_place, ymc_give_place, ymc_refuse_place)))
            continue;
        p->number = 0;
        p->head_least = p->tail_least = 0;
        if (!ymc_stock(q, p)) {
            ymc_give_spares(q, p);
            at_store_rel(&p->taken, 0, AT(ymc_refuse_place, ymc_take_place));
            return -ENOMEM;
        }
        *place = p;
        return 0;
    }
    return -EAGAIN;
}

static void ymc_place_give(struct ymc *q, struct ymc_place *p)
{
    ymc_give_spares(q, p);
    at_store_rel(&p->taken, 0, AT(ymc_give_place, ymc_take_place));
}

static size_t ymc_places_size(const struct ymc *q)
{
    return (q->producers + q->consumers) * sizeof *q->places;
}

static void ymc_array_close(struct ymc *q)
{
    for (struct ymc_segment *segment = q->first, *next; segment; segment = next) {
        next = at_load_rlx(&segment->next);
        ymc_segment_free(q, segment);
    }
    if (q->places)
        q->env->free(q->env->context, q->places, ymc_places_size(q), q->env->node);
}

// With so many cells a segment at least.
static int ymc_array_open(struct ymc *q, uint64_t cells)
{
    q->producers = q->env->producers_max ? q->env->producers_max : 1;
    q->consumers = q->env->consumers_max ? q->env->consumers_max : 1;
    if (q->producers > 1u << YMC_PLACE_BITS)
        return -EINVAL;
    while (UINT64_C(1) << q->cells_log < cells)
        q->cells_log++;
    q->cells_mask = (UINT64_C(1) << q->cells_log) - 1;
    q->reserve = (2 * (q->producers + q->consumers) >> q->cells_log) + 2;
    q->places = q->env->alloc(q->env->context, ymc_places_size(q), LINE_PAIR, q->env->node);
    q->first = ymc_segment_new(q);
    if (!q->places || !q->first) {
        ymc_array_close(q);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < q->producers + q->consumers; i++)
        at_init(&q->places[i].guard, YMC_IDLE);
    q->first->number = 1;
    at_init(&q->entry, q->first);
    at_init(&q->low, 1);
    at_init(&q->tail, q->cells_mask + 1);
    at_init(&q->head, q->cells_mask + 1);
    return 0;
}
