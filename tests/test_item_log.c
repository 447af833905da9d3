// SPDX-License-Identifier: Apache-2.0
// The verdict on delivered items, fault by fault.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/item_sample.h"
#include "tests/unit.h"

static void add_range(struct item_log *log, unsigned producer, uint64_t from, uint64_t to)
{
    for (uint64_t sequence = from; sequence < to; sequence++)
        item_log_add(log, item_of(producer, sequence));
}

// One consumer and one producer who enqueued `enqueued` items; the log is filled by `fill`.
static void check_one(void (*fill)(struct item_log *log), uint64_t enqueued, struct item_verdict want)
{
    struct item_log log;
    assert_int_equal(item_log_init(&log, 1), 0);
    fill(&log);
    struct item_log *logs[] = {&log};
    struct item_verdict got;
    assert_int_equal(item_log_judge(logs, 1, &enqueued, 1, &got), 0);
    check_verdict(&got, &want);
    // Judging twice changes nothing.
    assert_int_equal(item_log_judge(logs, 1, &enqueued, 1, &got), 0);
    check_verdict(&got, &want);
    item_log_fini(&log);
}

static void fill_nothing(struct item_log *log)
{
    (void)log;
}

static void fill_all(struct item_log *log)
{
    add_range(log, 0, 0, 1000);
}

static void fill_without_the_first(struct item_log *log)
{
    add_range(log, 0, 1, 1000);
}

static void fill_without_one(struct item_log *log)
{
    add_range(log, 0, 0, 500);
    add_range(log, 0, 501, 1000);
}

static void fill_one_twice(struct item_log *log)
{
    add_range(log, 0, 0, 501);
    add_range(log, 0, 500, 1000);
}

static void fill_one_lost_and_another_twice(struct item_log *log)
{
    add_range(log, 0, 0, 300);
    add_range(log, 0, 301, 700);
    add_range(log, 0, 699, 1000);
}

static void fill_two_swapped(struct item_log *log)
{
    add_range(log, 0, 0, 300);
    item_log_add(log, item_of(0, 301));
    item_log_add(log, item_of(0, 300));
    add_range(log, 0, 302, 1000);
}

static void fill_all_twice(struct item_log *log)
{
    fill_all(log);
    fill_all(log);
}

static void fill_late_start_of_the_sequence(struct item_log *log)
{
    add_range(log, 0, 10, 1000);
    add_range(log, 0, 0, 10);
}

static void fill_inventions(struct item_log *log)
{
    fill_all(log);
    item_log_add(log, item_of(0, 1000));                   // one more than was enqueued
    item_log_add(log, item_of(0, 1000));                   // and again
    item_log_add(log, item_of(0, ITEM_LOG_SEQUENCES - 1)); // far out
    item_log_add(log, item_of(0, ITEM_LOG_SEQUENCES));     // beyond any sequence
    item_log_add(log, item_of(1, 0));                      // no such producer
    item_log_add(log, 5);                                  // no producer at all
    item_log_add(log, 0);                                  // not even an item
    item_log_add(log, UINTPTR_MAX);                        //
}

static void fill_several_chunks(struct item_log *log)
{
    add_range(log, 0, 0, 200000);
}

static void each_fault_is_named(void **state)
{
    (void)state;
    check_one(fill_nothing, 0, (struct item_verdict){0});
    check_one(fill_nothing, 9, (struct item_verdict){.lost = 9});
    check_one(fill_all, 1000, (struct item_verdict){.received = 1000});
    check_one(fill_all, 1001, (struct item_verdict){.received = 1000, .lost = 1});
    check_one(fill_all, 990, (struct item_verdict){.received = 990, .invented = 10});
    check_one(fill_all, 0, (struct item_verdict){.invented = 1000});
    check_one(fill_several_chunks, 70000, (struct item_verdict){.received = 70000, .invented = 130000});
    check_one(fill_without_the_first, 1000, (struct item_verdict){.received = 999, .lost = 1});
    check_one(fill_without_one, 1000, (struct item_verdict){.received = 999, .lost = 1});
    check_one(fill_one_twice, 1000, (struct item_verdict){.received = 1000, .duplicated = 1});
    check_one(fill_one_lost_and_another_twice, 1000,
              (struct item_verdict){.received = 999, .lost = 1, .duplicated = 1});
    check_one(fill_two_swapped, 1000, (struct item_verdict){.received = 1000, .reordered = 1});
    check_one(fill_all_twice, 1000, (struct item_verdict){.received = 1000, .duplicated = 1000, .reordered = 999});
    check_one(fill_late_start_of_the_sequence, 1000, (struct item_verdict){.received = 1000, .reordered = 10});
    check_one(fill_inventions, 1000, (struct item_verdict){.received = 1000, .duplicated = 1, .invented = 7});
}

