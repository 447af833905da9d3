// SPDX-License-Identifier: Apache-2.0
// The lock-free linked queue that all others are compared with.
//
// Source: M. Michael and M. Scott, "Simple, Fast, and Practical Non-Blocking and Blocking Concurrent Queue
// Algorithms", PODC 1996, section 2 and figure 1. What differs: the paper counts modifications beside each pointer and
// keeps freed nodes for ever; here nodes are reclaimed (core/reclaim.h), which makes the counts needless. A dequeue
// looks at `tail` only where the queue has one item, see below. An enqueue announces its own node before it links it,
// and a dequeue goes on announcing the node that it made the dummy, so that who enqueues or dequeues twice in a row,
// alone, finds the announcement made.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                       enqueue   dequeue   others
//     enqueue, enqueue_prepared                            -         -         -
//     dequeue                                              -         -         -
//     attach, detach, prepare, discard, statistics         -         -         -
//
// Progress: enqueue and dequeue are lock-free: a compare-and-swap fails only if another's succeeds.
//
// A singly linked list from `head`, which is a dummy, to the last node. An enqueue links its node behind the last one,
// which is when it takes place, and then moves `tail` on to it; who finds `tail` behind helps. So a node is linked only
// while `tail` stands at the last one, and `tail` is never more than one behind.
//
// Why `tail` never points to a node that was unlinked. Before a dequeue moves `head` from h to its successor n, `tail`
// must be past h. It is if n has a successor too: that was linked while `tail` stood at n. Otherwise the dequeue looks,
// and helps.
//
// Why EMPTY is exact: the protected node had no successor, so it was the last; it had been read from `head`, which is
// never ahead of the last, so it was the dummy still.
#include <errno.h>

#include "core/queue.h"
#include "core/reclaim.h"
#include "core/sync/atomic.h"
#include "core/sync/tally.h"

struct ms_config {
    uint64_t reclaim; // enum reclaim_kind
};

struct element {
    struct reclaim_node retired;
    _Atomic(struct element *) next;
    uintptr_t item;
};

enum { MS_RETRIES }; // what a handle counts

struct ms_handle {
    struct tally_handle tally;
    struct reclaim_record *record;
    unsigned slot; // of the record: announces what was last found at this handle's end of the queue, or put there
};

struct ms {
    _Atomic(struct element *) head ALIGNED_LINE;
    _Atomic(struct element *) tail ALIGNED_LINE;
    const struct queue_env *env ALIGNED_LINE;
    struct reclaim reclaim;
    struct tally tally;
};

static void ms_resolve(const void *config, struct queue_traits *traits)
{
    traits->reclamation = reclaim_traits[((const struct ms_config *)config)->reclaim];
}

static void ms_discard(void *queue, void *element)
{
    const struct queue_env *env = ((struct ms *)queue)->env;
    env->element_give(env->context, element);
}

static void ms_give(void *owner, struct reclaim_node *node)
{
    ms_discard(owner, node);
}

static int ms_prepare(void *queue, void **element)
{
    const struct queue_env *env = ((struct ms *)queue)->env;
    *element = env->element_take(env->context);
    return *element ? 0 : -ENOMEM;
}

static int ms_init(void *queue, const struct queue_env *env, const void *config)
{
    struct ms *q = queue;
    void *dummy;
    q->env = env;
    int error = ms_prepare(q, &dummy);
    if (error)
        return error;
    error = reclaim_init(&q->reclaim, (enum reclaim_kind)((const struct ms_config *)config)->reclaim, env, ms_give, q);
    if (error) {
        ms_discard(q, dummy);
        return error;
    }
    at_init(&((struct element *)dummy)->next, NULL);
    at_init(&q->head, dummy);
    at_init(&q->tail, dummy);
    tally_init(&q->tally);
    return 0;
}

static int ms_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)role;
    (void)kind;
    struct ms *q = queue;
    struct ms_handle *h = handle;
    h->slot = 0;
    h->record = reclaim_attach(&q->reclaim);
    if (!h->record)
        return -EAGAIN;
    tally_attach(&q->tally, &h->tally);
    return 0;
}

static void ms_detach(void *queue, void *handle)
{
    struct ms_handle *h = handle;
    reclaim_detach(h->record);
    tally_detach(&((struct ms *)queue)->tally, &h->tally);
}

// Links `e`, and leaves in *tail what it was linked behind.
static void ms_link(struct ms *q, struct ms_handle *h, struct element *e, struct element **tail)
{
    for (;;) {
        struct element *next = NULL;
        *tail = RECLAIM_PROTECT(h->record, h->slot,
                                at_load_sc(&q->tail, AT(ms_tail, ms_tail_move, ms_tail_help, ms_tail_pull)));
        if (at_cas_sc(&(*tail)->next, &next, e, AT(ms_link, ms_link, ms_next, ms_next_next)))
            return;
        at_cas_sc(&q->tail, tail, next, AT(ms_tail_help, ms_tail, ms_tail_look));
        tally_count(&h->tally, MS_RETRIES);
    }
}

