// SPDX-License-Identifier: Apache-2.0
// xenium::kirsch_kfifo_queue: a list of segments of k places each; whoever comes takes any place of the segment in
// turn, so that an item may overtake k - 1 others.
//
// Source: M. Pöter, https://github.com/mpoeter/xenium; C. Kirsch, M. Lippautz and H. Payer, "Fast and Scalable,
// Lock-free k-FIFO Queues", PaCT 2013. It carries pointers of 48 bits at most, so each item is put into an element of
// its own, which costs what a list's node costs.
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

#include <xenium/kirsch_kfifo_queue.hpp>

namespace
{

template <class Reclaimer>
using items_of = xenium::kirsch_kfifo_queue<uintptr_t *, xenium::policy::reclaimer<Reclaimer>>;

struct segments {
    struct config {
        uint64_t reclaim;
        uint64_t k;
    };
    struct handle {
    };

    static constexpr bool bounded = false;
    const queue_env &env;
    shim::xenium_variant<items_of> items;

    segments(const queue_env &around, const config &chosen)
        : env(around), items(shim::xenium_make<items_of>(chosen.reclaim, chosen.k))
    {
    }

    ~segments()
    {
        handle none;
        for (uintptr_t item; dequeue(none, item);) {}
    }

    bool enqueue(handle &, uintptr_t item)
    {
        auto *element = static_cast<uintptr_t *>(env.element_take(env.context));
        if (!element)
            return false;
        *element = item;
        try {
            std::visit([=](auto &made) { made.push(element); }, items);
        } catch (...) {
            env.element_give(env.context, element);
            throw;
        }
        return true;
    }

    bool dequeue(handle &, uintptr_t &item)
    {
        uintptr_t *element = nullptr;
        if (!std::visit([&](auto &made) { return made.try_pop(element); }, items))
            return false;
        item = *element;
        env.element_give(env.context, element);
        return true;
    }
};

void resolve(const void *config, struct queue_traits *traits)
{
    const auto *chosen = static_cast<const segments::config *>(config);
    traits->reclamation = shim::xenium_reclaim_traits[chosen->reclaim];
    traits->relaxation = static_cast<uint32_t>(chosen->k - 1);
}

const param params[] = {
    XENIUM_RECLAIM(segments::config),
    PARAM_U64(segments::config, k, "16", 2, 65536, "items", "places of a segment: an item may overtake k - 1 others"),
    PARAM_END,
};

} // namespace

#define QUEUE_LOOPS_NAME xenium_kfifo_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<segments>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<segments>
#include "core/queue_loops.h"

SHIM_OPS(xenium_kfifo_queue_ops) = [] {
    queue_ops ops = shim::ops<segments>(shim::many_to_many(QUEUE_LOCK_FREE, shim::xenium_reclaim_traits[0]), params);
    ops.name = "xenium_kfifo";
    ops.summary = "segments of k places, taken in any order: an item may overtake k - 1 others";
    ops.source = "xenium::kirsch_kfifo_queue; Kirsch, Lippautz and Payer, PaCT 2013";
    ops.traits.order = QUEUE_ORDER_RELAXED;
    ops.traits.relaxation = 15;
    ops.element_size = sizeof(uintptr_t);
    ops.resolve = resolve;
    ops.loops = &xenium_kfifo_loops;
    return ops;
}();
