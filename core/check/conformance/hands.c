// SPDX-License-Identifier: Apache-2.0
#include "core/check/conformance/hands.h"

#include <string.h>

#include "core/queue_loops.h"

void hands_detach(struct hands *hands)
{
    for (unsigned i = 0; i < HANDS_MOST; i++) {
        queue_client_detach(&hands->producers[i], &hands->suite->queue);
        queue_client_detach(&hands->consumers[i], &hands->suite->queue);
    }
    if (hands->place)
        progress_unregister(hands->place);
}

int hands_attach(struct hands *hands, struct suite *suite, enum queue_thread_kind kind, unsigned most)
{
    memset(hands, 0, sizeof *hands);
    hands->suite = suite;
    hands->kind = kind;
    hands->producer_count = suite_producers(suite, most);
    hands->consumer_count = suite_consumers(suite, most);
    hands->place = suite_register(suite, kind);
    int error = 0;
    for (unsigned i = 0; i < hands->producer_count && !error; i++)
        error = queue_client_attach(&hands->producers[i], &suite->queue, QUEUE_PRODUCER, kind);
    for (unsigned i = 0; i < hands->consumer_count && !error; i++)
        error = queue_client_attach(&hands->consumers[i], &suite->queue, QUEUE_CONSUMER, kind);
    if (!error)
        return 0;
    hands_detach(hands);
    return suite_fail(suite, "attach failed (error %d)", -error);
}

void hands_rest(struct hands *hands)
{
    watchdog_beat();
    if (hands->kind == QUEUE_MANAGED)
        progress_update(hands->place);
}

// Holds the answer to an enqueue against the model.
int hands_judge_enqueue(struct hands *hands, int result, uintptr_t item)
{
    struct suite *suite = hands->suite;
    const uint64_t capacity = suite->traits->capacity;
    struct model *model = &hands->model;
    if (result == QUEUE_OK) {
        if (capacity && model->count >= capacity)
            return suite_fail(suite, "it took an item with all %u places taken", model->count);
        model->items[model->count++] = item;
        return 0;
    }
    if (result == QUEUE_FULL && capacity && (model->count >= capacity || !suite->traits->full_exact))
        return 0;
    return suite_fail(suite, "enqueue answered %s with %u items inside", suite_answer(result), model->count);
}

// How many older items `item` may overtake in the model: none of its producer, or as the order says.
static bool may_overtake(const struct suite *suite, const struct model *model, unsigned position)
{
    if (suite->traits->order == QUEUE_ORDER_RELAXED)
        return position <= suite->traits->relaxation;
    if (suite->traits->order == QUEUE_ORDER_FIFO)
        return position == 0;
    const uintptr_t producer = model->items[position] >> ITEM_PRODUCER_SHIFT;
    for (unsigned i = 0; i < position; i++)
        if (model->items[i] >> ITEM_PRODUCER_SHIFT == producer)
            return false;
    return true;
}

static int judge_item(struct hands *hands, uintptr_t item)
{
    struct suite *suite = hands->suite;
    struct model *model = &hands->model;
    unsigned position = 0;
    while (position < model->count && model->items[position] != item)
        position++;
    if (position == model->count)
        return suite_fail(suite, "item %s came out, which was not inside", suite_item(item).text);
    if (!may_overtake(suite, model, position))
        return suite_fail(suite, "item %s came out of order, ahead of %u others (or they are lost)",
                          suite_item(item).text, position);
    model->count--;
    memmove(&model->items[position], &model->items[position + 1], (model->count - position) * sizeof item);
    return 0;
}

int hands_judge_dequeue(struct hands *hands, int result, uintptr_t item)
{
    struct suite *suite = hands->suite;
    if (result == QUEUE_OK) {
        hands->model.empties = 0;
        return judge_item(hands, item);
    }
    if (result != QUEUE_EMPTY)
        return suite_fail(suite, "dequeue answered %s with nobody else inside", suite_answer(result));
    if (hands->model.count == 0 || (!suite->traits->empty_exact && ++hands->model.empties < 10000))
        return 0;
    return suite_fail(suite, "dequeue answered EMPTY with %u items inside", hands->model.count);
}

int hands_put(struct hands *hands, unsigned producer, bool prepared)
{
    const uintptr_t item = item_make(producer, hands->sequence[producer]);
    struct queue_client *client = &hands->producers[producer];
    struct queue *queue = &hands->suite->queue;
    void *element = NULL;
    if (prepared && queue_prepare(queue, &element) != 0)
        return suite_fail(hands->suite, "prepare failed");
    const int result = prepared ? queue_enqueue_prepared(client, element, item) : queue_enqueue(client, item);
    if (result == QUEUE_OK)
        hands->sequence[producer]++;
    else if (prepared)
        queue_discard(queue, element);
    queue_notify(queue);
    return hands_judge_enqueue(hands, result, item);
}

int hands_get(struct hands *hands, unsigned consumer)
{
    uintptr_t item = 0;
    const int result = queue_dequeue(&hands->consumers[consumer], &item);
    return hands_judge_dequeue(hands, result, item);
}

int hands_drain(struct hands *hands)
{
    int error = 0;
    while (!error && hands->model.count > 0) {
        error = hands_get(hands, 0);
        hands_rest(hands);
    }
    return error ? error : hands_get(hands, 0);
}

int hands_open(struct hands *hands, struct suite *suite, enum queue_thread_kind kind, unsigned most)
{
    int error = suite_open(suite);
    if (error)
        return error;
    error = hands_attach(hands, suite, kind, most);
    if (error)
        suite_close(suite);
    return error;
}

int hands_close(struct hands *hands, int error)
{
    hands_detach(hands);
    const int closed = suite_close(hands->suite);
    return error ? error : closed;
}
