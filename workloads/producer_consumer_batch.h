// SPDX-License-Identifier: Apache-2.0
// The calls of producer_consumer.c that move many items at once. A sample is timed with the whole batch that it is in.
#pragma once

#include "workloads/producer_consumer_state.h"

static void make_batch(struct producer *me, uintptr_t *items, unsigned count)
{
    const struct item_memory *memory = me->loop.memory;
    for (unsigned i = 0; i < count; i++) {
        if (memory)
            item_memory_write(&memory[me->loop.producer], me->loop.sequence + i);
        items[i] = item_make(me->loop.producer, me->loop.sequence + i);
    }
}

// Up to `count` items in one call. Returns the items enqueued.
static unsigned produce_batch(struct workload_thread *self, struct state *state, struct producer *me, unsigned count)
{
    const uint64_t every = state->config->sample_every;
    const uint64_t place = every ? (every - me->loop.sequence % every) % every : count;
    _Atomic uint64_t *stamp = place < count ? free_stamp(state, me, me->loop.sequence + place) : NULL;
    uintptr_t items[QUANTUM];
    uint64_t start = 0;
    int result;
    make_batch(me, items, count);
    if (stamp) {
        items[place] |= ITEM_SAMPLED;
        start = clock_ticks();
        at_store_rlx(stamp, start);
    }
    const unsigned done = queue_enqueue_batch(&self->producer, items, count, &result);
    if (stamp && done > place)
        workload_record(self, STAGE_ENQUEUE, clock_ticks() - start);
    else if (stamp)
        at_store_rlx(stamp, 0);
    me->loop.sequence += done;
    me->loop.failed += done == 0;
    return done;
}

static void read_memory(const struct state *state, struct queue_loop *loop, uintptr_t item)
{
    const uintptr_t producer = (item >> ITEM_PRODUCER_SHIFT) - 1;
    if (state->memory && producer < state->config->producers)
        loop->read += item_memory_read(&state->memory[producer], item & ITEM_SEQUENCE_MASK);
}

// Notes what came, by a call that ended `now` where one of the items is a sample.
static void note_batch(struct workload_thread *self, struct state *state, struct consumer *me, const uintptr_t *items,
                       unsigned count, uint64_t now)
{
    for (unsigned i = 0; i < count; i++) {
        item_log_add(me->loop.log, items[i]);
        read_memory(state, &me->loop, items[i]);
        if (me->loop.watch)
            queue_loop_look(&me->loop, items[i]);
        if (items[i] & ITEM_SAMPLED)
            take_sample(self, state, items[i], now);
    }
}

// Up to `count` items in one call, which is timed if that is due. Returns the items received.
static unsigned consume_batch(struct workload_thread *self, struct state *state, struct consumer *me, unsigned count,
                              bool timed)
{
    uintptr_t items[QUANTUM], marks = 0;
    const uint64_t start = timed ? clock_ticks() : 0;
    int result;
    const unsigned done = queue_dequeue_batch(&self->consumer, items, count, &result);
    for (unsigned i = 0; i < done; i++)
        marks |= items[i];
    const bool needed = done && (timed || marks & ITEM_SAMPLED);
    const uint64_t now = needed ? clock_ticks() : 0;
    if (done && timed)
        workload_record(self, STAGE_DEQUEUE, now - start);
    note_batch(self, state, me, items, done, now);
    me->loop.failed += done == 0;
    return done;
}
