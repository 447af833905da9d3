// SPDX-License-Identifier: Apache-2.0
// cds::container::BasketQueue: as the list of Michael and Scott, but enqueues that lose the race for the end put their
// items into the winner's "basket", in any order.
//
// Source: M. Khizhinsky, libcds, https://github.com/khizmax/libcds; M. Hoffman, O. Shalev and N. Shavit, "The Baskets
// Queue", OPODIS 2007.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                   enqueue   dequeue   attach, detach
//     enqueue                          -         -            -
//     dequeue                          -         -            -
//     attach, detach                   -         -            -
//
// Progress: lock-free, but for what enqueue allocates.
#include "queues/cxx/cds.hpp"

#include <cds/container/basket_queue.h>

namespace
{

struct baskets {
    struct config {
    };
    using handle = shim::hazard_handle;

    static constexpr bool bounded = false;
    shim::hazardous<cds::container::BasketQueue<cds::gc::HP, uintptr_t>> items;

    baskets(const queue_env &env, const config &) : items(env)
    {
    }

    bool enqueue(handle &, uintptr_t item)
    {
        return items->enqueue(item);
    }

    bool dequeue(handle &, uintptr_t &item)
    {
        return items->dequeue(item);
    }
};

} // namespace

#define QUEUE_LOOPS_NAME cds_basket_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<baskets>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<baskets>
#include "core/queue_loops.h"

SHIM_OPS(cds_basket_queue_ops) = [] {
    queue_ops ops = shim::ops<baskets>(shim::many_to_many(QUEUE_LOCK_FREE, "hazard pointers"), shim::no_params);
    ops.name = "cds_basket";
    ops.summary = "a list where enqueues at the same time share a basket, in any order";
    ops.source = "cds::container::BasketQueue; Hoffman, Shalev and Shavit, OPODIS 2007";
    ops.loops = &cds_basket_loops;
    return ops;
}();
