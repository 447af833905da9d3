// SPDX-License-Identifier: Apache-2.0
// Conformance by one thread: random operations and the limits of capacity, against the model.
#include "core/check/conformance/hands.h"
#include "core/queue_loops.h"

static int random_step(struct hands *hands, unsigned fill_percent)
{
    struct suite *suite = hands->suite;
    const uint64_t random = suite_random(&suite->random);
    const bool full = hands->model.count + 1 >= MODEL_MOST;
    uint64_t progress;
    if (random % 50 == 0 && suite->ops->clean)
        queue_clean(&hands->consumers[0], &progress);
    if (random % 49 == 0 && suite->ops->inspect &&
        queue_inspect(&hands->consumers[0], true, &progress) != QUEUE_DIRTY && hands->model.count > 0)
        return suite_fail(suite, "inspect called a sleep safe with %u items inside", hands->model.count);
    if (random % 48 == 0) {
        void *element;
        if (queue_prepare(&suite->queue, &element) != 0)
            return suite_fail(suite, "prepare failed");
        queue_discard(&suite->queue, element);
    }
    if ((random >> 32) % 100 < fill_percent && !full)
        return hands_put(hands, (unsigned)(random >> 8) % hands->producer_count, (random >> 16) % 2);
    return hands_get(hands, (unsigned)(random >> 8) % hands->consumer_count);
}

static int run_model(struct suite *suite, enum queue_thread_kind kind)
{
    static struct hands hands;
    int error = hands_open(&hands, suite, kind, 3);
    if (error)
        return error;
    const unsigned steps = suite_rounds(suite, 40000);
    for (unsigned step = 0; step < steps && !error; step++) {
        trap_begin(&suite->env);
        error = random_step(&hands, (step / 500) % 2 ? 25 : 75);
        trap_end();
        hands_rest(&hands);
    }
    if (!error)
        error = hands_drain(&hands);
    return hands_close(&hands, error);
}

// A baseline only has to answer.
static int run_baseline(struct suite *suite)
{
    static struct hands hands;
    int error = hands_open(&hands, suite, QUEUE_UNMANAGED, 3);
    if (error)
        return error;
    for (unsigned step = 0; step < 1000 && !error; step++) {
        uintptr_t item = 0;
        trap_begin(&suite->env);
        const int in = queue_enqueue(&hands.producers[step % hands.producer_count], item_make(0, step));
        const int out = queue_dequeue(&hands.consumers[step % hands.consumer_count], &item);
        trap_end();
        if (in != QUEUE_OK || out != QUEUE_OK || item == 0)
            error = suite_fail(suite, "enqueue answered %s, dequeue %s with item %s", suite_answer(in),
                               suite_answer(out), suite_item(item).text);
    }
    return hands_close(&hands, error);
}

int check_model(struct suite *suite)
{
    if (suite->traits->baseline)
        return run_baseline(suite);
    const int error = run_model(suite, QUEUE_UNMANAGED);
    return error ? error : run_model(suite, QUEUE_MANAGED);
}

// Fills to the brim, makes one place, fills it, for several rounds; an unbounded queue must take as much as fits the
// model. One whose FULL is not exact must do so only when new.
static int run_capacity(struct suite *suite, struct hands *hands)
{
    const uint64_t capacity = suite->traits->capacity;
    const uint64_t most = capacity && capacity < MODEL_MOST ? capacity : MODEL_MOST - 1;
    for (unsigned round = 0; round < 20; round++) {
        while (hands->model.count < most) {
            const unsigned before = hands->model.count;
            if (hands_put(hands, before % hands->producer_count, round % 2) != 0)
                return -EINVAL;
            if (hands->model.count == before && round > 0 && !suite->traits->full_exact)
                break;
            if (hands->model.count == before)
                return suite_fail(suite, "it was FULL with %u of %llu items inside", before,
                                  (unsigned long long)capacity);
        }
        if (capacity == most && hands_put(hands, 0, round % 2) != 0)
            return -EINVAL;
        for (unsigned taken = 0; taken <= round && hands->model.count > 0; taken++)
            if (hands_get(hands, round % hands->consumer_count) != 0)
                return -EINVAL;
        hands_rest(hands);
    }
    return hands_drain(hands);
}

int check_capacity(struct suite *suite)
{
    static struct hands hands;
    int error = hands_open(&hands, suite, QUEUE_MANAGED, 2);
    if (error)
        return error;
    error = run_capacity(suite, &hands);
    return hands_close(&hands, error);
}
