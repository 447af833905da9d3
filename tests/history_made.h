// SPDX-License-Identifier: Apache-2.0
// Random small histories: of a right queue, of one that went wrong somewhere, or of nothing in particular. Readings are
// small whole numbers, so that equal ones are frequent.
#ifndef READYQ_TESTS_HISTORY_MADE_H
#define READYQ_TESTS_HISTORY_MADE_H

#include "tests/history_sample.h"

#define MADE_MOST 200u

// How a random history comes about.
struct made_recipe {
    enum queue_order order;
    uint32_t relaxation;
    unsigned capacity; // 0: unbounded
    bool batches;      // a thread's next operation may have the same interval, or begin when the last ends
    unsigned skew_most;
    unsigned widest; // interval
    bool drained;    // what went in comes out again
};

static inline uint64_t made_item_word(unsigned number)
{
    return (number + 1) * UINT64_C(0x2545f4914f6cdd1d);
}

struct made_step {
    unsigned thread;
    enum history_kind kind;
    uint64_t item;
    uint64_t time, start, end;
};

// The position from which an item comes out of a right queue.
static inline unsigned made_place_to_leave(const struct made_recipe *recipe, const unsigned *producers, unsigned length,
                                           uint64_t *seed)
{
    if (recipe->order == QUEUE_ORDER_FIFO)
        return 0;
    if (recipe->order == QUEUE_ORDER_RELAXED)
        return sample_below(seed, length < recipe->relaxation + 1 ? length : recipe->relaxation + 1);
    const unsigned place = sample_below(seed, length);
    for (unsigned older = 0; older < place; older++)
        if (producers[older] == producers[place])
            return older;
    return place;
}

// What threads did to a right queue, in the order in which it took effect, at moments that may be equal for different
// threads.
static inline void made_run_right(const struct made_recipe *recipe, struct made_step *steps, unsigned count,
                                  uint64_t *seed)
{
    uint64_t inside[MADE_MOST], time = 3, last[SAMPLE_THREADS] = {0};
    unsigned producers[MADE_MOST], length = 0, made = 0;
    for (unsigned at = 0; at < count; at++) {
        const unsigned thread = sample_below(seed, SAMPLE_THREADS);
        time += sample_below(seed, 3);
        time += !recipe->batches && last[thread] == time;
        last[thread] = time;
        steps[at] = (struct made_step){.thread = thread, .time = time};
        if (sample_below(seed, 2) == 0 && !(recipe->drained && length + 1 >= count - at)) {
            const bool full = recipe->capacity > 0 && length == recipe->capacity;
            steps[at].kind = full ? HISTORY_FULL : HISTORY_ENQUEUE;
            steps[at].item = made_item_word(made++);
            if (!full) {
                producers[length] = thread;
                inside[length++] = steps[at].item;
            }
        } else if (length == 0) {
            steps[at].kind = HISTORY_EMPTY;
        } else {
            const unsigned place = made_place_to_leave(recipe, producers, length, seed);
            steps[at].kind = HISTORY_DEQUEUE;
            steps[at].item = inside[place];
            length--;
            memmove(&inside[place], &inside[place + 1], (length - place) * sizeof inside[0]);
            memmove(&producers[place], &producers[place + 1], (length - place) * sizeof producers[0]);
        }
    }
}

// Gives each operation an interval around its moment; those of one thread do not overlap, and touch only in batches.
static inline void made_widen(const struct made_recipe *recipe, struct made_step *steps, unsigned count, uint64_t *seed)
{
    for (unsigned at = 0; at < count; at++) {
        struct made_step *step = &steps[at];
        const struct made_step *before = NULL, *after = NULL;
        for (unsigned other = 0; other < at; other++)
            before = steps[other].thread == step->thread ? &steps[other] : before;
        for (unsigned other = count - 1; other > at; other--)
            after = steps[other].thread == step->thread ? &steps[other] : after;
        if (before && before->time == step->time) {
            step->start = before->start; // of one batch
        } else {
            step->start = step->time - sample_below(seed, step->time < recipe->widest ? 3 : recipe->widest);
            if (before && step->start < before->end + !recipe->batches)
                step->start = before->end + !recipe->batches;
        }
        step->end = step->time + sample_below(seed, recipe->widest);
        if (after && step->end > after->time - !recipe->batches)
            step->end = after->time - !recipe->batches;
        if (before && before->start == step->start)
            step->end = before->end > step->time ? before->end : step->end;
    }
}

