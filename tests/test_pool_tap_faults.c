// SPDX-License-Identifier: Apache-2.0
// The tap on a pool that is wrong: whatever it does to a job must be in the history, under the job's own number; and
// what the tap has no part in must pass.
#include <errno.h>
#include <string.h>

#include "core/sync/thread.h"
#include "tests/tapped_pool.h"

// Keeps jobs until pass, which runs all that there are to their end, in the order submitted: a right pool of one
// thread, which one call after the other can make a wrong one.
struct toy_job {
    void (*invoke)(void *data);
    void (*ready)(void *data);
    void *data;
    unsigned home;
};

enum toy_fault {
    TOY_NONE,
    TOY_DROPS,           // a job, altogether
    TOY_INVOKES_TWICE,   //
    TOY_INVOKES_AGAIN,   // when all others have completed
    TOY_LOSES,           // a completion
    TOY_READIES_TWICE,   //
    TOY_READIES_AGAIN,   // when all others have completed
    TOY_READIES_EARLY,   // before it invokes
    TOY_READIES_INSIDE,  // while it invokes
    TOY_SWAPS,           // two jobs of one key
    TOY_STRAYS,          // leaves a completion to the other scheduler
    TOY_REFUSES_AND_RUNS // a job
};

#define TOY_JOBS 1000u
#define TOY_VICTIM 400u

static struct {
    enum toy_fault fault;
    struct toy_job jobs[TOY_JOBS];
    unsigned submitted, passed;
    bool full;
    void *refused;
} toy;

static int toy_start(struct pool **pool, const struct pool_setup *setup, const void *config, struct fault *fault)
{
    (void)setup, (void)config, (void)fault;
    *pool = (struct pool *)(void *)&toy;
    return 0;
}

static int toy_attach(struct pool *pool, unsigned thread)
{
    assert_ptr_equal(pool, &toy);
    return thread < 3 ? 0 : -EINVAL;
}

static long toy_submit(struct pool *pool, unsigned thread, unsigned *key, void (*invoke)(void *data),
                       void (*ready)(void *data), void *data)
{
    assert_ptr_equal(pool, &toy);
    if (toy.full) {
        assert_true(!toy.refused || toy.refused == data); // a record is not used up
        toy.refused = data;
        return -EAGAIN;
    }
    const unsigned number = toy.submitted;
    toy.jobs[number] = (struct toy_job){invoke, ready, data, thread < 2 ? thread : 0};
    if (key)
        *key = 0;
    if (number == TOY_VICTIM && toy.fault == TOY_REFUSES_AND_RUNS) {
        toy.fault = TOY_NONE;
        invoke(data);
        ready(data);
        return -EAGAIN;
    }
    toy.submitted++;
    return number + 1;
}

static void toy_run(const struct toy_job *job, bool due)
{
    const enum toy_fault fault = due ? toy.fault : TOY_NONE;
    if (fault == TOY_DROPS)
        return;
    if (fault == TOY_READIES_EARLY)
        job->ready(job->data);
    job->invoke(job->data);
    if (fault == TOY_INVOKES_TWICE)
        job->invoke(job->data);
    if (fault != TOY_READIES_EARLY && fault != TOY_LOSES && fault != TOY_STRAYS && fault != TOY_READIES_INSIDE)
        job->ready(job->data);
    if (fault == TOY_READIES_TWICE)
        job->ready(job->data);
}

static enum pool_more toy_pass(struct pool *pool, unsigned scheduler)
{
    const struct toy_job *victim = &toy.jobs[TOY_VICTIM];
    assert_ptr_equal(pool, &toy);
    if (scheduler == 1) { // has none of its own
        victim->ready(victim->data);
        return POOL_NOTHING;
    }
    if (toy.fault == TOY_SWAPS) {
        const struct toy_job job = *victim;
        toy.jobs[TOY_VICTIM] = toy.jobs[TOY_VICTIM + 1];
        toy.jobs[TOY_VICTIM + 1] = job;
    }
    for (; toy.passed < toy.submitted; toy.passed++)
        toy_run(&toy.jobs[toy.passed], toy.passed == TOY_VICTIM);
    if (toy.fault == TOY_INVOKES_AGAIN)
        victim->invoke(victim->data);
    if (toy.fault == TOY_READIES_AGAIN)
        victim->ready(victim->data);
    return POOL_NOTHING;
}

