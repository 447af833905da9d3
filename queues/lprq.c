// SPDX-License-Identifier: Apache-2.0
// The list of concurrent rings without compare-and-swap of two words: many to many, cells given out by fetch-and-add.
//
// Source: R. Romanov and N. Koval, "The State-of-the-Art LCRQ Concurrent Queue Algorithm Does NOT Require CAS2",
// PPoPP 2023: the ring (PRQ), in the list of A. Morrison and Y. Afek (lcrq.c). What differs from the latter, the table
// of what may run at once, progress, and how it works: queues/rings_list.h.
//
// Here an enqueuer books the cell first: it puts a token of its own in place of the item, then its turn, then the item
// in place of its token. A token counts as no item. Whoever wants the cell for a later index, and a dequeuer that gives
// up waiting, removes the token, so that the last of the three steps fails, and only then moves the turn on. If the
// token is there still when the item goes in, then nobody moved the turn on: who read the cell before the token or the
// turn came fails to change that turn, and who read it after that removes the token. Each handle has a token, and takes
// it back or loses it before its next; so it does not turn up in a cell a second time. A dequeuer reads the turn, what
// is in the cell, and the turn again, as turns never come back: both were there at once.
//
// Items must be below 2^63: a token is the address of the handle with the highest bit set.
#include "queues/rings_list.h"

#define LPRQ_TOKEN (UINT64_C(1) << 63)

static inline bool cell_put(const struct rings *q, struct rings_handle *h, struct ring *ring, struct word_pair *cell,
                            uint64_t i, uintptr_t item)
{
    (void)q;
    const uint64_t token = LPRQ_TOKEN | (uintptr_t)h;
    uint64_t mine = token;
    uint64_t high = at_load_sc(&cell->high, AT(lprq_turn, lprq_move, lprq_skip, lprq_mark));
    uint64_t low = at_load_sc(&cell->low, AT(lprq_free, lprq_out, lprq_put, lprq_book, lprq_unbook, lprq_cancel));
    if ((low && low < LPRQ_TOKEN) || cell_turn(high) >= i)
        return false;
    if (__builtin_expect(high & RINGS_UNSAFE, 0) && ring_passed(ring, i))
        return false;
    if (!at_cas_sc(&cell->low, &low, token,
                   AT(lprq_book, lprq_book, lprq_unbook, lprq_cancel, lprq_put, lprq_free, lprq_item)))
        return false;
    if (!at_cas_sc(&cell->high, &high, i,
                   AT(lprq_move, lprq_move, lprq_skip, lprq_mark, lprq_turn, lprq_now, lprq_still))) {
        at_cas_sc(&cell->low, &mine, 0, AT(lprq_unbook, lprq_book, lprq_cancel, lprq_free, lprq_item));
        return false;
    }
    return at_cas_sc(&cell->low, &mine, item, AT(lprq_put, lprq_book, lprq_cancel, lprq_free, lprq_item));
}

static inline uintptr_t cell_take(struct ring *ring, struct word_pair *cell, uint64_t i)
{
    unsigned waited = 0;
    for (;;) {
        uint64_t high = at_load_sc(&cell->high, AT(lprq_now, lprq_move, lprq_skip, lprq_mark));
        uint64_t low = at_load_sc(&cell->low, AT(lprq_item, lprq_out, lprq_put, lprq_book, lprq_unbook, lprq_cancel));
        if (cell_turn(high) > i)
            return 0;
        if (at_load_sc(&cell->high, AT(lprq_still, lprq_move, lprq_skip, lprq_mark)) != high)
            continue;
        if (low && low < LPRQ_TOKEN) {
            if (cell_turn(high) == i) {
                at_store_rel(&cell->low, 0, AT(lprq_out, lprq_free, lprq_item));
                return low;
            }
            if (high & RINGS_UNSAFE ||
                at_cas_sc(&cell->high, &high, high | RINGS_UNSAFE,
                          AT(lprq_mark, lprq_mark, lprq_skip, lprq_move, lprq_turn, lprq_now, lprq_still)))
                return 0;
        } else if (!ring_wait(ring, i, &waited)) {
            if (low && !at_cas_sc(&cell->low, &low, 0,
                                  AT(lprq_cancel, lprq_book, lprq_unbook, lprq_cancel, lprq_put, lprq_free, lprq_item)))
                continue;
            if (at_cas_sc(&cell->high, &high, (high & RINGS_UNSAFE) | (i + 1),
                          AT(lprq_skip, lprq_skip, lprq_mark, lprq_move, lprq_turn, lprq_now, lprq_still)))
                return 0;
        }
    }
}

#define QUEUE_LOOPS_NAME lprq_loops
#define QUEUE_LOOPS_ENQUEUE rings_enqueue
#define QUEUE_LOOPS_DEQUEUE rings_dequeue
#include "core/queue_loops.h"

const struct queue_ops lprq_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "lprq",
    .summary = "LCRQ without a compare-and-swap of two words; items below 2^63",
    .source = "Romanov and Koval, LPRQ, PPoPP 2023",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_LOCK_FREE,
               .dequeue = QUEUE_LOCK_FREE,
               .empty_exact = true,
               .reserved_from = (uintptr_t)1 << 63,
               .reclamation = "hazard pointers"},
    .params = rings_params,
    .config_size = sizeof(struct rings_config),
    .size = sizeof(struct rings),
    .align = _Alignof(struct rings),
    .handle_size = sizeof(struct rings_handle),
    .handle_align = _Alignof(struct rings_handle),
    .resolve = rings_resolve,
    .init = rings_init,
    .fini = rings_fini,
    .attach = rings_attach,
    .detach = rings_detach,
    .enqueue = rings_enqueue,
    .dequeue = rings_dequeue,
    .statistics = rings_statistics,
    .loops = &lprq_loops,
};
