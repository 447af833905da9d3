// SPDX-License-Identifier: Apache-2.0
// BROKEN on purpose: loses garbage. One element in twenty that died is in no chain and never given back.
#include "tests/broken/base.h"

struct drops {
    struct base base;
    struct garbage_chain garbage;
    struct garbage_sink sink;
    bool defer;
};

static void drops_give(struct garbage_sink *sink, void *element)
{
    struct drops *q = (struct drops *)((char *)sink - offsetof(struct drops, sink));
    q->base.env->element_give(q->base.env->context, element);
}

static int drops_init(void *queue, const struct queue_env *env, const void *config)
{
    struct drops *q = queue;
    q->garbage = (struct garbage_chain){NULL, NULL};
    q->sink.give = drops_give;
    q->defer = false;
    return base_init(&q->base, env, config);
}

static void drops_fini(void *queue)
{
    struct drops *q = queue;
    while (garbage_free(&q->garbage, GARBAGE_STEP)) {}
    base_fini(&q->base);
}

static int drops_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct drops *q = queue;
    struct base_element *e = base_take(&q->base);
    (void)handle;
    if (!e)
        return QUEUE_EMPTY;
    *item = e->item;
    if (!q->defer)
        q->base.env->element_give(q->base.env->context, e);
    else if (!base_turn(&q->base, BROKEN_EVERY / 10))
        garbage_add(&q->garbage, e, &q->sink);
    return QUEUE_OK;
}

static void drops_defer(void *queue, bool defer)
{
    ((struct drops *)queue)->defer = defer;
}

static bool drops_take_garbage(void *queue, void *handle, struct garbage_chain *chain)
{
    struct drops *q = queue;
    const bool any = q->garbage.first;
    (void)handle;
    garbage_append(chain, &q->garbage);
    return any;
}

const struct queue_ops broken_drops_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "broken_drops",
    .summary = "BROKEN on purpose: loses garbage",
    .source = "tests/broken",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_ONE,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_BLOCKING,
               .dequeue = QUEUE_BLOCKING,
               .empty_exact = true,
               .reclamation = "none needed"},
    .params = base_params,
    .size = sizeof(struct drops),
    .align = _Alignof(struct drops),
    .handle_align = 1,
    .element_size = sizeof(struct base_element),
    .init = drops_init,
    .fini = drops_fini,
    .attach = base_attach,
    .detach = base_detach,
    .enqueue = base_enqueue,
    .dequeue = drops_dequeue,
    .defer_garbage = drops_defer,
    .take_garbage = drops_take_garbage,
};
