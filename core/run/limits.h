// SPDX-License-Identifier: Apache-2.0
// How many threads, and how much memory, this process may have, as far as the system tells beforehand.
#ifndef READYQ_RUN_LIMITS_H
#define READYQ_RUN_LIMITS_H

#include <stdint.h>

// No run has more threads than this, whatever the machine allows: the 1024 workers of a full pool, and some beside.
#define THREADS_MAX 1152u

struct thread_limit {
    uint64_t threads; // that may be started still
    const char *name; // what sets it, for the sentence
};

// The tightest of what applies: our own limit, the user's (RLIMIT_NPROC), the system's (threads-max), and the control
// group's (pids.max less what is in it). `root` stands before every path of the system's files; "" but in tests.
struct thread_limit limits_threads(const char *root);

struct memory_limit {
    uint64_t bytes;   // that the process may have, whoever else needs some
    const char *name; // what sets it, for the sentence
};

// The machine's memory (MemTotal), or the control group's (memory.max) where that is less. `root` as above.
struct memory_limit limits_memory(const char *root);

#endif
