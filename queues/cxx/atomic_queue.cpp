// SPDX-License-Identifier: Apache-2.0
// atomic_queue: a ring of places drawn by compare-and-swap; a place is handed over through its own word.
//
// Source: M. Egorushkin, https://github.com/max0x7ba/atomic_queue. kind=atomic is its AtomicQueueB, where the item
// itself, if it isn't zero, says that the place is taken; kind=any its AtomicQueueB2, with a state beside each item.
// Its "optimist" queues are these same with functions that wait while there is nothing or no room, which no queue
// here may.
//
// Its README promises FIFO for those waiting functions alone, and indeed it isn't FIFO here. An enqueue that has
// drawn its place and stands still is waited for by the dequeue that drew the same place; this counts as free, so
// that the enqueue a whole round later may draw it too, and fill it first. So an item may overtake as many as there
// are places. Nor is EMPTY exact: a dequeue that has drawn a place and stands still hides its item from the others,
// until one of them draws the same place a round later and takes it.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                   enqueue   dequeue   attach, detach
//     enqueue                          -         -            -
//     dequeue                          -         -            -
//     attach, detach                   -         -            -
//
// Progress: enqueue waits for the dequeue that drew its place a round ago, dequeue for the enqueue of its item.
#include "queues/cxx/shim.hpp"

#include <variant>

// Its assertion that words are atomic calls a function of libatomic where clang doesn't optimise it away.
#undef NDEBUG
#define NDEBUG 1
#include <atomic_queue/atomic_queue.h>

namespace
{

struct ring {
    struct config {
        uint64_t kind;
        uint64_t capacity;
    };
    struct handle {
    };
    using atomic = atomic_queue::AtomicQueueB<uintptr_t>;
    using any = atomic_queue::AtomicQueueB2<uintptr_t>;

    static constexpr bool bounded = true;
    std::variant<atomic, any> items;

    ring(const queue_env &, const config &chosen) : items(make(chosen.kind, static_cast<unsigned>(chosen.capacity)))
    {
    }

    static std::variant<atomic, any> make(uint64_t kind, unsigned capacity)
    {
        if (kind == 0)
            return std::variant<atomic, any>(std::in_place_index<0>, capacity);
        return std::variant<atomic, any>(std::in_place_index<1>, capacity);
    }

    bool enqueue(handle &, uintptr_t item)
    {
        return std::visit([=](auto &made) { return made.try_push(item); }, items);
    }

    bool dequeue(handle &, uintptr_t &item)
    {
        return std::visit([&](auto &made) { return made.try_pop(item); }, items);
    }
};

// The library spreads neighbours over as many lines as a line has places, and so rounds up to the square of that.
uint64_t capacity_of(uint64_t kind, uint64_t asked)
{
    const uint64_t places = atomic_queue::CACHE_LINE_SIZE / (kind == 0 ? sizeof(uintptr_t) : 1);
    return shim::capacity_of(asked, places * places);
}

void resolve(const void *config, struct queue_traits *traits)
{
    const auto *chosen = static_cast<const ring::config *>(config);
    traits->capacity = capacity_of(chosen->kind, chosen->capacity);
    traits->relaxation = static_cast<uint32_t>(traits->capacity);
}

const char *const kinds[] = {"atomic", "any", nullptr};

const param params[] = {
    PARAM_CHOICE(ring::config, kind, "atomic", kinds, "a word, or a state beside it, says that a place is taken"),
    SHIM_CAPACITY(ring::config, "items that fit, rounded up to a power of two from 64 (any: 4096) on"),
    PARAM_END,
};

} // namespace

#define QUEUE_LOOPS_NAME atomic_queue_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<ring>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<ring>
#include "core/queue_loops.h"

SHIM_OPS(atomic_queue_queue_ops) = [] {
    queue_ops ops = shim::ops<ring>(shim::many_to_many(QUEUE_BLOCKING, "none needed"), params);
    ops.name = "atomic_queue";
    ops.summary = "a ring of places drawn by compare-and-swap; a stalled producer may be overtaken by a round";
    ops.source = "atomic_queue by M. Egorushkin";
    ops.traits.capacity = 1024;
    ops.traits.order = QUEUE_ORDER_RELAXED;
    ops.traits.relaxation = 1024;
    ops.traits.empty_exact = false;
    ops.traits.full_exact = true;
    ops.traits.spins = true;
    ops.resolve = resolve;
    ops.loops = &atomic_queue_loops;
    return ops;
}();
