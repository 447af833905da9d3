// SPDX-License-Identifier: Apache-2.0
// The queue contract: what one algorithm must provide, and what it may rely on. The author of a queue reads
// this file and core/sync/, and nothing else. Plain C that is also valid C++17.
//
// A queue carries non-zero machine words ("items") that it never dereferences. All its memory comes from the
// environment it is given at init: a queue calls neither malloc nor the system. Only a library behind this contract
// (queues/libraries, queues/cxx) may, and says so by its trait own_memory.
#ifndef READYQ_QUEUE_H
#define READYQ_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/param.h"
#include "core/sync/garbage.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QUEUE_ABI_VERSION 3u

// What an operation returns. A failure is a negative errno (-ENOMEM is the only one), nothing having changed.
enum queue_result {
    QUEUE_OK = 0,
    QUEUE_EMPTY = 1, // dequeue: there was nothing
    QUEUE_FULL = 2,  // enqueue: there was no room; the item still belongs to the caller
    QUEUE_RETRY = 3, // an operation in flight elsewhere hides the answer; ask again
};

// How far reclamation has come. clean and inspect return one of these.
enum queue_clean_state {
    QUEUE_CLEAN = 0,         // empty (as far as asked) and nothing left to reclaim
    QUEUE_NEED_PROGRESS = 1, // nothing to do before thread progress reaches the value returned beside it
    QUEUE_DIRTY = 2,         // there is an item, or reclamation to do at once
};

enum queue_role { QUEUE_PRODUCER, QUEUE_CONSUMER };

// A managed thread takes part in thread progress (core/sync/progress.h), an unmanaged one does not.
enum queue_thread_kind { QUEUE_MANAGED, QUEUE_UNMANAGED };

enum queue_many { QUEUE_ONE, QUEUE_MANY };

enum queue_order {
    QUEUE_ORDER_FIFO,         // linearizable FIFO
    QUEUE_ORDER_PER_PRODUCER, // items of one producer stay in order, others may overtake
    QUEUE_ORDER_RELAXED,      // an item may overtake at most `relaxation` others; any number: unordered
};

enum queue_guarantee { QUEUE_WAIT_FREE, QUEUE_LOCK_FREE, QUEUE_BLOCKING };

// What a queue promises. Data, not prose: a run that asks for more is refused, conformance tests prove it,
// and figures do not rank unlike traits together.
struct queue_traits {
    enum queue_many producers;    // how many threads may enqueue at once
    enum queue_many consumers;    // how many threads may dequeue at once
    uint64_t capacity;            // items that fit, as granted and not as asked for; 0 = unbounded
    enum queue_order order;       //
    uint32_t relaxation;          // QUEUE_ORDER_RELAXED: the k, or UINT32_MAX for any number; otherwise 0
    enum queue_guarantee enqueue; // progress guarantee of enqueue
    enum queue_guarantee dequeue; // progress guarantee of dequeue
    bool empty_exact;             // EMPTY means: was empty at some instant of the call
    bool full_exact;              // FULL means: held `capacity` items at some instant of the call
    uintptr_t reserved_from;      // items from this value on can't be carried; 0 = all non-zero words can
    const char *reclamation;      // "none needed", "thread progress", "hazard pointers", ...
    bool needs_cas2;              // double-width compare-and-swap
    bool notifies;                // calls env->notify by itself; otherwise the pool does after enqueue
    bool embeds;                  // its node is free again when dequeue returns
    bool spins;                   // waits for another thread without ever giving the processor up: slow when crowded
    bool own_memory; // takes memory past the environment, as libraries do: not counted, can't be made to fail
    bool baseline;   // not a queue at all (null): refused in pools, ranked by no figure
};

// What a queue may rely on. Belongs to the caller and outlives the queue. Every function may be called from
// any thread. A queue keeps the pointer it is given at init.
struct queue_env {
    // Memory on NUMA node `node` (negative: anywhere), zeroed; NULL when there is none. `size` and `node` are
    // given back to free.
    void *(*alloc)(void *context, size_t size, size_t align, int node);
    void (*free)(void *context, void *memory, size_t size, int node);

