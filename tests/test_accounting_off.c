// SPDX-License-Identifier: Apache-2.0
// What a source is that was built without accounting: it does not so much as look at an account.
#undef READYQ_OBSERVE
#define READYQ_OBSERVE 0

#include "core/measure/accounting.h"
#include "tests/unit.h"

static void nothing_is_touched(void **state)
{
    (void)state;
    struct account *nowhere = (struct account *)(uintptr_t)LINE_PAIR; // whoever reads it dies of it
    assert_int_equal(account_enter(nowhere, ACCOUNT_PORT), ACCOUNT_OTHER);
    assert_int_equal(account_enter(NULL, ACCOUNT_PORT), ACCOUNT_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_touched)};
    return cmocka_run_group_tests_name("accounting_off", tests, NULL, NULL);
}
