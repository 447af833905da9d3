// SPDX-License-Identifier: Apache-2.0
// What file_io's blocks hold, so that a read can tell whether it found what was last written: each says which block of
// which file it is and how often that was written, and all the rest of it follows from these. For file_io.c only.
//
// The words after the name are a sequence that begins with a checksum of the name, so that every byte of a block is
// checked, at little more than the cost of reading it: a block from elsewhere, an old one, one that is half old, and
// one that was never written all differ.
#pragma once

#include <stdio.h>

#include "core/workload.h"

#define IO_NAME_WORDS 4u
#define IO_BLOCK_LEAST 512u

struct io_name {
    uint64_t seed;
    uint64_t file, block;
    uint64_t generation; // 0: as the file was made
};

static inline uint64_t io_checksum(const struct io_name *name)
{
    uint64_t sum = workload_random_mix(name->seed + WORKLOAD_RANDOM_GOLDEN);
    sum = workload_random_mix(sum + name->file);
    sum = workload_random_mix(sum + name->block);
    return workload_random_mix(sum + name->generation);
}

static inline void io_block_fill(uint64_t *words, size_t bytes, const struct io_name *name)
{
    const uint64_t sum = io_checksum(name);
    words[0] = name->file;
    words[1] = name->block;
    words[2] = name->generation;
    words[3] = sum;
    for (size_t i = IO_NAME_WORDS; i < bytes / sizeof *words; i++)
        words[i] = sum + i * WORKLOAD_RANDOM_GOLDEN;
}

static inline bool io_block_is(const uint64_t *words, size_t bytes, const struct io_name *name)
{
    const uint64_t sum = io_checksum(name);
    uint64_t wrong = (words[0] ^ name->file) | (words[1] ^ name->block) | (words[2] ^ name->generation);
    wrong |= words[3] ^ sum;
    for (size_t i = IO_NAME_WORDS; i < bytes / sizeof *words; i++)
        wrong |= words[i] ^ (sum + i * WORKLOAD_RANDOM_GOLDEN);
    return wrong == 0;
}

// One sentence about a block that is not what `name` says.
static inline void io_block_explain(const uint64_t *words, size_t bytes, const struct io_name *name, char *text,
                                    size_t size)
{
    const struct io_name found = {name->seed, words[0], words[1], words[2]};
    const bool whole = io_block_is(words, bytes, &found);
    const int used =
        snprintf(text, size, "a read of block %llu of file %llu did not find generation %llu, but ",
                 (unsigned long long)name->block, (unsigned long long)name->file, (unsigned long long)name->generation);
    if (used < 0 || (size_t)used >= size)
        return;
    if (whole)
        snprintf(text + used, size - (size_t)used, "block %llu of file %llu in generation %llu",
                 (unsigned long long)found.block, (unsigned long long)found.file, (unsigned long long)found.generation);
    else
        snprintf(text + used, size - (size_t)used, "what no write has made");
}
