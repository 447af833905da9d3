// SPDX-License-Identifier: Apache-2.0
// How to run, whatever is run: one line each, as for any plug-in's parameters.
#include "core/run/run.h"

#include <errno.h>

#include "core/run/limits.h"
#include "core/run/params.h"

#define SECOND_NS 1000000000ull
#define HOUR_NS (3600 * SECOND_NS)
// The controller can't sleep much more briefly than this.
#define SAMPLE_LEAST_NS 100000u
// The history itself, and twice as much to judge it.
#define MEMORY_PARTS 3

static const char *const dispatch_names[] = {"vtable", "direct", NULL};
static const char *const check_names[] = {
    [HISTORY_SCOPE_NONE] = "none", [HISTORY_SCOPE_SAMPLED] = "sampled", [HISTORY_SCOPE_FULL] = "full", NULL};
const char *const run_counters_names[] = {
    [RUN_COUNTERS_AUTO] = "auto", [RUN_COUNTERS_NO] = "no", [RUN_COUNTERS_YES] = "yes", NULL};

const struct param run_params[] = {
    PARAM_NS(struct run_settings, warmup_ns, "100ms", 0, HOUR_NS, "Least time of warming up before the window"),
    PARAM_NS(struct run_settings, duration_ns, "1s", 1000000, HOUR_NS,
             "Length of the window; longer if nothing was completed in it"),
    PARAM_NS(struct run_settings, stuck_ns, "10s", 10000000, HOUR_NS,
             "Time without any operation after which the run is stuck and fails"),
    PARAM_U64(struct run_settings, seed, "1", 0, UINT64_MAX, "", "Seed of everything random"),
    PARAM_CHOICE(struct run_settings, dispatch, "vtable", dispatch_names,
                 "How queue workloads call the queue: through its table of functions, or by loops compiled for it"),
    PARAM_TEXT(struct run_settings, pin, "compact",
               "Placement of the threads: none, compact, scatter, no_smt, or a list of CPUs such as 0,2-3"),
    PARAM_U64(struct run_settings, timeline, "100", 0, 1000, "intervals",
              "Into how many intervals of equal length, 1ms at least, the window is cut, to see the throughput over "
              "time; 0: none"),
    PARAM_NS(struct run_settings, sample_lengths_ns, "20ms", 0, HOUR_NS,
             "How often to read the lengths of queues in the window, 100us at least; 0: never"),
    PARAM_CHOICE(
        struct run_settings, check, "none", check_names,
        "How much of the history of the queue, or of the pool's jobs, to record while measuring, and to judge"),
    PARAM_U64(struct run_settings, check_every, "64", 1, UINT32_MAX, "items",
              "With --check sampled: one item, or job, in so many is recorded"),
    PARAM_U64(struct run_settings, check_memory_mib, "1024", 1, 1u << 20, "MiB",
              "With a check: memory for the history, which is cut where it does not suffice; judging takes as much "
              "again, or twice as much"),
    PARAM_BOOL(struct run_settings, keep_awake, "no",
               "Whether spinners of idle priority keep the allowed CPUs from halting, so that waking a thread costs "
               "what it costs on a busy machine"),
    PARAM_CHOICE(struct run_settings, counters, "auto", run_counters_names,
                 "Counters of the processor (cycles, instructions, cache and branch misses) and of the kernel: auto "
                 "takes what there is, but the kernel's only beside the processor's; yes takes all, and says what is "
                 "absent and why"),
    PARAM_BOOL(struct run_settings, require_valid, "no",
               "Whether to end with exit status 4 where the machine's state made the run no valid measurement; its "
               "record is written all the same"),
    PARAM_END,
};

// The history and its judge must both fit into the memory that there is, or the system might end the run.
static int check_memory(uint64_t mib, struct fault *fault)
{
    const struct memory_limit limit = limits_memory("");
    const uint64_t most_mib = limit.bytes / MEMORY_PARTS >> 20;
    if (mib <= most_mib)
        return 0;
    return fault_set(
        fault, -EINVAL,
        "--check-memory must be at most %llu MiB here, a third of %s, for to judge a history takes up to twice "
        "its memory; not %llu",
        (unsigned long long)most_mib, limit.name, (unsigned long long)mib);
}

int run_settings_check(const struct run_settings *settings, struct fault *fault)
{
    char given[32];
    const uint64_t every_ns = settings->sample_lengths_ns;
    if (every_ns != 0 && every_ns < SAMPLE_LEAST_NS)
        return fault_set(fault, -EINVAL, "--sample-lengths must be 0 or between 100us and 3600s, not %s",
                         params_quantity(PARAM_TYPE_NS, every_ns, given, sizeof given));
    if (settings->check == HISTORY_SCOPE_NONE)
        return 0;
    if (settings->dispatch == RUN_DISPATCH_DIRECT)
        return fault_set(fault, -EINVAL,
                         "a history is recorded of calls through the queue's table only, so that with --check %s "
                         "dispatch can only be vtable",
                         check_names[settings->check]);
    return check_memory(settings->check_memory_mib, fault);
}
