// SPDX-License-Identifier: Apache-2.0
// The order in which locks may be nested, and its watcher. A deadlock needs two threads that meet at the wrong moment;
// a wrong order shows in each of them alone, at once. Called by lock.h in builds with READYQ_DEBUG (the presets
// debug, asan and tsan), by nobody in others.
#ifndef READYQ_SYNC_LOCK_RANK_H
#define READYQ_SYNC_LOCK_RANK_H

struct lock;

// A thread that holds a lock may acquire only those of higher rank, or of the same rank with a higher number.
enum lock_rank {
    LOCK_RANK_PORT = 1,   // a port's lock
    LOCK_RANK_PORT_DATA,  // the drivers' own, shared between a port and its jobs
    LOCK_RANK_PORT_TABLE, //
    LOCK_RANK_READY,      // of workers in front of a ready queue, numbered by scheduler
    LOCK_RANK_PROGRESS,   // registration
    LOCK_RANK_CALLING,    // while a wake-up is called, numbered by registration
    LOCK_RANK_ELEMENTS,   // caches of elements
    LOCK_RANK_QUEUE,      // inside a queue; what lock_init gives
    LOCK_RANK_LEAF,       // under which nothing is acquired
};

// The calling thread is about to acquire, or to release. An acquisition out of order, one of a lock that the thread
// holds already, and the release of one that it does not hold end in one sentence on stderr and abort().
void lock_rank_acquire(const struct lock *lock);
void lock_rank_release(const struct lock *lock);

// How many locks the calling thread holds, of any rank, as far as they were acquired in builds with READYQ_DEBUG.
unsigned lock_rank_held(void);

#endif
