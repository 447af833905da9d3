// SPDX-License-Identifier: Apache-2.0
// A tap on a pool: the same pool behind the same contract, with a history of its jobs. It stands in for each job's
// callbacks by its own, so it works on any pool, and costs nothing where it is not used.
//
// Threads join the recording when they attach ("scheduler" and "external", by number), workers and whoever else runs a
// callback at their first one ("worker"). So the recording needs a recorder for each scheduler, external and worker,
// and one more if a thread that is none of these stops the pool, in case callbacks run on it.
//
// Besides the events a tap takes 32 bytes for each job that is recorded, and none for others.
#ifndef READYQ_CHECK_POOL_TAP_H
#define READYQ_CHECK_POOL_TAP_H

#include "core/history/recorder.h"
#include "core/pool.h"

struct pool_tap;

// Wraps `original`: *ops are to be called in its place, from start to stop, by the same rules. Everything outlives the
// tap. `ops->start` starts the original. Only one pool at a time goes through a tap. 0, or -ENOMEM and a sentence.
int pool_tap_create(struct pool_tap **tap, const struct pool_ops *original, struct recording *recording,
                    const struct pool_ops **ops, struct fault *fault);
void pool_tap_destroy(struct pool_tap *tap);

#endif
