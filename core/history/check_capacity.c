// SPDX-License-Identifier: Apache-2.0
// Capacity: FULL answered while there was room for certain, or more inside than there is room for. Both bounds on the
// number inside count each instant by itself and forget which items can have been inside together, so a history that
// shows neither may still be wrong.
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/history/check_patterns.h"
#include "core/history/check_witness.h"

// The FULL answers, in the order of their starts and of their ends.
struct fulls {
    const struct history *history;
    const struct history_event **events;
    uint32_t *starts, *ends;
    uint32_t count;
};

// The number of items possibly inside, at the moments where it may have grown; counts descend, so that what is above an
// entry is later and less. Hence at most as many entries as items, and one.
struct peak {
    uint64_t time, inside;
};

struct peaks {
    struct peak *peaks;
    uint64_t count;
};

static uint64_t full_start(const void *fulls, uint32_t index)
{
    return ((const struct fulls *)fulls)->events[index]->start;
}

static uint64_t full_end(const void *fulls, uint32_t index)
{
    const struct fulls *all = fulls;
    return judge_end(all->history, all->events[index]);
}

static int fulls_make(const struct judge *judge, struct fulls *fulls)
{
    const size_t count = (size_t)judge->verdict->fulls;
    *fulls = (struct fulls){.history = judge->history};
    fulls->events = malloc(count * sizeof *fulls->events);
    fulls->starts = malloc(count * sizeof *fulls->starts);
    fulls->ends = malloc(count * sizeof *fulls->ends);
    if (!fulls->events || !fulls->starts || !fulls->ends)
        return -ENOMEM;
    for (uint32_t thread = 0; thread < judge->history->thread_count; thread++)
        for (uint64_t at = 0; at < judge->history->threads[thread].count; at++)
            if (history_kind(&judge->history->threads[thread].events[at]) == HISTORY_FULL)
                fulls->events[fulls->count++] = &judge->history->threads[thread].events[at];
    for (uint32_t at = 0; at < fulls->count; at++)
        fulls->starts[at] = fulls->ends[at] = at;
    const int error = judge_sort(fulls->starts, fulls->count, full_start, fulls);
    return error != 0 ? error : judge_sort(fulls->ends, fulls->count, full_end, fulls);
}

static void fulls_free(struct fulls *fulls)
{
    free(fulls->events);
    free(fulls->starts);
    free(fulls->ends);
}

static void peaks_push(struct peaks *peaks, uint64_t time, uint64_t inside)
{
    while (peaks->count > 0 && peaks->peaks[peaks->count - 1].inside <= inside)
        peaks->count--;
    peaks->peaks[peaks->count++] = (struct peak){.time = time, .inside = inside};
}

// The highest since `time`, at which something was pushed: the oldest entry not before it.
static const struct peak *peaks_since(const struct peaks *peaks, uint64_t time)
{
    uint64_t low = 0, high = peaks->count;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (peaks->peaks[middle].time < time)
            low = middle + 1;
        else
            high = middle;
    }
    return &peaks->peaks[low];
}

// Sweeps through time. At one instant items come first, then FULL answers begin, then they end, then items go: an item
// is possibly inside from the start of its enqueue to the end of its dequeue, both included. Returns the first FULL
// that is false, by its end, and *peak; NULL if none is.
static const struct history_event *sweep_fulls(const struct judge *judge, const struct fulls *fulls,
                                               const uint32_t *starts, const uint32_t *ends, struct peaks *peaks,
                                               struct peak *peak)
{
    uint64_t inside = 0;
    uint32_t in = 0, out = 0, begun = 0;
    for (uint32_t ended = 0; ended < fulls->count; ended++) {
        const uint64_t until = full_end(fulls, fulls->ends[ended]);
        for (;;) {
            const uint64_t come = in < judge->count ? judge_enqueue_start(judge, starts[in]) : HISTORY_NEVER;
            const uint64_t begin = begun < fulls->count ? full_start(fulls, fulls->starts[begun]) : HISTORY_NEVER;
            const uint64_t go = out < judge->count ? judge_dequeue_end(judge, ends[out]) : HISTORY_NEVER;
            if (in < judge->count && come <= until && come <= begin && come <= go) {
                in++;
                peaks_push(peaks, come, ++inside);
            } else if (begun < fulls->count && begin <= until && begin <= go) {
                begun++;
                peaks_push(peaks, begin, inside);
            } else if (go < until) {
                out++;
                inside--;
            } else {
                break;
            }
        }
        const struct history_event *full = fulls->events[fulls->ends[ended]];
        *peak = *peaks_since(peaks, full->start);
        if (peak->inside < judge->history->promise.capacity)
            return full;
    }
    return NULL;
}

