// SPDX-License-Identifier: Apache-2.0
// The timed loops of the queue workloads, instantiated over one algorithm with direct calls.
//
// Include this last in a queue's file, after defining
//     QUEUE_LOOPS_NAME      the struct queue_loops to define, e.g. list_loops
//     QUEUE_LOOPS_ENQUEUE   the enqueue function, e.g. list_enqueue
//     QUEUE_LOOPS_DEQUEUE   the dequeue function, e.g. list_dequeue
// core/queue_client.c instantiates the same text over calls through the vtable; the difference between the two
// is the dispatch tax. So the loops do the same work for all, and everyone in a comparison pays the same way.
//
// Nothing in here reads a clock. Items: see struct item_log.
#ifndef READYQ_QUEUE_LOOPS_H
#define READYQ_QUEUE_LOOPS_H

#include "core/inject.h"
#include "core/queue.h"

// An item names its producer and its place in that producer's sequence, so that a run can be checked by
// identity: bits 63..48 producer number + 1, bit 47 set when the item is a latency sample, bits 46..0 sequence.
#define ITEM_PRODUCER_SHIFT 48
#define ITEM_SAMPLED ((uintptr_t)1 << 47)
#define ITEM_SEQUENCE_MASK (ITEM_SAMPLED - 1)

static inline uintptr_t item_make(unsigned producer, uint64_t sequence)
{
    return ((uintptr_t)(producer + 1) << ITEM_PRODUCER_SHIFT) | (uintptr_t)sequence;
}

// The part of the identity check that is cheap enough for the timed loop: what one consumer received from one
// producer, as long as it came gap-free and in order (first .. next - 1). Anything else goes to `odd`.
struct item_log;

// Called for every item received; inline for the common case. Defined in core/item_log.h.
#include "core/item_log.h"
#include "core/item_memory.h"

// One side's loop state. Lives on the stack of, and is used by, one thread.
struct queue_loop {
    const struct queue_ops *ops;      // used by the vtable instance only
    void *queue;                      //
    void *handle;                     // of this side: producer for produce and pairs, consumer for consume
    void *dequeue_handle;             // of pairs: the same thread's handle as consumer
    unsigned producer;                // this thread's producer number
    uint64_t sequence;                // next sequence number to enqueue
    uint64_t failed;                  // FULL, EMPTY and RETRY answers so far
    struct item_log *log;             // of this consumer; counts what was received
    const struct item_memory *memory; // that items stand for, by producer; NULL: items are plain values
    uint64_t read;                    // of that memory, summed up
    uintptr_t sampled;                // consume stops after an item with ITEM_SAMPLED and leaves it here; otherwise 0
    bool watch;                       // look at whose the items are that come out, one after the other
    unsigned quanta;                  // of workload_items_watch
    uintptr_t last;                   // producer number + 1 of the item before, while watching; 0: there is none
    uint64_t observed;                // items that came after another one while watching, and
    uint64_t handovers;               // how many of them were of another producer than that one
};

// Sees whose item came out.
static inline void queue_loop_look(struct queue_loop *loop, uintptr_t item)
{
    const uintptr_t producer = item >> ITEM_PRODUCER_SHIFT;
    loop->observed += loop->last != 0;
    loop->handovers += loop->last != 0 && loop->last != producer;
    loop->last = producer;
}

struct queue_loops {
    // Enqueues up to `most` items; stops early when one is not taken. Returns the number taken and leaves the
    // last result in *result.
    unsigned (*produce)(struct queue_loop *loop, unsigned most, int *result);
    // Dequeues up to `most` items into the log; stops early when none came, or after a sampled one.
    unsigned (*consume)(struct queue_loop *loop, unsigned most, int *result);
    // `most` times an enqueue and then a dequeue by one thread; stops early when either fails. Returns the pairs
    // completed. An enqueue whose dequeue failed leaves loop->sequence advanced.
    unsigned (*pairs)(struct queue_loop *loop, unsigned most, int *result);
};

#endif

#ifdef QUEUE_LOOPS_NAME

#define QUEUE_LOOPS_PASTE_(a, b) a##b
#define QUEUE_LOOPS_PASTE(a, b) QUEUE_LOOPS_PASTE_(a, b)
#define QUEUE_LOOPS_FUNCTION(part) QUEUE_LOOPS_PASTE(QUEUE_LOOPS_NAME, part)

