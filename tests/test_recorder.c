// SPDX-License-Identifier: Apache-2.0
// A recording keeps what each thread did, in order, under its name, and says from when on it is incomplete.
#include "tests/unit.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "core/history/recorder.h"
#include "core/history/skew.h"
#include "core/sync/thread.h"

#define THREADS 4u
#define EVENTS 5000u

static struct recording *make(unsigned threads, uint64_t events_each)
{
    const struct recording_plan plan = {.subject = HISTORY_OF_QUEUE,
                                        .name = "some:capacity=8",
                                        .promise = {.order = QUEUE_ORDER_RELAXED, .relaxation = 3, .capacity = 8},
                                        .memory_bytes = threads * events_each * sizeof(struct history_event),
                                        .threads = threads};
    struct recording *recording;
    struct fault fault = {""};
    assert_int_equal(recording_create(&recording, &plan, &fault), 0);
    assert_string_equal(fault.text, "");
    return recording;
}

static struct history *take(struct recording *recording)
{
    struct history *history;
    assert_int_equal(recording_history(recording, &history), 0);
    return history;
}

static void record(struct recorder *recorder, enum history_kind kind, uint64_t item)
{
    const uint64_t start = recorder_start(recorder);
    recorder_add(recorder, kind, start, recorder_end(recorder), item);
}

static void assert_in_order(const struct history_thread *thread)
{
    for (uint64_t i = 0; i < thread->count; i++) {
        assert_true(history_end(&thread->events[i]) >= thread->events[i].start);
        if (i > 0)
            assert_true(thread->events[i].start >= history_end(&thread->events[i - 1]));
    }
}

static void test_what_was_planned_is_told(void **state)
{
    (void)state;
    const uint64_t before = clock_ticks();
    struct recording *recording = make(2, 10);
    struct history *history = take(recording);
    assert_int_equal(history->subject, HISTORY_OF_QUEUE);
    assert_string_equal(history->name, "some:capacity=8");
    assert_int_equal(history->promise.order, QUEUE_ORDER_RELAXED);
    assert_int_equal(history->promise.relaxation, 3);
    assert_int_equal(history->promise.capacity, 8);
    assert_true(history->ns_per_tick == clock_facts.ns_per_tick);
    assert_in_range(history->origin_ticks, before, clock_ticks());
    assert_int_equal(history->thread_count, 0);
    assert_true(history->cut_ticks == HISTORY_NEVER);
    assert_int_equal(history_scope(history), HISTORY_SCOPE_FULL);
    recording_history_free(history);
    recording_destroy(recording);
    recording_destroy(NULL);
}

static void work(void *argument)
{
    struct recorder *recorder = recording_join(argument, "worker", -1);
    assert_non_null(recorder);
    for (uint64_t item = 1; item <= EVENTS; item++)
        record(recorder, item % 2 ? HISTORY_ENQUEUE : HISTORY_DEQUEUE, item);
}

