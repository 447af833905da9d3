// SPDX-License-Identifier: Apache-2.0
// What producer_consumer.c works on: its configuration, what each of its threads has for itself, and how that is made.
#pragma once

#include <errno.h>

#include "core/workload.h"

// Items between two ticks, where nobody thinks; and the most that go into a batch.
#define QUANTUM 64u

enum stage { STAGE_ENQUEUE, STAGE_DEQUEUE, STAGE_SOJOURN, STAGE_PRODUCER_THINK, STAGE_CONSUMER_THINK };

struct config {
    uint64_t producers, consumers;
    uint64_t producer_kind, consumer_kind; // enum queue_thread_kind
    uint64_t window;
    uint64_t prefill;
    uint64_t batch;
    uint64_t producer_think_ns, consumer_think_ns;
    uint64_t think; // enum workload_think_shape
    uint64_t sample_every;
    uint64_t item_bytes;
};

struct producer {
    struct queue_loop loop;
    struct workload_think think;
    unsigned quantum;         // items between two ticks
    unsigned step;            // items between two thoughts
    uint64_t limit;           // sequence that it may go to
    _Atomic uint64_t *stamps; // by place of the sample: ticks before its enqueue, or 0: free
} ALIGNED_LINE;

struct consumer {
    struct queue_loop loop;
    struct workload_think think;
    unsigned quantum; // likewise
    unsigned step;
    uint64_t publish_after;   // items
    uint64_t received;        //
    uint64_t untimed;         // received since a dequeue was timed
    uint64_t untold;          // received since it published
    _Atomic uint64_t *newest; // per producer: sequence of the newest item received, plus one
} ALIGNED_LINE;

struct state {
    const struct config *config;
    struct workload_items items;
    struct workload_think producer_think, consumer_think;
    struct producer *producers;
    struct consumer *consumers;
    struct item_memory *memory; // by producer; NULL without item_bytes
    uint64_t ahead;             // items of one producer in flight at most: the window, and what it filled in
    uint64_t stamp_mask;
};

// A power of two of slots, more than there are samples in flight.
static uint64_t stamp_count(const struct state *state)
{
    const uint64_t every = state->config->sample_every;
    uint64_t count = 2;
    while (every && count < state->ahead / every + 2)
        count *= 2;
    return count;
}

// Lines of its own for each item, and no block used again while its item may be in flight.
static int make_memory(struct state *state)
{
    const struct config *config = state->config;
    uint64_t blocks = 1;
    if (config->item_bytes == 0)
        return 0;
    while (blocks < state->ahead + QUANTUM)
        blocks *= 2;
    const unsigned used = (unsigned)(config->item_bytes / sizeof(uint64_t));
    const unsigned stride = (used + 7) / 8 * 8;
    state->memory = workload_alloc(config->producers * sizeof *state->memory);
    for (unsigned i = 0; state->memory && i < config->producers; i++) {
        state->memory[i] =
            (struct item_memory){workload_alloc(blocks * stride * sizeof(uint64_t)), blocks - 1, stride, used};
        if (!state->memory[i].words)
            return -ENOMEM;
    }
    return state->memory ? 0 : -ENOMEM;
}

static int make_sides(struct state *state)
{
    const struct config *config = state->config;
    state->producers = workload_alloc(config->producers * sizeof *state->producers);
    state->consumers = workload_alloc(config->consumers * sizeof *state->consumers);
    if (!state->producers || !state->consumers)
        return -ENOMEM;
    state->stamp_mask = stamp_count(state) - 1;
    for (unsigned i = 0; i < config->producers; i++) {
        state->producers[i].stamps = workload_alloc((state->stamp_mask + 1) * sizeof(uint64_t));
        if (!state->producers[i].stamps)
            return -ENOMEM;
    }
    for (unsigned i = 0; i < config->consumers; i++) {
        state->consumers[i].newest = workload_alloc(config->producers * sizeof(uint64_t));
        if (!state->consumers[i].newest)
            return -ENOMEM;
    }
    return 0;
}

