// SPDX-License-Identifier: Apache-2.0
#include "core/workload_offer.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "core/workload.h"

// Jobs submitted between two passes.
#define BURST 16u
// A nap ends so long before a job is due, is no shorter than this, and no longer than a phase may wait.
#define NAP_MARGIN_NS 200000u
#define NAP_LEAST_NS 100000u
#define NAP_MOST_NS 1000000u
// A share of the rate that is lost to chance and to the edges of the window.
#define ENOUGH 0.98

const char *const workload_offer_arrivals[] = {
    [ARRIVALS_CONSTANT] = "constant", [ARRIVALS_POISSON] = "poisson", [ARRIVALS_BURSTS] = "bursts", NULL};
const char *const workload_offer_idles[] = {[OFFER_SPIN] = "spin", [OFFER_SLEEP] = "sleep", NULL};

static struct arrivals_pattern pattern_of(const struct workload_offer_config *config, unsigned schedulers)
{
    struct arrivals_pattern pattern = {
        .kind = (enum arrivals_kind)config->arrivals,
        .gap = 1e9 / clock_facts.ns_per_tick * schedulers / (double)config->rate,
        .on = (double)config->on_ns / clock_facts.ns_per_tick,
        .off = (double)config->off_ns / clock_facts.ns_per_tick,
    };
    if (pattern.kind == ARRIVALS_BURSTS)
        pattern.gap *= pattern.on / (pattern.on + pattern.off);
    return pattern;
}

int workload_offer_init(struct workload_offer *offer, const struct workload_offer_config *config,
                        const struct workload_run *run, unsigned late_stage)
{
    *offer = (struct workload_offer){
        .run = run,
        .pattern = pattern_of(config, run->threads),
        .idle = (enum offer_idle)config->idle,
        .rate = config->rate,
        .epoch = clock_ticks(),
        .late_stage = late_stage,
        .burst = run->demand->workers ? BURST : 1,
        .sources = workload_alloc(run->threads * sizeof *offer->sources),
    };
    return offer->sources ? 0 : -ENOMEM;
}

void workload_offer_fini(struct workload_offer *offer)
{
    free(offer->sources);
    offer->sources = NULL;
}

static uint64_t now_of(const struct workload_offer *offer)
{
    return clock_ticks() - offer->epoch;
}

static void start(const struct workload_offer *offer, struct workload_source *source, unsigned thread)
{
    struct workload_random random;
    workload_random_init(&random, offer->run->seed, thread);
    arrivals_start(&source->arrivals, &offer->pattern, &random, now_of(offer), (double)thread / offer->run->threads);
}

// What is due finds no slot, or no room in the pool: it waits, and is counted once.
static void hold(struct workload_source *source, struct workload_thread *self)
{
    if (source->waits)
        return;
    source->waits = true;
    source->held++;
    self->failed++;
}

static bool submit_due(struct workload_offer *offer, struct workload_source *source, struct job_owner *owner,
                       uint64_t now, void (*invoke)(void *slot), void (*ready)(void *slot))
{
    const uint64_t due = source->arrivals.next_due;
    const bool timed = workload_jobs_times_next(owner);
    if (!owner->free_count || workload_jobs_submit_late(owner, offer->epoch + due, invoke, ready) < 0) {
        hold(source, owner->self);
        return false;
    }
    if (timed)
        workload_record(owner->self, offer->late_stage, now - due);
    source->waits = false;
    arrivals_advance(&source->arrivals);
    return true;
}

// Keeps the moments at which the thread's window opens and closes.
static void watch_window(const struct workload_offer *offer, struct workload_source *source,
                         const struct job_owner *owner)
{
    const uint64_t now = now_of(offer);
    const struct offer_moment moment = {
        .ticks = now,
        .due = (double)owner->submitted + arrivals_backlog(&source->arrivals, now),
        .submitted = owner->submitted,
        .completed = owner->completed,
        .held = source->held,
    };
    *(owner->self->recording ? &source->from : &source->to) = moment;
    source->measured = owner->self->recording;
}

