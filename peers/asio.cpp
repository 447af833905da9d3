// SPDX-License-Identifier: Apache-2.0
// Boost.Asio behind the pool contract, for comparison with ours: an io_context that the workers run, and one more for
// each scheduler.
//
// Source: Boost.Asio's documentation, io_context and strand. What a user of it does, and what is called here: submit is
// asio::post of a closure to the workers' context; the closure ends with asio::post of another to the context of the
// scheduler; pass is io_context::poll and wait is io_context::run_one there. Jobs with a key are posted through a
// strand of a table that the key chooses from, so that those of one key keep their order; keys that share a strand
// wait for each other. Asio allocates its closures itself, by operator new where it cannot recycle one. A context is
// one list under a mutex with a condition variable; whoever finds it asleep wakes one thread.
//
// What it lacks: job and ready queues that could be exchanged, ports, a bound. A strand that has its turn runs all that
// waits in it, so that jobs of different keys may overtake each other; a context that one thread runs keeps all
// orders by itself, and with one worker strands are left out.
#include "peers/peer.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/version.hpp>
#include <latch>
#include <vector>

namespace
{

namespace net = boost::asio;

using strand = net::strand<net::io_context::executor_type>;
using guard = net::executor_work_guard<net::io_context::executor_type>;

struct asio_config {
    uint64_t strands;
};

constexpr param asio_params[] = {
    PARAM_U64(asio_config, strands, "1024", 1, 65536, "strands", "keys choose one of so many by their remainder"),
    PARAM_END,
};

// Where the jobs of one scheduler come home. The context is run by one thread only.
struct alignas(128) home {
    net::io_context context{1};
    guard stays = net::make_work_guard(context); // it has not run dry when it is empty
    unsigned done = 0, most = 1;                 // in the pass under way

    void complete(void (*ready)(void *), void *data)
    {
        ready(data);
        if (++done == most)
            context.stop(); // poll or run_one returns when this one is done
    }

    unsigned ended()
    {
        if (context.stopped())
            context.restart();
        return done;
    }
};

class asio
{
  public:
    using config = asio_config;
    static constexpr const char *name = "asio";
    static constexpr bool keys = true;

    asio(const pool_setup &setup, const config &chosen)
        : context_(static_cast<int>(setup.workers)), stays_(net::make_work_guard(context_)),
          started_(static_cast<ptrdiff_t>(setup.workers)), homes_(new home[setup.schedulers])
    {
        for (uint64_t i = 0; i < chosen.strands; i++)
            strands_.push_back(net::make_strand(context_));
        try {
            for (unsigned i = 0; i < setup.workers; i++)
                workers_.emplace_back([this, &setup, i] { work(setup, i); });
            started_.wait();
            peer::must(error_, "pinning");
        } catch (...) {
            end();
            throw;
        }
    }

    ~asio()
    {
        end();
    }

    asio(const asio &) = delete;
    asio &operator=(const asio &) = delete;

    void submit(const peer::job &job, unsigned *key)
    {
        auto task = [this, job] {
            job.invoke(job.data);
            send_home(job);
        };
        if (key)
            *key %= static_cast<unsigned>(strands_.size());
        if (key && workers_.size() > 1)
            net::post(strands_[*key], task);
        else
            net::post(context_, task);
    }

    unsigned pass(unsigned scheduler, unsigned most)
    {
        home &home = homes_[scheduler];
        home.done = 0;
        home.most = most;
        home.context.poll();
        return home.ended();
    }

    unsigned wait(unsigned scheduler)
    {
        home &home = homes_[scheduler];
        home.done = 0;
        home.most = UINT32_MAX;
        home.context.run_one();
        return home.ended();
    }

    void poke(unsigned scheduler)
    {
        post_home(scheduler, [] {});
    }

  private:
    net::io_context context_;
    guard stays_;
    std::latch started_;
    std::atomic<int> error_{0};
    std::vector<strand> strands_;
    std::unique_ptr<home[]> homes_;
    std::vector<std::thread> workers_;

    void work(const pool_setup &setup, unsigned worker) noexcept
    {
        const int error = peer::pin(setup, worker);
        if (error)
            error_.store(error, std::memory_order_relaxed);
        started_.count_down();
        context_.run();
    }

    void end() noexcept
    {
        stays_.reset();
        for (std::thread &worker : workers_)
            worker.join();
    }

    // A job that was invoked must come home: without memory the worker tries until there is some.
    template <class Task> void post_home(unsigned scheduler, const Task &task) noexcept
    {
        for (;;) {
            try {
                net::post(homes_[scheduler].context, task);
                return;
            } catch (const std::bad_alloc &) {
                std::this_thread::yield();
            }
        }
    }

    void send_home(const peer::job &job) noexcept
    {
        post_home(job.home,
                  [home = &homes_[job.home], ready = job.ready, data = job.data] { home->complete(ready, data); });
    }
};

} // namespace

PEER_OPS(asio_pool_ops) = [] {
    pool_ops made = peer::ops<asio>(asio_params);
    made.summary = "Boost.Asio, asio::post: one locked list for all workers; strands for keys";
    made.source = "Boost.Asio of Boost " BOOST_LIB_VERSION;
    made.traits.fifo = true;
    return made;
}();
