// SPDX-License-Identifier: Apache-2.0
// The queue of GLib: a list under a mutex.
//
// Source: GLib, gasyncqueue.c: g_async_queue_push and g_async_queue_try_pop.
//
// May run at once: everything but init and fini.
//
// Progress: enqueue and dequeue wait for the mutex, and so for its holder to run. Where GLib gets no memory it ends the
// program; it takes memory and gives it back inside of the critical section.
#include <errno.h>
#include <glib.h>

#include "core/queue.h"

struct async {
    GAsyncQueue *queue;
};

static int async_init(void *queue, const struct queue_env *env, const void *config)
{
    (void)env;
    (void)config;
    ((struct async *)queue)->queue = g_async_queue_new();
    return 0;
}

static void async_fini(void *queue)
{
    g_async_queue_unref(((struct async *)queue)->queue);
}

static int async_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void async_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

static int async_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    g_async_queue_push(((struct async *)queue)->queue, (gpointer)item);
    return QUEUE_OK;
}

static int async_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    const gpointer value = g_async_queue_try_pop(((struct async *)queue)->queue);
    if (!value)
        return QUEUE_EMPTY;
    *item = (uintptr_t)value;
    return QUEUE_OK;
}

#define QUEUE_LOOPS_NAME glib_async_queue_loops
#define QUEUE_LOOPS_ENQUEUE async_enqueue
#define QUEUE_LOOPS_DEQUEUE async_dequeue
#include "core/queue_loops.h"

const struct queue_ops glib_async_queue_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "glib_async_queue",
    .summary = "GAsyncQueue of GLib, a list under a mutex",
    .source = "GLib, GAsyncQueue",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_BLOCKING,
               .dequeue = QUEUE_BLOCKING,
               .empty_exact = true,
               .reclamation = "none needed",
               .own_memory = true},
    .params = (const struct param[]){PARAM_END},
    .size = sizeof(struct async),
    .align = _Alignof(struct async),
    .handle_align = 1,
    .init = async_init,
    .fini = async_fini,
    .attach = async_attach,
    .detach = async_detach,
    .enqueue = async_enqueue,
    .dequeue = async_dequeue,
    .loops = &glib_async_queue_loops,
};
