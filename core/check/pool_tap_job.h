// SPDX-License-Identifier: Apache-2.0
// How the tap on a pool stands in for a job, on its way through plain submit and through ports. For pool_tap*.c only.
//
// A job that is recorded goes through the pool as one of the tap's own records, which hold what the caller gave. They
// lie side by side in one stretch of address space, so that a callback can tell them from data of callers; and none is
// used twice within a recording, so that a second callback of a job, however late, is seen as what it is.
#ifndef READYQ_CHECK_POOL_TAP_JOB_H
#define READYQ_CHECK_POOL_TAP_JOB_H

#include "core/check/pool_tap.h"
#include "core/sync/lock.h"

struct tapped_job {
    void (*invoke)(void *data);
    void (*end)(void *data); // `ready`; of a job for a port its `free`, or NULL
    void *data;
    uint64_t number; // in the history, from 1
};

struct tapped_driver;
struct tapped_port;

struct pool_tap {
    const struct pool_ops *original;
    struct pool *inner; // the original's; NULL before start
    struct recording *recording;
    uint64_t generation; // of all taps that there were
    unsigned schedulers;
    struct pool_ops ops;
    struct pool_port_ops port_ops;
    struct tapped_job *jobs, *jobs_end;
    _Atomic uint64_t jobs_taken ALIGNED_LINE;
    _Atomic uint64_t numbers_taken;

    struct lock lock ALIGNED_LINE; // of what follows
    struct tapped_driver *drivers; // all that there ever were
    struct tapped_port *ports;     // likewise
    struct tapped_driver *unused_drivers;
    struct tapped_port *unused_ports;
};

// What the pool is handed about for, outside.
static inline struct pool_tap *tap_of(struct pool *pool)
{
    return (struct pool_tap *)(void *)pool;
}

static inline bool tap_owns(const struct pool_tap *tap, const void *data)
{
    return (uintptr_t)data >= (uintptr_t)tap->jobs && (uintptr_t)data < (uintptr_t)tap->jobs_end;
}

// One submit under way.
struct tap_submission {
    struct tapped_job *job;
    struct recorder *recorder;
    struct history_event *events; // its key, if it has one, and the submit itself
    unsigned event_count;
};

// By the submitting thread. True: *submission->job goes through the pool in place of the caller's data. False: this one
// is not recorded, and goes as it is.
bool tap_open_submission(struct pool_tap *tap, struct tap_submission *submission, const struct tapped_job *given,
                         const unsigned *key);
// With the pool's answer.
void tap_close_submission(struct tap_submission *submission, long answer);

// Callbacks of recorded jobs: for `invoke`, and for `free` in place of the driver's `ready`.
void tap_run_invoke(void *job);
void tap_run_free(void *job);

// An event from its start to its end on the calling thread. All NULL: it is not recorded.
struct tapped_event {
    struct recorder *recorder;
    struct history_event *event;
};
struct tapped_event tap_begin(struct pool_tap *tap, enum history_kind kind, uint64_t number);
void tap_end(struct tapped_event begun);

// Fills tap->port_ops from the original's.
void tap_wrap_ports(struct pool_tap *tap);
void tap_free_ports(struct pool_tap *tap);

#endif
