// SPDX-License-Identifier: Apache-2.0
#include "core/run/surroundings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "core/machine/clock.h"
#include "core/measure/hardware.h"
#include "core/run/environment_watch.h"
#include "core/run/keep_awake.h"
#include "core/run/sentinel.h"

#if defined(READYQ_SANITIZED) || defined(READYQ_DEBUG)
#define CHECKING_BUILD true
#else
#define CHECKING_BUILD false
#endif

// The machine and the counters at one edge of the window.
struct edge {
    struct environment_edge machine;
    struct hardware_reading counted;
    uint64_t awake_ns, awake_switches; // of the spinners
    uint64_t wakes;                    // of the controller, which is the calling thread
};

struct surroundings {
    const struct run_plan *plan;
    struct record *record;
    struct keep_awake *awake;
    struct hardware hardware;
    struct edge opened, closing;
};

// Then it has threads there that were not started by this one, and inherit no counters.
static bool lives_elsewhere(const struct run_plan *plan)
{
    const struct pool_entry *pool = plan->options->pool;
    return pool && pool->ops->enter;
}

static bool are_counters_wanted(const struct run_plan *plan)
{
    return plan->options->settings.counters != RUN_COUNTERS_NO;
}

int surroundings_open(struct surroundings **made, const struct run_plan *plan, struct record *record,
                      struct fault *fault)
{
    struct surroundings *around = calloc(1, sizeof *around);
    if (!around)
        return fault_set(fault, -ENOMEM, "no memory for what is read around the run");
    around->plan = plan;
    around->record = record;
    if (plan->options->settings.keep_awake) {
        const int error = keep_awake_start(&around->awake, plan->topology, record->environment, fault);
        if (error) {
            free(around);
            return error;
        }
    }
    record->sentinel_before_ns = sentinel_round_trip_ns(plan->topology);
    hardware_none(&around->hardware);
    if (are_counters_wanted(plan) && !lives_elsewhere(plan))
        hardware_open(&around->hardware, NULL);
    if (plan->options->settings.counters == RUN_COUNTERS_AUTO)
        hardware_spare(&around->hardware);
    *made = around;
    return 0;
}

static bool is_pinned(const struct run_plan *plan)
{
    return plan->placement.policy != PLACEMENT_NONE;
}

static void read_frequency(const struct run_plan *plan, struct environment_edge *machine)
{
    environment_edge_frequency(machine, plan->topology, is_pinned(plan) ? plan->cpus : NULL,
                               plan->threads + plan->demand.workers, "");
}

// Each time that it slept it was woken again, and may have taken the CPU from a thread that carries load.
static uint64_t own_wakes(void)
{
    struct rusage used;
    getrusage(RUSAGE_THREAD, &used);
    return (uint64_t)used.ru_nvcsw;
}

void surroundings_opened(struct surroundings *around)
{
    environment_edge_read(&around->opened.machine, around->plan->topology, "");
    around->opened.awake_ns = keep_awake_cpu_ns(around->awake);
    around->opened.awake_switches = keep_awake_switches(around->awake);
    around->opened.wakes = own_wakes();
    hardware_read(&around->hardware, &around->opened.counted);
    read_frequency(around->plan, &around->opened.machine);
}

void surroundings_closing(struct surroundings *around)
{
    hardware_read(&around->hardware, &around->closing.counted);
    environment_edge_read(&around->closing.machine, around->plan->topology, "");
    around->closing.awake_ns = keep_awake_cpu_ns(around->awake);
    around->closing.awake_switches = keep_awake_switches(around->awake);
    around->closing.wakes = own_wakes();
    read_frequency(around->plan, &around->closing.machine);
}

