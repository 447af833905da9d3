// SPDX-License-Identifier: Apache-2.0
// tbb::concurrent_queue: tickets drawn by fetch-and-add, served by eight lists of pages in turn.
//
// Source: oneTBB, https://github.com/oneapi-src/oneTBB. A thread whose ticket is not served yet waits for those that
// drew the ones before.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                   enqueue   dequeue   attach, detach
//     enqueue                          -         -            -
//     dequeue                          -         -            -
//     attach, detach                   -         -            -
//
// Progress: enqueue waits for enqueues that began earlier and allocates, dequeue waits for the enqueue of its item.
#include "queues/cxx/shim.hpp"

#include <tbb/concurrent_queue.h>

namespace
{

struct tickets {
    struct config {
    };
    struct handle {
    };

    static constexpr bool bounded = false;
    tbb::concurrent_queue<uintptr_t> items;

    tickets(const queue_env &, const config &)
    {
    }

    bool enqueue(handle &, uintptr_t item)
    {
        items.push(item);
        return true;
    }

    bool dequeue(handle &, uintptr_t &item)
    {
        return items.try_pop(item);
    }
};

} // namespace

#define QUEUE_LOOPS_NAME tbb_queue_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<tickets>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<tickets>
#include "core/queue_loops.h"

SHIM_OPS(tbb_queue_queue_ops) = [] {
    queue_ops ops = shim::ops<tickets>(shim::many_to_many(QUEUE_BLOCKING, "none needed"), shim::no_params);
    ops.name = "tbb_queue";
    ops.summary = "tickets by fetch-and-add, served by eight lists of pages in turn";
    ops.source = "oneapi::tbb::concurrent_queue";
    ops.loops = &tbb_queue_loops;
    return ops;
}();
