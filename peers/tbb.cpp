// SPDX-License-Identifier: Apache-2.0
// oneTBB behind the pool contract, for comparison with ours: a task_arena into which schedulers enqueue.
//
// Source: oneTBB's documentation, task_arena, global_control, task_scheduler_observer and concurrent_bounded_queue.
// What a user of it does, and what is called here: submit is task_arena::enqueue of a closure, which oneTBB keeps in
// small objects of its own and puts into one of several locked lists, without a promise of order. The arena has no
// place for masters, so that schedulers never run jobs, and as many places as there are workers; global_control
// allows no more threads. For results oneTBB has no way back: the closure ends with a push to a
// concurrent_bounded_queue of the scheduler, by value; pass is its try_pop, and wait its pop, which sleeps.
//
// Workers that find nothing spin, then leave the arena, and sleep. They may enter it again at another of its places; an
// observer pins them to the processor of their place, once as long as that stays the same.
//
// What it lacks: keys, any order, job and ready queues that could be exchanged, ports, a bound.
#include "peers/peer.hpp"

#include <latch>
#include <oneapi/tbb/concurrent_queue.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_scheduler_observer.h>
#include <oneapi/tbb/version.h>
#include <vector>

namespace
{

// oneTBB starts its threads from within others, and ends the process where it cannot. So as many are started
// beforehand, all there at once, and ended again. Returns `count`.
unsigned probed(unsigned count)
{
    std::latch all_there(1);
    std::vector<std::thread> threads;
    const auto end = [&] {
        all_there.count_down();
        for (std::thread &thread : threads)
            thread.join();
    };
    try {
        for (unsigned i = 0; i < count; i++)
            threads.emplace_back([&all_there] { all_there.wait(); });
    } catch (...) {
        end();
        throw;
    }
    end();
    return count;
}

// Carries `work` out on a thread that ends: who has used oneTBB and lives keeps its threads from being joined, and the
// caller may live as long as the process.
template <class Work> void on_own_thread(const Work &work)
{
    std::exception_ptr failure;
    std::thread([&] {
        try {
            work();
        } catch (...) {
            failure = std::current_exception();
        }
    }).join();
    if (failure)
        std::rethrow_exception(failure);
}

// Pins who enters the arena, once it observes. Of one pool at a time; `life` tells the pools of a process apart.
class pinner : public tbb::task_scheduler_observer
{
  public:
    pinner(tbb::task_arena &arena, const pool_setup &setup) : tbb::task_scheduler_observer(arena), life_(++lives)
    {
        for (unsigned i = 0; setup.worker_cpus && i < setup.workers; i++)
            cpus_.push_back(setup.worker_cpus[i]);
        topology_ = setup.topology;
    }

    ~pinner() override
    {
        observe(false);
    }

    void on_scheduler_entry(bool) override
    {
        struct place {
            unsigned life;
            int index;
        };
        static thread_local place pinned{0, -1};
        const int index = tbb::this_task_arena::current_thread_index();
        if (pinned.life == life_ && pinned.index == index)
            return;
        pinned = {life_, index};
        const int cpu =
            index >= 0 && static_cast<size_t>(index) < cpus_.size() ? cpus_[static_cast<size_t>(index)] : -1;
        const int result = cpu < 0 ? 0 : topology_pin_self(topology_, static_cast<unsigned>(cpu));
        if (result)
            error.store(result, std::memory_order_relaxed);
    }

    std::atomic<int> error{0};

  private:
    static inline unsigned lives = 0; // main only
    unsigned life_;
    std::vector<int> cpus_;
    const struct topology *topology_;
};

struct completion {
    void (*ready)(void *data); // nullptr: the scheduler was poked
    void *data;
};

struct alignas(128) home {
    tbb::concurrent_bounded_queue<completion> done;
};

class onetbb
{
  public:
    struct config {
    };
    static constexpr const char *name = "tbb";
    static constexpr bool keys = false;

    onetbb(const pool_setup &setup, const config &)
        : allowed_(tbb::global_control::max_allowed_parallelism, probed(setup.workers) + 1), threads_(tbb::attach{}),
          arena_(static_cast<int>(setup.workers), 0), pinner_(arena_, setup), homes_(new home[setup.schedulers])
    {
        try {
            on_own_thread([&] {
                arena_.initialize();
                pinner_.observe(true);
                meet(setup.workers);
            });
            peer::must(pinner_.error, "pinning");
        } catch (...) {
            end();
            throw;
        }
    }

    ~onetbb()
    {
        end();
    }

    onetbb(const onetbb &) = delete;
    onetbb &operator=(const onetbb &) = delete;

    void submit(const peer::job &job, unsigned *)
    {
        arena_.enqueue([this, job] {
            job.invoke(job.data);
            send_home(job.home, {job.ready, job.data});
        });
    }

    unsigned pass(unsigned scheduler, unsigned most)
    {
        auto &done = homes_[scheduler].done;
        completion next;
        unsigned count = 0;
        while (count < most && done.try_pop(next))
            count += complete(next);
        return count;
    }

    unsigned wait(unsigned scheduler)
    {
        completion next;
        homes_[scheduler].done.pop(next);
        return complete(next);
    }

    void poke(unsigned scheduler)
    {
        send_home(scheduler, {nullptr, nullptr});
    }

  private:
    tbb::global_control allowed_;
    tbb::task_scheduler_handle threads_;
    tbb::task_arena arena_;
    pinner pinner_;
    std::unique_ptr<home[]> homes_;

    // As many jobs as workers that wait for each other, so that all are there, and no one is there twice.
    void meet(unsigned workers)
    {
        const auto met = std::make_shared<std::latch>(static_cast<ptrdiff_t>(workers) + 1);
        for (unsigned i = 0; i < workers; i++)
            arena_.enqueue([met] { met->arrive_and_wait(); });
        met->arrive_and_wait();
    }

    // Joins the threads, unless a thread that lives has used oneTBB: then they sleep until there is another pool.
    // Threads that are not joined may still hold parts of this one when the process ends, which are leaks to a checker.
    void end() noexcept
    {
        pinner_.observe(false);
        arena_.terminate();
        tbb::finalize(threads_, std::nothrow);
    }

    static unsigned complete(const completion &job)
    {
        if (job.ready)
            job.ready(job.data);
        return job.ready ? 1 : 0;
    }

    // A job that was invoked must come home: without memory the worker tries until there is some.
    void send_home(unsigned scheduler, completion job) noexcept
    {
        for (;;) {
            try {
                homes_[scheduler].done.push(job);
                return;
            } catch (const std::bad_alloc &) {
                std::this_thread::yield();
            }
        }
    }
};

} // namespace

PEER_OPS(tbb_pool_ops) = [] {
    pool_ops made = peer::ops<onetbb>(peer::no_params);
    made.summary = "oneTBB, task_arena::enqueue: several locked lists for all workers";
    made.source = "oneTBB " TBB_VERSION_STRING;
    return made;
}();
