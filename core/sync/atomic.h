// SPDX-License-Identifier: Apache-2.0
// Labelled atomics: C11 underneath, free in a normal build.
//
// Every access that orders anything carries AT(label, partner...): its own label, unique in the tree, and
// the labels it synchronises with or, for a store-load (Dekker) pair, must be totally ordered against.
// tests/test_orderings.py checks that labels are unique, that each partner exists and names its partner back.
// Relaxed accesses (at_*_rlx) carry no label: they order nothing. There are no stand-alone fences.
//
// An access to plain memory that threads hand on under another synchronisation is marked PLAIN, so that the
// same source can run under a model checker.
#ifndef READYQ_SYNC_ATOMIC_H
#define READYQ_SYNC_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// The size that shared data is kept apart by: two 64-byte lines, as adjacent lines are prefetched in pairs.
#define LINE_PAIR 128
#define ALIGNED_LINE __attribute__((aligned(LINE_PAIR)))

#define PLAIN(lvalue) (lvalue)

#define at_init(p, v) atomic_init((p), (v))

#define at_load_rlx(p) atomic_load_explicit((p), memory_order_relaxed)
#define at_store_rlx(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define at_and_rlx(p, v) atomic_fetch_and_explicit((p), (v), memory_order_relaxed)
#define at_add_rlx(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define at_sub_rlx(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)

#define at_load_acq(p, at) atomic_load_explicit((p), memory_order_acquire)
#define at_store_rel(p, v, at) atomic_store_explicit((p), (v), memory_order_release)
#define at_xchg_acq(p, v, at) atomic_exchange_explicit((p), (v), memory_order_acquire)
#define at_xchg_ar(p, v, at) atomic_exchange_explicit((p), (v), memory_order_acq_rel)
#define at_add_acq(p, v, at) atomic_fetch_add_explicit((p), (v), memory_order_acquire)
#define at_add_ar(p, v, at) atomic_fetch_add_explicit((p), (v), memory_order_acq_rel)
#define at_sub_rel(p, v, at) atomic_fetch_sub_explicit((p), (v), memory_order_release)
#define at_sub_ar(p, v, at) atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel)

// Sequentially consistent: all of these take part in one total order. Read-modify-writes return the old value.
#define at_load_sc(p, at) atomic_load_explicit((p), memory_order_seq_cst)
#define at_store_sc(p, v, at) atomic_store_explicit((p), (v), memory_order_seq_cst)
#define at_xchg_sc(p, v, at) atomic_exchange_explicit((p), (v), memory_order_seq_cst)
#define at_add_sc(p, v, at) atomic_fetch_add_explicit((p), (v), memory_order_seq_cst)
#define at_sub_sc(p, v, at) atomic_fetch_sub_explicit((p), (v), memory_order_seq_cst)
#define at_or_sc(p, v, at) atomic_fetch_or_explicit((p), (v), memory_order_seq_cst)
#define at_and_sc(p, v, at) atomic_fetch_and_explicit((p), (v), memory_order_seq_cst)

// Strong compare-and-swap. On failure *expected receives the value found. A failed one orders as a load.
#define at_cas_sc(p, expected, v, at) \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_seq_cst, memory_order_seq_cst)
#define at_cas_acq(p, expected, v, at) \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acquire, memory_order_acquire)
#define at_cas_rel(p, expected, v, at) \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_release, memory_order_relaxed)
#define at_cas_ar(p, expected, v, at) \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acq_rel, memory_order_acquire)

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
