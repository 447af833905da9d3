// SPDX-License-Identifier: Apache-2.0
// `readyq doctor`: what to change on this machine before measuring, and what it cannot show.
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/machine/clock.h"
#include "core/run/commands.h"
#include "core/run/doctor_probe.h"
#include "core/run/environment_verdict.h"
#include "core/run/params.h"
#include "core/run/table.h"

#define PROBE_DEFAULT_NS 1000000000ull
#define PROBE_MOST_NS (3600 * 1000000000ull)

struct wish {
    bool json, rules, all;
    uint64_t probe_ns;
};

// Everything found.
struct diagnosis {
    struct doctor doctor;
    struct doctor_measured measured; // where `probed`
    bool probed;
};

static error_t take_word(int key, char *argument, struct argp_state *state)
{
    struct wish *wish = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        argp_error(state, "there is no argument '%s' to expect", argument);
        return 0;
    case 'a':
        wish->all = true;
        return 0;
    case 'j':
        wish->json = true;
        return 0;
    case 'r':
        wish->rules = true;
        return 0;
    case 'p':
        if (params_number(PARAM_TYPE_NS, argument, &wish->probe_ns) != 0 || wish->probe_ns > PROBE_MOST_NS)
            argp_error(state, "--probe must be a time from 0 to 3600s such as 1s, not '%s'", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

// ------------------------------------------------------------------------------------------------ for people

static int print_severity(const struct doctor *doctor, enum doctor_severity severity, const char *title)
{
    struct table table;
    table_init(&table, 2);
    for (unsigned i = 0; i < doctor->count; i++) {
        const struct doctor_finding *finding = &doctor->findings[i];
        if (finding->severity != severity)
            continue;
        table_cell(&table, "%s", finding->name);
        table_cell(&table, "%s", finding->found);
        if (severity == DOCTOR_OK)
            continue;
        table_cell(&table, "%s", "");
        table_cell(&table, "why: %s", finding->why);
        if (!finding->command[0])
            continue;
        table_cell(&table, "%s", "");
        table_cell(&table, "do:  %s", finding->command);
    }
    if (table.count == 0)
        return 0;
    printf("%s\n", title);
    const int result = table_print(&table, stdout, 2);
    putchar('\n');
    return result;
}

static int print_findings(const struct doctor *doctor, bool all)
{
    unsigned counts[DOCTOR_CANNOT + 1] = {0};
    for (unsigned i = 0; i < doctor->count; i++)
        counts[doctor->findings[i].severity]++;
    int result = print_severity(doctor, DOCTOR_WARNING, "WARNING: numbers are likely to be wrong");
    if (result == 0)
        result = print_severity(doctor, DOCTOR_ADVICE, "ADVICE: numbers would be steadier");
    if (result == 0)
        result = print_severity(doctor, DOCTOR_CANNOT, "CANNOT: what this machine does not show");
    if (result == 0 && all)
        result = print_severity(doctor, DOCTOR_OK, "OK");
    printf("warnings %u, advice %u, cannot %u, ok %u%s\n", counts[DOCTOR_WARNING], counts[DOCTOR_ADVICE],
           counts[DOCTOR_CANNOT], counts[DOCTOR_OK], all ? "" : " (--all shows them)");
    return result;
}

static void add_threshold(struct table *table, double threshold)
{
    if (isinf(threshold))
        table_cell(table, "never");
    else
        table_cell(table, "%g", threshold);
}

static int print_rules(void)
{
    struct table table;
    table_init(&table, 5);
    static const char *const names[] = {"rule", "suspect from", "invalid from", "what is read", "why"};
    for (unsigned i = 0; i < table.columns; i++)
        table_cell(&table, "%s", names[i]);
    for (size_t i = 0; i < environment_rule_count; i++) {
        const struct environment_rule *rule = &environment_rules[i];
        table_cell(&table, "%s", rule->name);
        add_threshold(&table, rule->suspect);
        add_threshold(&table, rule->invalid);
        table_cell(&table, "%s", rule->reads);
        table_cell(&table, "%s", rule->why);
    }
    return table_print(&table, stdout, 0);
}

// ------------------------------------------------------------------------------------------------ for scripts

static int set_number(json_t *object, const char *name, double value)
{
    return isnan(value) ? 0 : json_object_set_new(object, name, json_real(value));
}

static json_t *measured_json(const struct doctor_measured *measured)
{
    json_t *object = json_object(), *sentinels = json_array();
    for (unsigned i = 0; i < measured->sentinels; i++)
        json_array_append_new(sentinels, json_real(measured->sentinel_ns[i]));
    if (json_object_set_new(object, "sentinel_ns", sentinels) != 0 ||
        set_number(object, "seconds", measured->seconds) != 0 ||
        set_number(object, "steal_percent", measured->steal_percent) != 0 ||
        set_number(object, "other_cpus", measured->other_cpus) != 0 ||
        set_number(object, "wake_ns", measured->wake_ns) != 0 ||
        json_object_set_new(object, "regimes", json_integer(measured->regimes)) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *findings_json(const struct doctor *doctor)
{
    json_t *all = json_array();
    for (unsigned i = 0; i < doctor->count; i++) {
        const struct doctor_finding *finding = &doctor->findings[i];
        json_t *one = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", finding->name, "severity",
                                doctor_severity_names[finding->severity], "found", finding->found, "why", finding->why,
                                "command", finding->command);
        if (json_array_append_new(all, one) != 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

static int print_json(const struct diagnosis *diagnosis)
{
    json_t *findings = findings_json(&diagnosis->doctor);
    json_t *measured = diagnosis->probed ? measured_json(&diagnosis->measured) : json_null();
    json_t *all = findings && measured ? json_pack("{s:o, s:o}", "findings", findings, "probe", measured) : NULL;
    if (!all)
        return -ENOMEM;
    const int failed = json_dumpf(all, stdout, JSON_INDENT(1));
    json_decref(all);
    putchar('\n');
    return failed ? -EIO : 0;
}

// ------------------------------------------------------------------------------------------------ the command

static void diagnose(struct diagnosis *diagnosis, const struct topology *topology, uint64_t probe_ns)
{
    static struct environment environment;
    environment_read(&environment, topology);
    clock_calibrate();
    const struct doctor_patient patient = {
        .topology = topology, .environment = &environment, .root = "", .is_root = geteuid() == 0};
    doctor_examine_system(&diagnosis->doctor, &patient);
    doctor_examine_processors(&diagnosis->doctor, &patient);
    doctor_add_counters(&diagnosis->doctor);
    diagnosis->probed = probe_ns > 0;
    if (!diagnosis->probed)
        return;
    doctor_measure(&diagnosis->measured, topology, probe_ns);
    doctor_add_measured(&diagnosis->doctor, &diagnosis->measured);
}

static int examine_this_machine(const struct wish *wish, struct fault *fault)
{
    struct topology topology;
    int result = topology_load(&topology, NULL, fault);
    if (result != 0)
        return result;
    struct diagnosis *diagnosis = calloc(1, sizeof *diagnosis);
    if (diagnosis) {
        diagnose(diagnosis, &topology, wish->probe_ns);
        result = wish->json ? print_json(diagnosis) : print_findings(&diagnosis->doctor, wish->all);
    } else {
        result = -ENOMEM;
    }
    if (result != 0)
        fault_set(fault, result, "the findings can't be written: %s", strerror(-result));
    free(diagnosis);
    topology_unload(&topology);
    return result;
}

int command_doctor(struct command_call *call, struct fault *fault)
{
    static const struct argp_option options[] = {
        {"json", 'j', NULL, 0, "For scripts: one JSON object with all findings, and what was measured", 0},
        {"all", 'a', NULL, 0, "Show what is well, too", 0},
        {"probe", 'p', "TIME", 0,
         "How long to measure what others take and how the CPUs answer (default 1s); 0: not at all", 0},
        {"rules", 'r', NULL, 0, "Show the rules by which each run's environment is judged, and nothing else", 0},
        {0}};
    static const struct argp argp = {
        .options = options,
        .parser = take_word,
        .doc = "Says what to change on this machine before measuring, with the command that changes it, and what the "
               "machine cannot show. It changes nothing itself.\v"
               "Examples:\n  readyq doctor\n  readyq doctor --probe 10s --all\n  readyq doctor --rules\n\n"
               "Exit status: 0 whatever is found; 2 the machine can't be read."};
    struct wish wish = {.probe_ns = PROBE_DEFAULT_NS};
    const int result = command_words(call, &argp, &wish, fault);
    if (result != 0)
        return result;
    if (!wish.rules)
        return examine_this_machine(&wish, fault);
    return print_rules() == 0 ? 0 : fault_set(fault, -ENOMEM, "no memory for the rules");
}
