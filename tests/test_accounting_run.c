// SPDX-License-Identifier: Apache-2.0
// What a run makes of the accounts of a pool's threads: rows that add up, or a failed run that says whose do not. The
// pool is a real one whose accounts are made up.
#include <errno.h>
#include <math.h>

#include "core/measure/accounting.h"
#include "core/run/accounts.h"
#include "core/run/summary.h"
#include "tests/run_words.h"

#define THREADS 3

// By how much the accounts of the second thread run slow or fast, in parts of a thousand of the time passed.
static int wrong_by;
static unsigned kept; // threads that keep an account
static uint64_t start_ns;
static const struct pool_ops *real;
static uint64_t unrun;

// Half of the time in `port`, a quarter asleep, and so on; the accounts come in another order every time.
static unsigned made_up_accounts(struct pool *pool, struct pool_account *accounts, unsigned count)
{
    (void)pool;
    static unsigned turn;
    const unsigned first = turn++;
    unsigned filled = 0;
    for (; filled < kept && filled < count; filled++) {
        struct pool_account *account = &accounts[filled];
        const unsigned thread = (first + filled) % kept;
        const uint64_t passed = clock_system_ns() - start_ns;
        const bool wrong = thread == 2;
        *account = (struct pool_account){.kind = thread ? "async" : "scheduler", .number = thread ? thread : 1};
        account->ns[ACCOUNT_PORT] = passed / 2;
        account->ns[ACCOUNT_READY] = passed / 8;
        account->ns[ACCOUNT_CLEAN] = passed / 16;
        account->ns[ACCOUNT_CHECK] = passed / 32;
        account->ns[ACCOUNT_OTHER] = passed / 32;
        account->ns[ACCOUNT_SLEEP] = passed / 4 + (wrong ? (uint64_t)((int64_t)passed * wrong_by / 1000) : 0);
    }
    return filled;
}

static int stop_leaving(struct pool *pool, struct pool_statistics *statistics, struct fault *fault)
{
    const int result = real->stop(pool, statistics, fault);
    statistics->unrun = unrun;
    return result;
}

static struct topology topology;
static struct pool_ops made_up;
static struct pool_entry entry;

static int load(void **state)
{
    (void)state;
    struct fault fault = {""};
    clock_calibrate();
    start_ns = clock_system_ns();
    real = pool_list[0].ops;
    return topology_load(&topology, NULL, &fault);
}

static int unload(void **state)
{
    (void)state;
    topology_unload(&topology);
    return 0;
}

static void run(struct outcome *outcome, const char *words, bool accounting)
{
    struct run_request request;
    char *text;
    words_expect(&request, words, &text);
    if (request.options.pool) {
        made_up = *request.options.pool->ops;
        made_up.accounts = accounting ? made_up_accounts : NULL;
        made_up.stop = stop_leaving;
        entry = *request.options.pool;
        entry.ops = &made_up;
        request.options.pool = &entry;
    }
    outcome_of(outcome, &request.options, &topology);
    outcome->record.verdict_detail = outcome->result.detail; // what else it names is gone with the request
    options_free(&request);
    free(text);
}

#define ON_POOL "--workload closed_loop --warmup 1ms --duration 40ms"

static uint64_t sum_of(const struct record_account *row)
{
    return row->port_ns + row->ready_ns + row->clean_ns + row->check_ns + row->other_ns + row->sleep_ns;
}

static void the_accounts_of_a_run_are_rows_that_add_up(void **state)
{
    (void)state;
    struct outcome outcome;
    kept = THREADS;
    wrong_by = 0;
    run(&outcome, ON_POOL, true);
    if (outcome.code != 0)
        fail_msg("%s", outcome.result.detail);
    assert_int_equal(outcome.record.account_count, THREADS);
    unsigned async = 0, scheduler = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        const struct record_account *row = &outcome.record.accounts[i];
        const double wall = (double)row->wall_ns;
        async += strcmp(row->thread_kind, "async") == 0 ? (unsigned)row->thread_number : 0;
        scheduler += strcmp(row->thread_kind, "scheduler") == 0 ? (unsigned)row->thread_number : 0;
        assert_true(wall > 0 && wall <= (double)outcome.record.window_ns * 1.001); // both readings lie in the window
        assert_true(fabs((double)sum_of(row) - wall) <= wall / 100);
        assert_true(fabs((double)row->port_ns - wall / 2) <= wall / 100);
        assert_true(fabs((double)row->check_ns - wall / 32) <= wall / 100);
    }
    assert_int_equal(async, 1 + 2);
    assert_int_equal(scheduler, 1);
    outcome_free(&outcome);
}

static void every_thread_of_a_large_pool_has_its_row(void **state)
{
    (void)state;
    wrong_by = 0;
    static const unsigned counts[] = {1, 31, 32, 33, 300};
    for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct outcome outcome;
        kept = counts[i];
        run(&outcome, ON_POOL, true);
        assert_int_equal(outcome.record.account_count, kept);
        uint64_t numbers = 0;
        for (unsigned thread = 0; thread < kept; thread++)
            numbers += outcome.record.accounts[thread].thread_number;
        assert_int_equal(numbers, 1 + (uint64_t)kept * (kept - 1) / 2);
        outcome_free(&outcome);
    }
}

