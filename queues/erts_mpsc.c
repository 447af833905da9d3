// SPDX-License-Identifier: Apache-2.0
// The queue inside Erlang's async thread pool: many producers, one consumer, lock-free, elements freed late.
//
// Source: the thread queue of Erlang/OTP (erts/emulator/beam/erl_thr_queue.c, as of R16B), from a description of
// what it does; written anew. What it leaves to full barriers around its accesses is seq_cst here.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                        enqueue   consumer   others
//     enqueue, enqueue_prepared                             -         -         -
//     consumer: dequeue, clean, inspect, garbage            -         X         -
//     others: attach, detach, prepare, discard, length      -         -         -
//
// Progress: enqueue and all of the consumer's are lock-free (a compare-and-swap fails only if another's succeeds;
// the consumer does one only to put the marker in); attach, detach and length take a mutex that no others take.
//
// A singly linked list, oldest first:
//
//     first .. free_end .. candidate .. last      with `head` anywhere from `first` on; head->next is next to come
//
// An enqueue links its element behind the last one, which is when it takes place, and then moves `last` on to it;
// but if a successor is linked already, that one's producer will. So `last` may lag, and never moves back.
// The element consumed last, `head`, stays as the dummy. So that it can be freed too when nothing follows, the
// consumer enqueues an element of the queue's own, the marker, which becomes the dummy.
//
// Why nothing is freed under a producer. A producer reaches only elements from where it read `last` on, until the
// end of its call. What stands before free_end is freed, and free_end becomes `candidate` only after a grace
// period (core/sync/grace.h) that began after the consumer had read `candidate` from `last`: who started earlier
// has left by then, and who started later read `last` there or behind, all its reads and moves being in one total
// order. Nor is an address that a producer holds used again, which could fool its compare-and-swap of `last`.
//
// Why no wake is lost. The consumer resets its event, inspects, sleeps. The last element in the list has no
// successor, so its producer moves `last` and only then notifies; all before it are linked by then. If inspect
// missed a link (seq_cst, like the event) then that notify follows the reset. And for the marker: a producer that
// slid in ahead of it was spared moving `last` by it, so the consumer notifies itself. And for a grace period: who
// ends it, and does not notify for its element, notifies for that.
#include <errno.h>

#include "core/queue.h"
#include "core/sync/atomic.h"
#include "core/sync/grace.h"
#include "core/sync/tally.h"

// The original's numbers: calls that find all freed up to `head` before there is a look further ahead all the same;
// elements freed in one call of clean, and in one dequeue that frees by itself.
#define MPSC_AT_HEAD_MAX 100u
#define MPSC_CLEAN_STEP 50u
#define MPSC_DEQUEUE_STEP 3u

struct element {
    _Atomic(struct element *) next;
    uintptr_t item;
};
_Static_assert(sizeof(struct element) >= sizeof(struct garbage_node), "a dead element becomes a garbage node");

enum { MPSC_IN, MPSC_OUT, MPSC_RETRIES }; // what a handle counts

struct mpsc_handle {
    struct tally_handle tally;
    bool managed;
};

struct mpsc_tail {
    struct element marker;
    _Atomic(struct element *) last;
    struct grace_gate gate;
} ALIGNED_LINE;

struct mpsc_head {
    struct element *first;     // oldest not freed
    struct element *free_end;  // nobody can reach what stands before it
    struct element *candidate; // the next free_end, after the grace period
    struct element *head;      // the dummy
    struct grace grace;        //
    bool marker_used;          // the marker stands between `first` and `last`
    bool defer;                // keep the dead
    uint32_t at_head;          // calls that found everything freed up to `head`
    uint64_t reclaimed;        // elements that died
    struct garbage_chain garbage;
} ALIGNED_LINE;

struct mpsc {
    struct mpsc_tail tail; // everybody's
    struct mpsc_head head; // the consumer's
    const struct queue_env *env;
    struct garbage_sink sink;
    struct tally tally;
};

