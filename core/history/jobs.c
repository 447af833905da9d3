// SPDX-License-Identifier: Apache-2.0
// The judge of a pool's history: brings the events of each job together, and asks of each job for one fault after the
// other, in the order of enum history_fault; then for jobs of one key in the wrong order.
#include "core/history/jobs.h"

#include <errno.h>
#include <stdlib.h>

#include "core/history/check_items.h"
#include "core/history/check_jobs.h"

static uint64_t by_job(const void *context, uint32_t index)
{
    return ((const struct docket *)context)->events[index].event->item;
}

// Which no judge can count, or no pool does.
static int refuse(const struct history *history, struct fault *fault)
{
    if (history->subject != HISTORY_OF_POOL)
        return fault_set(fault, -EINVAL, "this is the history of a queue, in which there are no jobs");
    if (history_events(history) >= UINT32_MAX)
        return fault_set(fault, -EOVERFLOW, "a history of %llu events is more than can be judged (%u)",
                         (unsigned long long)history_events(history), UINT32_MAX - 1);
    for (uint32_t t = 0; t < history->thread_count; t++)
        for (uint64_t i = 0; i < history->threads[t].count; i++) {
            const struct history_event *event = &history->threads[t].events[i];
            if (history_kind(event) < HISTORY_SUBMIT || history_kind(event) >= HISTORY_KINDS)
                return fault_set(fault, -EINVAL, "event %llu of thread %u is none of a pool's jobs",
                                 (unsigned long long)i, t);
        }
    return 0;
}

static int collect(struct docket *docket, struct fault *fault)
{
    const struct history *history = docket->history;
    const size_t most = (size_t)history_events(history) + 1;
    docket->events = malloc(most * sizeof *docket->events);
    docket->order = malloc(most * sizeof *docket->order);
    if (!docket->events || !docket->order)
        return judge_no_memory(fault);
    for (uint32_t t = 0; t < history->thread_count; t++)
        for (uint64_t i = 0; i < history->threads[t].count; i++) {
            const struct history_event *event = &history->threads[t].events[i];
            if (history_kind(event) == HISTORY_KEY)
                continue;
            docket->order[docket->count] = docket->count;
            docket->events[docket->count++] = (struct job_event){event, t};
        }
    docket->verdict->operations = docket->count;
    return jobs_sort(docket->order, docket->count, by_job, docket) == 0 ? 0 : judge_no_memory(fault);
}

static void add_event(struct judged_job *job, const struct job_event *event)
{
    const enum history_kind kind = history_kind(event->event);
    const struct job_event **once = &job->end, **again = &job->end_again;
    if (kind == HISTORY_SUBMIT)
        once = &job->submit, again = &job->submit_again;
    else if (kind == HISTORY_INVOKE)
        once = &job->invoke, again = &job->invoke_again;
    if (!*once) {
        *once = event;
        return;
    }
    // The first two, by time.
    const struct job_event *later = event;
    if (event->event->start < (*once)->event->start) {
        later = *once;
        *once = event;
    }
    if (!*again || later->event->start < (*again)->event->start)
        *again = later;
}

// The key of a submit stands before it, with no other submit between.
static const struct history_event *key_of(const struct docket *docket, const struct job_event *submit)
{
    const struct history_event *first = docket->history->threads[submit->thread].events;
    for (const struct history_event *event = submit->event; event-- > first;) {
        if (history_kind(event) == HISTORY_KEY)
            return event;
        if (history_kind(event) == HISTORY_SUBMIT)
            return NULL;
    }
    return NULL;
}

static void keep_keyed(struct docket *docket, const struct judged_job *job)
{
    const struct history_event *key = docket->keyed && job->submit ? key_of(docket, job->submit) : NULL;
    if (!key)
        return;
    docket->keys[docket->keyed_count] = key->item;
    docket->keyed[docket->keyed_count++] = *job;
}

static int make_room_for_keyed(struct docket *docket, struct fault *fault)
{
    const struct history *history = docket->history;
    size_t keys = 0;
    if (!history->promise.keys || history->promise.order == QUEUE_ORDER_RELAXED)
        return 0;
    for (uint32_t t = 0; t < history->thread_count; t++)
        for (uint64_t i = 0; i < history->threads[t].count; i++)
            keys += history_kind(&history->threads[t].events[i]) == HISTORY_KEY;
    if (keys == 0)
        return 0;
    docket->keyed = malloc(keys * sizeof *docket->keyed);
    docket->keys = malloc(keys * sizeof *docket->keys);
    return docket->keyed && docket->keys ? 0 : judge_no_memory(fault);
}

static void judge_each(struct docket *docket)
{
    for (uint32_t at = 0; at < docket->count;) {
        struct judged_job job = {0};
        const uint64_t number = docket->events[docket->order[at]].event->item;
        for (; at < docket->count && docket->events[docket->order[at]].event->item == number; at++)
            add_event(&job, &docket->events[docket->order[at]]);
        jobs_judge_one(docket, &job);
        keep_keyed(docket, &job);
    }
}

// Straying comes after it in the order of faults, so that it is looked for unless worse was found.
static int judge_keys(struct docket *docket, struct fault *fault)
{
    struct key_fault wrong;
    bool found = false;
    const enum history_fault before = docket->verdict->fault;
    if (docket->keyed_count == 0 || (before != HISTORY_OK && before < HISTORY_KEY_REORDERED))
        return 0;
    const int error =
        jobs_judge_keys(docket->history, docket->keyed, docket->keys, docket->keyed_count, &wrong, &found, fault);
    if (found)
        jobs_convict_key(docket, &wrong);
    return error;
}

int history_check_jobs(const struct history *history, const struct history_question *question,
                       struct history_verdict *verdict, struct fault *fault)
{
    struct docket docket = {.history = history, .question = question, .verdict = verdict};
    *verdict = (struct history_verdict){.scope = history_scope(history)};
    int error = refuse(history, fault);
    if (!error)
        error = collect(&docket, fault);
    if (!error)
        error = make_room_for_keyed(&docket, fault);
    if (!error) {
        judge_each(&docket);
        error = judge_keys(&docket, fault);
    }
    if (!error && verdict->fault != HISTORY_OK && verdict->fault != HISTORY_KEY_REORDERED)
        jobs_convict(&docket);
    free(docket.events);
    free(docket.order);
    free(docket.keyed);
    free(docket.keys);
    return error;
}
