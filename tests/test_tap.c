// SPDX-License-Identifier: Apache-2.0
// A tapped queue is the queue: same answers, same memory rules, whatever it has or lacks. And what it did is recorded.
#include "tests/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/history/check.h"
#include "core/history/tap.h"
#include "core/registry.h"
#include "core/run/params.h"
#include "core/sync/thread.h"
#include "tests/laid_queue.h"

// ------------------------------------------------------------------------------------------------ its surroundings

static int64_t blocks; // held by whatever is tested
static unsigned notified;

static void *give_block(void *context, size_t size, size_t align, int node)
{
    (void)context, (void)node;
    void *memory;
    if (posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, size))
        return NULL;
    blocks++;
    return memset(memory, 0, size);
}

static void take_block(void *context, void *memory, size_t size, int node)
{
    (void)context, (void)size, (void)node;
    blocks--;
    free(memory);
}

static void *give_element(void *context)
{
    (void)context;
    blocks++;
    return malloc(256);
}

static void take_element(void *context, void *element)
{
    (void)context;
    blocks--;
    free(element);
}

static void hear(void *argument)
{
    ++*(unsigned *)argument;
}

static const struct queue_env env = {.alloc = give_block,
                                     .free = take_block,
                                     .element_take = give_element,
                                     .element_give = take_element,
                                     .notify = hear,
                                     .notify_argument = &notified,
                                     .producers_max = 4,
                                     .consumers_max = 4,
                                     .node = -1};

struct bench {
    struct tap tap;
    struct recording *recording;
    struct history *history;
    struct queue queue;
    struct queue_client producer, consumer;
};

static struct recording *record(unsigned threads, uint64_t every)
{
    struct recording *recording;
    const struct recording_plan plan = {.name = "tapped",
                                        .promise = {.capacity = LAID_PLACES, .empty_exact = true, .full_exact = true},
                                        .sampled = every,
                                        .memory_bytes = 4u << 20,
                                        .threads = threads};
    assert_int_equal(recording_create(&recording, &plan, NULL), 0);
    return recording;
}

static void open_bench(struct bench *bench, const struct queue_choice *choice, struct recording *recording)
{
    *bench = (struct bench){.recording = recording};
    tap_init(&bench->tap, choice, recording);
    assert_int_equal(queue_open(&bench->queue, &bench->tap.choice, &env, NULL), 0);
    assert_int_equal(queue_client_attach(&bench->producer, &bench->queue, QUEUE_PRODUCER, QUEUE_UNMANAGED), 0);
    assert_int_equal(queue_client_attach(&bench->consumer, &bench->queue, QUEUE_CONSUMER, QUEUE_UNMANAGED), 0);
}

// Closes all but the recording and its history, which is made here.
static const struct history *close_queue(struct bench *bench)
{
    queue_client_detach(&bench->producer, &bench->queue);
    queue_client_detach(&bench->consumer, &bench->queue);
    queue_close(&bench->queue);
    assert_int_equal(blocks, 0);
    if (bench->recording)
        assert_int_equal(recording_history(bench->recording, &bench->history), 0);
    return bench->history;
}

static void close_recording(struct bench *bench)
{
    recording_history_free(bench->history);
    recording_destroy(bench->recording);
}

static void assert_event(const struct history *history, uint64_t index, enum history_kind kind, uintptr_t item)
{
    assert_int_equal(history->thread_count, 1);
    assert_true(index < history->threads[0].count);
    const struct history_event *event = &history->threads[0].events[index];
    assert_int_equal(history_kind(event), kind);
    assert_int_equal(event->item, item);
    assert_true(history_end(event) >= event->start);
}

static int set_up(void **state)
{
    (void)state;
    memset(&laid_seen, 0, sizeof laid_seen);
    blocks = notified = 0;
    tap_name_thread(NULL, -1);
    return 0;
}

// ------------------------------------------------------------------------------------------------ the same queue

