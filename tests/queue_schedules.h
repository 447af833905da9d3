// SPDX-License-Identifier: Apache-2.0
// For tests of the inside of a queue: random schedules of a few threads, at the level of single accesses. The queue's
// source is compiled into the program, with a switch to another thread possible in front of each labelled access. The
// threads are coroutines of one thread, so that a schedule is a matter of microseconds and its seed repeats it. Some
// sleep long at unlucky places. What they did is judged: every item out once and in order, EMPTY and FULL when they
// may be. (FULL: as many items as fit, those counted that are on their way in or out.)
//
// Use: include this, then the queue's source, then define schedule_ops, and call run_schedules.
#ifndef READYQ_TESTS_QUEUE_SCHEDULES_H
#define READYQ_TESTS_QUEUE_SCHEDULES_H

#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "core/check/conformance/env.h"
#include "core/sync/atomic.h"
#include "tests/unit.h"

static inline void before(void);

#undef at_load_acq
#undef at_store_rel
#undef at_cas_acq
#undef at_cas_ar
#undef at_xchg_ar
#undef at_load_sc
#undef at_store_sc
#undef at_add_sc
#undef at_sub_sc
#undef at_or_sc
#undef at_cas_sc
#undef at_cas2_sc
#define at_load_acq(p, at) (before(), atomic_load(p))
#define at_store_rel(p, v, at) (before(), atomic_store((p), (v)))
#define at_cas_acq(p, expected, v, at) (before(), atomic_compare_exchange_strong((p), (expected), (v)))
#define at_cas_ar(p, expected, v, at) (before(), atomic_compare_exchange_strong((p), (expected), (v)))
#define at_xchg_ar(p, v, at) (before(), atomic_exchange((p), (v)))
#define at_load_sc(p, at) (before(), atomic_load(p))
#define at_store_sc(p, v, at) (before(), atomic_store((p), (v)))
#define at_add_sc(p, v, at) (before(), atomic_fetch_add((p), (v)))
#define at_sub_sc(p, v, at) (before(), atomic_fetch_sub((p), (v)))
#define at_or_sc(p, v, at) (before(), atomic_fetch_or((p), (v)))
#define at_cas_sc(p, expected, v, at) (before(), atomic_compare_exchange_strong((p), (expected), (v)))
#define at_cas2_sc(pair, low, high, new_low, new_high, at) \
    (before(), word_pair_swap((pair), (low), (high), (new_low), (new_high)))

#define SCHEDULE_THREADS 6u
#define SCHEDULE_CALLS 256u
#define SCHEDULE_STEPS_MOST 1000000u
#define SCHEDULE_STACK 65536u
#define NEVER UINT64_MAX

struct call {
    bool enqueue;
    int result;
    uintptr_t item;
    uint64_t start, end;
};

static struct {
    const struct queue_ops *ops;
    void *queue;
    void *handles[SCHEDULE_THREADS];
    uint64_t capacity;
    unsigned producers, threads, calls_each;
    uint64_t random, now, steps;
    bool running; // switches may happen
    unsigned self;
    bool done[SCHEDULE_THREADS];
    uint64_t asleep_until[SCHEDULE_THREADS];
    ucontext_t contexts[SCHEDULE_THREADS], main;
    struct call calls[SCHEDULE_CALLS];
    unsigned count;
    void (*before_call)(void *handle); // or NULL
    bool batches;                      // producers of queues without a bound hand over several items at once
} schedule;

static char schedule_stacks[SCHEDULE_THREADS][SCHEDULE_STACK];

static inline uint64_t schedule_random(uint64_t below)
{
    schedule.random ^= schedule.random << 13;
    schedule.random ^= schedule.random >> 7;
    schedule.random ^= schedule.random << 17;
    return (schedule.random >> 11) % below;
}

// The next to run; sleepers only if all others are done.
static inline unsigned schedule_pick(void)
{
    unsigned awake[SCHEDULE_THREADS], count = 0;
    for (unsigned pass = 0; pass < 2 && count == 0; pass++)
        for (unsigned i = 0; i < schedule.threads; i++)
            if (!schedule.done[i] && (pass || schedule.asleep_until[i] <= schedule.steps))
                awake[count++] = i;
    return count ? awake[schedule_random(count)] : SCHEDULE_THREADS;
}