static void test_threads_record_side_by_side(void **state)
{
    (void)state;
    struct recording *recording = make(THREADS, EVENTS);
    struct thread threads[THREADS];
    unsigned ranks = 0;
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(thread_start(&threads[i], &(struct thread_options){.cpu = -1}, work, recording), 0);
    for (unsigned i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    struct history *history = take(recording);
    assert_int_equal(history->thread_count, THREADS);
    assert_true(history->cut_ticks == HISTORY_NEVER);
    for (unsigned i = 0; i < THREADS; i++) {
        const struct history_thread *thread = &history->threads[i];
        assert_string_equal(thread->name, "worker");
        ranks |= 1u << thread->rank;
        assert_int_equal(thread->count, EVENTS);
        assert_in_order(thread);
        for (uint64_t k = 0; k < EVENTS; k++) {
            assert_int_equal(thread->events[k].item, k + 1);
            assert_int_equal(history_kind(&thread->events[k]), k % 2 ? HISTORY_DEQUEUE : HISTORY_ENQUEUE);
        }
    }
    assert_int_equal(ranks, (1u << THREADS) - 1);
    recording_history_free(history);
    recording_destroy(recording);
}

// The interval holds what was done in it, to the tick.
static void test_intervals_enclose(void **state)
{
    (void)state;
    struct recording *recording = make(1, 1000);
    struct recorder *recorder = recording_join(recording, "a", -1);
    uint64_t inside[1000];
    for (unsigned i = 0; i < 1000; i++) {
        const uint64_t start = recorder_start(recorder);
        inside[i] = clock_ticks();
        if (i % 10 == 0)
            clock_spin(clock_ticks_in(2000));
        recorder_add(recorder, HISTORY_ENQUEUE, start, recorder_end(recorder), i + 1);
    }
    struct history *history = take(recording);
    assert_int_equal(history->threads[0].count, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        const struct history_event *event = &history->threads[0].events[i];
        assert_in_range(inside[i] - history->origin_ticks, event->start, history_end(event));
        if (i % 10 == 0)
            assert_true(history_end(event) - event->start >= clock_ticks_in(2000));
    }
    recording_history_free(history);
    recording_destroy(recording);
}

// A thread that moves to a processor whose clock is behind reads less than it did, in an operation or between two. What
// it did stays in the order in which it did it, and nothing ends before it started.
static void test_clocks_that_go_back(void **state)
{
    (void)state;
    struct recording *recording = make(1, 10);
    struct recorder *recorder = recording_join(recording, "a", -1);
    const uint64_t ahead = clock_ticks_in(1e9);
    for (uint64_t item = 1; item <= 3; item++) {
        const uint64_t start = recorder_monotone(recorder, clock_ticks() + item * ahead);
        const uint64_t end = recorder_end(recorder); // behind by all that
        recorder_add(recorder, HISTORY_ENQUEUE, start, end, 2 * item - 1);
        const uint64_t next = item % 2 ? recorder_next_start(recorder) : recorder_start(recorder);
        recorder_add(recorder, HISTORY_DEQUEUE, next, recorder_end(recorder), 2 * item);
    }
    struct history *history = take(recording);
    const struct history_event *events = history->threads[0].events;
    assert_int_equal(history->threads[0].count, 6);
    assert_in_order(&history->threads[0]);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(events[i].item, i + 1);
        assert_int_equal(history_kind(&events[i]), i % 2 ? HISTORY_DEQUEUE : HISTORY_ENQUEUE);
        assert_int_equal(history_end(&events[i]), events[i].start);
        assert_int_equal(events[i].start, events[i - i % 2].start);
    }
    recording_history_free(history);
    recording_destroy(recording);
}

// One operation after the other, by the cheaper readings; returns how many starts were taken from the end before.
static unsigned record_row(struct recorder *recorder, unsigned count)
{
    unsigned shared = 0;
    for (unsigned i = 0; i < count; i++) {
        const uint64_t last = recorder->last_ticks, before = clock_ticks();
        const bool is_shared = recorder->near_starts > 0;
        const uint64_t start = recorder_next_start(recorder);
        const uint64_t inside = clock_ticks();
        const uint64_t end = recorder_end(recorder);
        recorder_add(recorder, HISTORY_ENQUEUE, start, end, i + 1);
        assert_true(start >= last && inside >= start && end >= inside);
        assert_true(is_shared ? start == last : start >= before); // the end before, or read anew
        shared += is_shared;
    }
    return shared;
}

// Intervals of one thread follow each other, and are never narrower for being cheap; after a pause they soon fit again.
static void test_readings_are_shared(void **state)
{
    (void)state;
    struct recording *recording = make(2, 4000);
    struct recorder *recorder = recording_join(recording, "a", -1);
    if (!recorder->near_ticks) { // no counter here
        recording_destroy(recording);
        skip();
    }
    recorder->near_ticks = clock_ticks_in(1e9); // however slow this machine is at the moment
    assert_int_equal(record_row(recorder, 802), 700);
    const uint64_t pause = clock_ticks();
    clock_spin(clock_ticks_in(50000));
    const uint64_t resumed = clock_ticks();
    recorder->near_ticks = 0;
    record_row(recorder, 20);
    struct history *history = take(recording);
    const struct history_thread *thread = &history->threads[0];
    assert_in_order(thread);
    assert_true(thread->events[802].start < pause - history->origin_ticks); // wide, for what came before the pause
    unsigned wide = 0;
    for (unsigned i = 802; i < 822; i++)
        wide += thread->events[i].start < resumed - history->origin_ticks;
    assert_int_equal(wide, 1);
    recorder = recording_join(recording, "b", -1);
    recorder->near_ticks = 0;
    assert_int_equal(record_row(recorder, 100), 0);
    recording_history_free(history);
    recording_destroy(recording);
}