static void mpsc_discard(void *queue, void *element)
{
    const struct queue_env *env = ((struct mpsc *)queue)->env;
    env->element_give(env->context, element);
}

static void mpsc_give(struct garbage_sink *sink, void *element)
{
    mpsc_discard((char *)sink - offsetof(struct mpsc, sink), element);
}

static int mpsc_init(void *queue, const struct queue_env *env, const void *config)
{
    (void)config;
    struct mpsc *q = queue;
    struct element *marker = &q->tail.marker;
    *q = (struct mpsc){.head = {.first = marker, .free_end = marker, .candidate = marker, .head = marker},
                       .env = env,
                       .sink = {mpsc_give}};
    at_init(&marker->next, NULL);
    at_init(&q->tail.last, marker);
    q->head.marker_used = true;
    grace_init(&q->head.grace, &q->tail.gate, env->progress);
    tally_init(&q->tally);
    return 0;
}

// Without a domain nobody could know when a managed thread has let go.
static int mpsc_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)role;
    struct mpsc *q = queue;
    struct mpsc_handle *h = handle;
    if (kind == QUEUE_MANAGED && !q->env->progress)
        return -EINVAL;
    h->managed = kind == QUEUE_MANAGED;
    tally_attach(&q->tally, &h->tally);
    return 0;
}

static void mpsc_detach(void *queue, void *handle)
{
    tally_detach(&((struct mpsc *)queue)->tally, &((struct mpsc_handle *)handle)->tally);
}

static void mpsc_notify(const struct mpsc *q)
{
    if (q->env->notify)
        q->env->notify(q->env->notify_argument);
}

// Links `e` at the end and sees to it that `last` gets there. True: by this call, so that the caller must notify.
// The look for a successor may be relaxed: it can miss one only while `last` stands before `e`, where moving it to
// `e` is right; if another moved `last` past `e`, the compare-and-swap that failed has acquired the successor.
static bool mpsc_append(struct mpsc *q, struct mpsc_handle *h, struct element *e)
{
    at_store_rlx(&e->next, NULL);
    struct element *last = at_load_sc(&q->tail.last, AT(mpsc_last, mpsc_move));
    struct element *at = last, *next = NULL;
    while (!at_cas_sc(&at->next, &next, e, AT(mpsc_link, mpsc_link, mpsc_next, mpsc_behind_marker, mpsc_look))) {
        at = next;
        next = NULL;
        tally_count(&h->tally, MPSC_RETRIES);
    }
    while (!at_load_rlx(&e->next)) {
        if (at_cas_sc(&q->tail.last, &last, e, AT(mpsc_move, mpsc_move, mpsc_last, mpsc_end, mpsc_new_end)))
            return true;
        tally_count(&h->tally, MPSC_RETRIES);
    }
    return false;
}

static int mpsc_prepare(void *queue, void **element)
{
    const struct queue_env *env = ((struct mpsc *)queue)->env;
    *element = env->element_take(env->context);
    return *element ? 0 : -ENOMEM;
}

static int mpsc_enqueue_prepared(void *queue, void *handle, void *element, uintptr_t item)
{
    struct mpsc *q = queue;
    struct mpsc_handle *h = handle;
    struct element *e = element;
    PLAIN(e->item) = item;
    const uint32_t index = h->managed ? 0 : grace_enter(&q->tail.gate);
    bool notify = mpsc_append(q, h, e);
    // Leaves before it notifies: the consumer may be waiting for just that.
    if (!h->managed && grace_leave(&q->tail.gate, index))
        notify = true;
    tally_count(&h->tally, MPSC_IN);
    if (notify)
        mpsc_notify(q);
    return QUEUE_OK;
}

static int mpsc_enqueue(void *queue, void *handle, uintptr_t item)
{
    void *element;
    const int error = mpsc_prepare(queue, &element);
    return error ? error : mpsc_enqueue_prepared(queue, handle, element, item);
}

