// SPDX-License-Identifier: Apache-2.0
// Locks behind one small table, so that a lock is a parameter of a queue or of a pool.
#ifndef READYQ_SYNC_LOCK_H
#define READYQ_SYNC_LOCK_H

#include <pthread.h>
#include <stdint.h>

#include "core/sync/atomic.h"
#include "core/sync/lock_rank.h"

// A thread's place in the line of a queueing lock. On the stack of, or owned by, the thread that acquires;
// in use from acquire until release returns.
struct lock_node {
    _Atomic(struct lock_node *) next;
    _Atomic uint32_t waiting;
};

struct lock_ops;

struct lock {
    const struct lock_ops *ops;
    enum lock_rank rank; // with its number: its place in the order of nesting; read in debug builds only
    unsigned number;
    union {
        pthread_mutex_t mutex;
        struct {
            _Atomic uint32_t next;
            _Atomic uint32_t serving;
        } ticket;
        struct {
            _Atomic(struct lock_node *) tail;
        } mcs;
        struct {
            _Atomic uint32_t state;
        } futex;
        struct {
            _Atomic(struct lock_node *) tail;
        } clh;
        struct {
            _Atomic uint32_t held;
        } ttas;
    } u;
} ALIGNED_LINE;

// acquire and release come in pairs by one thread, with the same node, and do not nest on one lock. What was
// written before a release is visible after the next acquire.
struct lock_ops {
    const char *name;
    void (*init)(struct lock *lock);
    void (*fini)(struct lock *lock); // nobody holds it or waits for it
    void (*acquire)(struct lock *lock, struct lock_node *node);
    void (*release)(struct lock *lock, struct lock_node *node);
};

// `none` excludes nobody: for where a lock is an option and not needed for safety.
enum lock_kind { LOCK_NONE, LOCK_MUTEX, LOCK_TICKET, LOCK_MCS, LOCK_FUTEX, LOCK_CLH, LOCK_TTAS, LOCK_KINDS };

// Names in the order of enum lock_kind, NULL-terminated; fit for PARAM_CHOICE.
extern const char *const lock_names[];

// Of rank LOCK_RANK_QUEUE, number 0.
void lock_init(struct lock *lock, enum lock_kind kind);
void lock_init_ranked(struct lock *lock, enum lock_kind kind, enum lock_rank rank, unsigned number);

static inline void lock_fini(struct lock *lock)
{
    lock->ops->fini(lock);
}

static inline void lock_acquire(struct lock *lock, struct lock_node *node)
{
#ifdef READYQ_DEBUG
    lock_rank_acquire(lock);
#endif
    lock->ops->acquire(lock, node);
}

static inline void lock_release(struct lock *lock, struct lock_node *node)
{
#ifdef READYQ_DEBUG
    lock_rank_release(lock);
#endif
    lock->ops->release(lock, node);
}

#endif