static void toy_wait(struct pool *pool, unsigned thread)
{
    assert_ptr_equal(pool, &toy);
    assert_true(thread < 3);
}

static int toy_stop(struct pool *pool, struct pool_statistics *statistics, struct fault *fault)
{
    assert_ptr_equal(pool, &toy);
    toy_pass(pool, 0);
    statistics->submitted = toy.submitted;
    return fault_set(fault, -EIO, "as told");
}

static void toy_statistics(struct pool *pool, struct pool_statistics *statistics)
{
    assert_ptr_equal(pool, &toy);
    *statistics = (struct pool_statistics){.wakes = 17};
}

static const struct pool_ops toy_ops = {
    .name = "toy",
    .traits = {.keys = true, .completes_on_submitter = true},
    .start = toy_start,
    .attach = toy_attach,
    .submit = toy_submit,
    .pass = toy_pass,
    .wait = toy_wait,
    .detach = toy_wait,
    .stop = toy_stop,
    .statistics = toy_statistics,
};

// A job whose completion comes while it is invoked.
static struct toy_job *nested;
static uint64_t nested_ticks;

static void count_invoke(void *data)
{
    ++*(unsigned *)data;
    if (toy.fault == TOY_READIES_INSIDE && toy.passed == TOY_VICTIM && nested) {
        const struct toy_job *job = nested;
        nested = NULL;
        job->ready(job->data);
        clock_spin(nested_ticks); // so long that it can be seen
    }
}

static void count_ready(void *data)
{
    *(unsigned *)data += 0x100;
}

// Ours completes a job of scheduler 0 there.
static void be_scheduler_1(void *argument)
{
    const struct tapped *tapped = argument;
    struct pool *pool = (struct pool *)(void *)tapped->tap;
    assert_int_equal(tapped->ops->attach(pool, 1), 0);
    tapped->ops->pass(pool, 1);
    tapped->ops->detach(pool, 1);
}

static const struct recording_plan toy_plan = {
    .subject = HISTORY_OF_POOL,
    .name = "toy",
    .promise = {.order = QUEUE_ORDER_FIFO, .keys = true, .completes_on_submitter = true},
    .memory_bytes = 1 << 20,
    .threads = 4,
    .schedulers = 2,
};

static const struct pool_setup toy_setup = {.schedulers = 2, .externals = 1, .workers = 1};

// TOY_JOBS jobs of three keys through a toy with `fault`.
static void play(struct tapped *tapped, enum toy_fault fault, const struct recording_plan *plan, unsigned *counts)
{
    struct pool *pool;
    memset(&toy, 0, sizeof toy);
    toy.fault = fault;
    tapped_open(tapped, &toy_ops, plan);
    assert_int_equal(tapped->ops->start(&pool, &toy_setup, NULL, NULL), 0);
    assert_ptr_equal(pool, tapped->tap);
    assert_int_equal(tapped->ops->attach(pool, 0), 0);
    assert_int_equal(tapped->ops->attach(pool, 3), -EINVAL);
    for (unsigned i = 0; i < TOY_JOBS; i++) {
        unsigned key = fault == TOY_SWAPS ? 9 : i % 3 + 7;
        counts[i] = 0;
        const long id = tapped->ops->submit(pool, 0, &key, count_invoke, count_ready, &counts[i]);
        assert_true(id == (long)toy.submitted || (id == -EAGAIN && i == TOY_VICTIM));
        assert_true(id < 0 || key == 0);
    }
    assert_int_equal(recording_history(tapped->recording, &tapped->history), 0);
    nested = &toy.jobs[TOY_VICTIM];
    nested_ticks = 2 * tapped->history->skew_ticks + 1000;
    recording_history_free(tapped->history);
    tapped->history = NULL;
    assert_int_equal(tapped->ops->pass(pool, 0), POOL_NOTHING);
    if (fault == TOY_STRAYS) {
        struct thread other;
        const struct thread_options options = {.name = "other", .cpu = -1};
        assert_int_equal(thread_start(&other, &options, be_scheduler_1, tapped), 0);
        thread_join(&other);
    }
    tapped->ops->wait(pool, 0);
    tapped->ops->detach(pool, 0);
}