// A pause after an answer that makes the thread wait is not part of what it asks next.
static void test_rests_are_not_spanned(void **state)
{
    (void)state;
    struct recording *recording = make(1, 100);
    struct recorder *recorder = recording_join(recording, "a", -1);
    if (!recorder->near_ticks) { // no counter here
        recording_destroy(recording);
        skip();
    }
    recorder->near_ticks = clock_ticks_in(1e9);
    for (unsigned row = 0; row < 5; row++) {
        record_row(recorder, 4);
        assert_true(recorder->near_starts > 0);
        recorder_rest(recorder);
        const uint64_t resumed = clock_ticks();
        assert_true(recorder_next_start(recorder) >= resumed);
    }
    recording_destroy(recording);
}

// Neither in a sample, where not every end is read, nor by a clock that may stand still.
static void test_readings_are_not_shared(void **state)
{
    (void)state;
    const struct recording_plan plan = {.name = "x", .sampled = 10, .memory_bytes = 1 << 16, .threads = 1};
    struct recording *recording;
    assert_int_equal(recording_create(&recording, &plan, NULL), 0);
    assert_int_equal(record_row(recording_join(recording, "a", -1), 100), 0);
    recording_destroy(recording);
    const struct clock_facts kept = clock_facts;
    clock_facts = (struct clock_facts){
        .source = "clock_gettime", .cost_ns = 100, .ns_per_tick = 1.0, .ns_fixed = 1ull << CLOCK_FIXED_BITS};
    recording = make(1, 100);
    assert_int_equal(recording_join(recording, "a", -1)->near_ticks, 0);
    recording_destroy(recording);
    clock_facts = kept;
}

static void test_roles_and_ranks(void **state)
{
    (void)state;
    struct recording *recording = make(5, 1);
    recording_join(recording, "producer", -1);
    recording_join(recording, "consumer", -1);
    recording_join(recording, "producer", -1);
    recording_join(recording, "scheduler", 7);
    recording_join(recording, "a name that is longer than there is room for", -1);
    assert_null(recording_join(recording, "producer", -1));
    struct history *history = take(recording);
    const char *const names[] = {"producer", "consumer", "producer", "scheduler", "a name that is "};
    const uint32_t ranks[] = {0, 0, 1, 7, 0};
    assert_int_equal(history->thread_count, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_string_equal(history->threads[i].name, names[i]);
        assert_int_equal(history->threads[i].rank, ranks[i]);
        assert_int_equal(history->threads[i].count, 0);
    }
    recording_history_free(history);
    recording_destroy(recording);
}

// Where the first thread runs out of room, and not the last; what was recorded stays.
static void test_full_memory_cuts(void **state)
{
    (void)state;
    struct recording *recording = make(2, 100);
    struct recorder *one = recording_join(recording, "a", -1), *other = recording_join(recording, "b", -1);
    for (unsigned i = 1; i <= 100; i++)
        record(one, HISTORY_ENQUEUE, i);
    struct history *history = take(recording);
    assert_true(history->cut_ticks == HISTORY_NEVER); // just full is not too full
    recording_history_free(history);
    const uint64_t before = clock_ticks();
    record(one, HISTORY_ENQUEUE, 101);
    const uint64_t after = clock_ticks();
    record(one, HISTORY_ENQUEUE, 102);
    for (unsigned i = 1; i <= 150; i++)
        record(other, HISTORY_DEQUEUE, i);
    history = take(recording);
    assert_in_range(history->cut_ticks, before - history->origin_ticks, after - history->origin_ticks);
    assert_int_equal(history_scope(history), HISTORY_SCOPE_SAMPLED);
    assert_int_equal(history_events(history), 200);
    assert_int_equal(history->threads[0].events[99].item, 100);
    recording_history_free(history);
    recording_destroy(recording);
}

