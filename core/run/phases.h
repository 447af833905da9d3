// SPDX-License-Identifier: Apache-2.0
// The threads of one run and the phases that they go through together, watched by the thread that calls
// phases_run (the controller, which is main).
//
// Phases are check-ins: the controller sets a phase, each thread notices it at its next tick and checks in, and
// only when all have does the clock of that phase run. So every thread is warm before the window opens, every
// thread is in the window for at least `duration_ns`, and nobody lets the load drop while another still measures. A
// window in which nothing was completed by then stays open until something is, for `stuck_ns` at most.
//
//   gather -> warm-up -> window -> cool-down -> drain        (or -> abort: a thread could not attach)
//
// The controller sleeps between looks, and in the window as briefly as it is to take samples. It is the watchdog too:
// when nothing moves for `stuck_ns`, in any phase, or a thread does not check in for that long, the run is stuck.
#ifndef READYQ_RUN_PHASES_H
#define READYQ_RUN_PHASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fault.h"
#include "core/measure/histogram.h"
#include "core/measure/record.h"
#include "core/measure/usage.h"
#include "core/workload.h"

// What each thread measured: its own operations over its own window.
struct run_span {
    uint64_t start_ticks, end_ticks;
    uint64_t start_operations, end_operations;
    uint64_t start_failed, end_failed;
    uint64_t start_observed, end_observed;
    uint64_t start_handovers, end_handovers;
    struct thread_usage start_usage, end_usage;
};

// One thread of the run. The first line is written at every tick and read by the controller.
struct run_thread {
    _Atomic uint64_t operations; // as last ticked
    _Atomic uint32_t state;      // how far it has checked in
    uint32_t seen;               // phase that it knows of
    uint64_t awaited;            // thread progress that workload_reclaim asked for; 0: none
    int error;                   // of attaching
    int id;                      // of the thread that runs the body, as the kernel numbers it
    struct run_span span;
    struct workload_thread self;
    struct run_phases *phases;
    struct thread os;
} ALIGNED_LINE;

// What the controller does now and then while the window is open.
struct phases_timer {
    uint64_t every_ns;           // 0: never
    void (*call)(void *context); // takes much less than `every_ns`
};

#define PHASES_TIMERS 2

enum phases_moment {
    PHASES_OPENED,  // all threads are in the window
    PHASES_CLOSING, // the common window is over, all are still in theirs
    PHASES_CLOSED,  // all have left it
};

// Everything that phases_run needs. Outlives the phases.
struct phases_plan {
    const struct workload_ops *workload;
    struct workload_run *run;        // `demand` and `threads` are set
    const struct topology *topology; // NULL: nobody is pinned
    const int *cpus;                 // per thread; negative: not pinned
    uint64_t warmup_ns, duration_ns, stuck_ns;
    bool show_progress; // a live line on stderr
    void *context;      // of the functions below
    // By each thread, pinned, before its body. 0, or a negative errno with nothing left behind.
    int (*attach)(struct workload_thread *self, void *context);
    // By each thread that attached, after its body.
    void (*detach)(struct workload_thread *self, void *context);
    // By the controller. May be NULL.
    void (*at_moment)(enum phases_moment moment, void *context);
    // By the controller, between PHASES_OPENED and PHASES_CLOSING: at its beginning, and then as often as they say.
    struct phases_timer timers[PHASES_TIMERS];
};

enum phases_end {
    PHASES_FINISHED, // all joined, the window was measured
    PHASES_GAVE_UP,  // all joined, nothing measured: the workload gave up
    PHASES_STUCK,    // threads are left; nothing that they use may be freed
    PHASES_FAILED,   // all joined, nothing ran: a thread could not be started, pinned or attached
};

struct phases_result {
    uint64_t window_ns; // common to all: from the last start to the first end
    uint64_t skew_ns;   // (last start - first start) + (last end - first end)
    uint64_t operations;
    uint64_t failed;
    double throughput_ops_per_s; // sum over the threads that count of operations over own window
    // Over the threads that count: those of every role of which any thread's operations grew.
    uint64_t thread_operations_min, thread_operations_max;
    double fairness;        // Jain's index of their rates
    double run_length_mean; // operations of one thread in a row, as bodies saw them; NaN: nobody looked
};

// 0 or -ENOMEM.
int phases_create(struct run_phases **phases, const struct phases_plan *plan);

// The whole run, by the controller. At PHASES_STUCK `detail` says in which phase, and how far each thread was;
// at PHASES_FAILED `fault` says why, and its number is returned in *error.
enum phases_end phases_run(struct run_phases *phases, char *detail, size_t size, int *error, struct fault *fault);

// After PHASES_FINISHED.
void phases_measure(const struct run_phases *phases, struct phases_result *result);

// All operations so far, as the threads last told; any time.
uint64_t phases_operations(const struct run_phases *phases);

// A row for each thread (`rows` has room for all), save its migrations; and the number of the thread behind a row, as
// the kernel has it. After PHASES_FINISHED.
void phases_describe_threads(const struct run_phases *phases, struct record_thread *rows);
int phases_thread_id(const struct run_phases *phases, unsigned thread);

// Adds what all threads recorded of one stage. After PHASES_FINISHED.
void phases_merge(struct run_phases *phases, unsigned stage, struct histogram *to);

// Not after PHASES_STUCK.
void phases_destroy(struct run_phases *phases);

#endif
