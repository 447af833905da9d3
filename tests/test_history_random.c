// SPDX-License-Identifier: Apache-2.0
// The judge of histories against exhaustive search, on random small histories, right and wrong, with many equal
// readings; and against what it may never say of larger right ones.
#include "tests/history_made.h"
#include "tests/history_search.h"

#define HISTORIES ROUNDS(20000u)
#define OPERATIONS_MOST 10u
#define OFTEN (HISTORIES / 40)

// How often the two agreed and did not.
struct tally {
    unsigned right, wrong; // both say so
    unsigned missed;       // only the search says wrong
    unsigned faults[HISTORY_FAULTS];
};

static void print_history(const struct sample *sample)
{
    static const char *const kinds[] = {"enqueue", "dequeue", "EMPTY", "FULL"};
    for (unsigned thread = 0; thread < SAMPLE_THREADS; thread++) {
        for (uint64_t at = 0; at < sample->threads[thread].count; at++) {
            const struct history_event *event = &sample->events[thread][at];
            print_error("thread %u %s %#llx %llu-%llu\n", thread, kinds[history_kind(event)],
                        (unsigned long long)event->item, (unsigned long long)event->start,
                        (unsigned long long)history_end(event));
        }
    }
    print_error("skew %llu cut %llu sampled %llu\n", (unsigned long long)sample->history.skew_ticks,
                (unsigned long long)sample->history.cut_ticks, (unsigned long long)sample->history.sampled);
}

// What is convicted must be wrong.
static void compare(const struct sample *judged, const struct sample *whole, bool drained, struct tally *tally)
{
    const struct history_verdict verdict = sample_judge(judged, (struct history_question){.drained = drained});
    const bool convicted = verdict.fault != HISTORY_OK, right = search_finds_order(&whole->history, drained);
    if (right && convicted) {
        print_history(whole);
        print_history(judged);
        fail_msg("accused: %s", verdict.sentence);
    }
    if (convicted)
        sample_check_witness(judged, (struct history_question){.drained = drained}, &verdict);
    tally->right += right && !convicted;
    tally->wrong += !right && convicted;
    tally->missed += !right && !convicted;
    tally->faults[verdict.fault]++;
}

static void print_tally(const char *what, const struct tally *tally)
{
    print_message("%s: %u right, %u wrong, %u missed:", what, tally->right, tally->wrong, tally->missed);
    for (unsigned fault = HISTORY_INVENTED; fault <= HISTORY_OVERFULL; fault++)
        print_message(" %s %u", history_fault_name(fault), tally->faults[fault]);
    print_message("\n");
    assert_true(tally->right >= OFTEN);
    assert_true(tally->wrong >= OFTEN / 2);
}

// A third with narrow intervals, a third each wider.
static struct tally compare_made(const char *what, struct made_recipe recipe, uint64_t seed)
{
    struct tally tally = {0};
    struct sample sample;
    for (unsigned round = 0; round < HISTORIES; round++) {
        recipe.widest = 2 + round % 3 * 3;
        recipe.drained = round % 5 == 0;
        const unsigned disturbances = sample_below(&seed, 8);
        made_history(&recipe, OPERATIONS_MOST, disturbances, &sample, &seed);
        if (disturbances == 0 && !search_finds_order(&sample.history, recipe.drained)) {
            print_history(&sample);
            fail_msg("the search finds fault with a right history");
        }
        compare(&sample, &sample, recipe.drained, &tally);
    }
    print_tally(what, &tally);
    return tally;
}

static void check_exact(const char *what, const struct made_recipe *recipe, uint64_t seed)
{
    struct tally tally = compare_made(what, *recipe, seed);
    assert_int_equal(tally.missed, 0);
    assert_true(tally.faults[HISTORY_INVENTED] >= OFTEN / 5);
    assert_true(tally.faults[HISTORY_DUPLICATED] >= OFTEN / 5);
    assert_true(tally.faults[HISTORY_LOST] >= OFTEN / 5);
    assert_true(tally.faults[HISTORY_REORDERED] >= OFTEN / 5);
    assert_true(tally.faults[HISTORY_FALSE_EMPTY] >= OFTEN / 5);
    struct sample sample;
    struct tally wild = {0};
    for (unsigned round = 0; round < HISTORIES; round++) {
        const struct made_recipe wider = {.order = recipe->order, .widest = 3 + round % 3 * 6};
        made_wild(&wider, OPERATIONS_MOST, &sample, &seed);
        compare(&sample, &sample, false, &wild);
    }
    print_tally("wild", &wild);
    assert_int_equal(wild.missed, 0);
}

