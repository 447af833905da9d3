// SPDX-License-Identifier: Apache-2.0
// The queue of liburcu, with wait-free enqueue: a list whose producers swap themselves in at its end and link
// themselves up afterwards.
//
// Source: Userspace RCU, urcu/wfcqueue.h. The functions inside of the library are called, and not its inline ones,
// which are meant for programs under the LGPL: a call through a table for each operation.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                       enqueue   dequeue   others
//     enqueue, prepare, discard            -         -         -
//     dequeue                              -         X         -         (-, with a lock around)
//     attach, detach                       -         -         -
//
// Progress: enqueue is wait-free, as far as the environment's memory is. A producer that has swapped and not yet linked
// hides what stands behind it, so that dequeue blocks: the answer is QUEUE_RETRY meanwhile, where the library's
// blocking function would sleep for 10 ms. EMPTY is found at the swapped end, and so is exact.
#include <errno.h>
#include <urcu/wfcqueue.h>

#include "core/queue.h"
#include "core/sync/atomic.h"
#include "core/sync/sleep_fence.h"

struct wfc_config {
    uint64_t lock; // around dequeue: none, mutex
};

struct wfc_node {
    struct cds_wfcq_node node; // first, so that a node of the library is one of ours
    uintptr_t item;
};

struct wfc {
    struct cds_wfcq_head head ALIGNED_LINE;
    struct cds_wfcq_tail tail ALIGNED_LINE;
    const struct queue_env *env ALIGNED_LINE;
    bool locked;
};

static void wfc_resolve(const void *config, struct queue_traits *traits)
{
    traits->consumers = ((const struct wfc_config *)config)->lock ? QUEUE_MANY : QUEUE_ONE;
}

static int wfc_init(void *queue, const struct queue_env *env, const void *config)
{
    struct wfc *q = queue;
    q->env = env;
    q->locked = ((const struct wfc_config *)config)->lock != 0;
    cds_wfcq_init(&q->head, &q->tail);
    return 0;
}

static int wfc_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void wfc_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static int wfc_prepare(void *queue, void **element)
{
    const struct queue_env *env = ((struct wfc *)queue)->env;
    *element = env->element_take(env->context);
    return *element ? 0 : -ENOMEM;
}

static void wfc_discard(void *queue, void *element)
{
    const struct queue_env *env = ((struct wfc *)queue)->env;
    env->element_give(env->context, element);
}

static int wfc_enqueue_prepared(void *queue, void *handle, void *element, uintptr_t item)
{
    (void)handle;
    struct wfc *q = queue;
    struct wfc_node *node = element;
    node->item = item;
    cds_wfcq_node_init(&node->node);
    cds_wfcq_enqueue(&q->head, &q->tail, &node->node);
    SLEEP_FENCE(q->env);
    return QUEUE_OK;
}

static int wfc_enqueue(void *queue, void *handle, uintptr_t item)
{
    void *element;
    const int error = wfc_prepare(queue, &element);
    return error ? error : wfc_enqueue_prepared(queue, handle, element, item);
}

static int wfc_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct wfc *q = queue;
    SLEEP_FENCE(q->env);
    if (q->locked)
        cds_wfcq_dequeue_lock(&q->head, &q->tail);
    struct cds_wfcq_node *node = __cds_wfcq_dequeue_nonblocking(&q->head, &q->tail);
    if (q->locked)
        cds_wfcq_dequeue_unlock(&q->head, &q->tail);
    if (!node)
        return QUEUE_EMPTY;
    if (node == CDS_WFCQ_WOULDBLOCK)
        return QUEUE_RETRY;
    *item = ((struct wfc_node *)node)->item;
    wfc_discard(q, node);
    return QUEUE_OK;
}

static void wfc_fini(void *queue)
{
    struct wfc *q = queue;
    struct cds_wfcq_node *node;
    while ((node = __cds_wfcq_dequeue_nonblocking(&q->head, &q->tail)))
        wfc_discard(q, node);
    cds_wfcq_destroy(&q->head, &q->tail);
}

static const char *const wfc_locks[] = {"none", "mutex", NULL};

static const struct param wfc_params[] = {
    PARAM_CHOICE(struct wfc_config, lock, "none", wfc_locks, "around dequeue; with the mutex, any number of consumers"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME urcu_wfcqueue_loops
#define QUEUE_LOOPS_ENQUEUE wfc_enqueue
#define QUEUE_LOOPS_DEQUEUE wfc_dequeue
#include "core/queue_loops.h"

const struct queue_ops urcu_wfcqueue_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "urcu_wfcqueue",
    .summary = "wfcqueue of liburcu, wait-free enqueue, many to one",
    .source = "Userspace RCU, wfcqueue",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_ONE,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_WAIT_FREE,
               .dequeue = QUEUE_BLOCKING,
               .empty_exact = true,
               .reclamation = "none needed"},
    .params = wfc_params,
    .config_size = sizeof(struct wfc_config),
    .size = sizeof(struct wfc),
    .align = _Alignof(struct wfc),
    .handle_align = 1,
    .element_size = sizeof(struct wfc_node),
    .resolve = wfc_resolve,
    .init = wfc_init,
    .fini = wfc_fini,
    .attach = wfc_attach,
    .detach = wfc_detach,
    .enqueue = wfc_enqueue,
    .dequeue = wfc_dequeue,
    .prepare = wfc_prepare,
    .enqueue_prepared = wfc_enqueue_prepared,
    .discard = wfc_discard,
    .loops = &urcu_wfcqueue_loops,
};
