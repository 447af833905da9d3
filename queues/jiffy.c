// SPDX-License-Identifier: Apache-2.0
// Jiffy: many producers, one consumer, unbounded, in linked buffers. One fetch-and-add gives a place in an endless
// array; the consumer passes by a place that is still being written and takes what was finished behind it.
//
// Source: D. Adas and R. Friedman, "Jiffy: A Fast, Memory Efficient, Wait-Free Multi-Producers Single-Consumer Queue",
// arXiv:2010.14189, 2020. What differs:
//   - Reclamation. In the reference code (issue 3 of DolevAdas/Jiffy) a producer that has its place reads the pointer
//     to the last buffer; if it stands still there, others append the next buffer, the consumer frees this one, and the
//     producer reads `next` from it. Here a buffer is two parts: slots, freed as in the paper, and a small descriptor,
//     which is retired (core/reclaim.h).
//   - An item is published seq_cst. With release, its store may wait in its processor for hundreds of nanoseconds after
//     enqueue returned; the consumer then says EMPTY of a queue that is not, which a history check finds at once.
//   - A slot is one word; the consumer marks what it took out of turn by a word that no item may be.
//   - A producer has a buffer in reserve before it takes a place, so that it can give up for want of memory. One is
//     enough: who has a place beyond the last buffer is inside enqueue, and a buffer has a slot for every producer.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                             enqueue   dequeue   others
//     enqueue                                    -         -         -
//     dequeue                                    -         X         -
//     attach, detach, length, statistics         -         -         -
//
// Progress, beside the allocator: dequeue is wait-free, and so is enqueue with epochs; with hazard pointers it is
// lock-free, as it protects the last buffer anew whenever that has changed.
//
//     head -> buffer -> buffer -> (folded out) -> buffer -> last buffer
//
// A producer goes from the last buffer to that of its place: forward by appending, if it is not there yet; back by
// `prev` otherwise. In the first step the last buffer is protected, and no other buffer's `next` is ever used. On the
// way back its own place protects it: the consumer does not go beyond a place that is not filled, and buffers that it
// folds out of the middle keep their descriptor until it has gone beyond them.
//
// A dequeue that finds its place empty reads how far places were given out, and takes the first item before that. Why
// that is FIFO, without the second look that the paper takes: those before it were not filled when looked at, so their
// enqueues had not ended then, while that item's had begun before the limit was read. Why EMPTY is exact: a place not
// filled when looked at was not when the limit was read either, and there was no item beyond it then.
#include <errno.h>

#include "core/queue.h"
#include "core/reclaim.h"
#include "core/sync/atomic.h"

// A slot's values beside items.
#define JIFFY_NOT_FILLED ((uintptr_t)0)
#define JIFFY_TAKEN UINTPTR_MAX

struct jiffy_config {
    uint64_t buffer; // slots
    uint64_t reclaim;
};

struct buffer {
    struct reclaim_node retired;
    _Atomic(struct buffer *) next;
    _Atomic(struct buffer *) prev;
    uint64_t begin;           // its first place
    _Atomic uintptr_t *slots; //
    uint64_t taken;           // out of turn; the consumer's
    struct buffer *folded;    // next in the list of those folded; the consumer's
};

struct jiffy_tail {
    _Atomic uint64_t place; // to be given out next
} ALIGNED_LINE;

struct jiffy_last {
    _Atomic(struct buffer *) buffer; // the last, or the one before for a moment
    _Atomic uint64_t held;           // buffers with slots
} ALIGNED_LINE;

struct jiffy_head {
    struct buffer *buffer;
    uint64_t place;        // to be taken next
    struct buffer *folded; // buffers folded out that `buffer` has not gone beyond
    _Atomic uint64_t dequeued;
} ALIGNED_LINE;

struct jiffy {
    struct jiffy_tail tail;
    struct jiffy_last last;
    struct jiffy_head head;
    const struct queue_env *env ALIGNED_LINE;
    uint64_t size; // slots of a buffer
    struct reclaim reclaim;
};

