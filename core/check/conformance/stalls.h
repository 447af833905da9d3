// SPDX-License-Identifier: Apache-2.0
// Stops threads in the middle of what they do: a signal, whose handler sleeps. In a plain build a thread stops at any
// instruction; ThreadSanitizer holds a signal back until the thread's next atomic access or call into a library, which
// is where others can tell.
//
// A signal of another thread comes mostly where a processor waits anyway, as in a locked instruction, and hardly ever
// between two loads. So a thread can also walk by single steps, for a number of instructions drawn at random, and stop
// there: each is as likely as the next. That takes an x86-64 and a plain build; elsewhere there is no walk.
#ifndef READYQ_CHECK_CONFORMANCE_STALLS_H
#define READYQ_CHECK_CONFORMANCE_STALLS_H

#include <stdint.h>

#include "core/sync/thread.h"

#define STALL_MOST_NS 200000u

// Takes over a signal, and gives it back. No thread is to be stalled outside. 0 or a negative errno.
int stalls_begin(void);
void stalls_end(void);

// Stops a thread, which has been started and not joined, for a random time. One thread at a time calls it.
void stalls_stop(const struct thread *thread, uint64_t *random);

// Has the calling thread stop, for a random time, within the instructions that follow this call: those of one
// operation.
void stalls_walk(uint64_t *random);

// How often threads have been stopped since stalls_begin, as they tell themselves.
uint64_t stalls_count(void);

#endif
