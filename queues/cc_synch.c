// SPDX-License-Identifier: Apache-2.0
// A linked list whose two ends are each served by combining: a thread that finds others waiting behind it does their
// operations too, so that the list stays in its cache.
//
// Source: P. Fatourou and N. Kallimanis, "Revisiting the Combining Synchronization Technique", PPoPP 2012: CC-Synch,
// and CC-Queue, which is the two-lock queue of M. Michael and M. Scott (PODC 1996) with a CC-Synch in place of each
// lock. Here their two flags of a request, wait and completed, are one word; elements are taken before an operation is
// announced and given back by who announced it, so that no allocator is called for others; and requests are lent from
// attach to detach, since threads come and go.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                       enqueue   dequeue   others
//     enqueue, enqueue_prepared                            -         -         -
//     dequeue                                              -         -         -
//     attach, detach, prepare, discard, length             -         -         -
//
// Progress: enqueue and dequeue wait for the thread that serves them, or for their turn to serve; attach and detach
// take a mutex; the others are wait-free. One thread serves `most` operations at a time.
//
// Requests form a line, oldest first. `tail` is a blank at its end, which belongs to nobody. To announce an operation
// is to put an own blank there by an exchange, to fill in the former one, and to link it to the new one: so each thread
// has a request again, though not the same, and adds to the line without a loop. The first in line serves: it was told
// SERVE by the one before. It goes along the links, and tells each DONE; where no link follows yet, or after `most`, it
// tells SERVE to the next instead, which may be the blank: whoever fills that in need not wait then.
//
// A request told DONE is its thread's again at once, so its link is read before. The words of a request, and those of
// the list's end, go from thread to thread by the link (release, acquire) towards who serves, and by DONE and SERVE
// back. The two ends meet in the links of elements only. A producer's fence for sleepers comes after DONE, which comes
// after its element was linked, whoever did that; a consumer's comes before its request, which comes before the look.
#include <errno.h>

#include "core/queue.h"
#include "core/sync/atomic.h"
#include "core/sync/lock.h"
#include "core/sync/sleep_fence.h"
#include "core/sync/thread.h"

struct cc_config {
    uint64_t most;
};

struct element {
    _Atomic(struct element *) next;
    uintptr_t item;
};

enum cc_told { CC_WAIT, CC_DONE, CC_SERVE };

struct cc_request {
    _Atomic(struct cc_request *) next;
    _Atomic uint32_t told;
    struct element *element; // to be linked; or, in the answer, the one that is free now: NULL if there was no item
    uintptr_t item;          // in the answer
} ALIGNED_LINE;

// One CC-Synch.
struct cc_line {
    _Atomic(struct cc_request *) tail;
    struct cc_request *idle ALIGNED_LINE; // not lent, in a chain; guarded by the queue's lock
    struct cc_request *requests;          // all of them
    unsigned count;                       //
} ALIGNED_LINE;

// One end of the list, written by who serves there.
struct cc_end {
    struct element *element;
    _Atomic uint64_t moved; // items
} ALIGNED_LINE;

struct cc_queue {
    struct cc_line lines[2]; // by role
    struct cc_end last;
    struct cc_end first; // `element` is the dummy in front of the first item
    struct lock lock;    // of attach and detach
    uint64_t most;       //
    const struct queue_env *env;
};

struct cc_handle {
    struct cc_request *request;
    struct cc_line *line;
} ALIGNED_LINE;

static void cc_line_fini(struct cc_queue *q, struct cc_line *line)
{
    if (line->requests)
        q->env->free(q->env->context, line->requests, line->count * sizeof *line->requests, q->env->node);
}

// One request for each handle, and the blank.
static int cc_line_init(struct cc_queue *q, struct cc_line *line, unsigned handles)
{
    line->count = handles + 1;
    line->requests = q->env->alloc(q->env->context, line->count * sizeof *line->requests, LINE_PAIR, q->env->node);
    if (!line->requests)
        return -ENOMEM;
    for (unsigned i = 0; i < line->count; i++)
        at_init(&line->requests[i].next, i > 1 ? &line->requests[i - 1] : NULL);
    line->idle = handles ? &line->requests[handles] : NULL;
    at_init(&line->requests[0].told, CC_SERVE);
    at_init(&line->tail, &line->requests[0]);
    return 0;
}

