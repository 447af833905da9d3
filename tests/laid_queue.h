// SPDX-License-Identifier: Apache-2.0
// A queue to tap: a ring of four that has every operation, wants odd alignments, and watches whether it is called as
// itself, with its own memory and handles. One thread at a time.
#ifndef READYQ_TESTS_LAID_QUEUE_H
#define READYQ_TESTS_LAID_QUEUE_H

#include <string.h>

#include "core/queue_client.h"
#include "core/sync/atomic.h"
#include "tests/unit.h"

#define LAID_PLACES 4u
#define LAID_ALIGN 512u

struct laid {
    uint64_t mark ALIGNED_LINE;
    const struct queue_env *env;
    uintptr_t items[LAID_PLACES];
    uint64_t in, out;
    struct garbage_node garbage;
    bool deferred;
};

struct laid_handle {
    __attribute__((aligned(64))) uint64_t mark;
    enum queue_role role;
    char rest[64];
};

static struct {
    unsigned inits, finis, attached, prepared, discarded;
    int init_error, attach_error, answer; // `answer`: of the next enqueue or dequeue, if not 0
    char config[4];
} laid_seen;

#define LAID_MARK UINT64_C(0x1a1d1a1d1a1d1a1d)

static struct laid *laid_of(void *queue)
{
    struct laid *q = queue;
    assert_int_equal((uintptr_t)queue % LAID_ALIGN, 0);
    assert_true(q->mark == LAID_MARK);
    return q;
}

static struct laid *laid_with(void *queue, void *handle, enum queue_role role)
{
    struct laid_handle *own = handle;
    assert_int_equal((uintptr_t)handle % _Alignof(struct laid_handle), 0);
    assert_true(own->mark == LAID_MARK && own->role == role);
    return laid_of(queue);
}

static int laid_init(void *queue, const struct queue_env *env, const void *config)
{
    struct laid *q = queue;
    assert_int_equal((uintptr_t)queue % LAID_ALIGN, 0);
    memcpy(laid_seen.config, config, sizeof laid_seen.config);
    if (laid_seen.init_error)
        return laid_seen.init_error;
    laid_seen.inits++;
    *q = (struct laid){.mark = LAID_MARK, .env = env};
    return 0;
}

static void laid_fini(void *queue)
{
    laid_of(queue)->mark = 0;
    laid_seen.finis++;
}

static int laid_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    laid_of(queue);
    static const struct laid_handle zero;
    assert_memory_equal(handle, &zero, sizeof zero);
    assert_int_equal(kind, QUEUE_UNMANAGED);
    if (laid_seen.attach_error)
        return laid_seen.attach_error;
    *(struct laid_handle *)handle = (struct laid_handle){.mark = LAID_MARK, .role = role};
    memset(((struct laid_handle *)handle)->rest, 0x77, sizeof((struct laid_handle *)handle)->rest);
    laid_seen.attached++;
    return 0;
}

static void laid_detach(void *queue, void *handle)
{
    laid_with(queue, handle, ((struct laid_handle *)handle)->role);
    laid_seen.attached--;
}

static int laid_answer(void)
{
    const int answer = laid_seen.answer;
    laid_seen.answer = 0;
    return answer;
}

static int laid_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct laid *q = laid_with(queue, handle, QUEUE_PRODUCER);
    const int answer = laid_answer();
    if (answer || q->in - q->out == LAID_PLACES)
        return answer ? answer : QUEUE_FULL;
    q->items[q->in++ % LAID_PLACES] = item;
    if (q->env->notify)
        q->env->notify(q->env->notify_argument);
    return QUEUE_OK;
}

static int laid_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct laid *q = laid_with(queue, handle, QUEUE_CONSUMER);
    const int answer = laid_answer();
    if (answer || q->in == q->out)
        return answer ? answer : QUEUE_EMPTY;
    *item = q->items[q->out++ % LAID_PLACES];
    return QUEUE_OK;
}