static void test_fifo_is_decided(void **state)
{
    (void)state;
    check_exact("FIFO", &(struct made_recipe){.order = QUEUE_ORDER_FIFO}, 77);
}

static void test_per_producer_is_decided(void **state)
{
    (void)state;
    check_exact("per producer", &(struct made_recipe){.order = QUEUE_ORDER_PER_PRODUCER}, 78);
}

// Where a thread's own order says more than the readings do, a little may be missed, and nothing right accused.
static void check_batches_and_skew(enum queue_order order, uint64_t seed)
{
    struct made_recipe recipe = {.order = order, .batches = true};
    assert_true(compare_made("batches", recipe, seed).missed < HISTORIES / 200);
    recipe.skew_most = 4;
    assert_true(compare_made("skew", recipe, seed).missed < HISTORIES / 100);
}

static void test_batches_and_skew(void **state)
{
    (void)state;
    check_batches_and_skew(QUEUE_ORDER_FIFO, 79);
    check_batches_and_skew(QUEUE_ORDER_PER_PRODUCER, 80);
}

static void test_relaxed(void **state)
{
    (void)state;
    for (uint32_t relaxation = 0; relaxation < 3; relaxation++) {
        const struct made_recipe recipe = {.order = QUEUE_ORDER_RELAXED, .relaxation = relaxation};
        const struct tally tally = compare_made("relaxed", recipe, 81 + relaxation);
        assert_true(relaxation > 1 || tally.faults[HISTORY_REORDERED] >= OFTEN / 10);
    }
}

static void test_bounded(void **state)
{
    (void)state;
    for (unsigned capacity = 1; capacity < 4; capacity++) {
        const struct made_recipe recipe = {.order = QUEUE_ORDER_FIFO, .capacity = capacity};
        const struct tally tally = compare_made("bounded", recipe, 84 + capacity);
        assert_true(tally.faults[HISTORY_FALSE_FULL] >= OFTEN / 5);
        assert_true(capacity > 2 || tally.faults[HISTORY_OVERFULL] >= OFTEN / 20);
        assert_true(tally.missed < HISTORIES / 100);
    }
}

// Every thread may run out of room at some moment.
static void cut(struct sample *sample, uint64_t *seed)
{
    for (unsigned thread = 0; thread < SAMPLE_THREADS; thread++) {
        struct history_thread *events = &sample->threads[thread];
        const uint64_t room = sample_below(seed, 2 + (unsigned)events->count);
        if (room >= events->count)
            continue;
        if (events->events[room].start < sample->history.cut_ticks)
            sample->history.cut_ticks = events->events[room].start;
        events->count = room;
    }
}

static void take_sample(struct sample *sample, uint64_t every)
{
    sample->history.sampled = every;
    for (unsigned thread = 0; thread < SAMPLE_THREADS; thread++) {
        struct history_thread *events = &sample->threads[thread];
        uint64_t kept = 0;
        for (uint64_t at = 0; at < events->count; at++) {
            const enum history_kind kind = history_kind(&events->events[at]);
            if (kind == HISTORY_EMPTY || (kind != HISTORY_FULL && history_is_sampled(events->events[at].item, every)))
                events->events[kept++] = events->events[at];
        }
        events->count = kept;
    }
}

// A part of a history may only be convicted if the whole is wrong.
static struct tally check_parts(const struct made_recipe *recipe, bool cuts, uint64_t every, uint64_t seed)
{
    struct tally tally = {0};
    struct made_recipe varied = *recipe;
    for (unsigned round = 0; round < HISTORIES; round++) {
        struct sample whole, part;
        varied.widest = 2 + round % 3 * 3;
        varied.drained = round % 5 == 0;
        made_history(&varied, OPERATIONS_MOST, sample_below(&seed, 8), &whole, &seed);
        part = whole;
        part.history.threads = part.threads;
        for (unsigned thread = 0; thread < SAMPLE_THREADS; thread++)
            part.threads[thread].events = part.events[thread];
        if (cuts)
            cut(&part, &seed);
        if (every > 0)
            take_sample(&part, every);
        compare(&part, &whole, varied.drained, &tally);
    }
    print_tally(cuts ? "cut" : "sampled", &tally);
    return tally;
}