// The consumer is the only one to free, so it need not enter.
static void mpsc_insert_marker(struct mpsc *q, struct mpsc_handle *h)
{
    struct element *marker = &q->tail.marker;
    q->head.marker_used = true;
    const bool moved = mpsc_append(q, h, marker);
    if (at_load_rlx(&q->head.head->next) == marker)
        q->head.head = marker;
    else if (moved)
        mpsc_notify(q);
}

static void mpsc_bury(struct mpsc *q, struct element *dead)
{
    q->head.reclaimed++;
    if (q->head.defer)
        garbage_add(&q->head.garbage, dead, &q->sink);
    else
        mpsc_discard(q, dead);
}

// Frees from the old end. False: all is freed up to `head`, and it is not yet time to look further ahead.
static bool mpsc_sweep(struct mpsc *q, unsigned steps)
{
    for (; steps > 0; steps--) {
        struct element *dead = q->head.first;
        if (dead == q->head.head) {
            q->head.at_head = (q->head.at_head + 1) % MPSC_AT_HEAD_MAX;
            return q->head.at_head == 0;
        }
        if (dead == q->head.free_end)
            break;
        q->head.first = at_load_rlx(&dead->next);
        if (dead == &q->tail.marker)
            q->head.marker_used = false;
        else
            mpsc_bury(q, dead);
    }
    return true;
}

// After a grace period: what waited for it may be freed, and the next one begins if there is anything behind.
static void mpsc_advance(struct mpsc *q, struct mpsc_handle *h, struct element *last)
{
    q->head.at_head = 0;
    q->head.free_end = q->head.candidate;
    if (!q->head.marker_used && q->head.free_end == last) {
        mpsc_insert_marker(q, h);
        last = at_load_sc(&q->tail.last, AT(mpsc_new_end, mpsc_move));
    }
    if (q->head.free_end != last) {
        q->head.candidate = last;
        grace_begin(&q->head.grace);
    }
}

// Without a domain there is no value to wait for: who ends the grace period notifies, so until then all is done.
static enum queue_clean_state mpsc_judge(struct mpsc *q, bool notify, uint64_t *progress)
{
    if (q->head.first == q->head.head)
        return QUEUE_CLEAN;
    if (q->head.first != q->head.free_end)
        return QUEUE_DIRTY;
    if (grace_over(&q->head.grace)) {
        if (notify)
            mpsc_notify(q);
        return QUEUE_DIRTY;
    }
    *progress = q->head.grace.awaited;
    return q->head.grace.progress ? QUEUE_NEED_PROGRESS : QUEUE_CLEAN;
}

static enum queue_clean_state mpsc_reclaim(struct mpsc *q, struct mpsc_handle *h, unsigned steps, bool notify,
                                           uint64_t *progress)
{
    if (mpsc_sweep(q, steps)) {
        struct element *last = at_load_sc(&q->tail.last, AT(mpsc_end, mpsc_move));
        if (q->head.first == last && last == &q->tail.marker)
            return QUEUE_CLEAN;
        if (grace_over(&q->head.grace))
            mpsc_advance(q, h, last);
    }
    if (!q->head.marker_used && !at_load_rlx(&q->head.head->next))
        mpsc_insert_marker(q, h);
    return mpsc_judge(q, notify, progress);
}

static int mpsc_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct mpsc *q = queue;
    uint64_t progress;
    struct element *e = at_load_sc(&q->head.head->next, AT(mpsc_next, mpsc_link));
    if (e == &q->tail.marker) {
        q->head.head = e;
        e = at_load_sc(&e->next, AT(mpsc_behind_marker, mpsc_link));
    }
    if (!e)
        return QUEUE_EMPTY;
    q->head.head = e;
    *item = PLAIN(e->item);
    tally_count(&((struct mpsc_handle *)handle)->tally, MPSC_OUT);
    mpsc_reclaim(q, handle, q->head.defer ? MPSC_CLEAN_STEP : MPSC_DEQUEUE_STEP, true, &progress);
    return QUEUE_OK;
}

