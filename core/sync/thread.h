// SPDX-License-Identifier: Apache-2.0
// Threads, and how they spin.
#ifndef READYQ_SYNC_THREAD_H
#define READYQ_SYNC_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/machine/topology.h"
#include "core/sync/atomic.h"

// Memory belongs to the caller and lives until thread_join returns.
struct thread {
    pthread_t handle;
    void (*body)(void *argument);
    void *argument;
    const struct topology *topology; // only with a `cpu` to be pinned to
    int cpu;                         // operating system's number; negative: not pinned
    _Atomic int pin_result;          // 0, or the negative errno of pinning
    char name[16];                   // as the operating system shows it
    bool started;
};

struct thread_options {
    const char *name;                // at most 15 characters; NULL: inherited
    size_t stack_bytes;              // 0: the system's default; otherwise rounded up to what the system allows
    const struct topology *topology; // needed when cpu >= 0
    int cpu;                         // negative: not pinned
};

// Starts body(argument), pinned before its first instruction. 0, or a negative errno (-EAGAIN: the machine
// allows no more threads).
int thread_start(struct thread *thread, const struct thread_options *options, void (*body)(void *), void *argument);

// Waits for its end; everything it did is visible afterwards. Does nothing on a thread that never started.
// Returns the result of pinning it.
int thread_join(struct thread *thread);

// Sends it a signal. It was started, and is joined neither before nor meanwhile; one that has ended takes no notice.
void thread_signal(const struct thread *thread, int signal);

void thread_yield(void);

// Who spins for longer than this yields between two looks: another thread may have work for the processor.
#define THREAD_SPIN_ALONE_NS 2000.0

// One round of waiting for another thread: a few pauses, then the processor is given up, since with more
// threads than cores the one waited for may have none. Use through SPIN_UNTIL only.
void thread_spin_round(unsigned round);

// Waits until `condition`, which reads with the ordering that its caller needs, holds.
#define SPIN_UNTIL(condition)                                   \
    for (unsigned spin_round_ = 0; !(condition); spin_round_++) \
    thread_spin_round(spin_round_)

#endif
