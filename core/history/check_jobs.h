// SPDX-License-Identifier: Apache-2.0
// What the judge of a pool's history works on: jobs, each with what happened to it.
//
// A cut history lacks events, all of which started at the cut or later; a sampled one has all of the jobs that it has
// at all. So what is there counts, and what is not there counts only if it would have had to start before the cut.
#ifndef READYQ_HISTORY_CHECK_JOBS_H
#define READYQ_HISTORY_CHECK_JOBS_H

#include "core/history/check.h"

struct job_event {
    const struct history_event *event;
    uint32_t thread;
};

// NULL: none recorded. `again` are the second ones.
struct judged_job {
    const struct job_event *submit, *invoke, *end; // `end` is a READY or a FREE
    const struct job_event *submit_again, *invoke_again, *end_again;
};

// The case at hand.
struct docket {
    const struct history *history;
    const struct history_question *question;
    struct history_verdict *verdict;
    struct job_event *events; // all but keys
    uint32_t *order;          // of them: by job
    uint32_t count;
    uint32_t unended;         // jobs seen so far that were not completed
    struct judged_job worst;  // of the fault in the verdict
    struct judged_job *keyed; // jobs with a key
    uint64_t *keys;           // of them
    uint32_t keyed_count;
};

// Notes the first fault of a job, unless one of another job that comes before it is noted already.
void jobs_judge_one(struct docket *docket, const struct judged_job *job);

// Finds words and witness for the fault that was noted.
void jobs_convict(struct docket *docket);

// Two jobs of one key that were invoked in the wrong order: `late` was submitted first.
struct key_fault {
    uint64_t key;
    const struct judged_job *late, *early;
};

// Looks for such a pair among `jobs`, all of which have a submit with a key, as `keys` has them. *found says whether
// there is one. 0, or -ENOMEM and a sentence.
int jobs_judge_keys(const struct history *history, const struct judged_job *jobs, const uint64_t *keys, uint32_t count,
                    struct key_fault *wrong, bool *found, struct fault *fault);

// The same for two jobs of one key.
void jobs_convict_key(struct docket *docket, const struct key_fault *wrong);

// Stable, by ascending key. 0 or -ENOMEM.
int jobs_sort(uint32_t *order, uint32_t count, uint64_t (*key)(const void *context, uint32_t index),
              const void *context);

// `end` or `start` of an event, moved as far into the future as the clocks may differ.
static inline uint64_t jobs_later(const struct history *history, uint64_t ticks)
{
    return ticks + history->skew_ticks < ticks ? HISTORY_NEVER : ticks + history->skew_ticks;
}

#endif