static enum queue_clean_state mpsc_clean(void *queue, void *handle, uint64_t *progress)
{
    return mpsc_reclaim(queue, handle, MPSC_CLEAN_STEP, false, progress);
}

static enum queue_clean_state mpsc_inspect(void *queue, void *handle, bool ensure_empty, uint64_t *progress)
{
    (void)handle;
    struct mpsc *q = queue;
    struct element *next;
    while ((next = at_load_sc(&q->head.head->next, AT(mpsc_look, mpsc_link))) == &q->tail.marker)
        q->head.head = next;
    if (next && ensure_empty)
        return QUEUE_DIRTY;
    if (!next && q->head.first == q->head.head && !q->head.marker_used)
        return QUEUE_DIRTY; // the marker must go in
    return mpsc_judge(q, false, progress);
}

static void mpsc_defer_garbage(void *queue, bool defer)
{
    ((struct mpsc *)queue)->head.defer = defer;
}

static bool mpsc_take_garbage(void *queue, void *handle, struct garbage_chain *chain)
{
    (void)handle;
    struct garbage_chain *garbage = &((struct mpsc *)queue)->head.garbage;
    const bool any = garbage->first != NULL;
    garbage_append(chain, garbage);
    return any;
}

static uint64_t mpsc_length(void *queue)
{
    struct mpsc *q = queue;
    const uint64_t out = tally_sum(&q->tally, MPSC_OUT), in = tally_sum(&q->tally, MPSC_IN);
    return in > out ? in - out : 0;
}

static void mpsc_statistics(void *queue, struct queue_statistics *statistics)
{
    struct mpsc *q = queue;
    const uint64_t in = tally_sum(&q->tally, MPSC_IN), dead = q->head.reclaimed;
    const uint64_t live = in > dead ? in - dead : 0;
    statistics->retries = tally_sum(&q->tally, MPSC_RETRIES);
    statistics->reclaimed = dead;
    statistics->memory_bytes = (live + garbage_length(&q->head.garbage)) * sizeof(struct element);
}

static void mpsc_fini(void *queue)
{
    struct mpsc *q = queue;
    for (struct element *e = q->head.first, *next; e; e = next) {
        next = at_load_rlx(&e->next);
        if (e != &q->tail.marker)
            mpsc_discard(q, e);
    }
    garbage_free(&q->head.garbage, UINT32_MAX);
    tally_fini(&q->tally);
}

#define QUEUE_LOOPS_NAME erts_mpsc_loops
#define QUEUE_LOOPS_ENQUEUE mpsc_enqueue
#define QUEUE_LOOPS_DEQUEUE mpsc_dequeue
#include "core/queue_loops.h"

const struct queue_ops erts_mpsc_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "erts_mpsc",
    .summary = "the lock-free queue of Erlang's async threads: many to one, freed late by thread progress",
    .source = "Erlang/OTP, erl_thr_queue",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_ONE,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_LOCK_FREE,
               .dequeue = QUEUE_LOCK_FREE,
               .empty_exact = true,
               .reclamation = "thread progress, counts",
               .notifies = true},
    .params = (const struct param[]){PARAM_END},
    .size = sizeof(struct mpsc),
    .align = _Alignof(struct mpsc),
    .handle_size = sizeof(struct mpsc_handle),
    .handle_align = _Alignof(struct mpsc_handle),
    .element_size = sizeof(struct element),
    .init = mpsc_init,
    .fini = mpsc_fini,
    .attach = mpsc_attach,
    .detach = mpsc_detach,
    .enqueue = mpsc_enqueue,
    .dequeue = mpsc_dequeue,
    .prepare = mpsc_prepare,
    .enqueue_prepared = mpsc_enqueue_prepared,
    .discard = mpsc_discard,
    .clean = mpsc_clean,
    .inspect = mpsc_inspect,
    .defer_garbage = mpsc_defer_garbage,
    .take_garbage = mpsc_take_garbage,
    .length = mpsc_length,
    .statistics = mpsc_statistics,
    .loops = &erts_mpsc_loops,
};
