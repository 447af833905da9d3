// SPDX-License-Identifier: Apache-2.0
// moodycamel::ReaderWriterQueue: one to one, a ring of blocks that grows.
//
// Source: C. Desrochers, https://github.com/cameron314/readerwriterqueue.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                   enqueue   dequeue   attach, detach
//     enqueue                          X         -            -
//     dequeue                          -         X            -
//     attach, detach                   -         -            -
//
// Progress: wait-free but for what enqueue allocates.
#include "queues/cxx/shim.hpp"

#include <readerwriterqueue/readerwriterqueue.h>

namespace
{

struct blocks {
    struct config {
    };
    struct handle {
    };

    static constexpr bool bounded = false;
    moodycamel::ReaderWriterQueue<uintptr_t> items;

    blocks(const queue_env &, const config &)
    {
    }

    bool enqueue(handle &, uintptr_t item)
    {
        return items.enqueue(item);
    }

    bool dequeue(handle &, uintptr_t &item)
    {
        return items.try_dequeue(item);
    }
};

} // namespace

#define QUEUE_LOOPS_NAME readerwriterqueue_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<blocks>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<blocks>
#include "core/queue_loops.h"

SHIM_OPS(readerwriterqueue_queue_ops) = [] {
    queue_ops ops = shim::ops<blocks>(shim::many_to_many(QUEUE_WAIT_FREE, "none needed"), shim::no_params);
    ops.name = "readerwriterqueue";
    ops.summary = "one to one, a ring of blocks that grows";
    ops.source = "moodycamel::ReaderWriterQueue by C. Desrochers";
    ops.traits.producers = QUEUE_ONE;
    ops.traits.consumers = QUEUE_ONE;
    ops.loops = &readerwriterqueue_loops;
    return ops;
}();
