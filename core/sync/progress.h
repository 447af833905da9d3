// SPDX-License-Identifier: Apache-2.0
// Thread progress: the epoch scheme that tells when no thread can still hold what was unlinked.
//
// After value = progress_later() at some instant, progress_reached(value) implies that every managed thread
// has since passed a quiescent point (called progress_update, or slept), holding no reference across it.
//
// Managed threads confirm each value once, on a cache line of their own. One of them, the leader, advances the
// shared value when all have confirmed, and then calls those who asked for a wake-up at it. A managed
// thread that sleeps counts as confirming. When all managed threads sleep and a wake-up is still wanted,
// the aux thread of the domain wakes and leads.
//
// Unmanaged threads (async workers, which run user code for long) never confirm; they may ask for values and
// for wake-ups. Data that they reference must be protected otherwise (the queue counts them).
//
// Source: the thread progress of Erlang/OTP (erl_thr_progress), from its description; written anew.
#ifndef READYQ_SYNC_PROGRESS_H
#define READYQ_SYNC_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/machine/topology.h"

struct allocator;
struct progress;

// A registered thread.
struct progress_thread;

// Makes a domain with room for so many registrations at any one time, and starts its aux thread (managed, id
// 0, asleep). 0, -ENOMEM or -EAGAIN (no thread to be had). `allocator` outlives it. Any thread.
int progress_create(struct progress **progress, struct allocator *allocator, unsigned managed_max,
                    unsigned unmanaged_max);

// Stops the aux thread and frees the domain. Nobody is registered any more.
void progress_destroy(struct progress *progress);

// Registers the calling thread. `wakeup(argument)` is called, from any thread, when progress that this thread
// asked for has been reached, and sometimes without need; it must not block. A managed thread must from now on
// call progress_update often, or sleep between prepare_wait and finalize_wait: one that does neither stops all
// reclamation in the domain. NULL: all places are taken.
struct progress_thread *progress_register_managed(struct progress *progress, void (*wakeup)(void *), void *argument);
struct progress_thread *progress_register_unmanaged(struct progress *progress, void (*wakeup)(void *), void *argument);

// Ends a registration, by the thread itself, awake. After it returns wakeup is not called any more.
void progress_unregister(struct progress_thread *self);

// The calling thread's registration in `progress`; NULL if it has none. A thread is in one domain at a time.
struct progress_thread *progress_self(const struct progress *progress);

// Managed, awake: passes a quiescent point. The caller holds no reference to anything it unlinked or walked.
void progress_update(struct progress_thread *self);

// Managed: about to sleep, holding nothing; finalize after waking, before touching anything shared. Between
// them the thread counts as quiescent for every value. The caller still has to look for work after
// prepare_wait, or an order to wake may be missed.
void progress_prepare_wait(struct progress_thread *self);
void progress_finalize_wait(struct progress_thread *self);

// A value that lies safely after this instant. Any thread, registered or not.
uint64_t progress_later(struct progress *progress);

// Whether `value`, from progress_later, has been reached. Acquires: what the managed threads did before their
// confirmations is visible. Any thread.
bool progress_reached(const struct progress *progress, uint64_t value);

// Asks that this thread's wakeup be called when `value`, from progress_later, has been reached; it is called at
// once if it has been already. Registered threads, managed or not, for themselves.
void progress_request_wakeup(struct progress_thread *self, uint64_t value);

// The present value. Any thread; for tests and reports.
uint64_t progress_current(const struct progress *progress);

#endif
