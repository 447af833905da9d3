// SPDX-License-Identifier: Apache-2.0
// A wait-free queue over an endless array: two fetch-and-adds hand out cells, and who is unlucky too often is helped.
//
// Source: C. Yang, J. Mellor-Crummey, "A Wait-free Queue as Fast as Fetch-and-Add", PPoPP 2016. What differs:
// - Reclamation is another (ymc_segments.h): in the published scheme a segment can be freed under a helper.
// - A request is named by the number that it began with, nowhere by the place of its thread alone. Places are used
//   again, and in the original a cell that was left reserved for an old request of a thread, and given up by all who
//   looked at it, may still be filled for a newer request, whose item is then lost.
// - Threads come and go: the rings of those to be helped are arrays of places, where an idle one is never pending.
// - A dequeue looks whether there is anything before it takes a cell, which would be lost on an empty queue.
// - Memory may run out (ymc_segments.h).
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                       enqueue   dequeue   others
//     enqueue                                              -         -         -
//     dequeue                                              -         -         -
//     attach, detach, statistics                           -         -         -
//
// Progress: all are wait-free, but for what env->alloc and env->free do once a segment.
//
// `tail` and `head` count cells. An enqueue takes the next one from `tail` and puts its item in; a dequeue takes the
// next one from `head` and takes the item out, or, if it came first, closes the cell (YMC_CLOSED). After `patience`
// attempts either publishes a request. Dequeues offer each cell that they close to the enqueue request whose turn
// it is; a cell that was reserved for one (cell->put) is filled when the request's state is claimed for that cell,
// and dead if it has been claimed for another: nobody fills it then, as no two requests share a name. A dequeue
// request is completed by its owner, and by each dequeue whose turn it is to help it: cells behind its number are
// searched for one that has an item not taken, or that tells EMPTY; one such is announced in the state; and if its item
// can be taken for the request (cell->get), it is done, otherwise the search goes on from there.
//
// Why EMPTY is exact. `head` was read, then `tail` was not above it: then all cells with an item of a finished enqueue
// lie below `head`. Each was passed by `head` either because a dequeue took it, which has taken the item or is still
// about to, or because a request searched all up to its own cell and found the others dead or taken. So at that
// instant all these items belong to dequeues that have begun, and which count as done before. Where a cell was closed
// with `tail` not above it, the same holds of `tail` then.
#include <errno.h>

#include "queues/ymc_segments.h"

struct ymc_config {
    uint64_t segment;
    uint64_t patience;
    uint64_t reclaim; // 0: guards, 1: leak
};

static void ymc_advance(_Atomic uint64_t *end, uint64_t to)
{
    uint64_t at = at_load_rlx(end);
    while (at < to && !at_cas_sc(end, &at, to, AT(ymc_advance, ymc_see_tail, ymc_see_head))) {}
}

static uint64_t ymc_tail(struct ymc *q)
{
    return at_load_sc(&q->tail, AT(ymc_see_tail, ymc_take_tail, ymc_advance));
}

static uintptr_t ymc_item(struct ymc_cell *cell)
{
    return at_load_sc(&cell->item, AT(ymc_item, ymc_fill, ymc_commit, ymc_close));
}

static uint64_t ymc_state(struct ymc_place *p)
{
    return at_load_sc(&p->state, AT(ymc_state, ymc_ask, ymc_answer, ymc_lower));
}

// The one way in which the state of a request changes, but for its beginning.
static bool ymc_answer(struct ymc_place *p, uint64_t from, uint64_t to)
{
    return at_cas_sc(&p->state, &from, to, AT(ymc_answer, ymc_state));
}

static void ymc_ask(struct ymc_place *p, uint64_t id)
{
    at_store_sc(&p->state, YMC_PENDING | id, AT(ymc_ask, ymc_state));
}

static void ymc_commit(struct ymc *q, struct ymc_cell *cell, uintptr_t item, uint64_t index)
{
    ymc_advance(&q->tail, index + 1);
    at_store_sc(&cell->item, item, AT(ymc_commit, ymc_item));
}

static uint64_t ymc_next_tail(struct ymc *q)
{
    return at_add_sc(&q->tail, 1, AT(ymc_take_tail, ymc_see_tail, ymc_meet_tail));
}

