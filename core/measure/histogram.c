// SPDX-License-Identifier: Apache-2.0
// The part of the histogram that is read after measuring; recording is inline in the header.
#include "core/measure/histogram.h"

#include <string.h>

#define BINS_PER_DOUBLING ((uint64_t)1 << HISTOGRAM_BITS)

void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
    histogram->min = UINT64_MAX;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    for (size_t bin = 0; bin < HISTOGRAM_BINS; bin++)
        to->bins[bin] += from->bins[bin];
    to->count += from->count;
    to->sum += from->sum;
    if (from->min < to->min)
        to->min = from->min;
    if (from->max > to->max)
        to->max = from->max;
}

// By how many bits the values of `bin` were shifted down; 0 in the linear part.
static unsigned bin_shift(size_t bin)
{
    return bin < 2 * BINS_PER_DOUBLING ? 0 : (unsigned)(bin / BINS_PER_DOUBLING) - 1;
}

uint64_t histogram_bin_low(size_t bin)
{
    const unsigned shift = bin_shift(bin);
    return ((uint64_t)bin - shift * BINS_PER_DOUBLING) << shift;
}

uint64_t histogram_bin_high(size_t bin)
{
    return histogram_bin_low(bin) + (((uint64_t)1 << bin_shift(bin)) - 1);
}

// The smallest rank, from 1, whose share of `count` reaches `quantile`. The comparison is made on the share,
// since the product of a decimal fraction and a count often lies just above the whole number meant.
static uint64_t rank_of(double quantile, uint64_t count)
{
    if (!(quantile > 0))
        return 1;
    if (quantile >= 1)
        return count;
    uint64_t rank = (uint64_t)(quantile * (double)count);
    if ((double)rank / (double)count < quantile)
        rank++;
    return rank < 1 ? 1 : rank;
}

uint64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
    if (histogram->count == 0)
        return 0;
    const uint64_t rank = rank_of(quantile, histogram->count);
    size_t bin = 0;
    for (uint64_t below = histogram->bins[0]; below < rank; below += histogram->bins[bin])
        bin++;
    const uint64_t low = histogram_bin_low(bin);
    const uint64_t middle = low + (histogram_bin_high(bin) - low) / 2;
    if (middle < histogram->min)
        return histogram->min;
    return middle > histogram->max ? histogram->max : middle;
}

double histogram_mean(const struct histogram *histogram)
{
    return histogram->count ? (double)histogram->sum / (double)histogram->count : 0;
}
