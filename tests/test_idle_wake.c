// SPDX-License-Identifier: Apache-2.0
// idle_wake and scheduler_busy: that jobs come at the times that they are due, one at a time; that process work is done
// as it is said; and that both are correct on pools and queues of all kinds. How long anything takes is not looked at,
// but for what can't be shorter than it was asked to be.
#include "tests/load_run.h"

#define NS_PER_MS 1000000u

static void sound(const char *words, const char *duration)
{
    struct outcome outcome;
    load_sound(&outcome, words, duration);
    outcome_free(&outcome);
}

static void test_idle_wake(void **state)
{
    (void)state;
    sound("idle_wake", "20ms");
    sound("idle_wake:interval_ns=50us,workers=4,schedulers=2", "20ms");
    sound("idle_wake:interval_ns=1us,service_ns=0", "20ms");
    sound("idle_wake:interval_ns=100us,service_ns=300us", "20ms");
    sound("idle_wake:interval_ns=200us,service_shape=exponential --pool erts:completion=worker", "20ms");
    sound("idle_wake:interval_ns=200us --queue list:capacity=1", "20ms");
}

// As many jobs as are due in the window, or less where the machine was late; and all stages of each.
static void test_jobs_are_sparse(void **state)
{
    (void)state;
    struct outcome outcome;
    load_sound(&outcome, "idle_wake:interval_ns=2ms,schedulers=2", "60ms");
    const struct record *record = &outcome.record;
    assert_true(record->operations <= 2 * (record->window_ns / (2 * NS_PER_MS) + 2));
    assert_true(load_reported.offered_ops_per_s > 999.9 && load_reported.offered_ops_per_s < 1000.1);
    const uint64_t timed = load_stage(record, "total")->count;
    assert_true(timed > 0 && timed <= record->operations + 2);
    assert_int_equal(load_stage(record, "wake")->count, timed);
    assert_int_equal(load_stage(record, "ready")->count, timed);
    assert_true(load_stage(record, "service")->min + 100 >= 20000);
    assert_true(load_stage(record, "late")->count > 0);
    outcome_free(&outcome);
}

// An interval that is much longer than a thread may stay away from the run.
static void test_long_sleeps_end_in_time(void **state)
{
    (void)state;
    struct outcome outcome;
    load_sound(&outcome, "idle_wake:interval_ns=150ms", "200ms");
    assert_true(outcome.record.operations <= outcome.record.window_ns / (150 * NS_PER_MS) + 2);
    outcome_free(&outcome);
}

// Schedulers that never sleep leave little to workers on the same processors: their windows are longer.
static void test_scheduler_busy(void **state)
{
    (void)state;
    sound("scheduler_busy", "50ms");
    sound("scheduler_busy:schedulers=2,workers=3,window=8,sample_every=1,work_ns=10us", "200ms");
    sound("scheduler_busy:working_set_bytes=100k,work_ns=5us,service_ns=1us", "50ms");
    sound("scheduler_busy:working_set_bytes=64,work_ns=100ns,window=1", "50ms");
    sound("scheduler_busy:working_set_bytes=63,work_ns=1ms", "50ms");
    sound("scheduler_busy:work_ns=20us --pool erts:completion=worker", "50ms");
    sound("scheduler_busy:work_ns=20us,window=64 --queue list:capacity=1", "50ms");
    sound("scheduler_busy:work_ns=100us --pool erts:ready_limit=1", "50ms");
}

// What the note says, in per cent.
static double share_of_work(void)
{
    double share = NAN;
    assert_int_equal(sscanf(load_reported.note, "the schedulers had %lf %% of their time for process work", &share), 1);
    return share;
}

// There is no more of it than there is time, and every turn takes the time that was asked for, less the fractions of a
// tick that each of its steps may lose.
static void test_process_work(void **state)
{
    (void)state;
    struct outcome outcome;
    load_sound(&outcome, "scheduler_busy:work_ns=200us,sample_every=0", "40ms");
    const struct histogram *work = load_stage(&outcome.record, "work");
    assert_true(work->count > 0);
    assert_true(work->min + 100 >= 200000);
    assert_true(work->count <= outcome.record.window_ns / 200000 + 2);
    assert_true(load_stage(&outcome.record, "pass")->count > 0);
    assert_int_equal(load_stage(&outcome.record, "total")->count, 0);
    assert_true(share_of_work() > 0 && share_of_work() < 100.1);
    outcome_free(&outcome);
}

// One pass completes no more than its limit, and between two there is a turn of work.
static void test_limit_of_a_pass(void **state)
{
    (void)state;
    struct outcome outcome;
    load_sound(&outcome, "scheduler_busy:work_ns=50us --pool erts:ready_limit=3", "40ms");
    const uint64_t passes = load_stage(&outcome.record, "pass")->count;
    assert_true(outcome.record.operations <= 3 * (passes + 2));
    outcome_free(&outcome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_wake),
        cmocka_unit_test(test_jobs_are_sparse),
        cmocka_unit_test(test_long_sleeps_end_in_time),
        cmocka_unit_test(test_scheduler_busy),
        cmocka_unit_test(test_process_work),
        cmocka_unit_test(test_limit_of_a_pass),
    };
    return cmocka_run_group_tests_name("idle_wake", tests, load_begin, load_end);
}
