// SPDX-License-Identifier: Apache-2.0
// A pool behind a tap, for tests, with what was recorded and the verdict.
#ifndef READYQ_TESTS_TAPPED_POOL_H
#define READYQ_TESTS_TAPPED_POOL_H

#include "core/check/pool_tap.h"
#include "core/history/jobs.h"
#include "tests/unit.h"

// A tap with its recording, and what came of it.
struct tapped {
    struct recording *recording;
    struct pool_tap *tap;
    const struct pool_ops *ops;
    struct history *history;
    struct history_verdict verdict;
};

static inline void tapped_open(struct tapped *tapped, const struct pool_ops *original,
                               const struct recording_plan *plan)
{
    struct fault fault = {""};
    *tapped = (struct tapped){0};
    if (recording_create(&tapped->recording, plan, &fault) != 0)
        fail_msg("%s", fault.text);
    if (pool_tap_create(&tapped->tap, original, tapped->recording, &tapped->ops, &fault) != 0)
        fail_msg("%s", fault.text);
}

static inline void tapped_judge(struct tapped *tapped, bool drained)
{
    struct fault fault = {""};
    const struct history_question question = {.drained = drained};
    assert_int_equal(recording_history(tapped->recording, &tapped->history), 0);
    if (history_check_jobs(tapped->history, &question, &tapped->verdict, &fault) != 0)
        fail_msg("%s", fault.text);
}

static inline void tapped_close(struct tapped *tapped)
{
    recording_history_free(tapped->history);
    pool_tap_destroy(tapped->tap);
    recording_destroy(tapped->recording);
}

static inline uint64_t tapped_count(const struct history *history, enum history_kind kind)
{
    uint64_t count = 0;
    for (unsigned t = 0; t < history->thread_count; t++)
        for (uint64_t i = 0; i < history->threads[t].count; i++)
            count += history_kind(&history->threads[t].events[i]) == kind;
    return count;
}

// As history_read demands of a file.
static inline void tapped_expect_ordered(const struct history *history)
{
    for (unsigned t = 0; t < history->thread_count; t++) {
        uint64_t last = 0;
        for (uint64_t i = 0; i < history->threads[t].count; i++) {
            const struct history_event *event = &history->threads[t].events[i];
            if (history_kind(event) == HISTORY_KEY)
                continue;
            assert_true(event->start >= last);
            assert_true(history_end(event) >= event->start);
            last = event->start;
        }
    }
}

#endif
