// SPDX-License-Identifier: Apache-2.0
// moodycamel::ConcurrentQueue: a stream of blocks for each producer, among which consumers choose.
//
// Source: C. Desrochers, https://github.com/cameron314/concurrentqueue; its README says what it promises: items of one
// producer stay in order, and nothing is said of those of different ones; a dequeue that finds nothing has seen every
// stream empty, but one after the other, so that the queue need not have been empty at any instant.
//
// A handle has a token of its own, which is how the library is meant to be used; with tokens=no the library finds the
// producer by its thread, and consumers look for the fullest of a few streams. The stream goes with the token; so
// that a thread that detaches and attaches again goes on in its stream, and doesn't overtake itself, its token is
// kept for it.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                   enqueue   dequeue   attach, detach
//     enqueue                          -         -            -
//     dequeue                          -         -            -
//     attach, detach                   -         -            -
//
// Progress: enqueue is lock-free but for what it allocates, dequeue is lock-free.
#include "queues/cxx/shim.hpp"

#include <concurrentqueue/concurrentqueue.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <pthread.h>

namespace
{

struct tokens {
    struct config {
        uint64_t tokens;
    };

    struct handle {
        tokens &queue;
        std::optional<moodycamel::ProducerToken> producer;
        std::optional<moodycamel::ConsumerToken> consumer;

        handle(tokens &attached, enum queue_role role) : queue(attached)
        {
            if (queue.wanted && role == QUEUE_PRODUCER)
                queue.take(producer);
            else if (queue.wanted)
                consumer.emplace(queue.items);
        }

        ~handle()
        {
            if (producer)
                queue.park(std::move(*producer));
        }
    };

    static constexpr bool bounded = false;
    moodycamel::ConcurrentQueue<uintptr_t> items;
    const bool wanted;
    std::mutex mutex; // of what follows
    size_t handed_out = 0;
    std::vector<std::pair<pthread_t, moodycamel::ProducerToken>> parked;

    tokens(const queue_env &, const config &chosen) : wanted(chosen.tokens)
    {
    }

    void take(std::optional<moodycamel::ProducerToken> &token)
    {
        const std::lock_guard hold(mutex);
        const auto own =
            std::find_if(parked.begin(), parked.end(), [](auto &one) { return one.first == pthread_self(); });
        if (own != parked.end()) {
            token.emplace(std::move(own->second));
            parked.erase(own);
            return;
        }
        parked.reserve(++handed_out); // so that park, which may not fail, needs no memory
        token.emplace(items);
        if (!token->valid())
            throw std::bad_alloc();
    }

    void park(moodycamel::ProducerToken &&token)
    {
        const std::lock_guard hold(mutex);
        parked.emplace_back(pthread_self(), std::move(token));
    }

    bool enqueue(handle &by, uintptr_t item)
    {
        return by.producer ? items.enqueue(*by.producer, item) : items.enqueue(item);
    }

    bool dequeue(handle &by, uintptr_t &item)
    {
        return by.consumer ? items.try_dequeue(*by.consumer, item) : items.try_dequeue(item);
    }
};

const param params[] = {
    PARAM_BOOL(tokens::config, tokens, "yes", "a token for each producer and consumer, as its manual recommends"),
    PARAM_END,
};

} // namespace

#define QUEUE_LOOPS_NAME moodycamel_loops
#define QUEUE_LOOPS_ENQUEUE shim::enqueue<tokens>
#define QUEUE_LOOPS_DEQUEUE shim::dequeue<tokens>
#include "core/queue_loops.h"

SHIM_OPS(moodycamel_queue_ops) = [] {
    queue_ops ops = shim::ops<tokens>(shim::many_to_many(QUEUE_LOCK_FREE, "none needed"), params);
    ops.name = "moodycamel";
    ops.summary = "a stream of blocks for each producer; items of different ones overtake each other";
    ops.source = "moodycamel::ConcurrentQueue by C. Desrochers";
    ops.traits.order = QUEUE_ORDER_PER_PRODUCER;
    ops.traits.empty_exact = false;
    ops.loops = &moodycamel_loops;
    return ops;
}();
