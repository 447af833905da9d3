// SPDX-License-Identifier: Apache-2.0
// Sampling of queue lengths: taken in the window and nowhere else, not more often than asked for, and summed up
// rightly.
#include <errno.h>
#include <math.h>

#include "core/machine/memory.h"
#include "core/run/lengths.h"
#include "core/run/phases.h"
#include "tests/run_words.h"

#define WARMUP_NS 5000000u
#define DURATION_NS 60000000u
#define SAMPLE_NS 1000000u

struct fixture {
    struct workload_demand demand;
    struct workload_run run;
    uint64_t opened_ns, closing_ns;
    unsigned samples, outside;
};

static void body(struct workload_thread *self)
{
    uint64_t operations = 0;
    while (workload_tick(self, operations) != PHASE_STOP)
        operations++;
}

static int attach(struct workload_thread *self, void *context)
{
    (void)self;
    (void)context;
    return 0;
}

static void detach(struct workload_thread *self, void *context)
{
    (void)self;
    (void)context;
}

static void at_moment(enum phases_moment moment, void *context)
{
    struct fixture *fixture = context;
    if (moment == PHASES_OPENED)
        fixture->opened_ns = clock_system_ns();
    if (moment == PHASES_CLOSING)
        fixture->closing_ns = clock_system_ns();
}

static void sample(void *context)
{
    struct fixture *fixture = context;
    fixture->samples++;
    fixture->outside += !fixture->opened_ns || fixture->closing_ns;
}

static const struct workload_ops counting = {.name = "counting", .body = body};

static void run_phases(struct fixture *fixture, uint64_t sample_ns)
{
    *fixture = (struct fixture){.demand.roles[0] = {.name = "active", .threads = 2}};
    fixture->run.demand = &fixture->demand;
    fixture->run.threads = 2;
    const struct phases_plan plan = {.workload = &counting,
                                     .run = &fixture->run,
                                     .warmup_ns = WARMUP_NS,
                                     .duration_ns = DURATION_NS,
                                     .stuck_ns = 10000000000u,
                                     .timers = {{sample_ns, sample}},
                                     .context = fixture,
                                     .attach = attach,
                                     .detach = detach,
                                     .at_moment = at_moment};
    struct run_phases *phases;
    struct fault fault = {""};
    char detail[256] = "";
    int error;
    assert_int_equal(phases_create(&phases, &plan), 0);
    assert_int_equal(phases_run(phases, detail, sizeof detail, &error, &fault), PHASES_FINISHED);
    struct phases_result result;
    phases_measure(phases, &result);
    assert_true(result.window_ns >= DURATION_NS);
    phases_destroy(phases);
}

static void samples_are_taken_in_the_window_alone(void **state)
{
    (void)state;
    struct fixture fixture;
    unsigned most = 0;
    // With the long naps of a window that is only waited for there would be three or four samples. A machine that is
    // busy elsewhere may keep the controller from more, but not every time.
    for (unsigned run = 0; run < 20 && most < 5; run++) {
        run_phases(&fixture, SAMPLE_NS);
        assert_int_equal(fixture.outside, 0);
        assert_true(fixture.samples >= 1);
        assert_true(fixture.samples <= (fixture.closing_ns - fixture.opened_ns) / SAMPLE_NS + 2);
        most = fixture.samples > most ? fixture.samples : most;
    }
    assert_true(most >= 5);
}

static void an_interval_longer_than_the_window_gives_one_sample(void **state)
{
    (void)state;
    struct fixture fixture;
    run_phases(&fixture, 3600000000000u);
    assert_int_equal(fixture.samples, 1);
    assert_int_equal(fixture.outside, 0);
}

static void without_an_interval_there_is_no_sample(void **state)
{
    (void)state;
    struct fixture fixture;
    run_phases(&fixture, 0);
    assert_int_equal(fixture.samples, 0);
}

// A pool that says what the test wants.
static struct pool_lengths said;

static void say(struct pool *pool, struct pool_lengths *lengths)
{
    (void)pool;
    *lengths = said;
}

