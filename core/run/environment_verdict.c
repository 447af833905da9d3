// SPDX-License-Identifier: Apache-2.0
// The rules. A threshold is a judgement, so each stands here with the reason for it:
//
//   steal       The hypervisor ran somebody else. Throughput falls by at least that share, and a thread that is kept
//               back while it holds a lock or a slot holds up all others. 2 % is the least difference that comparisons
//               here are made for; from 10 % on the run measured the neighbours.
//   switches    A thread lost its CPU though each could have one. A kernel's own threads take a CPU some times a
//               second. Another busy process on the same CPU takes it once every few milliseconds: some 100 to 300
//               times. Not applied where there are more threads than CPUs, for there such switches are the scheduler's
//               work as asked for. The wakes of our own controller, which reads the course of the run, do not count.
//               The kernel calls it involuntary too when a thread yields, or gives way to another of the run that it
//               woke on its own CPU; libraries do so thousands of times a second. So no more switches count than
//               others had the time for, for certain, at 100 us a stay: shorter ones, 50 times a second, cost less than
//               half a percent of the CPU. As a tick a CPU is taken off their time (below), a short window on many CPUs
//               hides them, and this rule and the next say nothing.
//   isolation   Pinned threads cannot step aside, so that whoever else is put on their CPUs halts them. That the
//               kernel was not told to keep others away is no fault as long as nobody comes; so the rule needs both,
//               and fires earlier than the one above.
//   frequency   The CPUs ran at another speed at the end than at the beginning: times before and after do not compare.
//               Readings of an even clock differ by some percent.
//   other_load  Other processes had a CPU that the run could have used. 0.1 of one is a desktop at rest and more; with
//               half of one the run shared its CPUs.
//   threads     More threads than CPUs: what is measured is the system's scheduler as well. Never invalid, for it is
//               what many runs are made for.
//   straddles   The round trip of a cache line was another before the run than after it: the CPUs were moved meanwhile,
//               and the result is a mixture. Within one regime it varies by less than half, and regimes that matter lie
//               further apart; a factor of 4 is a move to another package, or a machine so busy that the sentinel
//               itself was held up.
//   short       The window that all threads shared was shorter than asked: they came and went at different times.
//   long        The window was longer: the process was stopped, or its controller got no CPU to close it. The
//               controller wakes some 20 ms late at worst on a machine at rest, so 100 ms are free.
//   suspended   The machine slept inside the window; clocks disagree on how long it was.
//   clock       Latencies are read from the system's clock in place of the processor's counter, at a greater cost and
//               with a coarser step. Right in the mean, so never invalid.
//   build       Debug builds and sanitizers run another program, many times slower.
//
// The kernel accounts for CPU time in ticks, and each CPU may be wrong by one; the shares are taken less that, so that
// a short window makes no reason of its own.
#include "core/run/environment_verdict.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SECOND_NS 1e9
#define LATE_FREE_NS 100e6
#define LEAST_STAY_NS 100e3 // of others who take a thread's CPU, on the mean

const char *const environment_grade_names[] = {
    [ENVIRONMENT_VALID] = "valid", [ENVIRONMENT_SUSPECT] = "suspect", [ENVIRONMENT_INVALID] = "invalid"};

// What a CPU time read from the kernel's accounts is for certain, as a share of one CPU's time in the window.
static double certain_share(const struct environment_facts *facts, uint64_t cpu_ns, uint64_t cpus)
{
    if (cpu_ns == FACT_UNKNOWN || facts->window_ns == 0)
        return NAN;
    const double certain = (double)cpu_ns - (double)cpus * (double)facts->tick_ns;
    return certain > 0 ? certain / (double)facts->window_ns : 0;
}

static double steal_percent(const struct environment_facts *facts)
{
    if (facts->cpus_online == 0)
        return NAN;
    return 100 * certain_share(facts, facts->steal_ns, facts->cpus_online) / (double)facts->cpus_online;
}

static double other_load(const struct environment_facts *facts)
{
    return certain_share(facts, facts->other_cpu_ns, facts->cpus_allowed);
}

// Of all involuntary ones, as many as others had the time for; where that is not known, all.
static double switches_to_others(const struct environment_facts *facts)
{
    const double all = (double)facts->switches_involuntary;
    return fmin(all, other_load(facts) * (double)facts->window_ns / LEAST_STAY_NS);
}

// A run that slept nearly all the time has too little of its own time to count by.
static double switches_per_cpu_s(const struct environment_facts *facts)
{
    const double cpu_ns = fmax((double)facts->cpu_ns, (double)facts->window_ns / 10);
    if (facts->threads > facts->cpus_allowed || facts->switches_involuntary == FACT_UNKNOWN || cpu_ns <= 0)
        return NAN;
    return switches_to_others(facts) * SECOND_NS / cpu_ns;
}

static double switches_unisolated(const struct environment_facts *facts)
{
    return facts->pinned && !facts->isolated ? switches_per_cpu_s(facts) : NAN;
}

// How much greater the greater is: 1 for equal ones.
static double factor_between(double before, double after)
{
    return before > 0 && after > 0 ? fmax(before / after, after / before) : NAN;
}

static double frequency_percent(const struct environment_facts *facts)
{
    return 100 * (factor_between(facts->frequency_before_khz, facts->frequency_after_khz) - 1);
}

static double threads_per_cpu(const struct environment_facts *facts)
{
    return facts->threads > facts->cpus_allowed ? (double)facts->threads / (double)facts->cpus_allowed : NAN;
}

