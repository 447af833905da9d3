// SPDX-License-Identifier: Apache-2.0
// Finds the dequeue of each enqueue. The table by value holds numbers of items, 4 bytes each, so that it stays as much
// in the caches as it can; it lives only while it is needed.
#include "core/history/check_items.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/history/check_witness.h"

#define NO_ITEM UINT32_MAX

struct table {
    uint32_t *slots;
    uint64_t mask;
    unsigned shift;
};

int judge_no_memory(struct fault *fault)
{
    return fault_set(fault, -ENOMEM, "no memory to judge a history of this length");
}

static int table_make(struct table *table, uint64_t items)
{
    unsigned bits = 4;
    while (UINT64_C(1) << bits < items * 2)
        bits++;
    table->mask = (UINT64_C(1) << bits) - 1;
    table->shift = 64 - bits;
    table->slots = malloc((table->mask + 1) * sizeof *table->slots);
    if (!table->slots)
        return -ENOMEM;
    for (uint64_t slot = 0; slot <= table->mask; slot++)
        table->slots[slot] = NO_ITEM;
    return 0;
}

// Where the item is, or would be.
static uint32_t *table_place(const struct judge *judge, const struct table *table, uint64_t item)
{
    uint64_t slot = item * UINT64_C(0x9e3779b97f4a7c15) >> table->shift;
    while (table->slots[slot] != NO_ITEM && judge->items[table->slots[slot]].enqueue->item != item)
        slot = (slot + 1) & table->mask;
    return &table->slots[slot];
}

// Whether the history is to hold what happened to the item.
static bool is_recorded(const struct judge *judge, uint64_t item)
{
    return judge->history->sampled == 0 || history_is_sampled(item, judge->history->sampled);
}

static int refuse_second_enqueue(const struct judge *judge, uint32_t item, const struct history_event *again)
{
    const struct history_item_name name = history_item_name(judge->history, again->item);
    const struct history_phrase first = history_say(judge->history, judge->items[item].enqueue);
    const struct history_phrase second = history_say(judge->history, again);
    return fault_set(judge->fault, -EINVAL,
                     "item %s is enqueued twice, so that its dequeues can't be told apart: %s, and %s", name.text,
                     first.text, second.text);
}

static int read_enqueues(struct judge *judge, const struct table *table)
{
    for (uint32_t thread = 0; thread < judge->history->thread_count; thread++) {
        const struct history_thread *events = &judge->history->threads[thread];
        judge->first_item[thread] = judge->count;
        for (uint64_t at = 0; at < events->count; at++) {
            const struct history_event *event = &events->events[at];
            if (history_kind(event) != HISTORY_ENQUEUE || !is_recorded(judge, event->item))
                continue;
            uint32_t *place = table_place(judge, table, event->item);
            if (*place != NO_ITEM)
                return refuse_second_enqueue(judge, *place, event);
            judge->items[judge->count] = (struct judge_item){.enqueue = event};
            *place = judge->count++;
        }
    }
    judge->first_item[judge->history->thread_count] = judge->count;
    return 0;
}

// The earliest dequeue that should not be, of each kind.
struct misdeeds {
    const struct history_event *invented;
    uint32_t invented_item; // NO_ITEM: never enqueued
    const struct history_event *second;
    uint32_t second_item;
};

static void note_invented(struct misdeeds *misdeeds, const struct history_event *dequeue, uint32_t item)
{
    if (misdeeds->invented && misdeeds->invented->start <= dequeue->start)
        return;
    misdeeds->invented = dequeue;
    misdeeds->invented_item = item;
}

static void read_dequeue(struct judge *judge, const struct table *table, uint32_t thread,
                         const struct history_event *dequeue, struct misdeeds *misdeeds)
{
    const uint32_t item = *table_place(judge, table, dequeue->item);
    const uint64_t end = judge_end(judge->history, dequeue);
    if (item == NO_ITEM) {
        if (end < judge->history->cut_ticks)
            note_invented(misdeeds, dequeue, NO_ITEM);
        return;
    }
    const bool own = item >= judge->first_item[thread] && item < judge->first_item[thread + 1];
    if (end < judge_enqueue_start(judge, item) || (own && dequeue < judge->items[item].enqueue))
        note_invented(misdeeds, dequeue, item);
    if (!judge->items[item].dequeue) {
        judge->items[item].dequeue = dequeue;
        judge->delivered[judge->delivered_count++] = item;
    } else if (!misdeeds->second || dequeue->start < misdeeds->second->start) {
        misdeeds->second = dequeue;
        misdeeds->second_item = item;
    }
}

