// SPDX-License-Identifier: Apache-2.0
// The list of Michael and Scott, and two kin of it, in libcds: moir looks less often at `tail`, optimistic puts items
// in with one compare-and-swap and mends the links backwards later.
//
// Source: M. Khizhinsky, libcds, https://github.com/khizmax/libcds; M. Michael and M. Scott, PODC 1996; S. Doherty,
// L. Groves, V. Luchangco and M. Moir, "Formal Verification of a Practical Lock-Free Queue Algorithm", FORTE 2004;
// E. Ladan-Mozes and N. Shavit, "An Optimistic Approach to Lock-Free FIFO Queues", DISC 2004.
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

#include <cds/container/moir_queue.h>
#include <cds/container/msqueue.h>
#include <cds/container/optimistic_queue.h>

#include <variant>

namespace
{

using michael_scott = shim::hazardous<cds::container::MSQueue<cds::gc::HP, uintptr_t>>;
using moir = shim::hazardous<cds::container::MoirQueue<cds::gc::HP, uintptr_t>>;
using optimistic = shim::hazardous<cds::container::OptimisticQueue<cds::gc::HP, uintptr_t>>;
using one_of = std::variant<michael_scott, moir, optimistic>;

one_of make(uint64_t kind, const queue_env &env)
{
    if (kind == 0)
        return one_of(std::in_place_index<0>, env);
    if (kind == 1)
        return one_of(std::in_place_index<1>, env);
    return one_of(std::in_place_index<2>, env);
}

struct linked {
    struct config {
        uint64_t kind;
    };
    using handle = shim::hazard_handle;

    static constexpr bool bounded = false;
    one_of items;

    linked(const queue_env &env, const config &chosen) : items(make(chosen.kind, env))
    {
    }

    bool enqueue(handle &, uintptr_t item)
    {
        return std::visit([=](auto &made) { return made->enqueue(item); }, items);
    }

    bool dequeue(handle &, uintptr_t &item)
    {
        return std::visit([&](auto &made) { return made->dequeue(item); }, items);
    }
};

const char *const kinds[] = {"michael_scott", "moir", "optimistic", nullptr};

const param params[] = {
    PARAM_CHOICE(linked::config, kind, "michael_scott", kinds, "the list itself, or one of its kin"),
    PARAM_END,
};

} // namespace

#define QUEUE_LOOPS_NAME cds_michael_scott_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<linked>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<linked>
#include "core/queue_loops.h"

SHIM_OPS(cds_michael_scott_queue_ops) = [] {
    queue_ops ops = shim::ops<linked>(shim::many_to_many(QUEUE_LOCK_FREE, "hazard pointers"), params);
    ops.name = "cds_michael_scott";
    ops.summary = "the list of Michael and Scott, Moir's form of it, or the optimistic queue";
    ops.source = "cds::container::MSQueue, MoirQueue, OptimisticQueue; Michael and Scott, PODC 1996";
    ops.loops = &cds_michael_scott_loops;
    return ops;
}();
