// SPDX-License-Identifier: Apache-2.0
// The order of jobs of one key.
//
// The contract of pools has them invoked in the order submitted, and a key is worth having only if that means one
// after the other: each sees what the one before did. So if submit(a) precedes submit(b), invoke(a) must be over before
// invoke(b) starts. The events lie inside the calls, so an end that is later than a start proves that they were not.
// Submits of one thread follow each other as it made them; submits of two threads only if one had returned before the
// other began, and only where the job queue is FIFO over all its producers. Likewise the invokes of one thread follow
// each other in its events, and those of two are compared by the clock.
//
// One sweep over the submits of each key, by start, keeps of those that precede the one at hand whichever was invoked
// last: over all, and by the threads for which the clock is not needed.
#include "core/history/jobs.h"

#include <stdlib.h>

#include "core/history/check_items.h"
#include "core/history/check_jobs.h"

// The job invoked last among those of one key seen so far.
struct last_invoked {
    uint32_t key_number; // of which key; an entry of another key is none
    uint32_t job;        // from 1; 0: none
};

struct key_sweep {
    const struct history *history;
    const struct judged_job *jobs;
    const uint64_t *keys;
    uint32_t count;
    uint32_t *by_start, *by_end; // by key, then by start, or end, of the submit
    uint32_t key_number;
    struct last_invoked of_all;
    struct last_invoked *of_invoker;   // by thread of the invoke
    struct last_invoked *of_submitter; // by thread of the submit
    struct last_invoked *of_both;      // by both
    struct last_invoked *open;         // by thread of the submit: those of its submits that the next may be inside of
    uint32_t *next_open;               // by job: the list goes on, to the next older; from 1
};

static uint64_t key_of(const void *context, uint32_t job)
{
    return ((const struct key_sweep *)context)->keys[job];
}

// As its thread made it, among equal readings.
static uint64_t submit_place(const void *context, uint32_t job)
{
    const struct key_sweep *sweep = context;
    const struct job_event *submit = sweep->jobs[job].submit;
    return (uint64_t)(submit->event - sweep->history->threads[submit->thread].events);
}

static uint64_t submit_start(const void *context, uint32_t job)
{
    return ((const struct key_sweep *)context)->jobs[job].submit->event->start;
}

static uint64_t submit_end(const void *context, uint32_t job)
{
    return history_end(((const struct key_sweep *)context)->jobs[job].submit->event);
}

// One that is not recorded starts after the cut.
static uint64_t invoke_end(const struct key_sweep *sweep, uint32_t job)
{
    const struct job_event *invoke = sweep->jobs[job].invoke;
    return invoke ? history_end(invoke->event) : sweep->history->cut_ticks;
}

static bool ends_later(const struct key_sweep *sweep, uint32_t job, uint32_t other)
{
    return invoke_end(sweep, job) > invoke_end(sweep, other);
}

static bool stands_later(const struct key_sweep *sweep, uint32_t job, uint32_t other)
{
    return sweep->jobs[job].invoke->event > sweep->jobs[other].invoke->event;
}

static void note(const struct key_sweep *sweep, struct last_invoked *last, uint32_t job,
                 bool (*later)(const struct key_sweep *sweep, uint32_t job, uint32_t other))
{
    if (last->job && last->key_number == sweep->key_number && !later(sweep, job, last->job - 1))
        return;
    *last = (struct last_invoked){.key_number = sweep->key_number, .job = job + 1};
}

static struct last_invoked *of_both(const struct key_sweep *sweep, const struct judged_job *job)
{
    return &sweep->of_both[(size_t)job->submit->thread * sweep->history->thread_count + job->invoke->thread];
}

static bool is_known(const struct key_sweep *sweep, const struct last_invoked *last)
{
    return last->job && last->key_number == sweep->key_number;
}

// The job at hand precedes, for all threads, what comes next in the sweep.
static void note_for_all(struct key_sweep *sweep, uint32_t number)
{
    const struct judged_job *job = &sweep->jobs[number];
    note(sweep, &sweep->of_all, number, ends_later);
    if (job->invoke)
        note(sweep, &sweep->of_invoker[job->invoke->thread], number, stands_later);
}

// It precedes what its own thread submits next.
static void note_for_submitter(struct key_sweep *sweep, uint32_t number)
{
    const struct judged_job *job = &sweep->jobs[number];
    note(sweep, &sweep->of_submitter[job->submit->thread], number, ends_later);
    if (job->invoke)
        note(sweep, of_both(sweep, job), number, stands_later);
}

// Whether `last`, submitted before, was still to be invoked, or being invoked, when `number` was.
static bool overtakes_by_clock(const struct key_sweep *sweep, uint32_t number, const struct last_invoked *last)
{
    return is_known(sweep, last) &&
           invoke_end(sweep, last->job - 1) > jobs_later(sweep->history, sweep->jobs[number].invoke->event->start);
}

static bool overtakes_on_thread(const struct key_sweep *sweep, uint32_t number, const struct last_invoked *last)
{
    return is_known(sweep, last) && stands_later(sweep, last->job - 1, number);
}

