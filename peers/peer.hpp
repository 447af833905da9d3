// SPDX-License-Identifier: Apache-2.0
// What all pools of C++ libraries share: one file each adapts a library, and from that these templates make the
// functions of the pool contract. They keep the books: who is attached, and how many jobs each thread has under way.
//
// A library, here, is a class with
//     struct config                             filled by its parameters; empty without any
//     static constexpr const char *name         of the pool
//     static constexpr bool keys                submit takes a key
//     library(const pool_setup &, const config &)
//                                               starts the workers, pins them, and waits until they are there. Throws
//                                               std::system_error, or std::bad_alloc, with nothing left behind
//     ~library()                                ends them; no job is under way
//     void submit(const job &, unsigned *key)   to be invoked on a worker, and then sent home; may throw std::bad_alloc
//     unsigned pass(unsigned scheduler, unsigned most)
//                                               runs `ready` of no more than so many jobs that came home; how many
//     unsigned wait(unsigned scheduler)         likewise, but sleeps until there is one, or until it is poked
//     void poke(unsigned scheduler)             by any thread
#ifndef READYQ_PEERS_PEER_HPP
#define READYQ_PEERS_PEER_HPP

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <type_traits>

#include "core/fault.h"
#include "core/pool.h"

extern "C" {
#include "core/machine/topology.h"
}