static void lengths_are_summed_up_by_what_is_known(void **state)
{
    (void)state;
    const struct pool_ops talks = {.lengths = say}, silent = {.lengths = NULL};
    struct lengths lengths = {0};
    static const struct pool_lengths script[] = {
        {10, 1, UINT64_MAX}, {0, UINT64_MAX, UINT64_MAX}, {5, 4, UINT64_MAX}, {UINT64_MAX - 6, 1, UINT64_MAX}};
    for (unsigned i = 0; i < 4; i++) {
        said = script[i];
        lengths_sample_pool(&lengths, &talks, NULL);
        lengths_sample_pool(&lengths, &silent, NULL);
    }
    struct record record;
    record_clear(&record);
    lengths_record(&lengths, &record);
    assert_int_equal(record.length_samples, 4);
    assert_float_equal(record.job_queue_length_mean, 15.0 / 4, 1e-9); // the last was caught below zero
    assert_int_equal(record.job_queue_length_max, 10);
    assert_float_equal(record.ready_queue_length_mean, 2, 1e-9);
    assert_int_equal(record.ready_queue_length_max, 4);
    assert_true(isnan(record.elements_held_mean) && record.elements_held_max == RECORD_ABSENT);
    assert_true(isnan(record.queue_length_mean) && record.queue_length_max == RECORD_ABSENT);
}

static void where_nothing_is_known_all_is_absent(void **state)
{
    (void)state;
    const struct pool_ops talks = {.lengths = say};
    struct lengths lengths = {0};
    said = (struct pool_lengths){UINT64_MAX, UINT64_MAX, UINT64_MAX};
    lengths_sample_pool(&lengths, &talks, NULL);
    struct record record;
    record_clear(&record);
    lengths_record(&lengths, &record);
    assert_true(record.length_samples == RECORD_ABSENT);
}

static uint64_t length_of(void *queue)
{
    return *(uint64_t *)queue;
}

static void a_queue_tells_its_items_and_its_elements(void **state)
{
    (void)state;
    uint64_t items[] = {7, 2};
    const struct queue_ops counts = {.length = length_of}, does_not = {.length = NULL};
    struct elements *elements;
    void *taken[5];
    assert_int_equal(elements_create(&elements, &memory_system, 16, 1), 0);
    for (unsigned i = 0; i < 5; i++)
        assert_non_null(taken[i] = elements_take(elements));
    struct lengths lengths = {0};
    struct queue queue = {.ops = &counts, .memory = &items[0]};
    lengths_sample_queue(&lengths, &queue, elements);
    elements_give(elements, taken[0]);
    queue.memory = &items[1];
    lengths_sample_queue(&lengths, &queue, elements);
    queue.ops = &does_not;
    lengths_sample_queue(&lengths, &queue, NULL);
    struct record record;
    record_clear(&record);
    lengths_record(&lengths, &record);
    assert_int_equal(record.length_samples, 3);
    assert_float_equal(record.queue_length_mean, 4.5, 1e-9);
    assert_int_equal(record.queue_length_max, 7);
    assert_float_equal(record.elements_held_mean, 4.5, 1e-9);
    assert_int_equal(record.elements_held_max, 5);
    assert_true(isnan(record.job_queue_length_mean) && record.ready_queue_length_max == RECORD_ABSENT);
    for (unsigned i = 1; i < 5; i++)
        elements_give(elements, taken[i]);
    assert_int_equal(elements_destroy(elements), 0);
}

static struct topology topology;

static const char *regime_of(uint64_t empty, uint64_t shallow, uint64_t deep)
{
    const struct length_series series = {.samples = empty + shallow + deep, .empty = empty, .deep = deep};
    const char *regime = lengths_regime(&series);
    return regime ? regime : "none";
}

static void the_regime_is_told_by_four_fifths_of_the_samples(void **state)
{
    (void)state;
    assert_string_equal(regime_of(9, 0, 0), "none");
    assert_string_equal(regime_of(10, 0, 0), "empty");
    assert_string_equal(regime_of(80, 20, 0), "empty");
    assert_string_equal(regime_of(79, 21, 0), "shallow");
    assert_string_equal(regime_of(0, 80, 20), "shallow");
    assert_string_equal(regime_of(40, 40, 20), "shallow");
    assert_string_equal(regime_of(0, 20, 80), "deep");
    assert_string_equal(regime_of(0, 21, 79), "mixed");
    assert_string_equal(regime_of(79, 0, 21), "mixed");
}

// The same lengths are deep for one thread and shallow for many.
static void the_regime_counts_items_for_each_thread(void **state)
{
    (void)state;
    const struct pool_ops talks = {.lengths = say};
    const char *const expected[] = {"deep", "deep", "shallow"};
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct lengths lengths = {.threads = threads};
        said = (struct pool_lengths){2 * LENGTHS_DEEP, UINT64_MAX, UINT64_MAX};
        for (unsigned i = 0; i < LENGTHS_LEAST; i++)
            lengths_sample_pool(&lengths, &talks, NULL);
        struct record record;
        record_clear(&record);
        lengths_record(&lengths, &record);
        assert_string_equal(record.job_queue_regime, expected[threads - 1]);
        assert_null(record.queue_regime);
    }
}