static void test_everything_is_passed_on(void **state)
{
    (void)state;
    struct bench bench;
    open_bench(&bench, &laid_choice, NULL);
    assert_string_equal(laid_seen.config, "cfg");
    assert_string_equal(bench.tap.choice.params, "a=1");
    assert_memory_equal(&bench.tap.choice.traits, &laid_choice.traits, sizeof laid_choice.traits);
    assert_memory_equal(&bench.tap.ops.traits, &laid_ops.traits, sizeof laid_ops.traits);
    assert_string_equal(bench.tap.choice.entry->name, "laid");
    assert_ptr_equal(bench.tap.ops.params, laid_params);
    assert_int_equal(bench.tap.ops.element_size, 24);
    assert_null(bench.tap.ops.loops);
    void *element;
    assert_int_equal(queue_prepare(&bench.queue, &element), 0);
    queue_discard(&bench.queue, element);
    assert_int_equal(queue_enqueue_prepared(&bench.producer, element, 9), QUEUE_OK);
    assert_int_equal(laid_seen.prepared, 1);
    assert_int_equal(laid_seen.discarded, 1);
    assert_int_equal(notified, 1);
    assert_int_equal(queue_length(&bench.queue), 1);
    uint64_t progress;
    assert_int_equal(queue_clean(&bench.consumer, &progress), QUEUE_NEED_PROGRESS);
    assert_int_equal(progress, 41);
    assert_int_equal(queue_inspect(&bench.consumer, true, &progress), QUEUE_DIRTY);
    assert_int_equal(progress, 43);
    assert_int_equal(queue_inspect(&bench.consumer, false, &progress), QUEUE_DIRTY);
    assert_int_equal(progress, 42);
    struct garbage_chain chain = {NULL, NULL};
    assert_false(queue_take_garbage(&bench.consumer, &chain));
    bench.queue.ops->defer_garbage(bench.queue.memory, true);
    assert_true(queue_take_garbage(&bench.consumer, &chain));
    assert_non_null(chain.first);
    struct queue_statistics statistics;
    bench.queue.ops->statistics(bench.queue.memory, &statistics);
    assert_int_equal(statistics.retries, 1);
    uintptr_t item = 0;
    assert_int_equal(queue_dequeue(&bench.consumer, &item), QUEUE_OK);
    assert_int_equal(item, 9);
    assert_null(close_queue(&bench));
    assert_int_equal(laid_seen.finis, 1);
    assert_int_equal(laid_seen.attached, 0);
}

// An operation that is not there must not seem to be.
static void test_what_is_not_there_stays_away(void **state)
{
    (void)state;
    struct queue_ops bare = laid_ops;
    bare.prepare = NULL;
    bare.enqueue_prepared = NULL;
    bare.discard = NULL;
    bare.enqueue_batch = NULL;
    bare.dequeue_batch = NULL;
    bare.clean = NULL;
    bare.inspect = NULL;
    bare.defer_garbage = NULL;
    bare.take_garbage = NULL;
    bare.length = NULL;
    bare.statistics = NULL;
    struct queue_entry entry = laid_entry;
    entry.ops = &bare;
    struct queue_choice choice = laid_choice;
    choice.entry = &entry;
    struct tap tap;
    tap_init(&tap, &choice, NULL);
    const struct queue_ops *ops = tap.choice.entry->ops;
    assert_null(ops->prepare);
    assert_null(ops->enqueue_prepared);
    assert_null(ops->discard);
    assert_null(ops->enqueue_batch);
    assert_null(ops->dequeue_batch);
    assert_null(ops->clean);
    assert_null(ops->inspect);
    assert_null(ops->defer_garbage);
    assert_null(ops->take_garbage);
    assert_null(ops->length);
    assert_null(ops->statistics);
    assert_null(ops->resolve);
}

static void test_failures_leave_nothing(void **state)
{
    (void)state;
    struct recording *recording = record(1, 0);
    struct tap tap;
    struct queue queue;
    struct queue_client client;
    tap_init(&tap, &laid_choice, recording);
    laid_seen.init_error = -ENOMEM;
    assert_int_equal(queue_open(&queue, &tap.choice, &env, NULL), -ENOMEM);
    laid_seen.init_error = 0;
    assert_int_equal(queue_open(&queue, &tap.choice, &env, NULL), 0);
    laid_seen.attach_error = -EAGAIN;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(queue_client_attach(&client, &queue, QUEUE_CONSUMER, QUEUE_UNMANAGED), -EAGAIN);
    laid_seen.attach_error = 0;
    struct history *history;
    assert_int_equal(recording_history(recording, &history), 0);
    assert_int_equal(history->thread_count, 0); // who did not get in has nothing to record
    recording_history_free(history);
    queue_close(&queue);
    assert_int_equal(blocks, 0);
    recording_destroy(recording);
}

