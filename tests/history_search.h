// SPDX-License-Identifier: Apache-2.0
// The definition itself, by exhaustive search: is there an order of all operations of a small history that respects
// which operation ended before which started (and what one thread did one after the other), in which the queue does
// what it promises? Nothing in here knows of patterns.
#ifndef READYQ_TESTS_HISTORY_SEARCH_H
#define READYQ_TESTS_HISTORY_SEARCH_H

#include "tests/history_sample.h"

#define SEARCH_OPERATIONS 16u
#define SEARCH_MEMO 8192u

struct search_operation {
    enum history_kind kind;
    uint64_t item;
    unsigned producer;   // of an enqueue
    unsigned earlier;    // operations that precede it, one bit each
    uint64_t start, end; // widened
};

struct search {
    const struct history *history;
    bool drained;
    unsigned count;
    struct search_operation operations[SEARCH_OPERATIONS];
    uint64_t memo[SEARCH_MEMO]; // states from which there is no way, 0: none
    unsigned memo_count;
};

// What is inside, oldest first: numbers of the enqueues.
struct search_state {
    unsigned done; // one bit an operation
    unsigned length;
    unsigned char inside[SEARCH_OPERATIONS];
};

static inline void search_read(struct search *search, const struct history *history, bool drained)
{
    memset(search, 0, sizeof *search);
    search->history = history;
    search->drained = drained;
    unsigned threads[SEARCH_OPERATIONS];
    for (uint32_t thread = 0; thread < history->thread_count; thread++) {
        for (uint64_t at = 0; at < history->threads[thread].count; at++) {
            const struct history_event *event = &history->threads[thread].events[at];
            assert_true(search->count < SEARCH_OPERATIONS);
            threads[search->count] = thread;
            search->operations[search->count++] =
                (struct search_operation){.kind = history_kind(event),
                                          .item = event->item,
                                          .producer = thread,
                                          .start = event->start,
                                          .end = history_end(event) + history->skew_ticks};
        }
    }
    for (unsigned a = 0; a < search->count; a++)
        for (unsigned b = 0; b < search->count; b++)
            if (search->operations[a].end < search->operations[b].start || (threads[a] == threads[b] && a < b))
                search->operations[b].earlier |= 1u << a;
}

// Whether the item at `place` may be the next to come out.
static inline bool search_may_leave(const struct search *search, const struct search_state *state, unsigned place)
{
    const struct history_promise *promise = &search->history->promise;
    if (promise->order == QUEUE_ORDER_FIFO)
        return place == 0;
    if (promise->order == QUEUE_ORDER_RELAXED)
        return place <= promise->relaxation;
    for (unsigned older = 0; older < place; older++)
        if (search->operations[state->inside[older]].producer == search->operations[state->inside[place]].producer)
            return false;
    return true;
}

static inline bool search_step(const struct search *search, struct search_state *state, unsigned next)
{
    const struct history_promise *promise = &search->history->promise;
    const struct search_operation *operation = &search->operations[next];
    state->done |= 1u << next;
    switch (operation->kind) {
    case HISTORY_ENQUEUE:
        state->inside[state->length++] = (unsigned char)next;
        return promise->capacity == 0 || state->length <= promise->capacity;
    case HISTORY_EMPTY:
        return !promise->empty_exact || state->length == 0;
    case HISTORY_FULL:
        return !promise->full_exact || state->length == promise->capacity;
    default:
        break;
    }
    for (unsigned place = 0; place < state->length; place++) {
        if (search->operations[state->inside[place]].item != operation->item)
            continue;
        if (!search_may_leave(search, state, place))
            return false;
        memmove(&state->inside[place], &state->inside[place + 1], --state->length - place);
        return true;
    }
    return false;
}

// Whether the state was seen; notes it.
static inline bool search_seen(struct search *search, const struct search_state *state)
{
    uint64_t key = state->done;
    for (unsigned place = 0; place < state->length; place++)
        key |= (uint64_t)(state->inside[place] + 1) << (SEARCH_OPERATIONS + 5 * place);
    if (state->length * 5 + SEARCH_OPERATIONS > 64 || search->memo_count > SEARCH_MEMO / 2)
        return false;
    unsigned slot = (unsigned)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 51);
    for (; search->memo[slot] != 0; slot = (slot + 1) % SEARCH_MEMO)
        if (search->memo[slot] == key)
            return true;
    search->memo[slot] = key;
    search->memo_count++;
    return false;
}

static inline bool search_from(struct search *search, const struct search_state *state)
{
    if (state->done == (1u << search->count) - 1)
        return !search->drained || state->length == 0;
    if (state->done != 0 && search_seen(search, state))
        return false;
    for (unsigned next = 0; next < search->count; next++) {
        if (state->done >> next & 1 || search->operations[next].earlier & ~state->done)
            continue;
        struct search_state then = *state;
        if (search_step(search, &then, next) && search_from(search, &then))
            return true;
    }
    return false;
}

// Whether the history keeps the promise.
static inline bool search_finds_order(const struct history *history, bool drained)
{
    static struct search search;
    search_read(&search, history, drained);
    return search_from(&search, &(struct search_state){.done = 0});
}

#endif