static void test_parts(void **state)
{
    (void)state;
    const struct made_recipe recipes[] = {
        {.order = QUEUE_ORDER_FIFO},
        {.order = QUEUE_ORDER_FIFO, .batches = true, .skew_most = 3},
        {.order = QUEUE_ORDER_FIFO, .capacity = 2},
        {.order = QUEUE_ORDER_PER_PRODUCER},
    };
    unsigned reordered = 0, false_empty = 0;
    for (unsigned recipe = 0; recipe < sizeof recipes / sizeof *recipes; recipe++) {
        const struct tally tallies[] = {
            check_parts(&recipes[recipe], true, 0, 90 + recipe),
            check_parts(&recipes[recipe], false, 2, 95 + recipe),
            check_parts(&recipes[recipe], true, 2, 100 + recipe),
        };
        for (unsigned at = 0; at < 3; at++) {
            reordered += tallies[at].faults[HISTORY_REORDERED];
            false_empty += tallies[at].faults[HISTORY_FALSE_EMPTY];
        }
    }
    assert_true(reordered >= OFTEN / 2);
    assert_true(false_empty >= OFTEN * 2);
}

// Counted one by one.
static struct history_rank_error count_rank(const struct sample *sample)
{
    const struct history *history = &sample->history;
    const struct history_event *in[MADE_MOST], *out[MADE_MOST] = {NULL};
    unsigned items = 0, delivered = 0;
    for (unsigned thread = 0; thread < SAMPLE_THREADS; thread++)
        for (uint64_t at = 0; at < sample->threads[thread].count; at++)
            if (history_kind(&sample->events[thread][at]) == HISTORY_ENQUEUE)
                in[items++] = &sample->events[thread][at];
    for (unsigned thread = 0; thread < SAMPLE_THREADS; thread++)
        for (uint64_t at = 0; at < sample->threads[thread].count; at++)
            for (unsigned item = 0; item < items; item++)
                if (history_kind(&sample->events[thread][at]) == HISTORY_DEQUEUE &&
                    in[item]->item == sample->events[thread][at].item)
                    out[item] = &sample->events[thread][at];
    struct history_rank_error rank = {0};
    for (unsigned b = 0; b < items; b++) {
        uint64_t overtaken = 0;
        for (unsigned a = 0; out[b] && a < items; a++)
            overtaken += history_end(in[a]) + history->skew_ticks < in[b]->start &&
                         (!out[a] || history_end(out[b]) + history->skew_ticks < out[a]->start);
        rank.max = overtaken > rank.max ? overtaken : rank.max;
        rank.overtakers += overtaken > 0;
        rank.mean += (double)overtaken;
        delivered += out[b] != NULL;
    }
    rank.mean /= delivered > 0 ? delivered : 1;
    return rank;
}

// Larger ones: never accused, and the rank error is what counting says.
static void test_larger_right_ones(void **state)
{
    (void)state;
    uint64_t seed = 110, overtakers = 0;
    for (unsigned round = 0; round < HISTORIES / 10; round++) {
        const struct made_recipe recipe = {
            .order = round % 3,
            .relaxation = round % 3 == QUEUE_ORDER_RELAXED ? 7 : 0,
            .capacity = round % 4 * 5,
            .batches = round % 5 == 0,
            .skew_most = round % 7,
            .widest = 2 + round % 11,
            .drained = round % 2,
        };
        struct sample sample;
        made_history(&recipe, MADE_MOST, 0, &sample, &seed);
        const struct history_question question = {.drained = recipe.drained, .measure_rank = true};
        const struct history_verdict verdict = sample_judge(&sample, question);
        if (verdict.fault != HISTORY_OK)
            print_history(&sample);
        assert_string_equal(verdict.sentence, "");
        const struct history_rank_error rank = count_rank(&sample);
        assert_true(verdict.measured);
        assert_int_equal(verdict.rank.max, rank.max);
        assert_int_equal(verdict.rank.overtakers, rank.overtakers);
        assert_true(verdict.rank.mean > rank.mean - 1e-9 && verdict.rank.mean < rank.mean + 1e-9);
        overtakers += rank.overtakers;
    }
    print_message("%llu overtakers\n", (unsigned long long)overtakers);
    assert_true(overtakers > HISTORIES / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fifo_is_decided),   cmocka_unit_test(test_per_producer_is_decided),
        cmocka_unit_test(test_batches_and_skew),  cmocka_unit_test(test_relaxed),
        cmocka_unit_test(test_bounded),           cmocka_unit_test(test_parts),
        cmocka_unit_test(test_larger_right_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
