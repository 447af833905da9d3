// SPDX-License-Identifier: Apache-2.0
// The pool contract: all that a pool workload sees of an asynchronous thread pool, ours or another runtime's.
//
// A scheduler thread submits a job; an async worker runs its `invoke`; the finished job comes home to the
// scheduler that submitted it, where `ready` runs inside pass or wait. Plain C that is also valid C++17.
#ifndef READYQ_POOL_H
#define READYQ_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/fault.h"
#include "core/param.h"
#include "core/pool_ports.h"

#ifdef __cplusplus
extern "C" {
#endif

#define POOL_ABI_VERSION 4u

struct pool; // each pool's own
struct queue_choice;
struct topology;

// What a pool promises. A workload that needs more is refused.
struct pool_traits {
    bool keys;                   // jobs of one key are invoked in the order submitted
    bool fifo;                   // with one worker, jobs are invoked in the order in which one thread submitted them
    bool completes_on_submitter; // `ready` runs on the scheduler that submitted
    bool takes_queues;           // its job and ready queues are plug-ins
    bool synchronous;            // may have no workers: submit then runs the job to its end and answers 0
    bool externals;              // threads that are no schedulers may submit
    uint64_t job_capacity;       // jobs that may wait; 0 = unbounded. A full pool answers -EAGAIN
};

// What the run gives a pool to start with. Everything outlives the pool.
struct pool_setup {
    unsigned schedulers;                    // threads that will attach, numbered from 0
    unsigned externals;                     // threads that only submit, numbered from `schedulers`; their jobs
                                            // complete on scheduler 0
    unsigned ports;                         // that may be open at any one time (core/pool_ports.h)
    unsigned workers;                       // async threads to start; 0: traits.synchronous
    const struct queue_choice *job_queue;   // NULL unless traits.takes_queues
    const struct queue_choice *ready_queue; // likewise
    const struct topology *topology;        //
    const int *scheduler_cpus;              // per scheduler, where the run pins it; negative: nowhere
    const int *worker_cpus;                 // per worker, where the pool must pin it; negative: nowhere
    uint64_t seed;                          //
};

// Counted since start, over all threads; UINT64_MAX where a pool does not count. Exact once stopped.
struct pool_statistics {
    uint64_t submitted; // jobs taken
    uint64_t invoked;   //
    uint64_t completed; // `ready` has run, or `free` in its place
    uint64_t unrun;     // invoked, but left behind by a pool that was told not to complete what is in flight
    uint64_t refused;   // submit answered -EAGAIN
    uint64_t wakes;     // sleeping threads woken through the kernel
    uint64_t parks;     // times that a thread went to sleep in the kernel
    uint64_t batches;   // times that a scheduler found jobs that had come home, and completed one or more of them
    uint64_t retries;   // attempts of its queues that failed and were repeated: compare-and-swaps, locks
};

// What waits in a pool at one moment, roughly; UINT64_MAX where that is not known.
struct pool_lengths {
    uint64_t jobs;     // in job queues
    uint64_t ready;    // in ready queues
    uint64_t elements; // taken by all its queues and not given back: for items, and for garbage
};

// What one thread of a pool did with its time so far (core/measure/accounting.h).
#define POOL_ACCOUNT_STATES 6u
struct pool_account {
    const char *kind; // "async", "scheduler"
    unsigned number;  // among its kind, from 1
    uint64_t ns[POOL_ACCOUNT_STATES];
};

// What a scheduler is asked to do when nothing is left to pass.
enum pool_more { POOL_NOTHING = 0, POOL_MORE = 1 };

struct pool_ops {
    uint32_t abi_version;       // POOL_ABI_VERSION
    const char *name;           //
    const char *summary;        // one line for `readyq list`
    const char *source;         // where the design comes from; a library's name and version
    struct pool_traits traits;  //
    const struct param *params; // ends with PARAM_END; never NULL
    size_t config_size;         // of the struct that `params` fill

    // Optional. Adapts `traits`, which come filled with the defaults, to a parsed configuration. Pure.
    void (*resolve)(const void *config, struct pool_traits *traits);

    // Optional. Refuses what start would refuse of such a setup: 0, or -EINVAL or -ENOTSUP and a sentence. Pure, so
    // that a plan can be checked before anything is measured. The places in `setup` need not be filled.
    int (*check)(const struct pool_setup *setup, const void *config, struct fault *fault);

    // Optional. Of a pool that lives in another program: puts that program in the place of this process, to run the
    // same command line with the pool inside it. Called when the plan has been checked and before anything is
    // measured; inside, it answers 0. Otherwise it returns only where it failed: a negative errno and a sentence.
    int (*enter)(const struct pool_setup *setup, const void *config, char *const *program_argv, struct fault *fault);

    // Optional. Of a pool whose schedulers are threads of its own: has scheduler `thread` of the pool call
    // life(argument), from attach to detach, and returns when that has returned. By the thread that the run made for
    // it.
    void (*host)(struct pool *pool, unsigned thread, void (*life)(void *argument), void *argument);

    // Required. Starts the workers and waits until they are ready. By main. `config` is valid during the call
    // only. 0 and *pool, or a negative errno and a sentence, with nothing left behind.
    int (*start)(struct pool **pool, const struct pool_setup *setup, const void *config, struct fault *fault);

    // Required. Makes the calling thread scheduler or external submitter `thread`; once for each number, and one number
    // a thread. 0 or a negative errno.
    int (*attach)(struct pool *pool, unsigned thread);

    // Required. By that thread. invoke(data) runs once on a worker, then ready(data) once: on this thread, inside
    // pass or wait (an external's: on scheduler 0), or on any worker if the traits say so. With a key, jobs of
    // equal *key are invoked in the order submitted, and *key becomes the number of the worker queue chosen; NULL:
    // round robin. Returns the job's id (> 0), or 0: without workers, both callbacks ran meanwhile; or -EAGAIN
    // (full: pass and try again), -ENOMEM, -ESHUTDOWN (the pool is stopping) or -EPERM (not that thread); then
    // neither callback runs.
    // `ready` may itself submit, as the thread that it runs on or, on a worker, as the one that submitted the job.
    long (*submit)(struct pool *pool, unsigned thread, unsigned *key, void (*invoke)(void *data),
                   void (*ready)(void *data), void *data);

    // Required. By that scheduler's thread, often: runs `ready` of a bounded number of jobs that came home, and
    // the pool's own housekeeping. POOL_MORE: call again before sleeping.
    enum pool_more (*pass)(struct pool *pool, unsigned scheduler);

    // Required. By that scheduler's thread, with jobs in flight: sleeps until there may be something to pass, or a
    // job of its own was completed elsewhere. May return early.
    void (*wait)(struct pool *pool, unsigned scheduler);

    // Required. Ends attach, by the same thread, after consuming what it still has in flight, unless the pool was told
    // to leave that behind. Scheduler 0 does so until all externals have left.
    void (*detach)(struct pool *pool, unsigned thread);

    // Required. Refuses further jobs, lets every job finish (or counts what it leaves: statistics.unrun), joins the
    // workers and frees the pool. By main, after or while the schedulers detach. `statistics` (may be NULL) receives
    // the final counts. Returns 0, or a negative errno and a sentence when something was lost or leaked (the pool is
    // gone all the same).
    int (*stop)(struct pool *pool, struct pool_statistics *statistics, struct fault *fault);

    // Required. Counts so far, roughly, while running. Any thread.
    void (*statistics)(struct pool *pool, struct pool_statistics *statistics);

    // Optional. Any thread; disturbs no consumer.
    void (*lengths)(struct pool *pool, struct pool_lengths *lengths);

    // Optional. Fills at most `count` of `accounts`, one for each thread that is there, and returns how many it
    // filled; 0 where the pool was not told to keep accounts. Any thread.
    unsigned (*accounts)(struct pool *pool, struct pool_account *accounts, unsigned count);

    // Optional: ports.
    const struct pool_port_ops *ports;
};

// One line of peers/list.def.
struct pool_entry {
    const char *name;
    const char *package;        // Debian package that it needs, or NULL
    const struct pool_ops *ops; // NULL: not built, for want of `package`
    const char *version;        // of `package`, where it is installed; NULL otherwise
    const char *alias_of;       // the pool that this is another name of; NULL: none
    const char *presets;        // params set before the user's; NULL: none
    const char *job_queue;      // the queue that it takes where none is named, with its params; NULL: the first listed
    const char *ready_queue;    // likewise
};

// Every listed pool; ends with an entry whose name is NULL.
extern const struct pool_entry pool_list[];

#ifdef __cplusplus
}
#endif

#endif
