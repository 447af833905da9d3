// SPDX-License-Identifier: Apache-2.0
// A bounded ring in which each cell says by a number of its own whose turn it is: many producers, many consumers, one
// compare-and-swap an operation.
//
// Source: D. Vyukov, "Bounded MPMC queue", 1024cores.net. What differs: the original answers that it is full or empty
// whenever the cell is not ready, also if only one other thread has not finished with it; here that is QUEUE_RETRY.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                       enqueue   dequeue   others
//     enqueue                                              -         -         -
//     dequeue                                              -         -         -
//     attach, detach, length, statistics                   -         -         -
//
// Progress: no operation waits for another, but one that stops between its compare-and-swap and its last store makes
// all that come to its cell after it answer QUEUE_RETRY. So enqueue and dequeue count as blocking. The rest is
// wait-free.
//
// Positions count up and never wrap; position p belongs to cell p mod n. The number of that cell is p when it is free
// for p, p + 1 when it holds the item of p, and p + n when that was taken. An enqueue at `tail` = p takes its place
// when it moves `tail` on, a dequeue likewise at `head`; only then do they touch the item, and then the number.
//
// Why EMPTY and FULL are exact. `tail` passes p only after the number was p, so after the item of p - n was taken, and
// `head` passes p only after it was p + 1, so after `tail` passed p: at any instant head <= tail <= head + n. A dequeue
// that read p from `head`, and then reads p from `tail`, knows that head = tail at the latter instant: `head` was not
// below p any more, and not above `tail`. An enqueue that read p from `tail`, and then p - n from `head`, knows
// that tail = head + n. In any other case the place is taken by one that has not finished with its cell.
//
// Why no wake is lost. The last store, of the number, is a release, followed by a fence where somebody may sleep; the
// looks (the number, and the other side's position) are seq_cst. A look that misses the store comes before the fence.
#include <errno.h>

#include "core/queue.h"
#include "core/sync/atomic.h"
#include "core/sync/sleep_fence.h"

struct vyukov_config {
    uint64_t capacity;
};

struct vyukov_cell {
    _Atomic uint64_t number;
    uintptr_t item;
};

struct vyukov {
    _Atomic uint64_t tail ALIGNED_LINE; // next position to enqueue at
    _Atomic uint64_t head ALIGNED_LINE; // next position to dequeue at
    struct vyukov_cell *cells ALIGNED_LINE;
    uint64_t capacity; // a power of two
    uint64_t mask;     // capacity - 1
    const struct queue_env *env;
};

// One cell would not do: free for the next position and holding the item of this one would be the same number.
static uint64_t vyukov_capacity(const struct vyukov_config *config)
{
    uint64_t capacity = 2;
    while (capacity < config->capacity)
        capacity *= 2;
    return capacity;
}

static void vyukov_resolve(const void *config, struct queue_traits *traits)
{
    traits->capacity = vyukov_capacity(config);
}

static int vyukov_init(void *queue, const struct queue_env *env, const void *config)
{
    struct vyukov *q = queue;
    const uint64_t capacity = vyukov_capacity(config);
    q->cells = env->alloc(env->context, capacity * sizeof *q->cells, LINE_PAIR, env->node);
    if (!q->cells)
        return -ENOMEM;
    for (uint64_t i = 0; i < capacity; i++)
        at_init(&q->cells[i].number, i);
    at_init(&q->tail, 0);
    at_init(&q->head, 0);
    q->capacity = capacity;
    q->mask = capacity - 1;
    q->env = env;
    return 0;
}

static void vyukov_fini(void *queue)
{
    struct vyukov *q = queue;
    q->env->free(q->env->context, q->cells, q->capacity * sizeof *q->cells, q->env->node);
}

