// SPDX-License-Identifier: Apache-2.0
// The ring of wcq.c: scq_ring.h's, where a thread that has drawn too many tickets in vain asks all others for help. In
// here is what both ways have in common; the slow one is in wcq_slow.h, the fast one in wcq.c.
//
// Source: R. Nikolaev, B. Ravindran, "wCQ: A Fast Wait-Free Queue with Bounded Memory Usage", SPAA 2022.
//
// Fast path: as in scq_ring.h, a given number of times. Then a thread publishes a request, and it and its helpers all
// do the same steps for it, each of which counts once, whoever does it. Read scq_ring.h first.
//
// The ticket of a request stands in its word `local` (with the request's own number, so that a helper who comes late
// to a request can't touch the next one): 0 at first, then c|DRAWING while its helpers try to draw ticket c, then c
// when they have, and c|OVER when the request is over. To draw, a helper announces c in `local` and then moves the
// counter from c to c + 1 by a compare-and-swap that leaves its own tag beside the counter. While the tag is there,
// everybody who wants to draw slowly first takes DRAWING out of `local` for its owner; so the ticket drawn is not
// forgotten. A tag names one attempt of one thread: what is read under a tag that is not that thread's any more is of
// no use, and of no need, as that thread took DRAWING out before it went on.
//
// All helpers try the same ticket, and must come to the same answer:
//   - putting. Who gives ticket t up for an older number or a head that has passed leaves a note of the turn in the
//     entry, with which the entry can't be filled for t by another helper who is late. Who finds the entry in the
//     ticket's turn knows: "nothing" is a taker's doing, and all else, also "taken", means that the number is in. An
//     entry filled slowly is not `fixed` at first. As long as that is so its taker ends the request before it takes:
//     afterwards the entry may go on to another turn, and a late helper would think it has to draw again.
//   - taking. Once a helper found ticket t in vain no number can come there: the entry is in that turn or a later one,
//     or not safe, with a head that has passed t. So taking needs no note. Only the owner takes what was found.
//
// Different from the paper: `local` carries the request's number, and a tag that of the attempt (with a pointer alone,
// a helper that saw it, slept, and reads what the same thread prepares next would take DRAWING out too early); no
// notes by takers; a request is over only by OVER; its owner sees to the threshold itself; EMPTY by the tail also
// in the slow path.
//
// Threshold: a slow take pays when it draws, found or not, and who draws for it may pay late. As all 2n tickets up to
// the last number's may have paid, and all k threads may be late by one, it is 2n + max(n, k) here.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/sync/atomic.h"

#define WCQ_NOTHING UINT64_MAX // no number; as a request's: to take one

// In a request's `local`; the ticket is above.
#define WCQ_OVER UINT64_C(1)
#define WCQ_DRAWING UINT64_C(2)
#define WCQ_TICKET 2u

// In a tag: the thread's number plus 1, and its attempts above.
#define WCQ_TAG_THREAD 16u

// Never written after the start.
struct wcq_shape {
    uint64_t places;  // entries, 2n
    uint64_t turn;    // mask of an entry's turn
    uint64_t fixed;   // an entry's flag: the request for its number is over
    uint64_t safe;    // an entry's flag
    uint64_t taken;   // an entry's number when it was taken out, and the mask of the number; even one less: nothing
    unsigned spread;  // see wcq_place
    unsigned back;    //
    unsigned threads; // that may use the ring
    int64_t threshold;
};

// What a thread asks for. Written by its owner while it is not pending.
struct wcq_request {
    struct word_pair local;
    _Atomic uint64_t pending; // its number (never 0), or 0
    _Atomic uint64_t number;  // to put, or WCQ_NOTHING
    uint64_t last;            // number of the owner's last request
};

// One attempt to draw for a request. Valid while `tag` says so.
struct wcq_attempt {
    _Atomic uint64_t tag;
    _Atomic(struct wcq_request *) request;
    _Atomic uint64_t asked; // the request's number
    _Atomic uint64_t ticket;
    uint64_t attempts;
};

enum { WCQ_FREE, WCQ_USED, WCQ_RINGS };

struct wcq_thread {
    struct wcq_request requests[WCQ_RINGS] ALIGNED_LINE;
    struct wcq_attempt attempt;
    _Atomic uint32_t lent;
};

struct wcq_ring {
    struct word_pair tail ALIGNED_LINE; // counter, tag
    struct word_pair head ALIGNED_LINE; // counter, tag
    _Atomic int64_t threshold ALIGNED_LINE;
    struct word_pair *entries ALIGNED_LINE; // entry, note
    const struct wcq_shape *shape;
    struct wcq_thread *threads;
    unsigned which; // of a thread's requests
};

static inline struct wcq_shape wcq_shape(uint64_t numbers, unsigned threads)
{
    const uint64_t places = 2 * numbers;
    const unsigned bits = (unsigned)__builtin_ctzll(places);
    const unsigned line = (unsigned)__builtin_ctzll(LINE_PAIR / sizeof(struct word_pair));
    const unsigned spread = bits > line ? line : 0;
    return (struct wcq_shape){.places = places,
                              .turn = ~(4 * places - 1),
                              .fixed = 2 * places,
                              .safe = places,
                              .taken = places - 1,
                              .spread = spread,
                              .back = bits - spread,
                              .threads = threads,
                              .threshold = (int64_t)(places + (threads > numbers ? threads : numbers))};
}