    // One element of at least the `element_size` bytes that the queue declares, 16-byte aligned, content
    // undefined; NULL when there is none. Comes from the calling thread's cache and returns to the thread that
    // took it, whoever gives it back.
    void *(*element_take)(void *context);
    void (*element_give)(void *context, void *element);
    void *context; // of the four functions above

    // Tells the consumer that there may be something to do. NULL: no thread sleeps on this queue, do not call. Never
    // blocks and never re-enters the queue.
    void (*notify)(void *argument);
    void *notify_argument;

    struct progress *progress; // the domain in which managed threads are registered; NULL: there is none
    unsigned producers_max;    // handles attached as producer at any one time
    unsigned consumers_max;    // handles attached as consumer at any one time
    int node;                  // NUMA node of the consumer, negative when unknown
};

// What a queue counts, since init, over all threads. A value that a queue does not count is QUEUE_UNCOUNTED.
#define QUEUE_UNCOUNTED UINT64_MAX
struct queue_statistics {
    uint64_t retries;      // failed compare-and-swaps or lock waits
    uint64_t reclaimed;    // elements given back
    uint64_t memory_bytes; // held besides the queue itself
};

struct queue_loops;

// The functions of one algorithm. In all of them `queue` points to `size` bytes aligned to `align`, and
// `handle` to `handle_size` bytes aligned to `handle_align`; both are memory of the caller, which lives from
// init to fini and from attach to detach. A handle is used by one thread at a time. "Required" functions must
// be there; where an optional one is NULL the caller falls back as described and the record says 'emulated'.
struct queue_ops {
    uint32_t abi_version;       // QUEUE_ABI_VERSION; first in all versions
    const char *name;           // as in queues/list.def
    const char *summary;        // one line for `readyq list`
    const char *source;         // paper and section, or project, that the algorithm comes from
    struct queue_traits traits; // with every parameter at its default
    const struct param *params; // ends with PARAM_END; never NULL
    size_t config_size;         // of the struct that `params` fill; 0 without parameters
    size_t size, align;         // of the queue
    size_t handle_size;         // of a handle, may be 0
    size_t handle_align;        // of a handle
    size_t element_size;        // what env->element_take must return; 0: takes no elements

    // Optional. Adapts `traits`, which come filled with the defaults, to a parsed configuration: the capacity
    // granted, for one. Pure.
    void (*resolve)(const void *config, struct queue_traits *traits);

    // Required. Makes an empty queue. `config` is only valid during the call. 0 or a negative errno, in which
    // case nothing is held and fini is not called.
    int (*init)(void *queue, const struct queue_env *env, const void *config);

    // Required. Gives all memory back, elements still queued included. No handle is attached any more, and no
    // thread is in any call.
    void (*fini)(void *queue);

    // Required. Prepares `handle` (zeroed by the caller) for the calling thread. May run beside operations of
    // other threads. 0 or a negative errno.
    int (*attach)(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind);

    // Required. By the thread that attached, outside of any operation. The handle's memory is the caller's again.
    void (*detach)(void *queue, void *handle);

    // Required. Producer handles. QUEUE_OK: the queue has the item, and a dequeue that starts after this
    // returned can see it. A consumer that may sleep clears a flag (seq_cst), looks, and sleeps; a producer
    // enqueues, and leaves if it reads (seq_cst) that flag still set. So what publishes an item, and the look for
    // one in dequeue and inspect, must be seq_cst too, or under one lock: release and acquire lose wakes. The same
    // goes, in a bounded queue, for what frees a place, and the look for one in enqueue. Where env->notify is NULL
    // nobody sleeps, and release and acquire are enough (core/sync/sleep_fence.h); EMPTY and FULL may then be as old as
    // what a processor has stored and not yet shown. QUEUE_FULL, QUEUE_RETRY or -ENOMEM: the item was not taken.
    int (*enqueue)(void *queue, void *handle, uintptr_t item);

