// SPDX-License-Identifier: Apache-2.0
// For queues that publish an item with no more than release, as most libraries and all cheap rings do: what the queue
// contract asks of them beside where a consumer may sleep.
//
// A consumer that sleeps clears its flag, looks into the queue, and sleeps; a producer enqueues, and leaves when it
// reads that flag still set. Each does a store and then a load, and one of them has to see the other's (Dekker). A
// release store and an acquire load may pass each other, so a full fence stands between, on both sides. It costs as
// much as an atomic read-modify-write; where nobody sleeps, as in a benchmark of the queue alone, nothing needs it.
#ifndef READYQ_SYNC_SLEEP_FENCE_H
#define READYQ_SYNC_SLEEP_FENCE_H

#include <stddef.h>

#include "core/sync/counts.h"

// Call at the end of an enqueue that succeeded and before the look for an item in dequeue; in a bounded queue likewise
// at the end of a dequeue and before the look for a place. `env` is the environment that the queue was given at init.
#define SLEEP_FENCE(env)                                                      \
    do {                                                                      \
        if ((env)->notify != NULL)                                            \
            COUNTED(FENCE, SEQ_CST, __atomic_thread_fence(__ATOMIC_SEQ_CST)); \
    } while (0)

#endif