static void make_thinks(struct state *state)
{
    const struct config *config = state->config;
    state->producer_think = (struct workload_think){.mean_ns = (double)config->producer_think_ns,
                                                    .shape = (enum workload_think_shape)config->think,
                                                    .stage = STAGE_PRODUCER_THINK,
                                                    .every = config->sample_every};
    state->consumer_think = state->producer_think;
    state->consumer_think.mean_ns = (double)config->consumer_think_ns;
    state->consumer_think.stage = STAGE_CONSUMER_THINK;
    workload_think_calibrate(&state->producer_think);
    workload_think_calibrate(&state->consumer_think);
}

static int check_setup(const struct workload_run *run, struct fault *fault)
{
    const struct config *config = run->config;
    if (config->batch > 1 && run->loops != &queue_vtable_loops)
        return fault_set(fault, -EINVAL,
                         "batches go through the queue's table of functions, so that with batch > 1 dispatch can only "
                         "be vtable");
    return 0;
}

static int setup(struct workload_run *run, struct fault *fault)
{
    const struct config *config = run->config;
    const int refused = check_setup(run, fault);
    if (refused)
        return refused;
    struct state *state = run->state = workload_alloc(sizeof *state);
    if (!state)
        return fault_set(fault, -ENOMEM, "no memory for workload producer_consumer");
    state->config = config;
    state->ahead = config->window + (config->prefill + config->producers - 1) / config->producers;
    if (workload_items_init(&state->items, run, (unsigned)config->producers, (unsigned)config->consumers) != 0 ||
        make_sides(state) != 0 || make_memory(state) != 0)
        return fault_set(fault, -ENOMEM, "no memory for %llu producers and %llu consumers",
                         (unsigned long long)config->producers, (unsigned long long)config->consumers);
    make_thinks(state);
    return 0;
}

static void teardown(struct workload_run *run)
{
    struct state *state = run->state;
    if (!state)
        return;
    for (unsigned i = 0; state->producers && i < state->config->producers; i++)
        free(state->producers[i].stamps);
    for (unsigned i = 0; state->consumers && i < state->config->consumers; i++)
        free(state->consumers[i].newest);
    for (unsigned i = 0; state->memory && i < state->config->producers; i++)
        free(state->memory[i].words);
    free(state->memory);
    free(state->producers);
    free(state->consumers);
    workload_items_fini(&state->items);
    free(state);
    run->state = NULL;
}

// How many more items the producer may enqueue now.
static unsigned credit(struct state *state, struct producer *me)
{
    const uint64_t sequence = me->loop.sequence;
    if (state->items.baseline)
        return me->quantum;
    if (sequence >= me->limit) {
        uint64_t newest = 0;
        for (unsigned i = 0; i < state->config->consumers; i++) {
            const uint64_t seen = at_load_rlx(&state->consumers[i].newest[me->loop.producer]);
            newest = seen > newest ? seen : newest;
        }
        me->limit = newest + state->ahead;
    }
    const uint64_t left = me->limit > sequence ? me->limit - sequence : 0;
    return left < me->quantum ? (unsigned)left : me->quantum;
}

// Where the moment of a sample's enqueue is kept; NULL: the item before it there is still in flight.
static _Atomic uint64_t *free_stamp(struct state *state, struct producer *me, uint64_t sequence)
{
    _Atomic uint64_t *stamp = &me->stamps[sequence / state->config->sample_every & state->stamp_mask];
    return at_load_rlx(stamp) && !state->items.baseline ? NULL : stamp;
}

// The sampled item that came `now`: its time in the queue.
static void take_sample(struct workload_thread *self, struct state *state, uintptr_t item, uint64_t now)
{
    const uint64_t producer = (item >> ITEM_PRODUCER_SHIFT) - 1;
    if (producer >= state->config->producers || !state->config->sample_every)
        return;
    const uint64_t place = (item & ITEM_SEQUENCE_MASK) / state->config->sample_every & state->stamp_mask;
    _Atomic uint64_t *stamp = &state->producers[producer].stamps[place];
    const uint64_t start = at_load_rlx(stamp);
    at_store_rlx(stamp, 0);
    if (start && now > start)
        workload_record(self, STAGE_SOJOURN, now - start);
}
