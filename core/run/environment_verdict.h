// SPDX-License-Identifier: Apache-2.0
// What the machine did to a run, judged by written rules: valid, suspect or invalid, with the reasons. A pure function
// of facts that were read around the window. It never looks at what was measured: a result that is surprising is no
// reason to doubt it.
//
// valid: nothing was found. suspect: the machine did something that may show in the result; keep the run, and look at
// it with that in mind. invalid: the result is that of the machine's trouble, or of another program than the one
// meant; keep it as data and draw no conclusion from it. The thresholds, and why they are what they are, stand in the
// table of environment_verdict.c, which 'readyq doctor --rules' prints.
#ifndef READYQ_RUN_ENVIRONMENT_VERDICT_H
#define READYQ_RUN_ENVIRONMENT_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// "Not known": such a fact is not judged. As in a record.
#define FACT_UNKNOWN UINT64_MAX

// What is known of one run. Times are of the window unless they say otherwise.
struct environment_facts {
    uint64_t window_ns, duration_ns;                  // as it was, and as it was asked for
    uint64_t cpus_online;                             // of the machine
    uint64_t cpus_allowed;                            // to the run
    uint64_t threads;                                 // that carry load
    uint64_t tick_ns;                                 // what the kernel's accounts of CPU time resolve
    uint64_t cpu_ns;                                  // CPU time of the run itself
    uint64_t switches_involuntary;                    // of the run's threads
    uint64_t steal_ns;                                // over all CPUs of the machine
    uint64_t other_cpu_ns;                            // of other processes, over the CPUs allowed
    uint64_t suspended_ns;                            // of the machine
    double frequency_before_khz, frequency_after_khz; // not a number: unknown
    double sentinel_before_ns, sentinel_after_ns;     // likewise; around the run
    bool pinned;
    bool isolated;       // the kernel keeps others off the CPUs that the threads are pinned to
    bool counter_clock;  // the clock is the processor's counter, which is invariant
    bool checking_build; // a debug build, or one with sanitizers
};

// One rule. It fires where its measure, if it has one in these facts, is at least a threshold.
struct environment_rule {
    const char *name;
    const char *reads;          // what is measured, in words
    double suspect, invalid;    // thresholds; infinite: never
    const char *before, *after; // the reason's words around the measure
    const char *why;            // these thresholds
    // Not a number: does not apply, or is not known.
    double (*measure)(const struct environment_facts *facts);
};

extern const struct environment_rule environment_rules[];
extern const size_t environment_rule_count;

enum environment_grade { ENVIRONMENT_VALID, ENVIRONMENT_SUSPECT, ENVIRONMENT_INVALID };

// "valid", "suspect", "invalid".
extern const char *const environment_grade_names[];

struct environment_verdict {
    enum environment_grade grade; // of the gravest rule that fired
    char reasons[1400];           // of all that fired, the gravest first, joined by "; "; empty: valid
};

void environment_judge(const struct environment_facts *facts, struct environment_verdict *verdict);

#endif