    // Required. Consumer handles. QUEUE_OK: *item is the caller's. QUEUE_EMPTY or QUEUE_RETRY: *item is untouched.
    int (*dequeue)(void *queue, void *handle, uintptr_t *item);

    // Optional, the three together; fallback: nothing is prepared and enqueue does all. prepare gets what a
    // later enqueue_prepared needs, so that this one allocates nothing; any thread may call it, with no handle;
    // it reserves no place in the queue. 0 and *element, or -ENOMEM.
    int (*prepare)(void *queue, void **element);
    // As enqueue, but never -ENOMEM. QUEUE_OK: the element belongs to the queue; otherwise still to the caller.
    int (*enqueue_prepared)(void *queue, void *handle, void *element, uintptr_t item);
    // Gives back an element that was prepared and not used. Any thread.
    void (*discard)(void *queue, void *element);

    // Optional; fallback: one item at a time. Returns how many were moved (0 to count); at fewer than `count`,
    // *result says why as enqueue or dequeue would. Order within a batch is kept.
    unsigned (*enqueue_batch)(void *queue, void *handle, const uintptr_t *items, unsigned count, int *result);
    unsigned (*dequeue_batch)(void *queue, void *handle, uintptr_t *items, unsigned count, int *result);

    // Optional, the two together; consumer only. clean does a bounded amount of reclamation. inspect only
    // looks, after the consumer reset its event and before it sleeps: with `ensure_empty` it answers
    // QUEUE_DIRTY unless a sleep is safe, that is unless every later enqueue will notify. At
    // QUEUE_NEED_PROGRESS, *progress is the value to wait for. Fallback: clean answers QUEUE_CLEAN, inspect is
    // a dequeue whose item is kept for the next one. A queue whose dequeue may answer QUEUE_RETRY counts as
    // dirty then.
    enum queue_clean_state (*clean)(void *queue, void *handle, uint64_t *progress);
    enum queue_clean_state (*inspect)(void *queue, void *handle, bool ensure_empty, uint64_t *progress);

    // Optional; consumer only. With `defer` on, elements that die are kept for take_garbage in place of being
    // given back at once; take_garbage appends them to *chain and says whether there were any. Off at init.
    // Fallback: the queue gives its elements back by itself and there is never any garbage.
    void (*defer_garbage)(void *queue, bool defer);
    bool (*take_garbage)(void *queue, void *handle, struct garbage_chain *chain);

    // Optional; any thread. Approximate number of items. Must not disturb the consumer.
    uint64_t (*length)(void *queue);

    // Optional; consumer, or anyone when no thread is inside. Fills what it counts; the caller has set all to
    // QUEUE_UNCOUNTED.
    void (*statistics)(void *queue, struct queue_statistics *statistics);

    // Optional. The timed loops with direct calls, made by core/queue_loops.h; NULL: only through this table.
    const struct queue_loops *loops;
};

// One line of queues/list.def, or a shared object (core/run/plugin.h). An alias has the ops of the queue it names,
// and presets for its parameters.
struct queue_entry {
    const char *name;            //
    const char *presets;         // "lock=ticket" for an alias, otherwise ""
    const char *alias_of;        // NULL unless an alias
    const char *package;         // Debian package of the library that it needs, "file" for a shared object, or NULL
    const char *version;         // of that package, as found when this was built; NULL without one
    const char *broken;          // NULL, or which promise it is known to break, and how to see it
    const struct queue_ops *ops; // NULL: not built, for want of `package`
};

// Every listed queue, in the order of queues/list.def; ends with an entry whose name is NULL. Defined beside
// that list, so that no file of core/ names a queue.
extern const struct queue_entry queue_list[];

#ifdef __cplusplus
}
#endif

#endif
