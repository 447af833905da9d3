// SPDX-License-Identifier: Apache-2.0
// The bytes of a history file: a header; for each thread a block that names it, and then its events in blocks; a last
// block with the totals. No struct has padding, so that the checksums cover every byte.
#ifndef READYQ_HISTORY_FILE_FORMAT_H
#define READYQ_HISTORY_FILE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "core/history/history.h"

#define HISTORY_FILE_MAGIC "readyq h"

enum history_file_flags {
    HISTORY_FILE_EMPTY_EXACT = 1,
    HISTORY_FILE_FULL_EXACT = 2,
    HISTORY_FILE_KEYS = 4,
    HISTORY_FILE_COMPLETES_ON_SUBMITTER = 8,
    HISTORY_FILE_DRAINED = 16,
    HISTORY_FILE_FLAGS = 31, // all of them
};

struct history_file_header {
    char magic[8];    // HISTORY_FILE_MAGIC, without a terminating zero
    uint32_t version; // in the writer's byte order, which it tells
    uint32_t subject;
    char name[HISTORY_NAME_MOST];
    uint64_t capacity;
    double ns_per_tick;
    uint64_t origin_ticks;
    uint64_t skew_ticks;
    uint64_t sampled;
    uint64_t cut_ticks;
    uint32_t order;
    uint32_t relaxation;
    uint32_t flags;
    uint32_t schedulers;
    uint32_t workers;
    uint32_t unrun;
    uint32_t thread_count;
    uint32_t crc; // of all before it
};

enum history_file_tag {
    HISTORY_FILE_THREAD = 0x64726874, // "thrd": a thread; `count` events of it follow, in blocks
    HISTORY_FILE_EVENTS = 0x73747665, // "evts": followed by `count` events
    HISTORY_FILE_END = 0x21646e65,    // "end!": `count` events of `thread` threads came before
};

struct history_file_block {
    uint32_t tag;
    uint32_t thread;
    uint64_t count;
    char name[16]; // of a thread; otherwise zero, as is `rank`
    uint32_t rank;
    uint32_t crc; // of all before it, and of the events that follow
};

_Static_assert(sizeof(struct history_file_header) == 160, "no padding");
_Static_assert(sizeof(struct history_file_block) == 40, "no padding");
_Static_assert(sizeof(struct history_event) == 24, "no padding");

#endif
