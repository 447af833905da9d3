// SPDX-License-Identifier: Apache-2.0
// cds::container::SegmentedQueue: a list of segments of k places each; whoever comes takes any place of the segment in
// turn, so that an item may overtake k - 1 others. The list of segments stands under a spin lock.
//
// Source: M. Khizhinsky, libcds, https://github.com/khizmax/libcds, whose manual calls a look for emptiness not
// linearizable: places are looked at one after the other. Y. Afek, G. Korland and E. Yanovsky, "Quasi-Linearizability:
// Relaxed Consistency for Improved Concurrency", OPODIS 2010.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                   enqueue   dequeue   attach, detach
//     enqueue                          -         -            -
//     dequeue                          -         -            -
//     attach, detach                   -         -            -
//
// Progress: both wait for the lock when they reach the end of a segment; enqueue allocates.
#include "queues/cxx/cds.hpp"

#include <cds/container/segmented_queue.h>

#include <memory>

namespace
{

// The library frees a segment as if it had no places. That is well only where the size isn't told.
template <class T> struct unsized : std::allocator<T> {
    template <class Other> struct rebind {
        using other = unsized<Other>;
    };

    void deallocate(T *memory, size_t)
    {
        ::operator delete(memory);
    }
};

struct segment_traits : cds::container::segmented_queue::traits {
    using allocator = unsized<int>;
};

struct segments {
    struct config {
        uint64_t k;
    };
    using handle = shim::hazard_handle;

    static constexpr bool bounded = false;
    shim::hazardous<cds::container::SegmentedQueue<cds::gc::HP, uintptr_t, segment_traits>> items;

    segments(const queue_env &env, const config &chosen) : items(env, shim::capacity_of(chosen.k, 2))
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

void resolve(const void *config, struct queue_traits *traits)
{
    const uint64_t k = shim::capacity_of(static_cast<const segments::config *>(config)->k, 2);
    traits->relaxation = static_cast<uint32_t>(k - 1);
}

const param params[] = {
    PARAM_U64(segments::config, k, "16", 2, 65536, "items",
              "places of a segment, rounded up to a power of two: an item may overtake k - 1 others"),
    PARAM_END,
};

} // namespace

#define QUEUE_LOOPS_NAME cds_segmented_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<segments>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<segments>
#include "core/queue_loops.h"

SHIM_OPS(cds_segmented_queue_ops) = [] {
    queue_ops ops = shim::ops<segments>(shim::many_to_many(QUEUE_BLOCKING, "hazard pointers"), params);
    ops.name = "cds_segmented";
    ops.summary = "segments of k places, taken in any order: an item may overtake k - 1 others";
    ops.source = "cds::container::SegmentedQueue; Afek, Korland and Yanovsky, OPODIS 2010";
    ops.traits.order = QUEUE_ORDER_RELAXED;
    ops.traits.relaxation = 15;
    ops.traits.empty_exact = false;
    ops.resolve = resolve;
    ops.loops = &cds_segmented_loops;
    return ops;
}();
