// SPDX-License-Identifier: Apache-2.0
// A queue's environment that trusts nobody: it counts what is taken and given back, puts canaries around all
// memory, poisons dead elements, fails on command, and notices a queue that calls malloc by itself.
#ifndef READYQ_CHECK_CONFORMANCE_ENV_H
#define READYQ_CHECK_CONFORMANCE_ENV_H

#include "core/check/conformance/trap.h"
#include "core/fault.h"
#include "core/queue_client.h"
#include "core/sync/atomic.h"

#define QUARANTINE_SLOTS 512u
// Handles a side that a queue of it is told to expect.
#define CHECK_ENV_SIDE_MAX 40u

struct check_env {
    struct queue_env env; // what the queue gets; `context` is the struct itself
    struct trap trap;
    size_t element_size;
    _Atomic int64_t blocks;          // allocated and not freed
    _Atomic int64_t elements;        // taken and not given back
    _Atomic uint64_t taken, given;   // elements
    _Atomic uint64_t allocations;    // blocks
    bool own_memory;                 // the queue may call malloc by itself
    _Atomic int64_t allowed;         // allocations and elements until it fails; negative: never
    _Atomic uint64_t notified;       // calls of env.notify
    void (*pass_on)(void *argument); // where a call of env.notify goes on to, or NULL
    void *pass_on_argument;
    _Atomic uint32_t quarantine_next;
    _Atomic(void *) quarantine[QUARANTINE_SLOTS];
    _Atomic uint32_t violated;
    char violation[256]; // the first one
};

// An environment for queues with these ops. `progress` may be NULL.
void check_env_init(struct check_env *env, const struct queue_ops *ops, struct progress *progress);

// 0, or -EINVAL and a sentence: something was not given back, or something that is not the queue's was written.
// Every queue of it is closed.
int check_env_fini(struct check_env *env, struct fault *fault);

// 0, or -EINVAL and the first violation so far.
int check_env_check(struct check_env *env, struct fault *fault);

// Fails every allocation and element after `count` more; negative: never.
void check_env_allow(struct check_env *env, int64_t count);

// Between the two, the calling thread is in a queue: calls of malloc and its family (as far as trap.h sees them) count
// as violations, unless they come through the environment.
void trap_begin(struct check_env *env);
void trap_end(void);

// Memory with canaries on both sides, filled with `fill`; checked when freed.
void *guarded_alloc(size_t size, size_t align, int fill);
// False: a canary was overwritten, or `size` is not what was asked for.
bool guarded_free(void *memory, size_t size);

#endif
