// SPDX-License-Identifier: Apache-2.0
// What the judge says of the one history that a test works on.
#ifndef READYQ_TESTS_POOL_VERDICTS_H
#define READYQ_TESTS_POOL_VERDICTS_H

#include "tests/pool_histories.h"

static struct made_history made;

static inline struct history_verdict judged(bool drained)
{
    const struct history_question question = {.drained = drained};
    struct history_verdict verdict;
    struct fault fault = {""};
    if (history_check_jobs(&made.history, &question, &verdict, &fault) != 0)
        fail_msg("%s", fault.text);
    assert_int_equal(verdict.fault == HISTORY_OK, verdict.sentence[0] == '\0');
    assert_int_equal(verdict.fault == HISTORY_OK, verdict.witness_count == 0);
    assert_true(strlen(verdict.sentence) < sizeof verdict.sentence - 1);
    assert_null(strstr(verdict.sentence, "..."));
    return verdict;
}

static inline void expect(enum history_fault fault)
{
    const struct history_verdict verdict = judged(true);
    if (verdict.fault != fault)
        fail_msg("'%s' (%s), not '%s'", history_fault_name(verdict.fault), verdict.sentence, history_fault_name(fault));
}

#endif
