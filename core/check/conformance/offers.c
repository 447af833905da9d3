// SPDX-License-Identifier: Apache-2.0
// Conformance of what surrounds enqueue and dequeue: preparation, want of memory, re-use, notification, garbage,
// length.
#include <string.h>

#include "core/check/conformance/hands.h"
#include "core/queue_loops.h"

static struct hands hands;

#define PREPARED_MOST 64u

// A thread that has no handle prepares elements for others.
struct preparer {
    struct suite *suite;
    void *elements[PREPARED_MOST];
    int error;
    struct thread thread;
};

static void prepare_all(void *argument)
{
    struct preparer *preparer = argument;
    for (unsigned i = 0; i < PREPARED_MOST; i++)
        preparer->error |= queue_prepare(&preparer->suite->queue, &preparer->elements[i]);
}

// Every other element is used and the rest discarded, without any allocation.
static int use_prepared(struct suite *suite, struct preparer *preparer)
{
    const uint64_t taken = at_load_rlx(&suite->env.taken), allocations = at_load_rlx(&suite->env.allocations);
    check_env_allow(&suite->env, 0);
    int error = 0;
    for (unsigned i = 0; i < PREPARED_MOST && !error; i++) {
        const uintptr_t item = item_make(0, hands.sequence[0]);
        int result = QUEUE_FULL;
        if (i % 2) {
            result = queue_enqueue_prepared(&hands.producers[0], preparer->elements[i], item);
            error = hands_judge_enqueue(&hands, result, item);
        }
        if (result == QUEUE_OK)
            hands.sequence[0]++;
        else
            queue_discard(&suite->queue, preparer->elements[i]);
    }
    check_env_allow(&suite->env, -1);
    if (!error && (at_load_rlx(&suite->env.taken) != taken || at_load_rlx(&suite->env.allocations) != allocations))
        error = suite_fail(suite, "enqueue_prepared took memory");
    return error;
}

int check_prepared(struct suite *suite)
{
    int error = hands_open(&hands, suite, QUEUE_MANAGED, 1);
    if (error)
        return error;
    for (unsigned round = 0; round < 20 && !error; round++) {
        struct preparer preparer = {.suite = suite};
        const struct thread_options options = {.name = "preparer", .cpu = -1};
        error = thread_start(&preparer.thread, &options, prepare_all, &preparer);
        if (error)
            error = suite_refuse(suite, error, fault_no_thread(error));
        thread_join(&preparer.thread);
        if (!error && preparer.error)
            error = suite_fail(suite, "prepare answered %s", suite_answer(preparer.error));
        if (!error)
            error = use_prepared(suite, &preparer);
        if (!error)
            error = hands_drain(&hands);
    }
    return hands_close(&hands, error);
}

// Fails the first, the second, ... allocation of init and attach, until they succeed.
static int open_without_memory(struct suite *suite)
{
    struct fault ignored;
    struct queue_client client = {0};
    int error = -ENOMEM;
    for (int64_t allowed = 1; error != 0; allowed++) {
        check_env_init(&suite->env, suite->ops, suite->progress);
        check_env_allow(&suite->env, allowed);
        ignored.text[0] = '\0';
        error = queue_open(&suite->queue, suite->choice, &suite->env.env, &ignored);
        if (error == 0) {
            error = queue_client_attach(&client, &suite->queue, QUEUE_PRODUCER, QUEUE_UNMANAGED);
            queue_client_detach(&client, &suite->queue);
            queue_close(&suite->queue);
        }
        if (error != 0 && error != -ENOMEM)
            return suite_fail(suite, "with %lld allocations it failed with %s in place of ENOMEM",
                              (long long)allowed - 1, suite_answer(error));
        if (check_env_fini(&suite->env, suite->fault) != 0)
            return -EINVAL;
    }
    return 0;
}

// Without memory an enqueue either needs none or changes nothing; all the rest goes on.
static int run_without_memory(struct suite *suite)
{
    const uint64_t capacity = suite->traits->capacity;
    const unsigned half = capacity && capacity < 64 ? (unsigned)capacity / 2 : 32;
    for (unsigned i = 0; i < half; i++)
        if (hands_put(&hands, 0, false) != 0)
            return -EINVAL;
    check_env_allow(&suite->env, 0);
    for (unsigned i = 0; i < 16; i++) {
        const uintptr_t item = item_make(0, hands.sequence[0]);
        const int result = queue_enqueue(&hands.producers[0], item);
        if (result == QUEUE_OK)
            hands.sequence[0]++;
        if (result != -ENOMEM && hands_judge_enqueue(&hands, result, item) != 0)
            return -EINVAL;
        void *element = NULL;
        const int prepared = suite->ops->prepare ? suite->ops->prepare(suite->queue.memory, &element) : -ENOMEM;
        if (prepared == 0)
            queue_discard(&suite->queue, element);
        else if (prepared != -ENOMEM)
            return suite_fail(suite, "prepare without memory answered %s", suite_answer(prepared));
    }
    return hands_drain(&hands);
}

