// SPDX-License-Identifier: Apache-2.0
// Stops a thread at random moments, in the middle of whatever it does, as a scheduler does that gives its processor to
// another: a timer's signal, whose handler sleeps. Included by core/workload.h.
//
// Between the end of one stop and the next lies an exponentially distributed time, so that no rhythm of the load can
// meet with them, or miss them. In a plain build the thread stops at any instruction at which an interrupt may come;
// ThreadSanitizer holds the signal back until the next atomic access or call into a library.
#ifndef READYQ_WORKLOAD_STOP_H
#define READYQ_WORKLOAD_STOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "core/workload_random.h"

// One thread's. Its memory outlives the thread.
struct workload_stop {
    // Filled in by its user:
    uint64_t every_ns;             // the mean time from the end of one stop to the next
    uint64_t stop_ns;              // how long a stop lasts, at least
    void (*before)(void *context); // in the handler, so only what one may do there; around the sleep
    void (*after)(void *context);  //
    void *context;
    // Its own:
    struct workload_random random;
    timer_t timer;
    volatile sig_atomic_t running;
};

// By setup and teardown: takes over the signal SIGURG, and gives it back. 0 or a negative errno.
int workload_stop_open(struct sigaction *before);
void workload_stop_close(const struct sigaction *before);

// By the thread: it is stopped from now on, until it says that it is over. 0, or a negative errno: it is not.
int workload_stop_begin(struct workload_stop *stop, uint64_t seed, unsigned thread);
void workload_stop_end(struct workload_stop *stop);

#endif
