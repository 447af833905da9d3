// SPDX-License-Identifier: Apache-2.0
// LSCQ, SCQ without a bound: a list of SCQs, each closed when it is full.
//
// Source: R. Nikolaev, "A Scalable, Portable, and Memory-Efficient Lock-Free FIFO Queue", DISC 2019 (LSCQ).
// Different from the paper: which reclamation is a parameter; `tail` is moved off a segment before the segment is
// unlinked; some freed segments are kept for the next to need one.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                       enqueue   dequeue   others
//     enqueue                                              -         -         -
//     dequeue                                              -         -         -
//     attach, detach, statistics                           -         -         -
//
// Progress: enqueue and dequeue are lock-free, the memory functions of the environment aside; the others wait-free.
//
//     head -> segment -> segment <- tail        a segment: two rings of numbers and an array, as in scq.c
//
// An enqueue that finds no free number in the last segment closes it, which no enqueue passes any more, and links a
// new one that has its item already. That a number may be on its way back (see scq.c) only makes it close early.
//
// A dequeue leaves the first segment when it found it empty after there was a next one, which is linked after the
// closing. An enqueue that drew its ticket before the closing may still be at work then, and the threshold may be spent
// from before it; so the dequeue looks once more with the whole threshold (see scq_close). EMPTY: the first segment was
// empty, and later had no next, so that it was the only one when it was empty.
//
// Under hazard pointers a thread announces a segment once for all the operations that find the same one there, and so
// holds back one segment while it does nothing. A pointer that is announced all the time can't have come to mean
// another segment in between.
#include <errno.h>

#include "core/queue.h"
#include "core/reclaim.h"
#include "queues/scq_ring.h"

// Freed segments kept.
#define LSCQ_SPARES 64u

struct lscq_config {
    uint64_t segment;
    uint64_t reclaim;
};

struct segment {
    struct reclaim_node node;
    struct segment *spare; // next of the spares
    _Atomic(struct segment *) next ALIGNED_LINE;
    struct scq_ring free;
    struct scq_ring used;
    uint64_t words[] ALIGNED_LINE; // the entries of both, and the items
};

struct lscq_handle {
    struct reclaim_record *record;
    struct segment *held;  // announced, under hazard pointers
    struct segment *fresh; // empty, and nobody else's
};

struct lscq {
    _Atomic(struct segment *) tail ALIGNED_LINE;
    _Atomic(struct segment *) head ALIGNED_LINE;
    struct scq_shape shape ALIGNED_LINE;
    const struct queue_env *env;
    size_t bytes; // of a segment
    struct reclaim reclaim;
    _Atomic(struct segment *) spares ALIGNED_LINE;
    _Atomic uint64_t kept; // spares, about
    _Atomic uint64_t held; // segments that have memory
};

static uintptr_t *lscq_items(const struct lscq *q, struct segment *segment)
{
    return (uintptr_t *)&segment->words[2 * q->shape.places];
}

static void lscq_keep(struct lscq *q, struct segment *first, struct segment *last)
{
    struct segment *top = at_load_rlx(&q->spares);
    do {
        last->spare = top;
    } while (!at_cas_ar(&q->spares, &top, first, AT(lscq_keep, lscq_take_spares)));
}

static void lscq_give(void *queue, struct reclaim_node *node)
{
    struct lscq *q = queue;
    struct segment *segment = (struct segment *)node;
    if (at_load_rlx(&q->kept) < LSCQ_SPARES) {
        at_add_rlx(&q->kept, 1);
        lscq_keep(q, segment, segment);
    } else {
        at_sub_rlx(&q->held, 1);
        q->env->free(q->env->context, segment, q->bytes, q->env->node);
    }
}

// Takes them all, so that no pointer can be fooled by one that went and came back; keeps one, and puts the rest back.
static struct segment *lscq_spare(struct lscq *q)
{
    struct segment *first = at_load_rlx(&q->spares);
    if (first)
        first = at_xchg_ar(&q->spares, NULL, AT(lscq_take_spares, lscq_keep));
    if (!first)
        return NULL;
    at_sub_rlx(&q->kept, 1);
    if (first->spare) {
        struct segment *last = first->spare;
        while (last->spare)
            last = last->spare;
        lscq_keep(q, first->spare, last);
    }
    return first;
}