static inline void before(void)
{
    if (!schedule.running)
        return;
    if (++schedule.steps > SCHEDULE_STEPS_MOST)
        fail_msg("no end");
    const unsigned self = schedule.self;
    const uint64_t drawn = schedule_random(32);
    if (drawn == 0)
        schedule.asleep_until[self] = schedule.steps + schedule_random(400);
    else if (drawn < 20)
        return;
    schedule.self = schedule_pick();
    if (schedule.self != self)
        swapcontext(&schedule.contexts[self], &schedule.contexts[schedule.self]);
}

static inline void schedule_call(unsigned thread, bool enqueue, uintptr_t item)
{
    struct call *call = &schedule.calls[schedule.count++];
    *call = (struct call){.enqueue = enqueue, .item = item, .start = schedule.now++, .end = NEVER};
    void *handle = schedule.handles[thread];
    if (schedule.before_call)
        schedule.before_call(handle);
    const int result = enqueue ? schedule.ops->enqueue(schedule.queue, handle, item)
                               : schedule.ops->dequeue(schedule.queue, handle, &item);
    call->result = result;
    call->item = item;
    call->end = schedule.now++;
    assert_in_range(result, QUEUE_OK, QUEUE_RETRY);
}

// A batch is judged as so many calls that begin and end together.
static inline void schedule_batch(unsigned thread, uintptr_t first, unsigned count)
{
    uintptr_t items[SCHEDULE_CALLS] = {0};
    int result = QUEUE_RETRY;
    struct call *calls = &schedule.calls[schedule.count];
    schedule.count += count;
    for (unsigned i = 0; i < count; i++) {
        items[i] = first + i;
        calls[i] = (struct call){.enqueue = true, .item = items[i], .start = schedule.now, .end = NEVER};
    }
    schedule.now++;
    assert_int_equal(schedule.ops->enqueue_batch(schedule.queue, schedule.handles[thread], items, count, &result),
                     count);
    assert_int_equal(result, QUEUE_OK);
    for (unsigned i = 0; i < count; i++)
        calls[i].end = schedule.now;
    schedule.now++;
}

static inline void schedule_produce(unsigned self)
{
    for (unsigned i = 0; i < schedule.calls_each;) {
        const uintptr_t first = (uintptr_t)self << 16 | (i + 1);
        const unsigned count = schedule.batches ? 1 + (unsigned)schedule_random(schedule.calls_each - i) : 1;
        if (count > 1)
            schedule_batch(self, first, count);
        else
            schedule_call(self, true, first);
        i += count;
    }
}

static inline void schedule_consume(unsigned self)
{
    const bool alone = schedule.threads == schedule.producers + 1;
    for (unsigned i = 0; i < schedule.calls_each * (alone ? schedule.producers : 1); i++)
        schedule_call(self, false, 0);
}

static inline void schedule_thread(void)
{
    const unsigned self = schedule.self;
    if (self < schedule.producers)
        schedule_produce(self);
    else
        schedule_consume(self);
    schedule.done[self] = true;
    schedule.self = schedule_pick();
    if (schedule.self == SCHEDULE_THREADS)
        setcontext(&schedule.main);
    setcontext(&schedule.contexts[schedule.self]);
}

// The call that brought `item` out, or NULL; in *twice if there are two.
static inline const struct call *taken_by(uintptr_t item, bool *twice)
{
    const struct call *found = NULL;
    for (unsigned i = 0; i < schedule.count; i++) {
        const struct call *call = &schedule.calls[i];
        if (call->enqueue || call->result != QUEUE_OK || call->item != item)
            continue;
        *twice = found != NULL;
        found = call;
    }
    return found;
}

static inline const char *judge_delivery(void)
{
    unsigned in = 0, out = 0;
    for (unsigned i = 0; i < schedule.count; i++) {
        const struct call *call = &schedule.calls[i];
        bool twice = false;
        if (call->result != QUEUE_OK)
            continue;
        out += !call->enqueue;
        if (!call->enqueue)
            continue;
        in++;
        if (!taken_by(call->item, &twice))
            return "an item was lost";
        if (twice)
            return "an item came twice";
    }
    return in == out ? NULL : "an item was invented";
}

// Of two items of one producer, the smaller went first.
static inline bool went_before(const struct call *a, const struct call *b)
{
    return a->end < b->start || (a->item >> 16 == b->item >> 16 && a->item < b->item);
}

static inline const char *judge_order(void)
{
    bool twice;
    for (unsigned i = 0; i < schedule.count; i++) {
        for (unsigned j = 0; j < schedule.count; j++) {
            const struct call *a = &schedule.calls[i], *b = &schedule.calls[j];
            if (a->enqueue && b->enqueue && a->result == QUEUE_OK && b->result == QUEUE_OK && went_before(a, b) &&
                taken_by(b->item, &twice)->end < taken_by(a->item, &twice)->start)
                return "items came out of order";
        }
    }
    return NULL;
}