static unsigned QUEUE_LOOPS_FUNCTION(_produce)(struct queue_loop *loop, unsigned most, int *result)
{
    const struct item_memory *const memory = loop->memory;
    unsigned done = 0;
    *result = QUEUE_OK;
    for (; done < most; done++) {
        if (memory)
            item_memory_write(&memory[loop->producer], loop->sequence & ITEM_SEQUENCE_MASK);
        *result = QUEUE_LOOPS_ENQUEUE(loop->queue, loop->handle, item_make(loop->producer, loop->sequence));
        if (*result != QUEUE_OK) {
            loop->failed++;
            break;
        }
        inject_enqueued(1);
        loop->sequence++;
    }
    return done;
}

// Loops that watch are copies of their own, so that the others pay nothing for it.
#define QUEUE_LOOPS_INLINE static inline __attribute__((always_inline))

QUEUE_LOOPS_INLINE unsigned QUEUE_LOOPS_FUNCTION(_consume_by)(struct queue_loop *loop, unsigned most, int *result,
                                                              const bool watch)
{
    const struct item_memory *const memory = loop->memory;
    unsigned done = 0;
    *result = QUEUE_OK;
    loop->sampled = 0;
    while (done < most) {
        uintptr_t item;
        *result = QUEUE_LOOPS_DEQUEUE(loop->queue, loop->handle, &item);
        if (*result != QUEUE_OK) {
            loop->failed++;
            break;
        }
        done++;
        inject_dequeued(1);
        item_log_add(loop->log, item);
        if (watch)
            queue_loop_look(loop, item);
        const uintptr_t producer = (item >> ITEM_PRODUCER_SHIFT) - 1;
        if (memory && producer < loop->log->producers)
            loop->read += item_memory_read(&memory[producer], item & ITEM_SEQUENCE_MASK);
        if (__builtin_expect(item & ITEM_SAMPLED, 0)) {
            loop->sampled = item;
            break;
        }
    }
    return done;
}

static unsigned QUEUE_LOOPS_FUNCTION(_consume)(struct queue_loop *loop, unsigned most, int *result)
{
    return loop->watch ? QUEUE_LOOPS_FUNCTION(_consume_by)(loop, most, result, true)
                       : QUEUE_LOOPS_FUNCTION(_consume_by)(loop, most, result, false);
}

QUEUE_LOOPS_INLINE unsigned QUEUE_LOOPS_FUNCTION(_pairs_by)(struct queue_loop *loop, unsigned most, int *result,
                                                            const bool watch)
{
    unsigned done = 0;
    *result = QUEUE_OK;
    for (; done < most; done++) {
        uintptr_t item;
        *result = QUEUE_LOOPS_ENQUEUE(loop->queue, loop->handle, item_make(loop->producer, loop->sequence));
        if (*result == QUEUE_OK) {
            inject_enqueued(1);
            loop->sequence++;
            *result = QUEUE_LOOPS_DEQUEUE(loop->queue, loop->dequeue_handle, &item);
        }
        if (*result != QUEUE_OK) {
            loop->failed++;
            break;
        }
        inject_dequeued(1);
        item_log_add(loop->log, item);
        if (watch)
            queue_loop_look(loop, item);
    }
    return done;
}

static unsigned QUEUE_LOOPS_FUNCTION(_pairs)(struct queue_loop *loop, unsigned most, int *result)
{
    return loop->watch ? QUEUE_LOOPS_FUNCTION(_pairs_by)(loop, most, result, true)
                       : QUEUE_LOOPS_FUNCTION(_pairs_by)(loop, most, result, false);
}

const struct queue_loops QUEUE_LOOPS_NAME = {
    .produce = QUEUE_LOOPS_FUNCTION(_produce),
    .consume = QUEUE_LOOPS_FUNCTION(_consume),
    .pairs = QUEUE_LOOPS_FUNCTION(_pairs),
};

#undef QUEUE_LOOPS_INLINE
#undef QUEUE_LOOPS_FUNCTION
#undef QUEUE_LOOPS_PASTE
#undef QUEUE_LOOPS_PASTE_
#undef QUEUE_LOOPS_NAME
#undef QUEUE_LOOPS_ENQUEUE
#undef QUEUE_LOOPS_DEQUEUE
#endif