// An enqueue that found the cell `id` closed, or abandons it.
static int ymc_put_slow(struct ymc *q, struct ymc_place *p, uintptr_t item, uint64_t id)
{
    const uint64_t name = id << YMC_PLACE_BITS | (uint64_t)(p - q->places);
    struct ymc_segment *at = p->segment;
    at_store_rel(&p->item, item, AT(ymc_set_item, ymc_request_item));
    ymc_ask(p, id);
    do {
        if (!ymc_stock(q, p)) {
            if (ymc_answer(p, YMC_PENDING | id, YMC_WITHDRAWN))
                return -ENOMEM;
            break;
        }
        const uint64_t index = ymc_next_tail(q);
        struct ymc_cell *cell = ymc_find(q, p, &at, index);
        uint64_t none = 0;
        if (at_cas_sc(&cell->put, &none, name, AT(ymc_reserve_own, ymc_reserved, ymc_reserved_now)) &&
            ymc_item(cell) == 0) {
            ymc_answer(p, YMC_PENDING | id, index);
            break;
        }
    } while (ymc_state(p) & YMC_PENDING);
    const uint64_t index = ymc_state(p);
    ymc_commit(q, ymc_find_own(q, p, index), item, index);
    return QUEUE_OK;
}

static int ymc_put(struct ymc *q, struct ymc_place *p, uintptr_t item)
{
    uint64_t index = ymc_next_tail(q);
    ymc_enter(q, p);
    for (uint64_t attempt = 1; attempt <= q->patience; attempt++) {
        uintptr_t none = 0;
        if (at_cas_sc(&ymc_find_own(q, p, index)->item, &none, item, AT(ymc_fill, ymc_item, ymc_close)))
            return QUEUE_OK;
        if (attempt == q->patience)
            break;
        if (!ymc_stock(q, p))
            return -ENOMEM;
        index = ymc_next_tail(q);
    }
    return ymc_put_slow(q, p, item, index);
}

static int ymc_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct ymc *q = queue;
    struct ymc_place *p = *(struct ymc_place **)handle;
    if (!ymc_stock(q, p))
        return -ENOMEM;
    at_store_rlx(&p->guard, p->number);
    const int result = ymc_put(q, p, item);
    ymc_leave(p);
    return result;
}

// Reserves a closed cell for the enqueue request whose turn it is, if that can use it.
static void ymc_offer(struct ymc *q, struct ymc_place *p, struct ymc_cell *cell, uint64_t index)
{
    uint64_t state = ymc_state(&q->places[p->peer_put]);
    if (p->peer_request != 0 && p->peer_request != YMC_CELL(state)) {
        p->peer_request = 0;
        p->peer_put = p->peer_put + 1 == q->producers ? 0 : p->peer_put + 1;
        state = ymc_state(&q->places[p->peer_put]);
    }
    const uint64_t id = YMC_CELL(state);
    uint64_t none = 0;
    if (state & YMC_PENDING && id <= index &&
        !at_cas_sc(&cell->put, &none, id << YMC_PLACE_BITS | p->peer_put,
                   AT(ymc_reserve, ymc_reserved, ymc_reserved_now)))
        p->peer_request = id;
    else
        p->peer_put = p->peer_put + 1 == q->producers ? 0 : p->peer_put + 1;
    none = 0;
    at_cas_sc(&cell->put, &none, YMC_NOBODY, AT(ymc_reserve_none, ymc_reserved, ymc_reserved_now));
}

// Closes the cell if nothing is in it, and sees to it that its item, if it gets one, is there. That item; or
// YMC_CLOSED, there will be none; or 0, there will be none and nothing was behind.
static uintptr_t ymc_settle(struct ymc *q, struct ymc_place *p, struct ymc_cell *cell, uint64_t index)
{
    uintptr_t item = ymc_item(cell);
    for (unsigned i = 0; item == 0 && i < q->spin; i++) {
        cpu_relax();
        item = ymc_item(cell);
    }
    if (item == 0)
        at_cas_sc(&cell->item, &item, YMC_CLOSED, AT(ymc_close, ymc_item, ymc_fill));
    if (item != 0 && item != YMC_CLOSED)
        return item;
    uint64_t name = at_load_sc(&cell->put, AT(ymc_reserved, ymc_reserve, ymc_reserve_own, ymc_reserve_none));
    if (name == 0) {
        ymc_offer(q, p, cell, index);
        name = at_load_sc(&cell->put, AT(ymc_reserved_now, ymc_reserve, ymc_reserve_own, ymc_reserve_none));
    }
    if (name != YMC_NOBODY) {
        struct ymc_place *owner = &q->places[name & ((1u << YMC_PLACE_BITS) - 1)];
        const uint64_t pending = YMC_PENDING | name >> YMC_PLACE_BITS;
        uint64_t state = ymc_state(owner);
        item = at_load_acq(&owner->item, AT(ymc_request_item, ymc_set_item));
        if (state == pending)
            state = ymc_answer(owner, pending, index) ? index : ymc_state(owner);
        if (state == index && ymc_item(cell) == YMC_CLOSED) // so the request is not over, and the item its own
            ymc_commit(q, cell, item, index);
        item = ymc_item(cell);
        if (item != YMC_CLOSED)
            return item;
    }
    return ymc_tail(q) <= index ? 0 : YMC_CLOSED;
}

