// SPDX-License-Identifier: Apache-2.0
// The judge of a pool's history: each fault as it looks, and just not.
#include <errno.h>

#include "tests/pool_verdicts.h"

#define SCHEDULER 0u
#define SECOND 1u
#define EXTERNAL 2u
#define WORKER 3u
#define OTHER 4u

// Two schedulers, an external and two workers.
static void five_threads(void)
{
    made_clear(&made);
    made_thread(&made, "scheduler", 0);
    made_thread(&made, "scheduler", 1);
    made_thread(&made, "external", 0);
    made_thread(&made, "worker", 0);
    made_thread(&made, "worker", 1);
}

// A job's life at time `at`.
static void add_job(uint32_t submitter, uint64_t job, uint64_t at)
{
    made_add(&made, submitter, HISTORY_SUBMIT, job, at, at + 10);
    made_add(&made, WORKER, HISTORY_INVOKE, job, at + 20, at + 30);
    made_add(&made, submitter == SECOND ? SECOND : SCHEDULER, HISTORY_READY, job, at + 40, at + 50);
}

static void expect_words(enum history_fault fault, unsigned witness, const char *words)
{
    expect(fault);
    const struct history_verdict verdict = judged(true);
    assert_string_equal(verdict.sentence, words);
    assert_int_equal(verdict.witness_count, witness);
    for (unsigned i = 1; i < witness; i++)
        assert_true(verdict.witness[i - 1].event.start <= verdict.witness[i].event.start);
}

static void test_right(void **state)
{
    (void)state;
    five_threads();
    expect(HISTORY_OK); // nothing happened at all
    add_job(SCHEDULER, 1, 100);
    add_job(SECOND, 2, 200);
    add_job(EXTERNAL, 3, 300);
    const struct history_verdict verdict = judged(true);
    assert_int_equal(verdict.fault, HISTORY_OK);
    assert_int_equal(verdict.items, 3);
    assert_int_equal(verdict.operations, 9);
    assert_int_equal(verdict.scope, HISTORY_SCOPE_FULL);
}

static void test_invented(void **state)
{
    (void)state;
    five_threads();
    add_job(SCHEDULER, 1, 100);
    made_drop(&made, SCHEDULER, 0);
    expect_words(HISTORY_INVENTED, 1, "worker 0 invoked job 1 at 120 ns, which nobody had submitted");
    made_drop(&made, WORKER, 0);
    expect_words(HISTORY_INVENTED, 1, "scheduler 0 completed job 1 at 140 ns, which nobody had submitted");
    five_threads();
    add_job(SCHEDULER, 1, 100);
    made.events[SCHEDULER][0].start = 121;
    expect_words(HISTORY_INVENTED, 2, "worker 0 invoked job 1 at 120 ns, before scheduler 0 submitted job 1 at 121 ns");
    made.history.skew_ticks = 1;
    expect(HISTORY_OK);
}

static void test_submitted_twice(void **state)
{
    (void)state;
    five_threads();
    add_job(SCHEDULER, 1, 100);
    made_add(&made, SECOND, HISTORY_SUBMIT, 1, 90, 99);
    expect_words(HISTORY_DUPLICATED, 2,
                 "scheduler 1 submitted job 1 at 90 ns, and once more: scheduler 0 submitted job 1 at 100 ns");
}

static void test_not_invoked(void **state)
{
    (void)state;
    five_threads();
    add_job(SCHEDULER, 1, 100);
    made_drop(&made, WORKER, 0);
    expect_words(HISTORY_NOT_INVOKED, 2, "scheduler 0 completed job 1 at 140 ns, which was never invoked");
    assert_int_equal(judged(false).fault, HISTORY_NOT_INVOKED);
    made_drop(&made, SCHEDULER, 1);
    expect_words(HISTORY_NOT_INVOKED, 1, "scheduler 0 submitted job 1 at 100 ns, and it was never invoked");
    assert_int_equal(judged(false).fault, HISTORY_OK);
    made.history.sampled = 3; // all of a job is there, or none
    expect(HISTORY_NOT_INVOKED);
    made.history.cut_ticks = 1000;
    expect(HISTORY_OK);
}

