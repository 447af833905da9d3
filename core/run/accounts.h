// SPDX-License-Identifier: Apache-2.0
// What the threads of a pool did with their time between two moments of a run, held against a clock that the accounts
// do not use.
#ifndef READYQ_RUN_ACCOUNTS_H
#define READYQ_RUN_ACCOUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "core/fault.h"
#include "core/measure/record.h"
#include "core/pool.h"

// The accounts of all threads at one moment. Zeroed, or as accounts_read left it.
struct accounts {
    struct pool_account *threads;
    unsigned count;
    uint64_t before_ns, after_ns; // by the system's clock: just before they were read, and just after
};

// 0, also where the pool keeps no accounts and there is nothing to read; or -ENOMEM. Given back by accounts_free.
int accounts_read(struct accounts *accounts, const struct pool_ops *ops, struct pool *pool);
void accounts_free(struct accounts *accounts);

// A row for each thread that is in both, allocated into *rows. Where the states of one do not add up to the time
// passed, `violation` receives a sentence. 0 or -ENOMEM.
int accounts_between(const struct accounts *opened, const struct accounts *closing, struct record_account **rows,
                     size_t *count, struct fault *violation);

#endif
