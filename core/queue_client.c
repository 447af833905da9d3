// SPDX-License-Identifier: Apache-2.0
#include "core/queue_client.h"

#include <errno.h>
#include <string.h>

int queue_demand_check(const struct queue_choice *choice, const struct queue_demand *demand, struct fault *fault)
{
    const struct queue_traits *traits = &choice->traits;
    const char *name = choice->entry->name;
    if (traits->producers == QUEUE_ONE && demand->producers > 1)
        return fault_set(fault, -EINVAL, "the queue %s allows one producer (trait producers), but the %s has %u", name,
                         demand->what, demand->producers);
    if (traits->consumers == QUEUE_ONE && demand->consumers > 1)
        return fault_set(fault, -EINVAL, "the queue %s allows one consumer (trait consumers), but the %s has %u", name,
                         demand->what, demand->consumers);
    if (choice->entry->broken && demand->must_be_exact)
        return fault_set(fault, -EINVAL, "the queue %s is broken (%s), so it can't be the %s", name,
                         choice->entry->broken, demand->what);
    if (traits->baseline && demand->must_be_exact)
        return fault_set(fault, -EINVAL, "%s is a baseline and no queue (trait baseline), so it can't be the %s", name,
                         demand->what);
    if (!traits->empty_exact && demand->must_be_exact)
        return fault_set(fault, -EINVAL,
                         "the queue %s may answer EMPTY while it holds items (trait empty_exact), which would let the "
                         "consumer of the %s sleep for ever",
                         name, demand->what);
    return 0;
}

int queue_open(struct queue *queue, const struct queue_choice *choice, const struct queue_env *env, struct fault *fault)
{
    const struct queue_ops *ops = choice->entry->ops;
    *queue = (struct queue){.choice = choice, .ops = ops, .env = *env};
    queue->memory = env->alloc(env->context, ops->size, ops->align, env->node);
    if (!queue->memory)
        return fault_set(fault, -ENOMEM, "no memory for the queue %s (%zu bytes)", choice->entry->name, ops->size);
    const int error = ops->init(queue->memory, &queue->env, choice->config);
    if (error) {
        env->free(env->context, queue->memory, ops->size, env->node);
        queue->memory = NULL;
        return fault_set(fault, error, "the queue %s with %s can't be made: %s", choice->entry->name,
                         choice->params && *choice->params ? choice->params : "no parameters", strerror(-error));
    }
    return 0;
}

void queue_close(struct queue *queue)
{
    if (!queue->memory)
        return;
    queue->ops->fini(queue->memory);
    queue->env.free(queue->env.context, queue->memory, queue->ops->size, queue->env.node);
    queue->memory = NULL;
}

static void free_handle(struct queue_client *client, struct queue *queue)
{
    if (client->handle)
        queue->env.free(queue->env.context, client->handle, queue->ops->handle_size, -1);
    *client = (struct queue_client){0};
}

int queue_client_reserve(struct queue_client *client, struct queue *queue)
{
    const struct queue_ops *ops = queue->ops;
    *client = (struct queue_client){.queue = queue->memory};
    if (ops->handle_size > 0)
        client->handle = queue->env.alloc(queue->env.context, ops->handle_size, ops->handle_align, -1);
    return ops->handle_size > 0 && !client->handle ? -ENOMEM : 0;
}

int queue_client_attach(struct queue_client *client, struct queue *queue, enum queue_role role,
                        enum queue_thread_kind kind)
{
    const int error = queue_client_reserve(client, queue);
    return error ? error : queue_client_attach_reserved(client, queue, role, kind);
}

int queue_client_attach_reserved(struct queue_client *client, struct queue *queue, enum queue_role role,
                                 enum queue_thread_kind kind)
{
    const struct queue_ops *ops = queue->ops;
    const int error = ops->attach(client->queue, client->handle, role, kind);
    if (error)
        free_handle(client, queue);
    else
        client->ops = ops;
    return error;
}

void queue_client_detach(struct queue_client *client, struct queue *queue)
{
    if (client->ops)
        client->ops->detach(client->queue, client->handle);
    free_handle(client, queue);
}

enum queue_clean_state queue_inspect(struct queue_client *client, bool ensure_empty, uint64_t *progress)
{
    if (client->ops->inspect)
        return client->ops->inspect(client->queue, client->handle, ensure_empty, progress);
    if (!ensure_empty)
        return QUEUE_CLEAN;
    uintptr_t item;
    const int result = queue_dequeue(client, &item);
    if (result == QUEUE_OK)
        client->kept = item;
    return result == QUEUE_EMPTY ? QUEUE_CLEAN : QUEUE_DIRTY;
}

void queue_statistics(struct queue *queue, struct queue_statistics *statistics)
{
    *statistics = (struct queue_statistics){QUEUE_UNCOUNTED, QUEUE_UNCOUNTED, QUEUE_UNCOUNTED};
    if (queue->ops->statistics)
        queue->ops->statistics(queue->memory, statistics);
}

uint64_t queue_length(struct queue *queue)
{
    return queue->ops->length ? queue->ops->length(queue->memory) : QUEUE_UNCOUNTED;
}

#define QUEUE_LOOPS_NAME queue_vtable_loops
#define QUEUE_LOOPS_ENQUEUE(queue, handle, item) loop->ops->enqueue(queue, handle, item)
#define QUEUE_LOOPS_DEQUEUE(queue, handle, item) loop->ops->dequeue(queue, handle, item)
#include "core/queue_loops.h"
