// SPDX-License-Identifier: Apache-2.0
#include "core/workload_think.h"

#include <math.h>
#include <stdlib.h>

#include "core/workload.h"

// From here on the clock is read: its cost, some tens of ns, is little beside that.
#define BY_CLOCK_NS 10000.0
// How long to go on without a tick.
#define SLICE_NS 20000.0
// Rounds of which the median counts, so that neither interrupts nor a thread that takes the processor away do.
#define ROUNDS 31u
// How long one round takes at least, and how long the loop runs before, for a processor to reach its speed.
#define ROUND_NS 20000.0
#define WARM_NS 2000000.0

// Added to the number of the thread, for numbers other than those that the workload draws by itself.
#define OWN_NUMBERS (UINT64_C(1) << 32)

const char *const workload_think_names[] = {
    [THINK_CONSTANT] = "constant", [THINK_UNIFORM] = "uniform", [THINK_EXPONENTIAL] = "exponential", NULL};

// Each turn depends on the one before, and no compiler can leave one out.
static void spin_turns(uint64_t turns)
{
    uint64_t word = turns;
    for (; turns > 0; turns--) {
        word = word * WORKLOAD_RANDOM_GOLDEN + 1;
        __asm__ volatile("" : "+r"(word));
    }
}

double workload_think_draw(const struct workload_think *think, double unit)
{
    switch (think->shape) {
    case THINK_UNIFORM:
        return 2 * think->mean_ns * unit;
    case THINK_EXPONENTIAL:
        return -think->mean_ns * log(unit);
    default:
        return think->mean_ns;
    }
}

uint64_t workload_think_turns(const struct workload_think *think, double ns)
{
    const double left = ns - think->fixed_ns;
    return left > 0 ? (uint64_t)(left / think->turn_ns + 0.5) : 0;
}

static void think_by_clock(struct workload_thread *self, double ns, uint64_t operations)
{
    const uint64_t ticks = clock_ticks_in(ns), slice = clock_ticks_in(SLICE_NS);
    const uint64_t start = clock_ticks();
    uint64_t told = start;
    for (uint64_t now = start; now - start < ticks; now = clock_ticks()) {
        if (now - told < slice)
            continue;
        told = now;
        workload_quiescent(self);
        if (workload_tick(self, operations) == PHASE_STOP)
            return;
    }
}

static double draw(struct workload_think *mine)
{
    const double unit = mine->shape == THINK_CONSTANT ? 0.5 : workload_random_unit(&mine->random);
    return workload_think_draw(mine, unit);
}

void workload_think_once(struct workload_think *mine, struct workload_thread *self, uint64_t operations)
{
    const bool timed = mine->every && ++mine->untimed >= mine->every;
    const uint64_t start = timed ? clock_ticks() : 0;
    const double ns = draw(mine);
    if (ns < BY_CLOCK_NS)
        spin_turns(workload_think_turns(mine, ns));
    else
        think_by_clock(self, ns, operations);
    if (timed) {
        workload_record(self, mine->stage, clock_ticks() - start);
        mine->untimed = 0;
    }
}

static int compare(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

// What one of `count` takes, of a round that is `round(think, count)`: the median of many.
static double median_ns(struct workload_think *think, uint64_t count, void (*round)(struct workload_think *, uint64_t))
{
    double took_ns[ROUNDS];
    for (unsigned i = 0; i < ROUNDS; i++) {
        const uint64_t start = clock_ticks();
        round(think, count);
        took_ns[i] = clock_ns(clock_ticks() - start) / (double)count;
    }
    qsort(took_ns, ROUNDS, sizeof took_ns[0], compare);
    return took_ns[ROUNDS / 2];
}

static void turns_round(struct workload_think *think, uint64_t count)
{
    (void)think;
    spin_turns(count);
}

// Everything but the turns.
static void fixed_round(struct workload_think *think, uint64_t count)
{
    for (; count > 0; count--)
        spin_turns(workload_think_turns(think, draw(think)));
}

// How many turns make up a round, found by doubling.
static uint64_t turns_of_round(void)
{
    const uint64_t enough = clock_ticks_in(ROUND_NS), warm = clock_ticks_in(WARM_NS);
    const uint64_t begun = clock_ticks();
    uint64_t turns = 1000;
    for (;;) {
        const uint64_t start = clock_ticks();
        spin_turns(turns);
        const uint64_t end = clock_ticks();
        if (end - start < enough)
            turns *= 2;
        else if (end - begun >= warm)
            return turns;
    }
}

void workload_think_calibrate(struct workload_think *think)
{
    if (think->mean_ns <= 0)
        return;
    workload_random_init(&think->random, 0, 0);
    think->turn_ns = median_ns(think, turns_of_round(), turns_round);
    think->fixed_ns = INFINITY; // leaves no time for turns
    think->fixed_ns = median_ns(think, 1000, fixed_round);
}

void workload_think_start(struct workload_think *mine, const struct workload_think *made,
                          const struct workload_thread *self)
{
    *mine = *made;
    workload_random_init(&mine->random, self->run->seed, self->index + OWN_NUMBERS);
}
