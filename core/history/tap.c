// SPDX-License-Identifier: Apache-2.0
// The memory of a tapped queue is a head of our own and behind it, aligned as it asks for, the original's; the same
// goes for handles. So nothing is looked up on the way of an operation.
#include "core/history/tap.h"

struct tapped {
    const struct queue_ops *inner;
    void *queue; // the original's memory
    struct tap *tap;
};

struct tapped_handle {
    struct recorder *recorder; // of the thread that attached; NULL: nothing is recorded
    void *handle;              // the original's; NULL where it has none
};

// How the calling thread wants to be called.
static _Thread_local struct {
    const char *role; // NULL: by the role of the handle
    int rank;
} named;

void tap_name_thread(const char *role, int rank)
{
    named.role = role;
    named.rank = rank;
}

// ------------------------------------------------------------------------------------------------ memory

static size_t behind(size_t head, size_t align)
{
    return align > 1 ? (head + align - 1) / align * align : head;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static int tap_init_queue(void *queue, const struct queue_env *env, const void *config)
{
    struct tapped *self = queue;
    struct tap *tap = (struct tap *)config;
    const struct queue_ops *inner = tap->original->entry->ops;
    *self = (struct tapped){.inner = inner, .queue = (char *)queue + behind(sizeof *self, inner->align), .tap = tap};
    return inner->init(self->queue, env, tap->original->config);
}

static void tap_fini_queue(void *queue)
{
    struct tapped *self = queue;
    self->inner->fini(self->queue);
}

static struct recorder *recorder_of_thread(struct recording *recording, enum queue_role role)
{
    if (!recording)
        return NULL;
    const char *const usual = role == QUEUE_PRODUCER ? "producer" : "consumer";
    return recording_self(recording, named.role ? named.role : usual, named.role ? named.rank : -1);
}

static int tap_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    struct tapped *self = queue;
    struct tapped_handle *own = handle;
    if (self->inner->handle_size > 0)
        own->handle = (char *)handle + behind(sizeof *own, self->inner->handle_align);
    const int error = self->inner->attach(self->queue, own->handle, role, kind);
    if (!error)
        own->recorder = recorder_of_thread(self->tap->recording, role);
    return error;
}

static void tap_detach(void *queue, void *handle)
{
    struct tapped *self = queue;
    self->inner->detach(self->queue, ((struct tapped_handle *)handle)->handle);
}

// ------------------------------------------------------------------------------------------------ what is recorded

static bool is_recorded(const struct recorder *recorder, uintptr_t item)
{
    return recorder && (recorder->every == 0 || history_is_sampled(item, recorder->every));
}

static void add_enqueue(struct recorder *recorder, int result, uint64_t start, uintptr_t item)
{
    const uint64_t end = recorder_end(recorder);
    if (result == QUEUE_OK) {
        recorder_add(recorder, HISTORY_ENQUEUE, start, end, item);
        return;
    }
    if (result == QUEUE_FULL && recorder->every == 0)
        recorder_add(recorder, HISTORY_FULL, start, end, item);
    recorder_rest(recorder);
}

static int tap_enqueue(void *queue, void *handle, uintptr_t item)
{
    const struct tapped *self = queue;
    const struct tapped_handle *own = handle;
    if (!is_recorded(own->recorder, item))
        return self->inner->enqueue(self->queue, own->handle, item);
    const uint64_t start = recorder_next_start(own->recorder);
    const int result = self->inner->enqueue(self->queue, own->handle, item);
    add_enqueue(own->recorder, result, start, item);
    return result;
}

static int tap_enqueue_prepared(void *queue, void *handle, void *element, uintptr_t item)
{
    const struct tapped *self = queue;
    const struct tapped_handle *own = handle;
    if (!is_recorded(own->recorder, item))
        return self->inner->enqueue_prepared(self->queue, own->handle, element, item);
    const uint64_t start = recorder_next_start(own->recorder);
    const int result = self->inner->enqueue_prepared(self->queue, own->handle, element, item);
    add_enqueue(own->recorder, result, start, item);
    return result;
}

// Whether an item is of the sample shows only when it is there.
static int tap_dequeue(void *queue, void *handle, uintptr_t *item)
{
    const struct tapped *self = queue;
    const struct tapped_handle *own = handle;
    if (!own->recorder)
        return self->inner->dequeue(self->queue, own->handle, item);
    const uint64_t start = recorder_next_start(own->recorder);
    const int result = self->inner->dequeue(self->queue, own->handle, item);
    if (result == QUEUE_EMPTY)
        recorder_add(own->recorder, HISTORY_EMPTY, start, recorder_end(own->recorder), 0);
    else if (result == QUEUE_OK && is_recorded(own->recorder, *item))
        recorder_add(own->recorder, HISTORY_DEQUEUE, start, recorder_end(own->recorder), *item);
    if (result != QUEUE_OK)
        recorder_rest(own->recorder);
    return result;
}

// ------------------------------------------------------------------------------------------------ batches

// Each item was moved at some time within the call, and so was the answer found that ended it. That the items of a
// batch follow each other is lost: their intervals are one.
static void add_batch(struct recorder *recorder, enum history_kind kind, uint64_t start, uint64_t end,
                      const uintptr_t *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (is_recorded(recorder, items[i]))
            recorder_add(recorder, kind, start, end, items[i]);
    }
}

