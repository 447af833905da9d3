// SPDX-License-Identifier: Apache-2.0
// Probe points where the originals have them (add, get), and where a job is sent home (reply) and completed (ready).
//
// Each point tells port (0: none; all bits set: a job that belongs to none), job id and the length of the queue that
// the job went into or came out of (-1: there was none, or it does not tell). Two tracers can listen: USDT
// (systemtap's sdt.h; provider "readyq", probes aio_pool_add, aio_pool_get, aio_pool_reply, aio_pool_ready, with
// semaphores), and LTTng-UST where built with it (events readyq:aio_pool_put, aio_pool_get, aio_pool_reply,
// aio_pool_ready). cmake/Observe.cmake says which are built, by READYQ_USDT and READYQ_LTTNG. While nobody listens a
// point costs one load and one branch not taken for each tracer built; the length is asked for only when somebody
// does.
//
// No point reads a job: one that was handed on may have been freed already by whoever got it. The originals' add
// probe did read it.
#ifndef READYQ_MEASURE_PROBES_H
#define READYQ_MEASURE_PROBES_H

#include <stdint.h>

#include "core/queue_client.h"
#include "core/sync/atomic.h"

#ifdef READYQ_USDT
// How many listen to a probe. Tracers and the kernel find these words by the executable's notes and count in them.
// Hidden: a load goes through no table.
#define PROBE_SEMAPHORE __attribute__((visibility("hidden"))) _Atomic uint16_t
extern PROBE_SEMAPHORE readyq_aio_pool_add_semaphore;
extern PROBE_SEMAPHORE readyq_aio_pool_get_semaphore;
extern PROBE_SEMAPHORE readyq_aio_pool_reply_semaphore;
extern PROBE_SEMAPHORE readyq_aio_pool_ready_semaphore;
#define PROBE_USDT_HEARD(name) (at_load_rlx(&readyq_##name##_semaphore) != 0)
#else
#define PROBE_USDT_HEARD(name) 0
#endif

#ifdef READYQ_LTTNG
#include "core/measure/probes_lttng.h"
#define PROBE_LTTNG_HEARD(name) lttng_ust_tracepoint_enabled(readyq, name)
#else
#define PROBE_LTTNG_HEARD(name) 0
#endif

// `usdt` and `lttng` are the names that the two tracers know the point by.
#define PROBE_HEARD(usdt, lttng) __builtin_expect(PROBE_USDT_HEARD(usdt) || PROBE_LTTNG_HEARD(lttng), 0)

// What the points do while somebody listens.
void probe_tell_add(uint64_t port, long id, struct queue *jobs);
void probe_tell_get(uint64_t port, long id, struct queue *jobs);
void probe_tell_reply(uint64_t port, long id, struct queue *ready);
void probe_tell_ready(uint64_t port, long id, struct queue *ready);

// A job was put into a worker's queue, by the thread that put it there.
static inline void probe_add(uint64_t port, long id, struct queue *jobs)
{
    if (PROBE_HEARD(aio_pool_add, aio_pool_put))
        probe_tell_add(port, id, jobs);
}

// The worker took it out.
static inline void probe_get(uint64_t port, long id, struct queue *jobs)
{
    if (PROBE_HEARD(aio_pool_get, aio_pool_get))
        probe_tell_get(port, id, jobs);
}

// Whether anybody listens to the next: what it is told of a job must be read before the job is sent.
static inline bool probe_reply_heard(void)
{
    return PROBE_HEARD(aio_pool_reply, aio_pool_reply);
}

// It was invoked, and sent home by the worker.
static inline void probe_reply(uint64_t port, long id, struct queue *ready)
{
    if (PROBE_HEARD(aio_pool_reply, aio_pool_reply))
        probe_tell_reply(port, id, ready);
}

// Its scheduler took it out of the ready queue, and is about to complete it.
static inline void probe_ready(uint64_t port, long id, struct queue *ready)
{
    if (PROBE_HEARD(aio_pool_ready, aio_pool_ready))
        probe_tell_ready(port, id, ready);
}

#endif