static void read_dequeues(struct judge *judge, const struct table *table, struct misdeeds *misdeeds)
{
    for (uint32_t thread = 0; thread < judge->history->thread_count; thread++) {
        const struct history_thread *events = &judge->history->threads[thread];
        judge->first_delivered[thread] = judge->delivered_count;
        for (uint64_t at = 0; at < events->count; at++)
            if (history_kind(&events->events[at]) == HISTORY_DEQUEUE && is_recorded(judge, events->events[at].item))
                read_dequeue(judge, table, thread, &events->events[at], misdeeds);
    }
    judge->first_delivered[judge->history->thread_count] = judge->delivered_count;
    uint32_t rest = judge->delivered_count;
    for (uint32_t item = 0; item < judge->count; item++)
        if (!judge->items[item].dequeue)
            judge->delivered[rest++] = item;
}

static void convict(struct judge *judge, const struct misdeeds *misdeeds)
{
    const struct history *history = judge->history;
    struct history_verdict *verdict = judge->verdict;
    const struct history_event *dequeue = misdeeds->invented ? misdeeds->invented : misdeeds->second;
    const uint32_t item = misdeeds->invented ? misdeeds->invented_item : misdeeds->second_item;
    const struct history_event *enqueue = item == NO_ITEM ? NULL : judge->items[item].enqueue;
    const struct history_event *first = misdeeds->invented ? NULL : judge->items[item].dequeue;
    const struct history_item_name name = history_item_name(history, dequeue->item);
    const struct history_phrase came =
        misdeeds->invented && enqueue ? history_say_before(history, dequeue, enqueue) : history_say(history, dequeue);
    if (enqueue)
        history_witness_add(history, verdict, enqueue);
    if (first)
        history_witness_add(history, verdict, first);
    history_witness_add(history, verdict, dequeue);
    if (first)
        history_convict(verdict, HISTORY_DUPLICATED, "%s came out twice: %s, and %s", name.text,
                        history_say(history, first).text, came.text);
    else if (enqueue)
        history_convict(verdict, HISTORY_INVENTED, "%s came out before it went in: %s, and only then %s", name.text,
                        came.text, history_say(history, enqueue).text);
    else
        history_convict(verdict, HISTORY_INVENTED, "%s was never enqueued: %s", name.text, came.text);
}

// Counts what there is, and refuses what is no history of a queue. *enqueues is at least the number of items.
static int take_stock(const struct judge *judge, uint64_t *enqueues)
{
    const struct history *history = judge->history;
    if (history->subject != HISTORY_OF_QUEUE)
        return fault_set(judge->fault, -EINVAL, "this is the history of a pool, not of a queue");
    uint64_t kinds[1u << HISTORY_KIND_BITS] = {0};
    for (uint32_t thread = 0; thread < history->thread_count; thread++)
        for (uint64_t at = 0; at < history->threads[thread].count; at++)
            kinds[history_kind(&history->threads[thread].events[at])]++;
    *enqueues = kinds[HISTORY_ENQUEUE];
    judge->verdict->operations = history_events(history);
    judge->verdict->empties = kinds[HISTORY_EMPTY];
    judge->verdict->fulls = kinds[HISTORY_FULL];
    if (*enqueues + kinds[HISTORY_DEQUEUE] + kinds[HISTORY_EMPTY] + kinds[HISTORY_FULL] != judge->verdict->operations)
        return fault_set(judge->fault, -EINVAL, "the history of a queue holds events that are none of a queue's");
    if (*enqueues >= NO_ITEM || kinds[HISTORY_FULL] >= NO_ITEM)
        return fault_set(judge->fault, -EOVERFLOW,
                         "a history of %" PRIu64 " operations is too long to be judged: at most %" PRIu32
                         " may be enqueues, and as many FULL",
                         judge->verdict->operations, NO_ITEM - 1);
    return 0;
}

static int read_items(struct judge *judge, uint64_t enqueues)
{
    const uint64_t threads = (uint64_t)judge->history->thread_count + 1;
    judge->items = malloc((enqueues + 1) * sizeof *judge->items);
    judge->delivered = malloc((enqueues + 1) * sizeof *judge->delivered);
    judge->first_item = malloc(threads * sizeof *judge->first_item);
    judge->first_delivered = malloc(threads * sizeof *judge->first_delivered);
    struct table table = {0};
    if (!judge->items || !judge->delivered || !judge->first_item || !judge->first_delivered ||
        table_make(&table, enqueues) != 0)
        return judge_no_memory(judge->fault);
    struct misdeeds misdeeds = {0};
    const int error = read_enqueues(judge, &table);
    if (error == 0)
        read_dequeues(judge, &table, &misdeeds);
    free(table.slots);
    judge->verdict->items = judge->count;
    if (misdeeds.invented || misdeeds.second)
        convict(judge, &misdeeds);
    return error;
}

int judge_open(struct judge *judge)
{
    uint64_t enqueues = 0;
    int error = take_stock(judge, &enqueues);
    if (error == 0)
        error = read_items(judge, enqueues);
    return error;
}

void judge_close(struct judge *judge)
{
    for (unsigned time = 0; time < sizeof judge->orders / sizeof *judge->orders; time++)
        free(judge->orders[time]);
    free(judge->items);
    free(judge->delivered);
    free(judge->first_item);
    free(judge->first_delivered);
}