// The job that `number` overtook, from 1; 0: none.
static uint32_t overtaken(const struct key_sweep *sweep, uint32_t number)
{
    const struct judged_job *job = &sweep->jobs[number];
    if (!job->invoke)
        return 0;
    const struct last_invoked *last = &sweep->of_all;
    if (overtakes_by_clock(sweep, number, last))
        return last->job;
    last = &sweep->of_invoker[job->invoke->thread];
    if (overtakes_on_thread(sweep, number, last))
        return last->job;
    last = &sweep->of_submitter[job->submit->thread];
    if (overtakes_by_clock(sweep, number, last))
        return last->job;
    last = of_both(sweep, job);
    if (overtakes_on_thread(sweep, number, last))
        return last->job;
    return 0;
}

// A submit of the same thread inside of which this one is does not precede it. The others do that had been open. One
// is inside the other, the newest innermost: outside of one that is still open all are.
static void close_submits(struct key_sweep *sweep, uint32_t number)
{
    struct last_invoked *open = &sweep->open[sweep->jobs[number].submit->thread];
    uint32_t job = is_known(sweep, open) ? open->job : 0;
    for (; job && submit_end(sweep, job - 1) <= submit_start(sweep, number); job = sweep->next_open[job - 1])
        note_for_submitter(sweep, job - 1);
    sweep->next_open[number] = job;
    *open = (struct last_invoked){.key_number = sweep->key_number, .job = job};
}

static void open_submit(struct key_sweep *sweep, uint32_t number)
{
    sweep->open[sweep->jobs[number].submit->thread].job = number + 1;
}

static uint32_t key_end(const struct key_sweep *sweep, uint32_t at)
{
    const uint64_t key = sweep->keys[sweep->by_start[at]];
    while (at < sweep->count && sweep->keys[sweep->by_start[at]] == key)
        at++;
    return at;
}

// Both orders have the jobs of one key at the same places.
static bool sweep_key(struct key_sweep *sweep, uint32_t first, uint32_t end, struct key_fault *wrong)
{
    const bool one_order = sweep->history->promise.order == QUEUE_ORDER_FIFO;
    uint32_t ended = first;
    sweep->key_number++;
    for (uint32_t at = first; at < end; at++) {
        const uint32_t number = sweep->by_start[at];
        while (one_order && ended < end &&
               jobs_later(sweep->history, submit_end(sweep, sweep->by_end[ended])) < submit_start(sweep, number))
            note_for_all(sweep, sweep->by_end[ended++]);
        close_submits(sweep, number);
        const uint32_t late = overtaken(sweep, number);
        if (late) {
            *wrong = (struct key_fault){sweep->keys[number], &sweep->jobs[late - 1], &sweep->jobs[number]};
            return true;
        }
        open_submit(sweep, number);
    }
    return false;
}

static bool sweep_all(struct key_sweep *sweep, struct key_fault *wrong)
{
    uint32_t end;
    for (uint32_t at = 0; at < sweep->count; at = end) {
        end = key_end(sweep, at);
        if (sweep_key(sweep, at, end, wrong))
            return true;
    }
    return false;
}

static uint32_t *make_order(const struct key_sweep *sweep, uint64_t (*time)(const void *context, uint32_t job))
{
    uint32_t *order = malloc(((size_t)sweep->count + 1) * sizeof *order);
    for (uint32_t i = 0; order && i < sweep->count; i++)
        order[i] = i;
    if (order &&
        (jobs_sort(order, sweep->count, submit_place, sweep) != 0 || jobs_sort(order, sweep->count, time, sweep) != 0 ||
         jobs_sort(order, sweep->count, key_of, sweep) != 0)) {
        free(order);
        order = NULL;
    }
    return order;
}

int jobs_judge_keys(const struct history *history, const struct judged_job *jobs, const uint64_t *keys, uint32_t count,
                    struct key_fault *wrong, bool *found, struct fault *fault)
{
    const size_t threads = history->thread_count;
    struct key_sweep sweep = {.history = history, .jobs = jobs, .keys = keys, .count = count};
    sweep.by_start = make_order(&sweep, submit_start);
    sweep.by_end = make_order(&sweep, submit_end);
    sweep.of_both = calloc((threads + 2) * (threads + 2), sizeof *sweep.of_both);
    sweep.next_open = malloc(((size_t)count + 1) * sizeof *sweep.next_open);
    const bool made = sweep.by_start && sweep.by_end && sweep.of_both && sweep.next_open;
    if (made) {
        sweep.of_invoker = sweep.of_both + threads * threads;
        sweep.of_submitter = sweep.of_invoker + threads;
        sweep.open = sweep.of_submitter + threads;
        *found = sweep_all(&sweep, wrong);
    }
    free(sweep.by_start);
    free(sweep.by_end);
    free(sweep.of_both);
    free(sweep.next_open);
    return made ? 0 : judge_no_memory(fault);
}
