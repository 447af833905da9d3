// SPDX-License-Identifier: Apache-2.0
// The judge of histories on what was inside: EMPTY and FULL answers that can't be true, and more than there is room
// for.
#include "tests/history_sample.h"

// A is inside for certain between 10 and 30.
static void put_a(struct sample *sample)
{
    sample_in(sample, P0, A, 5, 10);
    sample_out(sample, C0, A, 30, 35);
}

static void test_false_empty(void **state)
{
    (void)state;
    const struct {
        uint64_t start, end, skew;
        bool wrong;
    } cases[] = {
        {11, 29, 0, true},  {10, 29, 0, false}, {11, 30, 0, false}, {15, 15, 0, true},  {0, 40, 0, false},
        {11, 29, 1, false}, {12, 28, 1, true},  {12, 29, 1, false}, {36, 50, 0, false},
    };
    for (unsigned at = 0; at < sizeof cases / sizeof *cases; at++) {
        for (unsigned order = QUEUE_ORDER_FIFO; order <= QUEUE_ORDER_RELAXED; order++) {
            struct sample sample;
            sample_init(&sample, order);
            put_a(&sample);
            sample_empty(&sample, C1, cases[at].start, cases[at].end);
            sample.history.skew_ticks = cases[at].skew;
            sample_expect(&sample, true, cases[at].wrong ? HISTORY_FALSE_EMPTY : HISTORY_OK, cases[at].wrong ? 3 : 0);
            sample.history.promise.empty_exact = false;
            sample_expect(&sample, true, HISTORY_OK, 0);
        }
    }
}

static void test_false_empty_by_several(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    put_a(&sample);
    sample_in(&sample, P1, B, 20, 29);
    sample_out(&sample, C0, B, 50, 60);
    sample_empty(&sample, C1, 11, 49);
    // C is not needed, and does not come out.
    sample_in(&sample, P1, C, 40, 41);
    sample_expect(&sample, false, HISTORY_FALSE_EMPTY, 5);
    // At 30 A is being dequeued and B still being enqueued: there is an instant between them.
    sample.events[P1][0].span += UINT64_C(1) << HISTORY_KIND_BITS;
    sample_expect(&sample, false, HISTORY_OK, 0);
    // And if it never came out, only that counts.
    sample.threads[C0].count = 1;
    sample.events[C1][0].start = 31;
    sample_expect(&sample, false, HISTORY_FALSE_EMPTY, 2);
}

// Skew is between threads: what the asking thread had put in, or took out next, was inside for all it can know.
static void test_false_empty_by_one_thread(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample.history.skew_ticks = 1000;
    sample_in(&sample, P0, A, 5, 10);
    sample_empty(&sample, P0, 11, 20);
    sample_expect(&sample, false, HISTORY_FALSE_EMPTY, 2);
    sample_out(&sample, C0, A, 1021, 1022);
    sample_expect(&sample, false, HISTORY_FALSE_EMPTY, 3);
    sample.events[C0][0].start = 1020;
    sample_expect(&sample, false, HISTORY_OK, 0);

    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample.history.skew_ticks = 1000;
    sample_in(&sample, P0, A, 5, 10);
    sample_empty(&sample, C0, 1011, 1012);
    sample_out(&sample, C0, A, 1013, 1014);
    sample_expect(&sample, false, HISTORY_FALSE_EMPTY, 3);
    sample.events[C0][0].start = 1010;
    sample_expect(&sample, false, HISTORY_OK, 0);

    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample.history.skew_ticks = 1000;
    sample_in(&sample, P0, A, 5, 10);
    sample_empty(&sample, P0, 10, 10);
    sample_out(&sample, P0, A, 10, 14);
    sample_expect(&sample, false, HISTORY_FALSE_EMPTY, 3);
}