static void record_counters(struct surroundings *around, struct run_result *result)
{
    struct record *record = around->record;
    const struct hardware_counts between =
        hardware_between(&around->hardware, &around->opened.counted, &around->closing.counted);
    record->hw_cycles = between.counts[HARDWARE_CYCLES];
    record->hw_instructions = between.counts[HARDWARE_INSTRUCTIONS];
    record->hw_cache_references = between.counts[HARDWARE_CACHE_REFERENCES];
    record->hw_cache_misses = between.counts[HARDWARE_CACHE_MISSES];
    record->hw_branch_misses = between.counts[HARDWARE_BRANCH_MISSES];
    if (record->migrations == RECORD_ABSENT)
        record->migrations = between.counts[HARDWARE_MIGRATIONS];
    record->sw_context_switches = between.counts[HARDWARE_SWITCHES];
    record->sw_page_faults = between.counts[HARDWARE_FAULTS];
    record->hw_counted_share = between.counted_share;
    record->hw_scope = hardware_scope(&around->hardware);
    hardware_tell_absent(&around->hardware, result->counters_absent, sizeof result->counters_absent);
    if (are_counters_wanted(around->plan) && lives_elsewhere(around->plan))
        snprintf(result->counters_absent, sizeof result->counters_absent,
                 "all: the pool lives in another program, whose threads can't be counted from here");
    record->hw_absent = result->counters_absent;
}

// What is left of the processes' CPU time when the run's own and the spinners' is taken from it.
static uint64_t other_cpu_ns(const struct surroundings *around)
{
    const uint64_t all = environment_passed(around->opened.machine.processes_ns, around->closing.machine.processes_ns);
    const struct record *record = around->record;
    uint64_t known = record->cpu_user_ns + record->cpu_system_ns;
    if (around->awake)
        known += record->keep_awake_ns == RECORD_ABSENT ? 0 : record->keep_awake_ns;
    return all == UINT64_MAX ? RECORD_ABSENT : all > known ? all - known : 0;
}

static void record_machine(const struct surroundings *around)
{
    struct record *record = around->record;
    const struct environment_edge *opened = &around->opened.machine, *closing = &around->closing.machine;
    record->keep_awake_ns = environment_passed(around->opened.awake_ns, around->closing.awake_ns);
    record->other_cpu_ns = other_cpu_ns(around);
    record->frequency_before_khz = opened->frequency_khz;
    record->frequency_after_khz = closing->frequency_khz;
    record->suspended_ns = environment_passed(opened->suspended_ns, closing->suspended_ns);
}

// Those that were neither to a spinner nor to the controller for certain.
static uint64_t switches_to_others(const struct surroundings *around)
{
    const uint64_t all = around->record->switches_involuntary;
    const uint64_t to_spinners = around->closing.awake_switches - around->opened.awake_switches;
    const uint64_t to_ours = to_spinners + around->closing.wakes - around->opened.wakes;
    return all == RECORD_ABSENT ? FACT_UNKNOWN : all > to_ours ? all - to_ours : 0;
}

static void judge(const struct surroundings *around, struct run_result *result)
{
    const struct run_plan *plan = around->plan;
    struct record *record = around->record;
    const struct environment_facts facts = {
        .window_ns = record->window_ns,
        .duration_ns = record->duration_ns,
        .cpus_online = plan->topology->online,
        .cpus_allowed = plan->topology->count,
        .threads = record->threads,
        .tick_ns = environment_tick_ns(),
        .cpu_ns = record->cpu_user_ns + record->cpu_system_ns,
        .switches_involuntary = switches_to_others(around),
        .steal_ns = record->steal_ns,
        .other_cpu_ns = record->other_cpu_ns,
        .suspended_ns = record->suspended_ns,
        .frequency_before_khz = record->frequency_before_khz,
        .frequency_after_khz = record->frequency_after_khz,
        .sentinel_before_ns = record->sentinel_before_ns,
        .sentinel_after_ns = record->sentinel_after_ns,
        .pinned = is_pinned(plan),
        .isolated = is_pinned(plan) && environment_isolated(plan->cpus, plan->threads + plan->demand.workers, ""),
        .counter_clock = clock_facts.counter,
        .checking_build = CHECKING_BUILD,
    };
    environment_judge(&facts, &result->environment);
    record->environment_verdict = environment_grade_names[result->environment.grade];
    record->environment_reasons = result->environment.reasons;
}

void surroundings_close(struct surroundings *around, bool ended, struct run_result *result)
{
    if (!around)
        return;
    struct record *record = around->record;
    if (ended)
        record->sentinel_after_ns = sentinel_round_trip_ns(around->plan->topology);
    keep_awake_stop(around->awake);
    hardware_close(&around->hardware);
    if (record->window_ns != RECORD_ABSENT) {
        record_machine(around);
        record_counters(around, result);
        judge(around, result);
    }
    free(around);
}
