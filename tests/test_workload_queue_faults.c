// SPDX-License-Identifier: Apache-2.0
// Queues with one fault each under the queue workloads: every self-check must fire, and say what it found. The same
// queue without its fault must pass, or the checks would prove nothing.
#include "tests/child.h"
#include "tests/faulty_queue.h"
#include "tests/run_words.h"

#include <errno.h>
#include <unistd.h>

#include "core/machine/clock.h"

static struct topology topology;

static int load(void **state)
{
    (void)state;
    struct fault fault = {""};
    clock_calibrate();
    return topology_load(&topology, NULL, &fault);
}

static int unload(void **state)
{
    (void)state;
    topology_unload(&topology);
    return 0;
}

// One run of `workload` on a faulty queue with these traits.
static void run_for(struct outcome *outcome, const char *workload, enum defect defect,
                    const struct queue_traits *traits, const struct run_settings *times)
{
    static struct run_request request; // a stuck run's threads go on using it
    char *text;
    char line[256];
    snprintf(line, sizeof line, "--workload %s --queue list --warmup 2ms", workload);
    words_expect(&request, line, &text);
    struct run_options *options = &request.options;
    const struct queue_choice parsed = options->queue;
    options->queue = (struct queue_choice){.entry = &faulty_entry, .config = &defect, .traits = *traits, .params = ""};
    options->settings.duration_ns = times->duration_ns;
    options->settings.stuck_ns = times->stuck_ns;
    outcome_of(outcome, options, &topology);
    if (outcome->record.exit_reason && strcmp(outcome->record.exit_reason, "stuck") == 0)
        return;
    options->queue = parsed;
    options_free(&request);
    free(text);
}

static void run_on(struct outcome *outcome, const char *workload, enum defect defect, const struct queue_traits *traits)
{
    const struct run_settings times = {.duration_ns = 20000000, .stuck_ns = 10000000000};
    run_for(outcome, workload, defect, traits, &times);
}

static const char *const loads[] = {
    "producer_consumer",
    "producer_consumer:producers=3,consumers=2,window=8",
    "pairs:sample_every=3",
    "pairs:threads=3,sample_every=0",
    "half_and_half:threads=2,prefill=200,share=60",
    "producer_consumer:consumers=2,batch=7,prefill=300,sample_every=5",
};

#define LOADS (sizeof loads / sizeof loads[0])

// Which of the counts of the record must, and must not, be zero.
struct expected {
    bool lost, duplicated, reordered;
    const char *words; // in the verdict's detail
    unsigned chances;  // runs of which one must find it, where that hangs on who gets a processor; 0 is 1
};

static void expect_violation(const char *load_name, enum defect defect, const struct expected *expected)
{
    struct outcome outcome;
    run_on(&outcome, load_name, defect, &faulty_ops.traits);
    for (unsigned left = expected->chances; outcome.code == 0 && left > 1; left--) {
        outcome_free(&outcome);
        run_on(&outcome, load_name, defect, &faulty_ops.traits);
    }
    const struct record *record = &outcome.record;
    if (outcome.code != 1)
        fail_msg("%s: code %d where one was to be found whose %s", load_name, outcome.code, expected->words);
    if (strcmp(record->exit_reason, "incorrect") != 0)
        fail_msg("%s: %s: %s", load_name, record->exit_reason, record->verdict_detail);
    assert_string_equal(record->status, "failed");
    assert_string_equal(record->verdict, "violated");
    assert_int_equal(record->items_lost > 0, expected->lost);
    assert_int_equal(record->items_duplicated > 0, expected->duplicated);
    if (expected->reordered)
        assert_true(record->items_reordered > 0);
    if (!strstr(record->verdict_detail, expected->words))
        fail_msg("%s: '%s' does not mention '%s'", load_name, record->verdict_detail, expected->words);
    outcome_free(&outcome);
}