namespace peer
{

constexpr unsigned workers_most = 1024;
constexpr unsigned pass_most = 1024; // jobs that one pass completes

struct job {
    void (*invoke)(void *data);
    void (*ready)(void *data);
    void *data;
    unsigned home; // the scheduler on which `ready` runs
};

// Pins the calling thread, the worker of that number, where the run wants it. 0 or a negative errno.
inline int pin(const pool_setup &setup, unsigned worker) noexcept
{
    const int cpu = setup.worker_cpus ? setup.worker_cpus[worker] : -1;
    return cpu < 0 ? 0 : topology_pin_self(setup.topology, static_cast<unsigned>(cpu));
}

// Of what a constructor found.
inline void must(int error, const char *what)
{
    if (error < 0)
        throw std::system_error(-error, std::generic_category(), what);
}

// One thread's counts, on lines of their own. Only the thread itself writes them, but for `attached`, which main reads.
struct alignas(128) books {
    std::atomic<uint64_t> submitted{0}, completed{0}, batches{0};
    bool attached = false;
};

inline void add(std::atomic<uint64_t> &count, uint64_t more) noexcept
{
    count.store(count.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

template <class Library> class shared
{
  public:
    static int start(struct pool **pool, const pool_setup *setup, const void *config, struct fault *fault) noexcept
    {
        if (setup->workers < 1 || setup->workers > workers_most)
            return fault_set(fault, -EINVAL, "pool %s: it has 1 to %u workers, not %u", Library::name, workers_most,
                             setup->workers);
        try {
            auto *made = new shared(*setup, config_of(config));
            *pool = reinterpret_cast<struct pool *>(made);
            return 0;
        } catch (const std::system_error &error) {
            return fault_set(fault, -error.code().value(), "pool %s: cannot start or pin %u workers: %s", Library::name,
                             setup->workers, error.what());
        } catch (...) {
            return fault_set(fault, -ENOMEM, "pool %s: no memory for %u workers", Library::name, setup->workers);
        }
    }

    static int attach(struct pool *pool, unsigned thread) noexcept
    {
        shared &self = of(pool);
        books &own = self.threads_[thread];
        if (own.attached)
            return -EBUSY;
        if (self.closing_.load(std::memory_order_acquire)) // pairs with stop
            return -ESHUTDOWN;
        own.attached = true;
        if (thread >= self.schedulers_)
            self.externals_.fetch_add(1, std::memory_order_relaxed);
        self.attached_.fetch_add(1, std::memory_order_acq_rel);
        return 0;
    }

    static long submit(struct pool *pool, unsigned thread, unsigned *key, void (*invoke)(void *), void (*ready)(void *),
                       void *data) noexcept
    {
        shared &self = of(pool);
        books &own = self.threads_[thread];
        if (!own.attached)
            return -EPERM;
        if (key && !Library::keys)
            return -EINVAL;
        if (self.closing_.load(std::memory_order_acquire)) // pairs with stop
            return -ESHUTDOWN;
        try {
            self.library_.submit({invoke, ready, data, thread < self.schedulers_ ? thread : 0}, key);
        } catch (...) { // it had no memory
            return -ENOMEM;
        }
        add(own.submitted, 1);
        return static_cast<long>(own.submitted.load(std::memory_order_relaxed));
    }

    static enum pool_more pass(struct pool *pool, unsigned scheduler) noexcept
    {
        shared &self = of(pool);
        const unsigned completed = self.library_.pass(scheduler, pass_most);
        self.count(scheduler, completed);
        return completed == pass_most ? POOL_MORE : POOL_NOTHING;
    }

    static void wait(struct pool *pool, unsigned scheduler) noexcept
    {
        shared &self = of(pool);
        self.count(scheduler, self.library_.wait(scheduler));
    }

    static void detach(struct pool *pool, unsigned thread) noexcept
    {
        shared &self = of(pool);
        books &own = self.threads_[thread];
        if (!own.attached)
            return;
        if (thread >= self.schedulers_) {
            // Releases what it has submitted to scheduler 0, which waits for it and may sleep.
            self.externals_.fetch_sub(1, std::memory_order_release);
            self.library_.poke(0);
        } else {
            while (self.waits_for_jobs(thread))
                wait(pool, thread);
        }
        own.attached = false;
        self.attached_.fetch_sub(1, std::memory_order_release); // pairs with stop
    }

    static void statistics(struct pool *pool, struct pool_statistics *statistics) noexcept
    {
        const shared &self = of(pool);
        *statistics = {};
        statistics->invoked = statistics->wakes = statistics->parks = statistics->retries = UINT64_MAX;
        for (unsigned i = 0; i < self.count_; i++) {
            statistics->submitted += self.threads_[i].submitted.load(std::memory_order_relaxed);
            statistics->completed += self.threads_[i].completed.load(std::memory_order_relaxed);
            statistics->batches += self.threads_[i].batches.load(std::memory_order_relaxed);
        }
    }

    static int stop(struct pool *pool, struct pool_statistics *counts, struct fault *fault) noexcept
    {
        shared *self = &of(pool);
        self->closing_.store(true, std::memory_order_release);
        while (self->attached_.load(std::memory_order_acquire) > 0)
            std::this_thread::yield();
        struct pool_statistics found;
        statistics(pool, &found);
        if (counts)
            *counts = found;
        delete self;
        if (found.submitted == found.completed)
            return 0;
        return fault_set(fault, -EIO, "pool %s: %llu jobs never completed", Library::name,
                         static_cast<unsigned long long>(found.submitted - found.completed));
    }

  private:
    unsigned schedulers_, count_; // of all threads, the externals behind the schedulers
    std::unique_ptr<books[]> threads_;
    alignas(128) std::atomic<unsigned> attached_{0}, externals_{0};
    std::atomic<bool> closing_{false};
    alignas(128) Library library_;

    shared(const pool_setup &setup, const typename Library::config &config)
        : schedulers_(setup.schedulers), count_(setup.schedulers + setup.externals), threads_(new books[count_]),
          library_(setup, config)
    {
    }

    static typename Library::config config_of(const void *config)
    {
        if constexpr (std::is_empty_v<typename Library::config>)
            return {}; // it has no memory
        else
            return *static_cast<const typename Library::config *>(config);
    }

    static shared &of(struct pool *pool) noexcept
    {
        return *reinterpret_cast<shared *>(pool);
    }

    void count(unsigned scheduler, unsigned completed) noexcept
    {
        if (!completed)
            return;
        add(threads_[scheduler].completed, completed);
        add(threads_[scheduler].batches, 1);
    }

    // What externals submit comes home to scheduler 0.
    bool waits_for_jobs(unsigned scheduler) const noexcept
    {
        uint64_t submitted = threads_[scheduler].submitted.load(std::memory_order_relaxed);
        if (scheduler == 0) {
            if (externals_.load(std::memory_order_acquire) > 0) // pairs with their detach
                return true;
            for (unsigned i = schedulers_; i < count_; i++)
                submitted += threads_[i].submitted.load(std::memory_order_relaxed);
        }
        return submitted != threads_[scheduler].completed.load(std::memory_order_relaxed);
    }
};

constexpr param no_params[] = {PARAM_END};

// The table of ops but for what tells the pools apart.
template <class Library> constexpr pool_ops ops(const param *params)
{
    pool_ops made{};
    made.abi_version = POOL_ABI_VERSION;
    made.name = Library::name;
    made.traits.keys = Library::keys;
    made.traits.completes_on_submitter = true;
    made.traits.externals = true;
    made.params = params;
    made.config_size = std::is_empty_v<typename Library::config> ? 0 : sizeof(typename Library::config);
    made.start = shared<Library>::start;
    made.attach = shared<Library>::attach;
    made.submit = shared<Library>::submit;
    made.pass = shared<Library>::pass;
    made.wait = shared<Library>::wait;
    made.detach = shared<Library>::detach;
    made.stop = shared<Library>::stop;
    made.statistics = shared<Library>::statistics;
    return made;
}

} // namespace peer

// Defines the pool's ops, for C to find.
#define PEER_OPS(name)                     \
    extern "C" const struct pool_ops name; \
    constinit const struct pool_ops name

#endif
