// SPDX-License-Identifier: Apache-2.0
// Caches of queue elements: a thread takes from its own, and whoever frees an element returns it to the
// cache it came from. The original preallocates 1000 elements a scheduler in this manner, so that a
// scheduler's elements come home instead of piling up on whoever consumes.
#ifndef READYQ_SYNC_ELEMENTS_H
#define READYQ_SYNC_ELEMENTS_H

#include <stddef.h>
#include <stdint.h>

struct allocator;
struct elements;

// The number that the original preallocates for each scheduler.
#define ELEMENTS_PER_THREAD 1000u

// Makes a domain of elements of `element_size` bytes, 16-byte aligned, with room for `threads_max` caches at
// any one time. 0 or -ENOMEM. `allocator` outlives it.
int elements_create(struct elements **elements, struct allocator *allocator, size_t element_size, unsigned threads_max);

// Frees it all. Every thread has detached. Returns the number of elements that were never given back, which
// were freed all the same if they came from a cache.
uint64_t elements_destroy(struct elements *elements);

// Gives the calling thread a cache of `count` elements on `node` (negative: anywhere), which grows by as many whenever
// it is empty; it never shrinks, and so keeps what the most ever outstanding needed. A thread has one cache at
// a time, of any domain. Elements of a thread that detached may still come back. 0, -ENOMEM, -EBUSY (it has one), or
// -EAGAIN when `threads_max` threads have one.
int elements_attach(struct elements *elements, unsigned count, int node);
void elements_detach(struct elements *elements);

// An element: from the calling thread's cache, or from the allocator if it has none; NULL when there is no memory.
// Any thread.
void *elements_take(struct elements *elements);

// Returns an element to the cache that it came from, or to the allocator. Any thread, cache or not.
void elements_give(struct elements *elements, void *element);

// Elements taken and not given back. Any thread at any time; exact when no thread is in any call.
uint64_t elements_outstanding(struct elements *elements);

#endif
