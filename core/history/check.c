// SPDX-License-Identifier: Apache-2.0
// The judge of a queue's history: asks for one pattern after the other, in the order of enum history_fault.
#include "core/history/check.h"

#include <stddef.h>

#include "core/history/check_patterns.h"
#include "core/history/check_witness.h"

const char *history_fault_name(enum history_fault fault)
{
    static const char *const names[HISTORY_FAULTS] = {
        [HISTORY_OK] = "ok",
        [HISTORY_INVENTED] = "invented",
        [HISTORY_DUPLICATED] = "duplicated",
        [HISTORY_LOST] = "lost",
        [HISTORY_REORDERED] = "reordered",
        [HISTORY_FALSE_EMPTY] = "false_empty",
        [HISTORY_FALSE_FULL] = "false_full",
        [HISTORY_OVERFULL] = "overfull",
        [HISTORY_NOT_INVOKED] = "not_invoked",
        [HISTORY_INVOKED_TWICE] = "invoked_twice",
        [HISTORY_NOT_COMPLETED] = "not_completed",
        [HISTORY_COMPLETED_TWICE] = "completed_twice",
        [HISTORY_READY_BEFORE_INVOKED] = "ready_before_invoked",
        [HISTORY_KEY_REORDERED] = "key_reordered",
        [HISTORY_STRAYED] = "strayed",
    };
    return names[fault];
}

// The last EMPTY that began when the enqueue had ended, or that the same thread was told after it. An exact one is then
// false, if the item never came out. NULL: none.
static const struct history_event *last_empty_after(const struct judge *judge, const struct history_event *enqueue)
{
    const struct history_event *last = NULL;
    const uint32_t own = history_thread_of(judge->history, enqueue);
    for (uint32_t thread = 0; thread < judge->history->thread_count; thread++) {
        const struct history_thread *events = &judge->history->threads[thread];
        const struct history_event *event = events->events + events->count;
        while (event > events->events && history_kind(event - 1) != HISTORY_EMPTY)
            event--;
        if (event-- == events->events || (last && event->start <= last->start))
            continue;
        if (thread == own ? event > enqueue : event->start > judge_end(judge->history, enqueue))
            last = event;
    }
    return last;
}

// All was drained, so what did not come out is lost; of those, the one enqueued first. Whether the queue lost it, or
// hid it from those who drained, can't be told apart: the EMPTY that they trusted is shown with it.
static void find_lost(struct judge *judge)
{
    if (judge->history->cut_ticks != HISTORY_NEVER || judge->delivered_count == judge->count)
        return;
    const struct history_event *first = NULL;
    for (uint32_t at = judge->delivered_count; at < judge->count; at++) {
        const struct history_event *enqueue = judge->items[judge->delivered[at]].enqueue;
        if (!first || enqueue->start < first->start)
            first = enqueue;
    }
    history_witness_add(judge->history, judge->verdict, first);
    const uint32_t others = judge->count - judge->delivered_count - 1;
    const struct history_item_name name = history_item_name(judge->history, first->item);
    const struct history_event *empty = judge->history->promise.empty_exact ? last_empty_after(judge, first) : NULL;
    if (!empty) {
        history_convict(judge->verdict, HISTORY_LOST, "%s never came out: %s (%u more were lost)", name.text,
                        history_say(judge->history, first).text, others);
        return;
    }
    history_witness_add(judge->history, judge->verdict, empty);
    history_convict(judge->verdict, HISTORY_LOST,
                    "%s never came out, though %s and the queue was drained: %s (%u more were lost)", name.text,
                    history_say(judge->history, empty).text, history_say_before(judge->history, first, empty).text,
                    others);
}

static int find_patterns(struct judge *judge, const struct history_question *question)
{
    const struct history_promise *promise = &judge->history->promise;
    const bool relaxed = promise->order == QUEUE_ORDER_RELAXED;
    const bool full_known = promise->full_exact && history_scope(judge->history) == HISTORY_SCOPE_FULL;
    const enum history_fault *fault = &judge->verdict->fault;
    int error = 0;
    if (!*fault && question->drained)
        find_lost(judge);
    if (relaxed || question->measure_rank)
        error = judge_rank(judge, relaxed && !*fault);
    if (error == 0 && !*fault && !relaxed)
        error = judge_reordered(judge);
    if (error == 0 && !*fault && promise->empty_exact)
        error = judge_false_empty(judge);
    if (error == 0 && !*fault && promise->capacity > 0 && full_known)
        error = judge_false_full(judge);
    if (error == 0 && !*fault && promise->capacity > 0)
        error = judge_overfull(judge);
    return error;
}

int history_check(const struct history *history, const struct history_question *question,
                  struct history_verdict *verdict, struct fault *fault)
{
    *verdict = (struct history_verdict){.scope = history_scope(history)};
    struct judge judge = {.history = history, .verdict = verdict, .fault = fault};
    int error = judge_open(&judge);
    if (error == 0)
        error = find_patterns(&judge, question);
    judge_close(&judge);
    return error;
}
