// SPDX-License-Identifier: Apache-2.0
// xenium::vyukov_bounded_queue: Vyukov's bounded ring, in the form that waits for an operation that hides the answer.
//
// Source: M. Pöter, https://github.com/mpoeter/xenium; D. Vyukov, "Bounded MPMC queue",
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

#include <xenium/vyukov_bounded_queue.hpp>

namespace
{

struct ring {
    using config = shim::capacity_config;
    struct handle {
    };

    static constexpr bool bounded = true;
    xenium::vyukov_bounded_queue<uintptr_t> items;

    ring(const queue_env &, const config &chosen) : items(shim::rounded(chosen))
    {
    }

    bool enqueue(handle &, uintptr_t item)
    {
        return items.try_push_strong(item);
    }

    bool dequeue(handle &, uintptr_t &item)
    {
        return items.try_pop_strong(item);
    }
};

} // namespace

#define QUEUE_LOOPS_NAME xenium_vyukov_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<ring>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<ring>
#include "core/queue_loops.h"

SHIM_OPS(xenium_vyukov_queue_ops) = [] {
    queue_ops ops = shim::ops<ring>(shim::many_to_many(QUEUE_BLOCKING, "none needed"), shim::rounded_params);
    ops.name = "xenium_vyukov";
    ops.summary = "Vyukov's bounded ring";
    ops.source = "xenium::vyukov_bounded_queue; Vyukov, 1024cores.net, 2010";
    ops.traits.capacity = 1024;
    ops.traits.full_exact = true;
    ops.resolve = shim::rounded_resolve;
    ops.loops = &xenium_vyukov_loops;
    return ops;
}();
