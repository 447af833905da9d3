// SPDX-License-Identifier: Apache-2.0
// A linked list under one lock whose holder also does what the others have published that they want done.
//
// Source: D. Hendler, I. Incze, N. Shavit and M. Tzafrir, "Flat Combining and the Synchronization-Parallelism
// Tradeoff", SPAA 2010. Different here: who finds the lock free does its own operation without publishing it; an
// element carries one item, and is taken before and given back after, so that no allocator is called for others; and a
// record leaves the publication list also when its thread detaches, under the lock.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                       enqueue   dequeue   others
//     enqueue, enqueue_prepared                            -         -         -
//     dequeue                                              -         -         -
//     attach, detach, prepare, discard, length             -         -         -
//
// Progress: enqueue, dequeue and detach wait for the holder of the lock, which does at most `rounds` passes over the
// published; the others are wait-free.
//
// A handle is a record: what is wanted, and the answer. Only its thread sets `wanted`, and only the lock's holder
// clears it, after the answer is there; so each belongs to one of them at a time. Who waits looks at three things:
// whether the answer is there; whether the lock is free, to take it; and whether its record is still listed, since the
// holder takes records off the list that it found idle for long. Then it lists it again, at the front. Behind the front
// the list is the holder's alone, so only in front, where others may be adding, does taking a record off need
// compare-and-swap. All that happens to items happens under the lock, so that sleepers need nothing more.
//
// Beside libcds's FCQueue, whose waiting threads sleep for milliseconds, ours has a quarter of the throughput with two
// threads at both ends: there one works alone for long turns, here the lock and its line change hands at every
// operation. What that buys is that nobody waits for longer than a combiner's turn.
#include <errno.h>

#include "core/queue.h"
#include "core/sync/atomic.h"
#include "core/sync/thread.h"

// Passes between two looks for idle records, a power of two; idle are those that wanted nothing in so many.
#define FLAT_PASSES_BETWEEN 1024u

struct flat_config {
    uint64_t rounds;
};

struct element {
    struct element *next;
    uintptr_t item;
};

enum flat_wanted { FLAT_NOTHING, FLAT_PUT, FLAT_GET };

struct flat_record {
    _Atomic uint32_t wanted;
    _Atomic uint32_t listed;
    struct element *element;  // to be put; or the answer: NULL if there was none
    uint64_t pass;            // the last that found something wanted; the lock's holder's
    struct flat_record *next; // in the publication list; its thread's while it is not listed, else the holder's
} ALIGNED_LINE;

// The list of items, and what else the lock's holder alone uses.
struct flat_items {
    struct element *first;
    struct element *last;
    uint64_t passes;
    _Atomic uint64_t length; // written by the holder, read by anyone
} ALIGNED_LINE;

struct flat {
    _Atomic uint32_t held ALIGNED_LINE; // the lock
    _Atomic(struct flat_record *) front ALIGNED_LINE;
    struct flat_items items;
    uint64_t rounds ALIGNED_LINE;
    const struct queue_env *env;
};

static int flat_init(void *queue, const struct queue_env *env, const void *config)
{
    struct flat *q = queue;
    at_init(&q->held, 0);
    at_init(&q->front, NULL);
    q->items = (struct flat_items){.first = NULL};
    at_init(&q->items.length, 0);
    q->rounds = ((const struct flat_config *)config)->rounds;
    q->env = env;
    return 0;
}

static inline bool flat_take_lock(struct flat *q)
{
    return at_load_rlx(&q->held) == 0 && at_xchg_acq(&q->held, 1, AT(flat_take, flat_give)) == 0;
}

static inline void flat_give_lock(struct flat *q)
{
    at_store_rel(&q->held, 0, AT(flat_give, flat_take));
}