int check_no_memory(struct suite *suite)
{
    int error = open_without_memory(suite);
    if (error)
        return error;
    error = hands_open(&hands, suite, QUEUE_UNMANAGED, 1);
    if (error)
        return error;
    error = run_without_memory(suite);
    check_env_allow(&suite->env, -1);
    return hands_close(&hands, error);
}

static int use_and_leave(struct suite *suite, void *memory, void *producer, void *consumer)
{
    const struct queue_ops *ops = suite->ops;
    const uint64_t capacity = suite->traits->capacity;
    uintptr_t item;
    int result = 0;
    memset(producer, 0, ops->handle_size);
    memset(consumer, 0, ops->handle_size);
    if (ops->attach(memory, producer, QUEUE_PRODUCER, QUEUE_UNMANAGED) != 0 ||
        ops->attach(memory, consumer, QUEUE_CONSUMER, QUEUE_UNMANAGED) != 0)
        return suite_fail(suite, "attach failed");
    if (ops->dequeue(memory, consumer, &item) == QUEUE_OK)
        result = suite_fail(suite, "an item came out of a new queue");
    if (ops->length && ops->length(memory) > 10)
        result = suite_fail(suite, "a new queue has a length");
    for (unsigned i = 0; i < 200 && !result; i++)
        if (ops->enqueue(memory, producer, item_make(0, i)) != QUEUE_OK && (!capacity || i < capacity))
            result = suite_fail(suite, "a new queue did not take item %u", i);
    for (unsigned i = 0; i < 70 && !result; i++)
        if (ops->dequeue(memory, consumer, &item) == QUEUE_OK && item != item_make(0, i) &&
            suite->traits->order != QUEUE_ORDER_RELAXED)
            result = suite_fail(suite, "the wrong item came out");
    ops->detach(memory, producer);
    ops->detach(memory, consumer);
    return result;
}

// Memory that is full of rubbish, used over and over, items left inside each time.
int check_reuse(struct suite *suite)
{
    const struct queue_ops *ops = suite->ops;
    void *memory = guarded_alloc(ops->size, ops->align, 0xa5);
    void *producer = guarded_alloc(ops->handle_size, ops->handle_align, 0), *consumer;
    consumer = guarded_alloc(ops->handle_size, ops->handle_align, 0);
    if (!memory || !producer || !consumer)
        return suite_fail(suite, "no memory for the test");
    int error = 0;
    for (unsigned round = 0; round < 5 && !error; round++) {
        check_env_init(&suite->env, ops, suite->progress);
        error = ops->init(memory, &suite->env.env, suite->choice->config);
        if (error) {
            suite_fail(suite, "init answered %s", suite_answer(error));
            break;
        }
        error = use_and_leave(suite, memory, producer, consumer);
        ops->fini(memory);
        const int closed = check_env_fini(&suite->env, suite->fault);
        error = error ? error : closed;
    }
    if (!guarded_free(producer, ops->handle_size))
        error = suite_fail(suite, "it wrote beyond a producer's handle");
    if (!guarded_free(consumer, ops->handle_size))
        error = suite_fail(suite, "it wrote beyond a consumer's handle");
    if (!guarded_free(memory, ops->size))
        error = suite_fail(suite, "it wrote beyond its own memory");
    return error;
}

// Brings the consumer to where it may sleep. The inspection is emulated if need be; it keeps no item, as none is
// inside.
static int settle(struct suite *suite, enum queue_clean_state *state)
{
    uint64_t progress;
    for (unsigned round = 0; round < 1000; round++) {
        while (queue_clean(&hands.consumers[0], &progress) == QUEUE_DIRTY && round < 1000)
            round++;
        *state = queue_inspect(&hands.consumers[0], true, &progress);
        if (*state != QUEUE_DIRTY)
            return 0;
        hands_rest(&hands);
    }
    return suite_fail(suite, "an empty queue is never clean");
}

static int notify_round(struct suite *suite, bool prepared)
{
    enum queue_clean_state state;
    for (uint64_t burst = suite_random(&suite->random) % 6; burst > 0; burst--)
        if (hands_put(&hands, 0, prepared) != 0)
            return -EINVAL;
    hands_rest(&hands);
    if (hands_drain(&hands) != 0 || settle(suite, &state) != 0)
        return -EINVAL;
    const uint64_t before = at_load_rlx(&suite->env.notified);
    if (hands_put(&hands, 0, prepared) != 0)
        return -EINVAL;
    if (at_load_rlx(&suite->env.notified) == before)
        return suite_fail(suite, "inspect called a sleep safe, and the next enqueue did not notify");
    return 0;
}