struct jiffy_handle {
    struct reclaim_record *record;
    struct buffer *reserve;
};

static void jiffy_resolve(const void *config, struct queue_traits *traits)
{
    const uint64_t reclaim = ((const struct jiffy_config *)config)->reclaim;
    traits->reclamation = reclaim_traits[reclaim];
    traits->enqueue = reclaim == RECLAIM_HAZARD ? QUEUE_LOCK_FREE : QUEUE_WAIT_FREE;
}

static void jiffy_give(void *owner, struct reclaim_node *node)
{
    const struct queue_env *env = ((struct jiffy *)owner)->env;
    env->element_give(env->context, (char *)node - offsetof(struct buffer, retired));
}

static void jiffy_free_slots(struct jiffy *q, struct buffer *b)
{
    at_sub_rlx(&q->last.held, 1);
    q->env->free(q->env->context, (void *)b->slots, q->size * sizeof *b->slots, q->env->node);
}

static void jiffy_free(struct jiffy *q, struct buffer *b)
{
    jiffy_free_slots(q, b);
    jiffy_give(q, &b->retired);
}

static struct buffer *jiffy_make(struct jiffy *q)
{
    struct buffer *b = q->env->element_take(q->env->context);
    if (!b)
        return NULL;
    b->slots = q->env->alloc(q->env->context, q->size * sizeof *b->slots, LINE_PAIR, q->env->node);
    if (!b->slots) {
        jiffy_give(q, &b->retired);
        return NULL;
    }
    at_add_rlx(&q->last.held, 1);
    at_init(&b->next, NULL);
    at_init(&b->prev, NULL);
    b->begin = 0;
    b->taken = 0;
    return b;
}

static int jiffy_init(void *queue, const struct queue_env *env, const void *config)
{
    struct jiffy *q = queue;
    const struct jiffy_config *chosen = config;
    q->env = env;
    q->size = chosen->buffer > env->producers_max ? chosen->buffer : env->producers_max;
    at_init(&q->last.held, 0);
    struct buffer *first = jiffy_make(q);
    if (!first)
        return -ENOMEM;
    if (reclaim_init(&q->reclaim, (enum reclaim_kind)chosen->reclaim, env, jiffy_give, q)) {
        jiffy_free(q, first);
        return -ENOMEM;
    }
    at_init(&q->tail.place, 0);
    at_init(&q->last.buffer, first);
    q->head.buffer = first;
    q->head.place = 0;
    q->head.folded = NULL;
    at_init(&q->head.dequeued, 0);
    return 0;
}

static int jiffy_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)role;
    (void)kind;
    struct jiffy_handle *h = handle;
    h->reserve = NULL;
    h->record = reclaim_attach(&((struct jiffy *)queue)->reclaim);
    return h->record ? 0 : -ENOMEM;
}

static void jiffy_detach(void *queue, void *handle)
{
    struct jiffy_handle *h = handle;
    if (h->reserve)
        jiffy_free(queue, h->reserve);
    reclaim_detach(h->record);
}

// Sees to it that `last` is not `b`, which has the successor `next`.
static void jiffy_move_last(struct jiffy *q, struct buffer *b, struct buffer *next)
{
    if (at_load_sc(&q->last.buffer, AT(jiffy_last_check, jiffy_move_last)) == b)
        at_cas_sc(&q->last.buffer, &b, next, AT(jiffy_move_last, jiffy_last, jiffy_last_check, jiffy_move_last));
}

// Goes on from the protected buffer `b`, appending the handle's reserve if there is no successor.
static void jiffy_forward(struct jiffy *q, struct jiffy_handle *h, struct buffer *b)
{
    struct buffer *next = at_load_acq(&b->next, AT(jiffy_next, jiffy_append));
    if (!next) {
        struct buffer *made = h->reserve;
        made->begin = b->begin + q->size;
        at_store_rlx(&made->prev, b);
        if (at_cas_ar(&b->next, &next, made,
                      AT(jiffy_append, jiffy_append, jiffy_next, jiffy_goes_on, jiffy_end, jiffy_end_scan))) {
            h->reserve = NULL;
            next = made;
        }
    }
    jiffy_move_last(q, b, next);
}