// Of several such items the one that tells most counts, wherever it stands.
static void test_false_empty_by_one_thread_of_several(void **state)
{
    (void)state;
    struct sample sample;
    for (unsigned kind = 0; kind < 3; kind++) {
        sample_init(&sample, QUEUE_ORDER_RELAXED);
        sample.history.promise.relaxation = 9;
        sample.history.skew_ticks = 1000;
        sample_in(&sample, P0, A, 5, 10);
        if (kind == 0) {
            sample_in(&sample, P0, B, 11, 12);
            sample_out(&sample, C0, B, 13, 14);
            sample_empty(&sample, P0, 15, 20);
        } else if (kind == 1) {
            sample_in(&sample, P1, B, 2000, 2001);
            sample_empty(&sample, C0, 1011, 1012);
            sample_out(&sample, C0, B, 2002, 2002);
            sample_out(&sample, C0, A, 2003, 2004);
        } else {
            sample_in(&sample, P0, C, 11, 12);
            sample_empty(&sample, P0, 13, 14);
            sample_out(&sample, P0, A, 15, 16);
            sample_out(&sample, C1, C, 500, 501);
        }
        sample_expect(&sample, false, HISTORY_FALSE_EMPTY, kind == 0 ? 2 : 3);
    }
}

static void test_false_full(void **state)
{
    (void)state;
    const struct {
        uint64_t start, end, skew;
        bool wrong;
    } cases[] = {
        {36, 50, 0, true},  {35, 50, 0, false}, {0, 4, 0, true},  {0, 5, 0, false},
        {12, 13, 0, false}, {36, 50, 1, false}, {0, 4, 1, false}, {0, 3, 1, true},
    };
    for (unsigned at = 0; at < sizeof cases / sizeof *cases; at++) {
        struct sample sample;
        sample_init(&sample, QUEUE_ORDER_FIFO);
        sample.history.promise.capacity = 1;
        sample.history.promise.full_exact = true;
        put_a(&sample);
        sample_add(&sample, P1, HISTORY_FULL, cases[at].start, cases[at].end, B);
        sample.history.skew_ticks = cases[at].skew;
        sample_expect(&sample, true, cases[at].wrong ? HISTORY_FALSE_FULL : HISTORY_OK, cases[at].wrong ? 1 : 0);
        sample.history.promise.full_exact = false;
        sample_expect(&sample, true, HISTORY_OK, 0);
        sample.history.promise.full_exact = true;
        sample.history.cut_ticks = 1000;
        sample_expect(&sample, true, HISTORY_OK, 0);
        sample.history.cut_ticks = HISTORY_NEVER;
        sample.history.promise.capacity = 2;
        sample.history.skew_ticks = 0;
        const bool inside = cases[at].start <= 35 && cases[at].end >= 5;
        sample_expect(&sample, true, HISTORY_FALSE_FULL, inside ? 3 : 1);
    }
}

static void test_overfull(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample.history.promise.capacity = 2;
    put_a(&sample);
    sample_in(&sample, P1, B, 10, 20);
    sample_in(&sample, P0, C, 22, 29);
    sample_expect(&sample, false, HISTORY_OVERFULL, 4);
    // C may come in when A goes.
    sample.events[P0][1].span += UINT64_C(1) << HISTORY_KIND_BITS;
    sample_expect(&sample, false, HISTORY_OK, 0);
    sample.events[P0][1].span -= UINT64_C(1) << HISTORY_KIND_BITS;
    sample.history.skew_ticks = 1;
    sample_expect(&sample, false, HISTORY_OK, 0);
}

static void test_witness_has_bounds(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample.history.promise.capacity = 80;
    for (unsigned item = 0; item < 81; item++)
        sample_in(&sample, P0, 100 + item, 2 * item, 2 * item + 1);
    for (unsigned item = 0; item < 81; item++)
        sample_out(&sample, C0, 100 + item, 1000 + 2 * item, 1001 + 2 * item);
    const struct history_verdict verdict = sample_judge(&sample, (struct history_question){.drained = true});
    assert_int_equal(verdict.fault, HISTORY_OVERFULL);
    assert_int_equal(verdict.witness_whole, 162);
    assert_int_equal(verdict.witness_count, HISTORY_WITNESS_MOST);
    for (unsigned step = 1; step < verdict.witness_count; step++)
        assert_true(verdict.witness[step - 1].event.start < verdict.witness[step].event.start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_false_empty),
        cmocka_unit_test(test_false_empty_by_several),
        cmocka_unit_test(test_false_empty_by_one_thread),
        cmocka_unit_test(test_false_empty_by_one_thread_of_several),
        cmocka_unit_test(test_false_full),
        cmocka_unit_test(test_overfull),
        cmocka_unit_test(test_witness_has_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
