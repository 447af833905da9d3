// SPDX-License-Identifier: Apache-2.0
// Which workers sleep in front of the job queue that they share, so that who puts a job there wakes one of them, and
// not all, nor one that is busy.
//
// A worker resets its event, puts itself on the list, looks into the queue once more, and sleeps if that was empty.
// Who enqueues then picks one worker off the list and sets its event; who finds nobody leaves.
//
// No wake is lost: putting oneself down, publishing a job, and both looks are in one total order, so that either the
// look into the queue finds the job or the look at the list finds the worker. The list may be several words, looked at
// one after the other: who comes onto a word after it was passed looks into the queue later still.
//
// The reset comes before the list: else a worker might be picked, eat the wake, find the job gone, and sleep with
// nothing left to pick it by.
//
// No wake is swallowed: a worker is picked once for each time that it puts itself down, since only the thread whose
// operation took the bit away has picked it; two jobs pick two workers, while two sleep. And each pick is followed by a
// look into the queue, after which the worker runs a job or, with none there, sleeps again; a worker that something
// else woke looks too, so a pick that comes meanwhile is not in vain. All but one case: the worker is picked while it
// looks, and its look gave it a job already (an inspect that is emulated takes one out), whose own wake went to
// somebody else. It would run that job, maybe for long, with the one that it was picked for behind it and others
// asleep. So a worker that does not go to sleep and finds that it was picked meanwhile picks another in its place.
// Where that was not needed, one worker wakes and sleeps again.
#ifndef READYQ_POOL_SLEEPERS_H
#define READYQ_POOL_SLEEPERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/pool/config.h"
#include "core/sync/atomic.h"

#define SLEEPERS_A_WORD 64u
#define SLEEPERS_WORDS (POOL_WORKERS_MAX / SLEEPERS_A_WORD)

// All zero: nobody.
struct sleepers {
    _Atomic uint64_t words[SLEEPERS_WORDS]; // a bit a worker
};

// By worker `number`, between the reset of its event and its last look.
void sleepers_join(struct sleepers *sleepers, unsigned number);

// By worker `number` when it is awake. False: it had been picked.
bool sleepers_leave(struct sleepers *sleepers, unsigned number);

// Any thread, of a pool with `count` workers. True: took *number off the list, and must set its event. False: nobody
// sleeps.
bool sleepers_pick(struct sleepers *sleepers, unsigned count, unsigned *number);

#endif
