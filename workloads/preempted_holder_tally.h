// SPDX-License-Identifier: Apache-2.0
// What the others of preempted_holder did, while its holder was stopped and while it was not. For that workload only.
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/workload.h"

// What the others had done at some moment, or did in some time.
struct holder_tally {
    uint64_t ticks, enqueued, dequeued;
};

// Of the holder's window.
struct holder_books {
    struct holder_tally first, last; // when it began and ended; ticks 0: it did not
    struct holder_tally in_calls;    // during the stops inside a call
    struct holder_tally in_stops;    // during all stops
    uint64_t stops;                  // inside a call
};

static inline struct holder_tally holder_between(const struct holder_tally *from, const struct holder_tally *until)
{
    return (struct holder_tally){until->ticks - from->ticks, until->enqueued - from->enqueued,
                                 until->dequeued - from->dequeued};
}

static inline void holder_add(struct holder_tally *to, const struct holder_tally *from,
                              const struct holder_tally *until)
{
    const struct holder_tally more = holder_between(from, until);
    to->ticks += more.ticks;
    to->enqueued += more.enqueued;
    to->dequeued += more.dequeued;
}

// The rate of `during` as a share of the usual one; NAN where there is none.
static inline double holder_share(uint64_t during, uint64_t during_ticks, uint64_t usual, uint64_t usual_ticks)
{
    if (during_ticks == 0 || usual_ticks == 0 || usual == 0)
        return NAN;
    return ((double)during / (double)during_ticks) / ((double)usual / (double)usual_ticks);
}

// " enqueued at 3.1 %". Returns the characters written.
static inline size_t holder_tell_share(char *text, size_t size, const char *verb, double share)
{
    if (isnan(share))
        return (size_t)snprintf(text, size, " %s (usually nothing)", verb);
    return (size_t)snprintf(text, size, " %s at %.1f %%", verb, 100 * share);
}

// Fills the shares and the sentence. `produces`, `consumes`: whether there are others who do.
static inline void holder_tell(const struct holder_books *books, bool produces, bool consumes,
                               struct workload_report *report)
{
    const struct holder_tally *in = &books->in_calls;
    char *text = report->note;
    const size_t size = sizeof report->note;
    if (books->stops == 0 || !books->last.ticks) {
        snprintf(text, size, "the holder was never stopped inside a call in the window");
        return;
    }
    const struct holder_tally window = holder_between(&books->first, &books->last);
    const struct holder_tally usual = holder_between(&books->in_stops, &window);
    size_t used = (size_t)snprintf(text, size, "in %llu stops of the holder inside a call the others",
                                   (unsigned long long)books->stops);
    if (produces) {
        report->stopped_enqueue_share = holder_share(in->enqueued, in->ticks, usual.enqueued, usual.ticks);
        used += holder_tell_share(text + used, size - used, "enqueued", report->stopped_enqueue_share);
    }
    if (produces && consumes)
        used += (size_t)snprintf(text + used, size - used, " and");
    if (consumes) {
        report->stopped_dequeue_share = holder_share(in->dequeued, in->ticks, usual.dequeued, usual.ticks);
        used += holder_tell_share(text + used, size - used, "dequeued", report->stopped_dequeue_share);
    }
    snprintf(text + used, size - used, " of their usual rate");
}
