// SPDX-License-Identifier: Apache-2.0
// The faults that a job can have by itself, and the words for all of them.
#include <string.h>

#include "core/history/check_jobs.h"
#include "core/history/check_witness.h"

static bool is_before(const struct docket *docket, const struct job_event *event, uint64_t ticks)
{
    return jobs_later(docket->history, event->event->start) < ticks;
}

// Whether what must have come before this event would be in the history.
static bool is_before_cut(const struct docket *docket, const struct job_event *event)
{
    return docket->history->cut_ticks == HISTORY_NEVER || is_before(docket, event, docket->history->cut_ticks);
}

// Whether what did not happen to jobs will not happen any more.
static bool is_over(const struct docket *docket)
{
    return docket->question->drained && docket->history->cut_ticks == HISTORY_NEVER;
}

// ------------------------------------------------------------------------------------------------ faults of one job

// An event of a job that had not been submitted.
static const struct job_event *unsubmitted(const struct docket *docket, const struct judged_job *job)
{
    const struct job_event *const events[] = {job->invoke, job->end};
    for (unsigned i = 0; i < 2; i++) {
        const struct job_event *event = events[i];
        if (event && (job->submit ? is_before(docket, event, job->submit->event->start) : is_before_cut(docket, event)))
            return event;
    }
    return NULL;
}

static bool is_invented(const struct docket *docket, const struct judged_job *job)
{
    return unsubmitted(docket, job) != NULL;
}

static bool is_submitted_twice(const struct docket *docket, const struct judged_job *job)
{
    (void)docket;
    return job->submit_again != NULL;
}

static bool is_not_invoked(const struct docket *docket, const struct judged_job *job)
{
    return !job->invoke && (is_over(docket) || (job->end && docket->history->cut_ticks == HISTORY_NEVER));
}

static bool is_invoked_twice(const struct docket *docket, const struct judged_job *job)
{
    (void)docket;
    return job->invoke_again != NULL;
}

static bool is_not_completed(const struct docket *docket, const struct judged_job *job)
{
    return !job->end && is_over(docket) && docket->unended > docket->history->unrun;
}

static bool is_completed_twice(const struct docket *docket, const struct judged_job *job)
{
    (void)docket;
    return job->end_again != NULL;
}

// The thread of both notes what it begins in the order in which it does.
static bool is_completed_early(const struct docket *docket, const struct judged_job *job)
{
    if (!job->end)
        return false;
    if (!job->invoke)
        return is_before_cut(docket, job->end);
    if (job->end->thread == job->invoke->thread && job->end->event < job->invoke->event)
        return true;
    return is_before(docket, job->end, history_end(job->invoke->event));
}

static const struct history_thread *thread_of(const struct docket *docket, const struct job_event *event)
{
    return &docket->history->threads[event->thread];
}

static bool is_scheduler(const struct docket *docket, const struct job_event *event)
{
    const struct history_thread *thread = thread_of(docket, event);
    return strcmp(thread->name, "scheduler") == 0 && thread->rank < docket->history->schedulers;
}

static uint32_t home_of(const struct docket *docket, const struct judged_job *job)
{
    return is_scheduler(docket, job->submit) ? thread_of(docket, job->submit)->rank : 0;
}

static bool is_invoked_astray(const struct docket *docket, const struct judged_job *job)
{
    return docket->history->workers > 0 && job->invoke && strcmp(thread_of(docket, job->invoke)->name, "worker") != 0;
}

// Without workers all of it happens inside the submit.
static bool is_inside_submit(const struct docket *docket, const struct judged_job *job)
{
    return docket->history->workers == 0 && job->invoke && job->invoke->thread == job->submit->thread &&
           job->end->thread == job->submit->thread && job->end->event->start >= job->submit->event->start &&
           history_end(job->end->event) <= history_end(job->submit->event);
}

static bool is_completed_astray(const struct docket *docket, const struct judged_job *job)
{
    if (!docket->history->promise.completes_on_submitter || !job->submit || !job->end)
        return false;
    const bool home = is_scheduler(docket, job->end) && thread_of(docket, job->end)->rank == home_of(docket, job);
    return !home && !is_inside_submit(docket, job);
}

static bool is_strayed(const struct docket *docket, const struct judged_job *job)
{
    return is_invoked_astray(docket, job) || is_completed_astray(docket, job);
}

static const struct {
    enum history_fault fault;
    bool (*found)(const struct docket *docket, const struct judged_job *job);
} faults[] = {
    {HISTORY_INVENTED, is_invented},
    {HISTORY_DUPLICATED, is_submitted_twice},
    {HISTORY_NOT_INVOKED, is_not_invoked},
    {HISTORY_INVOKED_TWICE, is_invoked_twice},
    {HISTORY_NOT_COMPLETED, is_not_completed},
    {HISTORY_COMPLETED_TWICE, is_completed_twice},
    {HISTORY_READY_BEFORE_INVOKED, is_completed_early},
    {HISTORY_STRAYED, is_strayed},
};

void jobs_judge_one(struct docket *docket, const struct judged_job *job)
{
    struct history_verdict *verdict = docket->verdict;
    verdict->items++;
    docket->unended += !job->end;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (verdict->fault != HISTORY_OK && faults[i].fault >= verdict->fault)
            return;
        if (faults[i].found(docket, job)) {
            verdict->fault = faults[i].fault;
            docket->worst = *job;
            return;
        }
    }
}

// ------------------------------------------------------------------------------------------------ words