static int laid_prepare(void *queue, void **element)
{
    *element = laid_of(queue);
    laid_seen.prepared++;
    return 0;
}

static int laid_enqueue_prepared(void *queue, void *handle, void *element, uintptr_t item)
{
    assert_ptr_equal(element, laid_of(queue));
    return laid_enqueue(queue, handle, item);
}

static void laid_discard(void *queue, void *element)
{
    assert_ptr_equal(element, laid_of(queue));
    laid_seen.discarded++;
}

static unsigned laid_enqueue_batch(void *queue, void *handle, const uintptr_t *items, unsigned count, int *result)
{
    unsigned moved = 0;
    *result = QUEUE_OK;
    while (moved < count && (*result = laid_enqueue(queue, handle, items[moved])) == QUEUE_OK)
        moved++;
    return moved;
}

static unsigned laid_dequeue_batch(void *queue, void *handle, uintptr_t *items, unsigned count, int *result)
{
    unsigned moved = 0;
    *result = QUEUE_OK;
    while (moved < count && (*result = laid_dequeue(queue, handle, &items[moved])) == QUEUE_OK)
        moved++;
    return moved;
}

static enum queue_clean_state laid_clean(void *queue, void *handle, uint64_t *progress)
{
    laid_with(queue, handle, QUEUE_CONSUMER);
    *progress = 41;
    return QUEUE_NEED_PROGRESS;
}

static enum queue_clean_state laid_inspect(void *queue, void *handle, bool ensure_empty, uint64_t *progress)
{
    laid_with(queue, handle, QUEUE_CONSUMER);
    *progress = 42 + ensure_empty;
    return QUEUE_DIRTY;
}

static void laid_defer(void *queue, bool defer)
{
    laid_of(queue)->deferred = defer;
}

static bool laid_take_garbage(void *queue, void *handle, struct garbage_chain *chain)
{
    struct laid *q = laid_with(queue, handle, QUEUE_CONSUMER);
    chain->first = chain->last = &q->garbage;
    return q->deferred;
}

static uint64_t laid_length(void *queue)
{
    const struct laid *q = laid_of(queue);
    return q->in - q->out;
}

static void laid_statistics(void *queue, struct queue_statistics *statistics)
{
    statistics->retries = laid_of(queue)->in;
}

static const struct param laid_params[] = {PARAM_END};

static const struct queue_ops laid_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "laid",
    .traits = {.capacity = LAID_PLACES, .empty_exact = true, .full_exact = true, .notifies = true},
    .params = laid_params,
    .config_size = 4,
    .size = sizeof(struct laid),
    .align = LAID_ALIGN,
    .handle_size = sizeof(struct laid_handle),
    .handle_align = _Alignof(struct laid_handle),
    .element_size = 24,
    .init = laid_init,
    .fini = laid_fini,
    .attach = laid_attach,
    .detach = laid_detach,
    .enqueue = laid_enqueue,
    .dequeue = laid_dequeue,
    .prepare = laid_prepare,
    .enqueue_prepared = laid_enqueue_prepared,
    .discard = laid_discard,
    .enqueue_batch = laid_enqueue_batch,
    .dequeue_batch = laid_dequeue_batch,
    .clean = laid_clean,
    .inspect = laid_inspect,
    .defer_garbage = laid_defer,
    .take_garbage = laid_take_garbage,
    .length = laid_length,
    .statistics = laid_statistics,
    .loops = &queue_vtable_loops,
};

static const struct queue_entry laid_entry = {.name = "laid", .presets = "", .ops = &laid_ops};
static char laid_config[4] = "cfg";
static const struct queue_choice laid_choice = {
    .entry = &laid_entry,
    .config = laid_config,
    .traits = {.capacity = LAID_PLACES, .empty_exact = true, .full_exact = true, .notifies = true},
    .params = "a=1"};

#endif
