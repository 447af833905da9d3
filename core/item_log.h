// SPDX-License-Identifier: Apache-2.0
// What the consumers of a queue workload received, kept by identity: which item of which producer, by whom.
// From it a run decides whether each item was delivered exactly once and in order; sums could not tell a
// lost item beside a duplicated one.
//
// One log belongs to one consumer thread. Items that come in sequence cost one compare and one add; only a
// jump in the sequence goes out of line, where the finished run of items is marked in a bitmap.
#ifndef READYQ_ITEM_LOG_H
#define READYQ_ITEM_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// A sequence number from here on is taken for an invention: no run enqueues so many, and the bitmap stays small.
#define ITEM_LOG_SEQUENCES ((uint64_t)1 << 40)

struct item_stream {
    uint64_t run_first;  // first item of the run being received
    uint64_t next;       // item that would continue the run
    uint64_t finished;   // items in finished runs, duplicates included
    uint64_t prefix;     // finished runs hold all of 0 .. prefix - 1
    uint64_t end;        // highest item of finished runs, plus one
    uint64_t **chunks;   // bitmap of finished runs beyond the prefix, allocated as it grows
    size_t chunk_count;  //
    uint64_t duplicates; // items received before by this same consumer
    uint64_t reordered;  // items received after a later one of the same producer
};

struct item_log {
    unsigned producers;          // number of streams; 0 for a baseline queue: everything counts as foreign
    struct item_stream *streams; // one a producer
    uint64_t foreign;            // items that name no producer of this run, or no possible place in its sequence
    int error;                   // -ENOMEM once memory for the bitmap ran out: the log is incomplete
};

// What all consumers together make of it. All zero but `received`: delivered exactly once, in order. Every
// delivery is one of received, duplicated and invented; every item enqueued is received or lost.
struct item_verdict {
    uint64_t received;   // distinct items, of those enqueued, that were delivered
    uint64_t lost;       // enqueued and never delivered
    uint64_t duplicated; // deliveries of an item beyond its first
    uint64_t reordered;  // deliveries to one consumer after a later item of the same producer
    uint64_t invented;   // delivered and never enqueued: distinct items, and all that name no producer
};

// 0 or -ENOMEM. Any thread, before use.
int item_log_init(struct item_log *log, unsigned producers);
void item_log_fini(struct item_log *log);

// Out of line part of item_log_add.
void item_log_jump(struct item_log *log, uintptr_t producer, uint64_t sequence);

// Notes one item received. The log's own consumer only.
static inline void item_log_add(struct item_log *log, uintptr_t item)
{
    const uintptr_t producer = (item >> 48) - 1;
    const uint64_t sequence = item & (((uintptr_t)1 << 47) - 1);
    if (__builtin_expect(producer < log->producers && log->streams[producer].next == sequence, 1))
        log->streams[producer].next++;
    else
        item_log_jump(log, producer, sequence);
}

// Items of `producer` received so far by this log, duplicates included. The log's own consumer only.
uint64_t item_log_received(const struct item_log *log, unsigned producer);

// Judges what `logs` received against what was enqueued: `enqueued[p]` items, 0 .. enqueued[p] - 1, by each
// producer p. No thread is adding any more. 0, -ENOMEM when a log is incomplete for want of memory, or -ERANGE
// when a producer enqueued more than ITEM_LOG_SEQUENCES.
int item_log_judge(struct item_log *const *logs, size_t count, const uint64_t *enqueued, unsigned producers,
                   struct item_verdict *verdict);

#ifdef __cplusplus
}
#endif

#endif
