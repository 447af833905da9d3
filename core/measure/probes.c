// SPDX-License-Identifier: Apache-2.0
#ifdef READYQ_LTTNG
// Makes the tracepoints themselves of what probes_lttng.h says.
#define LTTNG_UST_TRACEPOINT_DEFINE
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#endif
#include "core/measure/probes.h"

#ifdef READYQ_USDT
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
#define SEMAPHORE(name) PROBE_SEMAPHORE readyq_##name##_semaphore __attribute__((section(".probes"), used))
SEMAPHORE(aio_pool_add);
SEMAPHORE(aio_pool_get);
SEMAPHORE(aio_pool_reply);
SEMAPHORE(aio_pool_ready);
#define TELL_USDT(name, port, id, length) DTRACE_PROBE3(readyq, name, port, (int64_t)(id), length)
#else
#define TELL_USDT(name, port, id, length) ((void)(port), (void)(id), (void)(length))
#endif

#ifdef READYQ_LTTNG
#define TELL_LTTNG(name, port, id, length) lttng_ust_tracepoint(readyq, name, port, id, length)
#else
#define TELL_LTTNG(name, port, id, length) ((void)(port), (void)(id), (void)(length))
#endif

static int64_t length_of(struct queue *queue)
{
    const uint64_t length = queue ? queue_length(queue) : QUEUE_UNCOUNTED;
    return length == QUEUE_UNCOUNTED ? -1 : (int64_t)length;
}

void probe_tell_add(uint64_t port, long id, struct queue *jobs)
{
    const int64_t length = length_of(jobs);
    TELL_USDT(aio_pool_add, port, id, length);
    TELL_LTTNG(aio_pool_put, port, id, length);
}

void probe_tell_get(uint64_t port, long id, struct queue *jobs)
{
    const int64_t length = length_of(jobs);
    TELL_USDT(aio_pool_get, port, id, length);
    TELL_LTTNG(aio_pool_get, port, id, length);
}

void probe_tell_reply(uint64_t port, long id, struct queue *ready)
{
    const int64_t length = length_of(ready);
    TELL_USDT(aio_pool_reply, port, id, length);
    TELL_LTTNG(aio_pool_reply, port, id, length);
}

void probe_tell_ready(uint64_t port, long id, struct queue *ready)
{
    const int64_t length = length_of(ready);
    TELL_USDT(aio_pool_ready, port, id, length);
    TELL_LTTNG(aio_pool_ready, port, id, length);
}
