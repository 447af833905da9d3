// SPDX-License-Identifier: Apache-2.0
// What the process used of the machine, from the operating system.
#ifndef READYQ_MEASURE_USAGE_H
#define READYQ_MEASURE_USAGE_H

#include <stdint.h>

struct usage {
    uint64_t cpu_user_ns;
    uint64_t cpu_system_ns;
    uint64_t voluntary_switches;
    uint64_t involuntary_switches;
    uint64_t peak_rss_bytes;
    uint64_t steal_ns; // whole machine; UINT64_MAX: unknown
};

// What one thread used.
struct thread_usage {
    uint64_t cpu_ns;
    uint64_t voluntary_switches, involuntary_switches;
};

// Since the process started (peak_rss: its greatest so far).
void usage_read(struct usage *usage);

// What was used between two readings; peak_rss_bytes is that of `end`.
struct usage usage_between(const struct usage *start, const struct usage *end);

// Since the calling thread started.
void usage_read_thread(struct thread_usage *usage);

#endif
