// SPDX-License-Identifier: Apache-2.0
// The judge of histories, pattern by pattern: what is wrong, what is right and looks like it, and what equal readings,
// skew, a cut and a sample make of it.
#include <errno.h>

#include "tests/history_sample.h"

static void test_nothing_is_right(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample_expect(&sample, true, HISTORY_OK, 0);
    sample.history.thread_count = 0;
    sample_expect(&sample, true, HISTORY_OK, 0);
    assert_int_equal(history_scope(&sample.history), HISTORY_SCOPE_FULL);
}

static void test_counts(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample_empty(&sample, C0, 0, 1);
    sample_in(&sample, P0, A, 5, 6);
    sample_add(&sample, P0, HISTORY_FULL, 7, 8, B);
    sample_in(&sample, P0, B, 9, 10);
    sample_out(&sample, C0, A, 10, 20);
    sample_empty(&sample, C1, 0, 4);
    const struct history_verdict verdict = sample_judge(&sample, (struct history_question){.drained = false});
    assert_int_equal(verdict.fault, HISTORY_OK);
    assert_int_equal(verdict.operations, 6);
    assert_int_equal(verdict.items, 2);
    assert_int_equal(verdict.empties, 2);
    assert_int_equal(verdict.fulls, 1);
    assert_int_equal(verdict.scope, HISTORY_SCOPE_FULL);
    assert_false(verdict.measured);
}

static void test_invented(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample_out(&sample, C0, A, 5, 9);
    sample_expect(&sample, false, HISTORY_INVENTED, 1);
    // It may take effect where the other one ends.
    sample_in(&sample, P0, A, 9, 12);
    sample_expect(&sample, false, HISTORY_OK, 0);
    sample.events[P0][0].start = 10;
    sample_expect(&sample, false, HISTORY_INVENTED, 2);
    sample.history.skew_ticks = 1;
    sample_expect(&sample, false, HISTORY_OK, 0);
    // One thread knows what it did first, whatever the skew.
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample.history.skew_ticks = 100;
    sample_out(&sample, P0, A, 5, 9);
    sample_in(&sample, P0, A, 10, 12);
    sample_expect(&sample, false, HISTORY_INVENTED, 2);
}

static void test_duplicated(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample_in(&sample, P0, A, 0, 1);
    sample_out(&sample, C0, A, 1, 3);
    sample_out(&sample, C1, A, 1, 3);
    sample_out(&sample, C1, A, 5, 8);
    sample_expect(&sample, false, HISTORY_DUPLICATED, 3);
}

static void test_lost(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample_in(&sample, P0, A, 10, 11);
    sample_in(&sample, P1, B, 0, 1);
    sample_expect(&sample, false, HISTORY_OK, 0);
    sample_expect(&sample, true, HISTORY_LOST, 1);
    const struct history_verdict verdict = sample_judge(&sample, (struct history_question){.drained = true});
    assert_string_equal(verdict.sentence, "1:7 never came out: producer 1 enqueued 1:7 at 0 ns (1 more were lost)");
    sample.history.cut_ticks = 1000;
    sample_expect(&sample, true, HISTORY_OK, 0);
}

// The last EMPTY that came after the enqueue is shown with what is lost: by time, or as one thread did both.
static void test_lost_at_an_empty(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample_empty(&sample, P0, 0, 1);
    sample_in(&sample, P0, A, 10, 20);
    sample_empty(&sample, C0, 2, 3);
    sample_empty(&sample, C0, 20, 21);
    sample_expect(&sample, true, HISTORY_LOST, 1);
    sample_empty(&sample, C0, 25, 26);
    sample_empty(&sample, C1, 23, 30);
    sample_expect(&sample, true, HISTORY_LOST, 2);
    assert_string_equal(sample_judge(&sample, (struct history_question){.drained = true}).sentence,
                        "0:161 never came out, though consumer 0 was told EMPTY at 25 ns and the queue was drained: "
                        "producer 0 enqueued 0:161 by 20 ns (0 more were lost)");
    sample.history.skew_ticks = 5;
    sample_expect(&sample, true, HISTORY_LOST, 1);
    sample_empty(&sample, P0, 20, 22);
    sample_expect(&sample, true, HISTORY_LOST, 2);
    sample.history.promise.empty_exact = false;
    sample_expect(&sample, true, HISTORY_LOST, 1);
}

// enqueue(A) 0-10, enqueue(B) from `second` on, dequeue(B) until 30, dequeue(A) from `late` on.
static void overtake(struct sample *sample, uint64_t second, uint64_t late)
{
    sample_in(sample, P0, A, 0, 10);
    sample_in(sample, P1, B, second, second + 5);
    sample_out(sample, C0, B, 20, 30);
    sample_out(sample, C1, A, late, late + 5);
}

