// SPDX-License-Identifier: Apache-2.0
// Memory for everything the harness measures: one allocator interface, so that a test can make it fail and a
// run can count it. Plain C that is also valid C++17.
#ifndef READYQ_MACHINE_MEMORY_H
#define READYQ_MACHINE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Both functions may be called from any thread.
struct allocator {
    // Zeroed memory on NUMA node `node` (negative: anywhere, from malloc); NULL when there is none. `align` is a
    // power of two, at most a page where a node is asked for; 0: as malloc aligns.
    void *(*alloc)(struct allocator *self, size_t size, size_t align, int node);
    // `size` and `node` as given to alloc.
    void (*free)(struct allocator *self, void *memory, size_t size, int node);
};

// The process's allocator: malloc as linked or preloaded; whole pages, bound, where a node is asked for (on
// machines with more than one node that permit it). Counts what it does.
extern struct allocator memory_system;

struct memory_counters {
    uint64_t allocations; // calls that returned memory
    uint64_t frees;       //
    uint64_t failures;    // calls that returned NULL
};

// What memory_system did so far: of all threads that called memory_flush_counters, and of the calling one.
struct memory_counters memory_counters(void);

// Adds the calling thread's counts to the process's. Called at the end of every thread.
void memory_flush_counters(void);

// "jemalloc 5.3.0-0-g...", "libc 2.36", ...: whichever answers malloc in this process.
const char *memory_allocator_name(void);

// What becomes of a node asked for: "one node" (nothing to choose), "bound", or "not permitted" (the system
// refuses to bind memory, as many containers do: it comes from malloc then, near whoever touches it first).
const char *memory_binding(void);

#ifdef __cplusplus
}
#endif

#endif