static void test_sound_queue_passes(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOADS; i++) {
        struct outcome outcome;
        run_on(&outcome, loads[i], DEFECT_NONE, &faulty_ops.traits);
        if (outcome.code != 0)
            fail_msg("%s: %s", loads[i], outcome.record.verdict_detail);
        assert_string_equal(outcome.record.verdict, "ok");
        outcome_free(&outcome);
    }
}

static void test_losses(void **state)
{
    (void)state;
    const struct expected expected = {.lost = true, .words = "were lost"};
    for (size_t i = 0; i < LOADS; i++)
        expect_violation(loads[i], DEFECT_LOSES, &expected);
}

static void test_duplicates(void **state)
{
    (void)state;
    const struct expected expected = {.duplicated = true, .words = "delivered twice"};
    for (size_t i = 0; i < LOADS; i++)
        expect_violation(loads[i], DEFECT_DUPLICATES, &expected);
}

// Only with items in the queue can there be one to duplicate, so not with a single pair.
static void test_balanced_books(void **state)
{
    (void)state;
    const struct expected expected = {.lost = true, .duplicated = true, .words = "were lost"};
    expect_violation("producer_consumer:consumers=1,window=64", DEFECT_BALANCES, &expected);
    expect_violation("producer_consumer:producers=2,consumers=2", DEFECT_BALANCES, &expected);
}

static void test_reordering(void **state)
{
    (void)state;
    const struct expected expected = {.reordered = true, .words = "out of order"};
    expect_violation(loads[0], DEFECT_REORDERS, &expected);
    struct queue_traits traits = faulty_ops.traits;
    traits.order = QUEUE_ORDER_RELAXED;
    traits.relaxation = 1;
    struct outcome outcome;
    run_on(&outcome, loads[0], DEFECT_REORDERS, &traits);
    assert_int_equal(outcome.code, 0);
    assert_int_equal(outcome.record.items_reordered, 0);
    outcome_free(&outcome);
}

static void test_inventions(void **state)
{
    (void)state;
    const struct expected expected = {.words = "were never enqueued"};
    for (size_t i = 0; i < LOADS; i++)
        expect_violation(loads[i], DEFECT_INVENTS_OTHERS, &expected);
    struct outcome outcome;
    run_on(&outcome, loads[0], DEFECT_INVENTS, &faulty_ops.traits);
    assert_int_equal(outcome.code, 1);
    assert_null(strstr(outcome.record.verdict_detail, " 0 were never enqueued"));
    outcome_free(&outcome);
}

static void test_false_empty(void **state)
{
    (void)state;
    struct queue_traits inexact = faulty_ops.traits;
    inexact.empty_exact = false;
    for (size_t i = 0; i < LOADS; i++) {
        // Where every thread produces, there are producers to the end.
        const bool all_produce = strncmp(loads[i], "producer_consumer", 17) != 0;
        const enum defect defect = all_produce ? DEFECT_FALSE_EMPTY : DEFECT_HIDES_LAST;
        // One of several such threads may empty the queue before another that lost its processor is done. And where
        // two take, one may get all answers EMPTY while the other, which asked before the first of them, waits for the
        // queue's lock: what that one receives then proves none of them false.
        const bool by_chance = strstr(loads[i], "threads=") || strstr(loads[i], "consumers=2");
        const unsigned chances = by_chance ? 20 : 1;
        const struct expected expected = {.words = "answers EMPTY were false", .chances = chances};
        expect_violation(loads[i], defect, &expected);
        struct outcome outcome;
        run_on(&outcome, loads[i], defect, &inexact);
        if (outcome.code != 0)
            fail_msg("%s: %s", loads[i], outcome.record.verdict_detail);
        outcome_free(&outcome);
    }
}

// What is seen between enqueue and dequeue, with nothing amiss when the queue is drained.
static void test_false_empty_of_a_pair(void **state)
{
    (void)state;
    const struct expected expected = {.words = "19 answers EMPTY were false"};
    expect_violation("pairs:sample_every=0", DEFECT_BLINKS, &expected);
    expect_violation("pairs:sample_every=1", DEFECT_BLINKS, &expected);
}

