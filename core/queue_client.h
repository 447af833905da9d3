// SPDX-License-Identifier: Apache-2.0
// A queue as its users (pool, workloads, tests) hold it: memory, traits and configuration together, with the
// generic fallback for every optional operation. The author of a queue need not read this.
#ifndef READYQ_QUEUE_CLIENT_H
#define READYQ_QUEUE_CLIENT_H

#include "core/fault.h"
#include "core/inject.h"
#include "core/queue.h"
#include "core/queue_loops.h"

// A queue chosen by the user: "list:lock=ticket,capacity=64", parsed (core/run/params.h) and resolved.
struct queue_choice {
    const struct queue_entry *entry; // the listed name that was asked for
    void *config;                    // ops->config_size bytes, owned by whoever parsed it
    struct queue_traits traits;      // as resolved from `config`
    const char *params;              // all parameters with their values, "lock=ticket;capacity=64"; "" if none
};

// What a user of a queue needs of it, to hold against its traits.
struct queue_demand {
    const char *what;   // "job queue", "ready queue", ... for the sentence
    unsigned producers; // threads that will enqueue
    unsigned consumers; // threads that will dequeue
    bool must_be_exact; // a sleeping consumer relies on it: baseline queues and inexact EMPTY are refused
};

// 0, or -EINVAL and one sentence that names the trait that does not allow it.
int queue_demand_check(const struct queue_choice *choice, const struct queue_demand *demand, struct fault *fault);

// One thread's access to one queue. Used by that thread only.
struct queue_client {
    const struct queue_ops *ops; // NULL: not attached
    void *queue;                 //
    void *handle;                //
    uintptr_t kept;              // item that an emulated inspect already took out; 0: none
};

// One queue with its memory.
struct queue {
    const struct queue_choice *choice; // outlives the queue
    const struct queue_ops *ops;       //
    struct queue_env env;              // a copy; env.context and what it names outlive the queue
    void *memory;                      //
};

// Makes the queue on env->node. 0, or a negative errno with a sentence.
int queue_open(struct queue *queue, const struct queue_choice *choice, const struct queue_env *env,
               struct fault *fault);
void queue_close(struct queue *queue);

// Attaches the calling thread (memory for the handle comes from the queue's env). 0 or a negative errno.
int queue_client_attach(struct queue_client *client, struct queue *queue, enum queue_role role,
                        enum queue_thread_kind kind);
// The two halves, for who must not fail later for want of memory: any thread may reserve. A client that was only
// reserved is given back by queue_client_detach too.
int queue_client_reserve(struct queue_client *client, struct queue *queue);
int queue_client_attach_reserved(struct queue_client *client, struct queue *queue, enum queue_role role,
                                 enum queue_thread_kind kind);
// Detaches the calling thread, which attached. Does nothing on a client that is not attached.
void queue_client_detach(struct queue_client *client, struct queue *queue);

// The operations of struct queue_ops, falling back where the queue has none. Same results, same rules.
static inline int queue_enqueue(struct queue_client *client, uintptr_t item)
{
    const int result = client->ops->enqueue(client->queue, client->handle, item);
    inject_enqueued(result == QUEUE_OK);
    return result;
}

static inline int queue_dequeue(struct queue_client *client, uintptr_t *item)
{
    if (__builtin_expect(client->kept != 0, 0)) {
        *item = client->kept;
        client->kept = 0;
        return QUEUE_OK;
    }
    const int result = client->ops->dequeue(client->queue, client->handle, item);
    inject_dequeued(result == QUEUE_OK);
    return result;
}

// `*element` is NULL where prepare is emulated; enqueue_prepared and discard accept that.
static inline int queue_prepare(struct queue *queue, void **element)
{
    *element = NULL;
    return queue->ops->prepare ? queue->ops->prepare(queue->memory, element) : 0;
}

static inline int queue_enqueue_prepared(struct queue_client *client, void *element, uintptr_t item)
{
    if (!element)
        return queue_enqueue(client, item);
    const int result = client->ops->enqueue_prepared(client->queue, client->handle, element, item);
    inject_enqueued(result == QUEUE_OK);
    return result;
}

// Up to `count` items in order; at fewer, *result says why as queue_enqueue and queue_dequeue would. Emulated they are
// single operations, one after the other.
static inline unsigned queue_enqueue_batch(struct queue_client *client, const uintptr_t *items, unsigned count,
                                           int *result)
{
    unsigned done = 0;
    *result = QUEUE_OK;
    if (client->ops->enqueue_batch) {
        done = client->ops->enqueue_batch(client->queue, client->handle, items, count, result);
        inject_enqueued(done);
        return done;
    }
    while (done < count && (*result = queue_enqueue(client, items[done])) == QUEUE_OK)
        done++;
    return done;
}

static inline unsigned queue_dequeue_batch(struct queue_client *client, uintptr_t *items, unsigned count, int *result)
{
    unsigned done = 0;
    *result = QUEUE_OK;
    if (client->ops->dequeue_batch && !client->kept) {
        done = client->ops->dequeue_batch(client->queue, client->handle, items, count, result);
        inject_dequeued(done);
        return done;
    }
    while (done < count && (*result = queue_dequeue(client, &items[done])) == QUEUE_OK)
        done++;
    return done;
}

static inline void queue_discard(struct queue *queue, void *element)
{
    if (element)
        queue->ops->discard(queue->memory, element);
}

static inline enum queue_clean_state queue_clean(struct queue_client *client, uint64_t *progress)
{
    return client->ops->clean ? client->ops->clean(client->queue, client->handle, progress) : QUEUE_CLEAN;
}

// The emulation takes an item out and keeps it for the next queue_dequeue.
enum queue_clean_state queue_inspect(struct queue_client *client, bool ensure_empty, uint64_t *progress);

static inline bool queue_take_garbage(struct queue_client *client, struct garbage_chain *chain)
{
    return client->ops->take_garbage && client->ops->take_garbage(client->queue, client->handle, chain);
}

static inline void queue_notify(const struct queue *queue)
{
    if (!queue->choice->traits.notifies && queue->env.notify)
        queue->env.notify(queue->env.notify_argument);
}

// What it counts; the rest is QUEUE_UNCOUNTED. By the consumer, or anyone when no thread is inside.
void queue_statistics(struct queue *queue, struct queue_statistics *statistics);

// Number of items as the queue tells it, or QUEUE_UNCOUNTED.
uint64_t queue_length(struct queue *queue);

// The timed loops through the vtable; for direct calls see queue_ops.loops.
extern const struct queue_loops queue_vtable_loops;

#endif
