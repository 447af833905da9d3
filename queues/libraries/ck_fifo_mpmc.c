// SPDX-License-Identifier: Apache-2.0
// The list of Concurrency Kit for any number of producers and consumers: Michael and Scott's, with counted pointers.
//
// Source: Concurrency Kit, ck_fifo.h, the functions whose names begin with ck_fifo_mpmc; the algorithm is in M. Michael
// and M. Scott, "Simple, Fast, and Practical Non-Blocking and Blocking Concurrent Queue Algorithms", PODC 1996.
//
// May run at once: everything but init and fini.
//
// Progress: lock-free, as far as the environment's memory is.
//
// Nodes may be read after their end, by who still holds an address; the counters tell it then. So a node stays a node
// until fini: a consumer collects those that it unlinked and leaves them in stacks of `batch` to the producers, who
// come for a whole stack at a time. The stacks stand in a stack themselves, with a counter beside its top.
//
// What the library breaks (0.7.1). Its dequeue reads `head`, `tail` and the successor of the first node, and answers
// EMPTY where the two are equal and there is no successor, without looking whether `head` is still what it read first,
// as the paper does. Meanwhile the node may have been dequeued, used again, and linked as the last one:
//
//     A, dequeue:   reads head = X
//     B:            dequeues all up to X and beyond, enqueues Y, and then another item in node X
//     A:            reads tail = X, and no successor: EMPTY, with Y and more in the queue
#include <ck_fifo.h>
#include <errno.h>

#include "core/queue.h"
#include "core/sync/atomic.h"
#include "core/sync/sleep_fence.h"

struct fifo_config {
    uint64_t batch;
};

struct fifo_node {
    ck_fifo_mpmc_entry_t entry; // first, so that an entry of the library is a node of ours
    struct fifo_node *below;    // in the same stack
    _Atomic uint64_t next;      // the top of the next stack; of a top
};

// A stack of spare nodes, of one thread.
struct fifo_handle {
    struct fifo_node *top;
    uint64_t count; // of a consumer's
};

struct fifo {
    ck_fifo_mpmc_t fifo;
    struct word_pair spare ALIGNED_LINE; // top of the uppermost stack; how often it changed
    const struct queue_env *env ALIGNED_LINE;
    uint64_t batch;
} ALIGNED_LINE;

static int fifo_init(void *queue, const struct queue_env *env, const void *config)
{
    struct fifo *q = queue;
    struct fifo_node *stub = env->element_take(env->context);
    if (!stub)
        return -ENOMEM;
    q->env = env;
    q->batch = ((const struct fifo_config *)config)->batch;
    at_init(&q->spare.low, 0);
    at_init(&q->spare.high, 0);
    ck_fifo_mpmc_init(&q->fifo, &stub->entry);
    return 0;
}

static int fifo_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)role;
    (void)kind;
    *(struct fifo_handle *)handle = (struct fifo_handle){0};
    return 0;
}

// Leaves a stack, which is not empty, to others.
static void fifo_leave(struct fifo *q, struct fifo_handle *h)
{
    uint64_t count, top;
    do {
        count = at_load_rlx(&q->spare.high);
        top = at_load_rlx(&q->spare.low);
        at_store_rlx(&h->top->next, top);
    } while (!at_cas2_sc(&q->spare, top, count, (uintptr_t)h->top, count + 1,
                         AT(ck_fifo_leave, ck_fifo_count, ck_fifo_top, ck_fifo_fetch)));
    *h = (struct fifo_handle){0};
}

// Takes the uppermost stack, if there is one. Its top may have been taken meanwhile, and stays a node all the same; the
// count, which is read first, tells.
static void fifo_fetch(struct fifo *q, struct fifo_handle *h)
{
    uint64_t count, next;
    struct fifo_node *top;
    do {
        count = at_load_acq(&q->spare.high, AT(ck_fifo_count, ck_fifo_leave));
        top = (struct fifo_node *)(uintptr_t)at_load_acq(&q->spare.low, AT(ck_fifo_top, ck_fifo_leave));
        if (!top)
            return;
        next = at_load_rlx(&top->next);
    } while (!at_cas2_sc(&q->spare, (uintptr_t)top, count, next, count + 1, AT(ck_fifo_fetch, ck_fifo_leave)));
    h->top = top;
}

static void fifo_detach(void *queue, void *handle)
{
    struct fifo_handle *h = handle;
    if (h->top)
        fifo_leave(queue, h);
}

static int fifo_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct fifo *q = queue;
    struct fifo_handle *h = handle;
    if (!h->top)
        fifo_fetch(q, h);
    struct fifo_node *node = h->top;
    if (node)
        h->top = node->below;
    else
        node = q->env->element_take(q->env->context);
    if (!node)
        return -ENOMEM;
    ck_fifo_mpmc_enqueue(&q->fifo, &node->entry, (void *)item);
    SLEEP_FENCE(q->env);
    return QUEUE_OK;
}

static int fifo_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct fifo *q = queue;
    struct fifo_handle *h = handle;
    void *value;
    ck_fifo_mpmc_entry_t *entry;
    SLEEP_FENCE(q->env);
    if (!ck_fifo_mpmc_dequeue(&q->fifo, &value, &entry))
        return QUEUE_EMPTY;
    *item = (uintptr_t)value;
    struct fifo_node *node = (struct fifo_node *)entry;
    node->below = h->top;
    h->top = node;
    if (++h->count == q->batch)
        fifo_leave(q, h);
    return QUEUE_OK;
}

static void fifo_fini(void *queue)
{
    struct fifo *q = queue;
    struct fifo_handle spare = {0};
    ck_fifo_mpmc_entry_t *entry, *next;
    ck_fifo_mpmc_deinit(&q->fifo, &entry);
    for (; entry; entry = next) {
        next = entry->next.pointer;
        q->env->element_give(q->env->context, entry);
    }
    for (fifo_fetch(q, &spare); spare.top; fifo_fetch(q, &spare)) {
        while (spare.top) {
            struct fifo_node *node = spare.top;
            spare.top = node->below;
            q->env->element_give(q->env->context, node);
        }
    }
}

static const struct param fifo_params[] = {
    PARAM_U64(struct fifo_config, batch, "32", 1, 1u << 20, "nodes", "that a consumer leaves to producers at once"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME ck_fifo_mpmc_loops
#define QUEUE_LOOPS_ENQUEUE fifo_enqueue
#define QUEUE_LOOPS_DEQUEUE fifo_dequeue
#include "core/queue_loops.h"

const struct queue_ops ck_fifo_mpmc_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "ck_fifo_mpmc",
    .summary = "list of Concurrency Kit, many to many, nodes reused at once",
    .source = "Concurrency Kit, ck_fifo.h (mpmc)",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_LOCK_FREE,
               .dequeue = QUEUE_LOCK_FREE,
               .empty_exact = true,
               .reclamation = "counted pointers",
               .needs_cas2 = true},
    .params = fifo_params,
    .config_size = sizeof(struct fifo_config),
    .size = sizeof(struct fifo),
    .align = _Alignof(struct fifo),
    .handle_size = sizeof(struct fifo_handle),
    .handle_align = _Alignof(struct fifo_handle),
    .element_size = sizeof(struct fifo_node),
    .init = fifo_init,
    .fini = fifo_fini,
    .attach = fifo_attach,
    .detach = fifo_detach,
    .enqueue = fifo_enqueue,
    .dequeue = fifo_dequeue,
    .loops = &ck_fifo_mpmc_loops,
};
