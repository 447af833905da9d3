// SPDX-License-Identifier: Apache-2.0
// tbb::concurrent_bounded_queue: as tbb::concurrent_queue, with a bound, through the functions that do not wait for
// room or for an item.
//
// Source: oneTBB, https://github.com/oneapi-src/oneTBB.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                   enqueue   dequeue   attach, detach
//     enqueue                          -         -            -
//     dequeue                          -         -            -
//     attach, detach                   -         -            -
//
// Progress: enqueue waits for enqueues that began earlier and allocates, dequeue waits for the enqueue of its item; and
// both wake threads that wait inside the library, of which there are none here.
#include "queues/cxx/shim.hpp"

#include <tbb/concurrent_queue.h>

namespace
{

struct tickets {
    using config = shim::capacity_config;
    struct handle {
    };

    static constexpr bool bounded = true;
    tbb::concurrent_bounded_queue<uintptr_t> items;

    tickets(const queue_env &, const config &chosen)
    {
        items.set_capacity(static_cast<std::ptrdiff_t>(chosen.capacity));
    }

    bool enqueue(handle &, uintptr_t item)
    {
        return items.try_push(item);
    }

    bool dequeue(handle &, uintptr_t &item)
    {
        return items.try_pop(item);
    }
};

} // namespace

#define QUEUE_LOOPS_NAME tbb_bounded_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<tickets>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<tickets>
#include "core/queue_loops.h"

SHIM_OPS(tbb_bounded_queue_ops) = [] {
    queue_ops ops = shim::ops<tickets>(shim::many_to_many(QUEUE_BLOCKING, "none needed"), shim::capacity_params);
    ops.name = "tbb_bounded";
    ops.summary = "tickets and eight lists of pages, with a bound";
    ops.source = "oneapi::tbb::concurrent_bounded_queue";
    ops.traits.capacity = 1024;
    ops.traits.full_exact = true;
    ops.resolve = shim::capacity_resolve;
    ops.loops = &tbb_bounded_loops;
    return ops;
}();
