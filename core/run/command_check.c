// SPDX-License-Identifier: Apache-2.0
// `readyq check QUEUE...`: holds queues against what they promise, with the suite that the tests use.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/machine/clock.h"
#include "core/registry.h"
#include "core/run/check_report.h"
#include "core/run/commands.h"
#include "core/run/params.h"

#define SECOND_NS UINT64_C(1000000000)
#define QUICK_PERCENT 25u
#define USUAL_PERCENT 100u
#define THOROUGH_PERCENT 1000u

struct wish {
    struct conformance_options options;
    enum check_format format;
    bool all;
    const char **specs; // as many words as there are
    unsigned count;
};

enum { KEY_ALL = 256, KEY_ONLY, KEY_SEED, KEY_STUCK, KEY_QUICK, KEY_THOROUGH, KEY_JSON, KEY_TABLE };

static const struct argp_option options[] = {
    {"all", KEY_ALL, NULL, 0, "Every listed queue", 0},
    {"only", KEY_ONLY, "CHECK", 0, "One check; their names are below", 0},
    {"seed", KEY_SEED, "N", 0, "Of all choices made at random (1)", 0},
    {"stuck", KEY_STUCK, "TIME", 0, "How long nothing may move before it counts as hanging (20s)", 0},
    {"quick", KEY_QUICK, NULL, 0, "A quarter of the rounds", 0},
    {"thorough", KEY_THOROUGH, NULL, 0, "Ten times the rounds", 0},
    {"json", KEY_JSON, NULL, 0, "For scripts: one JSON object", 0},
    {"table", KEY_TABLE, NULL, 0, "A table in Markdown: promises and verdicts", 0},
    {0}};

static void take_check(struct argp_state *state, struct wish *wish, const char *name)
{
    struct fault fault = {""};
    if (conformance_find(name, &fault) < 0)
        argp_error(state, "--only: %s", fault.text);
    if (wish->options.only)
        argp_error(state, "--only is given twice, and takes one check");
    wish->options.only = name;
}

static void take_stuck(struct argp_state *state, struct wish *wish, const char *text)
{
    uint64_t ns;
    if (params_number(PARAM_TYPE_NS, text, &ns) != 0 || ns < SECOND_NS || ns > 3600 * SECOND_NS)
        argp_error(state, "--stuck: '%s' is no time from 1s to 3600s", text);
    else
        wish->options.stuck_s = (unsigned)((ns + SECOND_NS - 1) / SECOND_NS);
}

static void take_rounds(struct argp_state *state, struct wish *wish, unsigned percent)
{
    if (wish->options.percent != USUAL_PERCENT && wish->options.percent != percent)
        argp_error(state, "--quick and --thorough are two things; one at a time");
    wish->options.percent = percent;
}

static void take_format(struct argp_state *state, struct wish *wish, enum check_format format)
{
    if (wish->format != CHECK_LINES && wish->format != format)
        argp_error(state, "--json and --table are two formats; one at a time");
    wish->format = format;
}

