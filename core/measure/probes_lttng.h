// SPDX-License-Identifier: Apache-2.0
// The LTTng-UST provider "readyq": its events and their fields, for LTTng's macros, which read this file several times.
// Included by probes.h only, in a build with READYQ_LTTNG.
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER readyq

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "core/measure/probes_lttng.h"

#if !defined(READYQ_MEASURE_PROBES_LTTNG_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define READYQ_MEASURE_PROBES_LTTNG_H

#include <lttng/tracepoint.h>

// clang-format off
LTTNG_UST_TRACEPOINT_EVENT_CLASS(readyq, aio_pool,
    LTTNG_UST_TP_ARGS(uint64_t, port, long, id, int64_t, length),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(uint64_t, port, port)
        lttng_ust_field_integer(int64_t, id, id)
        lttng_ust_field_integer(int64_t, length, length)))
#define AIO_POOL_EVENT(name) \
    LTTNG_UST_TRACEPOINT_EVENT_INSTANCE(readyq, aio_pool, readyq, name, \
        LTTNG_UST_TP_ARGS(uint64_t, port, long, id, int64_t, length))
AIO_POOL_EVENT(aio_pool_put)
AIO_POOL_EVENT(aio_pool_get)
AIO_POOL_EVENT(aio_pool_reply)
AIO_POOL_EVENT(aio_pool_ready)
#undef AIO_POOL_EVENT
// clang-format on

#endif

#include <lttng/tracepoint-event.h>