static void convict_full(struct judge *judge, const struct history_event *full, const struct peak *peak)
{
    history_witness_add(judge->history, judge->verdict, full);
    for (uint32_t item = 0; item < judge->count; item++)
        if (judge_enqueue_start(judge, item) <= peak->time && peak->time <= judge_dequeue_end(judge, item))
            judge_witness_item(judge, item);
    history_convict(judge->verdict, HISTORY_FALSE_FULL,
                    "%s (until %.0f ns), and at no instant of it can more than %" PRIu64 " of %" PRIu64
                    " places have been taken",
                    history_say(judge->history, full).text, (double)history_end(full) * judge->history->ns_per_tick,
                    peak->inside, judge->history->promise.capacity);
}

int judge_false_full(struct judge *judge)
{
    if (judge->verdict->fulls == 0)
        return 0;
    const uint32_t *starts, *ends;
    int error = judge_order(judge, JUDGE_ENQUEUE_START, &starts);
    if (error == 0)
        error = judge_order(judge, JUDGE_DEQUEUE_END, &ends);
    if (error != 0)
        return error;
    struct fulls fulls;
    struct peaks peaks = {.peaks = malloc(((size_t)judge->count + 1) * sizeof *peaks.peaks)};
    if (fulls_make(judge, &fulls) != 0 || !peaks.peaks) {
        error = judge_no_memory(judge->fault);
    } else {
        struct peak peak;
        const struct history_event *full = sweep_fulls(judge, &fulls, starts, ends, &peaks, &peak);
        if (full)
            convict_full(judge, full, &peak);
    }
    fulls_free(&fulls);
    free(peaks.peaks);
    return error;
}

// Inside are of the first `count` to have come those that have not begun to go.
static void convict_overfull(struct judge *judge, const uint32_t *ends, uint32_t count, uint64_t inside)
{
    const uint64_t time = judge_enqueue_end(judge, ends[count - 1]);
    for (uint32_t at = 0; at < count; at++)
        if (time < judge_dequeue_start(judge, ends[at]))
            judge_witness_item(judge, ends[at]);
    history_convict(judge->verdict, HISTORY_OVERFULL,
                    "%" PRIu64
                    " items were inside at once, %.0f ns into the recording, where there is room for %" PRIu64,
                    inside, (double)time * judge->history->ns_per_tick, judge->history->promise.capacity);
}

int judge_overfull(struct judge *judge)
{
    const uint32_t *ends, *starts;
    int error = judge_order(judge, JUDGE_ENQUEUE_END, &ends);
    if (error == 0)
        error = judge_order(judge, JUDGE_DEQUEUE_START, &starts);
    if (error != 0)
        return error;
    uint64_t inside = 0;
    for (uint32_t in = 0, out = 0; in < judge->count; in++) {
        if (!judge_is_inside(judge, ends[in]))
            continue;
        const uint64_t time = judge_enqueue_end(judge, ends[in]);
        for (; out < judge->count && judge_dequeue_start(judge, starts[out]) <= time; out++)
            inside -= judge_is_inside(judge, starts[out]);
        if (++inside > judge->history->promise.capacity) {
            convict_overfull(judge, ends, in + 1, inside);
            return 0;
        }
    }
    return 0;
}
