// SPDX-License-Identifier: Apache-2.0
// Grace periods: when one that was begun is over, everybody who was inside a queue at its beginning has left. For a
// queue with one thread that frees (the owner); the others are managed threads, which thread progress knows
// about, and unmanaged ones, which count themselves while they are inside.
//
// Source: the two-index reference counts of Erlang/OTP's thread queue (erl_thr_queue), from a description.
//
// Who enters later must not be waited for, or a busy queue would never free. So there are two counts: the owner
// begins a period by turning `index` to the count that is known to have drained, and waits for the other one.
// Enter | check and turn | drained are a store and then a load on each side: seq_cst, so that one sees the other.
// Who finds `index` turned between looking at it and counting backs out and counts anew.
//
// What the owner read (seq_cst) before grace_begin, all whom the period does not wait for read so or newer
// (seq_cst): that is why they can't reach what the owner then frees. For managed threads it rests on progress_later,
// which for an unmanaged owner only reads the shared value: nothing but the total order puts that read, and the
// owner's before it, ahead of the confirmations that count.
#ifndef READYQ_SYNC_GRACE_H
#define READYQ_SYNC_GRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sync/atomic.h"
#include "core/sync/progress.h"

// Everybody's part.
struct grace_gate {
    _Atomic uint32_t inside[2]; // unmanaged threads, by the index they found
    _Atomic uint32_t index;     // which of the two those who enter now count on
};

// The owner's part.
struct grace {
    struct grace_gate *gate;
    struct progress *progress; // NULL: nobody is managed
    uint64_t awaited;          // value that ends the period for the managed
    uint32_t draining;         // count that must be zero to end it for the unmanaged
    bool reached;              // `awaited` has been
};

// No period has begun, so it is over.
static inline void grace_init(struct grace *grace, struct grace_gate *gate, struct progress *progress)
{
    at_init(&gate->inside[0], 0);
    at_init(&gate->inside[1], 0);
    at_init(&gate->index, 0);
    *grace = (struct grace){.gate = gate, .progress = progress, .draining = 1, .reached = true};
}

// An unmanaged thread. What it returns goes to grace_leave.
static inline uint32_t grace_enter(struct grace_gate *gate)
{
    for (;;) {
        const uint32_t index = at_load_rlx(&gate->index);
        at_add_sc(&gate->inside[index], 1, AT(grace_enter, grace_drained));
        if (at_load_sc(&gate->index, AT(grace_check, grace_turn)) == index)
            return index;
        at_sub_sc(&gate->inside[index], 1, AT(grace_back_out, grace_drained));
    }
}

// True: that count is zero now, which the owner may be waiting for.
static inline bool grace_leave(struct grace_gate *gate, uint32_t index)
{
    return at_sub_sc(&gate->inside[index], 1, AT(grace_leave, grace_drained)) == 1;
}

// The owner, when the period before is over.
static inline void grace_begin(struct grace *grace)
{
    if (grace->progress) {
        grace->awaited = progress_later(grace->progress);
        grace->reached = false;
    }
    at_store_sc(&grace->gate->index, grace->draining, AT(grace_turn, grace_check));
    grace->draining = 1 - grace->draining;
}

// The owner.
static inline bool grace_over(struct grace *grace)
{
    if (!grace->reached)
        grace->reached = progress_reached(grace->progress, grace->awaited);
    return grace->reached && at_load_sc(&grace->gate->inside[grace->draining],
                                        AT(grace_drained, grace_enter, grace_leave, grace_back_out)) == 0;
}

#endif