static const struct {
    enum toy_fault fault;
    enum history_fault found;
    unsigned count; // of invocations and, from the third digit up, completions
} wrongs[] = {
    {TOY_NONE, HISTORY_OK, 0x101},
    {TOY_DROPS, HISTORY_NOT_INVOKED, 0},
    {TOY_INVOKES_TWICE, HISTORY_INVOKED_TWICE, 0x102},
    {TOY_INVOKES_AGAIN, HISTORY_INVOKED_TWICE, 0x102},
    {TOY_LOSES, HISTORY_NOT_COMPLETED, 1},
    {TOY_READIES_TWICE, HISTORY_COMPLETED_TWICE, 0x201},
    {TOY_READIES_AGAIN, HISTORY_COMPLETED_TWICE, 0x201},
    {TOY_READIES_EARLY, HISTORY_READY_BEFORE_INVOKED, 0x101},
    {TOY_READIES_INSIDE, HISTORY_READY_BEFORE_INVOKED, 0x101},
    {TOY_SWAPS, HISTORY_KEY_REORDERED, 0x101},
    {TOY_STRAYS, HISTORY_STRAYED, 0x101},
};

// A thread that attaches where it has an event open, and gets no recorder any more.
static void attach_in_invoke(void *data)
{
    const struct tapped *tapped = data;
    assert_int_equal(tapped->ops->attach((struct pool *)(void *)tapped->tap, 1), 0);
}

static void ignore(void *data)
{
    (void)data;
}

static void test_attached_inside_an_event(void **state)
{
    (void)state;
    struct recording_plan plan = toy_plan;
    struct tapped tapped;
    struct pool *pool;
    memset(&toy, 0, sizeof toy);
    plan.threads = 1;
    tapped_open(&tapped, &toy_ops, &plan);
    assert_int_equal(tapped.ops->start(&pool, &toy_setup, NULL, NULL), 0);
    assert_int_equal(tapped.ops->attach(pool, 0), 0);
    assert_int_equal(tapped.ops->submit(pool, 0, NULL, attach_in_invoke, ignore, &tapped), 1);
    tapped.ops->pass(pool, 0);
    tapped_judge(&tapped, true);
    assert_int_equal(tapped.history->thread_count, 1);
    assert_int_equal(tapped.history->threads[0].count, 2); // `ready` has no recorder
    const struct history_event *invoke = &tapped.history->threads[0].events[1];
    assert_int_equal(history_kind(invoke), HISTORY_INVOKE);
    assert_true(history_end(invoke) <= clock_ticks() - tapped.history->origin_ticks);
    tapped_close(&tapped);
}

// The toy has no workers; of one that says it has this is wrong.
static void test_invoked_on_no_worker(void **state)
{
    (void)state;
    static unsigned counts[TOY_JOBS];
    struct recording_plan plan = toy_plan;
    struct tapped tapped;
    plan.workers = 1;
    play(&tapped, TOY_NONE, &plan, counts);
    tapped_judge(&tapped, true);
    assert_int_equal(tapped.verdict.fault, HISTORY_STRAYED);
    assert_non_null(strstr(tapped.verdict.sentence, "on a thread that is no worker"));
    tapped_close(&tapped);
}