static error_t take_word(int key, char *argument, struct argp_state *state)
{
    struct wish *wish = state->input;
    switch (key) {
    case KEY_ALL:
        wish->all = true;
        return 0;
    case KEY_ONLY:
        take_check(state, wish, argument);
        return 0;
    case KEY_SEED:
        if (params_number(PARAM_TYPE_U64, argument, &wish->options.seed) != 0 || wish->options.seed > INT64_MAX)
            argp_error(state, "--seed: '%s' is no number from 0 to %lld", argument, (long long)INT64_MAX);
        return 0;
    case KEY_STUCK:
        take_stuck(state, wish, argument);
        return 0;
    case KEY_QUICK:
    case KEY_THOROUGH:
        take_rounds(state, wish, key == KEY_QUICK ? QUICK_PERCENT : THOROUGH_PERCENT);
        return 0;
    case KEY_JSON:
    case KEY_TABLE:
        take_format(state, wish, key == KEY_JSON ? CHECK_JSON : CHECK_TABLE);
        return 0;
    case ARGP_KEY_ARG:
        wish->specs[wish->count++] = argument;
        return 0;
    case ARGP_KEY_END:
        if (wish->all ? wish->count > 0 : wish->count == 0)
            argp_error(state, wish->all ? "--all means every queue: leave the names out, or --all"
                                        : "a QUEUE is missing; 'readyq list queues' shows them, --all takes all");
        if (wish->options.only && wish->format == CHECK_TABLE)
            argp_error(state, "--table tells of all checks, and --only asks for one of them: leave one of them out");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

// All checks on one queue, reported as they come.
static int run_checks(const struct wish *wish, struct check_report *report, struct check_subject *subject,
                      int *child_code, struct fault *fault)
{
    int result = 0;
    for (unsigned i = 0; conformance_check_at(i) && result == 0; i++) {
        subject->asked[i] = !wish->options.only || strcmp(wish->options.only, conformance_check_at(i)->name) == 0;
        if (!subject->asked[i])
            continue;
        result = check_in_child(subject->choice, &wish->options, i, &subject->answers[i], child_code, fault);
        if (result == 0)
            check_report_check(report, subject, i);
    }
    return result;
}

static int check_one(const struct wish *wish, struct check_report *report, const char *spec,
                     const struct queue_entry *entry, int *child_code, struct fault *fault)
{
    struct queue_choice choice = {0};
    const bool built = !entry || entry->ops;
    if (built && queue_choice_parse(&choice, spec, fault) != 0)
        return -EINVAL;
    struct check_subject *subject = calloc(1, sizeof *subject);
    if (!subject) {
        queue_choice_fini(&choice);
        return fault_set(fault, -ENOMEM, "no memory for the answers");
    }
    subject->spec = spec;
    subject->entry = built ? choice.entry : entry;
    subject->choice = built ? &choice : NULL;
    const int result = built ? run_checks(wish, report, subject, child_code, fault) : 0;
    if (result == 0)
        check_report_queue(report, subject);
    for (unsigned i = 0; i < CONFORMANCE_CHECKS_MOST; i++)
        free(subject->answers[i].timeline);
    free(subject);
    queue_choice_fini(&choice);
    return result;
}

// Names are looked up before the first check begins, so that a slip of the pen costs nothing.
static int look_up(const struct wish *wish, struct fault *fault)
{
    struct queue_choice choice;
    for (unsigned i = 0; i < wish->count; i++) {
        if (queue_choice_parse(&choice, wish->specs[i], fault) != 0)
            return -EINVAL;
        queue_choice_fini(&choice);
    }
    return 0;
}

static int check_each(const struct wish *wish, struct check_report *report, int *child_code, struct fault *fault)
{
    int result = 0;
    for (unsigned i = 0; i < wish->count && result == 0; i++)
        result = check_one(wish, report, wish->specs[i], NULL, child_code, fault);
    for (const struct queue_entry *entry = queue_list; wish->all && entry->name && result == 0; entry++)
        result = check_one(wish, report, entry->name, entry, child_code, fault);
    return result;
}

static int check(struct command_call *call, const struct wish *wish, struct fault *fault)
{
    struct check_report report = {.format = wish->format};
    int child_code = EXIT_REFUSED;
    int result = look_up(wish, fault);
    if (result != 0)
        return result;
    clock_calibrate();
    check_report_begin(&report, &wish->options);
    result = check_each(wish, &report, &child_code, fault);
    if (result == CHECK_IS_CHILD) {
        call->leave_at_once = true;
        return child_code;
    }
    if (result == 0)
        result = check_report_end(&report, &wish->options, fault);
    return result == 0 && report.violated > 0 ? EXIT_INCORRECT : result;
}

// A line a kind: "  alone     model, loops".
static const char *write_kinds(char *text, size_t size)
{
    size_t used = 0;
    for (unsigned group = 0; group < CONFORMANCE_GROUPS; group++) {
        const struct conformance_check *check;
        const char *between = "";
        used += (size_t)snprintf(text + used, size - used, "  %-9s ", conformance_group_name(group));
        for (unsigned i = 0; (check = conformance_check_at(i)); i++) {
            if (check->group != group)
                continue;
            used += (size_t)snprintf(text + used, size - used, "%s%s", between, check->name);
            between = ", ";
        }
        used += (size_t)snprintf(text + used, size - used, "\n");
    }
    return text;
}

int command_check(struct command_call *call, struct fault *fault)
{
    char help[1024], kinds[512];
    snprintf(
        help, sizeof help,
        "Holds queues against the contract and against what they promise: each check in a process of its own, a line "
        "each.\vThe checks, by their kinds, which are the columns of a table:\n%s\n"
        "Exit code: 0 all conform, 1 a check failed, 2 wrong usage or the machine gave too little.\n\n"
        "Examples:\n  readyq check %s\n  readyq check list:capacity=8 --only capacity --json",
        write_kinds(kinds, sizeof kinds), queue_list[0].name);
    const struct argp argp = {
        .options = options, .parser = take_word, .args_doc = "QUEUE[:PARAMETERS]...", .doc = help};
    struct wish wish = {.options = {.seed = 1, .stuck_s = 20, .percent = USUAL_PERCENT}};
    wish.specs = calloc((size_t)call->argc, sizeof *wish.specs);
    if (!wish.specs)
        return fault_set(fault, -ENOMEM, "no memory for the names");
    int result = command_words(call, &argp, &wish, fault);
    if (result == 0)
        result = check(call, &wish, fault);
    free(wish.specs);
    return result;
}
