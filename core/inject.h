// SPDX-License-Identifier: Apache-2.0
// A slowdown put into every queue on purpose, so that a regression gate can be seen to catch it.
//
// Only a build with the option READYQ_INJECT has it; in any other the hooks below are nothing. There the environment
// variable READYQ_INJECT says what is wanted, parts with ; between them:
//     spin=N      N/256 steps of dependent arithmetic a dequeue, the fraction dithered: costs every dequeue alike
//     tail=P,NS   of a million dequeues P take NS ns longer: moves the tail and hardly the mean
//     contend=N   N read-modify-writes in 256 dequeues, and in 256 enqueues, of one cache line that all threads share:
//                 cheap for a thread alone
// Without the variable the hooks are there and find nothing due, so that two runs of one program differ by it alone.
// Only an operation that went through is slowed. A queue from a shared object has the hooks in its own loops
// (queue_ops.loops) only if it was compiled with -DREADYQ_INJECT=1, and then loads into such a build alone; called
// through the vtable it is slowed in any case. Valid C++17 too, as queue_loops.h is.
#ifndef READYQ_INJECT_H
#define READYQ_INJECT_H

#include <stdint.h>

#include "core/fault.h"

#ifdef __cplusplus
extern "C" {
#endif

#define INJECT_UNIT 256u          // of spin and contend
#define INJECT_TAIL_UNIT 1000000u // of tail
#define INJECT_MOST 256000000u    // for spin and contend: a million steps an operation
#define INJECT_TAIL_NS 1000000000u

// What is asked for; zero is none.
struct inject_asked {
    uint64_t spin;    // steps in INJECT_UNIT dequeues
    uint64_t contend; // read-modify-writes in INJECT_UNIT operations
    uint64_t tail;    // dequeues in INJECT_TAIL_UNIT that are delayed,
    uint64_t tail_ns; // and by how much
};

// One thread's: what is due so far, and the value that the steps work on, which each of them waits for.
struct inject_own {
    uint64_t spin, contend_dequeue, contend_enqueue, tail;
    uint64_t chain;
};

// Reads such a text; NULL and "" ask for nothing. 0, or -EINVAL and one sentence.
int inject_parse(struct inject_asked *asked, const char *text, struct fault *fault);

// One read-modify-write of the line that all threads share.
void inject_contend(void);

// Busy for so long, by the clock.
void inject_wait(uint64_t ns);

// One step: a multiplication and an addition that wait for the step before.
static inline uint64_t inject_step(uint64_t chain)
{
    return chain * 6364136223846793005u + 1442695040888963407u;
}

// What is due has a fraction left over for the next call, so that N in INJECT_UNIT calls are N exactly.
static inline void inject_slow_dequeue(struct inject_own *own, const struct inject_asked *asked)
{
    uint64_t chain = own->chain, due = own->spin + asked->spin;
    for (; due >= INJECT_UNIT; due -= INJECT_UNIT)
        chain = inject_step(chain);
    own->spin = due;
    own->chain = chain; // a locked instruction that comes next waits for this store, and so for the steps
    for (own->contend_dequeue += asked->contend; own->contend_dequeue >= INJECT_UNIT;
         own->contend_dequeue -= INJECT_UNIT)
        inject_contend();
    for (own->tail += asked->tail; own->tail >= INJECT_TAIL_UNIT; own->tail -= INJECT_TAIL_UNIT)
        inject_wait(asked->tail_ns);
}

static inline void inject_slow_enqueue(struct inject_own *own, const struct inject_asked *asked)
{
    for (own->contend_enqueue += asked->contend; own->contend_enqueue >= INJECT_UNIT;
         own->contend_enqueue -= INJECT_UNIT)
        inject_contend();
}

#if READYQ_INJECT

extern struct inject_asked inject_asked; // set at start, only read afterwards
extern __thread struct inject_own inject_own;

// Reads the environment. Once, by main, before any other thread. 0, or -EINVAL and one sentence.
int inject_start(struct fault *fault);

// The hooks: after `count` items were enqueued or dequeued by the calling thread.
static inline void inject_enqueued(unsigned count)
{
    while (count-- > 0)
        inject_slow_enqueue(&inject_own, &inject_asked);
}

static inline void inject_dequeued(unsigned count)
{
    while (count-- > 0)
        inject_slow_dequeue(&inject_own, &inject_asked);
}

#else

static inline int inject_start(struct fault *fault)
{
    (void)fault;
    return 0;
}

static inline void inject_enqueued(unsigned count)
{
    (void)count;
}

static inline void inject_dequeued(unsigned count)
{
    (void)count;
}

#endif

#ifdef __cplusplus
}
#endif

#endif
