// SPDX-License-Identifier: Apache-2.0
// The workload contract: one load on a queue or on a pool. The author of a workload reads this file and what
// it includes.
//
// A workload declares its threads by role; the run creates and pins them, and each runs `body`. Phases are
// check-ins, not sleeps: all threads warm up, then share one window, then all keep the load on until the last
// has left the window. A body works in quanta and calls workload_tick between them; the phase that it returns
// is the only thing that tells it to stop.
#ifndef READYQ_WORKLOAD_H
#define READYQ_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/fault.h"
#include "core/machine/clock.h"
#include "core/measure/latency.h"
#include "core/param.h"
#include "core/pool.h"
#include "core/queue.h"
#include "core/queue_client.h"
#include "core/sync/atomic.h"
#include "core/sync/progress.h"
#include "core/sync/thread.h"
#include "core/workload_random.h"
#include "core/workload_service.h"

#define WORKLOAD_ABI_VERSION 3u
#define WORKLOAD_ROLES_MAX 4
#define WORKLOAD_STAGES_MAX 8

enum workload_subject { WORKLOAD_ON_QUEUE, WORKLOAD_ON_POOL };

enum workload_phase {
    PHASE_WARMUP,   // run, nothing counts
    PHASE_WINDOW,   // operations and latencies count
    PHASE_COOLDOWN, // keep the load on, nothing counts
    PHASE_STOP,     // start no new work; finish what is under way, then return from body
};

// One kind of thread of a workload.
struct workload_role {
    const char *name;            // "producer", "consumer", "both", "scheduler", "external"
    unsigned threads;            //
    bool produces;               // on a queue: attaches as producer
    bool consumes;               // on a queue: attaches as consumer
    bool external;               // on a pool: only submits, is no scheduler. Schedulers come in the roles before
    enum queue_thread_kind kind; // on a queue: managed threads must call workload_quiescent
};

// What a configured workload asks for.
struct workload_demand {
    struct workload_role roles[WORKLOAD_ROLES_MAX]; // ends early with a NULL name
    // On a pool:
    unsigned workers;     // async workers; 0: the pool must run jobs inside submit
    unsigned needs_ports; // that may be open at any one time; 0: needs none
    bool needs_keys;      // jobs of one key keep their order
    bool needs_submitter; // `ready` runs on the scheduler that submitted, and nowhere else
    // On a queue:
    uint64_t prefill;      // items that are put in before anyone takes one
    unsigned prefill_room; // places that must be left then in a bounded queue
};

struct workload_run;

// One thread of the running workload. The body reads what is set here; `private` parts are the run's.
struct workload_thread {
    struct workload_run *run;
    const struct workload_role *role;
    unsigned index;                             // over all threads
    unsigned rank;                              // within the role, from 0
    struct queue_client producer;               // attached as the role says
    struct queue_client consumer;               //
    struct progress_thread *progress;           // managed threads on a queue, else NULL
    bool recording;                             // latencies count now
    struct latency stages[WORKLOAD_STAGES_MAX]; // of this thread
    uint64_t failed;                            // failed operations so far, kept by the body
    uint64_t observed;                          // operations of which the body saw which thread did them, and
    uint64_t handovers;                         // how often that was another than of the one before; kept by the body
    void *local;                                // the workload's own
    struct run_thread *inner;                   // private
};

// The whole run as the workload sees it. Read-only but for `state`.
struct workload_run {
    const void *config; // of the workload
    const struct workload_demand *demand;
    const struct queue_choice *queue_choice; // on a queue
    struct queue *queue;                     // on a queue
    const struct queue_loops *loops;         // on a queue: direct or through the vtable, as the user chose
    const struct pool_ops *pool_ops;         // on a pool
    const struct pool_traits *pool_traits;   // on a pool: as it is configured
    struct pool *pool;                       // on a pool; a thread's number in it is its `index`
    uint64_t unrun;                          // on a pool, for verify: pool_statistics.unrun
    unsigned threads;                        // all roles together
    uint64_t seed;                           //
    void *state;                             // the workload's own, made by setup
    struct run_phases *phases;               // private
};

// What a workload found out about its own correctness, by identity of items or jobs.
struct workload_verdict {
    bool violated;
    char detail[256];    // one sentence, when violated
    uint64_t total;      // items or jobs of the whole run
    uint64_t lost;       //
    uint64_t duplicated; //
    uint64_t reordered;  //
};