static int cc_init(void *queue, const struct queue_env *env, const void *config)
{
    struct cc_queue *q = queue;
    struct element *dummy = env->element_take(env->context);
    if (!dummy)
        return -ENOMEM;
    *q = (struct cc_queue){.most = ((const struct cc_config *)config)->most, .env = env};
    if (cc_line_init(q, &q->lines[QUEUE_PRODUCER], env->producers_max) != 0 ||
        cc_line_init(q, &q->lines[QUEUE_CONSUMER], env->consumers_max) != 0) {
        cc_line_fini(q, &q->lines[QUEUE_PRODUCER]);
        env->element_give(env->context, dummy);
        return -ENOMEM;
    }
    at_init(&dummy->next, NULL);
    q->last.element = q->first.element = dummy;
    at_init(&q->last.moved, 0);
    at_init(&q->first.moved, 0);
    lock_init(&q->lock, LOCK_MUTEX);
    return 0;
}

static int cc_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)kind;
    struct cc_queue *q = queue;
    struct cc_handle *h = handle;
    struct lock_node node;
    h->line = &q->lines[role];
    lock_acquire(&q->lock, &node);
    h->request = h->line->idle;
    if (h->request)
        h->line->idle = at_load_rlx(&h->request->next);
    lock_release(&q->lock, &node);
    return h->request ? 0 : -ENOMEM;
}

static void cc_detach(void *queue, void *handle)
{
    struct cc_queue *q = queue;
    const struct cc_handle *h = handle;
    struct lock_node node;
    lock_acquire(&q->lock, &node);
    at_store_rlx(&h->request->next, h->line->idle);
    h->line->idle = h->request;
    lock_release(&q->lock, &node);
}

static inline void cc_append(struct cc_queue *q, struct cc_request *request)
{
    struct element *e = PLAIN(request->element);
    at_store_rel(&q->last.element->next, e, AT(cc_append, cc_remove));
    q->last.element = e;
    at_store_rlx(&q->last.moved, at_load_rlx(&q->last.moved) + 1);
}

static inline void cc_remove(struct cc_queue *q, struct cc_request *request)
{
    struct element *dummy = q->first.element, *next = at_load_acq(&dummy->next, AT(cc_remove, cc_append));
    if (!next)
        dummy = NULL;
    else {
        PLAIN(request->item) = PLAIN(next->item);
        q->first.element = next;
        at_store_rlx(&q->first.moved, at_load_rlx(&q->first.moved) + 1);
    }
    PLAIN(request->element) = dummy;
}

static inline void cc_work(struct cc_queue *q, enum queue_role role, struct cc_request *request)
{
    if (role == QUEUE_PRODUCER)
        cc_append(q, request);
    else
        cc_remove(q, request);
}

// Does the operation of `own`, which was told SERVE, and of those that stand in line behind it.
static inline void cc_serve(struct cc_queue *q, enum queue_role role, struct cc_request *own)
{
    struct cc_request *request = own, *next = at_load_rlx(&own->next);
    uint64_t served = 0;
    do {
        cc_work(q, role, request);
        if (request != own)
            at_store_rel(&request->told, CC_DONE, AT(cc_tell_done, cc_await));
        request = next;
        next = at_load_acq(&request->next, AT(cc_follow, cc_link));
    } while (next && ++served < q->most);
    at_store_rel(&request->told, CC_SERVE, AT(cc_tell_serve, cc_await));
}

