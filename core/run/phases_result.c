// SPDX-License-Identifier: Apache-2.0
// What the threads of a run measured, put together; and what is told of a run that got stuck.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/run/phases_inner.h"

// Room for one more thread and for the note on how many are left out.
#define STUCK_RESERVE 96u

static void assign_roles(struct run_phases *phases)
{
    const struct workload_demand *demand = phases->plan.run->demand;
    unsigned index = 0;
    for (unsigned r = 0; r < WORKLOAD_ROLES_MAX && demand->roles[r].name; r++) {
        for (unsigned rank = 0; rank < demand->roles[r].threads; rank++, index++) {
            struct run_thread *thread = &phases->threads[index];
            thread->phases = phases;
            thread->self.run = phases->plan.run;
            thread->self.role = &demand->roles[r];
            thread->self.index = index;
            thread->self.rank = rank;
            thread->self.inner = thread;
        }
    }
}

int phases_create(struct run_phases **phases, const struct phases_plan *plan)
{
    const size_t size = sizeof **phases + plan->run->threads * sizeof(struct run_thread);
    struct run_phases *made = aligned_alloc(LINE_PAIR, (size + LINE_PAIR - 1) / LINE_PAIR * LINE_PAIR);
    if (!made)
        return -ENOMEM;
    memset(made, 0, size);
    made->plan = *plan;
    plan->run->phases = made;
    assign_roles(made);
    *phases = made;
    return 0;
}

void phases_destroy(struct run_phases *phases)
{
    for (unsigned i = 0; i < phases->plan.run->threads; i++)
        for (unsigned stage = 0; stage < WORKLOAD_STAGES_MAX; stage++)
            free(phases->threads[i].self.stages[stage].histogram);
    phases->plan.run->phases = NULL;
    free(phases);
}

void phases_merge(struct run_phases *phases, unsigned stage, struct histogram *to)
{
    for (unsigned i = 0; i < phases->started; i++) {
        struct latency *latency = &phases->threads[i].self.stages[stage];
        if (!latency->histogram)
            continue;
        latency_flush(latency);
        histogram_merge(to, latency->histogram);
    }
}

static uint64_t span_operations(const struct run_thread *thread)
{
    return thread->span.end_operations - thread->span.start_operations;
}

// A starved thread of a role that counts must count, or the unfairness would not show.
static bool role_counts(const struct run_phases *phases, const struct workload_role *role)
{
    for (unsigned i = 0; i < phases->started; i++)
        if (phases->threads[i].self.role == role && span_operations(&phases->threads[i]) > 0)
            return true;
    return false;
}

// First and last moments of all windows.
struct bounds {
    uint64_t start_min, start_max, end_min, end_max;
};

static struct bounds window_bounds(const struct run_phases *phases)
{
    struct bounds bounds = {.start_min = UINT64_MAX, .end_min = UINT64_MAX};
    for (unsigned i = 0; i < phases->started; i++) {
        const struct run_span *span = &phases->threads[i].span;
        bounds.start_min = span->start_ticks < bounds.start_min ? span->start_ticks : bounds.start_min;
        bounds.start_max = span->start_ticks > bounds.start_max ? span->start_ticks : bounds.start_max;
        bounds.end_min = span->end_ticks < bounds.end_min ? span->end_ticks : bounds.end_min;
        bounds.end_max = span->end_ticks > bounds.end_max ? span->end_ticks : bounds.end_max;
    }
    return bounds;
}

static double measure_runs(const struct run_phases *phases)
{
    uint64_t observed = 0, runs = 0;
    for (unsigned i = 0; i < phases->started; i++) {
        const struct run_span *span = &phases->threads[i].span;
        if (span->end_observed == span->start_observed)
            continue;
        observed += span->end_observed - span->start_observed;
        runs += span->end_handovers - span->start_handovers + 1;
    }
    return runs ? (double)observed / (double)runs : (double)__builtin_nan("");
}

