// SPDX-License-Identifier: Apache-2.0
// A ring of small numbers, many to many: the part that scq.c and lscq.c share.
//
// Source: R. Nikolaev, "A Scalable, Portable, and Memory-Efficient Lock-Free FIFO Queue", DISC 2019: the
// ring SCQ and its threshold, and closing it, as LSCQ needs. Own: the threshold for many threads.
//
// The ring carries numbers below n = places/2, each at most once at a time. `head` and `tail` hand out tickets; ticket
// t belongs to entry t mod 2n in turn t / 2n. An entry is one word:
//
//     turn | safe | number          number = 2n - 1: nothing
//
// Who takes a number out ORs "nothing" into the entry. A taker that comes before the number is there takes the entry
// out of the putter's reach: it moves an empty entry on to its own turn, and strikes `safe` from one with an older
// number (whose taker is on its way), after which a putter needs a head that has not passed it. Either way the putter
// draws another ticket.
//
// Putters never meet a full ring: at most n numbers are about for 2n entries. Takers must know when to give up, as
// they could overtake putters for ever. `threshold` tells: each failed take costs one, each put sets it back, and
// EMPTY is when it is spent. How much is enough? Let h be `head` when the last number was put in.
//   - That number's ticket is below h + 2n. For, of the tickets from h on (all drawn by putters; none of them has a
//     taker yet), each either has its number, or is still in its putter's hands, or was given up because an older
//     number stood in the entry. A given number is in the first two kinds at most once (it stays there), and makes for
//     at most one of the third: it leaves that entry before it is drawn a ticket again. So there are at most 2n.
//   - So at most 2n - 1 tickets are failures before its taker's; beside them are takers that drew before and have not
//     yet paid: one for each thread that takes, k in all.
// Hence 2n - 1 + k, which is the paper's 3n - 1 for the k = n threads that it allows. Here k is what the environment
// announces, so that there may be more threads than places. Nothing else asks for k <= n: putters each hold a number,
// so there are never more than n of them, and takers stop when the threshold is spent.
//
// EMPTY by a tail not beyond the ticket: all tickets drawn by putters have a taker, who drew before us, and either
// finds its number or makes its putter draw again, beyond us. EMPTY by threshold: as above; a putter that has set it
// back, or found it whole, put its number in before that, and one that has not is not done.
//
// Order: putting a number in and moving an entry on are seq_cst read-modify-writes, so are tickets, and the threshold
// is set back by a seq_cst store. So a putter that finds the threshold whole did so before the failures that count, and
// who puts and then looks whether somebody sleeps meets him who says that he sleeps and then looks here.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/sync/atomic.h"

// In `tail`: no putter gets in any more.
#define SCQ_CLOSED (UINT64_C(1) << 63)

#define SCQ_NOTHING UINT64_MAX

// What the rings of one queue have in common. Never written after the start.
struct scq_shape {
    uint64_t places;    // entries, 2n
    uint64_t turn;      // mask of an entry's turn
    uint64_t safe;      // an entry's flag
    uint64_t nothing;   // an entry's number if it has none; and the mask of the number
    unsigned spread;    // see scq_place
    unsigned back;      //
    uint64_t threshold; // whole
};

struct scq_ring {
    _Atomic uint64_t tail ALIGNED_LINE;
    _Atomic uint64_t head ALIGNED_LINE;
    _Atomic int64_t threshold ALIGNED_LINE;
    _Atomic uint64_t *entries ALIGNED_LINE;
};

// For numbers below `numbers`, a power of two, and `takers` threads that take at once.
static inline struct scq_shape scq_shape(uint64_t numbers, unsigned takers)
{
    const uint64_t places = 2 * numbers;
    const unsigned bits = (unsigned)__builtin_ctzll(places);
    const unsigned line = (unsigned)__builtin_ctzll(LINE_PAIR / sizeof(uint64_t));
    const unsigned spread = bits > line ? line : 0;
    return (struct scq_shape){.places = places,
                              .turn = ~(2 * places - 1),
                              .safe = places,
                              .nothing = places - 1,
                              .spread = spread,
                              .back = bits - spread,
                              .threshold = places - 1 + (takers > numbers ? takers : numbers)};
}

// Neighbouring tickets go to different lines: a rotation of the bits.
static inline uint64_t scq_place(const struct scq_shape *shape, uint64_t ticket)
{
    const uint64_t within = ticket & shape->nothing;
    return ((within << shape->spread) & shape->nothing) | (within >> shape->back);
}

static inline uint64_t scq_turn(const struct scq_shape *shape, uint64_t ticket)
{
    return (ticket << 1) & shape->turn;
}

// With the numbers below `filled` in it, in an order in which neighbours are in different lines of what they number.
static inline void scq_ring_init(struct scq_ring *ring, const struct scq_shape *shape, _Atomic uint64_t *entries,
                                 uint64_t filled)
{
    const uint64_t start = shape->places; // so that entries can be of the turn before
    const uint64_t half = shape->places / 2;
    const unsigned back = shape->spread ? shape->back - 1 : 0;
    for (uint64_t i = 0; i < shape->places; i++)
        at_init(&entries[i], shape->safe | shape->nothing);
    for (uint64_t i = 0; i < filled; i++) {
        const uint64_t number = shape->spread ? ((i << shape->spread) & (half - 1)) | (i >> back) : i;
        at_init(&entries[scq_place(shape, start + i)], scq_turn(shape, start + i) | shape->safe | number);
    }
    at_init(&ring->head, start);
    at_init(&ring->tail, start + filled);
    at_init(&ring->threshold, filled ? (int64_t)shape->threshold : -1);
    ring->entries = entries;
}