// By its thread, whose it is while not listed.
static void flat_list(struct flat *q, struct flat_record *record)
{
    struct flat_record *front = at_load_rlx(&q->front);
    at_store_rlx(&record->listed, 1);
    do
        PLAIN(record->next) = front;
    while (!at_cas_rel(&q->front, &front, record, AT(flat_add, flat_walk, flat_walk_idle, flat_drop)));
}

static int flat_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)role;
    (void)kind;
    struct flat_record *record = handle;
    at_init(&record->wanted, FLAT_NOTHING);
    at_init(&record->listed, 0);
    return 0;
}

// The lock's holder. Takes `record` off, which has one before it unless it is in front.
static void flat_unlist(struct flat *q, struct flat_record *record)
{
    struct flat_record *front = record;
    if (at_cas_acq(&q->front, &front, PLAIN(record->next), AT(flat_drop, flat_add)))
        return;
    while (PLAIN(front->next) != record)
        front = PLAIN(front->next);
    PLAIN(front->next) = PLAIN(record->next);
}

static void flat_detach(void *queue, void *handle)
{
    struct flat *q = queue;
    struct flat_record *record = handle;
    SPIN_UNTIL(flat_take_lock(q));
    if (at_load_rlx(&record->listed))
        flat_unlist(q, record);
    flat_give_lock(q);
}

// The lock's holder. One operation: puts `e`, or gets the answer.
static inline struct element *flat_do(struct flat_items *items, uint32_t wanted, struct element *e)
{
    const uint64_t length = at_load_rlx(&items->length);
    if (wanted == FLAT_PUT) {
        PLAIN(e->next) = NULL;
        if (length > 0)
            PLAIN(items->last->next) = e;
        else
            items->first = e;
        items->last = e;
        at_store_rlx(&items->length, length + 1);
        return NULL;
    }
    if (length == 0)
        return NULL;
    e = items->first;
    items->first = PLAIN(e->next);
    at_store_rlx(&items->length, length - 1);
    return e;
}

// The lock's holder. Takes those off that wanted nothing for long, but for the one in front.
static void flat_unlist_idle(struct flat *q, uint64_t pass)
{
    struct flat_record *before = at_load_acq(&q->front, AT(flat_walk_idle, flat_add));
    while (before && PLAIN(before->next)) {
        struct flat_record *record = PLAIN(before->next);
        if (at_load_rlx(&record->wanted) != FLAT_NOTHING || pass - record->pass < FLAT_PASSES_BETWEEN) {
            before = record;
            continue;
        }
        PLAIN(before->next) = PLAIN(record->next);
        at_store_rel(&record->listed, 0, AT(flat_idle, flat_relist));
    }
}

// The lock's holder. Whether anything was wanted.
static inline bool flat_pass(struct flat *q, uint64_t pass)
{
    bool any = false;
    struct flat_record *record = at_load_acq(&q->front, AT(flat_walk, flat_add));
    for (; record; record = PLAIN(record->next)) {
        const uint32_t wanted = at_load_acq(&record->wanted, AT(flat_look, flat_want));
        if (wanted == FLAT_NOTHING)
            continue;
        PLAIN(record->element) = flat_do(&q->items, wanted, PLAIN(record->element));
        record->pass = pass;
        any = true;
        at_store_rel(&record->wanted, FLAT_NOTHING, AT(flat_answer, flat_await));
    }
    return any;
}

// The lock's holder. Serves the others, and gives the lock back.
static inline void flat_combine(struct flat *q)
{
    uint64_t rounds = q->rounds, pass;
    do {
        pass = ++q->items.passes;
        if (pass % FLAT_PASSES_BETWEEN == 0)
            flat_unlist_idle(q, pass);
    } while (flat_pass(q, pass) && --rounds > 0);
    flat_give_lock(q);
}

