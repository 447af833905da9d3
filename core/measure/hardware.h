// SPDX-License-Identifier: Apache-2.0
// What the processor and the kernel count of this process (perf_event_open): cycles, instructions, accesses to the
// cache and misses, branches; migrations, context switches and page faults. Opened by the controller before it starts
// any thread of the run, so that all of them inherit, and read by it at the edges of the window: the kernel sums the
// threads.
//
// What machine or system do not give is absent, and said. Three things can be in the way. Not permitted: the kernel's
// perf_event_paranoid, or a filter, forbids it; where it permits counting in user mode, that is counted, and `scope`
// says so (migrations and switches happen in the kernel, so that they are absent then). Not supported: the machine
// shows no such counter, as most virtual ones. Over-committed: there is more to count than the processor has
// counters, so that the kernel counts in turn; the counts are then scaled by the share of time, which is reported,
// and one that was counted for less than HARDWARE_LEAST_SHARE of it is absent.
#ifndef READYQ_MEASURE_HARDWARE_H
#define READYQ_MEASURE_HARDWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct perf_event_attr;

enum hardware_counter {
    HARDWARE_CYCLES,
    HARDWARE_INSTRUCTIONS,
    HARDWARE_CACHE_REFERENCES,
    HARDWARE_CACHE_MISSES,
    HARDWARE_BRANCH_MISSES,
    HARDWARE_MIGRATIONS, // from here on counted by the kernel
    HARDWARE_SWITCHES,
    HARDWARE_FAULTS,
    HARDWARE_COUNTERS
};

// Scaling by less than this would be guessing: a run has phases, which a quarter of the time need not have met.
#define HARDWARE_LEAST_SHARE 0.25

enum hardware_state {
    HARDWARE_COUNTED,
    HARDWARE_NOT_ASKED,     // for counters that were never opened
    HARDWARE_NOT_PERMITTED, //
    HARDWARE_NOT_SUPPORTED,
    HARDWARE_OVERCOMMITTED,
    HARDWARE_SPARED,
};

struct hardware {
    int files[HARDWARE_COUNTERS]; // negative: absent
    enum hardware_state states[HARDWARE_COUNTERS];
    bool user_only;
};

// One counter at one moment, as the kernel tells it.
struct hardware_value {
    uint64_t count, enabled_ns, running_ns;
};

struct hardware_reading {
    struct hardware_value values[HARDWARE_COUNTERS];
};

// What was counted between two readings. UINT64_MAX: absent.
struct hardware_counts {
    uint64_t counts[HARDWARE_COUNTERS];
    double counted_share; // least of those of the processor's counters; not a number where none is
};

// As perf_event_open of the calling thread on any CPU: a descriptor, or -1 and errno. Tests bring their own.
typedef int hardware_open_function(struct perf_event_attr *attributes);

// Opens what can be opened; never fails. `open` NULL: the system's.
void hardware_open(struct hardware *hardware, hardware_open_function *open);
// Closes the kernel's counters where none of the processor's is there: each context switch pays for what is open, and
// what they count stands in other columns too.
void hardware_spare(struct hardware *hardware);
void hardware_read(const struct hardware *hardware, struct hardware_reading *reading);
// Also tells in `hardware` what was over-committed.
struct hardware_counts hardware_between(struct hardware *hardware, const struct hardware_reading *opened,
                                        const struct hardware_reading *closing);
void hardware_close(struct hardware *hardware);

// None is asked for.
void hardware_none(struct hardware *hardware);

// Which counters are absent and why, and what would help: one sentence a reason, joined by "; ". Empty: none is.
void hardware_tell_absent(const struct hardware *hardware, char *text, size_t size);

// "user+kernel" or "user"; NULL: nothing is counted.
const char *hardware_scope(const struct hardware *hardware);

#endif
