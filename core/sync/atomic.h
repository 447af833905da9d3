// SPDX-License-Identifier: Apache-2.0
// Labelled atomics: C11 underneath, free in a normal build.
//
// Every access that orders anything carries AT(label, partner...): its own label, unique in the tree, and
// the labels it synchronises with or, for a store-load (Dekker) pair, must be totally ordered against.
// tests/test_orderings.py checks that labels are unique, that each partner exists and names its partner back.
// Relaxed accesses (at_*_rlx) carry no label: they order nothing. There are no stand-alone fences, but for the one of
// core/sync/sleep_fence.h, for queues that publish with no more than release.
//
// A build that counts (core/sync/counts.h) counts each access but at_init.
//
// An access to plain memory that threads hand on under another synchronisation is marked PLAIN, so that the
// same source can run under a model checker.
#ifndef READYQ_SYNC_ATOMIC_H
#define READYQ_SYNC_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/sync/counts.h"

// The size that shared data is kept apart by: two 64-byte lines, as adjacent lines are prefetched in pairs.
#define LINE_PAIR 128
#define ALIGNED_LINE __attribute__((aligned(LINE_PAIR)))

#define PLAIN(lvalue) (lvalue)

#define at_init(p, v) atomic_init((p), (v))

#define at_load_rlx(p) COUNTED(LOAD, RELAXED, atomic_load_explicit((p), memory_order_relaxed))
#define at_store_rlx(p, v) COUNTED(STORE, RELAXED, atomic_store_explicit((p), (v), memory_order_relaxed))
#define at_and_rlx(p, v) COUNTED(RMW, RELAXED, atomic_fetch_and_explicit((p), (v), memory_order_relaxed))
#define at_add_rlx(p, v) COUNTED(RMW, RELAXED, atomic_fetch_add_explicit((p), (v), memory_order_relaxed))
#define at_sub_rlx(p, v) COUNTED(RMW, RELAXED, atomic_fetch_sub_explicit((p), (v), memory_order_relaxed))
#define at_cas_rlx(p, expected, v) \
    COUNTED(CAS, RELAXED,          \
            atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_relaxed, memory_order_relaxed))

#define at_load_acq(p, at) COUNTED(LOAD, ACQUIRE, atomic_load_explicit((p), memory_order_acquire))
#define at_store_rel(p, v, at) COUNTED(STORE, RELEASE, atomic_store_explicit((p), (v), memory_order_release))
#define at_xchg_acq(p, v, at) COUNTED(RMW, ACQUIRE, atomic_exchange_explicit((p), (v), memory_order_acquire))
#define at_xchg_ar(p, v, at) COUNTED(RMW, ACQ_REL, atomic_exchange_explicit((p), (v), memory_order_acq_rel))
#define at_xchg_rel(p, v, at) COUNTED(RMW, RELEASE, atomic_exchange_explicit((p), (v), memory_order_release))
#define at_add_ar(p, v, at) COUNTED(RMW, ACQ_REL, atomic_fetch_add_explicit((p), (v), memory_order_acq_rel))
#define at_sub_rel(p, v, at) COUNTED(RMW, RELEASE, atomic_fetch_sub_explicit((p), (v), memory_order_release))
#define at_sub_ar(p, v, at) COUNTED(RMW, ACQ_REL, atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel))

// Sequentially consistent: all of these take part in one total order. Read-modify-writes return the old value.
#define at_load_sc(p, at) COUNTED(LOAD, SEQ_CST, atomic_load_explicit((p), memory_order_seq_cst))
#define at_store_sc(p, v, at) COUNTED(STORE, SEQ_CST, atomic_store_explicit((p), (v), memory_order_seq_cst))
#define at_xchg_sc(p, v, at) COUNTED(RMW, SEQ_CST, atomic_exchange_explicit((p), (v), memory_order_seq_cst))
#define at_add_sc(p, v, at) COUNTED(RMW, SEQ_CST, atomic_fetch_add_explicit((p), (v), memory_order_seq_cst))
#define at_sub_sc(p, v, at) COUNTED(RMW, SEQ_CST, atomic_fetch_sub_explicit((p), (v), memory_order_seq_cst))
#define at_or_sc(p, v, at) COUNTED(RMW, SEQ_CST, atomic_fetch_or_explicit((p), (v), memory_order_seq_cst))
#define at_and_sc(p, v, at) COUNTED(RMW, SEQ_CST, atomic_fetch_and_explicit((p), (v), memory_order_seq_cst))

// Strong compare-and-swap. On failure *expected receives the value found. A failed one orders as a load.
#define at_cas_sc(p, expected, v, at) \
    COUNTED(CAS, SEQ_CST,             \
            atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_seq_cst, memory_order_seq_cst))
#define at_cas_acq(p, expected, v, at) \
    COUNTED(CAS, ACQUIRE,              \
            atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acquire, memory_order_acquire))
#define at_cas_rel(p, expected, v, at) \
    COUNTED(CAS, RELEASE,              \
            atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_release, memory_order_relaxed))
#define at_cas_ar(p, expected, v, at) \
    COUNTED(CAS, ACQ_REL,             \
            atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acq_rel, memory_order_acquire))

// Two neighbouring words as one, for compare-and-swap of both; the words may also be accessed one by one.
struct word_pair {
    _Atomic uint64_t low, high;
} __attribute__((aligned(16)));

// Strong, sequentially consistent compare-and-swap of both words. False, nothing having changed, when either differed.
// cmpxchg16b on x86-64, an exclusive pair on aarch64. The builtin, and no assembly, so that sanitizers see it.
#define at_cas2_sc(pair, expected_low, expected_high, new_low, new_high, at) \
    COUNTED(CAS2, SEQ_CST, word_pair_swap((pair), (expected_low), (expected_high), (new_low), (new_high)))

static inline bool word_pair_swap(struct word_pair *pair, uint64_t expected_low, uint64_t expected_high,
                                  uint64_t new_low, uint64_t new_high)
{
    const unsigned __int128 expected = (unsigned __int128)expected_high << 64 | expected_low;
    const unsigned __int128 wanted = (unsigned __int128)new_high << 64 | new_low;
    return __sync_bool_compare_and_swap((unsigned __int128 *)pair, expected, wanted);
}

// Tells the core that it is in a spin loop.
static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}

#endif