// Publishes what is wanted, and waits for the answer or the lock.
static struct element *flat_publish(struct flat *q, struct flat_record *record, uint32_t wanted, struct element *e)
{
    PLAIN(record->element) = e;
    at_store_rel(&record->wanted, wanted, AT(flat_want, flat_look));
    for (unsigned round = 0;; round++) {
        if (!at_load_acq(&record->listed, AT(flat_relist, flat_idle)))
            flat_list(q, record);
        if (at_load_acq(&record->wanted, AT(flat_await, flat_answer)) == FLAT_NOTHING)
            return PLAIN(record->element);
        if (flat_take_lock(q))
            break;
        thread_spin_round(round);
    }
    // The answer may have come just before the lock.
    if (at_load_rlx(&record->wanted) != FLAT_NOTHING) {
        PLAIN(record->element) = flat_do(&q->items, wanted, e);
        at_store_rlx(&record->wanted, FLAT_NOTHING);
    }
    e = PLAIN(record->element);
    flat_combine(q);
    return e;
}

static inline struct element *flat_run(struct flat *q, struct flat_record *record, uint32_t wanted, struct element *e)
{
    if (!flat_take_lock(q))
        return flat_publish(q, record, wanted, e);
    e = flat_do(&q->items, wanted, e);
    flat_combine(q);
    return e;
}

static int flat_prepare(void *queue, void **element)
{
    const struct queue_env *env = ((struct flat *)queue)->env;
    *element = env->element_take(env->context);
    return *element ? 0 : -ENOMEM;
}

static void flat_discard(void *queue, void *element)
{
    const struct queue_env *env = ((struct flat *)queue)->env;
    env->element_give(env->context, element);
}

static int flat_enqueue_prepared(void *queue, void *handle, void *element, uintptr_t item)
{
    struct element *e = element;
    PLAIN(e->item) = item;
    flat_run(queue, handle, FLAT_PUT, e);
    return QUEUE_OK;
}

static int flat_enqueue(void *queue, void *handle, uintptr_t item)
{
    void *element;
    const int error = flat_prepare(queue, &element);
    return error ? error : flat_enqueue_prepared(queue, handle, element, item);
}

static int flat_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct element *e = flat_run(queue, handle, FLAT_GET, NULL);
    if (!e)
        return QUEUE_EMPTY;
    *item = PLAIN(e->item);
    flat_discard(queue, e);
    return QUEUE_OK;
}

static uint64_t flat_length(void *queue)
{
    return at_load_rlx(&((struct flat *)queue)->items.length);
}

static void flat_fini(void *queue)
{
    struct flat *q = queue;
    struct element *e = q->items.first, *next;
    for (uint64_t left = at_load_rlx(&q->items.length); left > 0; left--, e = next) {
        next = PLAIN(e->next);
        flat_discard(q, e);
    }
}

static const struct param flat_params[] = {
    PARAM_U64(struct flat_config, rounds, "4", 1, UINT32_MAX, "passes", "passes over the published by one thread"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME flat_combining_loops
#define QUEUE_LOOPS_ENQUEUE flat_enqueue
#define QUEUE_LOOPS_DEQUEUE flat_dequeue
#include "core/queue_loops.h"

const struct queue_ops flat_combining_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "flat_combining",
    .summary = "a linked list under one lock, whose holder also does what others published",
    .source = "Hendler, Incze, Shavit and Tzafrir, SPAA 2010",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_BLOCKING,
               .dequeue = QUEUE_BLOCKING,
               .empty_exact = true,
               .reclamation = "none needed"},
    .params = flat_params,
    .config_size = sizeof(struct flat_config),
    .size = sizeof(struct flat),
    .align = _Alignof(struct flat),
    .handle_size = sizeof(struct flat_record),
    .handle_align = _Alignof(struct flat_record),
    .element_size = sizeof(struct element),
    .init = flat_init,
    .fini = flat_fini,
    .attach = flat_attach,
    .detach = flat_detach,
    .enqueue = flat_enqueue,
    .dequeue = flat_dequeue,
    .prepare = flat_prepare,
    .enqueue_prepared = flat_enqueue_prepared,
    .discard = flat_discard,
    .length = flat_length,
    .loops = &flat_combining_loops,
};
