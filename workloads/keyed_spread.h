// SPDX-License-Identifier: Apache-2.0
// Which key a job has: a pure function of the seed, its owner and its number, so that who submits it and who runs it
// agree without carrying it along.
//
// A share of all jobs belongs to the slow key, which is one more than the others. The others are spread evenly, or by
// Zipf's law: key k, from 1, gets a share proportional to k^-skew. A key is drawn by one look into a table of aliases
// (A. Walker, "An Efficient Method for Generating Discrete Random Variables with General Distributions", ACM TOMS
// 1977), whatever the number of keys.
#pragma once

#include <errno.h>

#include "core/workload.h"

// A column of the table is as wide as each key's even share, and split between two keys.
struct spread_column {
    uint64_t below; // a word below it falls to the column's own key
    uint32_t other; // the key of the rest
};

struct spread {
    uint64_t seed;
    uint64_t slow_below; // a word below it falls to the slow key
    unsigned keys;       // without the slow one, whose number this is
    struct spread_column *columns;
};

// What the table is made from: each key's share, times the number of keys; and the keys that have less than a column,
// and those that have more, as two stacks in one array.
struct spread_draft {
    double *shares;
    unsigned *stack;
    unsigned small, large; // so many from the front, and so many from the back
};

static inline void spread_sort(struct spread_draft *draft, unsigned keys, unsigned key)
{
    if (draft->shares[key] < 1)
        draft->stack[draft->small++] = key;
    else
        draft->stack[keys - ++draft->large] = key;
}

static inline void spread_weigh(struct spread_draft *draft, unsigned keys, double skew)
{
    double sum = 0;
    for (unsigned key = 0; key < keys; key++)
        sum += draft->shares[key] = pow(key + 1, -skew);
    for (unsigned key = 0; key < keys; key++) {
        draft->shares[key] *= keys / sum;
        spread_sort(draft, keys, key);
    }
}

// Fills one column after the other: with a key that has too little for it, and the rest from one that has too much.
static inline void spread_fill(struct spread *spread, struct spread_draft *draft)
{
    const unsigned keys = spread->keys;
    for (unsigned key = 0; key < keys; key++)
        spread->columns[key] = (struct spread_column){.below = UINT64_MAX, .other = key};
    while (draft->small && draft->large) {
        const unsigned key = draft->stack[--draft->small];
        const unsigned other = draft->stack[keys - draft->large--];
        spread->columns[key] =
            (struct spread_column){.below = (uint64_t)(draft->shares[key] * 0x1p63) * 2, .other = other};
        draft->shares[other] -= 1 - draft->shares[key];
        spread_sort(draft, keys, other);
    }
}

// `skew`: 0: even. 0 or -ENOMEM with nothing held.
static inline int spread_init(struct spread *spread, unsigned keys, double skew, uint64_t slow_per_mille, uint64_t seed)
{
    struct spread_draft draft = {.shares = malloc(keys * sizeof *draft.shares),
                                 .stack = malloc(keys * sizeof *draft.stack)};
    *spread = (struct spread){.seed = workload_random_mix(seed ^ WORKLOAD_RANDOM_GOLDEN),
                              .slow_below = UINT64_MAX / 1000 * slow_per_mille,
                              .keys = keys,
                              .columns = malloc(keys * sizeof *spread->columns)};
    const bool made = draft.shares && draft.stack && spread->columns;
    if (made) {
        spread_weigh(&draft, keys, skew);
        spread_fill(spread, &draft);
    }
    free(draft.shares);
    free(draft.stack);
    if (made)
        return 0;
    free(spread->columns);
    spread->columns = NULL;
    return -ENOMEM;
}

static inline void spread_fini(struct spread *spread)
{
    free(spread->columns);
    spread->columns = NULL;
}

// The key of job `sequence` of `owner`; spread->keys: the slow one.
static inline unsigned spread_key(const struct spread *spread, uint64_t owner, uint64_t sequence)
{
    const uint64_t first =
        workload_random_mix(workload_random_mix(spread->seed + owner) + sequence * WORKLOAD_RANDOM_GOLDEN);
    if (first < spread->slow_below)
        return spread->keys;
    const uint64_t second = workload_random_mix(first), third = workload_random_mix(second);
    const unsigned column = (unsigned)(((unsigned __int128)second * spread->keys) >> 64);
    return third < spread->columns[column].below ? column : spread->columns[column].other;
}
