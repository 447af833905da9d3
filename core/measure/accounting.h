// SPDX-License-Identifier: Apache-2.0
// Microstate accounting: what each thread of a pool spends its time on. Off unless asked for; a thread without an
// account pays one branch a change of state. Source: the microstate accounting of Erlang/OTP (erl_msacc), from its
// description; written anew.
//
// A thread is in one state at a time, and each change reads the clock once, so that the states add up to the thread's
// time by construction. Others may read an account while its thread changes it: the sequence number is odd meanwhile.
#ifndef READYQ_MEASURE_ACCOUNTING_H
#define READYQ_MEASURE_ACCOUNTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/machine/clock.h"
#include "core/sync/atomic.h"

// 0: a build without accounting and probes, to measure what they cost (CMake option READYQ_OBSERVE).
#ifndef READYQ_OBSERVE
#define READYQ_OBSERVE 1
#endif

enum account_state {
    ACCOUNT_PORT,  // a driver's `invoke`, and `free`
    ACCOUNT_READY, // completing jobs that came home: look-up, port lock, `ready`
    ACCOUNT_CLEAN, // reclamation
    ACCOUNT_CHECK, // looking whether there is anything to do
    ACCOUNT_OTHER, // everything else: on a scheduler, whatever its workload does between two passes
    ACCOUNT_SLEEP, // in the kernel, waiting
    ACCOUNT_STATES
};

// "port", "ready", ... in the order of enum account_state, NULL-terminated.
extern const char *const account_state_names[];

// One thread's account. Written by that thread only.
struct account {
    _Atomic uint32_t sequence; // odd while the thread changes what follows
    _Atomic uint32_t state;
    _Atomic uint64_t since_ticks;
    _Atomic uint64_t ticks[ACCOUNT_STATES]; // of states that were left
    _Atomic uint32_t open;                  // the thread is there
    const char *kind;                       // "async", "scheduler"; set before `open`
    unsigned number;                        // among its kind, in the order in which they opened their accounts
} ALIGNED_LINE;

// A moment's state of an account.
struct account_reading {
    uint64_t at_ticks;              // the moment
    uint64_t ticks[ACCOUNT_STATES]; // up to then, the present state's included
};

// By the thread itself: starts its account in ACCOUNT_OTHER, and ends it. `account` comes zeroed. In a build without
// accounting it stays closed.
void account_open(struct account *account, const char *kind, unsigned number);
void account_close(struct account *account);

// By any thread. False: the account is not open, or was closed.
bool account_read(struct account *account, struct account_reading *reading);

// Out of line part of account_enter.
enum account_state account_change(struct account *account, enum account_state state);

// By the thread itself: what it does from now on. Returns the state before, to be restored. NULL: there is no
// account, and nothing happens.
static inline enum account_state account_enter(struct account *account, enum account_state state)
{
    if (!READYQ_OBSERVE || __builtin_expect(!account, 1))
        return ACCOUNT_OTHER;
    return account_change(account, state);
}

#endif
