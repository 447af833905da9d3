// SPDX-License-Identifier: Apache-2.0
// False EMPTY. An item is certainly inside between the end of its enqueue and the start of its dequeue, both excluded:
// at the end of the one the EMPTY may still have come first, and at the start of the other it may have come after.
// Where such open intervals overlap they make one stretch in which the queue was never empty, whoever took effect
// when; where they only touch there was an instant at which it may have been. So EMPTY is false if it lies inside one
// stretch, whatever the order that the queue keeps.
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/history/check_patterns.h"
#include "core/history/check_witness.h"

#define NO_ITEM UINT32_MAX

// Never empty between the two, exclusive.
struct stretch {
    uint64_t low, high;
};

// In ascending order; they do not overlap.
struct stretches {
    struct stretch *stretches;
    uint32_t count;
};

static void join_stretches(const struct judge *judge, const uint32_t *ends, struct stretches *stretches)
{
    struct stretch *last = NULL;
    for (uint32_t at = 0; at < judge->count; at++) {
        const uint64_t low = judge_enqueue_end(judge, ends[at]), high = judge_dequeue_start(judge, ends[at]);
        if (low >= high)
            continue;
        if (last && low < last->high) {
            last->high = last->high < high ? high : last->high;
        } else {
            last = &stretches->stretches[stretches->count++];
            *last = (struct stretch){.low = low, .high = high};
        }
    }
}

// An EMPTY that is false, and what makes it so besides the stretches: of the items that the same thread had enqueued
// before, the one dequeued last (inside at the beginning, whatever the skew), and of those that it dequeued afterwards,
// the one enqueued first (inside at the end). Both are the same if it did both with one item, which is enough.
struct false_empty {
    const struct history_event *event; // NULL: none
    uint32_t from_before, until_after; // NO_ITEM: not considered
};

static uint64_t begin_of(const struct judge *judge, const struct false_empty *empty)
{
    const uint64_t start = empty->event->start;
    const uint64_t until = empty->from_before == NO_ITEM ? 0 : judge_dequeue_start(judge, empty->from_before);
    return start < until ? until : start;
}

static uint64_t end_of(const struct judge *judge, const struct false_empty *empty)
{
    const uint64_t end = judge_end(judge->history, empty->event);
    const uint64_t since = empty->until_after == NO_ITEM ? HISTORY_NEVER : judge_enqueue_end(judge, empty->until_after);
    return since < end ? since : end;
}

static bool is_false(const struct judge *judge, const struct stretches *stretches, const struct false_empty *empty)
{
    const uint64_t begin = begin_of(judge, empty), end = end_of(judge, empty);
    if (begin > end || (empty->from_before == empty->until_after && empty->from_before != NO_ITEM))
        return true;
    uint32_t low = 0, high = stretches->count; // those before `low` begin before `begin`, those from `high` do not
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (stretches->stretches[middle].low < begin)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && end < stretches->stretches[low - 1].high;
}

// Whether the thread enqueued the item, and did so before the event.
static bool is_own_before(const struct judge *judge, uint32_t thread, uint32_t item, const struct history_event *event)
{
    return item >= judge->first_item[thread] && item < judge->first_item[thread + 1] &&
           judge->items[item].enqueue < event;
}

// Of each EMPTY of a thread, in order: the item `until_after`.
static void look_back(const struct judge *judge, uint32_t thread, uint32_t *until_after)
{
    const struct history_thread *events = &judge->history->threads[thread];
    uint32_t left = judge->first_delivered[thread + 1], earliest = NO_ITEM, own = judge->first_item[thread + 1];
    uint64_t empties = 0;
    for (uint64_t at = 0; at < events->count; at++)
        empties += history_kind(&events->events[at]) == HISTORY_EMPTY;
    for (uint64_t at = events->count; at-- > 0;) {
        const struct history_event *event = &events->events[at];
        if (history_kind(event) == HISTORY_EMPTY) {
            until_after[--empties] = is_own_before(judge, thread, own, event) ? own : earliest;
        } else if (left > judge->first_delivered[thread] && judge->items[judge->delivered[left - 1]].dequeue == event) {
            const uint32_t item = judge->delivered[--left];
            if (earliest == NO_ITEM || judge_enqueue_end(judge, item) < judge_enqueue_end(judge, earliest))
                earliest = item;
            if (item >= judge->first_item[thread] && item < own)
                own = item;
        }
    }
}