static void test_invoked_twice(void **state)
{
    (void)state;
    five_threads();
    add_job(SCHEDULER, 1, 100);
    made_add(&made, OTHER, HISTORY_INVOKE, 1, 500, 501);
    expect_words(HISTORY_INVOKED_TWICE, 2,
                 "worker 0 invoked job 1 at 120 ns, and once more: worker 1 invoked job 1 at 500 ns");
    made.history.cut_ticks = 110;
    expect(HISTORY_INVOKED_TWICE);
}

static void test_not_completed(void **state)
{
    (void)state;
    five_threads();
    add_job(SCHEDULER, 1, 100);
    made_drop(&made, SCHEDULER, 1);
    expect_words(HISTORY_NOT_COMPLETED, 2,
                 "scheduler 0 submitted job 1 at 100 ns, worker 0 invoked job 1 at 120 ns, and it was never completed");
    assert_int_equal(judged(false).fault, HISTORY_OK);
    made_add(&made, SCHEDULER, HISTORY_FREE, 1, 140, 150);
    expect(HISTORY_OK);
}

// A pool that leaves jobs behind must have invoked them, and leaves no more than it says.
static void test_left_behind(void **state)
{
    (void)state;
    five_threads();
    add_job(SCHEDULER, 1, 100);
    add_job(SCHEDULER, 2, 200);
    add_job(SCHEDULER, 3, 300);
    made_drop(&made, SCHEDULER, 5);
    made_drop(&made, SCHEDULER, 3);
    made.history.unrun = 2;
    expect(HISTORY_OK);
    made.history.unrun = 1;
    expect_words(HISTORY_NOT_COMPLETED, 2,
                 "scheduler 0 submitted job 3 at 300 ns, worker 0 invoked job 3 at 320 ns, and it was never completed, "
                 "nor were more jobs than the 1 left behind");
    assert_int_equal(judged(false).fault, HISTORY_OK);
    made.history.unrun = 2;
    made_drop(&made, WORKER, 2);
    expect_words(HISTORY_NOT_INVOKED, 1, "scheduler 0 submitted job 3 at 300 ns, and it was never invoked");
}

static void test_completed_twice(void **state)
{
    (void)state;
    five_threads();
    add_job(SCHEDULER, 1, 100);
    made_add(&made, SCHEDULER, HISTORY_FREE, 1, 160, 170);
    expect_words(HISTORY_COMPLETED_TWICE, 2,
                 "scheduler 0 completed job 1 at 140 ns, and once more: scheduler 0 freed job 1 at 160 ns");
    assert_int_equal(judged(false).fault, HISTORY_COMPLETED_TWICE);
}

static void test_ready_before_invoked(void **state)
{
    (void)state;
    five_threads();
    add_job(SCHEDULER, 1, 100);
    made_end(&made.events[WORKER][0], 141);
    expect_words(HISTORY_READY_BEFORE_INVOKED, 2,
                 "scheduler 0 completed job 1 at 140 ns, but worker 0 invoked job 1 at 120 ns and was not done before "
                 "141 ns");
    made.history.skew_ticks = 1;
    expect(HISTORY_OK);
    // On one thread its events say what came first, however far the clock jumped.
    made.history.promise.completes_on_submitter = false;
    made.history.skew_ticks = 100;
    made_drop(&made, WORKER, 0);
    made_drop(&made, SCHEDULER, 1);
    made_add(&made, WORKER, HISTORY_READY, 1, 115, 116);
    made_add(&made, WORKER, HISTORY_INVOKE, 1, 117, 118);
    expect(HISTORY_READY_BEFORE_INVOKED);
}

