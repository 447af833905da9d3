// SPDX-License-Identifier: Apache-2.0
// A queue under command, for one thread: it answers as a script says, and writes down what it was asked. For tests
// that must see in which order a pool uses its queues.
#ifndef READYQ_TESTS_SCRIPTED_QUEUE_H
#define READYQ_TESTS_SCRIPTED_QUEUE_H

#include <string.h>

#include "core/pool/port.h"
#include "core/queue_client.h"

#define SCRIPT_ITEMS 256u
#define SCRIPT_ANSWERS 8u

// One letter a call, in order: p prepare, u unused element discarded, e enqueue, E enqueue of a prepared element,
// f the same answered FULL, d dequeue with an item, . dequeue without, c clean, i inspect, t garbage taken, x element
// freed as garbage.
struct script {
    uint64_t capacity;                            // 0: SCRIPT_ITEMS
    unsigned refusals;                            // enqueues still to be answered with `refusal`
    int refusal;                                  // -ENOMEM or QUEUE_RETRY
    int prepare_error;                            // answered by prepare
    unsigned retries;                             // dequeues still to be answered QUEUE_RETRY
    enum queue_clean_state clean[SCRIPT_ANSWERS]; // answers to come; afterwards CLEAN
    enum queue_clean_state inspect[SCRIPT_ANSWERS];
    unsigned cleans, inspects; // answered so far
    uint64_t progress;         // given with QUEUE_NEED_PROGRESS
    void (*inside)(void);      // called within enqueue
    // What was seen.
    char log[512];
    void *prepared, *enqueued; // the last element of each
    const void *made_by;       // thread_token of init
    bool deferred;
    bool ensured_empty; // by the last inspect
    unsigned made;
};

struct scripted {
    struct script *script;
    const struct queue_env *env;
    uintptr_t items[SCRIPT_ITEMS];
    uint64_t in, out;
    struct garbage_chain garbage;
    struct garbage_sink sink;
};

static inline void script_note(struct script *script, char letter)
{
    const size_t length = strlen(script->log);
    if (length + 1 < sizeof script->log)
        script->log[length] = letter;
}

static inline void script_clear(struct script *script)
{
    memset(script->log, 0, sizeof script->log);
}

// How often `letter` was written down.
static inline unsigned script_count(const struct script *script, char letter)
{
    unsigned count = 0;
    for (const char *at = script->log; *at; at++)
        count += *at == letter;
    return count;
}

static inline void scripted_give(struct garbage_sink *sink, void *element)
{
    struct scripted *q = (struct scripted *)((char *)sink - offsetof(struct scripted, sink));
    script_note(q->script, 'x');
    q->env->element_give(q->env->context, element);
}

static inline int scripted_init(void *queue, const struct queue_env *env, const void *config)
{
    struct scripted *q = queue;
    *q = (struct scripted){.script = *(struct script *const *)config, .env = env, .sink = {scripted_give}};
    q->script->made_by = thread_token();
    q->script->made++;
    return 0;
}

static inline void scripted_fini(void *queue)
{
    struct scripted *q = queue;
    while (garbage_free(&q->garbage, GARBAGE_STEP)) {}
}

static inline int scripted_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static inline void scripted_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

// Dead elements are made out of nothing, so that a test has as many as it wants.
static inline void scripted_litter(struct scripted *q, unsigned count)
{
    while (count-- > 0)
        garbage_add(&q->garbage, q->env->element_take(q->env->context), &q->sink);
}

static inline int scripted_put(struct scripted *q, uintptr_t item, char letter)
{
    struct script *script = q->script;
    if (script->inside)
        script->inside();
    if (script->refusals > 0) {
        script->refusals--;
        return script->refusal;
    }
    const bool full = q->in - q->out >= (script->capacity ? script->capacity : SCRIPT_ITEMS);
    script_note(script, full ? 'f' : letter);
    if (full)
        return QUEUE_FULL;
    q->items[q->in++ % SCRIPT_ITEMS] = item;
    return QUEUE_OK;
}