static void test_faults_are_seen(void **state)
{
    (void)state;
    static unsigned counts[TOY_JOBS];
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        struct tapped tapped;
        play(&tapped, wrongs[i].fault, &toy_plan, counts);
        tapped_judge(&tapped, true);
        tapped_expect_ordered(tapped.history);
        if (tapped.verdict.fault != wrongs[i].found)
            fail_msg("fault %zu: %s, %s", i, history_fault_name(tapped.verdict.fault), tapped.verdict.sentence);
        // The callbacks reach the caller as often as the pool runs them.
        assert_int_equal(counts[TOY_VICTIM], wrongs[i].count);
        assert_int_equal(counts[TOY_VICTIM - 1], 0x101);
        if (wrongs[i].found != HISTORY_OK) {
            assert_non_null(strstr(tapped.verdict.sentence, "job 401"));
            assert_true(tapped.verdict.witness_count > 0);
        }
        tapped_close(&tapped);
    }
}

// Of a job that was refused there is no event, unless it runs all the same.
static void test_refused_but_run(void **state)
{
    (void)state;
    static unsigned counts[TOY_JOBS];
    struct tapped tapped;
    play(&tapped, TOY_REFUSES_AND_RUNS, &toy_plan, counts);
    tapped_judge(&tapped, true);
    assert_int_equal(tapped.verdict.fault, HISTORY_INVENTED);
    assert_non_null(strstr(tapped.verdict.sentence, "job 401"));
    assert_int_equal(counts[TOY_VICTIM], 0x101);
    assert_int_equal(tapped_count(tapped.history, HISTORY_SUBMIT), TOY_JOBS - 1);
    tapped_close(&tapped);
}

// A scheduler may ask a full pool for ever.
static void test_refusals_cost_nothing(void **state)
{
    (void)state;
    static unsigned counts[TOY_JOBS];
    const struct recording_plan plan = {.subject = HISTORY_OF_POOL, .name = "toy", .memory_bytes = 400, .threads = 4};
    struct tapped tapped;
    play(&tapped, TOY_NONE, &toy_plan, counts);
    struct pool *pool = (struct pool *)(void *)tapped.tap;
    unsigned key = 5, count = 0;
    toy.full = true;
    for (unsigned i = 0; i < ROUNDS(3000000); i++)
        assert_int_equal(tapped.ops->submit(pool, 0, &key, count_invoke, count_ready, &count), -EAGAIN);
    tapped_judge(&tapped, true);
    assert_int_equal(tapped.verdict.fault, HISTORY_OK);
    assert_int_equal(tapped.verdict.scope, HISTORY_SCOPE_FULL);
    assert_int_equal(tapped.verdict.items, TOY_JOBS);
    tapped_close(&tapped);
    // Nor do jobs of which nothing is recorded, for want of room: here for four jobs.
    play(&tapped, TOY_READIES_TWICE, &plan, counts);
    tapped_judge(&tapped, true);
    assert_int_equal(tapped.verdict.fault, HISTORY_OK);
    assert_int_equal(tapped.verdict.items, 2);
    assert_int_equal(counts[TOY_VICTIM], 0x201);
    tapped_close(&tapped);
}

// Keys as the caller had them, each just before its submit.
static void test_keys_as_given(void **state)
{
    (void)state;
    static unsigned counts[TOY_JOBS];
    struct tapped tapped;
    play(&tapped, TOY_NONE, &toy_plan, counts);
    tapped_judge(&tapped, true);
    assert_int_equal(tapped.history->thread_count, 1);
    assert_string_equal(tapped.history->threads[0].name, "scheduler");
    for (unsigned i = 0; i < TOY_JOBS; i++) {
        const struct history_event *event = &tapped.history->threads[0].events[2 * i];
        assert_int_equal(history_kind(&event[0]), HISTORY_KEY);
        assert_int_equal(event[0].item, i % 3 + 7);
        assert_int_equal(event[0].start, 0);
        assert_int_equal(event[0].span >> HISTORY_KIND_BITS, 0);
        assert_int_equal(history_kind(&event[1]), HISTORY_SUBMIT);
        assert_int_equal(event[1].item, i + 1);
    }
    tapped_close(&tapped);
}