// The drain believes EMPTY after thousands of them in a row, not after as many in all.
static void test_stuttering_is_no_loss(void **state)
{
    (void)state;
    struct queue_traits inexact = faulty_ops.traits;
    inexact.empty_exact = false;
    struct outcome outcome;
    run_on(&outcome, "producer_consumer:window=32", DEFECT_STUTTERS, &inexact);
    if (outcome.code != 0)
        fail_msg("%s", outcome.record.verdict_detail);
    assert_int_equal(outcome.record.items_lost, 0);
    outcome_free(&outcome);
}

// Bursts go on when an item of one is missing. On a busy machine a run may be over with the first.
static void test_bursts_outlive_a_loss(void **state)
{
    (void)state;
    const struct expected expected = {.lost = true, .words = "were lost"};
    expect_violation("burst_drain:burst=64", DEFECT_LOSES, &expected);
    struct outcome outcome;
    uint64_t total = 0;
    for (unsigned chances = 20; chances > 0 && total <= 64; chances--) {
        run_on(&outcome, "burst_drain:burst=64", DEFECT_LOSES, &faulty_ops.traits);
        total = outcome.record.items_total;
        outcome_free(&outcome);
    }
    assert_true(total > 64);
}

static void test_leaks(void **state)
{
    (void)state;
    const struct expected expected = {.words = "the queue kept 50 elements"};
    expect_violation(loads[0], DEFECT_LEAKS, &expected);
}

static void test_refusals(void **state)
{
    (void)state;
    struct outcome outcome;
    run_on(&outcome, loads[0], DEFECT_REFUSES, &faulty_ops.traits);
    assert_int_equal(outcome.code, -ENOMEM);
    assert_non_null(strstr(outcome.fault.text, "faulty"));
    outcome_free(&outcome);
    run_on(&outcome, loads[1], DEFECT_CANT_ATTACH, &faulty_ops.traits);
    assert_int_equal(outcome.code, -EMFILE);
    assert_non_null(strstr(outcome.fault.text, "consumer"));
    assert_non_null(strstr(outcome.fault.text, "cannot attach"));
    outcome_free(&outcome);
}

// In a process of its own, for its threads can't be joined.
static int run_stuck(void)
{
    struct outcome *outcome = malloc(sizeof *outcome);
    load(NULL);
    const struct run_settings times = {.duration_ns = 60000000000, .stuck_ns = 300000000};
    run_for(outcome, "producer_consumer:producers=2", DEFECT_GETS_STUCK, &faulty_ops.traits, &times);
    printf("%d %s %s %s %s\n", outcome->code, outcome->record.status, outcome->record.exit_reason,
           outcome->record.verdict, outcome->record.verdict_detail);
    fflush(stdout);
    _exit(0);
}

// When the window closes before the watchdog barks, the items that do not come out are lost.
static void test_stuck(void **state)
{
    (void)state;
    struct outcome outcome;
    const struct run_settings times = {.duration_ns = 20000000, .stuck_ns = 3000000000};
    run_for(&outcome, loads[0], DEFECT_GETS_STUCK, &faulty_ops.traits, &times);
    assert_int_equal(outcome.code, 1);
    assert_true(outcome.record.items_lost > 0);
    outcome_free(&outcome);

    char said[1024];
    child_says("--stuck", said, sizeof said);
    assert_memory_equal(said, "1 failed stuck stuck window: ", 29);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--stuck") == 0)
        return run_stuck();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_queue_passes),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_balanced_books),
        cmocka_unit_test(test_reordering),
        cmocka_unit_test(test_inventions),
        cmocka_unit_test(test_false_empty),
        cmocka_unit_test(test_false_empty_of_a_pair),
        cmocka_unit_test(test_stuttering_is_no_loss),
        cmocka_unit_test(test_bursts_outlive_a_loss),
        cmocka_unit_test(test_leaks),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_stuck),
    };
    return cmocka_run_group_tests_name("workload_queue_faults", tests, load, unload);
}
