// SPDX-License-Identifier: Apache-2.0
// The witness as it is drawn.
#include "tests/history_made.h"

// What is drawn of a verdict.
static void draw(const struct sample *sample, const struct history_verdict *verdict, unsigned width, char *text,
                 size_t size)
{
    FILE *out = fmemopen(text, size, "w");
    assert_non_null(out);
    history_timeline(&sample->history, verdict, width, out);
    assert_int_equal(fclose(out), 0);
}

static void expect_drawn(const struct sample *sample, unsigned width, const char *expected)
{
    const struct history_verdict verdict = sample_judge(sample, (struct history_question){.drained = false});
    char text[8192] = "";
    draw(sample, &verdict, width, text, sizeof text);
    assert_string_equal(text, expected);
}

static void test_to_scale(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample.history.ns_per_tick = 0.5;
    sample_in(&sample, P0, A, 200, 220);
    sample_in(&sample, P1, B, 222, 232);
    sample_out(&sample, C0, B, 240, 260);
    sample_out(&sample, C1, A, 262, 270);
    expect_drawn(&sample, 80,
                 "time 0 is 100 ns into the recording; to scale\n"
                 "                                                                    start end ns\n"
                 "producer 0 enqueue 0:161 |----------|                                   0     10\n"
                 "producer 1 enqueue 1:7               |-----|                           11     16\n"
                 "consumer 0 dequeue 1:7                         |----------|            20     30\n"
                 "consumer 1 dequeue 0:161                                    |---|      31     35\n");
    sample.threads[C1].count = 0;
    sample.history.skew_ticks = 1;
    expect_drawn(&sample, 80,
                 "time 0 is 100 ns into the recording; to scale\n"
                 "clocks of two processors may differ by 0.5 ns\n"
                 "                                                                    start end ns\n"
                 "producer 0 enqueue 0:161 |------------|..........................>      0     10\n"
                 "producer 1 enqueue 1:7                 |------|                        11     16\n"
                 "consumer 0 dequeue 1:7                             |------------|      20     30\n");
}

static void test_not_to_scale(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample_in(&sample, P0, A, 100, 110);
    sample_empty(&sample, C1, 200, 100000000100);
    sample_out(&sample, C1, A, 100000000200, 100000000210);
    expect_drawn(&sample, 80,
                 "time 0 is 100 ns into the recording\n"
                 "not to scale: long stretches are shortened\n"
                 "                                                              start       end ns\n"
                 "producer 0 enqueue 0:161 |-|                                      0           10\n"
                 "consumer 1 EMPTY              |---------------|                 100 100000000000\n"
                 "consumer 1 dequeue 0:161                         |--|  100000000100 100000000110\n");
}

static void test_of_a_pool(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    sample.history.subject = HISTORY_OF_POOL;
    strcpy(sample.threads[P0].name, "scheduler");
    const struct history_verdict verdict = {
        .fault = HISTORY_READY_BEFORE_INVOKED,
        .witness_count = 3,
        .witness_whole = 5,
        .witness = {
            {.thread = P0, .event = {.start = 7, .span = 4u << HISTORY_KIND_BITS | HISTORY_SUBMIT, .item = 17}},
            {.thread = P0, .event = {.start = 12, .span = 1u << HISTORY_KIND_BITS | HISTORY_READY, .item = 17}},
            {.thread = C1, .event = {.start = 15, .span = 9u << HISTORY_KIND_BITS | HISTORY_INVOKE, .item = 17}},
        }};
    char text[4096] = "";
    draw(&sample, &verdict, 1, text, sizeof text);
    assert_string_equal(text, "time 0 is 7 ns into the recording; to scale\n"
                              "                                                start end ns\n"
                              "scheduler 0 submit job 17 |---|                     0      4\n"
                              "scheduler 0 ready job 17       ||                   5      6\n"
                              "consumer 1 invoke job 17          |---------|       8     17\n"
                              "and 2 more operations\n");
}

static void test_nothing(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, QUEUE_ORDER_FIFO);
    expect_drawn(&sample, 80, "");
}

// A bar begins where its column says and no other: of two moments the later is never drawn to the left.
static void check_order(const struct history_verdict *verdict, const char *text, bool apart)
{
    size_t columns[HISTORY_WITNESS_MOST];
    const char *line = text;
    while (strncmp(line, "producer", 8) != 0 && strncmp(line, "consumer", 8) != 0)
        line = strchr(line, '\n') + 1;
    for (unsigned step = 0; step < verdict->witness_count; step++) {
        columns[step] = strcspn(line, "|");
        line = strchr(line, '\n') + 1;
    }
    for (unsigned step = 1; step < verdict->witness_count; step++) {
        assert_true(columns[step - 1] <= columns[step]);
        if (apart && verdict->witness[step - 1].event.start < verdict->witness[step].event.start)
            assert_true(columns[step - 1] < columns[step]);
    }
}

static void test_fits(void **state)
{
    (void)state;
    static char text[65536];
    uint64_t seed = 5;
    unsigned drawn = 0;
    for (unsigned round = 0; round < ROUNDS(3000u); round++) {
        const struct made_recipe recipe = {.order = QUEUE_ORDER_FIFO, .capacity = 1 + round % 30, .widest = 7};
        const unsigned shift = round % 40;
        struct sample sample;
        made_history(&recipe, round % 2 ? 12 : MADE_MOST, 3, &sample, &seed);
        for (unsigned thread = 0; thread < SAMPLE_THREADS; thread++)
            for (uint64_t at = 0; at < sample.threads[thread].count; at++)
                if (sample.events[thread][at].start > 10)
                    sample.events[thread][at].start += (sample.events[thread][at].start - 10) << shift;
        const struct history_verdict verdict = sample_judge(&sample, (struct history_question){.drained = true});
        if (verdict.fault == HISTORY_OK)
            continue;
        const unsigned width = 60 + round % 7 * 20;
        draw(&sample, &verdict, width, text, sizeof text);
        unsigned lines = 0;
        for (const char *line = text; *line; line = strchr(line, '\n') + 1, lines++)
            assert_true(strcspn(line, "\n") <= width);
        const unsigned headings = strstr(text, "not to scale") ? 3 : 2;
        assert_int_equal(lines, headings + verdict.witness_count + (verdict.witness_whole > verdict.witness_count));
        check_order(&verdict, text, verdict.witness_count <= 3);
        drawn++;
    }
    assert_true(drawn > ROUNDS(1000u));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_scale), cmocka_unit_test(test_not_to_scale), cmocka_unit_test(test_of_a_pool),
        cmocka_unit_test(test_nothing),  cmocka_unit_test(test_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