static int jiffy_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct jiffy *q = queue;
    struct jiffy_handle *h = handle;
    if (!h->reserve && !(h->reserve = jiffy_make(q)))
        return -ENOMEM;
    reclaim_enter(h->record);
    const uint64_t place = at_add_sc(&q->tail.place, 1, AT(jiffy_place, jiffy_limit));
    struct buffer *b;
    while (b = RECLAIM_PROTECT(h->record, 0, at_load_sc(&q->last.buffer, AT(jiffy_last, jiffy_move_last))),
           place >= b->begin + q->size)
        jiffy_forward(q, h, b);
    while (place < b->begin)
        b = at_load_acq(&b->prev, AT(jiffy_back, jiffy_unlink_back));
    at_store_sc(&b->slots[place - b->begin], item, AT(jiffy_fill, jiffy_read));
    reclaim_leave(h->record);
    return QUEUE_OK;
}

// Takes a buffer all of whose items were taken out of turn out of the list. Its slots go at once.
static void jiffy_fold(struct jiffy *q, struct buffer *b)
{
    struct buffer *next = at_load_acq(&b->next, AT(jiffy_end, jiffy_append)), *prev = at_load_rlx(&b->prev);
    if (!next)
        return;
    jiffy_move_last(q, b, next);
    at_store_rel(&next->prev, prev, AT(jiffy_unlink_back, jiffy_back));
    at_store_rlx(&prev->next, next);
    jiffy_free_slots(q, b);
    b->folded = q->head.folded;
    q->head.folded = b;
}

// The consumer leaves its buffer for the next one. False: there is none.
static bool jiffy_go_on(struct jiffy *q, struct jiffy_handle *h)
{
    struct buffer *b = q->head.buffer, *next = at_load_acq(&b->next, AT(jiffy_goes_on, jiffy_append));
    if (!next)
        return false;
    reclaim_enter(h->record);
    jiffy_move_last(q, b, next);
    jiffy_free_slots(q, b);
    reclaim_retire(h->record, &b->retired);
    q->head.buffer = next;
    q->head.place = next->begin;
    for (struct buffer **at = &q->head.folded, *folded; (folded = *at);) {
        if (folded->begin > next->begin) {
            at = &folded->folded;
            continue;
        }
        *at = folded->folded;
        reclaim_retire(h->record, &folded->retired);
    }
    reclaim_leave(h->record);
    return true;
}

static uintptr_t jiffy_read(struct buffer *b, uint64_t place)
{
    return at_load_sc(&b->slots[place - b->begin], AT(jiffy_read, jiffy_fill));
}

// The first place before `limit` with an item in it, and its buffer; or `limit`.
static uint64_t jiffy_first_filled(struct jiffy *q, uint64_t limit, struct buffer **buffer)
{
    struct buffer *b = q->head.buffer;
    for (uint64_t place = q->head.place; place < limit; place++) {
        if (place == b->begin + q->size) {
            b = at_load_acq(&b->next, AT(jiffy_end_scan, jiffy_append));
            if (!b || b->begin >= limit)
                break;
            place = b->begin;
        }
        const uintptr_t found = jiffy_read(b, place);
        if (found != JIFFY_NOT_FILLED && found != JIFFY_TAKEN) {
            *buffer = b;
            return place;
        }
    }
    return limit;
}

// The consumer's place is not filled: whether one behind it is.
__attribute__((noinline)) static int jiffy_out_of_turn(struct jiffy *q, uintptr_t *item)
{
    struct buffer *b = NULL;
    const uint64_t limit = at_load_sc(&q->tail.place, AT(jiffy_limit, jiffy_place));
    const uint64_t found = jiffy_first_filled(q, limit, &b);
    if (found == limit)
        return QUEUE_EMPTY;
    *item = jiffy_read(b, found);
    at_store_rlx(&b->slots[found - b->begin], JIFFY_TAKEN);
    if (++b->taken == q->size && b != q->head.buffer)
        jiffy_fold(q, b);
    return QUEUE_OK;
}

