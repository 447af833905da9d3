// SPDX-License-Identifier: Apache-2.0
// Accounts of a thread's time: what is in which state, that nothing is lost between states, and that others may read.
#include "core/measure/accounting.h"
#include "core/sync/thread.h"
#include "tests/unit.h"

static uint64_t sum(const struct account_reading *reading)
{
    uint64_t ticks = 0;
    for (unsigned i = 0; i < ACCOUNT_STATES; i++)
        ticks += reading->ticks[i];
    return ticks;
}

static int need_accounting(void **state)
{
    (void)state;
    if (!READYQ_OBSERVE)
        skip();
    return 0;
}

static void every_state_has_a_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ACCOUNT_STATES; i++)
        assert_non_null(account_state_names[i]);
    assert_null(account_state_names[ACCOUNT_STATES]);
    assert_string_equal(account_state_names[ACCOUNT_PORT], "port");
    assert_string_equal(account_state_names[ACCOUNT_SLEEP], "sleep");
}

static void an_account_can_be_read_while_it_is_open(void **state)
{
    need_accounting(state);
    struct account account = {0};
    struct account_reading reading;
    assert_false(account_read(&account, &reading));
    const uint64_t before = clock_ticks();
    account_open(&account, "async", 7);
    assert_true(account_read(&account, &reading));
    assert_in_range(reading.at_ticks, before, clock_ticks());
    assert_int_equal(sum(&reading), reading.ticks[ACCOUNT_OTHER]);
    assert_string_equal(account.kind, "async");
    assert_int_equal(account.number, 7);
    account_close(&account);
    assert_false(account_read(&account, &reading));
}

// Each state is entered between two readings of the clock, so that its time has a lower and an upper bound.
static void each_state_gets_its_own_time_and_nothing_is_lost(void **state)
{
    need_accounting(state);
    static const enum account_state script[] = {ACCOUNT_PORT,  ACCOUNT_SLEEP, ACCOUNT_READY, ACCOUNT_PORT,
                                                ACCOUNT_CLEAN, ACCOUNT_CHECK, ACCOUNT_SLEEP, ACCOUNT_PORT};
    enum { STEPS = sizeof script / sizeof *script };
    struct account account = {0};
    struct account_reading first, last;
    account_open(&account, "async", 1);
    assert_true(account_read(&account, &first));
    uint64_t before[STEPS + 1], after[STEPS + 1];
    for (unsigned i = 0; i < STEPS; i++) {
        before[i] = clock_ticks();
        account_enter(&account, script[i]);
        after[i] = clock_ticks();
        clock_spin(clock_ticks_in(1000.0 * (i + 1)));
    }
    before[STEPS] = clock_ticks();
    account_enter(&account, ACCOUNT_OTHER);
    after[STEPS] = clock_ticks();
    assert_true(account_read(&account, &last));

    assert_int_equal(sum(&last) - sum(&first), last.at_ticks - first.at_ticks);
    uint64_t least[ACCOUNT_STATES] = {0}, most[ACCOUNT_STATES] = {0};
    for (unsigned i = 0; i < STEPS; i++) {
        least[script[i]] += before[i + 1] - after[i];
        most[script[i]] += after[i + 1] - before[i];
    }
    for (unsigned i = 0; i < ACCOUNT_STATES; i++) {
        if (i != ACCOUNT_OTHER)
            assert_in_range(last.ticks[i] - first.ticks[i], least[i], most[i]);
    }
}

static void entering_returns_what_to_restore(void **state)
{
    need_accounting(state);
    struct account account = {0};
    account_open(&account, "scheduler", 1);
    const enum account_state outer = account_enter(&account, ACCOUNT_READY);
    assert_int_equal(outer, ACCOUNT_OTHER);
    const enum account_state inner = account_enter(&account, ACCOUNT_CLEAN);
    assert_int_equal(inner, ACCOUNT_READY);
    assert_int_equal(account_enter(&account, ACCOUNT_CLEAN), ACCOUNT_CLEAN); // the same again
    assert_int_equal(account_enter(&account, inner), ACCOUNT_CLEAN);
    assert_int_equal(account_enter(&account, outer), ACCOUNT_READY);
    assert_int_equal(account_enter(&account, ACCOUNT_SLEEP), ACCOUNT_OTHER);
}

static void a_thread_without_an_account_is_always_at_other_things(void **state)
{
    (void)state;
    assert_int_equal(account_enter(NULL, ACCOUNT_PORT), ACCOUNT_OTHER);
    assert_int_equal(account_enter(NULL, ACCOUNT_SLEEP), ACCOUNT_OTHER);
}

static void a_build_without_accounting_opens_none(void **state)
{
    (void)state;
    if (READYQ_OBSERVE)
        skip();
    struct account account = {0};
    struct account_reading reading;
    account_open(&account, "async", 1);
    assert_false(account_read(&account, &reading));
}

struct shared {
    struct account account;
    _Atomic uint32_t stop;
    _Atomic uint64_t changes;
};

static void change_without_end(void *argument)
{
    struct shared *shared = argument;
    account_open(&shared->account, "async", 1);
    for (uint64_t i = 1; !at_load_rlx(&shared->stop); i++) {
        account_enter(&shared->account, (enum account_state)(i % ACCOUNT_STATES));
        at_store_rlx(&shared->changes, i);
        if (i % 64 == 0)
            clock_spin(clock_ticks_in(2000)); // else no reading would ever fall into a quiet moment
    }
    account_close(&shared->account);
}

// The states of any two readings differ by just the time between them, however the thread changes its state meanwhile.
static void what_others_read_adds_up_at_any_moment(void **state)
{
    need_accounting(state);
    static struct shared shared;
    struct thread thread;
    const struct thread_options options = {.name = "changer", .cpu = -1};
    assert_int_equal(thread_start(&thread, &options, change_without_end, &shared), 0);
    struct account_reading first, reading;
    SPIN_UNTIL(account_read(&shared.account, &first));
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < ROUNDS(200000) || at_load_rlx(&shared.changes) < 10000; i++) {
        if (!account_read(&shared.account, &reading))
            fail_msg("the account is closed");
        wrong += sum(&reading) - sum(&first) != reading.at_ticks - first.at_ticks;
    }
    at_store_rlx(&shared.stop, 1);
    thread_join(&thread);
    assert_int_equal(wrong, 0);
    assert_false(account_read(&shared.account, &reading));
}

int main(void)
{
    clock_calibrate();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_has_a_name),
        cmocka_unit_test(an_account_can_be_read_while_it_is_open),
        cmocka_unit_test(each_state_gets_its_own_time_and_nothing_is_lost),
        cmocka_unit_test(entering_returns_what_to_restore),
        cmocka_unit_test(a_thread_without_an_account_is_always_at_other_things),
        cmocka_unit_test(a_build_without_accounting_opens_none),
        cmocka_unit_test(what_others_read_adds_up_at_any_moment),
    };
    return cmocka_run_group_tests_name("accounting", tests, NULL, NULL);
}