static struct history_phrase say(const struct docket *docket, const struct job_event *event)
{
    return history_say(docket->history, event->event);
}

static void show(struct docket *docket, const struct job_event *event)
{
    if (event)
        history_witness_add(docket->history, docket->verdict, event->event);
}

static double ns(const struct docket *docket, uint64_t ticks)
{
    return (double)ticks * docket->history->ns_per_tick;
}

static void convict_invented(struct docket *docket)
{
    const struct judged_job *job = &docket->worst;
    const struct job_event *first = unsubmitted(docket, job);
    show(docket, first);
    show(docket, job->submit);
    if (job->submit)
        history_convict(docket->verdict, HISTORY_INVENTED, "%s, before %s", say(docket, first).text,
                        say(docket, job->submit).text);
    else
        history_convict(docket->verdict, HISTORY_INVENTED, "%s, which nobody had submitted", say(docket, first).text);
}

static void convict_twice(struct docket *docket, const struct job_event *once, const struct job_event *again)
{
    show(docket, once);
    show(docket, again);
    history_convict(docket->verdict, docket->verdict->fault, "%s, and once more: %s", say(docket, once).text,
                    say(docket, again).text);
}

static void convict_not_invoked(struct docket *docket)
{
    const struct judged_job *job = &docket->worst;
    show(docket, job->submit);
    show(docket, job->end);
    if (job->end)
        history_convict(docket->verdict, HISTORY_NOT_INVOKED, "%s, which was never invoked",
                        say(docket, job->end).text);
    else
        history_convict(docket->verdict, HISTORY_NOT_INVOKED, "%s, and it was never invoked",
                        say(docket, job->submit).text);
}

static void convict_not_completed(struct docket *docket)
{
    const struct judged_job *job = &docket->worst;
    show(docket, job->submit);
    show(docket, job->invoke);
    char others[64] = "";
    if (docket->history->unrun > 0)
        snprintf(others, sizeof others, ", nor were more jobs than the %u left behind", docket->history->unrun);
    history_convict(docket->verdict, HISTORY_NOT_COMPLETED, "%s, %s, and it was never completed%s",
                    say(docket, job->submit).text, say(docket, job->invoke).text, others);
}

static void convict_early(struct docket *docket)
{
    const struct judged_job *job = &docket->worst;
    show(docket, job->invoke);
    show(docket, job->end);
    if (job->invoke)
        history_convict(docket->verdict, HISTORY_READY_BEFORE_INVOKED, "%s, but %s and was not done before %.0f ns",
                        say(docket, job->end).text, say(docket, job->invoke).text,
                        ns(docket, history_end(job->invoke->event)));
    else
        history_convict(docket->verdict, HISTORY_READY_BEFORE_INVOKED, "%s, which had not been invoked",
                        say(docket, job->end).text);
}

static void convict_strayed(struct docket *docket)
{
    const struct judged_job *job = &docket->worst;
    if (is_invoked_astray(docket, job)) {
        show(docket, job->invoke);
        history_convict(docket->verdict, HISTORY_STRAYED, "%s, on a thread that is no worker",
                        say(docket, job->invoke).text);
        return;
    }
    show(docket, job->submit);
    show(docket, job->end);
    history_convict(docket->verdict, HISTORY_STRAYED, "%s, so that it belongs to scheduler %u, but %s",
                    say(docket, job->submit).text, home_of(docket, job), say(docket, job->end).text);
}

void jobs_convict_key(struct docket *docket, const struct key_fault *wrong)
{
    const struct judged_job *late = wrong->late, *early = wrong->early;
    const struct history_thread *worker = thread_of(docket, early->invoke);
    docket->verdict->fault = HISTORY_KEY_REORDERED;
    show(docket, late->submit);
    show(docket, early->submit);
    show(docket, early->invoke);
    show(docket, late->invoke);
    char end[48] = "had not been invoked";
    if (late->invoke)
        snprintf(end, sizeof end, "was not done before %.0f ns", ns(docket, history_end(late->invoke->event)));
    history_convict(
        docket->verdict, HISTORY_KEY_REORDERED,
        "of key %llu, job %llu was submitted before job %llu, but %.16s %u invoked job %llu at %.0f ns, and "
        "job %llu %s",
        (unsigned long long)wrong->key, (unsigned long long)late->submit->event->item,
        (unsigned long long)early->submit->event->item, worker->name, worker->rank,
        (unsigned long long)early->submit->event->item, ns(docket, early->invoke->event->start),
        (unsigned long long)late->submit->event->item, end);
}

void jobs_convict(struct docket *docket)
{
    const struct judged_job *job = &docket->worst;
    switch (docket->verdict->fault) {
    case HISTORY_INVENTED:
        convict_invented(docket);
        break;
    case HISTORY_DUPLICATED:
        convict_twice(docket, job->submit, job->submit_again);
        break;
    case HISTORY_NOT_INVOKED:
        convict_not_invoked(docket);
        break;
    case HISTORY_INVOKED_TWICE:
        convict_twice(docket, job->invoke, job->invoke_again);
        break;
    case HISTORY_NOT_COMPLETED:
        convict_not_completed(docket);
        break;
    case HISTORY_COMPLETED_TWICE:
        convict_twice(docket, job->end, job->end_again);
        break;
    case HISTORY_READY_BEFORE_INVOKED:
        convict_early(docket);
        break;
    default:
        convict_strayed(docket);
    }
}