static int ms_enqueue_prepared(void *queue, void *handle, void *element, uintptr_t item)
{
    struct ms *q = queue;
    struct ms_handle *h = handle;
    struct element *e = element, *tail;
    at_store_rlx(&e->next, NULL);
    PLAIN(e->item) = item;
    reclaim_enter(h->record);
    reclaim_announce_own(h->record, h->slot ^ 1, e);
    ms_link(q, h, e, &tail);
    at_cas_sc(&q->tail, &tail, e, AT(ms_tail_move, ms_tail, ms_tail_look));
    h->slot ^= 1;
    reclaim_leave(h->record);
    return QUEUE_OK;
}

static int ms_enqueue(void *queue, void *handle, uintptr_t item)
{
    void *element;
    const int error = ms_prepare(queue, &element);
    return error ? error : ms_enqueue_prepared(queue, handle, element, item);
}

// `next` follows `head`, and may be the last: sees to it that `tail` isn't at `head`.
static void ms_move_tail(struct ms *q, struct element *head, struct element *next)
{
    struct element *tail = at_load_sc(&q->tail, AT(ms_tail_look, ms_tail_move, ms_tail_help, ms_tail_pull));
    if (tail == head)
        at_cas_sc(&q->tail, &tail, next, AT(ms_tail_pull, ms_tail, ms_tail_look));
}

static int ms_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct ms *q = queue;
    struct ms_handle *h = handle;
    struct element *head, *next;
    reclaim_enter(h->record);
    for (;;) {
        head = RECLAIM_PROTECT(h->record, h->slot, at_load_sc(&q->head, AT(ms_head, ms_head_move)));
        next = at_load_sc(&head->next, AT(ms_next, ms_link));
        if (!next) {
            reclaim_leave(h->record);
            return QUEUE_EMPTY;
        }
        // While `head` is the dummy its successor is in the queue.
        if (reclaim_announce(h->record, h->slot ^ 1, next) &&
            at_load_sc(&q->head, AT(ms_head_again, ms_head_move)) != head)
            continue;
        if (!at_load_sc(&next->next, AT(ms_next_next, ms_link)))
            ms_move_tail(q, head, next);
        if (at_cas_sc(&q->head, &head, next, AT(ms_head_move, ms_head, ms_head_again, ms_head_move)))
            break;
        tally_count(&h->tally, MS_RETRIES);
    }
    *item = PLAIN(next->item);
    h->slot ^= 1;
    reclaim_retire(h->record, &head->retired);
    reclaim_leave(h->record);
    return QUEUE_OK;
}

static void ms_statistics(void *queue, struct queue_statistics *statistics)
{
    struct ms *q = queue;
    uint64_t waiting;
    reclaim_count(&q->reclaim, &statistics->reclaimed, &waiting);
    statistics->retries = tally_sum(&q->tally, MS_RETRIES);
}

static void ms_fini(void *queue)
{
    struct ms *q = queue;
    for (struct element *e = at_load_rlx(&q->head), *next; e; e = next) {
        next = at_load_rlx(&e->next);
        ms_discard(q, e);
    }
    reclaim_fini(&q->reclaim);
    tally_fini(&q->tally);
}

static const struct param ms_params[] = {
    PARAM_CHOICE(struct ms_config, reclaim, "hazard", reclaim_names,
                 "how memory is reclaimed; leak is no queue to use"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME michael_scott_loops
#define QUEUE_LOOPS_ENQUEUE ms_enqueue
#define QUEUE_LOOPS_DEQUEUE ms_dequeue
#include "core/queue_loops.h"

const struct queue_ops michael_scott_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "michael_scott",
    .summary = "the lock-free linked queue of Michael and Scott, with reclamation of your choice",
    .source = "Michael and Scott, PODC 1996, section 2",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_LOCK_FREE,
               .dequeue = QUEUE_LOCK_FREE,
               .empty_exact = true,
               .reclamation = "hazard pointers"},
    .params = ms_params,
    .config_size = sizeof(struct ms_config),
    .size = sizeof(struct ms),
    .align = _Alignof(struct ms),
    .handle_size = sizeof(struct ms_handle),
    .handle_align = _Alignof(struct ms_handle),
    .element_size = sizeof(struct element),
    .resolve = ms_resolve,
    .init = ms_init,
    .fini = ms_fini,
    .attach = ms_attach,
    .detach = ms_detach,
    .enqueue = ms_enqueue,
    .dequeue = ms_dequeue,
    .prepare = ms_prepare,
    .enqueue_prepared = ms_enqueue_prepared,
    .discard = ms_discard,
    .statistics = ms_statistics,
    .loops = &michael_scott_loops,
};
