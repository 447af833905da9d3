// SPDX-License-Identifier: Apache-2.0
// Sorts by counting: the numbers of jobs are dense, and their times need few digits if a digit is as wide as the count.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/history/check_jobs.h"

#define DIGIT_LEAST 8u
#define DIGIT_MOST 22u

struct digits {
    uint64_t (*key)(const void *context, uint32_t index);
    const void *context;
    uint64_t least, most; // keys
    unsigned width;
    uint32_t *places; // of each digit
    uint32_t *spare;
};

static unsigned bits_of(uint64_t value)
{
    return value ? 64 - (unsigned)__builtin_clzll(value) : 0;
}

// False: they are in order already.
static bool find_range(struct digits *digits, const uint32_t *order, uint32_t count)
{
    bool ascending = true;
    uint64_t last = 0;
    digits->least = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t key = digits->key(digits->context, order[i]);
        ascending &= key >= last;
        last = key;
        digits->least = key < digits->least ? key : digits->least;
        digits->most = key > digits->most ? key : digits->most;
    }
    return !ascending;
}

static size_t digit_of(const struct digits *digits, uint32_t index, unsigned shift)
{
    return (digits->key(digits->context, index) - digits->least) >> shift & ((UINT64_C(1) << digits->width) - 1);
}

static void sort_by_digit(const struct digits *digits, uint32_t *order, uint32_t count, unsigned shift)
{
    const size_t values = (size_t)1 << digits->width;
    uint32_t place = 0;
    memset(digits->places, 0, values * sizeof *digits->places);
    for (uint32_t i = 0; i < count; i++)
        digits->places[digit_of(digits, order[i], shift)]++;
    for (size_t value = 0; value < values; value++) {
        const uint32_t have = digits->places[value];
        digits->places[value] = place;
        place += have;
    }
    for (uint32_t i = 0; i < count; i++)
        digits->spare[digits->places[digit_of(digits, order[i], shift)]++] = order[i];
    memcpy(order, digits->spare, count * sizeof *order);
}

int jobs_sort(uint32_t *order, uint32_t count, uint64_t (*key)(const void *context, uint32_t index),
              const void *context)
{
    struct digits digits = {.key = key, .context = context};
    if (!find_range(&digits, order, count))
        return 0;
    const unsigned wide = bits_of(count);
    digits.width = wide < DIGIT_LEAST ? DIGIT_LEAST : wide > DIGIT_MOST ? DIGIT_MOST : wide;
    digits.places = malloc(((size_t)1 << digits.width) * sizeof *digits.places);
    digits.spare = malloc((size_t)count * sizeof *digits.spare);
    const bool made = digits.places && digits.spare;
    for (unsigned shift = 0; made && shift < bits_of(digits.most - digits.least); shift += digits.width)
        sort_by_digit(&digits, order, count, shift);
    free(digits.places);
    free(digits.spare);
    return made ? 0 : -ENOMEM;
}
