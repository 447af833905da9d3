// SPDX-License-Identifier: Apache-2.0
// boost::lockfree::spsc_queue: one to one, a ring with an index for each side.
//
// Source: T. Blechmann, Boost.Lockfree; L. Lamport, "Specifying Concurrent Program Modules", ACM TOPLAS 5(2), 1983.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                   enqueue   dequeue   attach, detach
//     enqueue                          X         -            -
//     dequeue                          -         X            -
//     attach, detach                   -         -            -
//
// Progress: wait-free.
#include "queues/cxx/shim.hpp"

#include <boost/lockfree/spsc_queue.hpp>

namespace
{

struct lamport {
    using config = shim::capacity_config;
    struct handle {
    };

    static constexpr bool bounded = true;
    boost::lockfree::spsc_queue<uintptr_t> items;

    lamport(const queue_env &, const config &chosen) : items(chosen.capacity)
    {
    }

    bool enqueue(handle &, uintptr_t item)
    {
        return items.push(item);
    }

    bool dequeue(handle &, uintptr_t &item)
    {
        return items.pop(item);
    }
};

} // namespace

#define QUEUE_LOOPS_NAME boost_spsc_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<lamport>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<lamport>
#include "core/queue_loops.h"

SHIM_OPS(boost_spsc_queue_ops) = [] {
    queue_ops ops = shim::ops<lamport>(shim::many_to_many(QUEUE_WAIT_FREE, "none needed"), shim::capacity_params);
    ops.name = "boost_spsc";
    ops.summary = "one to one, a ring with an index for each side";
    ops.source = "boost::lockfree::spsc_queue; Lamport, TOPLAS 1983";
    ops.traits.producers = QUEUE_ONE;
    ops.traits.consumers = QUEUE_ONE;
    ops.traits.capacity = 1024;
    ops.traits.full_exact = true;
    ops.resolve = shim::capacity_resolve;
    ops.loops = &boost_spsc_loops;
    return ops;
}();