// Nobody knows what a thread does that has no recorder.
static void test_thread_too_many_cuts(void **state)
{
    (void)state;
    struct recording *recording = make(1, 10);
    assert_non_null(recording_join(recording, "a", -1));
    const uint64_t before = clock_ticks();
    assert_null(recording_join(recording, "b", -1));
    const uint64_t after = clock_ticks();
    assert_null(recording_join(recording, "c", -1));
    struct history *history = take(recording);
    assert_in_range(history->cut_ticks, before - history->origin_ticks, after - history->origin_ticks);
    assert_int_equal(history->thread_count, 1);
    recording_history_free(history);
    recording_destroy(recording);
}

static void test_without_memory_all_is_cut(void **state)
{
    (void)state;
    struct recording *recording = make(3, 0);
    struct recorder *recorder = recording_join(recording, "a", -1);
    record(recorder, HISTORY_EMPTY, 0);
    struct history *history = take(recording);
    assert_true(history->cut_ticks != HISTORY_NEVER);
    assert_int_equal(history_events(history), 0);
    recording_history_free(history);
    recording_destroy(recording);
}

static void test_more_memory_than_there_is(void **state)
{
    (void)state;
    const struct recording_plan plan = {.name = "x", .memory_bytes = UINT64_MAX, .threads = 1};
    struct recording *recording = (struct recording *)&plan;
    struct fault fault = {""};
    assert_int_equal(recording_create(&recording, &plan, &fault), -ENOMEM);
    assert_null(recording);
    assert_non_null(strstr(fault.text, "memory to record into"));
}

static void come_again(void *argument)
{
    struct recording *const *recordings = argument;
    struct recorder *first = recording_self(recordings[0], "a", -1);
    assert_non_null(first);
    assert_ptr_equal(recording_self(recordings[0], "b", -1), first);
    struct recorder *second = recording_self(recordings[1], "c", -1);
    assert_non_null(second);
    assert_ptr_not_equal(second, first);
    assert_ptr_equal(recording_self(recordings[1], "c", -1), second);
}

static void test_a_thread_that_comes_again_keeps_its_recorder(void **state)
{
    (void)state;
    struct recording *recordings[2] = {make(2, 4), make(2, 4)};
    struct thread thread;
    assert_int_equal(thread_start(&thread, &(struct thread_options){.cpu = -1}, come_again, recordings), 0);
    thread_join(&thread);
    assert_non_null(recording_self(recordings[0], "of another thread", -1));
    struct history *history = take(recordings[0]);
    assert_int_equal(history->thread_count, 2);
    assert_string_equal(history->threads[0].name, "a");
    recording_history_free(history);
    // A new recording may lie where an old one did, and this thread has no recorder in it yet.
    for (unsigned i = 0; i < 2; i++)
        recording_destroy(recordings[i]);
    for (unsigned i = 0; i < 20; i++) {
        struct recording *next = make(1, 4);
        assert_non_null(recording_self(next, "new", -1));
        history = take(next);
        assert_int_equal(history->thread_count, 1);
        recording_history_free(history);
        recording_destroy(next);
    }
}

// Two clocks that disagree with a third may do so in opposite senses.
static void test_skew_adds_up(void **state)
{
    (void)state;
    assert_int_equal(skew_of((uint64_t[]){0, 0, 0}, 3), 0);
    assert_int_equal(skew_of((uint64_t[]){0, 5, 0}, 3), 5);
    assert_int_equal(skew_of((uint64_t[]){0, 5, 7, 6}, 4), 13);
    assert_int_equal(skew_of((uint64_t[]){0, 7, 7, 1}, 4), 14);
    assert_int_equal(skew_of(NULL, 0), 0);
}

