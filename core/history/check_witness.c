// SPDX-License-Identifier: Apache-2.0
// The words of a verdict.
#include "core/history/check_witness.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "core/queue_loops.h"

struct history_item_name history_item_name(const struct history *history, uint64_t item)
{
    struct history_item_name name;
    if (history->subject == HISTORY_OF_POOL)
        snprintf(name.text, sizeof name.text, "job %" PRIu64, item);
    else if (item >> ITEM_PRODUCER_SHIFT)
        snprintf(name.text, sizeof name.text, "%" PRIu64 ":%" PRIu64, (item >> ITEM_PRODUCER_SHIFT) - 1,
                 item & ITEM_SEQUENCE_MASK);
    else
        snprintf(name.text, sizeof name.text, "0x%" PRIx64, item);
    return name;
}

uint32_t history_thread_of(const struct history *history, const struct history_event *event)
{
    uint32_t thread = 0;
    while ((uintptr_t)event < (uintptr_t)history->threads[thread].events ||
           (uintptr_t)event >= (uintptr_t)(history->threads[thread].events + history->threads[thread].count))
        thread++;
    return thread;
}

const char *history_role_name(const struct history_thread *thread)
{
    return strcmp(thread->name, "both") == 0 ? "thread" : thread->name;
}

static struct history_phrase say(const struct history *history, const struct history_event *event, const char *when,
                                 uint64_t moment)
{
    static const char *const did[HISTORY_KINDS] = {
        [HISTORY_ENQUEUE] = "enqueued",       [HISTORY_DEQUEUE] = "dequeued", [HISTORY_EMPTY] = "was told EMPTY",
        [HISTORY_FULL] = "was told FULL for", [HISTORY_SUBMIT] = "submitted", [HISTORY_INVOKE] = "invoked",
        [HISTORY_READY] = "completed",        [HISTORY_FREE] = "freed",       [HISTORY_KEY] = "set key",
    };
    const struct history_thread *thread = &history->threads[history_thread_of(history, event)];
    const enum history_kind kind = history_kind(event);
    const struct history_item_name item = history_item_name(history, event->item);
    struct history_phrase phrase;
    snprintf(phrase.text, sizeof phrase.text, "%.16s %" PRIu32 " %s%s%s %s %.0f ns", history_role_name(thread),
             thread->rank, did[kind], kind == HISTORY_EMPTY ? "" : " ", kind == HISTORY_EMPTY ? "" : item.text, when,
             (double)moment * history->ns_per_tick);
    return phrase;
}

struct history_phrase history_say(const struct history *history, const struct history_event *event)
{
    return say(history, event, "at", event->start);
}

struct history_phrase history_say_before(const struct history *history, const struct history_event *event,
                                         const struct history_event *other)
{
    const uint64_t end = history_end(event);
    return end < other->start ? say(history, event, "by", end) : history_say(history, event);
}

void history_witness_add(const struct history *history, struct history_verdict *verdict,
                         const struct history_event *event)
{
    verdict->witness_whole++;
    if (verdict->witness_count == HISTORY_WITNESS_MOST)
        return;
    const uint32_t thread = history_thread_of(history, event);
    verdict->witness[verdict->witness_count++] = (struct history_step){
        .thread = thread, .index = (uint64_t)(event - history->threads[thread].events), .event = *event};
}

// By start; a thread's operations of one start as it did them.
static bool comes_first(const struct history_step *a, const struct history_step *b)
{
    if (a->event.start != b->event.start)
        return a->event.start < b->event.start;
    return a->thread != b->thread ? a->thread < b->thread : a->index < b->index;
}

static void sort_witness(struct history_verdict *verdict)
{
    for (unsigned sorted = 1; sorted < verdict->witness_count; sorted++) {
        const struct history_step step = verdict->witness[sorted];
        unsigned place = sorted;
        for (; place > 0 && comes_first(&step, &verdict->witness[place - 1]); place--)
            verdict->witness[place] = verdict->witness[place - 1];
        verdict->witness[place] = step;
    }
}

void history_convict(struct history_verdict *verdict, enum history_fault fault, const char *format, ...)
{
    verdict->fault = fault;
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(verdict->sentence, sizeof verdict->sentence, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof verdict->sentence)
        memcpy(verdict->sentence + sizeof verdict->sentence - 4, "...", 4);
    sort_witness(verdict);
}