static void test_strayed(void **state)
{
    (void)state;
    five_threads();
    add_job(SECOND, 1, 100);
    made_add(&made, EXTERNAL, HISTORY_SUBMIT, 2, 200, 210);
    made_add(&made, WORKER, HISTORY_INVOKE, 2, 220, 230);
    made_add(&made, SECOND, HISTORY_READY, 2, 240, 250);
    expect_words(HISTORY_STRAYED, 2,
                 "external 0 submitted job 2 at 200 ns, so that it belongs to scheduler 0, but scheduler 1 completed "
                 "job 2 at 240 ns");
    made.history.promise.completes_on_submitter = false;
    expect(HISTORY_OK);
    five_threads();
    made_add(&made, SCHEDULER, HISTORY_SUBMIT, 1, 100, 110);
    made_add(&made, WORKER, HISTORY_INVOKE, 1, 120, 130);
    made_add(&made, WORKER, HISTORY_READY, 1, 140, 150);
    expect(HISTORY_STRAYED);
}

// Whose threads are not workers, whoever may complete it.
static void test_invoked_on_no_worker(void **state)
{
    (void)state;
    for (unsigned thread = SCHEDULER; thread <= EXTERNAL; thread += EXTERNAL - SCHEDULER) {
        five_threads();
        made.history.promise.completes_on_submitter = false;
        made_add(&made, thread, HISTORY_SUBMIT, 1, 100, 110);
        made_add(&made, thread, HISTORY_INVOKE, 1, 120, 130);
        made_add(&made, SCHEDULER, HISTORY_READY, 1, 140, 150);
        expect_words(HISTORY_STRAYED, 1,
                     thread == SCHEDULER ? "scheduler 0 invoked job 1 at 120 ns, on a thread that is no worker"
                                         : "external 0 invoked job 1 at 120 ns, on a thread that is no worker");
        made.history.workers = 0;
        expect(HISTORY_OK);
    }
}

// Without workers even an external's job ends where it was submitted, inside submit.
static void test_inside_submit(void **state)
{
    (void)state;
    five_threads();
    made_add(&made, EXTERNAL, HISTORY_SUBMIT, 1, 100, 150);
    made_add(&made, EXTERNAL, HISTORY_INVOKE, 1, 110, 120);
    made_add(&made, EXTERNAL, HISTORY_READY, 1, 130, 140);
    expect(HISTORY_STRAYED);
    made.history.workers = 0;
    expect(HISTORY_OK);
    made_end(&made.events[EXTERNAL][0], 139);
    expect(HISTORY_STRAYED);
    // With workers not even one that a worker invoked meanwhile may be completed there.
    five_threads();
    made_add(&made, EXTERNAL, HISTORY_SUBMIT, 1, 100, 150);
    made_add(&made, WORKER, HISTORY_INVOKE, 1, 110, 120);
    made_add(&made, EXTERNAL, HISTORY_READY, 1, 130, 140);
    expect(HISTORY_STRAYED);
    // Nor one of a worker's own, wherever all of it lies.
    five_threads();
    made_add(&made, WORKER, HISTORY_SUBMIT, 1, 100, 150);
    made_add(&made, WORKER, HISTORY_INVOKE, 1, 110, 120);
    made_add(&made, WORKER, HISTORY_READY, 1, 130, 140);
    expect(HISTORY_STRAYED);
}

// ------------------------------------------------------------------------------------------------ keys

static void add_submit(uint32_t thread, uint64_t key, uint64_t job, uint64_t start, uint64_t end)
{
    made_add(&made, thread, HISTORY_KEY, key, 0, 0);
    made_add(&made, thread, HISTORY_SUBMIT, job, start, end);
}

// Jobs 1 and 2, of `key` and `other`, submitted one after the other by `first` and `second`, and invoked the other way
// round.
static void cross(uint32_t first, uint32_t second, uint64_t key, uint64_t other)
{
    five_threads();
    made.history.promise.completes_on_submitter = false;
    add_submit(first, key, 1, 100, 110);
    add_submit(second, other, 2, 120, 130);
    made_add(&made, WORKER, HISTORY_INVOKE, 2, 140, 150);
    made_add(&made, WORKER, HISTORY_INVOKE, 1, 160, 170);
    made_add(&made, SCHEDULER, HISTORY_READY, 1, 200, 210);
    made_add(&made, SCHEDULER, HISTORY_READY, 2, 220, 230);
}