static inline void made_swap_items(struct made_step *a, struct made_step *b)
{
    const uint64_t item = a->item;
    a->item = b->item;
    b->item = item;
}

// Makes one thing wrong, or at least different.
static inline void made_disturb(struct made_step *steps, unsigned count, uint64_t *seed)
{
    struct made_step *step = &steps[sample_below(seed, count)], *other = &steps[sample_below(seed, count)];
    switch (sample_below(seed, 5)) {
    case 0:
        if (step->kind == other->kind && step->kind == HISTORY_DEQUEUE)
            made_swap_items(step, other);
        break;
    case 1:
        if (step->kind == HISTORY_DEQUEUE)
            *step = (struct made_step){step->thread, HISTORY_EMPTY, 0, step->time, step->start, step->end};
        break;
    case 2:
        if (step->kind == HISTORY_DEQUEUE && other->kind == HISTORY_DEQUEUE && sample_below(seed, 8) == 0)
            step->item = other->item;
        break;
    case 3:
        // An enqueue that was refused after all, so that its item does not come out.
        if (step->kind == HISTORY_ENQUEUE) {
            for (unsigned at = 0; at < count; at++)
                if (steps[at].kind == HISTORY_DEQUEUE && steps[at].item == step->item)
                    return;
            step->kind = HISTORY_FULL;
        }
        break;
    default:
        if (step->kind == HISTORY_EMPTY && other->kind == HISTORY_ENQUEUE)
            *step = (struct made_step){step->thread, HISTORY_DEQUEUE, other->item, step->time, step->start, step->end};
    }
}

static inline void made_write_down(const struct made_recipe *recipe, const struct made_step *steps, unsigned count,
                                   struct sample *sample)
{
    sample_init(sample, recipe->order);
    sample->history.promise.relaxation = recipe->relaxation;
    sample->history.promise.capacity = recipe->capacity;
    sample->history.promise.full_exact = recipe->capacity > 0;
    for (unsigned at = 0; at < count; at++)
        sample_add(sample, steps[at].thread, steps[at].kind, steps[at].start, steps[at].end, steps[at].item);
}

// Intervals, operations and items as they fall, only that no item goes in twice.
static inline void made_run_wild(const struct made_recipe *recipe, struct made_step *steps, unsigned count,
                                 uint64_t *seed)
{
    uint64_t free_from[SAMPLE_THREADS] = {0};
    unsigned in = 0, out = 0;
    for (unsigned at = 0; at < count; at++) {
        const unsigned thread = sample_below(seed, SAMPLE_THREADS), kind = sample_below(seed, 9);
        const uint64_t start = free_from[thread] + sample_below(seed, 3),
                       end = start + sample_below(seed, recipe->widest);
        free_from[thread] = end + 1;
        steps[at] = (struct made_step){.thread = thread, .time = start, .start = start, .end = end};
        steps[at].kind = kind < 4 ? HISTORY_ENQUEUE : kind < 8 ? HISTORY_DEQUEUE : HISTORY_EMPTY;
        if (steps[at].kind != HISTORY_EMPTY)
            steps[at].item = made_item_word(steps[at].kind == HISTORY_ENQUEUE ? in++ : out++);
    }
    for (unsigned at = 0; at < count; at++) {
        struct made_step *other = &steps[sample_below(seed, count)];
        if (steps[at].kind == HISTORY_DEQUEUE && other->kind == HISTORY_DEQUEUE)
            made_swap_items(&steps[at], other);
    }
}

// Right if `disturbances` is 0.
static inline void made_history(const struct made_recipe *recipe, unsigned most, unsigned disturbances,
                                struct sample *sample, uint64_t *seed)
{
    struct made_step steps[MADE_MOST];
    const unsigned count = 2 + sample_below(seed, most - 1);
    made_run_right(recipe, steps, count, seed);
    made_widen(recipe, steps, count, seed);
    for (unsigned at = 0; at < disturbances; at++)
        made_disturb(steps, count, seed);
    made_write_down(recipe, steps, count, sample);
    sample->history.skew_ticks = sample_below(seed, recipe->skew_most + 1);
}

// Wild.
static inline void made_wild(const struct made_recipe *recipe, unsigned most, struct sample *sample, uint64_t *seed)
{
    struct made_step steps[MADE_MOST];
    const unsigned count = 2 + sample_below(seed, most - 1);
    made_run_wild(recipe, steps, count, seed);
    made_write_down(recipe, steps, count, sample);
}

#endif
