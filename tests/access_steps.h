// SPDX-License-Identifier: Apache-2.0
// For tests of the inside of a queue whose source is compiled into the program after this, with a hook in front of each
// labelled access: at a chosen one, a thread is taken to be interrupted there, and what another thread does meanwhile
// is called from the hook.
#ifndef READYQ_TESTS_ACCESS_STEPS_H
#define READYQ_TESTS_ACCESS_STEPS_H

#include <string.h>

#include "core/sync/atomic.h"
#include "tests/unit.h"

static inline void before_access(const char *label);

#undef at_load_acq
#undef at_store_rel
#undef at_xchg_acq
#undef at_xchg_ar
#undef at_cas_acq
#undef at_cas_rel
#define AT(label, ...) before_access(#label)
#define at_load_acq(p, at) ((at), atomic_load_explicit((p), memory_order_acquire))
#define at_store_rel(p, v, at) ((at), atomic_store_explicit((p), (v), memory_order_release))
#define at_xchg_acq(p, v, at) ((at), atomic_exchange_explicit((p), (v), memory_order_acquire))
#define at_xchg_ar(p, v, at) ((at), atomic_exchange_explicit((p), (v), memory_order_acq_rel))
#define at_cas_acq(p, expected, v, at) ((at), atomic_compare_exchange_strong((p), (expected), (v)))
#define at_cas_rel(p, expected, v, at) ((at), atomic_compare_exchange_strong((p), (expected), (v)))

// What is to happen before accesses: each once, those of one label in the order in which they were planned.
#define PLANS 4u
static struct {
    const char *label;
    void (*happens)(void);
} plans[PLANS];

static inline void interrupt(const char *label, void (*happens)(void))
{
    for (unsigned i = 0; i < PLANS; i++) {
        if (!plans[i].label) {
            plans[i].label = label;
            plans[i].happens = happens;
            return;
        }
    }
    fail_msg("too many plans");
}

static inline void before_access(const char *label)
{
    for (unsigned i = 0; i < PLANS; i++) {
        if (plans[i].label && strcmp(plans[i].label, label) == 0) {
            plans[i].label = NULL;
            plans[i].happens();
            return;
        }
    }
}

static inline void all_has_happened(void)
{
    for (unsigned i = 0; i < PLANS; i++)
        assert_null(plans[i].label);
}

static inline void forget_plans(void)
{
    memset(plans, 0, sizeof plans);
}

#endif
