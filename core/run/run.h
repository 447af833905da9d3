// SPDX-License-Identifier: Apache-2.0
// One run: one process that measures one cell once, and judges itself.
#ifndef READYQ_RUN_RUN_H
#define READYQ_RUN_RUN_H

#include "core/fault.h"
#include "core/history/history.h"
#include "core/machine/environment.h"
#include "core/machine/placement.h"
#include "core/measure/record.h"
#include "core/measure/timeline.h"
#include "core/queue_client.h"
#include "core/run/environment_verdict.h"
#include "core/workload.h"

// How to run, whatever is run. Filled from run_params like any plug-in's configuration.
struct run_settings {
    uint64_t warmup_ns;         // at least this long before the window
    uint64_t duration_ns;       // of the window
    uint64_t stuck_ns;          // without any operation for this long, the run is stuck and fails
    uint64_t seed;              // of everything random
    uint64_t dispatch;          // enum run_dispatch: how queue workloads call the queue
    const char *pin;            // placement, as typed
    uint64_t timeline;          // intervals that the window is cut into; 0: none
    uint64_t sample_lengths_ns; // how often lengths of queues are read in the window; 0: never
    uint64_t check;             // enum history_scope: how much of the history is recorded and judged
    uint64_t check_every;       // HISTORY_SCOPE_SAMPLED: one item in so many
    uint64_t check_memory_mib;  // for what is recorded; judging it takes as much again
    uint64_t keep_awake;        // 0 or 1: spinners keep idle CPUs from halting
    uint64_t counters;          // enum run_counters
    uint64_t require_valid;     // 0 or 1: a run whose environment is invalid ends with an exit code of its own
};

enum run_dispatch { RUN_DISPATCH_VTABLE, RUN_DISPATCH_DIRECT };

// Counters of processor and kernel: what there is, the kernel's only beside the processor's; none; all that there is,
// and a word on what is absent.
enum run_counters { RUN_COUNTERS_AUTO, RUN_COUNTERS_NO, RUN_COUNTERS_YES };
extern const char *const run_counters_names[];

extern const struct param run_params[];

// Refuses what the ranges of run_params can't tell. 0, or -EINVAL and a sentence.
int run_settings_check(const struct run_settings *settings, struct fault *fault);

// Everything that the user chose, parsed. Owns the configurations.
struct run_options {
    struct run_settings settings;
    const struct workload_ops *workload;
    void *workload_config;
    struct queue_choice queue;       // on a queue: the subject
    const struct pool_entry *pool;   // on a pool: the subject
    void *pool_config;               //
    struct queue_choice job_queue;   // on a pool that takes queues
    struct queue_choice ready_queue; // likewise
    // Identification by a sweep, NULL or RECORD_ABSENT when not given.
    const char *plan_hash, *run_id, *arm;
    uint64_t block, order, attempt;
    bool show_progress;  // a live line on stderr
    const char *history; // file for the history, or NULL
};

// A run made ready: options held against traits, threads counted and placed. No thread is started yet.
struct run_plan {
    const struct run_options *options;
    const struct topology *topology;
    struct workload_demand demand;
    struct pool_traits pool_traits; // on a pool: as it is configured
    struct placement placement;
    unsigned threads;    // of the workload
    unsigned schedulers; // on a pool: of the workload's threads, the first
    unsigned externals;  // on a pool: the others
    int *cpus;           // workload's threads first, then the pool's workers
    char *texts[9];      // parameter texts, the list of cpus and what is checked, owned
    char cell_id[17];    // hash of everything that the result depends on and that the user chose
    const char *lacks;   // where run_plan_make refused for that: what the workload needs and the pool does not have
};

// Checks the options against each other and the machine: a queue asked beyond its traits, a baseline in a
// pool, a pool without keys, more threads than the machine allows, pinning to processors that are not
// allowed. 0, or a negative errno and one sentence; then nothing is held.
int run_plan_make(struct run_plan *plan, const struct run_options *options, const struct topology *topology,
                  struct fault *fault);
void run_plan_free(struct run_plan *plan);

// What a planned run on a pool gives the pool to start with.
struct pool_setup run_plan_pool_setup(const struct run_plan *plan);

// Fills what is known of the record before measuring: identification, names, parameters, placement, machine,
// build. The plan and `environment` outlive the record.
void run_plan_describe(const struct run_plan *plan, const struct environment *environment, struct record *record);

// What a run owns that its record points into.
struct run_result {
    struct histogram *stages[WORKLOAD_STAGES_MAX];
    struct record_account *accounts;
    struct record_thread *threads;
    struct timeline timeline;
    struct workload_report report;
    struct workload_verdict verdict;
    char detail[1600]; // of the verdict, and of what closing the subject and reading the accounts brought to light
    char *witness;     // operations of the history that show what is wrong, as a timeline; NULL: nothing to show
    struct environment_verdict environment; // where a window was measured
    char counters_absent[1000];             // which, and why
    int unwritten; // negative errno: the history could not be written to its file; `reason` says why
    struct fault reason;
};

// Measures. `record` comes described and leaves complete. Returns 0 when the run finished and is correct, 1 when it
// finished, or got stuck, and is not (the record says why; after `stuck` threads may still exist, so the
// process must end without joining them), or a negative errno and a sentence when it could not be started.
int run_execute(const struct run_plan *plan, struct record *record, struct run_result *result, struct fault *fault);
void run_result_free(struct run_result *result);

#endif