// Has one operation done. The answer stays with the handle until its next one.
static inline const struct cc_request *cc_run(struct cc_queue *q, struct cc_handle *h, enum queue_role role,
                                              struct element *element)
{
    struct cc_request *blank = h->request;
    at_store_rlx(&blank->next, NULL);
    at_store_rlx(&blank->told, CC_WAIT);
    struct cc_request *request = at_xchg_ar(&q->lines[role].tail, blank, AT(cc_join, cc_join));
    h->request = request;
    PLAIN(request->element) = element;
    at_store_rel(&request->next, blank, AT(cc_link, cc_follow));
    uint32_t told;
    SPIN_UNTIL((told = at_load_acq(&request->told, AT(cc_await, cc_tell_done, cc_tell_serve))) != CC_WAIT);
    if (told == CC_SERVE)
        cc_serve(q, role, request);
    return request;
}

static int cc_prepare(void *queue, void **element)
{
    const struct queue_env *env = ((struct cc_queue *)queue)->env;
    *element = env->element_take(env->context);
    return *element ? 0 : -ENOMEM;
}

static void cc_discard(void *queue, void *element)
{
    const struct queue_env *env = ((struct cc_queue *)queue)->env;
    env->element_give(env->context, element);
}

static int cc_enqueue_prepared(void *queue, void *handle, void *element, uintptr_t item)
{
    struct cc_queue *q = queue;
    struct element *e = element;
    at_init(&e->next, NULL);
    PLAIN(e->item) = item;
    cc_run(q, handle, QUEUE_PRODUCER, e);
    SLEEP_FENCE(q->env);
    return QUEUE_OK;
}

static int cc_enqueue(void *queue, void *handle, uintptr_t item)
{
    void *element;
    const int error = cc_prepare(queue, &element);
    return error ? error : cc_enqueue_prepared(queue, handle, element, item);
}

static int cc_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct cc_queue *q = queue;
    SLEEP_FENCE(q->env);
    const struct cc_request *answer = cc_run(q, handle, QUEUE_CONSUMER, NULL);
    if (!PLAIN(answer->element))
        return QUEUE_EMPTY;
    *item = PLAIN(answer->item);
    cc_discard(q, PLAIN(answer->element));
    return QUEUE_OK;
}

static uint64_t cc_length(void *queue)
{
    struct cc_queue *q = queue;
    const uint64_t out = at_load_rlx(&q->first.moved), in = at_load_rlx(&q->last.moved);
    return in > out ? in - out : 0;
}

static void cc_fini(void *queue)
{
    struct cc_queue *q = queue;
    for (struct element *e = q->first.element, *next; e; e = next) {
        next = at_load_rlx(&e->next);
        cc_discard(q, e);
    }
    cc_line_fini(q, &q->lines[QUEUE_PRODUCER]);
    cc_line_fini(q, &q->lines[QUEUE_CONSUMER]);
    lock_fini(&q->lock);
}

static const struct param cc_params[] = {
    PARAM_U64(struct cc_config, most, "64", 1, UINT32_MAX, "operations", "operations that one thread serves in a row"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME cc_synch_loops
#define QUEUE_LOOPS_ENQUEUE cc_enqueue
#define QUEUE_LOOPS_DEQUEUE cc_dequeue
#include "core/queue_loops.h"

const struct queue_ops cc_synch_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "cc_synch",
    .summary = "a linked list with a combining line at each end: who comes first serves those behind",
    .source = "CC-Queue of Fatourou and Kallimanis, PPoPP 2012",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_BLOCKING,
               .dequeue = QUEUE_BLOCKING,
               .empty_exact = true,
               .reclamation = "none needed"},
    .params = cc_params,
    .config_size = sizeof(struct cc_config),
    .size = sizeof(struct cc_queue),
    .align = _Alignof(struct cc_queue),
    .handle_size = sizeof(struct cc_handle),
    .handle_align = _Alignof(struct cc_handle),
    .element_size = sizeof(struct element),
    .init = cc_init,
    .fini = cc_fini,
    .attach = cc_attach,
    .detach = cc_detach,
    .enqueue = cc_enqueue,
    .dequeue = cc_dequeue,
    .prepare = cc_prepare,
    .enqueue_prepared = cc_enqueue_prepared,
    .discard = cc_discard,
    .length = cc_length,
    .loops = &cc_synch_loops,
};
