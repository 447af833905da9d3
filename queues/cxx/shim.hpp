// SPDX-License-Identifier: Apache-2.0
// What all queues of C++ libraries share: one file each adapts a library's class, and from that these templates make
// the functions of the queue contract.
//
// A queue, here, is a class with
//     struct config                                 filled by its parameters; empty without any
//     struct handle                                 what a library keeps for a thread; made in attach, destroyed in
//                                                   detach, by handle(queue, role); empty when there is nothing
//     static constexpr bool bounded                 enqueue may find no room
//     queue(const queue_env &, const config &)
//     bool enqueue(handle &, uintptr_t)             false: no room, or no memory if it isn't bounded
//     bool dequeue(handle &, uintptr_t &)           false: empty
// None of them needs to catch anything.
//
// Libraries publish an item with release, or with a read-modify-write that C++ doesn't order any further; so where a
// consumer may sleep the fence of core/sync/sleep_fence.h is put around every call.
#ifndef READYQ_CXX_SHIM_HPP
#define READYQ_CXX_SHIM_HPP

#include <bit>
#include <cerrno>
#include <new>
#include <type_traits>

#include "core/queue.h"
#include "core/queue_loops.h"
#include "core/sync/sleep_fence.h"

namespace shim
{

// A queue in the memory of the caller.
template <class Queue> struct placed {
    const queue_env *env;
    Queue queue;

    placed(const queue_env *around, const typename Queue::config &chosen) : env(around), queue(*around, chosen)
    {
    }
};

template <class Handle> Handle &as_handle(void *handle)
{
    if constexpr (std::is_empty_v<Handle>) {
        static Handle none; // it has no memory
        return none;
    } else {
        return *static_cast<Handle *>(handle);
    }
}

// Calls `act`. What libraries throw is want of memory, or of a place in a table of theirs.
template <class Act> int guarded(Act act) noexcept
{
    try {
        return act();
    } catch (...) {
        return -ENOMEM;
    }
}

template <class Queue> int init(void *memory, const queue_env *env, const void *config) noexcept
{
    return guarded([=] {
        static const typename Queue::config none{};
        new (memory) placed<Queue>(env, config ? *static_cast<const typename Queue::config *>(config) : none);
        return 0;
    });
}

template <class Queue> void fini(void *memory) noexcept
{
    static_cast<placed<Queue> *>(memory)->~placed<Queue>();
}

template <class Queue> int attach(void *memory, void *handle, enum queue_role role, enum queue_thread_kind) noexcept
{
    using Handle = typename Queue::handle;
    if constexpr (std::is_empty_v<Handle>)
        return 0;
    else
        return guarded([=] {
            new (handle) Handle(static_cast<placed<Queue> *>(memory)->queue, role);
            return 0;
        });
}

template <class Queue> void detach(void *, void *handle) noexcept
{
    using Handle = typename Queue::handle;
    if constexpr (!std::is_empty_v<Handle>)
        static_cast<Handle *>(handle)->~Handle();
}

template <class Queue> int enqueue(void *memory, void *handle, uintptr_t item) noexcept
{
    auto *placed = static_cast<shim::placed<Queue> *>(memory);
    if constexpr (Queue::bounded)
        SLEEP_FENCE(placed->env);
    const int result = guarded([=] {
        if (placed->queue.enqueue(as_handle<typename Queue::handle>(handle), item))
            return static_cast<int>(QUEUE_OK);
        return Queue::bounded ? static_cast<int>(QUEUE_FULL) : -ENOMEM;
    });
    SLEEP_FENCE(placed->env);
    return result;
}

template <class Queue> int dequeue(void *memory, void *handle, uintptr_t *item) noexcept
{
    auto *placed = static_cast<shim::placed<Queue> *>(memory);
    uintptr_t found = 0;
    SLEEP_FENCE(placed->env);
    const int result = guarded([&] {
        return placed->queue.dequeue(as_handle<typename Queue::handle>(handle), found) ? QUEUE_OK : QUEUE_EMPTY;
    });
    if (result != QUEUE_OK)
        return result < 0 ? static_cast<int>(QUEUE_RETRY) : result; // it had no memory to look with
    if constexpr (Queue::bounded)
        SLEEP_FENCE(placed->env);
    *item = found;
    return QUEUE_OK;
}

// The table of ops but for what tells the queues apart.
template <class Queue> constexpr queue_ops ops(const queue_traits &traits, const param *params)
{
    using Handle = typename Queue::handle;
    queue_ops made{};
    made.abi_version = QUEUE_ABI_VERSION;
    made.traits = traits;
    made.traits.own_memory = true;
    made.params = params;
    made.config_size = std::is_empty_v<typename Queue::config> ? 0 : sizeof(typename Queue::config);
    made.size = sizeof(placed<Queue>);
    made.align = alignof(placed<Queue>);
    made.handle_size = std::is_empty_v<Handle> ? 0 : sizeof(Handle);
    made.handle_align = alignof(Handle);
    made.init = init<Queue>;
    made.fini = fini<Queue>;
    made.attach = attach<Queue>;
    made.detach = detach<Queue>;
    made.enqueue = enqueue<Queue>;
    made.dequeue = dequeue<Queue>;
    return made;
}

// What is there when a bounded queue takes nothing but powers of two, from `least` on.
constexpr uint64_t capacity_of(uint64_t asked, uint64_t least)
{
    return std::bit_ceil(asked < least ? least : asked);
}

#define SHIM_CAPACITY(config, help) PARAM_U64(config, capacity, "1024", 1, UINT64_C(1) << 30, "items", help)

// The config and parameters of a bounded queue that are its capacity alone.
struct capacity_config {
    uint64_t capacity;
};

constexpr param capacity_params[] = {SHIM_CAPACITY(capacity_config, "items that fit"), PARAM_END};

inline void capacity_resolve(const void *config, struct queue_traits *traits)
{
    traits->capacity = static_cast<const capacity_config *>(config)->capacity;
}

// Likewise where the library rounds up.
constexpr param rounded_params[] = {
    SHIM_CAPACITY(capacity_config, "items that fit, rounded up to a power of two from 2 on"), PARAM_END};

inline uint64_t rounded(const capacity_config &chosen)
{
    return capacity_of(chosen.capacity, 2);
}

inline void rounded_resolve(const void *config, struct queue_traits *traits)
{
    traits->capacity = rounded(*static_cast<const capacity_config *>(config));
}

// Of many to many, FIFO and exact: what most of them promise. Each changes what it promises otherwise.
constexpr queue_traits many_to_many(enum queue_guarantee guarantee, const char *reclamation)
{
    queue_traits traits{};
    traits.producers = QUEUE_MANY;
    traits.consumers = QUEUE_MANY;
    traits.order = QUEUE_ORDER_FIFO;
    traits.enqueue = guarantee;
    traits.dequeue = guarantee;
    traits.empty_exact = true;
    traits.reclamation = reclamation;
    return traits;
}

constexpr param no_params[] = {PARAM_END};

} // namespace shim

// Defines the queue's ops, for C to find.
#define SHIM_OPS(name)                      \
    extern "C" const struct queue_ops name; \
    constinit const struct queue_ops name

#endif