// Small steps on one thread, drawn by `seed`, with their answers written down.
static void walk(struct bench *bench, uint64_t seed, int64_t *answers, unsigned count)
{
    uintptr_t next = 1;
    for (unsigned i = 0; i < count; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const unsigned draw = (unsigned)(seed >> 33) % 8;
        uintptr_t item = 0;
        uint64_t progress = 0;
        void *element = NULL;
        if (draw < 2) {
            answers[i] = queue_enqueue(&bench->producer, next++);
        } else if (draw == 2) {
            assert_int_equal(queue_prepare(&bench->queue, &element), 0);
            answers[i] = queue_enqueue_prepared(&bench->producer, element, next++);
        } else if (draw == 3) {
            answers[i] = queue_prepare(&bench->queue, &element);
            queue_discard(&bench->queue, element);
        } else if (draw == 4) {
            answers[i] = queue_inspect(&bench->consumer, true, &progress);
        } else if (draw == 5) {
            answers[i] = queue_clean(&bench->consumer, &progress);
        } else {
            const int result = queue_dequeue(&bench->consumer, &item);
            answers[i] = result == QUEUE_OK ? (int64_t)item : -result;
        }
    }
}

#define STEPS 3000u

static void test_listed_queues_answer_alike(void **state)
{
    (void)state;
    static int64_t plain[STEPS], tapped[STEPS];
    unsigned seen = 0;
    for (const struct queue_entry *entry = queue_list; entry->name; entry++) {
        struct queue_choice choice = {0};
        if (!entry->ops || entry->ops->traits.order == QUEUE_ORDER_RELAXED) // these may draw lots
            continue;
        assert_int_equal(queue_choice_parse(&choice, entry->name, NULL), 0);
        struct bench bench;
        open_bench(&bench, &choice, NULL);
        walk(&bench, 7, plain, STEPS);
        close_queue(&bench);
        open_bench(&bench, &choice, record(1, 0));
        walk(&bench, 7, tapped, STEPS);
        const struct history *history = close_queue(&bench);
        assert_memory_equal(plain, tapped, sizeof plain);
        assert_true(history_events(history) > STEPS / 3);
        close_recording(&bench);
        queue_choice_fini(&choice);
        seen++;
    }
    assert_true(seen > 2);
}

// ------------------------------------------------------------------------------------------------ what is recorded

static void test_each_operation_is_one_event(void **state)
{
    (void)state;
    struct bench bench;
    uintptr_t item;
    void *element;
    open_bench(&bench, &laid_choice, record(1, 0));
    queue_enqueue(&bench.producer, 11);
    queue_prepare(&bench.queue, &element);
    queue_enqueue_prepared(&bench.producer, element, 12);
    queue_dequeue(&bench.consumer, &item);
    laid_seen.answer = QUEUE_RETRY;
    assert_int_equal(queue_dequeue(&bench.consumer, &item), QUEUE_RETRY);
    laid_seen.answer = QUEUE_RETRY;
    assert_int_equal(queue_enqueue(&bench.producer, 90), QUEUE_RETRY);
    laid_seen.answer = -ENOMEM;
    assert_int_equal(queue_enqueue(&bench.producer, 91), -ENOMEM);
    queue_dequeue(&bench.consumer, &item);
    assert_int_equal(queue_dequeue(&bench.consumer, &item), QUEUE_EMPTY);
    for (uintptr_t i = 21; i <= 25; i++)
        queue_enqueue(&bench.producer, i);
    assert_int_equal(queue_enqueue_prepared(&bench.producer, element, 26), QUEUE_FULL);
    const struct history *history = close_queue(&bench);
    assert_event(history, 0, HISTORY_ENQUEUE, 11);
    assert_event(history, 1, HISTORY_ENQUEUE, 12);
    assert_event(history, 2, HISTORY_DEQUEUE, 11);
    assert_event(history, 3, HISTORY_DEQUEUE, 12);
    assert_event(history, 4, HISTORY_EMPTY, 0);
    for (unsigned i = 0; i < 4; i++)
        assert_event(history, 5 + i, HISTORY_ENQUEUE, 21 + i);
    assert_event(history, 9, HISTORY_FULL, 25);
    assert_event(history, 10, HISTORY_FULL, 26);
    assert_int_equal(history_events(history), 11);
    const struct history_event *events = history->threads[0].events;
    for (unsigned i = 1; i < 11; i++)
        assert_true(events[i].start >= history_end(&events[i - 1]));
    close_recording(&bench);
}