static void accounts_that_do_not_add_up_fail_the_run(void **state)
{
    (void)state;
    kept = THREADS;
    static const int wrong[] = {-200, 200};
    for (unsigned i = 0; i < 2; i++) {
        struct outcome outcome;
        wrong_by = wrong[i];
        run(&outcome, ON_POOL, true);
        assert_int_equal(outcome.code, 1);
        assert_string_equal(outcome.record.status, "failed");
        assert_string_equal(outcome.record.exit_reason, "incorrect");
        assert_string_equal(outcome.record.verdict, "violated");
        assert_non_null(strstr(outcome.result.detail, "the account of async thread 2 adds up to "));
        assert_null(strstr(outcome.result.detail, "\n"));
        assert_int_equal(outcome.record.account_count, THREADS); // the rows are there to be looked at
        outcome_free(&outcome);
    }
}

static void a_pool_that_keeps_none_gives_no_rows(void **state)
{
    (void)state;
    struct outcome outcome;
    run(&outcome, ON_POOL, false);
    assert_int_equal(outcome.code, 0);
    assert_int_equal(outcome.record.account_count, 0);
    outcome_free(&outcome);
    kept = 0;
    run(&outcome, ON_POOL, true);
    assert_int_equal(outcome.code, 0);
    assert_int_equal(outcome.record.account_count, 0);
    outcome_free(&outcome);
    run(&outcome, "--workload pairs --warmup 1ms --duration 5ms", true);
    assert_int_equal(outcome.code, 0);
    assert_int_equal(outcome.record.account_count, 0);
    outcome_free(&outcome);
}

static void what_a_stopping_pool_left_unrun_is_recorded(void **state)
{
    (void)state;
    struct outcome outcome;
    unrun = 17;
    run(&outcome, ON_POOL, false);
    assert_int_equal(outcome.record.jobs_unrun, 17);
    outcome_free(&outcome);
    unrun = 0;
    run(&outcome, ON_POOL, false);
    assert_int_equal(outcome.record.jobs_unrun, 0);
    outcome_free(&outcome);
    run(&outcome, "--workload pairs --warmup 1ms --duration 5ms", false);
    assert_true(outcome.record.jobs_unrun == RECORD_ABSENT);
    outcome_free(&outcome);
}

// Two moments 1000 ns apart, each known to 10 ns, and one thread whose states make `sum`.
static int between(uint64_t sum, struct record_account **rows, size_t *count, struct fault *violation)
{
    struct pool_account first = {.kind = "async", .number = 4, .ns = {5, 5, 5, 5, 5, 5}};
    struct pool_account others[] = {{.kind = "scheduler", .number = 4}, first, {.kind = "async", .number = 5}};
    others[1].ns[ACCOUNT_CLEAN] += sum;
    const struct accounts opened = {&first, 1, 100, 110}, closing = {others, 3, 1100, 1110};
    return accounts_between(&opened, &closing, rows, count, violation);
}

static void one_in_a_hundred_and_the_reading_itself_are_allowed(void **state)
{
    (void)state;
    static const struct {
        uint64_t sum;
        bool fits;
    } cases[] = {{1000, true}, {1020, true}, {980, true}, {1021, false}, {979, false}, {0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct record_account *rows;
        struct fault violation = {""};
        size_t count;
        assert_int_equal(between(cases[i].sum, &rows, &count, &violation), 0);
        assert_int_equal(count, 1); // who was there only once has no time between
        assert_string_equal(rows->thread_kind, "async");
        assert_int_equal(rows->thread_number, 4);
        assert_int_equal(rows->wall_ns, 1000);
        assert_int_equal(rows->clean_ns, cases[i].sum);
        assert_int_equal(sum_of(rows), cases[i].sum);
        assert_int_equal(violation.text[0] == '\0', cases[i].fits);
        free(rows);
    }
}

static void a_person_is_told_percentages_of_each_kind(void **state)
{
    (void)state;
    static const struct record_account rows[] = {{NULL, NULL, NULL, "async", 1, 1000, 500, 0, 0, 0, 0, 500},
                                                 {NULL, NULL, NULL, "scheduler", 1, 1000, 0, 333, 0, 0, 667, 0},
                                                 {NULL, NULL, NULL, "async", 2, 1000, 0, 0, 0, 0, 0, 1000}};
    struct record record;
    record_clear(&record);
    record.workload = "made_up";
    record.accounts = rows;
    record.account_count = 3;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    summary_print(&record, "job", NULL, out);
    fclose(out);
    assert_string_equal(text, "made_up: undecided\n"
                              "  time of    threads  port    ready   clean  check  other   sleep\n"
                              "  async      2        25.0 %  0.0 %   0.0 %  0.0 %  0.0 %   75.0 %\n"
                              "  scheduler  1        0.0 %   33.3 %  0.0 %  0.0 %  66.7 %  0.0 %\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_accounts_of_a_run_are_rows_that_add_up),
        cmocka_unit_test(every_thread_of_a_large_pool_has_its_row),
        cmocka_unit_test(accounts_that_do_not_add_up_fail_the_run),
        cmocka_unit_test(a_pool_that_keeps_none_gives_no_rows),
        cmocka_unit_test(what_a_stopping_pool_left_unrun_is_recorded),
        cmocka_unit_test(one_in_a_hundred_and_the_reading_itself_are_allowed),
        cmocka_unit_test(a_person_is_told_percentages_of_each_kind),
    };
    return cmocka_run_group_tests_name("accounting_run", tests, load, unload);
}