static void measure_operations(const struct run_phases *phases, struct phases_result *result)
{
    double sum = 0, squares = 0;
    unsigned counting = 0;
    result->thread_operations_min = UINT64_MAX;
    for (unsigned i = 0; i < phases->started; i++) {
        const struct run_thread *thread = &phases->threads[i];
        result->failed += thread->span.end_failed - thread->span.start_failed;
        if (!role_counts(phases, thread->self.role))
            continue;
        const uint64_t operations = span_operations(thread);
        const double seconds = clock_ns(thread->span.end_ticks - thread->span.start_ticks) * 1e-9;
        const double rate = seconds > 0 ? (double)operations / seconds : 0;
        counting++;
        sum += rate;
        squares += rate * rate;
        result->operations += operations;
        if (operations < result->thread_operations_min)
            result->thread_operations_min = operations;
        if (operations > result->thread_operations_max)
            result->thread_operations_max = operations;
    }
    if (!counting)
        result->thread_operations_min = 0;
    result->throughput_ops_per_s = sum;
    result->fairness = squares > 0 ? sum * sum / (counting * squares) : (double)__builtin_nan("");
}

void phases_measure(const struct run_phases *phases, struct phases_result *result)
{
    *result = (struct phases_result){0};
    const struct bounds bounds = window_bounds(phases);
    result->window_ns = (uint64_t)clock_ns(bounds.end_min - bounds.start_max);
    result->skew_ns = (uint64_t)clock_ns((bounds.start_max - bounds.start_min) + (bounds.end_max - bounds.end_min));
    measure_operations(phases, result);
    result->run_length_mean = measure_runs(phases);
}

void phases_describe_threads(const struct run_phases *phases, struct record_thread *rows)
{
    for (unsigned i = 0; i < phases->started; i++) {
        const struct run_thread *thread = &phases->threads[i];
        const struct run_span *span = &thread->span;
        const double window_ns = clock_ns(span->end_ticks - span->start_ticks);
        rows[i] = (struct record_thread){
            .role = thread->self.role->name,
            .thread_number = thread->self.rank + 1,
            .cpu = thread->os.cpu < 0 ? RECORD_ABSENT : (uint64_t)thread->os.cpu,
            .operations = span_operations(thread),
            .operations_failed = span->end_failed - span->start_failed,
            .window_ns = (uint64_t)window_ns,
            .throughput_ops_per_s = (double)span_operations(thread) / (window_ns * 1e-9),
            .cpu_ns = span->end_usage.cpu_ns - span->start_usage.cpu_ns,
            .switches_voluntary = span->end_usage.voluntary_switches - span->start_usage.voluntary_switches,
            .switches_involuntary = span->end_usage.involuntary_switches - span->start_usage.involuntary_switches,
            .migrations = RECORD_ABSENT,
        };
    }
}

int phases_thread_id(const struct run_phases *phases, unsigned thread)
{
    return phases->threads[thread].id;
}

void phases_describe_stuck(const struct run_phases *phases, const char *phase, char *detail, size_t size)
{
    size_t used = (size_t)snprintf(detail, size, "%s: nothing moved, or a thread was missing, for %.3g s;", phase,
                                   (double)phases->plan.stuck_ns * 1e-9);
    for (unsigned i = 0; i < phases->started; i++) {
        struct run_thread *thread = &((struct run_phases *)phases)->threads[i];
        if (used + STUCK_RESERVE > size) {
            snprintf(detail + used, size - used, " and %u more threads", phases->started - i);
            return;
        }
        const bool missing = at_load_rlx(&thread->state) < phases->awaited;
        used += (size_t)snprintf(detail + used, size - used, "%s %s %u: %llu operations%s", i ? "," : "",
                                 thread->self.role->name, thread->self.rank,
                                 (unsigned long long)at_load_rlx(&thread->operations), missing ? " (missing)" : "");
    }
}
