// SPDX-License-Identifier: Apache-2.0
// Memory that items stand for, so that a workload on a queue can do what users of queues do: a producer writes it
// before it enqueues, a consumer reads it after it dequeued. Without it an item is a plain value, and a queue that
// hands on values cheaply looks better than it will serve.
//
// Each producer has a circle of blocks, of which its item number s uses block s modulo their number. There are more of
// them than items in flight, save where several consumers or a relaxed order let an old item linger; then a block may
// be written while it is read. So the accesses are relaxed atomics, by the builtins, as this is also valid C++.
#ifndef READYQ_ITEM_MEMORY_H
#define READYQ_ITEM_MEMORY_H

#include <stdint.h>

// Of one producer. `words` belongs to the workload.
struct item_memory {
    uint64_t *words; // blocks of `stride` words
    uint64_t mask;   // number of blocks, a power of two, minus one
    unsigned stride;
    unsigned used; // words of a block that are written and read
};

static inline uint64_t *item_memory_block(const struct item_memory *memory, uint64_t sequence)
{
    return memory->words + (sequence & memory->mask) * memory->stride;
}

static inline void item_memory_write(const struct item_memory *memory, uint64_t sequence)
{
    uint64_t *block = item_memory_block(memory, sequence);
    for (unsigned i = 0; i < memory->used; i++)
        __atomic_store_n(&block[i], sequence + i, __ATOMIC_RELAXED);
}

// The sum of what is there, so that no compiler leaves the reading out.
static inline uint64_t item_memory_read(const struct item_memory *memory, uint64_t sequence)
{
    const uint64_t *block = item_memory_block(memory, sequence);
    uint64_t sum = 0;
    for (unsigned i = 0; i < memory->used; i++)
        sum += __atomic_load_n(&block[i], __ATOMIC_RELAXED);
    return sum;
}

#endif