// The first of a thread that is false, if it is before *first.
static void find_false(const struct judge *judge, uint32_t thread, const struct stretches *stretches,
                       const uint32_t *until_after, struct false_empty *first)
{
    const struct history_thread *events = &judge->history->threads[thread];
    uint32_t item = judge->first_item[thread], latest = NO_ITEM;
    for (uint64_t at = 0; at < events->count; at++) {
        const struct history_event *event = &events->events[at];
        if (history_kind(event) == HISTORY_EMPTY) {
            struct false_empty empty = {.event = event, .from_before = latest, .until_after = *until_after++};
            if (first->event && first->event->start <= event->start)
                return;
            if (is_own_before(judge, thread, empty.until_after, event))
                empty.from_before = empty.until_after;
            if (is_false(judge, stretches, &empty))
                *first = empty;
        } else if (item < judge->first_item[thread + 1] && judge->items[item].enqueue == event) {
            if (latest == NO_ITEM || judge_dequeue_start(judge, latest) < judge_dequeue_start(judge, item))
                latest = item;
            item++;
        }
    }
}

// Adds the fewest items that cover it: always the one that reaches furthest of those that leave no gap. Returns the
// last one, and how many.
static uint32_t add_cover(const struct judge *judge, const uint32_t *ends, const struct false_empty *empty,
                          uint32_t *items)
{
    const uint64_t end = judge_end(judge->history, empty->event);
    uint64_t reach = empty->event->start;
    uint32_t furthest = NO_ITEM;
    *items = 0;
    if (empty->from_before == empty->until_after && empty->from_before != NO_ITEM) {
        judge_witness_item(judge, empty->from_before);
        *items = 1;
        return empty->from_before;
    }
    bool covered = false;
    for (uint32_t at = 0; !covered; (*items)++) {
        uint64_t high = reach;
        if (reach > end_of(judge, empty)) {
            furthest = empty->until_after;
            high = HISTORY_NEVER;
            covered = true;
        } else if (*items == 0 && begin_of(judge, empty) > reach) {
            furthest = empty->from_before;
            high = begin_of(judge, empty);
        }
        for (; at < judge->count && judge_enqueue_end(judge, ends[at]) < reach; at++) {
            if (judge_dequeue_start(judge, ends[at]) > high) {
                high = judge_dequeue_start(judge, ends[at]);
                furthest = ends[at];
            }
        }
        judge_witness_item(judge, furthest);
        reach = high;
        covered = covered || reach > end;
    }
    return furthest;
}

static void convict(struct judge *judge, const uint32_t *ends, const struct false_empty *empty)
{
    const struct history *history = judge->history;
    history_witness_add(history, judge->verdict, empty->event);
    uint32_t items;
    const uint32_t last = add_cover(judge, ends, empty, &items);
    const struct history_phrase told = history_say(history, empty->event);
    const double end_ns = (double)history_end(empty->event) * history->ns_per_tick;
    if (items > 1)
        history_convict(judge->verdict, HISTORY_FALSE_EMPTY,
                        "%s (until %.0f ns), and at each instant of it one of %" PRIu32 " items was inside", told.text,
                        end_ns, items);
    else
        history_convict(judge->verdict, HISTORY_FALSE_EMPTY, "%s (until %.0f ns), and all the while %s was inside: %s",
                        told.text, end_ns, history_item_name(history, judge->items[last].enqueue->item).text,
                        history_say_before(history, judge->items[last].enqueue, empty->event).text);
}

int judge_false_empty(struct judge *judge)
{
    if (judge->verdict->empties == 0)
        return 0;
    const uint32_t *ends;
    const int error = judge_order(judge, JUDGE_ENQUEUE_END, &ends);
    if (error != 0)
        return error;
    struct stretches stretches = {.stretches = malloc(((size_t)judge->count + 1) * sizeof *stretches.stretches)};
    uint32_t *until_after = malloc((size_t)judge->verdict->empties * sizeof *until_after);
    struct false_empty first = {.event = NULL};
    if (stretches.stretches && until_after) {
        join_stretches(judge, ends, &stretches);
        for (uint32_t thread = 0; thread < judge->history->thread_count; thread++) {
            look_back(judge, thread, until_after);
            find_false(judge, thread, &stretches, until_after, &first);
        }
    }
    const bool short_of_memory = !stretches.stretches || !until_after;
    free(stretches.stretches);
    free(until_after);
    if (short_of_memory)
        return judge_no_memory(judge->fault);
    if (first.event)
        convict(judge, ends, &first);
    return 0;
}
