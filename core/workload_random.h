// SPDX-License-Identifier: Apache-2.0
// Random numbers for workloads: a generator of its own for each thread, so that a run with the same seed draws the same
// numbers, whatever the threads do. Included by core/workload.h.
//
// xoshiro256** (D. Blackman, S. Vigna, "Scrambled Linear Pseudorandom Number Generators", ACM TOMS 2021), its state
// filled by SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014),
// as its authors advise. Plain C that is also valid C++17.
#ifndef READYQ_WORKLOAD_RANDOM_H
#define READYQ_WORKLOAD_RANDOM_H

#include <math.h>
#include <stdint.h>

#define WORKLOAD_RANDOM_GOLDEN 0x9e3779b97f4a7c15u

struct workload_random {
    uint64_t word[4];
};

// Spreads the bits of a number over a word: two numbers that differ in one bit give words that differ in about half
// of theirs. The output of SplitMix64 for the state `number`; also good to draw from a counter without any state.
static inline uint64_t workload_random_mix(uint64_t number)
{
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9u;
    number = (number ^ (number >> 27)) * 0x94d049bb133111ebu;
    return number ^ (number >> 31);
}

// The generator of thread `thread` in a run with this seed. Different threads, or seeds, draw different numbers.
static inline void workload_random_init(struct workload_random *random, uint64_t seed, uint64_t thread)
{
    uint64_t state = workload_random_mix(seed + WORKLOAD_RANDOM_GOLDEN) ^ workload_random_mix(~thread);
    for (unsigned i = 0; i < 4; i++)
        random->word[i] = workload_random_mix(state += WORKLOAD_RANDOM_GOLDEN);
    random->word[0] |= 1; // never all zero, which it could not leave
}

static inline uint64_t workload_random_rotate(uint64_t word, unsigned by)
{
    return word << by | word >> (64 - by);
}

// 64 random bits.
static inline uint64_t workload_random_next(struct workload_random *random)
{
    uint64_t *word = random->word;
    const uint64_t result = workload_random_rotate(word[1] * 5, 7) * 9;
    const uint64_t shifted = word[1] << 17;
    word[2] ^= word[0];
    word[3] ^= word[1];
    word[1] ^= word[2];
    word[0] ^= word[3];
    word[2] ^= shifted;
    word[3] = workload_random_rotate(word[3], 45);
    return result;
}

// A number above 0 and below 1, so that its logarithm, and that of 1 less it, are finite.
static inline double workload_random_unit(struct workload_random *random)
{
    return ((double)(workload_random_next(random) >> 12) + 0.5) * 0x1p-52;
}

// A whole number below `bound`, which is not 0. Some are likelier than others by a factor of 1 + bound / 2^64.
static inline uint64_t workload_random_below(struct workload_random *random, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)workload_random_next(random) * bound) >> 64);
}

// Exponentially distributed, with this mean: the gap before the next event of a Poisson process.
static inline double workload_random_exponential(struct workload_random *random, double mean)
{
    return -mean * log(workload_random_unit(random));
}

#endif
