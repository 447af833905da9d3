// SPDX-License-Identifier: Apache-2.0
// The counts of atomic accesses, of a queue that is compiled here with its accesses counted whatever the build: so many
// as its source shows.
#ifndef READYQ_COUNT
#define READYQ_COUNT 1
#define COUNTED_HERE_ALONE 1
#endif

#include <stdlib.h>

#include "core/sync/atomic.h"
#include "core/sync/sleep_fence.h"
#include "queues/erts_mpsc.c"
#include "tests/unit.h"

#ifdef COUNTED_HERE_ALONE
__thread struct atomic_counts thread_counts;
#endif

// What was counted since it was asked last.
static struct atomic_counts counted(void)
{
    const struct atomic_counts counts = thread_counts;
    thread_counts = (struct atomic_counts){0};
    return counts;
}

static uint64_t sum(const struct atomic_counts *counts)
{
    uint64_t total = 0;
    for (unsigned kind = 0; kind < COUNT_KINDS; kind++)
        for (unsigned order = 0; order < COUNT_ORDERS; order++)
            total += counts->of[kind][order];
    return total;
}

static void each_access_is_counted_once_by_kind_and_ordering(void **state)
{
    (void)state;
    _Atomic uint64_t word;
    struct word_pair pair;
    uint64_t expected = 0;
    at_init(&word, 0);
    at_init(&pair.low, 1);
    at_init(&pair.high, 2);
    counted();
    at_store_rlx(&word, 1);
    at_store_rel(&word, at_load_rlx(&word) - 1, AT(test_counts_store, test_counts_load)); // one within another
    assert_true(at_cas_sc(&word, &expected, 5, AT(test_counts_cas, test_counts_cas)));
    assert_false(at_cas_ar(&word, &expected, 6, AT(test_counts_failed, test_counts_failed)));
    assert_int_equal(at_add_rlx(&word, 1), 5);
    assert_int_equal(at_xchg_acq(&word, 9, AT(test_counts_exchange, test_counts_exchange)), 6);
    assert_int_equal(at_load_acq(&word, AT(test_counts_load, test_counts_store)), 9);
    assert_true(at_cas2_sc(&pair, 1, 2, 3, 4, AT(test_counts_both, test_counts_both)));
    const struct atomic_counts counts = counted();
    assert_int_equal(counts.of[COUNT_STORE][COUNT_RELAXED], 1);
    assert_int_equal(counts.of[COUNT_STORE][COUNT_RELEASE], 1);
    assert_int_equal(counts.of[COUNT_LOAD][COUNT_RELAXED], 1);
    assert_int_equal(counts.of[COUNT_LOAD][COUNT_ACQUIRE], 1);
    assert_int_equal(counts.of[COUNT_CAS][COUNT_SEQ_CST], 1);
    assert_int_equal(counts.of[COUNT_CAS][COUNT_ACQ_REL], 1);
    assert_int_equal(counts.of[COUNT_RMW][COUNT_RELAXED], 1);
    assert_int_equal(counts.of[COUNT_RMW][COUNT_ACQUIRE], 1);
    assert_int_equal(counts.of[COUNT_CAS2][COUNT_SEQ_CST], 1);
    assert_int_equal(sum(&counts), 9);
}

static void nobody_notify(void *argument)
{
    (void)argument;
}

static void the_fence_is_counted_where_somebody_sleeps(void **state)
{
    (void)state;
    struct queue_env env = {.notify = NULL};
    counted();
    SLEEP_FENCE(&env);
    struct atomic_counts counts = counted();
    assert_int_equal(sum(&counts), 0);
    env.notify = nobody_notify;
    SLEEP_FENCE(&env);
    counts = counted();
    assert_int_equal(counts.of[COUNT_FENCE][COUNT_SEQ_CST], 1);
    assert_int_equal(sum(&counts), 1);
}

// ---------------------------------------------------------------- the queue

static void *take(void *context)
{
    (void)context;
    return aligned_alloc(16, sizeof(struct element));
}

static void give(void *context, void *element)
{
    (void)context;
    free(element);
}

// One unmanaged thread, without thread progress.
struct rig {
    struct queue_env env;
    struct mpsc queue;
    struct mpsc_handle producer, consumer;
};

static void open_rig(struct rig *rig)
{
    rig->env = (struct queue_env){.element_take = take, .element_give = give};
    assert_int_equal(mpsc_init(&rig->queue, &rig->env, NULL), 0);
    assert_int_equal(mpsc_attach(&rig->queue, &rig->producer, QUEUE_PRODUCER, QUEUE_UNMANAGED), 0);
    assert_int_equal(mpsc_attach(&rig->queue, &rig->consumer, QUEUE_CONSUMER, QUEUE_UNMANAGED), 0);
    counted();
}

static void close_rig(struct rig *rig)
{
    mpsc_detach(&rig->queue, &rig->producer);
    mpsc_detach(&rig->queue, &rig->consumer);
    mpsc_fini(&rig->queue);
}

// Enter: the index, a count, the index. Append: `next`, `last`, a link, `next`, `last`. Leave: a count. And the tally.
static void an_enqueue_costs_what_its_source_shows(void **state)
{
    (void)state;
    static struct rig rig;
    open_rig(&rig);
    for (uintptr_t item = 1; item <= 3; item++) {
        assert_int_equal(mpsc_enqueue(&rig.queue, &rig.producer, item), QUEUE_OK);
        const struct atomic_counts counts = counted();
        assert_int_equal(counts.of[COUNT_LOAD][COUNT_RELAXED], 1 + 1 + 1);
        assert_int_equal(counts.of[COUNT_LOAD][COUNT_SEQ_CST], 1 + 1);
        assert_int_equal(counts.of[COUNT_STORE][COUNT_RELAXED], 1 + 1);
        assert_int_equal(counts.of[COUNT_RMW][COUNT_SEQ_CST], 2);
        assert_int_equal(counts.of[COUNT_CAS][COUNT_SEQ_CST], 2);
        assert_int_equal(sum(&counts), 3 + 2 + 2 + 2 + 2);
    }
    close_rig(&rig);
}

static void a_dequeue_that_finds_nothing_is_one_load_of_the_link(void **state)
{
    (void)state;
    static struct rig rig;
    uintptr_t item;
    open_rig(&rig);
    assert_int_equal(mpsc_dequeue(&rig.queue, &rig.consumer, &item), QUEUE_EMPTY);
    const struct atomic_counts counts = counted();
    assert_int_equal(counts.of[COUNT_LOAD][COUNT_SEQ_CST], 1);
    assert_int_equal(sum(&counts), 1);
    close_rig(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_access_is_counted_once_by_kind_and_ordering),
        cmocka_unit_test(the_fence_is_counted_where_somebody_sleeps),
        cmocka_unit_test(an_enqueue_costs_what_its_source_shows),
        cmocka_unit_test(a_dequeue_that_finds_nothing_is_one_load_of_the_link),
    };
    return cmocka_run_group_tests_name("counts", tests, NULL, NULL);
}
