// SPDX-License-Identifier: Apache-2.0
// For tests of the inside of a queue that reclaims (core/reclaim.h): its source, included after this, is compiled into
// the program with a hook in front of each labelled access. At a chosen one, a thread is taken to be interrupted there,
// and what another thread does meanwhile is called from the hook.
#ifndef READYQ_TESTS_STEP_HOOKS_H
#define READYQ_TESTS_STEP_HOOKS_H

#include <string.h>

#include "core/check/conformance/env.h"
#include "core/sync/atomic.h"
#include "core/sync/tally.h"
#include "tests/unit.h"

static inline void before(const char *label);

#undef at_load_sc
#undef at_store_sc
#undef at_store_rel
#undef at_add_sc
#undef at_xchg_sc
#undef at_cas_sc
#define AT(label, ...) before(#label)
#define at_load_sc(p, at) ((at), atomic_load(p))
#define at_store_sc(p, v, at) ((at), atomic_store((p), (v)))
#define at_store_rel(p, v, at) ((at), atomic_store((p), (v)))
#define at_add_sc(p, v, at) ((at), atomic_fetch_add((p), (v)))
#define at_xchg_sc(p, v, at) ((at), atomic_exchange((p), (v)))
#define at_cas_sc(p, expected, v, at) ((at), atomic_compare_exchange_strong((p), (expected), (v)))

#include "core/reclaim.h"

// What is to happen before accesses: each once, in whatever order the accesses come.
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

static inline void before(const char *label)
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

#endif
