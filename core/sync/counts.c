// SPDX-License-Identifier: Apache-2.0
#include "core/sync/counts.h"

const char *const count_kind_names[COUNT_KINDS] = {"load", "store", "rmw", "cas", "cas2", "fence"};
const char *const count_order_names[COUNT_ORDERS] = {"relaxed", "acquire", "release", "acq_rel", "seq_cst"};

#ifdef READYQ_COUNT
__thread struct atomic_counts thread_counts;

bool counts_read(struct atomic_counts *counts)
{
    *counts = thread_counts;
    return true;
}
#else
bool counts_read(struct atomic_counts *counts)
{
    *counts = (struct atomic_counts){0};
    return false;
}
#endif
