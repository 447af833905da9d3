// SPDX-License-Identifier: Apache-2.0
// How many atomic accesses a thread has made, by kind and ordering: for `readyq steps`, and only in a build that counts
// (the CMake option READYQ_COUNT). In every other build COUNTED is its access and nothing else.
//
// Seen are the accesses of core/sync/atomic.h and the fence of core/sync/sleep_fence.h; what is inside libraries, the C
// library's locks included, is not. A queue from a shared object is counted if it was compiled with -DREADYQ_COUNT=1,
// and then loads into such a build alone. Plain C that is also valid C++17.
#ifndef READYQ_SYNC_COUNTS_H
#define READYQ_SYNC_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// RMW: exchanges and fetch-and-operations. CAS: compare-and-swaps, failed ones too; CAS2: of two words.
enum count_kind { COUNT_LOAD, COUNT_STORE, COUNT_RMW, COUNT_CAS, COUNT_CAS2, COUNT_FENCE, COUNT_KINDS };
enum count_order { COUNT_RELAXED, COUNT_ACQUIRE, COUNT_RELEASE, COUNT_ACQ_REL, COUNT_SEQ_CST, COUNT_ORDERS };

struct atomic_counts {
    uint64_t of[COUNT_KINDS][COUNT_ORDERS];
};

// For people and scripts, in the orders of the two.
extern const char *const count_kind_names[COUNT_KINDS];
extern const char *const count_order_names[COUNT_ORDERS];

// The calling thread's so far. False: this build counts none.
bool counts_read(struct atomic_counts *counts);

#ifdef READYQ_COUNT
extern __thread struct atomic_counts thread_counts;

// By which a shared object tells that it was compiled so.
#define COUNTS_MARK "readyq_counts_atomics"
extern const char readyq_counts_atomics __attribute__((weak));
const char readyq_counts_atomics = 1;

static inline void counts_add(enum count_kind kind, enum count_order order)
{
    thread_counts.of[kind][order]++;
}
#define COUNTED(kind, order, access) (counts_add(COUNT_##kind, COUNT_##order), (access))
#else
#define COUNTED(kind, order, access) access
#endif

#ifdef __cplusplus
}
#endif

#endif