static inline struct word_pair *wcq_place(const struct wcq_ring *ring, uint64_t ticket)
{
    const struct wcq_shape *shape = ring->shape;
    const uint64_t within = ticket & shape->taken;
    return &ring->entries[((within << shape->spread) & shape->taken) | (within >> shape->back)];
}

static inline uint64_t wcq_turn(const struct wcq_ring *ring, uint64_t ticket)
{
    return (ticket << 2) & ring->shape->turn;
}

static inline bool wcq_is_empty(const struct wcq_ring *ring, uint64_t entry)
{
    return ((entry | 1) & ring->shape->taken) == ring->shape->taken;
}

static inline bool wcq_is_nothing(const struct wcq_ring *ring, uint64_t entry)
{
    return (entry & ring->shape->taken) == ring->shape->taken - 1;
}

static inline void wcq_ring_init(struct wcq_ring *ring, const struct wcq_shape *shape, struct word_pair *entries,
                                 struct wcq_thread *threads, unsigned which, uint64_t filled)
{
    const uint64_t start = shape->places; // so that entries can be of the turn before, and no ticket is 0
    *ring = (struct wcq_ring){.entries = entries, .shape = shape, .threads = threads, .which = which};
    for (uint64_t i = 0; i < shape->places; i++) {
        at_init(&entries[i].low, shape->fixed | shape->safe | (shape->taken - 1));
        at_init(&entries[i].high, 0);
    }
    for (uint64_t i = 0; i < filled; i++)
        at_init(&wcq_place(ring, start + i)->low, wcq_turn(ring, start + i) | shape->fixed | shape->safe | i);
    at_init(&ring->head.low, start);
    at_init(&ring->tail.low, start + filled);
    at_init(&ring->threshold, filled ? shape->threshold : -1);
}

static inline void wcq_refill(struct wcq_ring *ring)
{
    if (at_load_sc(&ring->threshold, AT(wcq_whole, wcq_pay, wcq_pay_slow)) != ring->shape->threshold)
        at_store_sc(&ring->threshold, ring->shape->threshold,
                    AT(wcq_refill, wcq_pay, wcq_pay_slow, wcq_spent, wcq_spent_slow));
}

// May a putter fill the entry for `ticket`, if it is of an older turn?
static inline bool wcq_may_fill(struct wcq_ring *ring, uint64_t entry, uint64_t ticket)
{
    return wcq_is_empty(ring, entry) &&
           ((entry & ring->shape->safe) || at_load_sc(&ring->head.low, AT(wcq_look_head, wcq_draw_take)) <= ticket);
}

// Is there a number for `ticket`, in *found? If not, none can come any more.
static inline bool wcq_find(struct wcq_ring *ring, uint64_t ticket, uint64_t *found)
{
    struct word_pair *place = wcq_place(ring, ticket);
    const uint64_t turn = wcq_turn(ring, ticket);
    const struct wcq_shape *shape = ring->shape;
    *found = at_load_sc(&place->low, AT(wcq_look_take, wcq_put, wcq_put_slow, wcq_fix));
    uint64_t wanted;
    do {
        if ((*found & shape->turn) == turn)
            return !wcq_is_nothing(ring, *found);
        wanted = wcq_is_empty(ring, *found) ? turn | shape->fixed | (*found & shape->safe) | (shape->taken - 1)
                                            : *found & ~shape->safe;
    } while ((*found & shape->turn) < turn && wanted != *found &&
             !at_cas_sc(&place->low, found, wanted, AT(wcq_spoil, wcq_put, wcq_put_slow, wcq_look_put, wcq_look_slow)));
    return false;
}

// Is the ring empty, as far as a taker can see that was there in vain with `ticket`? Tickets that putters can only
// lose are skipped, as well as it goes: it must not take long.
static inline bool wcq_overtaken(struct wcq_ring *ring, uint64_t ticket)
{
    uint64_t tail = at_load_sc(&ring->tail.low, AT(wcq_look_tail, wcq_draw_put, wcq_draw_slow));
    if (tail > ticket + 1)
        return false;
    if (tail <= ticket)
        at_cas_sc(&ring->tail.low, &tail, ticket + 1, AT(wcq_catch_up, wcq_draw_put, wcq_draw_slow));
    return true;
}

// Ends the request that has `ticket` and is not over, if there is one. Its number is read after its ticket: if it is a
// later one by then, the request is over.
static inline void wcq_end_request(struct wcq_ring *ring, uint64_t ticket)
{
    const uint64_t drawn = ticket << WCQ_TICKET;
    for (unsigned i = 0; i < ring->shape->threads; i++) {
        struct word_pair *local = &ring->threads[i].requests[ring->which].local;
        if (at_load_sc(&local->low, AT(wcq_end_look, wcq_announce, wcq_ask)) != drawn)
            continue;
        const uint64_t asked = at_load_sc(&local->high, AT(wcq_end_asked, wcq_ask_number));
        at_cas2_sc(local, drawn, asked, drawn | WCQ_OVER, asked, AT(wcq_end, wcq_local, wcq_announce));
    }
}

static inline uint64_t wcq_take_out(struct wcq_ring *ring, uint64_t ticket, uint64_t found)
{
    if (__builtin_expect(!(found & ring->shape->fixed), 0))
        wcq_end_request(ring, ticket);
    at_or_sc(&wcq_place(ring, ticket)->low, ring->shape->fixed | ring->shape->taken,
             AT(wcq_take, wcq_look_put, wcq_look_slow, wcq_put, wcq_put_slow));
    return found & ring->shape->taken;
}
