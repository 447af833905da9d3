// SPDX-License-Identifier: Apache-2.0
#include "core/run/history_show.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "core/run/table.h"

// Different roles for which a row has room, and more.
#define ROLES_MOST 64u

static const char *const order_names[] = {
    [QUEUE_ORDER_FIFO] = "fifo", [QUEUE_ORDER_PER_PRODUCER] = "per-producer", [QUEUE_ORDER_RELAXED] = "relaxed"};
static const char *const kind_names[HISTORY_KINDS] = {
    [HISTORY_ENQUEUE] = "enqueue", [HISTORY_DEQUEUE] = "dequeue", [HISTORY_EMPTY] = "empty",
    [HISTORY_FULL] = "full",       [HISTORY_SUBMIT] = "submit",   [HISTORY_INVOKE] = "invoke",
    [HISTORY_READY] = "ready",     [HISTORY_FREE] = "free",       [HISTORY_KEY] = "key",
};

static double ns_of(const struct history *history, uint64_t ticks)
{
    return (double)ticks * history->ns_per_tick;
}

static const char *verdict_word(const struct history_verdict *verdict)
{
    return verdict->fault == HISTORY_OK ? "ok" : "violated";
}

// From the first start to the last end.
static double length_ns(const struct history *history)
{
    uint64_t first = UINT64_MAX, last = 0;
    for (uint32_t t = 0; t < history->thread_count; t++) {
        const struct history_thread *thread = &history->threads[t];
        for (uint64_t i = 0; i < thread->count; i++) {
            const struct history_event *event = &thread->events[i];
            if (history_kind(event) == HISTORY_KEY)
                continue;
            first = event->start < first ? event->start : first;
            last = history_end(event) > last ? history_end(event) : last;
        }
    }
    return last > first ? ns_of(history, last - first) : 0;
}

// ------------------------------------------------------------------------------------------------ for people

struct words {
    char text[160];
};

static struct words promise_of_queue(const struct history_promise *promise)
{
    struct words words, order, capacity = {"unbounded"};
    snprintf(order.text, sizeof order.text, "%s", order_names[promise->order]);
    if (promise->order == QUEUE_ORDER_RELAXED)
        snprintf(order.text, sizeof order.text, "relaxed by %" PRIu32, promise->relaxation);
    if (promise->capacity)
        snprintf(capacity.text, sizeof capacity.text, "capacity %" PRIu64, promise->capacity);
    snprintf(words.text, sizeof words.text, "%.32s, %.48s%s%s", order.text, capacity.text,
             promise->empty_exact ? ", EMPTY exact" : "",
             promise->full_exact && promise->capacity ? ", FULL exact" : "");
    return words;
}

static struct words promise_of_pool(const struct history_promise *promise)
{
    struct words words;
    snprintf(words.text, sizeof words.text, "each job once%s%s", promise->keys ? ", jobs of one key in order" : "",
             promise->completes_on_submitter ? ", completed on the submitter" : "");
    return words;
}

// "2 producer, 1 consumer", roles in the order in which they came.
static struct words threads_of(const struct history *history)
{
    struct words words = {"none"};
    const char *names[ROLES_MOST];
    uint32_t counts[ROLES_MOST];
    unsigned roles = 0;
    for (uint32_t i = 0; i < history->thread_count; i++) {
        unsigned role = 0;
        while (role < roles && strcmp(names[role], history->threads[i].name) != 0)
            role++;
        if (role == ROLES_MOST)
            continue;
        names[role] = history->threads[i].name;
        counts[role] = role < roles ? counts[role] + 1 : 1;
        roles += role == roles;
    }
    size_t used = 0;
    for (unsigned role = 0; role < roles && used < sizeof words.text; role++)
        used += (size_t)snprintf(words.text + used, sizeof words.text - used, "%s%" PRIu32 " %s", role ? ", " : "",
                                 counts[role], names[role]);
    return words;
}