// A clock that is ahead makes the way to it longer and the way back shorter, down to less than nothing.
static void test_skew_of_a_pair(void **state)
{
    (void)state;
    assert_int_equal(skew_bound((int64_t[]){30, 30}), 30);
    assert_int_equal(skew_bound((int64_t[]){30, 50}), 50);
    assert_int_equal(skew_bound((int64_t[]){50, 30}), 50);
    assert_int_equal(skew_bound((int64_t[]){-900, 1000}), 1000);
    assert_int_equal(skew_bound((int64_t[]){1000, -900}), 1000);
}

// Those far from each other are the ones that may differ.
static void test_processors_compared(void **state)
{
    (void)state;
    cpu_set_t set;
    unsigned cpus[17];
    CPU_ZERO(&set);
    assert_int_equal(skew_spread(&set, cpus, 17), 0);
    for (unsigned cpu = 0; cpu < 17; cpu++) {
        CPU_SET(3 * cpu + 1, &set);
        assert_int_equal(skew_spread(&set, cpus, 17), cpu + 1);
        for (unsigned i = 0; i <= cpu; i++)
            assert_int_equal(cpus[i], 3 * i + 1);
    }
    assert_int_equal(skew_spread(&set, cpus, 5), 5);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(cpus[i], 12 * i + 1);
    assert_int_equal(skew_spread(&set, cpus, 1), 1);
    assert_int_equal(cpus[0], 1);
    for (unsigned all = 18; all <= CPU_SETSIZE; all++) {
        CPU_ZERO(&set);
        for (unsigned cpu = CPU_SETSIZE - all; cpu < CPU_SETSIZE; cpu++)
            CPU_SET(cpu, &set);
        memset(cpus, 0, sizeof cpus);
        assert_int_equal(skew_spread(&set, cpus, 17), 17);
        assert_int_equal(cpus[0], CPU_SETSIZE - all);
        assert_int_equal(cpus[16], CPU_SETSIZE - 1);
        for (unsigned i = 1; i < 17; i++)
            assert_in_range(cpus[i] - cpus[i - 1], (all - 1) / 16, (all - 1) / 16 + 1);
    }
}

// No message is so quick that nothing is left to be told apart. The processors stay as they were.
static void test_skew_here(void **state)
{
    (void)state;
    cpu_set_t before, after;
    uint64_t ticks = UINT64_MAX;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(skew_measure(&ticks, NULL), 0);
    assert_true(clock_ns(ticks) < 3600e9);
    assert_int_equal(ticks > 0, clock_facts.counter && CPU_COUNT(&before) > 1);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    const bool kept = clock_facts.counter;
    clock_facts.counter = false;
    assert_int_equal(skew_measure(&ticks, NULL), 0);
    clock_facts.counter = kept;
    assert_int_equal(ticks, 0);
}

static void test_cost(void **state)
{
    (void)state;
    const double cost_ns = recorder_cost_ns();
    assert_true(cost_ns > 0 && cost_ns < 1e6);
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
        cmocka_unit_test(test_what_was_planned_is_told),
        cmocka_unit_test(test_threads_record_side_by_side),
        cmocka_unit_test(test_intervals_enclose),
        cmocka_unit_test(test_clocks_that_go_back),
        cmocka_unit_test(test_readings_are_shared),
        cmocka_unit_test(test_rests_are_not_spanned),
        cmocka_unit_test(test_readings_are_not_shared),
        cmocka_unit_test(test_roles_and_ranks),
        cmocka_unit_test(test_full_memory_cuts),
        cmocka_unit_test(test_thread_too_many_cuts),
        cmocka_unit_test(test_without_memory_all_is_cut),
        cmocka_unit_test(test_more_memory_than_there_is),
        cmocka_unit_test(test_a_thread_that_comes_again_keeps_its_recorder),
        cmocka_unit_test(test_skew_adds_up),
        cmocka_unit_test(test_skew_of_a_pair),
        cmocka_unit_test(test_processors_compared),
        cmocka_unit_test(test_skew_here),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests_name("recorder", tests, calibrate, NULL);
}
