// SPDX-License-Identifier: Apache-2.0
// The list of Concurrency Kit with hazard pointers, for any number of producers and consumers: Michael and Scott's.
//
// Source: Concurrency Kit, ck_hp_fifo.h and ck_hp.h; the algorithm is in M. Michael, "Hazard Pointers: Safe Memory
// Reclamation for Lock-Free Objects", IEEE Transactions on Parallel and Distributed Systems 15(6), 2004.
//
// May run at once: everything but init and fini.
//
// Progress: lock-free, as far as the environment's memory is; attach and detach take a mutex that no others take.
//
// A record of the library, once registered, is never taken out, and its own way to give one up drops the nodes that
// still wait in it. So records are kept by the queue with what waits in them, and serve one handle after the other.
#include <ck_hp_fifo.h>
#include <errno.h>

#include "core/queue.h"
#include "core/sync/lock.h"
#include "core/sync/sleep_fence.h"

struct hp_config {
    uint64_t threshold;
};

struct hp_node {
    ck_hp_fifo_entry_t entry; // first, so that an entry of the library is a node of ours
    const struct queue_env *env;
};

struct hp_record {
    ck_hp_record_t record;
    void *hazards[CK_HP_FIFO_SLOTS_COUNT] ALIGNED_LINE;
    struct hp_record *next;
};

struct hp_handle {
    struct hp_record *record;
};

struct hp {
    ck_hp_fifo_t fifo ALIGNED_LINE;
    ck_hp_t domain ALIGNED_LINE;
    struct lock lock;       // of the records that no handle has
    struct hp_record *idle; //
    const struct queue_env *env;
} ALIGNED_LINE;

static void hp_give(void *data)
{
    struct hp_node *node = data;
    node->env->element_give(node->env->context, node);
}

static struct hp_node *hp_take(const struct queue_env *env)
{
    struct hp_node *node = env->element_take(env->context);
    if (node)
        node->env = env;
    return node;
}

static int hp_init(void *queue, const struct queue_env *env, const void *config)
{
    struct hp *q = queue;
    struct hp_node *stub = hp_take(env);
    if (!stub)
        return -ENOMEM;
    q->env = env;
    q->idle = NULL;
    lock_init_ranked(&q->lock, LOCK_MUTEX, LOCK_RANK_LEAF, 0);
    ck_hp_init(&q->domain, CK_HP_FIFO_SLOTS_COUNT, (unsigned)((const struct hp_config *)config)->threshold, hp_give);
    ck_hp_fifo_init(&q->fifo, &stub->entry);
    return 0;
}

static struct hp_record *hp_record_make(struct hp *q)
{
    struct hp_record *made = q->env->alloc(q->env->context, sizeof *made, LINE_PAIR, -1);
    if (made)
        ck_hp_register(&q->domain, &made->record, made->hazards);
    return made;
}

static int hp_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)role;
    (void)kind;
    struct hp *q = queue;
    struct lock_node node;
    lock_acquire(&q->lock, &node);
    struct hp_record *record = q->idle;
    if (record)
        q->idle = record->next;
    lock_release(&q->lock, &node);
    if (!record)
        record = hp_record_make(q);
    ((struct hp_handle *)handle)->record = record;
    return record ? 0 : -ENOMEM;
}

static void hp_detach(void *queue, void *handle)
{
    struct hp *q = queue;
    struct hp_record *record = ((struct hp_handle *)handle)->record;
    struct lock_node node;
    ck_hp_clear(&record->record);
    lock_acquire(&q->lock, &node);
    record->next = q->idle;
    q->idle = record;
    lock_release(&q->lock, &node);
}

static int hp_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct hp *q = queue;
    struct hp_node *node = hp_take(q->env);
    if (!node)
        return -ENOMEM;
    ck_hp_fifo_enqueue_mpmc(&((struct hp_handle *)handle)->record->record, &q->fifo, &node->entry, (void *)item);
    SLEEP_FENCE(q->env);
    return QUEUE_OK;
}

static int hp_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct hp *q = queue;
    ck_hp_record_t *record = &((struct hp_handle *)handle)->record->record;
    void *value;
    SLEEP_FENCE(q->env);
    ck_hp_fifo_entry_t *entry = ck_hp_fifo_dequeue_mpmc(record, &q->fifo, &value);
    if (!entry)
        return QUEUE_EMPTY;
    *item = (uintptr_t)value;
    ck_hp_free(record, &entry->hazard, entry, entry);
    return QUEUE_OK;
}

static void hp_fini(void *queue)
{
    struct hp *q = queue;
    const struct queue_env *env = q->env;
    ck_hp_fifo_entry_t *entry, *next_entry;
    ck_hp_fifo_deinit(&q->fifo, &entry);
    for (; entry; entry = next_entry) {
        next_entry = entry->next;
        hp_give(entry);
    }
    for (struct hp_record *record = q->idle; record; record = record->next)
        ck_hp_purge(&record->record);
    for (struct hp_record *record = q->idle, *next; record; record = next) {
        next = record->next;
        env->free(env->context, record, sizeof *record, -1);
    }
    lock_fini(&q->lock);
}

static const struct param hp_params[] = {
    PARAM_U64(struct hp_config, threshold, "128", 1, 1u << 20, "nodes",
              "that wait in a handle before it looks which of them can be reused"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME ck_hp_fifo_loops
#define QUEUE_LOOPS_ENQUEUE hp_enqueue
#define QUEUE_LOOPS_DEQUEUE hp_dequeue
#include "core/queue_loops.h"

const struct queue_ops ck_hp_fifo_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "ck_hp_fifo",
    .summary = "list of Concurrency Kit, many to many, hazard pointers",
    .source = "Concurrency Kit, ck_hp_fifo.h",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_LOCK_FREE,
               .dequeue = QUEUE_LOCK_FREE,
               .empty_exact = true,
               .reclamation = "hazard pointers"},
    .params = hp_params,
    .config_size = sizeof(struct hp_config),
    .size = sizeof(struct hp),
    .align = _Alignof(struct hp),
    .handle_size = sizeof(struct hp_handle),
    .handle_align = _Alignof(struct hp_handle),
    .element_size = sizeof(struct hp_node),
    .init = hp_init,
    .fini = hp_fini,
    .attach = hp_attach,
    .detach = hp_detach,
    .enqueue = hp_enqueue,
    .dequeue = hp_dequeue,
    .loops = &ck_hp_fifo_loops,
};