static struct words scope_of(const struct history *history, enum history_scope scope)
{
    struct words words;
    int used = snprintf(words.text, sizeof words.text, "%s", history_scope_name(scope));
    if (history->sampled)
        used += snprintf(words.text + used, sizeof words.text - (size_t)used, ": one %s in %" PRIu64,
                         history->subject == HISTORY_OF_POOL ? "job" : "item", history->sampled);
    if (history->cut_ticks != HISTORY_NEVER)
        snprintf(words.text + used, sizeof words.text - (size_t)used,
                 "%s complete for the first %.3f ms, when a thread ran out of room", history->sampled ? ", and" : ":",
                 ns_of(history, history->cut_ticks) / 1e6);
    return words;
}

static struct words operations_of(const struct history_judged *judged)
{
    const struct history_verdict *verdict = judged->verdict;
    struct words words;
    const double length_ms = length_ns(judged->history) / 1e6;
    if (judged->history->subject == HISTORY_OF_POOL)
        snprintf(words.text, sizeof words.text, "%" PRIu64 " in %.3f ms, on %" PRIu64 " jobs", verdict->operations,
                 length_ms, verdict->items);
    else
        snprintf(words.text, sizeof words.text,
                 "%" PRIu64 " in %.3f ms, on %" PRIu64 " items; %" PRIu64 " EMPTY, %" PRIu64 " FULL",
                 verdict->operations, length_ms, verdict->items, verdict->empties, verdict->fulls);
    return words;
}

static void row(struct table *table, const char *name, struct words words)
{
    table_cell(table, "%s", name);
    table_cell(table, "%s", words.text);
}

static void rows_after(struct table *table, const struct history_judged *judged)
{
    const struct history_verdict *verdict = judged->verdict;
    struct words words;
    snprintf(words.text, sizeof words.text, "%.3f s to read, %.3f s to judge", (double)judged->read_ns / 1e9,
             (double)judged->judge_ns / 1e9);
    row(table, "took", words);
    if (verdict->measured) {
        snprintf(words.text, sizeof words.text,
                 "at most %" PRIu64 ", %.3g in the mean; %" PRIu64 " items overtook others", verdict->rank.max,
                 verdict->rank.mean, verdict->rank.overtakers);
        row(table, "rank error", words);
    }
    snprintf(words.text, sizeof words.text, "%s%s%s", verdict_word(verdict), verdict->fault ? ": " : "",
             verdict->fault ? history_fault_name(verdict->fault) : "");
    row(table, "verdict", words);
}

int history_show(const struct history_judged *judged, unsigned width, FILE *out)
{
    const struct history *history = judged->history;
    const bool of_pool = history->subject == HISTORY_OF_POOL;
    struct table table;
    struct words words;
    table_init(&table, 2);
    snprintf(words.text, sizeof words.text, "%s", history->name);
    row(&table, of_pool ? "pool" : "queue", words);
    row(&table, "promises", of_pool ? promise_of_pool(&history->promise) : promise_of_queue(&history->promise));
    row(&table, "threads", threads_of(history));
    row(&table, "operations", operations_of(judged));
    row(&table, "scope", scope_of(history, judged->verdict->scope));
    snprintf(words.text, sizeof words.text, "%s",
             history->drained ? "yes: what did not come out is lost" : "no: the rest may still be inside");
    if (history->drained && history->unrun)
        snprintf(words.text, sizeof words.text, "yes: but for %" PRIu32 " jobs that were left behind", history->unrun);
    row(&table, "drained", words);
    snprintf(words.text, sizeof words.text, "differ by %.0f ns at most", ns_of(history, history->skew_ticks));
    row(&table, "clocks", words);
    rows_after(&table, judged);
    const int result = table_print(&table, out, 0);
    if (result || judged->verdict->fault == HISTORY_OK)
        return result;
    fprintf(out, "\n%s\n\n", judged->verdict->sentence);
    history_timeline(history, judged->verdict, width, out);
    return 0;
}

