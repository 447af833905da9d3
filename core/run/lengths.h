// SPDX-License-Identifier: Apache-2.0
// How long queues are while a run measures: read now and then by the controller, from counters that the queues keep
// anyway, so that no thread that carries load takes part.
#ifndef READYQ_RUN_LENGTHS_H
#define READYQ_RUN_LENGTHS_H

#include <stdint.h>

#include "core/measure/record.h"
#include "core/pool.h"
#include "core/queue_client.h"
#include "core/sync/elements.h"

// All samples of one length.
struct length_series {
    uint64_t samples;
    uint64_t max;
    double sum;
};

// Zeroed before the first sample.
struct lengths {
    uint64_t samples;
    struct length_series jobs, ready, items, elements;
};

// One sample each. A pool whose ops can't tell gives none. `elements` is NULL where the queue has none of them.
void lengths_sample_pool(struct lengths *lengths, const struct pool_ops *ops, struct pool *pool);
void lengths_sample_queue(struct lengths *lengths, struct queue *queue, struct elements *elements);

// Fills the record's columns; those of which nothing is known stay as they are.
void lengths_record(const struct lengths *lengths, struct record *record);

#endif
