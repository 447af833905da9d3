// SPDX-License-Identifier: Apache-2.0
// xenium::ramalhete_queue: a list of arrays whose places are drawn by fetch-and-add.
//
// Source: M. Pöter, https://github.com/mpoeter/xenium; P. Ramalhete, "FAAArrayQueue", 2016,
// https://concurrencyfreaks.blogspot.com/2016/11/faaarrayqueue-mpmc-lock-free-queue-part.html. It carries pointers,
// whose uppermost bit marks a place as spent, so that items must not have it.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                   enqueue   dequeue   attach, detach
//     enqueue                          -         -            -
//     dequeue                          -         -            -
//     attach, detach                   -         -            -
//
// Progress: lock-free, but for what enqueue allocates; dequeue waits a while for an enqueue that has drawn its place.
#include "queues/cxx/xenium.hpp"

#include <xenium/ramalhete_queue.hpp>

namespace
{

struct pointee;
template <class Reclaimer> using items_of = xenium::ramalhete_queue<pointee *, xenium::policy::reclaimer<Reclaimer>>;

struct arrays {
    struct config {
        uint64_t reclaim;
    };
    struct handle {
    };

    static constexpr bool bounded = false;
    shim::xenium_variant<items_of> items;

    arrays(const queue_env &, const config &chosen) : items(shim::xenium_make<items_of>(chosen.reclaim))
    {
    }

    bool enqueue(handle &, uintptr_t item)
    {
        std::visit([=](auto &made) { made.push(reinterpret_cast<pointee *>(item)); }, items);
        return true;
    }

    bool dequeue(handle &, uintptr_t &item)
    {
        pointee *found = nullptr;
        const bool some = std::visit([&](auto &made) { return made.try_pop(found); }, items);
        item = reinterpret_cast<uintptr_t>(found);
        return some;
    }
};

void resolve(const void *config, struct queue_traits *traits)
{
    traits->reclamation = shim::xenium_reclaim_traits[static_cast<const arrays::config *>(config)->reclaim];
}

const param params[] = {
    XENIUM_RECLAIM(arrays::config),
    PARAM_END,
};

} // namespace

#define QUEUE_LOOPS_NAME xenium_ramalhete_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<arrays>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<arrays>
#include "core/queue_loops.h"

SHIM_OPS(xenium_ramalhete_queue_ops) = [] {
    queue_ops ops = shim::ops<arrays>(shim::many_to_many(QUEUE_LOCK_FREE, shim::xenium_reclaim_traits[0]), params);
    ops.name = "xenium_ramalhete";
    ops.summary = "a list of arrays whose places are drawn by fetch-and-add, under several reclamation schemes";
    ops.source = "xenium::ramalhete_queue; Ramalhete, FAAArrayQueue, 2016";
    ops.traits.reserved_from = UINT64_C(1) << 63;
    ops.resolve = resolve;
    ops.loops = &xenium_ramalhete_loops;
    return ops;
}();
