// SPDX-License-Identifier: Apache-2.0
// An open load: schedulers submit jobs when they are due, however slow the pool is. Included by core/workload.h.
//
// A job counts from when it was due, and not from when it could be submitted, so that a pool that holds up its
// submitters does not seem fast for it (G. Tene calls that error coordinated omission). Each scheduler submits its own
// share of the rate, and passes the pool meanwhile. It has a bounded number of jobs in flight; when these are used
// up, or the pool refuses, what is due waits, still counts from when it was due, and counts as failed once.
#ifndef READYQ_WORKLOAD_OFFER_H
#define READYQ_WORKLOAD_OFFER_H

#include "core/workload_arrivals.h"
#include "core/workload_jobs.h"

struct workload_report;

// Part of a workload's configuration, filled by WORKLOAD_OFFER_PARAMS.
struct workload_offer_config {
    uint64_t rate;     // jobs a second, over all schedulers
    uint64_t arrivals; // enum arrivals_kind
    uint64_t on_ns, off_ns;
    uint64_t idle; // enum offer_idle
};

enum offer_idle { OFFER_SPIN, OFFER_SLEEP };

// How far a thread's load was at one moment.
struct offer_moment {
    uint64_t ticks;
    double due;         // jobs
    uint64_t submitted; //
    uint64_t completed; //
    uint64_t held;      // that had to wait for a slot, or that the pool refused at first
};

// The load of one thread.
struct workload_source {
    struct arrivals arrivals;
    bool waits;    // the job that is due next has been counted as held
    bool measured; // `from` is set
    uint64_t held;
    struct offer_moment from, to; // of the window
} ALIGNED_LINE;

struct workload_offer {
    const struct workload_run *run;
    struct arrivals_pattern pattern;
    enum offer_idle idle;
    uint64_t rate;
    uint64_t epoch;      // of the schedules, in ticks
    unsigned late_stage; // of the workload
    unsigned burst;      // jobs between two ticks
    struct workload_source *sources;
};

extern const char *const workload_offer_arrivals[];
extern const char *const workload_offer_idles[];

// By setup. `late_stage`: index of the stage that records how long after it was due a job was submitted. 0 or -ENOMEM
// with nothing held.
int workload_offer_init(struct workload_offer *offer, const struct workload_offer_config *config,
                        const struct workload_run *run, unsigned late_stage);
// By teardown; also on zeroed memory.
void workload_offer_fini(struct workload_offer *offer);

// A scheduler's whole life.
void workload_offer_body(struct workload_offer *offer, struct job_owner *owner, void (*invoke)(void *slot),
                         void (*ready)(void *slot));

// By report: the rate that was due, and whether machine and pool kept up with it.
void workload_offer_report(const struct workload_offer *offer, struct workload_report *report);

// The parameters, as lines of a workload's table. `member_` is the struct workload_offer_config in its configuration.
#define WORKLOAD_OFFER_PARAMS(type_, member_, rate_)                                                                   \
    PARAM_ROW("rate", PARAM_TYPE_U64, offsetof(type_, member_.rate), rate_, 1, 1000000000, NULL, "jobs/s",             \
              "Jobs that are due in a second, over all schedulers"),                                                   \
        PARAM_ROW("arrivals", PARAM_TYPE_CHOICE, offsetof(type_, member_.arrivals), "poisson", 0, 0,                   \
                  workload_offer_arrivals, "",                                                                         \
                  "When they are due: at equal gaps, at random ones, or at random ones in bursts with none between"),  \
        PARAM_ROW("on_ns", PARAM_TYPE_NS, offsetof(type_, member_.on_ns), "1ms", 1000, 1000000000, NULL, "ns",         \
                  "Of bursts: length of one; in it jobs come so much faster that the mean is the rate"),               \
        PARAM_ROW("off_ns", PARAM_TYPE_NS, offsetof(type_, member_.off_ns), "9ms", 0, 1000000000, NULL, "ns",          \
                  "Of bursts: time from the end of one to the next"),                                                  \
        PARAM_ROW(                                                                                                     \
            "idle", PARAM_TYPE_CHOICE, offsetof(type_, member_.idle), "spin", 0, 0, workload_offer_idles, "",          \
            "What a scheduler does until the next job is due: pass the pool and watch the clock all the time, or nap " \
            "while nothing is in flight")

#endif