static void test_batches_share_their_interval(void **state)
{
    (void)state;
    struct bench bench;
    uintptr_t items[8] = {31, 32, 33, 34, 35, 36};
    int result;
    open_bench(&bench, &laid_choice, record(1, 0));
    const struct queue_ops *ops = bench.queue.ops;
    assert_int_equal(ops->enqueue_batch(bench.queue.memory, bench.producer.handle, items, 2, &result), 2);
    assert_int_equal(ops->enqueue_batch(bench.queue.memory, bench.producer.handle, items + 2, 4, &result), 2);
    assert_int_equal(result, QUEUE_FULL);
    assert_int_equal(ops->dequeue_batch(bench.queue.memory, bench.consumer.handle, items, 3, &result), 3);
    assert_int_equal(ops->dequeue_batch(bench.queue.memory, bench.consumer.handle, items + 3, 5, &result), 1);
    assert_int_equal(result, QUEUE_EMPTY);
    laid_seen.answer = QUEUE_RETRY;
    assert_int_equal(ops->dequeue_batch(bench.queue.memory, bench.consumer.handle, items, 5, &result), 0);
    assert_int_equal(items[3], 34);
    const struct history *history = close_queue(&bench);
    for (unsigned i = 0; i < 4; i++)
        assert_event(history, i + (i > 3), HISTORY_ENQUEUE, 31 + i);
    assert_event(history, 4, HISTORY_FULL, 35);
    for (unsigned i = 0; i < 4; i++)
        assert_event(history, 5 + i, HISTORY_DEQUEUE, 31 + i);
    assert_event(history, 9, HISTORY_EMPTY, 0);
    assert_int_equal(history_events(history), 10);
    static const unsigned batch[] = {0, 0, 1, 1, 1, 2, 2, 2, 3, 3};
    const struct history_event *events = history->threads[0].events;
    for (unsigned i = 1; i < 10; i++) {
        if (batch[i] == batch[i - 1])
            assert_true(events[i].start == events[i - 1].start &&
                        history_end(&events[i]) == history_end(&events[i - 1]));
        else
            assert_true(events[i].start >= history_end(&events[i - 1]));
    }
    close_recording(&bench);
}

// Until the next start is to be the last end: without a pause every operation comes to that.
static void come_near(struct bench *bench, struct recorder *recorder)
{
    uintptr_t item;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(queue_enqueue(&bench->producer, 71 + i), QUEUE_OK);
        assert_int_equal(queue_dequeue(&bench->consumer, &item), QUEUE_OK);
    }
    assert_true(recorder->near_starts > 0);
}

static unsigned ask_batch(struct bench *bench, bool enqueue, unsigned count, int *result)
{
    uintptr_t items[8] = {81, 82, 83, 84, 85};
    const struct queue_ops *ops = bench->queue.ops;
    return enqueue ? ops->enqueue_batch(bench->queue.memory, bench->producer.handle, items, count, result)
                   : ops->dequeue_batch(bench->queue.memory, bench->consumer.handle, items, count, result);
}