// What else the record of a run should say, where the workload knows it; absent values are NAN.
struct workload_report {
    double offered_ops_per_s; // of an open loop: the rate that was asked for, over the window
    double work_share;        // of its threads' time in the window, that they had for other work than this one's
    double stopped_enqueue_share, stopped_dequeue_share; // rates while a thread is stopped inside a call, by the usual
    double bytes_per_s;                                  // of real work: bytes read, written or packed in the window
    char note[160]; // one sentence that a reader of the result must know; empty: none
};

struct workload_ops {
    uint32_t abi_version;                    // WORKLOAD_ABI_VERSION
    const char *name;                        // as in workloads/list.def
    const char *summary;                     // one line for `readyq list`
    const char *source;                      // where this load comes from, or what it models
    enum workload_subject subject;           //
    const char *operation;                   // what one counted operation is: "item received", "job completed", ...
    const char *checks;                      // what verify decides, in a few words
    const char *stages[WORKLOAD_STAGES_MAX]; // names of the latencies it records; ends early with NULL
    const struct param *params;              // ends with PARAM_END; never NULL
    size_t config_size;                      // of the struct that `params` fill

    // Required. What `config` asks for; refuses contradictions. Pure. 0, or -EINVAL and a sentence.
    int (*resolve)(const void *config, struct workload_demand *demand, struct fault *fault);

    // Required. By main, before the threads: makes run->state. 0, or a negative errno and a sentence.
    int (*setup)(struct workload_run *run, struct fault *fault);

    // Required. One thread's whole life, attached and pinned already. Returns after PHASE_STOP when nothing that it
    // is responsible for is left in the queue; on a pool it may leave jobs in flight to detach and stop.
    void (*body)(struct workload_thread *self);

    // Required. By main, all threads joined and the pool stopped. Decides correctness from what the threads kept.
    void (*verify)(struct workload_run *run, struct workload_verdict *verdict);

    // Optional. By main, after verify: fills what it knows of `report`, which comes with everything absent.
    void (*report)(struct workload_run *run, struct workload_report *report);

    // Required. Frees run->state. Also after a setup that failed half-way, when state may be NULL.
    void (*teardown)(struct workload_run *run);
};

// Every listed workload, in the order of workloads/list.def; NULL-terminated. Defined beside that list.
extern const struct workload_ops *const workload_list[];

// By the thread itself, after every quantum (at most some tens of microseconds of work): reports its running
// total of operations and learns the phase. Turns `recording` on and off.
enum workload_phase workload_tick(struct workload_thread *self, uint64_t operations);

// By a consumer of a queue, between quanta: lets the queue reclaim. A managed consumer that finds nothing to take calls
// it then; an unmanaged one calls it every quantum, since nobody else may be making thread progress: it asks for it.
void workload_reclaim(struct workload_thread *self);

// By any thread of the workload, when what it saw makes it impossible to go on (a job that came home on the
// wrong thread). Every thread learns PHASE_STOP at its next tick; the run measures nothing, and verify must
// find the run violated.
void workload_give_up(struct workload_thread *self);

// Records a latency of stage `stage`, given in clock ticks, if the thread is recording.
static inline void workload_record(struct workload_thread *self, unsigned stage, uint64_t ticks)
{
    if (self->recording)
        latency_record(&self->stages[stage], ticks);
}

// Managed threads on a queue, between quanta: passes a quiescent point.
static inline void workload_quiescent(struct workload_thread *self)
{
    if (self->progress)
        progress_update(self->progress);
}

// Zeroed memory that shares no cache line with anything else; freed by free. NULL: none.
static inline void *workload_alloc(size_t size)
{
    const size_t rounded = (size + LINE_PAIR - 1) / LINE_PAIR * LINE_PAIR;
    void *memory = aligned_alloc(LINE_PAIR, rounded);
    return memory ? memset(memory, 0, rounded) : NULL;
}

// What workloads on a queue, and workloads on a pool, have in common.
#include "core/workload_items.h"
#include "core/workload_jobs.h"
#include "core/workload_offer.h"
#include "core/workload_stop.h"
#include "core/workload_think.h"
#include "core/workload_window.h"

#endif
