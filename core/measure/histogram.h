// SPDX-License-Identifier: Apache-2.0
// A log-linear histogram of 64-bit values with a stated relative error. One writer; no value is ever dropped.
//
// Values below 2^(B+1) have a bin each; above, every power of two is cut into 2^B bins of equal width
// (B = HISTOGRAM_BITS), so a bin's width is at most 2^-B of its lower edge. The idea is that of HdrHistogram
// (G. Tene); the code is not.
#ifndef READYQ_MEASURE_HISTOGRAM_H
#define READYQ_MEASURE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BITS 7
#define HISTOGRAM_RELATIVE_ERROR (1.0 / (1 << HISTOGRAM_BITS))
#define HISTOGRAM_BINS ((size_t)(64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS)

struct histogram {
    uint64_t count;
    uint64_t min; // UINT64_MAX while empty
    uint64_t max;
    unsigned __int128 sum;
    uint64_t bins[HISTOGRAM_BINS];
};

static inline size_t histogram_bin(uint64_t value)
{
    const unsigned high = 63u - (unsigned)__builtin_clzll(value | 1);
    const unsigned shift = high > HISTOGRAM_BITS ? high - HISTOGRAM_BITS : 0;
    return ((size_t)shift << HISTOGRAM_BITS) + (size_t)(value >> shift);
}

// Adds one value. The writer only; costs a few ns.
static inline void histogram_record(struct histogram *histogram, uint64_t value)
{
    histogram->bins[histogram_bin(value)]++;
    histogram->count++;
    histogram->sum += value;
    if (value < histogram->min)
        histogram->min = value;
    if (value > histogram->max)
        histogram->max = value;
}

void histogram_clear(struct histogram *histogram);

// Adds all of `from` to `to`.
void histogram_merge(struct histogram *to, const struct histogram *from);

// Smallest and largest value that falls into `bin`.
uint64_t histogram_bin_low(size_t bin);
uint64_t histogram_bin_high(size_t bin);

// The value below which a share `quantile` (0 .. 1) of the values lies: the middle of the bin that holds the
// value of that rank, never outside min .. max. 0 when empty.
uint64_t histogram_quantile(const struct histogram *histogram, double quantile);

double histogram_mean(const struct histogram *histogram);

#endif