static enum workload_phase tick(const struct workload_offer *offer, struct workload_source *source,
                                const struct job_owner *owner)
{
    const enum workload_phase phase = workload_tick(owner->self, owner->completed);
    if (owner->self->recording != source->measured)
        watch_window(offer, source, owner);
    return phase;
}

// Sleeps if there is time for it before the next job is due. Returns whether it did.
static bool nap(const struct workload_offer *offer, const struct workload_source *source)
{
    const uint64_t now = now_of(offer);
    if (source->arrivals.next_due <= now)
        return false;
    const double ns = clock_ns(source->arrivals.next_due - now) - NAP_MARGIN_NS;
    if (ns < NAP_LEAST_NS)
        return false;
    const struct timespec time = {.tv_nsec = (long)(ns < NAP_MOST_NS ? ns : NAP_MOST_NS)};
    nanosleep(&time, NULL);
    return true;
}

void workload_offer_body(struct workload_offer *offer, struct job_owner *owner, void (*invoke)(void *slot),
                         void (*ready)(void *slot))
{
    struct workload_source *source = &offer->sources[owner->number];
    unsigned idle = 0;
    start(offer, source, owner->number);
    while (tick(offer, source, owner) != PHASE_STOP) {
        const uint64_t completed = owner->completed;
        unsigned submitted = 0;
        for (uint64_t now; submitted < offer->burst && (now = now_of(offer)) >= source->arrivals.next_due; submitted++)
            if (!submit_due(offer, source, owner, now, invoke, ready))
                break;
        if (workload_jobs_pass(owner) == POOL_MORE || owner->completed != completed || submitted)
            idle = 0;
        else if (offer->idle != OFFER_SLEEP || workload_jobs_in_flight(owner) || !nap(offer, source))
            thread_spin_round(idle++);
    }
    while (workload_jobs_in_flight(owner)) {
        workload_jobs_await(owner);
        workload_tick(owner->self, owner->completed);
    }
}

// Of all threads, in their windows.
struct offer_rates {
    double due, submitted, completed, held; // jobs a second
    double grown;                           // jobs that waited or were under way at the end, more than at the start
};

static struct offer_rates rates_of(const struct workload_offer *offer)
{
    struct offer_rates rates = {0};
    for (unsigned i = 0; i < offer->run->threads; i++) {
        const struct offer_moment *from = &offer->sources[i].from, *to = &offer->sources[i].to;
        if (to->ticks <= from->ticks)
            return (struct offer_rates){0};
        const double seconds = clock_ns(to->ticks - from->ticks) * 1e-9;
        rates.due += (to->due - from->due) / seconds;
        rates.submitted += (double)(to->submitted - from->submitted) / seconds;
        rates.completed += (double)(to->completed - from->completed) / seconds;
        rates.held += (double)(to->held - from->held) / seconds;
        rates.grown += to->due - from->due - (double)(to->completed - from->completed);
    }
    return rates;
}

void workload_offer_report(const struct workload_offer *offer, struct workload_report *report)
{
    const struct offer_rates rates = rates_of(offer);
    if (rates.due <= 0)
        return;
    report->offered_ops_per_s = rates.due;
    if (rates.submitted < ENOUGH * rates.due && rates.held == 0)
        snprintf(report->note, sizeof report->note,
                 "the machine could not offer the rate: asked %llu/s, due %.0f/s, submitted %.0f/s",
                 (unsigned long long)offer->rate, rates.due, rates.submitted);
    else if (rates.completed < ENOUGH * rates.due)
        snprintf(
            report->note, sizeof report->note,
            "the pool did not keep up: due %.0f/s, completed %.0f/s; %.0f more jobs waited at the end of the window",
            rates.due, rates.completed, rates.grown);
}
