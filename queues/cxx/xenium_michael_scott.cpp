// SPDX-License-Identifier: Apache-2.0
// xenium::michael_scott_queue: the list of Michael and Scott, under several reclamation schemes.
//
// Source: M. Pöter, https://github.com/mpoeter/xenium; M. Michael and M. Scott, PODC 1996.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                   enqueue   dequeue   attach, detach
//     enqueue                          -         -            -
//     dequeue                          -         -            -
//     attach, detach                   -         -            -
//
// Progress: lock-free, but for what enqueue allocates.
#include "queues/cxx/xenium.hpp"

#include <xenium/michael_scott_queue.hpp>

namespace
{

template <class Reclaimer>
using items_of = xenium::michael_scott_queue<uintptr_t, xenium::policy::reclaimer<Reclaimer>>;

struct linked {
    struct config {
        uint64_t reclaim;
    };
    struct handle {
    };

    static constexpr bool bounded = false;
    shim::xenium_variant<items_of> items;

    linked(const queue_env &, const config &chosen) : items(shim::xenium_make<items_of>(chosen.reclaim))
    {
    }

    bool enqueue(handle &, uintptr_t item)
    {
        std::visit([=](auto &made) { made.push(item); }, items);
        return true;
    }

    bool dequeue(handle &, uintptr_t &item)
    {
        return std::visit([&](auto &made) { return made.try_pop(item); }, items);
    }
};

void resolve(const void *config, struct queue_traits *traits)
{
    traits->reclamation = shim::xenium_reclaim_traits[static_cast<const linked::config *>(config)->reclaim];
}

const param params[] = {
    XENIUM_RECLAIM(linked::config),
    PARAM_END,
};

} // namespace

#define QUEUE_LOOPS_NAME xenium_michael_scott_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<linked>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<linked>
#include "core/queue_loops.h"

SHIM_OPS(xenium_michael_scott_queue_ops) = [] {
    queue_ops ops = shim::ops<linked>(shim::many_to_many(QUEUE_LOCK_FREE, shim::xenium_reclaim_traits[0]), params);
    ops.name = "xenium_michael_scott";
    ops.summary = "the list of Michael and Scott, under several reclamation schemes";
    ops.source = "xenium::michael_scott_queue; Michael and Scott, PODC 1996";
    ops.resolve = resolve;
    ops.loops = &xenium_michael_scott_loops;
    return ops;
}();