static void test_reordered(void **state)
{
    (void)state;
    struct sample sample;
    const struct {
        uint64_t second, late, skew;
        bool wrong;
    } cases[] = {
        {11, 31, 0, true},  {10, 31, 0, false}, {11, 30, 0, false}, {11, 31, 1, false},
        {12, 31, 1, false}, {12, 32, 1, true},  {11, 32, 1, false},
    };
    for (unsigned at = 0; at < sizeof cases / sizeof *cases; at++) {
        sample_init(&sample, QUEUE_ORDER_FIFO);
        overtake(&sample, cases[at].second, cases[at].late);
        sample.history.skew_ticks = cases[at].skew;
        sample_expect(&sample, true, cases[at].wrong ? HISTORY_REORDERED : HISTORY_OK, cases[at].wrong ? 4 : 0);
        // They are of two producers.
        sample.history.promise.order = QUEUE_ORDER_PER_PRODUCER;
        sample_expect(&sample, true, HISTORY_OK, 0);
    }
    sample_init(&sample, QUEUE_ORDER_FIFO);
    overtake(&sample, 11, 31);
    sample.threads[C1].count = 0; // A never came out
    sample_expect(&sample, false, HISTORY_REORDERED, 3);
    sample_expect(&sample, true, HISTORY_LOST, 1);
    const struct history_verdict verdict = sample_judge(&sample, (struct history_question){.drained = false});
    assert_string_equal(
        verdict.sentence,
        "0:161 was overtaken: producer 0 enqueued 0:161 by 10 ns, then producer 1 enqueued 1:7 at 11 ns; "
        "but consumer 0 dequeued 1:7 at 20 ns, and 0:161 never came out");
}

// However far the clocks may be apart, one thread's own order counts: on one side, on the other, on both.
static void test_reordered_by_one_thread(void **state)
{
    (void)state;
    for (unsigned same = 0; same < 4; same++) {
        struct sample sample;
        sample_init(&sample, QUEUE_ORDER_FIFO);
        const bool one_producer = same & 1, one_consumer = same & 2;
        sample_in(&sample, P0, A, 0, 10);
        sample_in(&sample, one_producer ? P0 : P1, B, one_producer ? 10 : 2000, 2000);
        sample_out(&sample, C0, B, 2010, 2020);
        sample_out(&sample, one_consumer ? C0 : C1, A, one_consumer ? 2020 : 4020, 4100);
        sample.history.skew_ticks = 1000;
        sample_expect(&sample, true, HISTORY_REORDERED, 4);
        sample.history.promise.order = QUEUE_ORDER_PER_PRODUCER;
        sample_expect(&sample, true, one_producer ? HISTORY_REORDERED : HISTORY_OK, one_producer ? 4 : 0);
    }
}

static void test_batches_keep_their_order(void **state)
{
    (void)state;
    for (unsigned order = QUEUE_ORDER_FIFO; order <= QUEUE_ORDER_PER_PRODUCER; order++) {
        struct sample sample;
        sample_init(&sample, order);
        sample_in(&sample, P0, A, 0, 10);
        sample_in(&sample, P0, B, 0, 10);
        sample_in(&sample, P0, C, 0, 10);
        sample_out(&sample, C0, A, 5, 20);
        sample_out(&sample, C0, B, 5, 20);
        sample_out(&sample, C0, C, 5, 20);
        sample_expect(&sample, true, HISTORY_OK, 0);
        sample.events[C0][1].item = C;
        sample.events[C0][2].item = B;
        sample_expect(&sample, true, HISTORY_REORDERED, 4);
    }
}

static void test_relaxed(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_RELAXED);
    for (unsigned item = 0; item < 6; item++)
        sample_in(&sample, P0, 100 + item, 10 * item, 10 * item + 5);
    sample_out(&sample, C0, 105, 100, 101);
    for (unsigned item = 0; item < 5; item++)
        sample_out(&sample, C0, 100 + item, 110 + 10 * item, 111 + 10 * item);
    sample.history.promise.relaxation = 5;
    sample_expect(&sample, true, HISTORY_OK, 0);
    struct history_verdict verdict = sample_judge(&sample, (struct history_question){.drained = true});
    assert_true(verdict.measured);
    assert_int_equal(verdict.rank.max, 5);
    assert_int_equal(verdict.rank.overtakers, 1);
    assert_true(verdict.rank.mean > 0.833 && verdict.rank.mean < 0.834);
    sample.history.promise.relaxation = 4;
    sample_expect(&sample, true, HISTORY_REORDERED, 12);
    sample.history.promise.relaxation = 0;
    sample_expect(&sample, true, HISTORY_REORDERED, 4);
    sample.history.promise.order = QUEUE_ORDER_FIFO;
    verdict = sample_judge(&sample, (struct history_question){.measure_rank = true});
    assert_int_equal(verdict.fault, HISTORY_REORDERED);
    assert_int_equal(verdict.rank.max, 5);
}