// A thread that was told to wait may nap before it asks again, and that is not to be part of the next operation.
static void test_after_a_refusal_the_clock_is_read(void **state)
{
    (void)state;
    struct bench bench;
    uintptr_t item;
    int result;
    open_bench(&bench, &laid_choice, record(1, 0));
    struct recorder *recorder = recording_self(bench.recording, "", -1);
    recorder->near_ticks = clock_ticks_in(1e9); // however slow this machine is at the moment
    come_near(&bench, recorder);
    assert_int_equal(queue_dequeue(&bench.consumer, &item), QUEUE_EMPTY);
    assert_int_equal(recorder->near_starts, 0);
    for (unsigned enqueue = 0; enqueue < 2; enqueue++) {
        come_near(&bench, recorder);
        laid_seen.answer = QUEUE_RETRY;
        assert_int_equal(enqueue ? queue_enqueue(&bench.producer, 73) : queue_dequeue(&bench.consumer, &item),
                         QUEUE_RETRY);
        assert_int_equal(recorder->near_starts, 0);
    }
    come_near(&bench, recorder);
    assert_int_equal(ask_batch(&bench, true, 2, &result), 2);
    assert_true(recorder->near_starts > 0);
    assert_int_equal(ask_batch(&bench, true, 3, &result), 2);
    assert_int_equal(recorder->near_starts, 0);
    assert_int_equal(queue_enqueue(&bench.producer, 74), QUEUE_FULL);
    assert_int_equal(ask_batch(&bench, false, 2, &result), 2);
    assert_true(recorder->near_starts > 0);
    assert_int_equal(ask_batch(&bench, false, 3, &result), 2);
    assert_int_equal(recorder->near_starts, 0);
    assert_int_equal(ask_batch(&bench, true, 4, &result), 4);
    assert_true(recorder->near_starts > 0);
    assert_int_equal(queue_enqueue(&bench.producer, 75), QUEUE_FULL);
    assert_int_equal(recorder->near_starts, 0);
    close_queue(&bench);
    close_recording(&bench);
}

static void test_a_sample_has_both_ends_and_every_empty(void **state)
{
    (void)state;
    const uint64_t every = 3;
    struct bench bench;
    uintptr_t item, items[2];
    unsigned sampled = 0, events = 0;
    int result;
    open_bench(&bench, &laid_choice, record(1, every));
    const struct queue_ops *ops = bench.queue.ops;
    for (uintptr_t i = 1; i <= 100; i++) {
        if (i % 2) {
            queue_enqueue(&bench.producer, i);
            queue_dequeue(&bench.consumer, &item);
        } else {
            ops->enqueue_batch(bench.queue.memory, bench.producer.handle, &i, 1, &result);
            ops->dequeue_batch(bench.queue.memory, bench.consumer.handle, items, 2, &result);
        }
        sampled += history_is_sampled(i, every);
        queue_dequeue(&bench.consumer, &item);
    }
    for (uintptr_t i = 200; i < 300; i++) // of these four are taken, and no FULL is recorded
        queue_enqueue(&bench.producer, i);
    for (uintptr_t i = 200; i < 204; i++)
        sampled += history_is_sampled(i, every);
    while (queue_dequeue(&bench.consumer, &item) == QUEUE_OK) {}
    const struct history *history = close_queue(&bench);
    unsigned kinds[HISTORY_KINDS] = {0};
    for (; events < history_events(history); events++) {
        const struct history_event *event = &history->threads[0].events[events];
        kinds[history_kind(event)]++;
        assert_true(history_kind(event) == HISTORY_EMPTY || history_is_sampled(event->item, every));
    }
    assert_in_range(sampled, 20, 60);
    assert_int_equal(kinds[HISTORY_ENQUEUE], sampled);
    assert_int_equal(kinds[HISTORY_DEQUEUE], sampled);
    assert_int_equal(kinds[HISTORY_EMPTY], 151);
    assert_int_equal(kinds[HISTORY_FULL], 0);
    assert_int_equal(history->sampled, every);
    close_recording(&bench);
}

// ------------------------------------------------------------------------------------------------ threads

static void churn(void *argument)
{
    struct bench *bench = argument;
    struct queue_client client;
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(queue_client_attach(&client, &bench->queue, QUEUE_CONSUMER, QUEUE_UNMANAGED), 0);
        uintptr_t item;
        queue_dequeue(&client, &item);
        queue_client_detach(&client, &bench->queue);
    }
}

static void churn_named(void *argument)
{
    tap_name_thread("scheduler", 5);
    churn(argument);
}

