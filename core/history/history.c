// SPDX-License-Identifier: Apache-2.0
// What a history says about itself.
#include "core/history/history.h"

const char *history_scope_name(enum history_scope scope)
{
    static const char *const names[] = {
        [HISTORY_SCOPE_NONE] = "none",
        [HISTORY_SCOPE_SAMPLED] = "sampled",
        [HISTORY_SCOPE_FULL] = "full",
    };
    return names[scope];
}

struct history_promise history_promise_of(const struct queue_traits *traits)
{
    return (struct history_promise){
        .order = traits->order,
        .relaxation = traits->relaxation,
        .capacity = traits->capacity,
        .empty_exact = traits->empty_exact,
        .full_exact = traits->full_exact,
    };
}

uint64_t history_events(const struct history *history)
{
    uint64_t events = 0;
    for (uint32_t thread = 0; thread < history->thread_count; thread++)
        events += history->threads[thread].count;
    return events;
}