// Brings the dequeue request of `owner` to an end. False: p is the owner and withdrew it, for want of memory.
static bool ymc_help_get(struct ymc *q, struct ymc_place *p, struct ymc_place *owner)
{
    uint64_t state = ymc_state(owner);
    const uint64_t id = at_load_acq(&owner->id, AT(ymc_id, ymc_set_id));
    if (!(state & YMC_PENDING) || YMC_CELL(state) < id)
        return true;
    if (p != owner)
        ymc_guard_also(p, id >> q->cells_log);
    struct ymc_segment *announced = at_load_acq(&owner->from, AT(ymc_from, ymc_set_from));
    state = ymc_state(owner);
    uint64_t prior = id, index = id, candidate = 0;
    while (state & YMC_PENDING && at_load_acq(&owner->id, AT(ymc_id_again, ymc_set_id)) == id) {
        struct ymc_segment *at = announced;
        while (candidate == 0 && state == (YMC_PENDING | prior)) {
            struct ymc_cell *cell = ymc_find(q, p, &at, index + 1);
            if (!cell && (p != owner || ymc_answer(owner, YMC_PENDING | prior, prior)))
                return p != owner;
            const uintptr_t item = cell ? ymc_settle(q, p, cell, ++index) : YMC_CLOSED;
            if (item == 0 || (item != YMC_CLOSED && at_load_sc(&cell->get, AT(ymc_got, ymc_get, ymc_get_fast)) == 0))
                candidate = index;
            else
                state = ymc_state(owner);
        }
        if (candidate != 0) {
            ymc_answer(owner, YMC_PENDING | prior, YMC_PENDING | candidate);
            state = ymc_state(owner);
        }
        if (!(state & YMC_PENDING) || at_load_acq(&owner->id, AT(ymc_id_still, ymc_set_id)) != id)
            break;
        struct ymc_cell *cell = ymc_find(q, p, &announced, YMC_CELL(state));
        uint64_t taker = 0;
        if (ymc_item(cell) == YMC_CLOSED || at_cas_sc(&cell->get, &taker, id, AT(ymc_get, ymc_got)) || taker == id) {
            ymc_answer(owner, state, YMC_CELL(state));
            break;
        }
        prior = YMC_CELL(state);
        if (prior >= index) {
            candidate = 0;
            index = prior;
        }
    }
    return true;
}

// A dequeue that found the cell `id` closed, or taken. 0: was empty; YMC_CLOSED: withdrawn.
static uintptr_t ymc_get_slow(struct ymc *q, struct ymc_place *p, uint64_t id)
{
    at_store_rel(&p->from, p->segment, AT(ymc_set_from, ymc_from));
    at_store_rel(&p->id, id, AT(ymc_set_id, ymc_id, ymc_id_again, ymc_id_still));
    ymc_ask(p, id);
    const bool done = ymc_help_get(q, p, p);
    const uint64_t index = ymc_state(p);
    ymc_advance(&q->head, index + 1);
    p->head_least = index + 1;
    if (!done)
        return YMC_CLOSED;
    const uintptr_t item = ymc_item(ymc_find_own(q, p, index));
    return item == YMC_CLOSED ? 0 : item;
}

// The item; 0: was empty; YMC_CLOSED: no memory.
static uintptr_t ymc_get(struct ymc *q, struct ymc_place *p)
{
    for (uint64_t attempt = 1;; attempt++) {
        const uint64_t index = at_add_sc(&q->head, 1, AT(ymc_take_head, ymc_see_head, ymc_meet_head));
        if (attempt == 1)
            ymc_enter(q, p);
        p->head_least = index + 1;
        struct ymc_cell *cell = ymc_find_own(q, p, index);
        const uintptr_t item = ymc_settle(q, p, cell, index);
        uint64_t none = 0;
        if (item == 0 || (item != YMC_CLOSED && at_cas_sc(&cell->get, &none, YMC_NOBODY, AT(ymc_get_fast, ymc_got))))
            return item;
        if (!ymc_stock(q, p))
            return YMC_CLOSED;
        if (attempt >= q->patience)
            return ymc_get_slow(q, p, index);
    }
}

