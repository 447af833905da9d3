// SPDX-License-Identifier: Apache-2.0
// The list of concurrent rings: many to many, cells given out by fetch-and-add, each changed as one pair of words.
//
// Source: A. Morrison and Y. Afek, "Fast Concurrent Queues for x86 Processors", PPoPP 2013, sections 4 and 5. What
// differs from it, the table of what may run at once, progress, and how it works: queues/rings_list.h.
//
// Here an item and its turn come into a cell together, by compare-and-swap of both words, which fails if anything in
// the cell changed since it was looked at. It is tried first without a look, which spares a transfer of the line
// between cores: a cell whose last item was taken is safe, empty, and of the turn one round ago. Taking the item out is
// a store to `low` alone: a pair that holds an item is swapped only by who marks it unsafe, which fails after the store
// and does no harm before it. A dequeuer that finds its index as the turn finds its item with it, as nobody else takes
// that out; what else it finds, it changes by compare-and-swap, which also says that both words were there at once.
#include "queues/rings_list.h"

static inline bool cell_put(const struct rings *q, struct rings_handle *h, struct ring *ring, struct word_pair *cell,
                            uint64_t i, uintptr_t item)
{
    (void)h;
    if (at_cas2_sc(cell, 0, i - q->mask - 1, item, i,
                   AT(lcrq_guess, lcrq_put, lcrq_guess, lcrq_turn, lcrq_free, lcrq_now, lcrq_item, lcrq_out, lcrq_skip,
                      lcrq_mark)))
        return true;
    const uint64_t high = at_load_sc(&cell->high, AT(lcrq_turn, lcrq_put, lcrq_guess, lcrq_skip, lcrq_mark));
    if (at_load_sc(&cell->low, AT(lcrq_free, lcrq_out, lcrq_put, lcrq_guess)) || cell_turn(high) > i)
        return false;
    if (__builtin_expect(high & RINGS_UNSAFE, 0) && ring_passed(ring, i))
        return false;
    return at_cas2_sc(
        cell, 0, high, item, i,
        AT(lcrq_put, lcrq_put, lcrq_guess, lcrq_turn, lcrq_free, lcrq_now, lcrq_item, lcrq_out, lcrq_skip, lcrq_mark));
}

static inline uintptr_t cell_take(struct ring *ring, struct word_pair *cell, uint64_t i)
{
    unsigned waited = 0;
    for (;;) {
        const uint64_t high = at_load_sc(&cell->high, AT(lcrq_now, lcrq_put, lcrq_guess, lcrq_skip, lcrq_mark));
        const uint64_t low = at_load_sc(&cell->low, AT(lcrq_item, lcrq_out, lcrq_put, lcrq_guess));
        if (cell_turn(high) > i)
            return 0;
        if (low && cell_turn(high) == i) {
            at_store_rel(&cell->low, 0, AT(lcrq_out, lcrq_free, lcrq_item, lcrq_put, lcrq_guess));
            return low;
        }
        if (low) {
            // Also where it is unsafe already: the two words were read one after the other.
            if (at_cas2_sc(cell, low, high, low, high | RINGS_UNSAFE,
                           AT(lcrq_mark, lcrq_put, lcrq_guess, lcrq_turn, lcrq_now, lcrq_skip, lcrq_mark)))
                return 0;
        } else if (!ring_wait(ring, i, &waited) &&
                   at_cas2_sc(cell, 0, high, 0, (high & RINGS_UNSAFE) | (i + 1),
                              AT(lcrq_skip, lcrq_put, lcrq_guess, lcrq_turn, lcrq_now, lcrq_mark, lcrq_skip))) {
            return 0;
        }
    }
}

#define QUEUE_LOOPS_NAME lcrq_loops
#define QUEUE_LOOPS_ENQUEUE rings_enqueue
#define QUEUE_LOOPS_DEQUEUE rings_dequeue
#include "core/queue_loops.h"

const struct queue_ops lcrq_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "lcrq",
    .summary = "a list of rings whose cells threads get by fetch-and-add, each swapped as two words",
    .source = "Morrison and Afek, LCRQ, PPoPP 2013",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_LOCK_FREE,
               .dequeue = QUEUE_LOCK_FREE,
               .empty_exact = true,
               .needs_cas2 = true,
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
    .loops = &lcrq_loops,
};
