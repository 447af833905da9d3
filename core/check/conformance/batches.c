// SPDX-License-Identifier: Apache-2.0
// Conformance of native batches: by one thread against the model, mixed with single operations; and by one thread a
// side at once, where each batch must come out in order and none of it twice.
#include "core/check/conformance/hands.h"
#include "core/queue_loops.h"

#define BATCH_MOST 40u

// The queue has batches of its own in one direction at least; in the other they are made of single operations.
static unsigned put_batch(struct queue_client *client, const uintptr_t *items, unsigned count, int *result)
{
    if (client->ops->enqueue_batch)
        return client->ops->enqueue_batch(client->queue, client->handle, items, count, result);
    unsigned moved = 0;
    while (moved < count && (*result = queue_enqueue(client, items[moved])) == QUEUE_OK)
        moved++;
    return moved;
}

static unsigned get_batch(struct queue_client *client, uintptr_t *items, unsigned count, int *result)
{
    if (client->ops->dequeue_batch)
        return client->ops->dequeue_batch(client->queue, client->handle, items, count, result);
    unsigned moved = 0;
    while (moved < count && (*result = queue_dequeue(client, &items[moved])) == QUEUE_OK)
        moved++;
    return moved;
}

static int judge_count(struct suite *suite, const char *operation, unsigned moved, unsigned count, int result)
{
    if (moved > count)
        return suite_fail(suite, "%s moved %u items, with %u asked for", operation, moved, count);
    if (moved < count && result == QUEUE_OK)
        return suite_fail(suite, "%s moved %u of %u items, yet answered OK", operation, moved, count);
    return 0;
}

static int put_some(struct hands *hands, unsigned producer, unsigned count)
{
    uintptr_t items[BATCH_MOST];
    int result = QUEUE_OK;
    for (unsigned i = 0; i < count; i++)
        items[i] = item_make(producer, hands->sequence[producer] + i);
    const unsigned moved = put_batch(&hands->producers[producer], items, count, &result);
    queue_notify(&hands->suite->queue);
    int error = judge_count(hands->suite, "enqueue_batch", moved, count, result);
    for (unsigned i = 0; i < moved && !error; i++)
        error = hands_judge_enqueue(hands, QUEUE_OK, items[i]);
    hands->sequence[producer] += moved;
    if (!error && moved < count)
        error = hands_judge_enqueue(hands, result, items[moved]);
    return error;
}

static int get_some(struct hands *hands, unsigned consumer, unsigned count)
{
    uintptr_t items[BATCH_MOST] = {0};
    int result = QUEUE_OK;
    const unsigned moved = get_batch(&hands->consumers[consumer], items, count, &result);
    int error = judge_count(hands->suite, "dequeue_batch", moved, count, result);
    for (unsigned i = 0; i < moved && !error; i++)
        error = hands_judge_dequeue(hands, QUEUE_OK, items[i]);
    for (unsigned i = moved; i < count && !error; i++)
        if (items[i] != 0)
            error = suite_fail(hands->suite, "dequeue_batch moved %u items, but wrote behind them", moved);
    if (!error && moved < count)
        error = hands_judge_dequeue(hands, result, 0);
    return error;
}

static int random_batch(struct hands *hands, unsigned fill_percent)
{
    const uint64_t random = suite_random(&hands->suite->random);
    const unsigned producer = (unsigned)(random >> 8) % hands->producer_count;
    const unsigned consumer = (unsigned)(random >> 8) % hands->consumer_count;
    const unsigned count = (unsigned)(random >> 16) % (BATCH_MOST + 1);
    const bool full = hands->model.count + BATCH_MOST >= MODEL_MOST;
    if ((random >> 32) % 100 < fill_percent && !full)
        return random % 4 ? put_some(hands, producer, count) : hands_put(hands, producer, false);
    return random % 4 ? get_some(hands, consumer, count) : hands_get(hands, consumer);
}

static int run_alone(struct suite *suite)
{
    static struct hands hands;
    int error = hands_open(&hands, suite, QUEUE_UNMANAGED, HANDS_MOST);
    if (error)
        return error;
    const unsigned steps = suite_rounds(suite, 20000);
    for (unsigned step = 0; step < steps && !error; step++) {
        trap_begin(&suite->env);
        error = random_batch(&hands, (step / 100) % 2 ? 25 : 75);
        trap_end();
        hands_rest(&hands);
    }
    return hands_close(&hands, error ? error : hands_drain(&hands));
}

// What the two threads share.
struct stream {
    uint64_t items; // in all
    uint64_t received;
};

static void produce_batches(struct actor *self)
{
    struct suite *suite = self->suite;
    const struct stream *stream = self->shared;
    struct queue_client client;
    uintptr_t items[BATCH_MOST];
    if (queue_client_attach(&client, &suite->queue, QUEUE_PRODUCER, self->kind) != 0) {
        suite_fail(suite, "attach failed");
        return;
    }
    for (uint64_t sent = 0; sent < stream->items && !suite_failed(suite);) {
        int result = QUEUE_OK;
        unsigned count = (unsigned)(suite_random(&self->random) % BATCH_MOST) + 1;
        if (count > stream->items - sent)
            count = (unsigned)(stream->items - sent);
        for (unsigned i = 0; i < count; i++)
            items[i] = item_make(0, sent + i);
        const unsigned moved = put_batch(&client, items, count, &result);
        queue_notify(&suite->queue);
        if (judge_count(suite, "enqueue_batch", moved, count, result) != 0)
            break;
        sent += moved;
        watchdog_beat();
        if (moved == 0)
            actor_yield(self);
        else
            actor_quiescent(self);
    }
    queue_client_detach(&client, &suite->queue);
}

static void consume_batches(struct actor *self)
{
    struct suite *suite = self->suite;
    struct stream *stream = self->shared;
    struct queue_client client;
    uintptr_t items[BATCH_MOST];
    if (queue_client_attach(&client, &suite->queue, QUEUE_CONSUMER, self->kind) != 0) {
        suite_fail(suite, "attach failed");
        return;
    }
    while (stream->received < stream->items && !suite_failed(suite)) {
        int result = QUEUE_OK;
        const unsigned count = (unsigned)(suite_random(&self->random) % BATCH_MOST) + 1;
        const unsigned moved = get_batch(&client, items, count, &result);
        if (judge_count(suite, "dequeue_batch", moved, count, result) != 0)
            break;
        for (unsigned i = 0; i < moved; i++, stream->received++)
            if (suite->traits->order != QUEUE_ORDER_RELAXED && items[i] != item_make(0, stream->received))
                suite_fail(suite, "item %s came out in place of %s", suite_item(items[i]).text,
                           suite_item(item_make(0, stream->received)).text);
        if (moved == 0)
            actor_yield(self);
        else
            actor_quiescent(self);
    }
    queue_client_detach(&client, &suite->queue);
}

static int run_together(struct suite *suite)
{
    int error = suite_open(suite);
    if (error)
        return error;
    struct stream stream = {.items = suite_rounds(suite, 300000)};
    struct actor actors[2] = {
        {.suite = suite, .index = 0, .act = produce_batches, .shared = &stream, .kind = QUEUE_MANAGED},
        {.suite = suite, .index = 1, .act = consume_batches, .shared = &stream, .kind = QUEUE_MANAGED},
    };
    error = actors_run(actors, 2);
    const int closed = suite_close(suite);
    return error ? error : closed;
}

int check_batches(struct suite *suite)
{
    const int error = run_alone(suite);
    return error ? error : run_together(suite);
}