static void a_latency_sample_is_an_item_like_any_other(void **state)
{
    (void)state;
    struct item_log log;
    assert_int_equal(item_log_init(&log, 1), 0);
    for (uint64_t sequence = 0; sequence < 100; sequence++)
        item_log_add(&log, item_of(0, sequence) | (sequence % 7 ? 0 : (uintptr_t)1 << 47));
    struct item_log *logs[] = {&log};
    const uint64_t enqueued = 100;
    struct item_verdict got;
    assert_int_equal(item_log_judge(logs, 1, &enqueued, 1, &got), 0);
    check_verdict(&got, &(struct item_verdict){.received = 100});
    item_log_fini(&log);
}

static void faults_between_consumers_are_found(void **state)
{
    (void)state;
    struct item_log a, b;
    assert_int_equal(item_log_init(&a, 2), 0);
    assert_int_equal(item_log_init(&b, 2), 0);
    add_range(&a, 0, 0, 100);
    add_range(&b, 0, 99, 199); // 99 reaches both, 199 reaches nobody
    add_range(&a, 1, 50, 100); // a split that is nobody's fault
    add_range(&b, 1, 0, 50);
    add_range(&b, 1, 100, 150);
    struct item_log *logs[] = {&a, &b};
    const uint64_t enqueued[] = {200, 150};
    struct item_verdict got;
    assert_int_equal(item_log_judge(logs, 2, enqueued, 2, &got), 0);
    check_verdict(&got, &(struct item_verdict){.received = 349, .lost = 1, .duplicated = 1});
    item_log_fini(&a);
    item_log_fini(&b);
}

static void without_producers_everything_is_foreign(void **state)
{
    (void)state;
    struct item_log log;
    assert_int_equal(item_log_init(&log, 0), 0);
    for (unsigned i = 0; i < 10; i++)
        item_log_add(&log, item_of(0, 0));
    assert_int_equal(log.foreign, 10);
    assert_int_equal(item_log_received(&log, 0), 0);
    struct item_log *logs[] = {&log};
    const uint64_t enqueued = 3;
    struct item_verdict got;
    assert_int_equal(item_log_judge(logs, 1, &enqueued, 1, &got), 0);
    check_verdict(&got, &(struct item_verdict){.lost = 3, .invented = 10});
    item_log_fini(&log);
}

static void received_counts_every_delivery(void **state)
{
    (void)state;
    struct item_log log;
    assert_int_equal(item_log_init(&log, 2), 0);
    assert_int_equal(item_log_received(&log, 0), 0);
    add_range(&log, 0, 0, 10);
    add_range(&log, 1, 5, 9);
    assert_int_equal(item_log_received(&log, 0), 10);
    add_range(&log, 0, 8, 12);
    item_log_add(&log, 1);
    assert_int_equal(item_log_received(&log, 0), 14);
    assert_int_equal(item_log_received(&log, 1), 4);
    item_log_fini(&log);
}

static void an_undisturbed_stream_takes_no_memory(void **state)
{
    (void)state;
    struct item_log log;
    assert_int_equal(item_log_init(&log, 1), 0);
    add_range(&log, 0, 0, 3000000);
    item_log_add(&log, item_of(0, 2999999));
    add_range(&log, 0, 3000000, 4000000);
    struct item_log *logs[] = {&log};
    const uint64_t enqueued = 4000000;
    struct item_verdict got;
    assert_int_equal(item_log_judge(logs, 1, &enqueued, 1, &got), 0);
    check_verdict(&got, &(struct item_verdict){.received = 4000000, .duplicated = 1});
    assert_null(log.streams[0].chunks);
    item_log_fini(&log);
}