static bool ymc_is_empty(struct ymc *q, struct ymc_place *p)
{
    p->head_least = at_load_sc(&q->head, AT(ymc_see_head, ymc_take_head, ymc_advance));
    p->tail_least = ymc_tail(q);
    return p->head_least >= p->tail_least;
}

static int ymc_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct ymc *q = queue;
    struct ymc_place *p = *(struct ymc_place **)handle;
    if (p->head_least >= p->tail_least && ymc_is_empty(q, p))
        return QUEUE_EMPTY;
    if (!ymc_stock(q, p))
        return QUEUE_RETRY;
    const uint64_t number = p->number;
    at_store_rlx(&p->guard, number);
    const uintptr_t got = ymc_get(q, p);
    if (got != 0 && got != YMC_CLOSED) {
        *item = got;
        ymc_help_get(q, p, &q->places[q->producers + p->peer_get]);
        p->peer_get = p->peer_get + 1 == q->consumers ? 0 : p->peer_get + 1;
    }
    ymc_leave(p);
    if (p->number != number)
        ymc_reclaim(q, p);
    return got == 0 ? QUEUE_EMPTY : got == YMC_CLOSED ? QUEUE_RETRY : QUEUE_OK;
}

static int ymc_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)kind;
    return ymc_place_take(queue, role, handle);
}

static void ymc_detach(void *queue, void *handle)
{
    ymc_place_give(queue, *(struct ymc_place **)handle);
}

static int ymc_init(void *queue, const struct queue_env *env, const void *config)
{
    struct ymc *q = queue;
    const struct ymc_config *chosen = config;
    *q = (struct ymc){.env = env,
                      .leak = chosen->reclaim == 1,
                      .patience = chosen->patience,
                      .spin = chosen->patience ? YMC_SPIN : 0};
    return ymc_array_open(q, chosen->segment);
}

static void ymc_fini(void *queue)
{
    ymc_array_close(queue);
}

static void ymc_statistics(void *queue, struct queue_statistics *statistics)
{
    struct ymc *q = queue;
    statistics->memory_bytes = at_load_rlx(&q->segments) * ymc_segment_size(q) + ymc_places_size(q);
}

static void ymc_resolve(const void *config, struct queue_traits *traits)
{
    if (((const struct ymc_config *)config)->reclaim == 1)
        traits->reclamation = "none (leaks)";
}

static const char *const ymc_reclaim_names[] = {"guard", "leak", NULL};

static const struct param ymc_params[] = {
    PARAM_U64(struct ymc_config, segment, "1024", 1, UINT64_C(1) << 20, "cells",
              "cells of a segment, rounded up to a power of two"),
    PARAM_U64(struct ymc_config, patience, "10", 0, 1000000, "attempts",
              "attempts without help; 0 = an enqueue always asks for help"),
    PARAM_CHOICE(struct ymc_config, reclaim, "guard", ymc_reclaim_names,
                 "whether segments are freed before the queue is"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME ymc_loops
#define QUEUE_LOOPS_ENQUEUE ymc_enqueue
#define QUEUE_LOOPS_DEQUEUE ymc_dequeue
#include "core/queue_loops.h"

const struct queue_ops ymc_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "ymc",
    .summary = "the wait-free queue of Yang and Mellor-Crummey: an endless array, and help for the unlucky",
    .source = "Yang and Mellor-Crummey, PPoPP 2016",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_WAIT_FREE,
               .dequeue = QUEUE_WAIT_FREE,
               .empty_exact = true,
               .reserved_from = YMC_CLOSED,
               .reclamation = "guarded segments"},
    .params = ymc_params,
    .config_size = sizeof(struct ymc_config),
    .size = sizeof(struct ymc),
    .align = _Alignof(struct ymc),
    .handle_size = sizeof(struct ymc_place *),
    .handle_align = _Alignof(struct ymc_place *),
    .resolve = ymc_resolve,
    .init = ymc_init,
    .fini = ymc_fini,
    .attach = ymc_attach,
    .detach = ymc_detach,
    .enqueue = ymc_enqueue,
    .dequeue = ymc_dequeue,
    .statistics = ymc_statistics,
    .loops = &ymc_loops,
};