// From 100 on operations may be missing.
static void test_cut(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample.history.cut_ticks = 100;
    assert_int_equal(history_scope(&sample.history), HISTORY_SCOPE_SAMPLED);
    // B may have been enqueued at 100, and not before.
    sample_out(&sample, C0, B, 90, 100);
    sample_expect(&sample, true, HISTORY_OK, 0);
    sample.events[C0][0].span -= UINT64_C(1) << HISTORY_KIND_BITS;
    sample_expect(&sample, true, HISTORY_INVENTED, 1);
    // A may have come out at 100, and not before.
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample.history.cut_ticks = 100;
    sample_in(&sample, P0, A, 0, 10);
    sample_in(&sample, P1, B, 11, 15);
    sample_out(&sample, C0, B, 90, 100);
    sample_expect(&sample, true, HISTORY_OK, 0);
    sample.events[C0][0].span -= UINT64_C(1) << HISTORY_KIND_BITS;
    sample_expect(&sample, true, HISTORY_REORDERED, 3);
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample.history.cut_ticks = 100;
    sample_in(&sample, P0, A, 0, 10);
    sample_empty(&sample, C0, 90, 100);
    sample_expect(&sample, true, HISTORY_OK, 0);
    sample.events[C0][0].span -= UINT64_C(1) << HISTORY_KIND_BITS;
    sample_expect(&sample, true, HISTORY_FALSE_EMPTY, 2);
}

static void test_sampled(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample.history.sampled = 3;
    uint64_t inside = 1, outside = 1;
    while (!history_is_sampled(inside, 3))
        inside++;
    while (history_is_sampled(outside, 3))
        outside++;
    sample_out(&sample, C0, outside, 5, 10);
    sample_expect(&sample, true, HISTORY_OK, 0);
    sample_out(&sample, C0, inside, 15, 20);
    sample_expect(&sample, true, HISTORY_INVENTED, 1);
    sample_in(&sample, P0, inside, 0, 1);
    sample_expect(&sample, true, HISTORY_OK, 0);
    sample.threads[C0].count = 1;
    sample_expect(&sample, true, HISTORY_LOST, 1);
    // FULL has its reasons outside of the sample.
    sample.history.promise.capacity = 4;
    sample.history.promise.full_exact = true;
    sample_add(&sample, P0, HISTORY_FULL, 20, 30, inside + 1);
    sample_expect(&sample, false, HISTORY_OK, 0);
}

static void refuse(const struct sample *sample, const char *text)
{
    struct history_verdict verdict;
    struct fault fault = {""};
    assert_int_equal(history_check(&sample->history, &(struct history_question){.drained = true}, &verdict, &fault),
                     -EINVAL);
    assert_string_equal(fault.text, text);
}

static void test_refused(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample_in(&sample, P0, A, 0, 1);
    sample_in(&sample, P1, A, 50, 60);
    refuse(&sample,
           "item 0:161 is enqueued twice, so that its dequeues can't be told apart: producer 0 enqueued 0:161 at "
           "0 ns, and producer 1 enqueued 0:161 at 50 ns");
    sample.threads[P1].count = 0;
    sample_add(&sample, P1, HISTORY_SUBMIT, 2, 3, 1);
    refuse(&sample, "the history of a queue holds events that are none of a queue's");
    sample.history.subject = HISTORY_OF_POOL;
    refuse(&sample, "this is the history of a pool, not of a queue");
}

static void test_words(void **state)
{
    (void)state;
    for (unsigned fault = 0; fault < HISTORY_FAULTS; fault++)
        for (unsigned other = 0; other < fault; other++)
            assert_string_not_equal(history_fault_name(fault), history_fault_name(other));
    assert_string_equal(history_scope_name(HISTORY_SCOPE_NONE), "none");
    assert_string_equal(history_scope_name(HISTORY_SCOPE_SAMPLED), "sampled");
    assert_string_equal(history_scope_name(HISTORY_SCOPE_FULL), "full");
    const struct queue_traits traits = {
        .capacity = 9, .order = QUEUE_ORDER_RELAXED, .relaxation = 3, .full_exact = true};
    const struct history_promise promise = history_promise_of(&traits);
    assert_int_equal(promise.capacity, 9);
    assert_int_equal(promise.order, QUEUE_ORDER_RELAXED);
    assert_int_equal(promise.relaxation, 3);
    assert_true(promise.full_exact && !promise.empty_exact);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_right),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_invented),
        cmocka_unit_test(test_duplicated),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_lost_at_an_empty),
        cmocka_unit_test(test_reordered),
        cmocka_unit_test(test_reordered_by_one_thread),
        cmocka_unit_test(test_batches_keep_their_order),
        cmocka_unit_test(test_relaxed),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_sampled),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
