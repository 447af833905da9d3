// SPDX-License-Identifier: Apache-2.0
#include "core/run/lengths.h"

_Static_assert(QUEUE_UNCOUNTED == UINT64_MAX, "queues and pools say in one way that they do not know");

// A length is the difference of two counts that are read one after the other while both grow, so that it may come out
// below zero; UINT64_MAX is one that is not known.
static void add(struct length_series *series, uint64_t length, unsigned threads)
{
    if (length == UINT64_MAX)
        return;
    if (length > INT64_MAX)
        length = 0;
    series->samples++;
    series->empty += length == 0;
    series->deep += length >= (uint64_t)LENGTHS_DEEP * threads;
    series->sum += (double)length;
    if (length > series->max)
        series->max = length;
}

void lengths_sample_pool(struct lengths *lengths, const struct pool_ops *ops, struct pool *pool)
{
    if (!ops->lengths)
        return;
    struct pool_lengths now = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    ops->lengths(pool, &now);
    add(&lengths->jobs, now.jobs, lengths->threads);
    add(&lengths->ready, now.ready, lengths->threads);
    add(&lengths->elements, now.elements, lengths->threads);
    lengths->samples++;
}

void lengths_sample_queue(struct lengths *lengths, struct queue *queue, struct elements *elements)
{
    add(&lengths->items, queue_length(queue), lengths->threads);
    add(&lengths->elements, elements ? elements_outstanding(elements) : UINT64_MAX, lengths->threads);
    lengths->samples++;
}

const char *lengths_regime(const struct length_series *series)
{
    const uint64_t enough = series->samples * LENGTHS_SHARE;
    if (series->samples < LENGTHS_LEAST)
        return NULL;
    if (series->empty * 100 >= enough)
        return "empty";
    if (series->deep * 100 >= enough)
        return "deep";
    return (series->samples - series->deep) * 100 >= enough ? "shallow" : "mixed";
}

static bool any(const struct lengths *lengths)
{
    return lengths->jobs.samples || lengths->ready.samples || lengths->items.samples || lengths->elements.samples;
}

static void record_series(const struct length_series *series, double *mean, uint64_t *max)
{
    if (series->samples == 0)
        return;
    *mean = series->sum / (double)series->samples;
    *max = series->max;
}

void lengths_record(const struct lengths *lengths, struct record *record)
{
    if (!any(lengths))
        return;
    record->length_samples = lengths->samples;
    record->queue_regime = lengths_regime(&lengths->items);
    record->job_queue_regime = lengths_regime(&lengths->jobs);
    record_series(&lengths->jobs, &record->job_queue_length_mean, &record->job_queue_length_max);
    record_series(&lengths->ready, &record->ready_queue_length_mean, &record->ready_queue_length_max);
    record_series(&lengths->items, &record->queue_length_mean, &record->queue_length_max);
    record_series(&lengths->elements, &record->elements_held_mean, &record->elements_held_max);
}
