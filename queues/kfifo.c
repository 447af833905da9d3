// SPDX-License-Identifier: Apache-2.0
// A list of segments of k places each. Enqueuers fill the last segment, in any order; dequeuers empty the first, in any
// order. So they meet at k places in place of one, and an item overtakes no more than k - 1 others.
//
// Source: C. Kirsch, M. Lippautz and H. Payer, "Fast and Scalable, Lock-Free k-FIFO Queues", PaCT 2013 (the unbounded
// one). What differs: a place is used once. In the paper one that was emptied may be filled again, which takes version
// tags, a flag on segments that are about to be unlinked, and an enqueuer who, having put its item, looks whether the
// segment is still there. All this goes, and with it the compare-and-swap of two words; what is paid is that a queue
// that is almost empty uses up a segment for every k items. Freed segments are kept for reuse.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                       enqueue   dequeue   others
//     enqueue                                              -         -         -
//     dequeue                                              -         -         -
//     attach, detach, statistics                           -         -         -
//
// Progress: enqueue and dequeue are lock-free, as far as the allocator is, and the reclamation (epochs: memory grows
// while a thread stands still): a place that could not be had was filled, or emptied, by somebody else.
//
// A place is free, then holds an item, then is spent, and that is final. Each starts to look at a random place, so that
// they seldom want the same one. An enqueuer that saw no free place in the last segment links another one that has its
// item already. So a segment that has a next one has no free place and never will; and `head` leaves a segment when all
// its places are spent.
//
// Why no more than k - 1 are overtaken. An item is always put into the segment that is last at that moment, even if
// its enqueuer was long on its way, since in no other is there a free place. So if the enqueue of a ended before that
// of b began, a is in b's segment or before it. And b comes out of a segment that was the first, all places before
// which were spent. What b overtakes, and is not being dequeued yet when b comes out, is therefore in the k - 1 other
// places of b's segment. For the same reason no more than k - 1 items overtake a.
//
// Why EMPTY is exact. Either all places of the first segment were spent, and then it had no next one. Or there were
// free places, so that there was no next one; no place held an item as it was looked at; and a second look found as
// many free places as the first, so that, as none becomes free again, nothing was put between the two looks. At the
// moment between them all places were free or spent.
#include <errno.h>

#include "core/queue.h"
#include "core/sync/tally.h"
#include "queues/spare_segments.h"

// What a place holds once its item was taken.
#define KFIFO_SPENT UINTPTR_MAX

// Segments are kept for reuse until they have about this many places.
#define KFIFO_SPARE_PLACES 1024u

// Places that are spread lie 1 << this many words apart: a pair of lines.
#define KFIFO_SPREAD 4u

struct kfifo_config {
    uint64_t reclaim; // enum reclaim_kind
    uint64_t k;       // places in a segment
    uint64_t spread;  // 1: each on lines of its own
};

struct segment {
    struct reclaim_node retired;
    _Atomic(struct segment *) next;
    _Atomic uintptr_t places[] ALIGNED_LINE; // 0: free
};

enum { KFIFO_RETRIES }; // what a handle counts

struct kfifo_handle {
    struct tally_handle tally;
    struct reclaim_record *record;
    struct reclaim_node *spares; // of its own
    uint64_t random;
};

struct kfifo {
    _Atomic(struct segment *) head ALIGNED_LINE;
    _Atomic(struct segment *) tail ALIGNED_LINE;
    uint32_t k ALIGNED_LINE;
    unsigned shift; // from a place's number to that of its word
    struct reclaim reclaim;
    struct tally tally;
    struct spares spares;
    _Atomic uint64_t handles; // there ever were
};

static void kfifo_resolve(const void *config, struct queue_traits *traits)
{
    const struct kfifo_config *chosen = config;
    traits->relaxation = (uint32_t)chosen->k - 1;
    traits->reclamation = reclaim_traits[chosen->reclaim];
}

static _Atomic uintptr_t *kfifo_place(const struct kfifo *q, struct segment *segment, uint32_t number)
{
    return &segment->places[(size_t)number << q->shift];
}

// Makes all its places free.
static void segment_give(void *owner, struct reclaim_node *node)
{
    struct kfifo *q = owner;
    struct segment *segment = (struct segment *)node;
    for (uint32_t i = 0; i < q->k; i++)
        at_store_rlx(kfifo_place(q, segment, i), 0);
    at_store_rlx(&segment->next, NULL);
    spares_give(&q->spares, node);
}

