// SPDX-License-Identifier: Apache-2.0
// Overtaking: a was enqueued before b, and b was dequeued before a, or a never. That the one operation was before the
// other is known by time, or because one thread did both. Each of the four ways to know both is one sweep that keeps
// only the most telling item of those before.
#include <errno.h>
#include <stdlib.h>

#include "core/history/check_patterns.h"
#include "core/history/check_witness.h"

#define NO_ITEM UINT32_MAX

struct overtaking {
    uint32_t overtaken, by; // NO_ITEM: none found
};

void judge_witness_item(const struct judge *judge, uint32_t item)
{
    const struct history_event *dequeue = judge->items[item].dequeue;
    // Not the one without the other.
    if (dequeue && judge->verdict->witness_count + 1 == HISTORY_WITNESS_MOST) {
        judge->verdict->witness_whole += 2;
        return;
    }
    history_witness_add(judge->history, judge->verdict, judge->items[item].enqueue);
    if (dequeue)
        history_witness_add(judge->history, judge->verdict, dequeue);
}

// Of those enqueued before, the one dequeued last.
static void keep_later(const struct judge *judge, uint32_t *latest, uint32_t item)
{
    if (*latest == NO_ITEM || judge_dequeue_start(judge, *latest) < judge_dequeue_start(judge, item))
        *latest = item;
}

static bool came_out_before(const struct judge *judge, uint32_t item, uint32_t other)
{
    return other != NO_ITEM && judge_dequeue_end(judge, item) < judge_dequeue_start(judge, other);
}

static int by_time(struct judge *judge, struct overtaking *found)
{
    const uint32_t *starts, *ends;
    int error = judge_order(judge, JUDGE_ENQUEUE_START, &starts);
    if (error == 0)
        error = judge_order(judge, JUDGE_ENQUEUE_END, &ends);
    if (error != 0)
        return error;
    uint32_t latest = NO_ITEM;
    for (uint32_t at = 0, before = 0; at < judge->count; at++) {
        const uint64_t start = judge_enqueue_start(judge, starts[at]);
        for (; before < judge->count && judge_enqueue_end(judge, ends[before]) < start; before++)
            keep_later(judge, &latest, ends[before]);
        if (came_out_before(judge, starts[at], latest)) {
            *found = (struct overtaking){.overtaken = latest, .by = starts[at]};
            return 0;
        }
    }
    return 0;
}

// Enqueued by one thread, dequeued by whomever.
static void by_producer(const struct judge *judge, struct overtaking *found)
{
    for (uint32_t thread = 0; thread < judge->history->thread_count; thread++) {
        uint32_t latest = NO_ITEM;
        for (uint32_t item = judge->first_item[thread]; item < judge->first_item[thread + 1]; item++) {
            if (came_out_before(judge, item, latest)) {
                *found = (struct overtaking){.overtaken = latest, .by = item};
                return;
            }
            keep_later(judge, &latest, item);
        }
    }
}

// Dequeued by one thread, enqueued by whomever: of those dequeued before, the one enqueued last tells most.
static void by_consumer(const struct judge *judge, struct overtaking *found)
{
    for (uint32_t thread = 0; thread < judge->history->thread_count; thread++) {
        uint32_t latest = NO_ITEM;
        for (uint32_t at = judge->first_delivered[thread]; at < judge->first_delivered[thread + 1]; at++) {
            const uint32_t item = judge->delivered[at];
            if (latest != NO_ITEM && judge_enqueue_end(judge, item) < judge_enqueue_start(judge, latest)) {
                *found = (struct overtaking){.overtaken = item, .by = latest};
                return;
            }
            if (latest == NO_ITEM || judge_enqueue_start(judge, latest) < judge_enqueue_start(judge, item))
                latest = item;
        }
    }
}

static uint32_t producer_of(const struct judge *judge, uint32_t item)
{
    uint32_t low = 0, high = judge->history->thread_count;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (judge->first_item[middle] <= item)
            low = middle;
        else
            high = middle;
    }
    return low;
}

// One thread enqueued both, one thread dequeued both: items have their numbers in the order of their enqueues.
// `highest` has room for each thread.
static void by_both(const struct judge *judge, uint32_t *highest, struct overtaking *found)
{
    for (uint32_t thread = 0; thread < judge->history->thread_count; thread++) {
        for (uint32_t producer = 0; producer < judge->history->thread_count; producer++)
            highest[producer] = NO_ITEM;
        for (uint32_t at = judge->first_delivered[thread]; at < judge->first_delivered[thread + 1]; at++) {
            const uint32_t item = judge->delivered[at];
            uint32_t *before = &highest[producer_of(judge, item)];
            if (*before != NO_ITEM && *before > item) {
                *found = (struct overtaking){.overtaken = item, .by = *before};
                return;
            }
            *before = item;
        }
    }
}

static void convict(struct judge *judge, const struct overtaking *found)
{
    const struct history *history = judge->history;
    const struct judge_item *older = &judge->items[found->overtaken], *younger = &judge->items[found->by];
    judge_witness_item(judge, found->overtaken);
    judge_witness_item(judge, found->by);
    const struct history_item_name name = history_item_name(history, older->enqueue->item);
    const struct history_phrase in = history_say_before(history, older->enqueue, younger->enqueue),
                                next = history_say(history, younger->enqueue),
                                out = older->dequeue ? history_say_before(history, younger->dequeue, older->dequeue)
                                                     : history_say(history, younger->dequeue);
    if (older->dequeue)
        history_convict(judge->verdict, HISTORY_REORDERED, "%s was overtaken: %s, then %s; but %s, and only then %s",
                        name.text, in.text, next.text, out.text, history_say(history, older->dequeue).text);
    else
        history_convict(judge->verdict, HISTORY_REORDERED, "%s was overtaken: %s, then %s; but %s, and %s %s",
                        name.text, in.text, next.text, out.text, name.text,
                        history->cut_ticks == HISTORY_NEVER ? "never came out" : "had not come out by the cut");
}

int judge_reordered(struct judge *judge)
{
    struct overtaking found = {.by = NO_ITEM};
    uint32_t *highest = malloc(((size_t)judge->history->thread_count + 1) * sizeof *highest);
    if (!highest)
        return judge_no_memory(judge->fault);
    int error = 0;
    if (judge->history->promise.order == QUEUE_ORDER_FIFO) {
        error = by_time(judge, &found);
        if (error == 0 && found.by == NO_ITEM)
            by_consumer(judge, &found);
    }
    if (error == 0 && found.by == NO_ITEM)
        by_producer(judge, &found);
    if (error == 0 && found.by == NO_ITEM)
        by_both(judge, highest, &found);
    free(highest);
    if (found.by != NO_ITEM)
        convict(judge, &found);
    return error;
}
