// SPDX-License-Identifier: Apache-2.0
// Each rule of the verdict on the environment fires at its thresholds and not below, and on nothing that is not known.
#include "tests/unit.h"

#include <math.h>
#include <string.h>

#include "core/run/environment_verdict.h"

#define SECOND_NS 1000000000ull
#define TICK_NS 10000000ull

// One second on two quiet CPUs.
static struct environment_facts quiet(void)
{
    return (struct environment_facts){
        .window_ns = SECOND_NS,
        .duration_ns = SECOND_NS,
        .cpus_online = 2,
        .cpus_allowed = 2,
        .threads = 2,
        .tick_ns = TICK_NS,
        .cpu_ns = 2 * SECOND_NS,
        .switches_involuntary = 3,
        .steal_ns = 0,
        .other_cpu_ns = TICK_NS,
        .suspended_ns = 0,
        .frequency_before_khz = 2.4e6,
        .frequency_after_khz = 2.4e6,
        .sentinel_before_ns = 80,
        .sentinel_after_ns = 90,
        .pinned = true,
        .isolated = true,
        .counter_clock = true,
        .checking_build = false,
    };
}

static enum environment_grade judge(const struct environment_facts *facts, struct environment_verdict *verdict)
{
    environment_judge(facts, verdict);
    assert_int_equal(verdict->grade == ENVIRONMENT_VALID, verdict->reasons[0] == '\0');
    return verdict->grade;
}

static void set_steal(struct environment_facts *facts, double percent)
{
    facts->steal_ns = (uint64_t)(percent / 100 * 2 * SECOND_NS) + 2 * TICK_NS;
}

// To others, who have the time for 900 and are no load worth a word otherwise.
static void set_switches(struct environment_facts *facts, double per_cpu_s)
{
    facts->switches_involuntary = (uint64_t)(2 * per_cpu_s);
    facts->other_cpu_ns = (uint64_t)(0.09 * SECOND_NS) + 2 * TICK_NS;
}

static void set_unisolated(struct environment_facts *facts, double per_cpu_s)
{
    facts->isolated = false;
    set_switches(facts, per_cpu_s);
}

static void set_frequency(struct environment_facts *facts, double percent)
{
    facts->frequency_after_khz = facts->frequency_before_khz / (1 + percent / 100);
}

static void set_other(struct environment_facts *facts, double cpus)
{
    facts->other_cpu_ns = (uint64_t)(cpus * SECOND_NS) + 2 * TICK_NS;
}

static void set_sentinel(struct environment_facts *facts, double factor)
{
    facts->sentinel_after_ns = facts->sentinel_before_ns * factor;
}

static void set_short(struct environment_facts *facts, double percent)
{
    facts->duration_ns = 100 * SECOND_NS;
    facts->window_ns = (uint64_t)((100 - percent) * SECOND_NS);
}

static void set_long(struct environment_facts *facts, double factor)
{
    facts->duration_ns = 10 * SECOND_NS;
    facts->window_ns = (uint64_t)(factor * 10 * SECOND_NS);
}

static void set_suspended(struct environment_facts *facts, double ms)
{
    facts->suspended_ns = (uint64_t)(ms * 1e6);
}

// Sets the facts that a rule measures, so that it measures `value`.
static const struct setter {
    const char *rule;
    void (*set)(struct environment_facts *facts, double value);
} setters[] = {
    {"steal", set_steal},
    {"switches", set_switches},
    {"isolation", set_unisolated},
    {"frequency", set_frequency},
    {"other_load", set_other},
    {"straddles", set_sentinel},
    {"short", set_short},
    {"long", set_long},
    {"suspended", set_suspended},
    {"threads", NULL},
    {"clock", NULL},
    {"build", NULL},
};

static void (*setter_of(const char *rule))(struct environment_facts *, double)
{
    for (size_t i = 0; i < sizeof setters / sizeof *setters; i++)
        if (strcmp(setters[i].rule, rule) == 0)
            return setters[i].set;
    fail_msg("rule %s has no test", rule);
    return NULL;
}