static unsigned tap_enqueue_batch(void *queue, void *handle, const uintptr_t *items, unsigned count, int *result)
{
    const struct tapped *self = queue;
    const struct tapped_handle *own = handle;
    if (!own->recorder)
        return self->inner->enqueue_batch(self->queue, own->handle, items, count, result);
    const uint64_t start = recorder_next_start(own->recorder);
    const unsigned moved = self->inner->enqueue_batch(self->queue, own->handle, items, count, result);
    const uint64_t end = recorder_end(own->recorder);
    add_batch(own->recorder, HISTORY_ENQUEUE, start, end, items, moved);
    if (moved < count && *result == QUEUE_FULL && own->recorder->every == 0)
        recorder_add(own->recorder, HISTORY_FULL, start, end, items[moved]);
    if (moved < count)
        recorder_rest(own->recorder);
    return moved;
}

static unsigned tap_dequeue_batch(void *queue, void *handle, uintptr_t *items, unsigned count, int *result)
{
    const struct tapped *self = queue;
    const struct tapped_handle *own = handle;
    if (!own->recorder)
        return self->inner->dequeue_batch(self->queue, own->handle, items, count, result);
    const uint64_t start = recorder_next_start(own->recorder);
    const unsigned moved = self->inner->dequeue_batch(self->queue, own->handle, items, count, result);
    const uint64_t end = recorder_end(own->recorder);
    add_batch(own->recorder, HISTORY_DEQUEUE, start, end, items, moved);
    if (moved < count && *result == QUEUE_EMPTY)
        recorder_add(own->recorder, HISTORY_EMPTY, start, end, 0);
    if (moved < count)
        recorder_rest(own->recorder);
    return moved;
}

// ------------------------------------------------------------------------------------------------ what is passed on

static int tap_prepare(void *queue, void **element)
{
    const struct tapped *self = queue;
    return self->inner->prepare(self->queue, element);
}

static void tap_discard(void *queue, void *element)
{
    const struct tapped *self = queue;
    self->inner->discard(self->queue, element);
}

static enum queue_clean_state tap_clean(void *queue, void *handle, uint64_t *progress)
{
    const struct tapped *self = queue;
    return self->inner->clean(self->queue, ((struct tapped_handle *)handle)->handle, progress);
}

static enum queue_clean_state tap_inspect(void *queue, void *handle, bool ensure_empty, uint64_t *progress)
{
    const struct tapped *self = queue;
    return self->inner->inspect(self->queue, ((struct tapped_handle *)handle)->handle, ensure_empty, progress);
}

static void tap_defer_garbage(void *queue, bool defer)
{
    const struct tapped *self = queue;
    self->inner->defer_garbage(self->queue, defer);
}

static bool tap_take_garbage(void *queue, void *handle, struct garbage_chain *chain)
{
    const struct tapped *self = queue;
    return self->inner->take_garbage(self->queue, ((struct tapped_handle *)handle)->handle, chain);
}

static uint64_t tap_length(void *queue)
{
    const struct tapped *self = queue;
    return self->inner->length(self->queue);
}

static void tap_statistics(void *queue, struct queue_statistics *statistics)
{
    const struct tapped *self = queue;
    self->inner->statistics(self->queue, statistics);
}

// ------------------------------------------------------------------------------------------------ the tap itself

static void set_sizes(struct queue_ops *ops, const struct queue_ops *inner)
{
    ops->align = larger(inner->align, _Alignof(struct tapped));
    ops->size = behind(sizeof(struct tapped), inner->align) + inner->size;
    ops->handle_align = _Alignof(struct tapped_handle);
    ops->handle_size = sizeof(struct tapped_handle);
    if (inner->handle_size > 0) {
        ops->handle_align = larger(ops->handle_align, inner->handle_align);
        ops->handle_size = behind(ops->handle_size, inner->handle_align) + inner->handle_size;
    }
}

static void set_required(struct queue_ops *ops)
{
    ops->init = tap_init_queue;
    ops->fini = tap_fini_queue;
    ops->attach = tap_attach;
    ops->detach = tap_detach;
    ops->enqueue = tap_enqueue;
    ops->dequeue = tap_dequeue;
}

// What the original has not must stay what it is, emulated by the queue's user.
static void set_optional(struct queue_ops *ops, const struct queue_ops *inner)
{
    ops->prepare = inner->prepare ? tap_prepare : NULL;
    ops->enqueue_prepared = inner->enqueue_prepared ? tap_enqueue_prepared : NULL;
    ops->discard = inner->discard ? tap_discard : NULL;
    ops->enqueue_batch = inner->enqueue_batch ? tap_enqueue_batch : NULL;
    ops->dequeue_batch = inner->dequeue_batch ? tap_dequeue_batch : NULL;
    ops->clean = inner->clean ? tap_clean : NULL;
    ops->inspect = inner->inspect ? tap_inspect : NULL;
    ops->defer_garbage = inner->defer_garbage ? tap_defer_garbage : NULL;
    ops->take_garbage = inner->take_garbage ? tap_take_garbage : NULL;
    ops->length = inner->length ? tap_length : NULL;
    ops->statistics = inner->statistics ? tap_statistics : NULL;
    ops->resolve = NULL; // the choice's traits are resolved, and its configuration is the tap
    ops->loops = NULL;
}

void tap_init(struct tap *tap, const struct queue_choice *original, struct recording *recording)
{
    const struct queue_ops *inner = original->entry->ops;
    *tap = (struct tap){
        .choice = *original, .entry = *original->entry, .ops = *inner, .original = original, .recording = recording};
    set_sizes(&tap->ops, inner);
    set_required(&tap->ops);
    set_optional(&tap->ops, inner);
    tap->entry.ops = &tap->ops;
    tap->choice.entry = &tap->entry;
    tap->choice.config = tap;
}
