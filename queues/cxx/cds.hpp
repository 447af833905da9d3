// SPDX-License-Identifier: Apache-2.0
// libcds' hazard pointers, which there are once for the process: made with the first queue that needs them, and
// unmade, with all they hold back, with the last. And the attachment of threads to them.
//
// Each thread counts how often it has attached, as the library does too; in init and fini, where the caller need not be
// attached, it is for the while.
#ifndef READYQ_CXX_CDS_HPP
#define READYQ_CXX_CDS_HPP

#include "queues/cxx/shim.hpp"

#include <algorithm>
#include <mutex>
#include <optional>

#include <cds/gc/hp.h>
#include <cds/init.h>

namespace shim
{

class hazards
{
    // What the library takes without being asked. More threads make it keep more nodes back: twice as many as all
    // threads can hold.
    static constexpr size_t threads_usual = 100;

    struct process {
        std::mutex mutex; // of all that follows
        std::optional<cds::gc::HP> made;
        unsigned queues = 0;
        size_t threads = 0; // attached
        size_t threads_most = 0;
    };

    static process &shared()
    {
        static process only;
        return only;
    }

    static unsigned &attachments()
    {
        static thread_local unsigned count = 0;
        return count;
    }

  public:
    // Of a queue: holds the hazard pointers.
    explicit hazards(const queue_env &env)
    {
        process &all = shared();
        const std::lock_guard hold(all.mutex);
        if (all.queues == 0) {
            cds::Initialize();
            // Every handle may have a thread of its own, and there is the one in init or fini.
            all.threads_most = std::max<size_t>(threads_usual, env.producers_max + env.consumers_max + 1);
            all.made.emplace(0, all.threads_most);
        }
        all.queues++;
    }

    ~hazards()
    {
        process &all = shared();
        const std::lock_guard hold(all.mutex);
        if (--all.queues == 0) {
            all.made.reset();
            cds::Terminate();
        }
    }

    hazards(const hazards &) = delete;

    // Attaches the calling thread for as long as it lives.
    class attached
    {
      public:
        attached()
        {
            process &all = shared();
            const std::lock_guard hold(all.mutex);
            if (attachments() == 0 && all.threads == all.threads_most)
                throw std::bad_alloc(); // beyond what the tables were made for
            cds::threading::Manager::attachThread();
            all.threads += attachments()++ == 0;
        }

        ~attached()
        {
            process &all = shared();
            const std::lock_guard hold(all.mutex);
            cds::threading::Manager::detachThread();
            all.threads -= --attachments() == 0;
        }

        attached(const attached &) = delete;
    };
};

// A queue of the library that needs hazard pointers, made and unmade by an attached thread.
template <class Items> class hazardous
{
    hazards held;
    std::optional<Items> made;

  public:
    template <class... Arguments> explicit hazardous(const queue_env &env, Arguments... arguments) : held(env)
    {
        const hazards::attached meanwhile;
        made.emplace(arguments...);
    }

    ~hazardous()
    {
        const hazards::attached meanwhile;
        made.reset();
    }

    Items *operator->()
    {
        return &*made;
    }
};

// A handle that attaches its thread.
struct hazard_handle {
    hazards::attached attached;

    template <class Queue> hazard_handle(Queue &, enum queue_role)
    {
    }
};

} // namespace shim

#endif