static int run_notify(struct suite *suite, enum queue_thread_kind kind)
{
    int error = hands_open(&hands, suite, kind, 1);
    if (error)
        return error;
    const unsigned rounds = suite_rounds(suite, 2500);
    for (unsigned round = 0; round < rounds && !error; round++)
        error = notify_round(suite, round % 2);
    if (!error)
        error = hands_drain(&hands);
    return hands_close(&hands, error);
}

int check_notify(struct suite *suite)
{
    const int error = run_notify(suite, QUEUE_UNMANAGED);
    return error ? error : run_notify(suite, QUEUE_MANAGED);
}

static void free_chain(void *argument)
{
    struct garbage_chain *chain = argument;
    while (garbage_free(chain, GARBAGE_STEP)) {}
}

// Nothing is given back by the consumer; once clean, all that died is in the chain, and another thread frees it.
static int garbage_round(struct suite *suite, unsigned items)
{
    struct garbage_chain chain = {NULL, NULL};
    enum queue_clean_state state = QUEUE_DIRTY;
    const uint64_t given = at_load_rlx(&suite->env.given);
    for (unsigned i = 0; i < items; i++) {
        if (hands_put(&hands, 0, false) != 0)
            return -EINVAL;
        if (i % 3 == 2 && hands_get(&hands, 0) != 0)
            return -EINVAL;
        hands_rest(&hands);
    }
    if (hands_drain(&hands) != 0)
        return -EINVAL;
    for (unsigned turn = 0; turn < 1000 && state != QUEUE_CLEAN; turn++) {
        if (settle(suite, &state) != 0)
            return -EINVAL;
        queue_take_garbage(&hands.consumers[0], &chain);
        hands_rest(&hands);
    }
    if (state != QUEUE_CLEAN)
        return suite_fail(suite, "thread progress goes on, but it never gets clean");
    if (at_load_rlx(&suite->env.given) != given)
        return suite_fail(suite, "elements were given back though garbage is deferred");
    if ((int64_t)garbage_length(&chain) != at_load_rlx(&suite->env.elements))
        return suite_fail(suite, "clean, with %zu elements of garbage and %lld not given back", garbage_length(&chain),
                          (long long)at_load_rlx(&suite->env.elements));
    struct thread thread;
    const struct thread_options options = {.name = "elsewhere", .cpu = -1};
    if (thread_start(&thread, &options, free_chain, &chain) != 0)
        free_chain(&chain);
    thread_join(&thread);
    return 0;
}

int check_garbage(struct suite *suite)
{
    int error = hands_open(&hands, suite, QUEUE_MANAGED, 1);
    if (error)
        return error;
    suite->ops->defer_garbage(suite->queue.memory, true);
    for (unsigned round = 0; round < 30 && !error; round++)
        error = garbage_round(suite, 1 + round * 10);
    // What is left inside now, fini must give back.
    for (unsigned i = 0; i < 100 && !error; i++) {
        error = hands_put(&hands, 0, false);
        if (!error && i % 2)
            error = hands_get(&hands, 0);
        hands_rest(&hands);
    }
    return hands_close(&hands, error);
}

static int judge_length(struct suite *suite)
{
    const uint64_t items = hands.model.count, length = queue_length(&suite->queue), slack = items / 10 + 1;
    if (length <= items + slack && length + slack >= items)
        return 0;
    return suite_fail(suite, "its length is %llu with %llu items inside and nobody at work", (unsigned long long)length,
                      (unsigned long long)items);
}

// Also when those who enqueued and dequeued have gone.
int check_length(struct suite *suite)
{
    const uint64_t capacity = suite->traits->capacity;
    const uint64_t most = capacity && capacity < 1000 ? capacity : 1000;
    int error = hands_open(&hands, suite, QUEUE_UNMANAGED, 2);
    if (error)
        return error;
    for (unsigned round = 0; round < 3 && !error; round++) {
        while (hands.model.count < most && !error)
            error = hands_put(&hands, hands.model.count % hands.producer_count, false);
        if (!error)
            error = judge_length(suite);
        queue_client_detach(&hands.producers[0], &suite->queue);
        queue_client_detach(&hands.consumers[0], &suite->queue);
        if (!error)
            error = judge_length(suite);
        if (queue_client_attach(&hands.producers[0], &suite->queue, QUEUE_PRODUCER, QUEUE_UNMANAGED) != 0 ||
            queue_client_attach(&hands.consumers[0], &suite->queue, QUEUE_CONSUMER, QUEUE_UNMANAGED) != 0)
            error = suite_fail(suite, "attach failed");
        if (!error)
            error = hands_drain(&hands);
        if (!error)
            error = judge_length(suite);
    }
    return hands_close(&hands, error);
}
