// SPDX-License-Identifier: Apache-2.0
#include "core/run/sentinel.h"

#include <math.h>
#include <stdlib.h>

#include "core/machine/clock.h"
#include "core/sync/atomic.h"
#include "core/sync/thread.h"

#define SENTINEL_NS 2000000u
// Round trips timed together, so that the clock's own cost does not show.
#define BATCH 16u
#define SAMPLES_MAX 4096u
// However long they take, so that the median is none of those during which a thread was kept from its processor.
#define SAMPLES_LEAST 15u
// Looks at the line before the processor is given up: the other side is not running.
#define LOOKS_MAX 20000u
#define PING_OVER UINT64_MAX

// The line that travels. Odd: the pinger's turn is over; even: the ponger's.
struct table {
    _Atomic uint64_t ball ALIGNED_LINE;
    _Atomic uint32_t present ALIGNED_LINE; // the ponger is on its processor
    double samples[SAMPLES_MAX];
    unsigned count;
};

// Without pauses, which take as long as what is measured.
static uint64_t await_ball(_Atomic uint64_t *ball, uint64_t old)
{
    for (unsigned looks = 1;; looks++) {
        const uint64_t now = at_load_acq(ball, AT(sentinel_look, sentinel_hit));
        if (now != old)
            return now;
        if (looks % LOOKS_MAX == 0)
            thread_yield();
    }
}

static void hit_ball(_Atomic uint64_t *ball, uint64_t value)
{
    at_store_rel(ball, value, AT(sentinel_hit, sentinel_look));
}

static void ping(void *argument)
{
    struct table *table = argument;
    uint64_t ball = 0;
    const uint64_t start = clock_ticks();
    while (table->count < SAMPLES_LEAST ||
           (table->count < SAMPLES_MAX && clock_ns(clock_ticks() - start) < SENTINEL_NS)) {
        const uint64_t before = clock_ticks();
        for (unsigned i = 0; i < BATCH; i++) {
            hit_ball(&table->ball, ball + 1);
            ball = await_ball(&table->ball, ball + 1);
        }
        table->samples[table->count++] = clock_ns(clock_ticks() - before) / BATCH;
    }
    hit_ball(&table->ball, PING_OVER);
}

static void pong(void *argument)
{
    struct table *table = argument;
    at_store_rel(&table->present, 1, AT(sentinel_present, sentinel_await));
    for (uint64_t ball = 0;;) {
        const uint64_t hit = await_ball(&table->ball, ball);
        if (hit == PING_OVER)
            return;
        ball = hit + 1;
        hit_ball(&table->ball, ball);
    }
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static const struct cpu *on_another_core(const struct topology *topology)
{
    for (unsigned i = 1; i < topology->count; i++)
        if (topology->cpus[i].core != topology->cpus[0].core)
            return &topology->cpus[i];
    return NULL;
}

// Whether both ran where they should.
static bool play(struct table *table, const struct topology *topology, unsigned first, unsigned second)
{
    struct thread pinger = {0}, ponger = {0};
    struct thread_options options = {.name = "sentinel", .topology = topology, .cpu = (int)second};
    if (thread_start(&ponger, &options, pong, table) != 0)
        return false;
    // A thread begins wherever the system puts it, and moves. Behind a pinger that spins it would wait for a whole time
    // slice, and that would be measured.
    SPIN_UNTIL(at_load_acq(&table->present, AT(sentinel_await, sentinel_present)));
    options.cpu = (int)first;
    if (thread_start(&pinger, &options, ping, table) != 0)
        hit_ball(&table->ball, PING_OVER);
    const bool pinged = pinger.started;
    const int pinger_pinned = thread_join(&pinger);
    const int ponger_pinned = thread_join(&ponger);
    return pinged && pinger_pinned == 0 && ponger_pinned == 0;
}

double sentinel_between_ns(const struct topology *topology, unsigned first, unsigned second)
{
    struct table *table = aligned_alloc(LINE_PAIR, sizeof *table);
    if (!table)
        return NAN;
    at_init(&table->ball, 0);
    at_init(&table->present, 0);
    table->count = 0;
    double median = NAN;
    if (play(table, topology, first, second) && table->count) {
        qsort(table->samples, table->count, sizeof table->samples[0], compare_doubles);
        median = table->samples[table->count / 2];
    }
    free(table);
    return median;
}

double sentinel_round_trip_ns(const struct topology *topology)
{
    const struct cpu *other = topology->count ? on_another_core(topology) : NULL;
    return other ? sentinel_between_ns(topology, topology->cpus[0].os, other->os) : NAN;
}
