// SPDX-License-Identifier: Apache-2.0
// Conformance of the history: crowds on the queue, every operation recorded and held against what the queue promises.
// It sees what no thread could see for itself: orders across producers, EMPTY and FULL among many.
#include "core/check/conformance/crowd.h"
#include "core/history/check.h"
#include "core/history/tap.h"

#define HISTORY_ITEMS 4000u
// Address space, of which only what is used becomes memory: more than EMPTY answers ever filled.
#define HISTORY_BYTES_A_THREAD ((uint64_t)24 << 20)
#define TIMELINE_COLUMNS 100u

static int judge_history(struct suite *suite, struct recording *recording)
{
    const struct history_question question = {.drained = true};
    struct history_verdict verdict;
    struct history *history;
    struct fault fault = {""};
    if (recording_history(recording, &history) != 0)
        return suite_refuse(suite, -ENOMEM, "no memory for the history");
    int error = history_check(history, &question, &verdict, &fault);
    if (!error && verdict.fault == HISTORY_OK && verdict.scope != HISTORY_SCOPE_FULL)
        error = fault_set(&fault, -ENOMEM,
                          "the first %llu operations were right, and there was no room to record those that followed",
                          (unsigned long long)verdict.operations);
    if (error) {
        error = suite_refuse(suite, error, fault.text);
    } else if (verdict.fault != HISTORY_OK) {
        error = suite_fail(suite, "%s", verdict.sentence);
        if (suite->options->timeline)
            history_timeline(history, &verdict, TIMELINE_COLUMNS, suite->options->timeline);
    }
    recording_history_free(history);
    return error;
}

// Lets the crowd loose on the queue behind a tap.
static int run_tapped(struct suite *suite, const struct crowd_plan *plan, struct recording *recording)
{
    const struct queue_choice *original = suite->choice;
    struct tap tap;
    tap_init(&tap, original, recording);
    suite->choice = &tap.choice;
    suite->ops = tap.choice.entry->ops;
    const int error = crowd_run(suite, plan);
    suite->choice = original;
    suite->ops = original->entry->ops;
    return error;
}

static int run_recorded(struct suite *suite, const struct crowd_plan *plan)
{
    const struct queue_choice *choice = suite->choice;
    char name[HISTORY_NAME_MOST];
    snprintf(name, sizeof name, "%s%s%s", choice->entry->name, *choice->params ? ":" : "", choice->params);
    const unsigned threads = plan->producers + plan->consumers;
    const uint64_t bytes = suite->options->history_bytes ? suite->options->history_bytes : HISTORY_BYTES_A_THREAD;
    const struct recording_plan recorded = {.subject = HISTORY_OF_QUEUE,
                                            .name = name,
                                            .promise = history_promise_of(&choice->traits),
                                            .memory_bytes = threads * bytes,
                                            .threads = threads};
    struct fault fault = {""};
    struct recording *recording;
    int error = recording_create(&recording, &recorded, &fault);
    if (error)
        return suite_refuse(suite, error, fault.text);
    watchdog_beat();
    error = run_tapped(suite, plan, recording);
    if (!error)
        error = judge_history(suite, recording);
    recording_destroy(recording);
    return error;
}

// One to one, and up to eight a side; with and without stalls.
int check_history(struct suite *suite)
{
    static const unsigned sides[] = {1, 2, 4, 8};
    int error = 0;
    for (unsigned round = 0; round < 4 * CROWD_TEMPOS && !error; round++) {
        const unsigned side = sides[round % 4];
        struct crowd_plan plan = {.producers = suite_producers(suite, side), .consumers = suite_consumers(suite, side)};
        crowd_set_kinds(&plan, round / 4 + round % 4);
        plan.tempo = round / 4;
        plan.unjudged = true;
        plan.items = crowd_items(suite, &plan, HISTORY_ITEMS);
        for (unsigned stalled = 0; stalled < 2 && !error; stalled++) {
            suite->stalls = stalled;
            error = run_recorded(suite, &plan);
        }
    }
    suite->stalls = false;
    return error;
}