static void test_keys_of_one_submitter(void **state)
{
    (void)state;
    cross(SCHEDULER, SCHEDULER, 7, 7);
    expect_words(HISTORY_KEY_REORDERED, 4,
                 "of key 7, job 1 was submitted before job 2, but worker 0 invoked job 2 at 140 ns, and job 1 was not "
                 "done before 170 ns");
    made.history.skew_ticks = 1000; // no clocks are compared
    expect(HISTORY_KEY_REORDERED);
    made.history.promise.order = QUEUE_ORDER_PER_PRODUCER;
    expect(HISTORY_KEY_REORDERED);
    made.history.promise.order = QUEUE_ORDER_RELAXED;
    expect(HISTORY_OK);
    made.history.promise.order = QUEUE_ORDER_FIFO;
    made.history.promise.keys = false;
    expect(HISTORY_OK);
    cross(SCHEDULER, SCHEDULER, 7, 8);
    expect(HISTORY_OK);
}

static void test_keys_of_two_submitters(void **state)
{
    (void)state;
    cross(SCHEDULER, EXTERNAL, 7, 7);
    expect(HISTORY_KEY_REORDERED);
    made.history.skew_ticks = 9;
    expect(HISTORY_KEY_REORDERED);
    made.history.skew_ticks = 10; // the submits may have overlapped
    expect(HISTORY_OK);
    // By the clock the invokes may have been the other way round, but one thread did both.
    made.history.skew_ticks = 9;
    made_end(&made.events[WORKER][0], 142);
    made.events[WORKER][1].start = 143;
    made_end(&made.events[WORKER][1], 145);
    expect(HISTORY_KEY_REORDERED);
    made.history.skew_ticks = 0;
    made.history.promise.order = QUEUE_ORDER_PER_PRODUCER;
    expect(HISTORY_OK);
}

// One after the other means that they do not overlap either.
static void test_keys_on_two_workers(void **state)
{
    (void)state;
    five_threads();
    add_submit(SCHEDULER, 7, 1, 100, 110);
    add_submit(SCHEDULER, 7, 2, 120, 130);
    made_add(&made, WORKER, HISTORY_INVOKE, 1, 140, 161);
    made_add(&made, OTHER, HISTORY_INVOKE, 2, 160, 170);
    made_add(&made, SCHEDULER, HISTORY_READY, 1, 200, 210);
    made_add(&made, SCHEDULER, HISTORY_READY, 2, 220, 230);
    expect(HISTORY_KEY_REORDERED);
    made.history.skew_ticks = 1;
    expect(HISTORY_OK);
}

// What comes after the cut is not known, but that it comes after the cut is.
static void test_keys_and_cuts(void **state)
{
    (void)state;
    cross(SCHEDULER, SCHEDULER, 7, 7);
    made_drop(&made, SCHEDULER, 4);
    made_drop(&made, WORKER, 1);
    made.history.cut_ticks = 141;
    expect_words(HISTORY_KEY_REORDERED, 3,
                 "of key 7, job 1 was submitted before job 2, but worker 0 invoked job 2 at 140 ns, and job 1 had not "
                 "been invoked");
    made.history.cut_ticks = 140;
    expect(HISTORY_OK);
}

// A submit inside another one, from a completion, has no order with it.
static void test_keys_of_nested_submits(void **state)
{
    (void)state;
    five_threads();
    made.history.promise.completes_on_submitter = false;
    add_submit(SCHEDULER, 7, 1, 100, 200);
    add_submit(SCHEDULER, 7, 2, 110, 120);
    made_add(&made, WORKER, HISTORY_INVOKE, 2, 130, 140);
    made_add(&made, WORKER, HISTORY_INVOKE, 1, 150, 160);
    made_add(&made, WORKER, HISTORY_READY, 2, 210, 220);
    made_add(&made, WORKER, HISTORY_READY, 1, 230, 240);
    expect(HISTORY_OK);
    made_end(&made.events[SCHEDULER][1], 105);
    expect(HISTORY_KEY_REORDERED);
}