// However often it attaches, and as what.
static void test_a_thread_has_one_recorder(void **state)
{
    (void)state;
    struct bench bench;
    struct thread thread;
    open_bench(&bench, &laid_choice, record(3, 0));
    assert_int_equal(thread_start(&thread, &(struct thread_options){.cpu = -1}, churn, &bench), 0);
    thread_join(&thread);
    assert_int_equal(thread_start(&thread, &(struct thread_options){.cpu = -1}, churn_named, &bench), 0);
    thread_join(&thread);
    queue_enqueue(&bench.producer, 5);
    const struct history *history = close_queue(&bench);
    assert_int_equal(history->thread_count, 3);
    assert_true(history->cut_ticks == HISTORY_NEVER);
    assert_string_equal(history->threads[0].name, "producer");
    assert_int_equal(history->threads[0].count, 1);
    assert_string_equal(history->threads[1].name, "consumer");
    assert_int_equal(history->threads[1].count, 50);
    assert_string_equal(history->threads[2].name, "scheduler");
    assert_int_equal(history->threads[2].rank, 5);
    assert_int_equal(history->threads[2].count, 50);
    close_recording(&bench);
}

// ------------------------------------------------------------------------------------------------ judged

static bool swap_next;

// Delivers the second before the first, once.
static int swapping_dequeue(void *queue, void *handle, uintptr_t *item)
{
    struct laid *q = laid_with(queue, handle, QUEUE_CONSUMER);
    if (swap_next && q->in - q->out >= 2) {
        const uintptr_t first = q->items[q->out % LAID_PLACES];
        q->items[q->out % LAID_PLACES] = q->items[(q->out + 1) % LAID_PLACES];
        q->items[(q->out + 1) % LAID_PLACES] = first;
        swap_next = false;
    }
    return laid_dequeue(queue, handle, item);
}

static enum history_fault judge_swapping(bool swap)
{
    struct queue_ops ops = laid_ops;
    ops.dequeue = swapping_dequeue;
    struct queue_entry entry = laid_entry;
    entry.ops = &ops;
    struct queue_choice choice = laid_choice;
    choice.entry = &entry;
    struct bench bench;
    uintptr_t item;
    open_bench(&bench, &choice, record(1, 0));
    for (uintptr_t i = 1; i < 50; i += 2) {
        queue_enqueue(&bench.producer, i);
        queue_enqueue(&bench.producer, i + 1);
        swap_next = swap && i == 31;
        while (queue_dequeue(&bench.consumer, &item) == QUEUE_OK) {}
    }
    const struct history *history = close_queue(&bench);
    struct history_verdict verdict;
    const struct history_question question = {.drained = true};
    assert_int_equal(history_check(history, &question, &verdict, NULL), 0);
    assert_int_equal(verdict.scope, HISTORY_SCOPE_FULL);
    assert_int_equal(verdict.items, 50);
    close_recording(&bench);
    return verdict.fault;
}

static void test_a_broken_queue_is_seen_through_the_tap(void **state)
{
    (void)state;
    assert_int_equal(judge_swapping(false), HISTORY_OK);
    assert_int_equal(judge_swapping(true), HISTORY_REORDERED);
}

static int calibrate(void **state)
{
    (void)state;
    clock_calibrate();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_everything_is_passed_on, set_up),
        cmocka_unit_test_setup(test_what_is_not_there_stays_away, set_up),
        cmocka_unit_test_setup(test_failures_leave_nothing, set_up),
        cmocka_unit_test_setup(test_listed_queues_answer_alike, set_up),
        cmocka_unit_test_setup(test_each_operation_is_one_event, set_up),
        cmocka_unit_test_setup(test_batches_share_their_interval, set_up),
        cmocka_unit_test_setup(test_after_a_refusal_the_clock_is_read, set_up),
        cmocka_unit_test_setup(test_a_sample_has_both_ends_and_every_empty, set_up),
        cmocka_unit_test_setup(test_a_thread_has_one_recorder, set_up),
        cmocka_unit_test_setup(test_a_broken_queue_is_seen_through_the_tap, set_up),
    };
    return cmocka_run_group_tests_name("tap", tests, calibrate, NULL);
}
