// SPDX-License-Identifier: Apache-2.0
// Vyukov's list for many producers and one consumer: an exchange takes the end of the list, a store links to it.
//
// Source: D. Vyukov, "Non-intrusive MPSC node-based queue", 1024cores.net, 2010. What differs: elements come from the
// environment and the first one is part of the queue; a gap is told from emptiness.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                        enqueue   dequeue   others
//     enqueue, enqueue_prepared                             -         -         -
//     dequeue                                               -         X         -
//     attach, detach, prepare, discard                      -         -         -
//
// Progress: enqueue is wait-free beside the allocator, one exchange and one store. Dequeue returns after few steps, but
// answers RETRY while a producer stands still between its two steps and all behind it is out of reach: blocking.
//
//     head (the element consumed last) -> e -> e    e -> last
//                                               gap
//
// An enqueue exchanges `last` for its element, which is when it takes its place, and then links the element that it
// found there to its own. In between, the list has a gap after the element found.
//
// Why nothing is freed under a producer. It touches one element of others, the one that it found in `last`, for the one
// store that links it; nobody else gets that element from `last` again. The consumer frees an element only when it
// reads that very link, to make the next one the dummy. So what is freed needs no protection.
//
// Why EMPTY is exact. The consumer reads no link at its dummy, and then `last`: if that is the dummy still, the
// exchange of every enqueue so far is behind it. Otherwise there is a gap: RETRY. Why no wake is lost although the link
// is a release store: EMPTY is said by `last` alone, and the exchange and that read are seq_cst, so a producer
// that was not seen finds the flag of the consumer cleared when it looks; and at RETRY nobody sleeps.
#include <errno.h>

#include "core/queue.h"
#include "core/sync/atomic.h"

struct element {
    _Atomic(struct element *) next;
    uintptr_t item;
};

struct vyukov_mpsc_tail {
    _Atomic(struct element *) last;
} ALIGNED_LINE;

struct vyukov_mpsc {
    struct vyukov_mpsc_tail tail;
    struct element *head ALIGNED_LINE; // the dummy; the consumer's
    struct element first;              // of the dummies; never given back
    const struct queue_env *env ALIGNED_LINE;
};

static int vyukov_mpsc_init(void *queue, const struct queue_env *env, const void *config)
{
    (void)config;
    struct vyukov_mpsc *q = queue;
    at_init(&q->first.next, NULL);
    at_init(&q->tail.last, &q->first);
    q->head = &q->first;
    q->env = env;
    return 0;
}

static int vyukov_mpsc_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void vyukov_mpsc_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static int vyukov_mpsc_prepare(void *queue, void **element)
{
    const struct queue_env *env = ((struct vyukov_mpsc *)queue)->env;
    *element = env->element_take(env->context);
    return *element ? 0 : -ENOMEM;
}

static void vyukov_mpsc_discard(void *queue, void *element)
{
    const struct queue_env *env = ((struct vyukov_mpsc *)queue)->env;
    env->element_give(env->context, element);
}

static int vyukov_mpsc_enqueue_prepared(void *queue, void *handle, void *element, uintptr_t item)
{
    (void)handle;
    struct vyukov_mpsc *q = queue;
    struct element *e = element;
    PLAIN(e->item) = item;
    at_store_rlx(&e->next, NULL);
    // Acquires nothing but the order of the element before: its owner set `next` to NULL before it was put there.
    struct element *before = at_xchg_sc(&q->tail.last, e, AT(vyukov_mpsc_place, vyukov_mpsc_place, vyukov_mpsc_look));
    at_store_rel(&before->next, e, AT(vyukov_mpsc_link, vyukov_mpsc_next));
    return QUEUE_OK;
}

static int vyukov_mpsc_enqueue(void *queue, void *handle, uintptr_t item)
{
    void *element;
    const int error = vyukov_mpsc_prepare(queue, &element);
    return error ? error : vyukov_mpsc_enqueue_prepared(queue, handle, element, item);
}

static int vyukov_mpsc_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct vyukov_mpsc *q = queue;
    struct element *dummy = q->head, *e = at_load_acq(&dummy->next, AT(vyukov_mpsc_next, vyukov_mpsc_link));
    if (!e)
        return at_load_sc(&q->tail.last, AT(vyukov_mpsc_look, vyukov_mpsc_place)) == dummy ? QUEUE_EMPTY : QUEUE_RETRY;
    *item = PLAIN(e->item);
    q->head = e;
    if (dummy != &q->first)
        vyukov_mpsc_discard(q, dummy);
    return QUEUE_OK;
}

static void vyukov_mpsc_fini(void *queue)
{
    struct vyukov_mpsc *q = queue;
    for (struct element *e = q->head, *next; e; e = next) {
        next = at_load_rlx(&e->next);
        if (e != &q->first)
            vyukov_mpsc_discard(q, e);
    }
}

#define QUEUE_LOOPS_NAME vyukov_mpsc_loops
#define QUEUE_LOOPS_ENQUEUE vyukov_mpsc_enqueue
#define QUEUE_LOOPS_DEQUEUE vyukov_mpsc_dequeue
#include "core/queue_loops.h"

const struct queue_ops vyukov_mpsc_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "vyukov_mpsc",
    .summary = "Vyukov's list, many to one: an exchange takes the end, a store links",
    .source = "D. Vyukov, non-intrusive MPSC node-based queue, 1024cores.net, 2010",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_ONE,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_WAIT_FREE,
               .dequeue = QUEUE_BLOCKING,
               .empty_exact = true,
               .reclamation = "none needed"},
    .params = (const struct param[]){PARAM_END},
    .size = sizeof(struct vyukov_mpsc),
    .align = _Alignof(struct vyukov_mpsc),
    .handle_align = 1,
    .element_size = sizeof(struct element),
    .init = vyukov_mpsc_init,
    .fini = vyukov_mpsc_fini,
    .attach = vyukov_mpsc_attach,
    .detach = vyukov_mpsc_detach,
    .enqueue = vyukov_mpsc_enqueue,
    .dequeue = vyukov_mpsc_dequeue,
    .prepare = vyukov_mpsc_prepare,
    .enqueue_prepared = vyukov_mpsc_enqueue_prepared,
    .discard = vyukov_mpsc_discard,
    .loops = &vyukov_mpsc_loops,
};