// A whole run; if on a pool, on one whose lengths are those `said`.
static void run_words(struct outcome *outcome, const char *words)
{
    static struct pool_ops ops;
    static struct pool_entry entry;
    struct run_request request;
    char *text;
    words_expect(&request, words, &text);
    if (request.options.pool) {
        entry = *request.options.pool;
        ops = *entry.ops;
        ops.lengths = say;
        entry.ops = &ops;
        request.options.pool = &entry;
    }
    outcome_of(outcome, &request.options, &topology);
    options_free(&request);
    free(text);
}

static void a_run_records_the_lengths_of_its_subject(void **state)
{
    (void)state;
    struct outcome outcome;
    run_words(&outcome, "--workload pairs --queue erts_mpsc --warmup 1ms --duration 30ms --sample-lengths 1ms");
    assert_int_equal(outcome.code, 0);
    const struct record *record = &outcome.record;
    assert_true(record->length_samples >= 1 && record->length_samples <= record->window_ns / 1000000 + 2);
    assert_true(record->queue_length_mean >= 0 && record->queue_length_mean <= (double)record->queue_length_max);
    assert_true(record->elements_held_mean >= 1 && record->elements_held_mean <= (double)record->elements_held_max);
    assert_true(isnan(record->job_queue_length_mean) && record->ready_queue_length_max == RECORD_ABSENT);
    outcome_free(&outcome);
    run_words(&outcome, "--workload pairs --queue erts_mpsc --warmup 1ms --duration 5ms --sample-lengths 0");
    assert_true(outcome.record.length_samples == RECORD_ABSENT && isnan(outcome.record.queue_length_mean));
    outcome_free(&outcome);
    said = (struct pool_lengths){12, 3, 40};
    run_words(&outcome, "--workload closed_loop --warmup 1ms --duration 20ms --sample-lengths 1ms");
    assert_int_equal(outcome.code, 0);
    assert_true(outcome.record.length_samples >= 1);
    assert_float_equal(outcome.record.job_queue_length_mean, 12, 1e-9);
    assert_int_equal(outcome.record.ready_queue_length_max, 3);
    assert_int_equal(outcome.record.elements_held_max, 40);
    assert_true(isnan(outcome.record.queue_length_mean));
    outcome_free(&outcome);
}

static void plan_of(struct run_plan *plan, const char *words, char *cell_id, struct fault *fault, int wanted)
{
    struct run_request request;
    char *text;
    words_expect(&request, words, &text);
    assert_int_equal(run_plan_make(plan, &request.options, &topology, fault), wanted);
    if (wanted == 0) {
        strcpy(cell_id, plan->cell_id);
        run_plan_free(plan);
    }
    options_free(&request);
    free(text);
}

static void the_interval_is_part_of_the_cell_and_has_a_least(void **state)
{
    (void)state;
    struct run_plan plan;
    struct fault fault = {""};
    char usual[17], same[17], zero[17], one[17], two[17];
    plan_of(&plan, "--workload pairs", usual, &fault, 0);
    plan_of(&plan, "--workload pairs --sample-lengths 20ms", same, &fault, 0);
    plan_of(&plan, "--workload pairs --sample-lengths 0", zero, &fault, 0);
    plan_of(&plan, "--workload pairs --sample-lengths 100us", one, &fault, 0);
    plan_of(&plan, "--workload pairs --sample-lengths 1ms", two, &fault, 0);
    assert_string_equal(usual, same);
    assert_string_not_equal(usual, zero);
    assert_string_not_equal(usual, one);
    assert_string_not_equal(one, two);
    plan_of(&plan, "--workload pairs --sample-lengths 99us", two, &fault, -EINVAL);
    assert_string_equal(fault.text, "--sample-lengths must be 0 or between 100us and 3600s, not 99us");
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_taken_in_the_window_alone),
        cmocka_unit_test(an_interval_longer_than_the_window_gives_one_sample),
        cmocka_unit_test(without_an_interval_there_is_no_sample),
        cmocka_unit_test(lengths_are_summed_up_by_what_is_known),
        cmocka_unit_test(where_nothing_is_known_all_is_absent),
        cmocka_unit_test(a_queue_tells_its_items_and_its_elements),
        cmocka_unit_test(the_regime_is_told_by_four_fifths_of_the_samples),
        cmocka_unit_test(the_regime_counts_items_for_each_thread),
        cmocka_unit_test(a_run_records_the_lengths_of_its_subject),
        cmocka_unit_test(the_interval_is_part_of_the_cell_and_has_a_least),
    };
    return cmocka_run_group_tests_name("phases_samples", tests, load, unload);
}