static double sentinel_factor(const struct environment_facts *facts)
{
    return factor_between(facts->sentinel_before_ns, facts->sentinel_after_ns);
}

static double short_percent(const struct environment_facts *facts)
{
    return facts->duration_ns ? 100 - 100 * (double)facts->window_ns / (double)facts->duration_ns : NAN;
}

static double long_factor(const struct environment_facts *facts)
{
    const double late_ns = (double)facts->window_ns - (double)facts->duration_ns;
    return late_ns > LATE_FREE_NS && facts->duration_ns ? 1 + late_ns / (double)facts->duration_ns : NAN;
}

static double suspended_ms(const struct environment_facts *facts)
{
    return facts->suspended_ns == FACT_UNKNOWN ? NAN : (double)facts->suspended_ns / 1e6;
}

static double clock_of_system(const struct environment_facts *facts)
{
    return facts->counter_clock ? NAN : 1;
}

static double build_for_checking(const struct environment_facts *facts)
{
    return facts->checking_build ? 1 : NAN;
}

const struct environment_rule environment_rules[] = {
    {"steal", "CPU time that the hypervisor kept back, in % of all CPUs' time", 2, 10, "the hypervisor kept back ",
     " % of the CPUs' time", "2 % is the least difference worth a comparison; with 10 % the neighbours were measured",
     steal_percent},
    {"switches",
     "involuntary context switches per second of the run's CPU time, as far as others had a CPU for 100 us each; not "
     "with more threads than CPUs",
     50, 250, "threads lost their CPUs ", " times a CPU-second",
     "the kernel's own threads take a CPU some times a second, another busy process a hundred times and more",
     switches_per_cpu_s},
    {"isolation", "the same, where threads are pinned to CPUs that isolcpus does not keep free", 10, INFINITY,
     "the CPUs that threads are pinned to are not isolated, and others took them ", " times a CPU-second",
     "a pinned thread cannot step aside; nobody came below this", switches_unisolated},
    {"frequency", "change of the CPUs' mean frequency from the opening to the end of the window, in %", 5, 20,
     "the CPUs' frequency changed by ", " %", "readings at an even frequency differ by some percent",
     frequency_percent},
    {"other_load", "CPU time of other processes on the CPUs allowed, as a share of one CPU", 0.1, 0.5,
     "other processes took ", " of a CPU", "a machine at rest takes less than 0.1; half a CPU is a CPU shared",
     other_load},
    {"threads", "threads per CPU, where there are more threads than CPUs", 1, INFINITY, "there are ",
     " threads a CPU, so that the system's scheduler is measured too", "somebody always waits", threads_per_cpu},
    {"straddles", "factor between the sentinels before and after the run", 1.5, 4,
     "the run straddles two regimes: the sentinel changed by a factor of ", "",
     "within one regime it varies by less than half; 4 is another package", sentinel_factor},
    {"short", "by how much the window was shorter than asked, in %", 1, 10, "the window was ", " % shorter than asked",
     "threads that come and go apart are not measured together", short_percent},
    {"long", "window by what was asked, where it was late by more than 100 ms", 1.1, 1.5, "the window was ",
     " times as long as asked, so the process was stopped or starved",
     "the controller wakes some 20 ms late at worst on a machine at rest", long_factor},
    {"suspended", "time that the machine was suspended in the window, in ms", 1, 1, "the machine was suspended for ",
     " ms", "clocks disagree on the length of such a window", suspended_ms},
    {"clock", "whether latencies come from the system's clock (1)", 1, INFINITY,
     "the processor's counter is no clock here, so latencies come from the system's", NULL,
     "it costs more and is coarser, but is right in the mean", clock_of_system},
    {"build", "whether it is a debug build or has sanitizers (1)", 1, 1,
     "this is a debug build or one with sanitizers, which is another program", NULL, "it is many times slower",
     build_for_checking},
};

const size_t environment_rule_count = sizeof environment_rules / sizeof *environment_rules;

static enum environment_grade grade_of(const struct environment_rule *rule, double measure)
{
    // A measure that is not a number reaches nothing.
    return measure >= rule->invalid   ? ENVIRONMENT_INVALID
           : measure >= rule->suspect ? ENVIRONMENT_SUSPECT
                                      : ENVIRONMENT_VALID;
}

// Two digits behind the point for what is small, three digits in all for what is great.
static void add_reason(struct environment_verdict *verdict, const struct environment_rule *rule, double measure)
{
    const size_t used = strlen(verdict->reasons);
    char *end = verdict->reasons + used;
    const size_t room = sizeof verdict->reasons - used;
    const char *joint = used ? "; " : "";
    if (rule->after)
        snprintf(end, room, "%s%s%.*f%s", joint, rule->before,
                 measure < 10    ? 2
                 : measure < 100 ? 1
                                 : 0,
                 measure, rule->after);
    else
        snprintf(end, room, "%s%s", joint, rule->before);
}

void environment_judge(const struct environment_facts *facts, struct environment_verdict *verdict)
{
    *verdict = (struct environment_verdict){.grade = ENVIRONMENT_VALID};
    for (enum environment_grade grade = ENVIRONMENT_INVALID; grade > ENVIRONMENT_VALID; grade--) {
        for (size_t i = 0; i < environment_rule_count; i++) {
            const double measure = environment_rules[i].measure(facts);
            if (grade_of(&environment_rules[i], measure) != grade)
                continue;
            add_reason(verdict, &environment_rules[i], measure);
            verdict->grade = grade > verdict->grade ? grade : verdict->grade;
        }
    }
}
