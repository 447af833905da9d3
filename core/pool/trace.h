// SPDX-License-Identifier: Apache-2.0
// The debug print of the originals, as an option: a line on standard error for each stage of a job's life.
#ifndef READYQ_POOL_TRACE_H
#define READYQ_POOL_TRACE_H

#include "core/pool/pool.h"

#define TRACE_ADD "->"    // submitted
#define TRACE_GET "<-"    // started by a worker
#define TRACE_REPLY "=>>" // sent home
#define TRACE_READY "<<=" // taken by its scheduler

// Writes "<stage> <id>". Any thread.
void trace_write(const char *stage, long id);

static inline bool trace_wanted(const struct pool *pool)
{
    return __builtin_expect(pool->config.trace != 0, 0);
}

static inline void trace(const struct pool *pool, const char *stage, long id)
{
    if (trace_wanted(pool))
        trace_write(stage, id);
}

#endif