static int vyukov_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void vyukov_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static int vyukov_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    struct vyukov *q = queue;
    uint64_t at = at_load_acq(&q->tail, AT(vyukov_tail, vyukov_take_place));
    for (;;) {
        struct vyukov_cell *cell = &q->cells[at & q->mask];
        const uint64_t number = at_load_sc(&cell->number, AT(vyukov_free, vyukov_taken));
        if (number == at) {
            if (at_cas_ar(&q->tail, &at, at + 1,
                          AT(vyukov_take_place, vyukov_tail, vyukov_tail_again, vyukov_not_empty))) {
                PLAIN(cell->item) = item;
                at_store_rel(&cell->number, at + 1, AT(vyukov_filled, vyukov_ready));
                SLEEP_FENCE(q->env);
                return QUEUE_OK;
            }
            continue;
        }
        if (number < at && at_load_sc(&q->head, AT(vyukov_not_full, vyukov_take_item)) == at - q->capacity)
            return QUEUE_FULL;
        const uint64_t before = at;
        at = at_load_acq(&q->tail, AT(vyukov_tail_again, vyukov_take_place));
        if (at == before && number < at)
            return QUEUE_RETRY;
    }
}

static int vyukov_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct vyukov *q = queue;
    uint64_t at = at_load_acq(&q->head, AT(vyukov_head, vyukov_take_item));
    for (;;) {
        struct vyukov_cell *cell = &q->cells[at & q->mask];
        const uint64_t number = at_load_sc(&cell->number, AT(vyukov_ready, vyukov_filled));
        if (number == at + 1) {
            if (at_cas_ar(&q->head, &at, at + 1,
                          AT(vyukov_take_item, vyukov_head, vyukov_head_again, vyukov_not_full))) {
                *item = PLAIN(cell->item);
                at_store_rel(&cell->number, at + q->capacity, AT(vyukov_taken, vyukov_free));
                SLEEP_FENCE(q->env);
                return QUEUE_OK;
            }
            continue;
        }
        if (number <= at && at_load_sc(&q->tail, AT(vyukov_not_empty, vyukov_take_place)) == at)
            return QUEUE_EMPTY;
        const uint64_t before = at;
        at = at_load_acq(&q->head, AT(vyukov_head_again, vyukov_take_item));
        if (at == before && number <= at)
            return QUEUE_RETRY;
    }
}

static uint64_t vyukov_length(void *queue)
{
    struct vyukov *q = queue;
    const uint64_t head = at_load_rlx(&q->head), tail = at_load_rlx(&q->tail);
    return tail > head ? tail - head : 0;
}

static void vyukov_statistics(void *queue, struct queue_statistics *statistics)
{
    const struct vyukov *q = queue;
    statistics->memory_bytes = q->capacity * sizeof *q->cells;
}

static const struct param vyukov_params[] = {
    PARAM_U64(struct vyukov_config, capacity, "1024", 1, UINT64_C(1) << 32, "items",
              "items that fit; rounded up to a power of two, at least 2"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME vyukov_ring_loops
#define QUEUE_LOOPS_ENQUEUE vyukov_enqueue
#define QUEUE_LOOPS_DEQUEUE vyukov_dequeue
#include "core/queue_loops.h"

const struct queue_ops vyukov_ring_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "vyukov_ring",
    .summary = "Vyukov's bounded ring: a number in each cell says whose turn it is",
    .source = "Vyukov, Bounded MPMC queue, 1024cores",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .capacity = 1024,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_BLOCKING,
               .dequeue = QUEUE_BLOCKING,
               .empty_exact = true,
               .full_exact = true,
               .reclamation = "none needed"},
    .params = vyukov_params,
    .config_size = sizeof(struct vyukov_config),
    .size = sizeof(struct vyukov),
    .align = _Alignof(struct vyukov),
    .handle_align = 1,
    .resolve = vyukov_resolve,
    .init = vyukov_init,
    .fini = vyukov_fini,
    .attach = vyukov_attach,
    .detach = vyukov_detach,
    .enqueue = vyukov_enqueue,
    .dequeue = vyukov_dequeue,
    .length = vyukov_length,
    .statistics = vyukov_statistics,
    .loops = &vyukov_ring_loops,
};