static int kfifo_init(void *queue, const struct queue_env *env, const void *config)
{
    struct kfifo *q = queue;
    const struct kfifo_config *chosen = config;
    struct reclaim_node *none = NULL;
    *q = (struct kfifo){.k = (uint32_t)chosen->k, .shift = chosen->spread ? KFIFO_SPREAD : 0};
    spares_init(&q->spares, env, sizeof(struct segment) + (chosen->k << q->shift) * sizeof(uintptr_t),
                2 + KFIFO_SPARE_PLACES / chosen->k);
    struct segment *first = (struct segment *)spares_take(&q->spares, &none);
    if (!first)
        return -ENOMEM;
    const int error = reclaim_init(&q->reclaim, (enum reclaim_kind)chosen->reclaim, env, segment_give, q);
    if (error) {
        spares_free(&q->spares, &first->retired);
        return error;
    }
    reclaim_expect(&q->reclaim, q->k);
    at_init(&q->head, first);
    at_init(&q->tail, first);
    tally_init(&q->tally);
    return 0;
}

static int kfifo_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)role;
    (void)kind;
    struct kfifo *q = queue;
    struct kfifo_handle *h = handle;
    h->record = reclaim_attach(&q->reclaim);
    if (!h->record)
        return -EAGAIN;
    h->random = random_seed(at_add_rlx(&q->handles, 1));
    tally_attach(&q->tally, &h->tally);
    return 0;
}

static void kfifo_detach(void *queue, void *handle)
{
    struct kfifo *q = queue;
    struct kfifo_handle *h = handle;
    spares_return(&q->spares, h->spares);
    reclaim_detach(h->record);
    tally_detach(&q->tally, &h->tally);
}

// No place of the last segment, `tail`, is free: links a new one with `item`. QUEUE_RETRY: there is one, to which the
// queue's tail has moved on.
static int kfifo_extend(struct kfifo *q, struct kfifo_handle *h, struct segment *tail, uintptr_t item)
{
    struct segment *next = at_load_sc(&tail->next, AT(kfifo_next_enqueue, kfifo_extend));
    struct segment *made = NULL;
    if (!next) {
        made = (struct segment *)spares_take(&q->spares, &h->spares);
        if (!made)
            return -ENOMEM;
        _Atomic uintptr_t *place = kfifo_place(q, made, random_below(&h->random, q->k));
        at_store_rlx(place, item);
        if (at_cas_sc(&tail->next, &next, made, AT(kfifo_extend, kfifo_next_enqueue, kfifo_next, kfifo_extend))) {
            next = made;
        } else {
            at_store_rlx(place, 0);
            made->retired.next = h->spares;
            h->spares = &made->retired;
        }
    }
    at_cas_sc(&q->tail, &tail, next, AT(kfifo_tail_move, kfifo_tail, kfifo_tail_look));
    return next == made ? QUEUE_OK : QUEUE_RETRY;
}

// False: no place of the segment is free any more.
static bool kfifo_put(const struct kfifo *q, struct kfifo_handle *h, struct segment *segment, uintptr_t item)
{
    const uint32_t first = random_below(&h->random, q->k);
    uint32_t at = first;
    do {
        _Atomic uintptr_t *place = kfifo_place(q, segment, at);
        uintptr_t free = 0;
        if (at_load_rlx(place) == 0) {
            if (at_cas_sc(place, &free, item, AT(kfifo_fill, kfifo_look, kfifo_spend)))
                return true;
            tally_count(&h->tally, KFIFO_RETRIES);
        }
        at = at + 1 == q->k ? 0 : at + 1;
    } while (at != first);
    return false;
}

static int kfifo_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct kfifo *q = queue;
    struct kfifo_handle *h = handle;
    int result;
    reclaim_enter(h->record);
    do {
        struct segment *tail =
            RECLAIM_PROTECT(h->record, 0, at_load_sc(&q->tail, AT(kfifo_tail, kfifo_tail_move, kfifo_tail_pull)));
        result = kfifo_put(q, h, tail, item) ? QUEUE_OK : kfifo_extend(q, h, tail, item);
    } while (result == QUEUE_RETRY);
    reclaim_leave(h->record);
    return result;
}

// An item of the segment; 0: there was none where this looked, and *free of the places were free.
static uintptr_t kfifo_get(const struct kfifo *q, struct kfifo_handle *h, struct segment *segment, uint32_t *free)
{
    const uint32_t first = random_below(&h->random, q->k);
    uint32_t at = first;
    *free = 0;
    do {
        _Atomic uintptr_t *place = kfifo_place(q, segment, at);
        uintptr_t item = at_load_sc(place, AT(kfifo_look, kfifo_fill));
        *free += item == 0;
        if (item != 0 && item != KFIFO_SPENT) {
            if (at_cas_sc(place, &item, KFIFO_SPENT, AT(kfifo_spend, kfifo_fill)))
                return item;
            tally_count(&h->tally, KFIFO_RETRIES);
        }
        at = at + 1 == q->k ? 0 : at + 1;
    } while (at != first);
    return 0;
}

