// SPDX-License-Identifier: Apache-2.0
// cds::container::FCQueue: flat combining over std::queue. Whoever gets the lock does what all others have published.
//
// Source: M. Khizhinsky, libcds, https://github.com/khizmax/libcds; D. Hendler, I. Incze, N. Shavit and M. Tzafrir,
// "Flat Combining and the Synchronization-Parallelism Tradeoff", SPAA 2010.
//
// The library finds a thread's publication record through boost::thread_specific_ptr, which looks into a map at each
// operation, and when a thread ends writes into its records even of queues that have gone. So this file brings a
// class of that name which keeps the record in the handle. And a record that is given up while a combiner is between
// the two loops of its compact_list is freed while it is still in the list; so records are kept for whoever attaches
// next.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                   enqueue   dequeue   attach, detach
//     enqueue                          -         -            -
//     dequeue                          -         -            -
//     attach, detach                   -         -            -
//
// Progress: both wait for whoever has the lock; the memory of std::queue is allocated under it.
#include "queues/cxx/shim.hpp"

#include <mutex>
#include <optional>
#include <vector>

// In place of Boost's header, whose guard this is.
#define BOOST_THREAD_TSS_HPP
namespace boost
{

template <class Record> struct thread_specific_ptr {
    // Where the calling thread's handle has its record. Set before every call into the library.
    static inline thread_local Record **place = nullptr;

    explicit thread_specific_ptr(void (*)(Record *))
    {
    }

    Record *get() const
    {
        return *place;
    }

    void reset(Record *record = nullptr)
    {
        *place = record;
    }
};

} // namespace boost

#include <cds/container/fcqueue.h>

namespace
{

using items_of = cds::container::FCQueue<uintptr_t>;

// Tells the type of the library's records, which it keeps to those that derive from the queue.
struct record_of : items_of {
    using type = fc_kernel::publication_record_type;
};
using record = record_of::type;

// Lets the library find its record in `record`.
void use(record *&found)
{
    boost::thread_specific_ptr<record>::place = &found;
}

struct combining {
    struct config {
    };
    struct handle {
        combining &queue;
        record *published;

        handle(combining &attached, enum queue_role) : queue(attached), published(queue.take())
        {
        }

        ~handle()
        {
            queue.park(published);
        }
    };

    static constexpr bool bounded = false;
    record *first = nullptr; // the kernel's own, at the head of its list
    std::optional<items_of> items;
    std::mutex mutex; // of what follows
    size_t handed_out = 0;
    std::vector<record *> parked;

    combining(const queue_env &, const config &)
    {
        use(first);
        items.emplace();
    }

    ~combining()
    {
        use(first);
        items.reset();
    }

    record *take()
    {
        const std::lock_guard hold(mutex);
        parked.reserve(parked.size() + ++handed_out); // so that park, which may not fail, needs no memory
        if (parked.empty())
            return nullptr;
        record *last = parked.back();
        parked.pop_back();
        return last;
    }

    void park(record *published)
    {
        const std::lock_guard hold(mutex);
        handed_out--;
        if (published)
            parked.push_back(published);
    }

    bool enqueue(handle &by, uintptr_t item)
    {
        use(by.published);
        return items->enqueue(item);
    }

    bool dequeue(handle &by, uintptr_t &item)
    {
        use(by.published);
        return items->dequeue(item);
    }
};

} // namespace

#define QUEUE_LOOPS_NAME cds_flat_combining_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<combining>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<combining>
#include "core/queue_loops.h"

SHIM_OPS(cds_flat_combining_queue_ops) = [] {
    queue_ops ops = shim::ops<combining>(shim::many_to_many(QUEUE_BLOCKING, "none needed"), shim::no_params);
    ops.name = "cds_flat_combining";
    ops.summary = "a std::queue under a lock whose holder does what all others have published";
    ops.source = "cds::container::FCQueue; Hendler, Incze, Shavit and Tzafrir, SPAA 2010";
    ops.loops = &cds_flat_combining_loops;
    return ops;
}();