// ------------------------------------------------------------------------------------------------ for scripts

static json_t *promise_json(const struct history *history)
{
    const struct history_promise *promise = &history->promise;
    if (history->subject == HISTORY_OF_POOL)
        return json_pack("{s:b, s:b}", "keys", promise->keys, "completes_on_submitter",
                         promise->completes_on_submitter);
    return json_pack("{s:s, s:I, s:I, s:b, s:b}", "order", order_names[promise->order], "relaxation",
                     (json_int_t)promise->relaxation, "capacity", (json_int_t)promise->capacity, "empty_exact",
                     promise->empty_exact, "full_exact", promise->full_exact);
}

// Items are words of 64 bits, which not every reader of JSON takes for numbers.
static json_t *witness_json(const struct history_judged *judged)
{
    const struct history *history = judged->history;
    json_t *witness = json_array();
    for (unsigned i = 0; i < judged->verdict->witness_count; i++) {
        const struct history_step *step = &judged->verdict->witness[i];
        const struct history_thread *thread = &history->threads[step->thread];
        char item[24];
        snprintf(item, sizeof item, "%" PRIu64, step->event.item);
        json_array_append_new(
            witness, json_pack("{s:s, s:I, s:s, s:s, s:f, s:f}", "role", thread->name, "rank", (json_int_t)thread->rank,
                               "kind", kind_names[history_kind(&step->event)], "item", item, "start_ns",
                               ns_of(history, step->event.start), "end_ns", ns_of(history, history_end(&step->event))));
    }
    return witness;
}

static json_t *rank_json(const struct history_verdict *verdict)
{
    if (!verdict->measured)
        return json_null();
    return json_pack("{s:I, s:f, s:I}", "max", (json_int_t)verdict->rank.max, "mean", verdict->rank.mean, "overtakers",
                     (json_int_t)verdict->rank.overtakers);
}

static json_t *counts_json(const struct history_judged *judged)
{
    const struct history_verdict *verdict = judged->verdict;
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "threads", (json_int_t)judged->history->thread_count, "operations",
                     (json_int_t)verdict->operations, "items", (json_int_t)verdict->items, "empties",
                     (json_int_t)verdict->empties, "fulls", (json_int_t)verdict->fulls);
}

static json_t *judged_json(const struct history_judged *judged)
{
    const struct history *history = judged->history;
    const struct history_verdict *verdict = judged->verdict;
    json_t *cut = history->cut_ticks == HISTORY_NEVER ? json_null() : json_real(ns_of(history, history->cut_ticks));
    return json_pack(
        "{s:s, s:s, s:o, s:o, s:s, s:I, s:o, s:b, s:I, s:I, s:f, s:f, s:s, s:s, s:s, s:o, s:I, s:o, s:f, s:f}",
        "subject", history->subject == HISTORY_OF_POOL ? "pool" : "queue", "name", history->name, "promise",
        promise_json(history), "counts", counts_json(judged), "scope", history_scope_name(verdict->scope), "sampled",
        (json_int_t)history->sampled, "cut_ns", cut, "drained", history->drained, "workers",
        (json_int_t)history->workers, "unrun", (json_int_t)history->unrun, "skew_ns",
        ns_of(history, history->skew_ticks), "length_ns", length_ns(history), "verdict", verdict_word(verdict), "fault",
        history_fault_name(verdict->fault), "sentence", verdict->sentence, "witness", witness_json(judged),
        "witness_whole", (json_int_t)verdict->witness_whole, "rank_error", rank_json(verdict), "read_s",
        (double)judged->read_ns / 1e9, "judge_s", (double)judged->judge_ns / 1e9);
}

int history_show_json(const struct history_judged *judged, FILE *out)
{
    json_t *all = judged_json(judged);
    if (!all)
        return -ENOMEM;
    const int failed = json_dumpf(all, out, JSON_COMPACT) != 0 || fputc('\n', out) == EOF;
    json_decref(all);
    return failed ? -EIO : 0;
}