// At time `t`: items that are in the queue for certain, or those that may be.
static inline uint64_t items_at(uint64_t t, bool certain)
{
    uint64_t count = 0;
    bool twice;
    for (unsigned i = 0; i < schedule.count; i++) {
        const struct call *put = &schedule.calls[i];
        if (!put->enqueue || put->result != QUEUE_OK)
            continue;
        const struct call *taken = taken_by(put->item, &twice);
        count += certain ? put->end < t && t <= taken->start : put->start <= t && t <= taken->end;
    }
    return count;
}

static inline const char *judge_answers(void)
{
    for (unsigned i = 0; i < schedule.count; i++) {
        const struct call *call = &schedule.calls[i];
        bool fine = call->result == QUEUE_OK || call->result == QUEUE_RETRY;
        for (uint64_t t = call->start; t <= call->end && !fine; t++)
            fine = call->result == QUEUE_EMPTY ? items_at(t, true) == 0
                                               : schedule.capacity && items_at(t, false) >= schedule.capacity;
        if (!fine)
            return call->result == QUEUE_EMPTY ? "EMPTY, but it never was" : "FULL, but it never was";
    }
    return NULL;
}

static inline void schedule_once(const void *config, struct check_env *env)
{
    const struct queue_ops *ops = schedule.ops;
    env->env.producers_max = schedule.producers;
    env->env.consumers_max = schedule.threads - schedule.producers;
    assert_int_equal(ops->init(schedule.queue, &env->env, config), 0);
    for (unsigned i = 0; i < schedule.threads; i++) {
        memset(schedule.handles[i], 0, ops->handle_size);
        assert_int_equal(ops->attach(schedule.queue, schedule.handles[i],
                                     i < schedule.producers ? QUEUE_PRODUCER : QUEUE_CONSUMER, QUEUE_UNMANAGED),
                         0);
        schedule.done[i] = false;
        schedule.asleep_until[i] = 0;
        getcontext(&schedule.contexts[i]);
        schedule.contexts[i].uc_stack.ss_sp = schedule_stacks[i];
        schedule.contexts[i].uc_stack.ss_size = SCHEDULE_STACK;
        makecontext(&schedule.contexts[i], schedule_thread, 0);
    }
    schedule.count = 0;
    schedule.now = 1;
    schedule.steps = 0;
    schedule.self = schedule_pick();
    schedule.running = true;
    swapcontext(&schedule.main, &schedule.contexts[schedule.self]);
    schedule.running = false;
    do
        schedule_call(schedule.producers, false, 0);
    while (schedule.calls[schedule.count - 1].result == QUEUE_OK);
    for (unsigned i = 0; i < schedule.threads; i++)
        ops->detach(schedule.queue, schedule.handles[i]);
    ops->fini(schedule.queue);
}

// `rounds` schedules, with other numbers of threads and calls each. Whoever sees a fault sees the seed that shows it.
static inline void run_schedules(const struct queue_ops *ops, const void *config, uint64_t capacity, unsigned rounds)
{
    struct check_env env;
    struct fault fault = {""};
    schedule.ops = ops;
    schedule.capacity = capacity;
    assert_int_equal(posix_memalign(&schedule.queue, ops->align, ops->size), 0);
    for (unsigned i = 0; i < SCHEDULE_THREADS; i++)
        assert_int_equal(posix_memalign(&schedule.handles[i], 128, (ops->handle_size | 127) + 1), 0);
    for (unsigned round = 1; round <= rounds; round++) {
        schedule.random = round * UINT64_C(0x9e3779b97f4a7c15);
        schedule.producers = 1 + (unsigned)schedule_random(3);
        schedule.threads = schedule.producers + 1 + (unsigned)schedule_random(3);
        if (ops->traits.consumers == QUEUE_ONE)
            schedule.threads = schedule.producers + 1;
        schedule.calls_each = 1 + (unsigned)schedule_random(12);
        check_env_init(&env, ops, NULL);
        schedule_once(config, &env);
        const char *wrong = judge_delivery();
        wrong = wrong ? wrong : judge_order();
        wrong = wrong ? wrong : judge_answers();
        if (wrong)
            fail_msg("schedule %u: %s", round, wrong);
        if (check_env_fini(&env, &fault) != 0)
            fail_msg("schedule %u: %s", round, fault.text);
    }
    free(schedule.queue);
    for (unsigned i = 0; i < SCHEDULE_THREADS; i++)
        free(schedule.handles[i]);
}

#endif
