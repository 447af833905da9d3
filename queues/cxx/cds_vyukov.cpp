// SPDX-License-Identifier: Apache-2.0
// cds::container::VyukovMPMCCycleQueue: Vyukov's bounded ring.
//
// Source: M. Khizhinsky, libcds, https://github.com/khizmax/libcds; D. Vyukov, "Bounded MPMC queue",
// https://www.1024cores.net/home/lock-free-algorithms/queues/bounded-mpmc-queue.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                   enqueue   dequeue   attach, detach
//     enqueue                          -         -            -
//     dequeue                          -         -            -
//     attach, detach                   -         -            -
//
// Progress: enqueue waits for the dequeue that frees its place, dequeue for the enqueue of its item.
#include "queues/cxx/shim.hpp"

#include <cds/container/vyukov_mpmc_cycle_queue.h>

namespace
{

struct ring {
    using config = shim::capacity_config;
    struct handle {
    };

    static constexpr bool bounded = true;
    cds::container::VyukovMPMCCycleQueue<uintptr_t> items;

    ring(const queue_env &, const config &chosen) : items(shim::rounded(chosen))
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

#define QUEUE_LOOPS_NAME cds_vyukov_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<ring>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<ring>
#include "core/queue_loops.h"

SHIM_OPS(cds_vyukov_queue_ops) = [] {
    queue_ops ops = shim::ops<ring>(shim::many_to_many(QUEUE_BLOCKING, "none needed"), shim::rounded_params);
    ops.name = "cds_vyukov";
    ops.summary = "Vyukov's bounded ring";
    ops.source = "cds::container::VyukovMPMCCycleQueue; Vyukov, 1024cores.net, 2010";
    ops.traits.capacity = 1024;
    ops.traits.full_exact = true;
    ops.resolve = shim::rounded_resolve;
    ops.loops = &cds_vyukov_loops;
    return ops;
}();
