// SPDX-License-Identifier: Apache-2.0
// The options of the pool: the originals' compile-time switches and constants, each to be ablated.
#ifndef READYQ_POOL_CONFIG_H
#define READYQ_POOL_CONFIG_H

#include <stdint.h>

#define POOL_WORKERS_MAX 1024u

enum pool_completion { POOL_COMPLETION_READY_QUEUE, POOL_COMPLETION_WORKER };
enum pool_elements { POOL_ELEMENTS_PREPARED, POOL_ELEMENTS_WORKER };
enum pool_freeing { POOL_FREEING_DEFERRED, POOL_FREEING_AUTOMATIC };

// In the order of routing_names (ops.c).
enum pool_routing {
    POOL_ROUTING_ROUND_ROBIN,
    POOL_ROUTING_SHARED,
    POOL_ROUTING_LEAST_LOADED,
    POOL_ROUTING_TWO_CHOICES,
    POOL_ROUTING_FILL,
};

enum pool_stop_kind { POOL_STOP_DRAIN, POOL_STOP_POISON, POOL_STOP_FLUSH };

#define POOL_BATCH_MAX 1024u
#define POOL_READY_BATCH_MAX 64u

struct erts_pool_config {
    uint64_t completion; // enum pool_completion
    uint64_t routing;    // enum pool_routing
    uint64_t fill_ns;
    uint64_t reply_ns;
    uint64_t ready_lock; // enum lock_kind
    uint64_t elements;   // enum pool_elements
    uint64_t freeing;    // enum pool_freeing
    uint64_t batch;
    uint64_t ready_limit;
    uint64_t ready_batch;
    uint64_t prefetch;
    uint64_t job_cache;
    uint64_t bare_jobs;
    uint64_t worker_spin_ns;
    uint64_t scheduler_spin_ns;
    uint64_t stop; // enum pool_stop_kind
    uint64_t smp;
    uint64_t thread_names;
    uint64_t stack_kilowords;
    uint64_t id_start;
    uint64_t trace;
    uint64_t accounting;
};

struct pool_setup;

// Threads that may enqueue into one job queue.
unsigned pool_job_producers(const struct pool_setup *setup, const struct erts_pool_config *config);

#endif
