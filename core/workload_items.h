// SPDX-License-Identifier: Apache-2.0
// What queue workloads share: the check by identity of items. Who enqueued how many, what each consumer received,
// the drain after the last enqueue, and the judgement. Included by core/workload.h.
#ifndef READYQ_WORKLOAD_ITEMS_H
#define READYQ_WORKLOAD_ITEMS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/fault.h"
#include "core/item_log.h"
#include "core/queue_loops.h"
#include "core/sync/atomic.h"

// A consumer looks at whose items it takes in one quantum of so many, so that the others pay nothing for it.
#define ITEMS_WATCH_EVERY 16u

struct workload_run;
struct workload_thread;
struct workload_verdict;

struct items_producer {
    uint64_t enqueued; // items 0 .. enqueued - 1; set by workload_items_finish
} ALIGNED_LINE;

struct items_consumer {
    struct item_log log;
    uint64_t false_empty;      // EMPTY answers that were proved wrong; the consumer's own
    _Atomic uint64_t received; // items so far, as shown to the others while draining
} ALIGNED_LINE;

struct workload_items {
    unsigned producers, consumers;
    bool baseline; // nothing comes out that was put in: items are not told apart, and nothing is drained
    struct items_producer *made;
    struct items_consumer *taken;
    _Atomic uint32_t producing ALIGNED_LINE; // producers that may enqueue still
    _Atomic uint32_t filling;                // producers that have not filled in their part yet
    _Atomic uint32_t emptied;                // a dequeue answered EMPTY after the last enqueue had returned
};

// 0 or -ENOMEM with nothing held. By setup.
int workload_items_init(struct workload_items *items, const struct workload_run *run, unsigned producers,
                        unsigned consumers);
// By teardown; also on zeroed memory.
void workload_items_fini(struct workload_items *items);

// How many of `prefill` items producer number `producer` fills in.
uint64_t workload_items_share(const struct workload_items *items, unsigned producer, uint64_t prefill);

// The queue is filled before anyone takes from it or puts more in, and before anything is measured: each thread that
// produces enqueues its part of `prefill` items before its first tick, and all threads wait till all is there.
void workload_items_prefill(struct workload_items *items, struct workload_thread *self, struct queue_loop *loop,
                            uint64_t prefill);
void workload_items_await_prefill(struct workload_items *items, struct workload_thread *self);

// By a consumer before a quantum: turns the loop's watching on or off, as its turn is; with `always` it stays on, for
// whom the time does not matter. Where there is one producer there is nothing to see.
static inline void workload_items_watch(struct queue_loop *loop, bool always)
{
    const bool before = loop->watch;
    if (loop->log->producers < 2)
        return;
    loop->watch = always || loop->quanta++ % ITEMS_WATCH_EVERY == 0;
    if (!before || !always)
        loop->last = 0;
}

// By each producer, once, after its last enqueue returned: `enqueued` items with sequences from 0.
void workload_items_finish(struct workload_items *items, unsigned producer, uint64_t enqueued);

// By each producer after that, if its consuming might take what another still relies on: waits until all have finished.
void workload_items_await(struct workload_items *items, struct workload_thread *self, uint64_t operations);

// By each consumer, after PHASE_STOP: takes what is left, until every producer has finished and the queue is empty. It
// does not believe the first EMPTY: when every enqueue has returned, an item that comes to any consumer, by a call
// begun after that answer, proves it false.
// `loop` is the consumer's, `operations` its total before; both go on counting. Returns the new total.
uint64_t workload_items_drain(struct workload_items *items, struct workload_thread *self, unsigned consumer,
                              struct queue_loop *loop, uint64_t operations);

// Answers EMPTY in a row, to one consumer, while items are missing; reset it to {0} by what comes.
struct items_drought {
    unsigned answers;
    uint64_t since_ns; // by clock_system_ns
};

// By a consumer at each such answer. Returns whether what is missing is to be taken for lost: after some thousands of
// answers, or hundreds within a second or more where each costs a turn on a machine that others keep busy, so that the
// watchdog does not call a run stuck that has merely lost an item.
bool workload_items_drought(struct items_drought *drought);

// By verify: decides from what came out, by the order and exactness that the queue's traits promise.
void workload_items_judge(struct workload_items *items, const struct workload_run *run,
                          struct workload_verdict *verdict);

#endif
