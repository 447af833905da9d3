// SPDX-License-Identifier: Apache-2.0
// Counts without sharing: each thread counts on a cache line of its own, and who wants to know adds them up. So a
// queue can tell its length while its consumer neither waits nor has to keep elements for somebody who walks it.
#ifndef READYQ_SYNC_TALLY_H
#define READYQ_SYNC_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "core/sync/atomic.h"
#include "core/sync/lock.h"

#define TALLY_COUNTS 3u

// One thread's counts. Belongs to it from tally_attach to tally_detach.
struct tally_handle {
    struct tally_handle *next;
    _Atomic uint64_t counts[TALLY_COUNTS];
} ALIGNED_LINE;

struct tally {
    struct lock lock;             // taken by those who attach, detach and ask; not by those who count
    struct tally_handle *handles; // attached ones
    uint64_t gone[TALLY_COUNTS];  // of those that were detached
};

static inline void tally_init(struct tally *tally)
{
    lock_init_ranked(&tally->lock, LOCK_MUTEX, LOCK_RANK_LEAF, 0);
    tally->handles = NULL;
    for (unsigned i = 0; i < TALLY_COUNTS; i++)
        tally->gone[i] = 0;
}

// Nobody is attached.
static inline void tally_fini(struct tally *tally)
{
    lock_fini(&tally->lock);
}

static inline void tally_attach(struct tally *tally, struct tally_handle *handle)
{
    struct lock_node node;
    for (unsigned i = 0; i < TALLY_COUNTS; i++)
        at_init(&handle->counts[i], 0);
    lock_acquire(&tally->lock, &node);
    handle->next = tally->handles;
    tally->handles = handle;
    lock_release(&tally->lock, &node);
}

static inline void tally_detach(struct tally *tally, struct tally_handle *handle)
{
    struct lock_node node;
    lock_acquire(&tally->lock, &node);
    struct tally_handle **at = &tally->handles;
    while (*at != handle)
        at = &(*at)->next;
    *at = handle->next;
    for (unsigned i = 0; i < TALLY_COUNTS; i++)
        tally->gone[i] += at_load_rlx(&handle->counts[i]);
    lock_release(&tally->lock, &node);
}

// The handle's thread. Nobody else writes, so that it costs no read-modify-write.
static inline void tally_count(struct tally_handle *handle, unsigned which)
{
    at_store_rlx(&handle->counts[which], at_load_rlx(&handle->counts[which]) + 1);
}

// Over all handles that there ever were; exact when nobody is counting. Any thread.
static inline uint64_t tally_sum(struct tally *tally, unsigned which)
{
    struct lock_node node;
    lock_acquire(&tally->lock, &node);
    uint64_t sum = tally->gone[which];
    for (struct tally_handle *handle = tally->handles; handle; handle = handle->next)
        sum += at_load_rlx(&handle->counts[which]);
    lock_release(&tally->lock, &node);
    return sum;
}

#endif
