// SPDX-License-Identifier: Apache-2.0
// How many items a producer may have in flight, which is what keeps a queue without bounds short. Consumers publish,
// for each producer, the newest item that they received; a producer looks at that only when it has used up its
// credit. Going by the newest item and not by their number, a lost item is found by the check at the end and does not
// stop the producer. Included by core/workload.h.
#ifndef READYQ_WORKLOAD_WINDOW_H
#define READYQ_WORKLOAD_WINDOW_H

#include <stdint.h>

#include "core/item_log.h"
#include "core/sync/atomic.h"

struct workload_window {
    unsigned consumers;
    uint64_t most;             // items of one producer in flight
    _Atomic uint64_t **newest; // by consumer and producer: sequence of the newest item received, plus one
};

// 0 or -ENOMEM. `most` 0: nobody is held back, and nothing is kept. By setup; freed by teardown, also after a failure.
int workload_window_init(struct workload_window *window, unsigned producers, unsigned consumers, uint64_t most);
// Also on zeroed memory.
void workload_window_fini(struct workload_window *window);

// By a producer whose next item is `sequence`: how many it may enqueue now. *limit is its own, 0 in the beginning.
uint64_t workload_window_credit(struct workload_window *window, unsigned producer, uint64_t sequence, uint64_t *limit);

// By a consumer, after some items: how far it has come.
void workload_window_publish(struct workload_window *window, unsigned consumer, const struct item_log *log);

#endif
