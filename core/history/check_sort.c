// SPDX-License-Identifier: Apache-2.0
// Orders by time. What a few threads noted is a few ascending stretches, so merging neighbours until one is left takes
// about log2(threads) passes through memory, in sequence; where it was not ascending it is still a merge sort.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/history/check_items.h"

struct sorting {
    uint64_t (*key)(const void *context, uint32_t index);
    const void *context;
    uint32_t count;
};

static uint32_t stretch_end(const struct sorting *sorting, const uint32_t *order, uint32_t at)
{
    uint64_t last = sorting->key(sorting->context, order[at++]);
    for (; at < sorting->count; at++) {
        const uint64_t next = sorting->key(sorting->context, order[at]);
        if (next < last)
            break;
        last = next;
    }
    return at;
}

// Merges from[left..middle) and from[middle..end) to the same place in `to`. Of equal ones the left come first.
static void merge(const struct sorting *sorting, const uint32_t *from, uint32_t *to, uint32_t left, uint32_t middle,
                  uint32_t end)
{
    uint32_t right = middle, at = left;
    uint64_t left_key = sorting->key(sorting->context, from[left]);
    uint64_t right_key = right < end ? sorting->key(sorting->context, from[right]) : 0;
    while (left < middle && right < end) {
        if (left_key <= right_key) {
            to[at++] = from[left++];
            if (left < middle)
                left_key = sorting->key(sorting->context, from[left]);
        } else {
            to[at++] = from[right++];
            if (right < end)
                right_key = sorting->key(sorting->context, from[right]);
        }
    }
    memcpy(to + at, from + left, (middle - left) * sizeof *to);
    at += middle - left;
    memcpy(to + at, from + right, (end - right) * sizeof *to);
}

int judge_sort(uint32_t *order, uint32_t count, uint64_t (*key)(const void *context, uint32_t index),
               const void *context)
{
    const struct sorting sorting = {.key = key, .context = context, .count = count};
    if (count == 0 || stretch_end(&sorting, order, 0) == count)
        return 0;
    uint32_t *spare = malloc(count * sizeof *spare);
    if (!spare)
        return -ENOMEM;
    uint32_t *from = order, *to = spare;
    for (uint32_t merged = 0; merged < count;) {
        // `merged` ends as the length of the first stretch of this pass.
        merged = 0;
        for (uint32_t at = 0; at < count;) {
            const uint32_t middle = stretch_end(&sorting, from, at);
            const uint32_t end = middle < count ? stretch_end(&sorting, from, middle) : count;
            merge(&sorting, from, to, at, middle, end);
            merged = merged ? merged : end;
            at = end;
        }
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != order)
        memcpy(order, from, count * sizeof *order);
    free(spare);
    return 0;
}

static uint64_t enqueue_start(const void *judge, uint32_t item)
{
    return judge_enqueue_start(judge, item);
}

static uint64_t enqueue_end(const void *judge, uint32_t item)
{
    return judge_enqueue_end(judge, item);
}

static uint64_t dequeue_start(const void *judge, uint32_t item)
{
    return judge_dequeue_start(judge, item);
}

static uint64_t dequeue_end(const void *judge, uint32_t item)
{
    return judge_dequeue_end(judge, item);
}

int judge_order(struct judge *judge, enum judge_time time, const uint32_t **order)
{
    static uint64_t (*const keys[])(const void *judge, uint32_t item) = {
        [JUDGE_ENQUEUE_START] = enqueue_start,
        [JUDGE_ENQUEUE_END] = enqueue_end,
        [JUDGE_DEQUEUE_START] = dequeue_start,
        [JUDGE_DEQUEUE_END] = dequeue_end,
    };
    if (!judge->orders[time]) {
        uint32_t *made = malloc((judge->count + 1) * sizeof *made);
        if (!made)
            return judge_no_memory(judge->fault);
        const bool dequeued = time == JUDGE_DEQUEUE_START || time == JUDGE_DEQUEUE_END;
        for (uint32_t at = 0; at < judge->count; at++)
            made[at] = dequeued ? judge->delivered[at] : at;
        judge->orders[time] = made;
        if (judge_sort(made, judge->count, keys[time], judge) != 0)
            return judge_no_memory(judge->fault);
    }
    *order = judge->orders[time];
    return 0;
}