// Goes past what was taken out of turn. What stands in the consumer's place then; nothing if that has no buffer yet.
static uintptr_t jiffy_come_to(struct jiffy *q, struct jiffy_handle *h)
{
    uintptr_t found;
    for (;; q->head.place++) {
        if (q->head.place == q->head.buffer->begin + q->size && !jiffy_go_on(q, h))
            return JIFFY_NOT_FILLED;
        found = jiffy_read(q->head.buffer, q->head.place);
        if (__builtin_expect(found != JIFFY_TAKEN, 1))
            return found;
    }
}

static int jiffy_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct jiffy *q = queue;
    const uintptr_t found = jiffy_come_to(q, handle);
    if (found != JIFFY_NOT_FILLED) {
        *item = found;
        q->head.place++;
    } else if (jiffy_out_of_turn(q, item) == QUEUE_EMPTY) {
        return QUEUE_EMPTY;
    }
    at_store_rlx(&q->head.dequeued, at_load_rlx(&q->head.dequeued) + 1);
    return QUEUE_OK;
}

static uint64_t jiffy_length(void *queue)
{
    struct jiffy *q = queue;
    const uint64_t out = at_load_rlx(&q->head.dequeued), in = at_load_rlx(&q->tail.place);
    return in > out ? in - out : 0;
}

static void jiffy_statistics(void *queue, struct queue_statistics *statistics)
{
    struct jiffy *q = queue;
    uint64_t waiting;
    reclaim_count(&q->reclaim, &statistics->reclaimed, &waiting);
    const uint64_t held = at_load_rlx(&q->last.held), slots = held * q->size;
    statistics->memory_bytes = slots * sizeof(uintptr_t) + (held + waiting) * sizeof(struct buffer);
}

static void jiffy_fini(void *queue)
{
    struct jiffy *q = queue;
    for (struct buffer *b = q->head.folded, *next; b; b = next) {
        next = b->folded;
        jiffy_give(q, &b->retired);
    }
    for (struct buffer *b = q->head.buffer, *next; b; b = next) {
        next = at_load_rlx(&b->next);
        jiffy_free(q, b);
    }
    reclaim_fini(&q->reclaim);
}

static const struct param jiffy_params[] = {
    PARAM_U64(struct jiffy_config, buffer, "1024", 1, 1 << 20, "items",
              "slots of a buffer; not fewer than there are producers"),
    PARAM_CHOICE(struct jiffy_config, reclaim, "hazard", reclaim_names, "how descriptors of buffers are reclaimed"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME jiffy_loops
#define QUEUE_LOOPS_ENQUEUE jiffy_enqueue
#define QUEUE_LOOPS_DEQUEUE jiffy_dequeue
#include "core/queue_loops.h"

const struct queue_ops jiffy_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "jiffy",
    .summary = "many to one in linked buffers; the consumer passes by places still being written",
    .source = "Adas and Friedman, Jiffy, arXiv:2010.14189, 2020",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_ONE,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_LOCK_FREE,
               .dequeue = QUEUE_WAIT_FREE,
               .empty_exact = true,
               .reserved_from = JIFFY_TAKEN,
               .reclamation = "hazard pointers"},
    .params = jiffy_params,
    .config_size = sizeof(struct jiffy_config),
    .size = sizeof(struct jiffy),
    .align = _Alignof(struct jiffy),
    .handle_size = sizeof(struct jiffy_handle),
    .handle_align = _Alignof(struct jiffy_handle),
    .element_size = sizeof(struct buffer),
    .resolve = jiffy_resolve,
    .init = jiffy_init,
    .fini = jiffy_fini,
    .attach = jiffy_attach,
    .detach = jiffy_detach,
    .enqueue = jiffy_enqueue,
    .dequeue = jiffy_dequeue,
    .length = jiffy_length,
    .statistics = jiffy_statistics,
    .loops = &jiffy_loops,
};