// Gives takers as many failures as if a number had just been put in.
static inline void scq_refill(struct scq_ring *ring, const struct scq_shape *shape)
{
    at_store_sc(&ring->threshold, (int64_t)shape->threshold, AT(scq_refill, scq_pay, scq_spent));
}

// No putter gets in any more. As all tickets drawn before are below `head` + 2n, who refills a closed ring and then
// finds it empty knows that it stays so: those putters have been told to draw again, or have a taker.
static inline void scq_close(struct scq_ring *ring)
{
    at_or_sc(&ring->tail, SCQ_CLOSED, AT(scq_close, scq_draw_put));
}

// False: the ring is closed.
static inline bool scq_put(struct scq_ring *ring, const struct scq_shape *shape, uint64_t number)
{
    for (;;) {
        const uint64_t ticket = at_add_sc(&ring->tail, 1, AT(scq_draw_put, scq_look_tail, scq_catch_up, scq_close));
        if (__builtin_expect((ticket & SCQ_CLOSED) != 0, 0))
            return false;
        _Atomic uint64_t *entry = &ring->entries[scq_place(shape, ticket)];
        const uint64_t turn = scq_turn(shape, ticket);
        uint64_t found = at_load_sc(entry, AT(scq_look_put, scq_take, scq_spoil));
        while ((found & shape->turn) < turn && (found & shape->nothing) == shape->nothing &&
               ((found & shape->safe) || at_load_sc(&ring->head, AT(scq_look_head, scq_draw_take)) <= ticket)) {
            if (!at_cas_sc(entry, &found, turn | shape->safe | number, AT(scq_put, scq_look_take, scq_spoil, scq_take)))
                continue;
            if (at_load_sc(&ring->threshold, AT(scq_whole, scq_pay)) != (int64_t)shape->threshold)
                scq_refill(ring, shape);
            return true;
        }
    }
}

// Takers have overtaken the putters: moves `tail` to `head`, so that putters need not go through all that was missed.
static inline void scq_catch_up(struct scq_ring *ring, uint64_t tail, uint64_t head)
{
    while ((tail & ~SCQ_CLOSED) < head &&
           !at_cas_sc(&ring->tail, &tail, head | (tail & SCQ_CLOSED), AT(scq_catch_up, scq_draw_put)))
        head = at_load_sc(&ring->head, AT(scq_look_head_again, scq_draw_take));
}

// Takes the entry away from the putter of the same ticket, unless the number is there. True: it is, and in *found.
static inline bool scq_spoil(struct scq_ring *ring, const struct scq_shape *shape, uint64_t ticket, uint64_t *found)
{
    _Atomic uint64_t *entry = &ring->entries[scq_place(shape, ticket)];
    const uint64_t turn = scq_turn(shape, ticket);
    uint64_t wanted;
    do {
        if ((*found & shape->turn) == turn)
            return true;
        const bool empty = (*found & shape->nothing) == shape->nothing;
        wanted = empty ? turn | (*found & shape->safe) | shape->nothing : *found & ~shape->safe;
    } while ((*found & shape->turn) < turn && wanted != *found &&
             !at_cas_sc(entry, found, wanted, AT(scq_spoil, scq_put, scq_look_put, scq_take)));
    return false;
}

// SCQ_NOTHING: there was none.
static inline uint64_t scq_take(struct scq_ring *ring, const struct scq_shape *shape)
{
    if (at_load_sc(&ring->threshold, AT(scq_spent, scq_refill, scq_pay)) < 0)
        return SCQ_NOTHING;
    for (;;) {
        const uint64_t ticket = at_add_sc(&ring->head, 1, AT(scq_draw_take, scq_look_head, scq_look_head_again));
        _Atomic uint64_t *entry = &ring->entries[scq_place(shape, ticket)];
        const uint64_t turn = scq_turn(shape, ticket);
        uint64_t found = at_load_sc(entry, AT(scq_look_take, scq_put));
        if (__builtin_expect((found & shape->turn) == turn, 1) || scq_spoil(ring, shape, ticket, &found)) {
            at_or_sc(entry, shape->nothing, AT(scq_take, scq_put, scq_look_put, scq_spoil));
            return found & shape->nothing;
        }
        const uint64_t tail = at_load_sc(&ring->tail, AT(scq_look_tail, scq_draw_put));
        const bool overtaken = (tail & ~SCQ_CLOSED) <= ticket + 1;
        if (overtaken)
            scq_catch_up(ring, tail, ticket + 1);
        if (at_sub_sc(&ring->threshold, 1, AT(scq_pay, scq_spent, scq_refill, scq_whole)) <= 0 || overtaken)
            return SCQ_NOTHING;
    }
}
