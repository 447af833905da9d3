// SPDX-License-Identifier: Apache-2.0
// What producers and consumers of a crowd share.
#ifndef READYQ_CHECK_CONFORMANCE_CROWD_MEMBERS_H
#define READYQ_CHECK_CONFORMANCE_CROWD_MEMBERS_H

#include "core/check/conformance/crowd.h"

// Every so often a producer notes how far the others are before it enqueues: a linearizable FIFO must hand out what
// was enqueued before that first.
#define STAMP_EVERY 16u

struct crowd {
    struct crowd_plan plan;
    _Atomic uint64_t enqueued[SIDE_MOST]; // returned from, by producer
    _Atomic uint64_t dequeued;            // returned from, by a single consumer
    _Atomic uint32_t finished;            // producers done
    struct item_log logs[SIDE_MOST];      // by consumer
    uint32_t *stamps[SIDE_MOST];          // by producer; for each stamped item a number for each producer
    uint64_t received[SIDE_MOST];         // by producer; of a single consumer
    struct actor actors[2 * SIDE_MOST];
};

static inline uint32_t *crowd_stamps(struct crowd *crowd, unsigned producer, uint64_t sequence)
{
    return crowd->stamps[producer] + sequence / STAMP_EVERY * crowd->plan.producers;
}

// Between operations: passes a quiescent point, loiters if its side is the slow one, comes back with a new handle when
// it is time to.
void crowd_rest(struct actor *self, struct queue_client *client, enum queue_role role, uint64_t turn);

void crowd_produce(struct actor *self);
void crowd_consume(struct actor *self);

#endif
