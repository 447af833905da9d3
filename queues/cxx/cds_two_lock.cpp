// SPDX-License-Identifier: Apache-2.0
// cds::container::RWQueue: the two-lock queue, a list with a spin lock for each end.
//
// Source: M. Khizhinsky, libcds, https://github.com/khizmax/libcds; M. Michael and M. Scott, PODC 1996.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                   enqueue   dequeue   attach, detach
//     enqueue                          -         -            -
//     dequeue                          -         -            -
//     attach, detach                   -         -            -
//
// Progress: enqueue waits for the lock of one end and allocates, dequeue waits for that of the other.
#include "queues/cxx/shim.hpp"

#include <cds/container/rwqueue.h>

namespace
{

struct two_locks {
    struct config {
    };
    struct handle {
    };

    static constexpr bool bounded = false;
    cds::container::RWQueue<uintptr_t> items;

    two_locks(const queue_env &, const config &)
    {
    }

    bool enqueue(handle &, uintptr_t item)
    {
        return items.enqueue(item);
    }

    bool dequeue(handle &, uintptr_t &item)
    {
        return items.dequeue(item);
    }
};

} // namespace

#define QUEUE_LOOPS_NAME cds_two_lock_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<two_locks>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<two_locks>
#include "core/queue_loops.h"

SHIM_OPS(cds_two_lock_queue_ops) = [] {
    queue_ops ops = shim::ops<two_locks>(shim::many_to_many(QUEUE_BLOCKING, "none needed"), shim::no_params);
    ops.name = "cds_two_lock";
    ops.summary = "a list with a spin lock for each end";
    ops.source = "cds::container::RWQueue; Michael and Scott, PODC 1996";
    ops.loops = &cds_two_lock_loops;
    return ops;
}();
