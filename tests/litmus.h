// SPDX-License-Identifier: Apache-2.0
// For tests of pairs of accesses each of which must see the other (a store, then a load, on both sides): two threads
// run the two sides at the same moment, over and over, and no round may end with neither having seen the other. That
// is the one reordering that x86 does, and only while a store waits in its buffer, so each round brings both threads
// together, then sets them apart by a random little.
#ifndef READYQ_TESTS_LITMUS_H
#define READYQ_TESTS_LITMUS_H

#include "core/machine/clock.h"
#include "core/machine/placement.h"
#include "core/machine/topology.h"
#include "core/sync/atomic.h"
#include "core/sync/thread.h"
#include "tests/unit.h"

// What one thread does. All but `race` may be NULL.
struct litmus_side {
    int (*begin)(void);  // 0, or a negative errno; then there is no round, and no end for this side
    void (*reset)(void); // before each round, while the other does so too
    void (*look)(void);  // in some rounds, then: reads what the race is about, so that both have it in their caches
    void (*race)(void);
    void (*end)(void);
};

struct litmus {
    struct litmus_side sides[2];
    bool (*missed)(void); // after each round, by the first side's thread, while the other waits
};

struct litmus_thread {
    _Atomic uint64_t phase ALIGNED_LINE; // meetings it has come to
    uint64_t random ALIGNED_LINE;
    const struct litmus *litmus;
    struct litmus_thread *other;
    unsigned side;
    int error; // of begin
    struct thread thread;
};

static struct {
    struct topology topology;
    int cpus[2];
    struct litmus_thread threads[2];
    _Atomic uint32_t over;
    uint64_t rounds;
    bool missed;
} litmus_runs;

// Long enough, and often enough where others use the processors; but not for ever.
#define LITMUS_NS ROUNDS(UINT64_C(1500000000))
#define LITMUS_MOST_NS ROUNDS(UINT64_C(4000000000))
#define LITMUS_LEAST ROUNDS(UINT64_C(300000))
#define LITMUS_TIGHT 2000u // looks for the other before the processor is given up

static inline uint64_t litmus_random(struct litmus_thread *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return self->random;
}

// Without pauses, which take longer than what the threads are to be apart.
static inline void litmus_meet(struct litmus_thread *self)
{
    const uint64_t phase = at_load_rlx(&self->phase) + 1;
    at_store_rel(&self->phase, phase, AT(test_litmus_come, test_litmus_met));
    for (unsigned i = 0; at_load_acq(&self->other->phase, AT(test_litmus_met, test_litmus_come)) < phase; i++)
        if (i > LITMUS_TIGHT)
            thread_spin_round(i - LITMUS_TIGHT);
}

static inline void litmus_dawdle(struct litmus_thread *self)
{
    const uint64_t most = UINT64_C(1) << (litmus_random(self) % 10);
    for (uint64_t turns = litmus_random(self) % most; turns > 0; turns--)
        (void)at_load_rlx(&self->phase);
}

static inline void litmus_call(void (*function)(void))
{
    if (function)
        function();
}

static inline void litmus_round(struct litmus_thread *self, const struct litmus_side *side)
{
    litmus_call(side->reset);
    litmus_meet(self);
    if (litmus_random(self) % 4 > 0)
        litmus_call(side->look);
    litmus_meet(self);
    litmus_dawdle(self);
    side->race();
    litmus_meet(self);
}

static inline void litmus_judge(const struct litmus *litmus, uint64_t start_ns)
{
    litmus_runs.missed = litmus->missed();
    litmus_runs.rounds++;
    bool over = litmus_runs.missed;
    if (litmus_runs.rounds % 256 == 0) {
        const uint64_t passed_ns = clock_system_ns() - start_ns;
        over |= passed_ns > (litmus_runs.rounds < LITMUS_LEAST ? LITMUS_MOST_NS : LITMUS_NS);
    }
    if (over)
        at_store_rlx(&litmus_runs.over, 1);
}

static inline void litmus_body(void *argument)
{
    struct litmus_thread *self = argument;
    const struct litmus_side *side = &self->litmus->sides[self->side];
    const uint64_t start_ns = clock_system_ns();
    self->error = side->begin ? side->begin() : 0;
    if (self->error)
        at_store_rlx(&litmus_runs.over, 1);
    litmus_meet(self);
    while (!at_load_rlx(&litmus_runs.over)) {
        litmus_round(self, side);
        if (self->side == 0)
            litmus_judge(self->litmus, start_ns);
        litmus_meet(self);
    }
    if (!self->error)
        litmus_call(side->end);
}

// Of the group. Takes two processors as far apart as there are: the longer a store takes, the more can overtake it.
static inline int litmus_set_up(void **state)
{
    (void)state;
    struct fault fault = {""};
    const int error = topology_load(&litmus_runs.topology, NULL, &fault);
    const struct placement placement = {.policy = PLACEMENT_SCATTER};
    if (error)
        print_error("%s\n", fault.text);
    else
        placement_choose(&placement, &litmus_runs.topology, 2, litmus_runs.cpus);
    return error;
}

static inline int litmus_tear_down(void **state)
{
    (void)state;
    topology_unload(&litmus_runs.topology);
    return 0;
}

// First in each test: with one processor the sides never run at once.
static inline void litmus_needs_two(void)
{
    if (litmus_runs.cpus[0] == litmus_runs.cpus[1])
        skip();
}

static inline void litmus_run(const struct litmus *litmus)
{
    litmus_runs.rounds = 0;
    litmus_runs.missed = false;
    at_init(&litmus_runs.over, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct litmus_thread *self = &litmus_runs.threads[i];
        *self = (struct litmus_thread){.litmus = litmus, .side = i, .other = &litmus_runs.threads[1 - i]};
        self->random = clock_system_ns() | 1;
    }
    for (unsigned i = 0; i < 2; i++) {
        struct litmus_thread *self = &litmus_runs.threads[i];
        const struct thread_options options = {.topology = &litmus_runs.topology, .cpu = litmus_runs.cpus[i]};
        assert_int_equal(thread_start(&self->thread, &options, litmus_body, self), 0);
    }
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(thread_join(&litmus_runs.threads[i].thread), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(litmus_runs.threads[i].error, 0);
}

// Last, when all is put away.
static inline void litmus_must_hold(void)
{
    if (litmus_runs.missed)
        fail_msg("neither side saw the other in round %llu", (unsigned long long)litmus_runs.rounds);
    assert_true(litmus_runs.rounds > 0);
}

#endif