// All places of `head` are spent. False: no segment follows.
static bool kfifo_advance(struct kfifo *q, struct kfifo_handle *h, struct segment *head)
{
    struct segment *next = at_load_sc(&head->next, AT(kfifo_next, kfifo_extend));
    if (!next)
        return false;
    // No enqueuer may come to a segment that is freed.
    struct segment *expected = at_load_sc(&q->tail, AT(kfifo_tail_look, kfifo_tail_move, kfifo_tail_pull));
    if (expected == head)
        at_cas_sc(&q->tail, &expected, next, AT(kfifo_tail_pull, kfifo_tail, kfifo_tail_look));
    expected = head;
    if (at_cas_sc(&q->head, &expected, next, AT(kfifo_head_move, kfifo_head, kfifo_head_move)))
        reclaim_retire(h->record, &head->retired);
    return true;
}

static uintptr_t kfifo_take(struct kfifo *q, struct kfifo_handle *h)
{
    for (;;) {
        struct segment *head = RECLAIM_PROTECT(h->record, 0, at_load_sc(&q->head, AT(kfifo_head, kfifo_head_move)));
        uint32_t before = UINT32_MAX, free;
        uintptr_t item;
        while ((item = kfifo_get(q, h, head, &free)) == 0 && free > 0 && free != before)
            before = free;
        if (item || free > 0 || !kfifo_advance(q, h, head))
            return item;
    }
}

static int kfifo_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct kfifo_handle *h = handle;
    reclaim_enter(h->record);
    const uintptr_t found = kfifo_take(queue, h);
    reclaim_leave(h->record);
    if (!found)
        return QUEUE_EMPTY;
    *item = found;
    return QUEUE_OK;
}

static void kfifo_statistics(void *queue, struct queue_statistics *statistics)
{
    statistics->retries = tally_sum(&((struct kfifo *)queue)->tally, KFIFO_RETRIES);
}

static void kfifo_fini(void *queue)
{
    struct kfifo *q = queue;
    reclaim_fini(&q->reclaim);
    for (struct segment *segment = at_load_rlx(&q->head), *next; segment; segment = next) {
        next = at_load_rlx(&segment->next);
        spares_free(&q->spares, &segment->retired);
    }
    spares_fini(&q->spares);
    tally_fini(&q->tally);
}

static const struct param kfifo_params[] = {
    PARAM_U64(struct kfifo_config, k, "16", 2, 65536, "items",
              "places of a segment: an item may overtake k - 1 others"),
    PARAM_CHOICE(struct kfifo_config, reclaim, "hazard", reclaim_names,
                 "how memory is reclaimed; leak is no queue to use"),
    PARAM_BOOL(struct kfifo_config, spread, "no", "whether each place has cache lines of its own"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME kfifo_loops
#define QUEUE_LOOPS_ENQUEUE kfifo_enqueue
#define QUEUE_LOOPS_DEQUEUE kfifo_dequeue
#include "core/queue_loops.h"

const struct queue_ops kfifo_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "kfifo",
    .summary = "segments of k places, filled and emptied in any order: an item may overtake k - 1 others",
    .source = "Kirsch, Lippautz and Payer, k-FIFO, PaCT 2013",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_RELAXED,
               .relaxation = 15,
               .enqueue = QUEUE_LOCK_FREE,
               .dequeue = QUEUE_LOCK_FREE,
               .empty_exact = true,
               .reserved_from = KFIFO_SPENT,
               .reclamation = "hazard pointers"},
    .params = kfifo_params,
    .config_size = sizeof(struct kfifo_config),
    .size = sizeof(struct kfifo),
    .align = _Alignof(struct kfifo),
    .handle_size = sizeof(struct kfifo_handle),
    .handle_align = _Alignof(struct kfifo_handle),
    .resolve = kfifo_resolve,
    .init = kfifo_init,
    .fini = kfifo_fini,
    .attach = kfifo_attach,
    .detach = kfifo_detach,
    .enqueue = kfifo_enqueue,
    .dequeue = kfifo_dequeue,
    .statistics = kfifo_statistics,
    .loops = &kfifo_loops,
};