static enum environment_grade grade_at(const struct environment_rule *rule, double value)
{
    struct environment_facts facts = quiet();
    struct environment_verdict verdict;
    setter_of(rule->name)(&facts, value);
    const enum environment_grade grade = judge(&facts, &verdict);
    if (grade != ENVIRONMENT_VALID && !strstr(verdict.reasons, rule->before))
        fail_msg("at %g another rule than %s fired: %s", value, rule->name, verdict.reasons);
    return grade;
}

static void test_thresholds(void **state)
{
    (void)state;
    for (size_t i = 0; i < environment_rule_count; i++) {
        const struct environment_rule *rule = &environment_rules[i];
        assert_true(rule->suspect <= rule->invalid);
        if (!setter_of(rule->name))
            continue;
        // A little beside the thresholds, for counts are whole and quotients rounded.
        const double below = rule->before && rule->suspect > 1 ? rule->suspect - (rule->suspect - 1) * 0.02 - 0.001
                                                               : rule->suspect * 0.98;
        assert_int_equal(grade_at(rule, below), ENVIRONMENT_VALID);
        if (rule->invalid > rule->suspect)
            assert_int_equal(grade_at(rule, rule->suspect * 1.0001), ENVIRONMENT_SUSPECT);
        if (!isinf(rule->invalid)) {
            if (rule->invalid > rule->suspect)
                assert_int_equal(grade_at(rule, rule->invalid * 0.98), ENVIRONMENT_SUSPECT);
            assert_int_equal(grade_at(rule, rule->invalid * 1.0001), ENVIRONMENT_INVALID);
        }
    }
}

static void expect(const struct environment_facts *facts, enum environment_grade grade, const char *reasons)
{
    struct environment_verdict verdict;
    assert_int_equal(judge(facts, &verdict), grade);
    assert_string_equal(verdict.reasons, reasons);
}

static void test_quiet_machine(void **state)
{
    (void)state;
    struct environment_facts facts = quiet();
    expect(&facts, ENVIRONMENT_VALID, "");
    facts.isolated = false; // and nobody came
    expect(&facts, ENVIRONMENT_VALID, "");
    facts.frequency_after_khz = 2.45e6;
    facts.window_ns += 90000000; // the controller's nap
    expect(&facts, ENVIRONMENT_VALID, "");
}

static void test_nothing_is_known(void **state)
{
    (void)state;
    struct environment_facts facts = quiet();
    facts.steal_ns = facts.switches_involuntary = facts.other_cpu_ns = facts.suspended_ns = FACT_UNKNOWN;
    facts.frequency_before_khz = facts.sentinel_after_ns = NAN;
    facts.isolated = false;
    expect(&facts, ENVIRONMENT_VALID, "");
    facts.sentinel_before_ns = NAN;
    facts.frequency_after_khz = NAN;
    expect(&facts, ENVIRONMENT_VALID, "");
}

static void test_flags(void **state)
{
    (void)state;
    struct environment_facts facts = quiet();
    facts.counter_clock = false;
    expect(&facts, ENVIRONMENT_SUSPECT,
           "the processor's counter is no clock here, so latencies come from the system's");
    facts = quiet();
    facts.checking_build = true;
    expect(&facts, ENVIRONMENT_INVALID, "this is a debug build or one with sanitizers, which is another program");
}

// Who starts more threads than CPUs is not told that they lose them.
static void test_more_threads_than_cpus(void **state)
{
    (void)state;
    struct environment_facts facts = quiet();
    facts.threads = 5;
    facts.switches_involuntary = 100000;
    facts.isolated = false;
    expect(&facts, ENVIRONMENT_SUSPECT, "there are 2.50 threads a CPU, so that the system's scheduler is measured too");
}

// A tick a CPU is what the kernel's accounts may be wrong by: no reason in a window of some ticks.
static void test_short_windows_accuse_nobody_by_a_tick(void **state)
{
    (void)state;
    struct environment_facts facts = quiet();
    facts.window_ns = facts.duration_ns = 5 * TICK_NS;
    facts.cpu_ns = 10 * TICK_NS;
    facts.switches_involuntary = 0;
    facts.steal_ns = facts.other_cpu_ns = 2 * TICK_NS;
    expect(&facts, ENVIRONMENT_VALID, "");
    facts.steal_ns = 3 * TICK_NS;
    expect(&facts, ENVIRONMENT_INVALID, "the hypervisor kept back 10.0 % of the CPUs' time");
}