// What it has no part in goes to the pool and comes back.
static void test_the_rest_is_passed_on(void **state)
{
    (void)state;
    static unsigned counts[TOY_JOBS];
    struct tapped tapped;
    struct fault fault = {""};
    struct pool_statistics statistics;
    play(&tapped, TOY_NONE, &toy_plan, counts);
    struct pool *pool = (struct pool *)(void *)tapped.tap;
    assert_null(tapped.ops->lengths);
    assert_null(tapped.ops->accounts);
    assert_null(tapped.ops->ports);
    assert_string_equal(tapped.ops->name, "toy");
    tapped.ops->statistics(pool, &statistics);
    assert_int_equal(statistics.wakes, 17);
    assert_int_equal(tapped.ops->stop(pool, &statistics, &fault), -EIO);
    assert_int_equal(statistics.submitted, TOY_JOBS);
    assert_string_equal(fault.text, "as told");
    tapped_close(&tapped);
}

// Without a recorder for a thread nobody knows what it did.
static void test_no_recorder(void **state)
{
    (void)state;
    static unsigned counts[TOY_JOBS];
    struct recording_plan plan = toy_plan;
    struct tapped tapped;
    plan.threads = 1;
    play(&tapped, TOY_STRAYS, &plan, counts);
    tapped_judge(&tapped, true);
    assert_int_equal(tapped.verdict.scope, HISTORY_SCOPE_SAMPLED);
    assert_int_equal(tapped.verdict.fault, HISTORY_OK);
    assert_int_equal(tapped.history->thread_count, 1);
    assert_int_equal(counts[TOY_VICTIM], 0x101);
    tapped_close(&tapped);
}

// Whoever runs a callback without having attached is a worker, of each recording anew.
static void test_unattached(void **state)
{
    (void)state;
    static unsigned counts[TOY_JOBS];
    for (unsigned times = 0; times < 2; times++) {
        struct tapped tapped;
        unsigned count = 0;
        play(&tapped, TOY_NONE, &toy_plan, counts); // which makes this thread a scheduler
        tapped_close(&tapped);
        struct pool *pool;
        memset(&toy, 0, sizeof toy);
        tapped_open(&tapped, &toy_ops, &toy_plan);
        assert_int_equal(tapped.ops->start(&pool, &toy_setup, NULL, NULL), 0);
        assert_int_equal(tapped.ops->submit(pool, 0, NULL, count_invoke, count_ready, &count), 1);
        tapped.ops->pass(pool, 0);
        tapped_judge(&tapped, true);
        assert_int_equal(tapped.history->thread_count, 1);
        assert_string_equal(tapped.history->threads[0].name, "worker");
        assert_int_equal(tapped.history->threads[0].count, 3);
        assert_int_equal(tapped.verdict.fault, HISTORY_STRAYED); // no scheduler completed it
        tapped_close(&tapped);
    }
}

int main(void)
{
    clock_calibrate();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_are_seen),
        cmocka_unit_test(test_attached_inside_an_event),
        cmocka_unit_test(test_invoked_on_no_worker),
        cmocka_unit_test(test_refused_but_run),
        cmocka_unit_test(test_refusals_cost_nothing),
        cmocka_unit_test(test_keys_as_given),
        cmocka_unit_test(test_the_rest_is_passed_on),
        cmocka_unit_test(test_no_recorder),
        cmocka_unit_test(test_unattached),
    };
    return cmocka_run_group_tests_name("pool tap faults", tests, NULL, NULL);
}