static struct segment *lscq_new(struct lscq *q)
{
    struct segment *segment = lscq_spare(q);
    if (!segment) {
        segment = q->env->alloc(q->env->context, q->bytes, LINE_PAIR, q->env->node);
        if (!segment)
            return NULL;
        at_add_rlx(&q->held, 1);
    }
    _Atomic uint64_t *entries = (_Atomic uint64_t *)segment->words;
    at_init(&segment->next, NULL);
    scq_ring_init(&segment->free, &q->shape, entries, q->shape.places / 2);
    scq_ring_init(&segment->used, &q->shape, entries + q->shape.places, 0);
    return segment;
}

static void lscq_resolve(const void *config, struct queue_traits *traits)
{
    traits->reclamation = reclaim_traits[((const struct lscq_config *)config)->reclaim];
}

static int lscq_init(void *queue, const struct queue_env *env, const void *config)
{
    struct lscq *q = queue;
    const struct lscq_config *chosen = config;
    const unsigned takers = env->producers_max > env->consumers_max ? env->producers_max : env->consumers_max;
    uint64_t numbers = 1;
    while (numbers < chosen->segment)
        numbers *= 2;
    q->env = env;
    q->shape = scq_shape(numbers, takers);
    q->bytes = sizeof(struct segment) + 5 * numbers * sizeof(uint64_t);
    at_init(&q->spares, NULL);
    at_init(&q->kept, 0);
    at_init(&q->held, 0);
    struct segment *segment = lscq_new(q);
    if (!segment)
        return -ENOMEM;
    const int error = reclaim_init(&q->reclaim, (enum reclaim_kind)chosen->reclaim, env, lscq_give, q);
    if (error) {
        env->free(env->context, segment, q->bytes, env->node);
        return error;
    }
    reclaim_expect(&q->reclaim, numbers);
    at_init(&q->head, segment);
    at_init(&q->tail, segment);
    return 0;
}

static int lscq_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)role;
    (void)kind;
    struct lscq_handle *h = handle;
    h->record = reclaim_attach(&((struct lscq *)queue)->reclaim);
    return h->record ? 0 : -EAGAIN;
}

static void lscq_detach(void *queue, void *handle)
{
    struct lscq_handle *h = handle;
    reclaim_detach(h->record);
    if (h->fresh)
        lscq_give(queue, &h->fresh->node);
}

static void lscq_leave(struct lscq_handle *h)
{
    if (h->record->kind != RECLAIM_HAZARD)
        reclaim_leave(h->record);
}

// False: the segment is closed.
static bool lscq_put(struct lscq *q, struct segment *segment, uintptr_t item)
{
    const uint64_t number = scq_take(&segment->free, &q->shape);
    if (number == SCQ_NOTHING) {
        scq_close(&segment->used);
        return false;
    }
    PLAIN(lscq_items(q, segment)[number]) = item;
    return scq_put(&segment->used, &q->shape, number);
}

static bool lscq_take(struct lscq *q, struct segment *segment, uintptr_t *item)
{
    const uint64_t number = scq_take(&segment->used, &q->shape);
    if (number == SCQ_NOTHING)
        return false;
    *item = PLAIN(lscq_items(q, segment)[number]);
    scq_put(&segment->free, &q->shape, number);
    return true;
}

// Puts `item` into a new segment behind `segment`, which is closed. QUEUE_RETRY: another did first.
static int lscq_extend(struct lscq *q, struct lscq_handle *h, struct segment *segment, uintptr_t item)
{
    struct segment *next = NULL, *fresh = h->fresh ? h->fresh : lscq_new(q);
    if (!fresh)
        return -ENOMEM;
    h->fresh = NULL;
    lscq_put(q, fresh, item);
    if (at_cas_sc(&segment->next, &next, fresh, AT(lscq_link, lscq_next, lscq_after))) {
        at_cas_sc(&q->tail, &segment, fresh, AT(lscq_move_tail, lscq_tail, lscq_tail_here));
        return QUEUE_OK;
    }
    lscq_take(q, fresh, &item);
    h->fresh = fresh;
    return QUEUE_RETRY;
}

static struct segment *lscq_last(struct lscq *q, struct lscq_handle *h)
{
    struct segment *found;
    for (;;) {
        found = at_load_sc(&q->tail, AT(lscq_tail, lscq_move_tail, lscq_help_tail, lscq_push_tail));
        if (found == h->held || !reclaim_announce(h->record, 0, found))
            return found;
        h->held = found;
    }
}

static struct segment *lscq_first(struct lscq *q, struct lscq_handle *h)
{
    struct segment *found;
    for (;;) {
        found = at_load_sc(&q->head, AT(lscq_head, lscq_unlink));
        if (found == h->held || !reclaim_announce(h->record, 0, found))
            return found;
        h->held = found;
    }
}