// One that is inside as many others as there may be: what is still open is not looked through again for each.
static void test_keys_of_deeply_nested_submits(void **state)
{
    (void)state;
    const uint64_t depth = 100000;
    struct history_event *submits = calloc(2 * depth, sizeof *submits), *invokes = calloc(depth, sizeof *invokes);
    assert_true(submits && invokes);
    five_threads();
    made.history.promise.completes_on_submitter = false;
    for (uint64_t i = 0; i < depth; i++) {
        submits[2 * i] = (struct history_event){.span = HISTORY_KEY, .item = 7};
        submits[2 * i + 1] =
            (struct history_event){i + 1, (4 * depth - 2 * i) << HISTORY_KIND_BITS | HISTORY_SUBMIT, i + 1};
        invokes[i] = (struct history_event){10 * depth + i, HISTORY_INVOKE, depth - i};
    }
    made.threads[SCHEDULER].events = submits;
    made.threads[SCHEDULER].count = 2 * depth;
    made.threads[WORKER].events = invokes;
    made.threads[WORKER].count = depth;
    assert_int_equal(judged(false).fault, HISTORY_OK);
    // Of the two innermost the first ends in time: now their order counts.
    made_end(&submits[2 * depth - 3], depth);
    assert_int_equal(judged(false).fault, HISTORY_KEY_REORDERED);
    free(submits);
    free(invokes);
}

// Of submits with equal readings the one that the thread made first comes first, whichever number it has.
static void test_keys_of_submits_at_one_time(void **state)
{
    (void)state;
    for (unsigned swapped = 0; swapped < 2; swapped++) {
        five_threads();
        made.history.promise.completes_on_submitter = false;
        for (unsigned i = 0; i < 3; i++)
            add_submit(SCHEDULER, 7, 3 - i, 100, 100);
        made_add(&made, WORKER, HISTORY_INVOKE, 3, 140, 150);
        made_add(&made, WORKER, HISTORY_INVOKE, swapped ? 1 : 2, 160, 170);
        made_add(&made, WORKER, HISTORY_INVOKE, swapped ? 2 : 1, 180, 190);
        assert_int_equal(judged(false).fault, swapped ? HISTORY_KEY_REORDERED : HISTORY_OK);
    }
}

// ------------------------------------------------------------------------------------------------ what is no history

static void refused(int error, const char *words)
{
    const struct history_question question = {.drained = true};
    struct history_verdict verdict;
    struct fault fault = {""};
    assert_int_equal(history_check_jobs(&made.history, &question, &verdict, &fault), error);
    assert_non_null(strstr(fault.text, words));
}

static void test_refused(void **state)
{
    (void)state;
    five_threads();
    add_job(SCHEDULER, 1, 100);
    made.history.subject = HISTORY_OF_QUEUE;
    refused(-EINVAL, "history of a queue");
    five_threads();
    made_add(&made, SCHEDULER, HISTORY_ENQUEUE, 1, 100, 110);
    refused(-EINVAL, "event 0 of thread 0 is none of a pool's jobs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),
        cmocka_unit_test(test_invented),
        cmocka_unit_test(test_submitted_twice),
        cmocka_unit_test(test_not_invoked),
        cmocka_unit_test(test_invoked_twice),
        cmocka_unit_test(test_not_completed),
        cmocka_unit_test(test_left_behind),
        cmocka_unit_test(test_completed_twice),
        cmocka_unit_test(test_ready_before_invoked),
        cmocka_unit_test(test_strayed),
        cmocka_unit_test(test_invoked_on_no_worker),
        cmocka_unit_test(test_inside_submit),
        cmocka_unit_test(test_keys_of_one_submitter),
        cmocka_unit_test(test_keys_of_two_submitters),
        cmocka_unit_test(test_keys_on_two_workers),
        cmocka_unit_test(test_keys_and_cuts),
        cmocka_unit_test(test_keys_of_nested_submits),
        cmocka_unit_test(test_keys_of_deeply_nested_submits),
        cmocka_unit_test(test_keys_of_submits_at_one_time),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("history of a pool", tests, NULL, NULL);
}
