// SPDX-License-Identifier: Apache-2.0
#include "core/workload_window.h"

#include <errno.h>
#include <stdlib.h>

#include "core/workload.h"

int workload_window_init(struct workload_window *window, unsigned producers, unsigned consumers, uint64_t most)
{
    *window = (struct workload_window){.most = most};
    if (most == 0)
        return 0;
    window->newest = workload_alloc(consumers * sizeof *window->newest);
    if (!window->newest)
        return -ENOMEM;
    for (; window->consumers < consumers; window->consumers++) {
        window->newest[window->consumers] = workload_alloc(producers * sizeof **window->newest);
        if (!window->newest[window->consumers])
            return -ENOMEM;
    }
    return 0;
}

void workload_window_fini(struct workload_window *window)
{
    for (unsigned i = 0; i < window->consumers; i++)
        free(window->newest[i]);
    free(window->newest);
    *window = (struct workload_window){0};
}

uint64_t workload_window_credit(struct workload_window *window, unsigned producer, uint64_t sequence, uint64_t *limit)
{
    if (window->most == 0)
        return UINT64_MAX;
    if (sequence >= *limit) {
        uint64_t newest = 0;
        for (unsigned i = 0; i < window->consumers; i++) {
            const uint64_t seen = at_load_rlx(&window->newest[i][producer]);
            newest = seen > newest ? seen : newest;
        }
        *limit = newest + window->most;
    }
    return *limit > sequence ? *limit - sequence : 0;
}

void workload_window_publish(struct workload_window *window, unsigned consumer, const struct item_log *log)
{
    if (window->most == 0)
        return;
    _Atomic uint64_t *newest = window->newest[consumer];
    for (unsigned i = 0; i < log->producers; i++) {
        const uint64_t next = log->streams[i].next;
        if (next > at_load_rlx(&newest[i]))
            at_store_rlx(&newest[i], next);
    }
}