// A run that sleeps has hardly any CPU time; two switches in a tenth of its window are no storm.
static void test_sleeping_runs_are_counted_by_the_window(void **state)
{
    (void)state;
    struct environment_facts facts = quiet();
    facts.cpu_ns = 1000000;
    facts.other_cpu_ns = (uint64_t)(0.05 * SECOND_NS) + 2 * TICK_NS;
    facts.switches_involuntary = 4;
    expect(&facts, ENVIRONMENT_VALID, "");
    facts.switches_involuntary = 5;
    expect(&facts, ENVIRONMENT_SUSPECT, "threads lost their CPUs 50.0 times a CPU-second");
}

// A library's threads that yield to each other, or wake each other on one CPU, lost nothing to others.
static void test_threads_that_give_way_to_each_other_are_not_disturbed(void **state)
{
    (void)state;
    struct environment_facts facts = quiet();
    facts.isolated = false;
    facts.switches_involuntary = 100000;
    expect(&facts, ENVIRONMENT_VALID, "");
    facts.other_cpu_ns = 2 * TICK_NS + 1900000; // time for 19 of them, on two CPUs
    expect(&facts, ENVIRONMENT_VALID, "");
    facts.other_cpu_ns = 2 * TICK_NS + 2500000;
    expect(&facts, ENVIRONMENT_SUSPECT,
           "the CPUs that threads are pinned to are not isolated, and others took them 12.5 times a CPU-second");
    facts.other_cpu_ns = 2 * TICK_NS + 52000000;
    expect(&facts, ENVIRONMENT_INVALID,
           "threads lost their CPUs 260 times a CPU-second; "
           "the CPUs that threads are pinned to are not isolated, and others took them 260 times a CPU-second");
    facts.other_cpu_ns = FACT_UNKNOWN; // then nobody can say whom they gave way to
    facts.switches_involuntary = 120;
    expect(&facts, ENVIRONMENT_SUSPECT,
           "threads lost their CPUs 60.0 times a CPU-second; "
           "the CPUs that threads are pinned to are not isolated, and others took them 60.0 times a CPU-second");
}

static void test_reasons_are_joined_the_gravest_first(void **state)
{
    (void)state;
    struct environment_facts facts = quiet();
    set_steal(&facts, 3);
    set_other(&facts, 0.75);
    set_suspended(&facts, 2500);
    set_sentinel(&facts, 0.5);
    expect(&facts, ENVIRONMENT_INVALID,
           "other processes took 0.75 of a CPU; the machine was suspended for 2500 ms; "
           "the hypervisor kept back 3.00 % of the CPUs' time; "
           "the run straddles two regimes: the sentinel changed by a factor of 2.00");
}

// All rules at once fit.
static void test_reasons_fit(void **state)
{
    (void)state;
    struct environment_facts facts = quiet();
    struct environment_verdict verdict;
    for (size_t i = 0; i < sizeof setters / sizeof *setters; i++)
        if (setters[i].set && strcmp(setters[i].rule, "short") != 0)
            setters[i].set(&facts, 1e6);
    facts.counter_clock = false;
    facts.checking_build = true;
    environment_judge(&facts, &verdict);
    assert_true(strlen(verdict.reasons) < sizeof verdict.reasons - 100);
    assert_string_equal(environment_grade_names[verdict.grade], "invalid");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_quiet_machine),
        cmocka_unit_test(test_nothing_is_known),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_more_threads_than_cpus),
        cmocka_unit_test(test_short_windows_accuse_nobody_by_a_tick),
        cmocka_unit_test(test_sleeping_runs_are_counted_by_the_window),
        cmocka_unit_test(test_threads_that_give_way_to_each_other_are_not_disturbed),
        cmocka_unit_test(test_reasons_are_joined_the_gravest_first),
        cmocka_unit_test(test_reasons_fit),
    };
    return cmocka_run_group_tests_name("environment_verdict", tests, NULL, NULL);
}
