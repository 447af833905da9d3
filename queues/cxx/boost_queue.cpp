// SPDX-License-Identifier: Apache-2.0
// boost::lockfree::queue: the list of Michael and Scott, whose nodes are kept in a free list of the queue's own and
// told apart by a tag in the upper bits of the pointer.
//
// Source: T. Blechmann, Boost.Lockfree; M. Michael and M. Scott, PODC 1996. It never gives a node back before the queue
// goes, so that nothing needs to be reclaimed; a node that the free list lacks is allocated.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                   enqueue   dequeue   attach, detach
//     enqueue                          -         -            -
//     dequeue                          -         -            -
//     attach, detach                   -         -            -
//
// Progress: lock-free, but for what enqueue allocates.
#include "queues/cxx/shim.hpp"

#include <boost/lockfree/queue.hpp>

namespace
{

struct tagged {
    struct config {
        uint64_t nodes;
    };
    struct handle {
    };

    static constexpr bool bounded = false;
    boost::lockfree::queue<uintptr_t> items;

    tagged(const queue_env &, const config &chosen) : items(chosen.nodes)
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

const param params[] = {
    PARAM_U64(tagged::config, nodes, "128", 0, UINT64_C(1) << 30, "nodes", "nodes in the free list to begin with"),
    PARAM_END,
};

} // namespace

#define QUEUE_LOOPS_NAME boost_queue_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<tagged>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<tagged>
#include "core/queue_loops.h"

SHIM_OPS(boost_queue_queue_ops) = [] {
    queue_ops ops = shim::ops<tagged>(shim::many_to_many(QUEUE_LOCK_FREE, "none needed"), params);
    ops.name = "boost_queue";
    ops.summary = "the list of Michael and Scott, its nodes kept in a free list";
    ops.source = "boost::lockfree::queue; Michael and Scott, PODC 1996";
    ops.loops = &boost_queue_loops;
    return ops;
}();