static void an_item_far_out_takes_no_memory(void **state)
{
    (void)state;
    struct item_log log;
    assert_int_equal(item_log_init(&log, 1), 0);
    item_log_add(&log, item_of(0, ITEM_LOG_SEQUENCES));
    item_log_add(&log, item_of(0, (UINT64_C(1) << 47) - 1));
    item_log_add(&log, item_of(0, 0));
    assert_int_equal(log.foreign, 2);
    assert_int_equal(log.streams[0].chunk_count, 0);
    item_log_fini(&log);
}

static void a_bitmap_that_grows_keeps_what_it_has(void **state)
{
    (void)state;
    struct item_log log;
    assert_int_equal(item_log_init(&log, 1), 0);
    const uint64_t step = 70001, count = 2000;
    for (uint64_t i = 1; i <= count; i++)
        item_log_add(&log, item_of(0, i * step));
    for (uint64_t i = 1; i <= count; i += 2)
        item_log_add(&log, item_of(0, i * step));
    struct item_log *logs[] = {&log};
    const uint64_t enqueued = count * step + 1;
    struct item_verdict got;
    assert_int_equal(item_log_judge(logs, 1, &enqueued, 1, &got), 0);
    check_verdict(&got,
                  &(struct item_verdict){
                      .received = count, .lost = enqueued - count, .duplicated = count / 2, .reordered = count / 2});
    item_log_fini(&log);
}

static void streams_of_two_consumers_share_no_cache_line(void **state)
{
    (void)state;
    struct item_log log;
    for (unsigned producers = 1; producers < 9; producers++) {
        assert_int_equal(item_log_init(&log, producers), 0);
        assert_int_equal((uintptr_t)log.streams % 128, 0);
        item_log_fini(&log);
    }
}

static void an_impossible_number_of_items_is_refused(void **state)
{
    (void)state;
    struct item_log log;
    assert_int_equal(item_log_init(&log, 1), 0);
    struct item_log *logs[] = {&log};
    const uint64_t enqueued = ITEM_LOG_SEQUENCES + 1;
    struct item_verdict got;
    assert_int_equal(item_log_judge(logs, 1, &enqueued, 1, &got), -ERANGE);
    item_log_fini(&log);
}

#ifndef READYQ_SANITIZED
// In a child with little memory: a log that could not keep everything must not be judged. The child's exit
// status says how far it came.
static int exhaust_memory(void)
{
    struct item_log log;
    if (item_log_init(&log, 1))
        return 2;
    const struct rlimit limit = {64 << 20, 64 << 20};
    if (setrlimit(RLIMIT_AS, &limit))
        return 3;
    for (uint64_t i = 0; i < 100000 && !log.error; i++)
        item_log_add(&log, item_of(0, (i + 1) << 17));
    struct item_log *logs[] = {&log};
    const uint64_t enqueued = UINT64_C(1) << 34;
    struct item_verdict verdict;
    if (log.error != -ENOMEM || item_log_judge(logs, 1, &enqueued, 1, &verdict) != -ENOMEM)
        return 4;
    item_log_fini(&log);
    return 0;
}

static void a_log_that_ran_out_of_memory_is_not_judged(void **state)
{
    (void)state;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(exhaust_memory());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_is_named),
        cmocka_unit_test(a_latency_sample_is_an_item_like_any_other),
        cmocka_unit_test(faults_between_consumers_are_found),
        cmocka_unit_test(without_producers_everything_is_foreign),
        cmocka_unit_test(received_counts_every_delivery),
        cmocka_unit_test(an_undisturbed_stream_takes_no_memory),
        cmocka_unit_test(an_item_far_out_takes_no_memory),
        cmocka_unit_test(a_bitmap_that_grows_keeps_what_it_has),
        cmocka_unit_test(streams_of_two_consumers_share_no_cache_line),
        cmocka_unit_test(an_impossible_number_of_items_is_refused),
#ifndef READYQ_SANITIZED
        cmocka_unit_test(a_log_that_ran_out_of_memory_is_not_judged),
#endif
    };
    return cmocka_run_group_tests_name("item_log", tests, NULL, NULL);
}
