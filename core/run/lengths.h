// SPDX-License-Identifier: Apache-2.0
// How long queues are while a run measures: read now and then by the controller, from counters that the queues keep
// anyway, so that no thread that carries load takes part. One sample costs the threads a miss in the cache for each
// counter when they next write it, some hundred ns; at 50 samples a second, as by default, some millionths of the
// time, and no wake of the controller beside those by which it keeps watch.
//
// From the samples a queue's regime is told: where its length was in LENGTHS_SHARE of them or more. Empty: zero, so
// that who takes mostly waits. Deep: at least LENGTHS_DEEP items for each thread of the run; since a line of memory
// holds that many words, the two ends of the queue then lie on lines of their own. Shallow: below that (zero too), so
// that both ends meet. Mixed: none of these.
#ifndef READYQ_RUN_LENGTHS_H
#define READYQ_RUN_LENGTHS_H

#include <stdint.h>

#include "core/measure/record.h"
#include "core/pool.h"
#include "core/queue_client.h"
#include "core/sync/elements.h"

// Items for each thread from which a queue is deep.
#define LENGTHS_DEEP 8u
// Share of the samples, in percent, that makes a regime; and the fewest samples that tell one.
#define LENGTHS_SHARE 80u
#define LENGTHS_LEAST 10u

// All samples of one length.
struct length_series {
    uint64_t samples;
    uint64_t empty; // samples of 0
    uint64_t deep;  // samples of a deep queue
    uint64_t max;
    double sum;
};

// Zeroed before the first sample, but for `threads`.
struct lengths {
    unsigned threads; // of the run, all that carry load
    uint64_t samples;
    struct length_series jobs, ready, items, elements;
};

// One sample each. A pool whose ops can't tell gives none. `elements` is NULL where the queue has none of them.
void lengths_sample_pool(struct lengths *lengths, const struct pool_ops *ops, struct pool *pool);
void lengths_sample_queue(struct lengths *lengths, struct queue *queue, struct elements *elements);

// "empty", "shallow", "deep" or "mixed"; NULL: too few samples. Pure.
const char *lengths_regime(const struct length_series *series);

// Fills the record's columns; those of which nothing is known stay as they are.
void lengths_record(const struct lengths *lengths, struct record *record);

#endif