static inline int scripted_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    return scripted_put(queue, item, 'e');
}

static inline int scripted_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct scripted *q = queue;
    if (q->script->retries > 0) {
        q->script->retries--;
        return QUEUE_RETRY;
    }
    script_note(q->script, q->out < q->in ? 'd' : '.');
    if (q->out == q->in)
        return QUEUE_EMPTY;
    *item = q->items[q->out++ % SCRIPT_ITEMS];
    return QUEUE_OK;
}

static inline int scripted_prepare(void *queue, void **element)
{
    struct scripted *q = queue;
    if (q->script->prepare_error)
        return q->script->prepare_error;
    script_note(q->script, 'p');
    *element = q->script->prepared = q->env->element_take(q->env->context);
    return 0;
}

static inline void scripted_discard(void *queue, void *element)
{
    struct scripted *q = queue;
    script_note(q->script, 'u');
    q->env->element_give(q->env->context, element);
}

// The element dies at once: nobody else looks at it.
static inline int scripted_enqueue_prepared(void *queue, void *handle, void *element, uintptr_t item)
{
    (void)handle;
    struct scripted *q = queue;
    const int result = scripted_put(q, item, 'E');
    if (result == QUEUE_OK) {
        q->script->enqueued = element;
        q->env->element_give(q->env->context, element);
    }
    return result;
}

static inline enum queue_clean_state scripted_clean(void *queue, void *handle, uint64_t *progress)
{
    (void)handle;
    struct script *script = ((struct scripted *)queue)->script;
    script_note(script, 'c');
    *progress = script->progress;
    return script->cleans < SCRIPT_ANSWERS ? script->clean[script->cleans++] : QUEUE_CLEAN;
}

static inline enum queue_clean_state scripted_inspect(void *queue, void *handle, bool ensure_empty, uint64_t *progress)
{
    (void)handle;
    struct script *script = ((struct scripted *)queue)->script;
    script_note(script, 'i');
    script->ensured_empty = ensure_empty;
    *progress = script->progress;
    return script->inspects < SCRIPT_ANSWERS ? script->inspect[script->inspects++] : QUEUE_CLEAN;
}

static inline void scripted_defer(void *queue, bool defer)
{
    ((struct scripted *)queue)->script->deferred = defer;
}

static inline bool scripted_take_garbage(void *queue, void *handle, struct garbage_chain *chain)
{
    (void)handle;
    struct scripted *q = queue;
    const bool any = q->garbage.first != NULL;
    if (any)
        script_note(q->script, 't');
    garbage_append(chain, &q->garbage);
    return any;
}

static const struct param scripted_params[] = {PARAM_END};

static const struct queue_ops scripted_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "scripted",
    .traits = {.producers = QUEUE_MANY, .consumers = QUEUE_ONE, .empty_exact = true, .full_exact = true},
    .params = scripted_params,
    .config_size = sizeof(struct script *),
    .size = sizeof(struct scripted),
    .align = _Alignof(struct scripted),
    .handle_align = 1,
    .element_size = sizeof(struct garbage_node),
    .init = scripted_init,
    .fini = scripted_fini,
    .attach = scripted_attach,
    .detach = scripted_detach,
    .enqueue = scripted_enqueue,
    .dequeue = scripted_dequeue,
    .prepare = scripted_prepare,
    .enqueue_prepared = scripted_enqueue_prepared,
    .discard = scripted_discard,
    .clean = scripted_clean,
    .inspect = scripted_inspect,
    .defer_garbage = scripted_defer,
    .take_garbage = scripted_take_garbage,
};

static const struct queue_entry scripted_entry = {.name = "scripted", .presets = "", .ops = &scripted_queue_ops};

// `*script` is where the queue finds its script; it lives as long as the choice.
static inline struct queue_choice scripted_choice(struct script **script)
{
    return (struct queue_choice){
        .entry = &scripted_entry, .config = script, .traits = scripted_queue_ops.traits, .params = ""};
}

#endif
