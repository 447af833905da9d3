// SPDX-License-Identifier: Apache-2.0
// What port_churn keeps of every job, port and driver, so that each knows what became of it. For port_churn.c only.
//
// A record goes through many lives and is never given back before the run is over. Its counts are never reset, so a
// call that comes twice, however late, leaves them unequal.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/pool.h"
#include "core/sync/atomic.h"
#include "core/workload.h"

// When a port is closed: by its owner, or by a callback of one of its jobs.
enum churn_moment {
    CHURN_QUEUED,  // the owner, right after it has submitted
    CHURN_COMING,  // the owner, when its jobs have run and some have not come home
    CHURN_ENDED,   // the owner, when some jobs have ended
    CHURN_RUNNING, // invoke
    CHURN_READY,   // ready
    CHURN_MOMENTS,
};

enum churn_key { CHURN_KEY_NONE, CHURN_KEY_PORT, CHURN_KEY_ONE };

// Kinds of fault (port_churn_faults.h).
#define CHURN_FAULTS 14u

struct churn_config {
    uint64_t schedulers, workers, externals;
    uint64_t ports, jobs_per_port;
    uint64_t key;
    uint64_t drivers;
    uint64_t data_lock;
    uint64_t output_percent;
    uint64_t service_ns;
    uint64_t patience_ns;
    uint64_t sample_every;
};

struct churn_job {
    struct churn_port *port;
    uint64_t submissions; // accepted ones, and the one under way; the owner's thread
    _Atomic uint64_t invoked;
    _Atomic uint64_t ended; // by ready or by free
    bool closes;            // a callback of this one closes the port
    bool timed;
    uint64_t submitted_ticks, started_ticks, finished_ticks, home_ticks;
} ALIGNED_LINE;

struct churn_driver {
    struct churn_owner *owner;
    struct pool_driver *handle; // NULL: not loaded, or on its way out
    bool has_ready;
    uint64_t loads;           // the owner's thread
    unsigned ports_to_come;   // to be opened before it may be unloaded
    _Atomic uint64_t unloads; // the last thing that touches a life of the record
    _Atomic uint64_t held;    // by the owner, by ports not stopped, by jobs between invoke and their end
} ALIGNED_LINE;

struct churn_port {
    struct churn_owner *owner;
    struct churn_job *jobs;
    struct churn_driver *driver;
    uint64_t driver_load; // which life of the driver
    uint64_t id;          // of the present life
    uint64_t opens;
    // The owner's plan, and how far it has come.
    bool open; // until stopped and all its jobs have ended
    bool output_left;
    bool finally_closed;
    enum churn_moment moment;
    unsigned before; // jobs that are submitted before the owner closes
    unsigned closer; // the job whose callback does
    unsigned wanted; // jobs that have ended when CHURN_ENDED
    unsigned holds;  // rounds for which it may still keep its jobs from coming home
    unsigned total, tried, accepted;
    // Under the pool's lock for the port, which is part of what is tested.
    bool alive;                                                // until stop
    enum { CHURN_OUTSIDE, CHURN_INSIDE, CHURN_CLOSING } place; // of a ready callback
    // Any thread.
    _Atomic uint64_t stops ALIGNED_LINE; // the last thing that stop touches
    _Atomic uint64_t last_invoked;       // job, from 1
    _Atomic uint32_t ordered;            // it has been closed, perhaps with output left
    _Atomic uint32_t returned;           // jobs that have left invoke
    _Atomic uint32_t ended;              // the last thing that a job touches
} ALIGNED_LINE;

// A thread that opens ports, submits for them and closes them.
struct churn_owner {
    struct churn_state *state;
    struct workload_thread *self;
    struct churn_port *ports;
    struct churn_job *jobs;       // of all its ports
    struct churn_driver *drivers; // `loaded` ones, and those on their way out
    unsigned driver_count;
    uint64_t random;
    uint64_t accepted, ports_opened, drivers_loaded;
    bool stopping; // no more ports are opened
    bool holding;  // jobs are left on their way home so that their port dies before they are
    unsigned idle;
    uint64_t activity;     // all jobs ended, as last looked at
    uint64_t looked_ticks; // when
    uint64_t quiet_ticks;  // with nothing ended since
    _Atomic uint64_t ended ALIGNED_LINE;
} ALIGNED_LINE;

struct churn_state {
    const struct churn_config *config;
    const struct workload_run *run;
    unsigned owner_count;
    struct churn_owner *owners;
    uint64_t service_ticks, patience_ticks;
    _Atomic uint32_t externals_done ALIGNED_LINE;
    _Atomic uint32_t done; // owners
    _Atomic uint64_t faults[CHURN_FAULTS] ALIGNED_LINE;
};