static int lscq_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct lscq *q = queue;
    struct lscq_handle *h = handle;
    int result = QUEUE_RETRY;
    reclaim_enter(h->record);
    do {
        struct segment *last = lscq_last(q, h);
        struct segment *next = at_load_sc(&last->next, AT(lscq_next, lscq_link));
        if (next)
            at_cas_sc(&q->tail, &last, next, AT(lscq_help_tail, lscq_tail, lscq_tail_here));
        else
            result = lscq_put(q, last, item) ? QUEUE_OK : lscq_extend(q, h, last, item);
    } while (result == QUEUE_RETRY);
    lscq_leave(h);
    return result;
}

// Nobody can reach `first` afterwards who does not hold it: `tail` is moved off it before `head` is.
static void lscq_unlink(struct lscq *q, struct lscq_handle *h, struct segment *first, struct segment *next)
{
    struct segment *last = first;
    if (at_load_sc(&q->tail, AT(lscq_tail_here, lscq_move_tail, lscq_help_tail, lscq_push_tail)) == first)
        at_cas_sc(&q->tail, &last, next, AT(lscq_push_tail, lscq_tail, lscq_tail_here));
    last = first;
    if (at_cas_sc(&q->head, &last, next, AT(lscq_unlink, lscq_head)))
        reclaim_retire(h->record, &first->node);
}

static int lscq_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct lscq *q = queue;
    struct lscq_handle *h = handle;
    int result = QUEUE_RETRY;
    reclaim_enter(h->record);
    do {
        struct segment *first = lscq_first(q, h);
        if (lscq_take(q, first, item)) {
            result = QUEUE_OK;
            break;
        }
        struct segment *next = at_load_sc(&first->next, AT(lscq_after, lscq_link));
        if (!next) {
            result = QUEUE_EMPTY;
            break;
        }
        scq_refill(&first->used, &q->shape);
        if (lscq_take(q, first, item))
            result = QUEUE_OK;
        else
            lscq_unlink(q, h, first, next);
    } while (result == QUEUE_RETRY);
    lscq_leave(h);
    return result;
}

static void lscq_statistics(void *queue, struct queue_statistics *statistics)
{
    struct lscq *q = queue;
    uint64_t waiting;
    reclaim_count(&q->reclaim, &statistics->reclaimed, &waiting);
    statistics->memory_bytes = at_load_rlx(&q->held) * q->bytes;
}

static void lscq_fini(void *queue)
{
    struct lscq *q = queue;
    reclaim_fini(&q->reclaim);
    struct segment *next = at_load_rlx(&q->head);
    for (struct segment *segment = next; segment; segment = next) {
        next = at_load_rlx(&segment->next);
        q->env->free(q->env->context, segment, q->bytes, q->env->node);
    }
    next = at_load_rlx(&q->spares);
    for (struct segment *segment = next; segment; segment = next) {
        next = segment->spare;
        q->env->free(q->env->context, segment, q->bytes, q->env->node);
    }
}

static const struct param lscq_params[] = {
    PARAM_U64(struct lscq_config, segment, "1024", 1, UINT64_C(1) << 24, "items",
              "items in a segment; next power of two"),
    PARAM_CHOICE(struct lscq_config, reclaim, "hazard", reclaim_names, "when an unlinked segment is freed"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME lscq_loops
#define QUEUE_LOOPS_ENQUEUE lscq_enqueue
#define QUEUE_LOOPS_DEQUEUE lscq_dequeue
#include "core/queue_loops.h"

const struct queue_ops lscq_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "lscq",
    .summary = "LSCQ, a list of SCQ rings",
    .source = "Nikolaev, DISC 2019 (LSCQ)",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_LOCK_FREE,
               .dequeue = QUEUE_LOCK_FREE,
               .empty_exact = true,
               .reclamation = "hazard pointers"},
    .params = lscq_params,
    .config_size = sizeof(struct lscq_config),
    .size = sizeof(struct lscq),
    .align = _Alignof(struct lscq),
    .handle_size = sizeof(struct lscq_handle),
    .handle_align = _Alignof(struct lscq_handle),
    .resolve = lscq_resolve,
    .init = lscq_init,
    .fini = lscq_fini,
    .attach = lscq_attach,
    .detach = lscq_detach,
    .enqueue = lscq_enqueue,
    .dequeue = lscq_dequeue,
    .statistics = lscq_statistics,
    .loops = &lscq_loops,
};
