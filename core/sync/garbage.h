// SPDX-License-Identifier: Apache-2.0
// Garbage: queue elements that were consumed and that nobody can reach any more, not yet freed.
//
// A queue hands its garbage over as a chain, so that a thread other than the consumer may free it later, in
// bounded steps. In the originals an async worker never frees: the chain travels inside the finished job to
// the scheduler that submitted it, which gives the elements back to its own allocator.
//
// A chain is plain memory: it belongs to one thread at a time and is handed on with whatever hands on the
// job that carries it.
#ifndef READYQ_SYNC_GARBAGE_H
#define READYQ_SYNC_GARBAGE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// Who takes a dead element back. Lives at least as long as any chain that names it.
struct garbage_sink {
    void (*give)(struct garbage_sink *sink, void *element);
};

// What a dead element is reused as; it must fit into, and be aligned as, the queue's element.
struct garbage_node {
    struct garbage_node *next;
    struct garbage_sink *sink;
};

// Elements in the order in which they died. `{NULL, NULL}` is the empty chain.
struct garbage_chain {
    struct garbage_node *first;
    struct garbage_node *last;
};

// The most elements that one call of garbage_free frees in the originals (their finalise step).
#define GARBAGE_STEP 50u

// Puts one dead element at the end. The element must not be reachable by any other thread.
void garbage_add(struct garbage_chain *chain, void *element, struct garbage_sink *sink);

// Moves all of `from` to the end of `to`; `from` becomes empty.
void garbage_append(struct garbage_chain *to, struct garbage_chain *from);

// Frees at most `most` elements, oldest first, each through its own sink. True: there are more.
bool garbage_free(struct garbage_chain *chain, unsigned most);

// Number of elements in the chain, by walking it. For tests and statistics.
size_t garbage_length(const struct garbage_chain *chain);

#ifdef __cplusplus
}
#endif

#endif
