// SPDX-License-Identifier: Apache-2.0
// Items and verdicts for the tests of the item log.
#ifndef READYQ_TESTS_ITEM_SAMPLE_H
#define READYQ_TESTS_ITEM_SAMPLE_H

#include "core/item_log.h"
#include "tests/unit.h"

// As queue_loops.h lays items out, written down a second time on purpose.
static inline uintptr_t item_of(unsigned producer, uint64_t sequence)
{
    return ((uintptr_t)(producer + 1) << 48) | (uintptr_t)sequence;
}

static inline void check_verdict(const struct item_verdict *got, const struct item_verdict *want)
{
    assert_int_equal(got->received, want->received);
    assert_int_equal(got->lost, want->lost);
    assert_int_equal(got->duplicated, want->duplicated);
    assert_int_equal(got->reordered, want->reordered);
    assert_int_equal(got->invented, want->invented);
}

#endif
