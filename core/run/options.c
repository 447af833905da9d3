// SPDX-License-Identifier: Apache-2.0
#include "core/run/options.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/registry.h"
#include "core/run/params.h"
#include "core/run/traits.h"

// Keys of options without a short form. Those of the run's settings follow, in the order of run_params.
enum option_key {
    KEY_FIRST = 0x200,
    KEY_WORKLOAD = KEY_FIRST,
    KEY_QUEUE,
    KEY_POOL,
    KEY_JOB_QUEUE,
    KEY_READY_QUEUE,
    KEY_ALLOCATOR,
    KEY_CSV,
    KEY_HISTORY,
    KEY_DRY_RUN,
    KEY_QUIET,
    KEY_PLAN_HASH,
    KEY_RUN_ID,
    KEY_BLOCK,
    KEY_ORDER,
    KEY_ATTEMPT,
    KEY_ARM,
    KEY_SETTING,
};

#define SETTINGS_MOST 32
#define KEYS (KEY_SETTING - KEY_FIRST + SETTINGS_MOST)

enum option_group { GROUP_WHAT = 1, GROUP_HOW, GROUP_OUTPUT, GROUP_TAGS };

static const struct argp_option fixed_options[] = {
    {NULL, 0, NULL, 0,
     "What to run. SPEC is NAME or NAME:parameter=value,...; 'readyq describe NAME' shows the "
     "parameters of a plug-in:",
     GROUP_WHAT},
    {"workload", KEY_WORKLOAD, "SPEC", 0, "The load (required)", GROUP_WHAT},
    {"queue", KEY_QUEUE, "SPEC", 0, "The queue; with a workload on a pool, both of its queues", GROUP_WHAT},
    {"pool", KEY_POOL, "SPEC", 0, "The pool, with a workload on a pool", GROUP_WHAT},
    {"job-queue", KEY_JOB_QUEUE, "SPEC", 0, "The pool's queue of jobs, in place of --queue", GROUP_WHAT},
    {"ready-queue", KEY_READY_QUEUE, "SPEC", 0, "The pool's queue of finished jobs, in place of --queue", GROUP_WHAT},
    {NULL, 0, NULL, 0, "How to run it:", GROUP_HOW},
    {"allocator", KEY_ALLOCATOR, "NAME", 0, "jemalloc or libc (default: jemalloc where it is installed)", GROUP_HOW},
    {NULL, 0, NULL, 0,
     "What to do with the result (the record goes to standard output, as one line of JSON):", GROUP_OUTPUT},
    {"csv", KEY_CSV, "DIR", 0, "Append the run to the CSV files of results in DIR", GROUP_OUTPUT},
    {"history", KEY_HISTORY, "FILE", 0, "With a check: write the history to FILE, for 'readyq history'", GROUP_OUTPUT},
    {"dry-run", KEY_DRY_RUN, NULL, 0,
     "Check the options and print the record as far as it is known; measure and write nothing", GROUP_OUTPUT},
    {"quiet", KEY_QUIET, NULL, 0,
     "No progress and no summary on standard error; what in a history shows a fault is printed still", GROUP_OUTPUT},
    {NULL, 0, NULL, 0, "Set by a sweep, and written into the record:", GROUP_TAGS},
    {"plan-hash", KEY_PLAN_HASH, "TEXT", 0, "Hash of the plan", GROUP_TAGS},
    {"run-id", KEY_RUN_ID, "TEXT", 0, "Name of this run", GROUP_TAGS},
    {"block", KEY_BLOCK, "N", 0, "Number of the block", GROUP_TAGS},
    {"order", KEY_ORDER, "N", 0, "Place within the block", GROUP_TAGS},
    {"attempt", KEY_ATTEMPT, "N", 0, "Which attempt at this run it is", GROUP_TAGS},
    {"arm", KEY_ARM, "TEXT", 0, "Which side of a comparison this run belongs to", GROUP_TAGS},
};

#define FIXED_OPTIONS (sizeof fixed_options / sizeof fixed_options[0])

// What was typed, before any of it is understood.
struct typed {
    const char *values[KEYS]; // by key; "" for an option without a value; NULL: not given
    struct argp_option options[FIXED_OPTIONS + SETTINGS_MOST + 1];
    char *owned[2 * SETTINGS_MOST]; // names and help of the generated options
};

static const char *typed_value(const struct typed *typed, int key)
{
    return typed->values[key - KEY_FIRST];
}

// "stuck_ns" is typed as --stuck, "check_memory_mib" as --check-memory.
static char *option_name(const char *parameter)
{
    char *name = strdup(parameter);
    if (!name)
        return NULL;
    char *unit = strrchr(name, '_');
    if (unit && (strcmp(unit, "_ns") == 0 || strcmp(unit, "_mib") == 0))
        *unit = '\0';
    for (char *at = strchr(name, '_'); at; at = strchr(at, '_'))
        *at = '-';
    return name;
}

// The settings of a run have their options made from the table that declares them.
static int add_settings(struct typed *typed, struct fault *fault)
{
    memcpy(typed->options, fixed_options, sizeof fixed_options);
    struct argp_option *option = typed->options + FIXED_OPTIONS;
    for (unsigned i = 0; run_params[i].name && i < SETTINGS_MOST; i++, option++) {
        const struct param *param = &run_params[i];
        char range[256];
        char *name = typed->owned[2 * i] = option_name(param->name);
        char *help = NULL;
        if (asprintf(&help, "%s (%s; default %s)", param->help, params_range(param, range, sizeof range),
                     param->initial) < 0)
            help = NULL;
        typed->owned[2 * i + 1] = help;
        if (!name || !help)
            return fault_set(fault, -ENOMEM, "no memory for the options");
        const bool is_time = param->type == PARAM_TYPE_NS;
        const char *argument = is_time ? "TIME" : param->type == PARAM_TYPE_U64 ? "N" : "VALUE";
        *option = (struct argp_option){name, KEY_SETTING + (int)i, argument, 0, help, GROUP_HOW};
    }
    return 0;
}

static error_t take_option(int key, char *argument, struct argp_state *state)
{
    struct typed *typed = state->input;
    if (key == ARGP_KEY_ARG)
        argp_error(state, "there is no argument '%s' to expect; options begin with --", argument);
    if (key < KEY_FIRST || key >= KEY_FIRST + KEYS)
        return ARGP_ERR_UNKNOWN;
    if (typed_value(typed, key)) {
        const struct argp_option *option = typed->options;
        while (option->key != key)
            option++;
        argp_error(state, "--%s is given twice", option->name);
    }
    typed->values[key - KEY_FIRST] = argument ? argument : "";
    return 0;
}

static const char *workload_on(enum workload_subject subject)
{
    for (const struct workload_ops *const *ops = workload_list; *ops; ops++) {
        if ((*ops)->subject == subject)
            return (*ops)->name;
    }
    return "NAME";
}

static int read_words(struct typed *typed, int argc, char **argv, struct fault *fault)
{
    const int result = add_settings(typed, fault);
    if (result != 0)
        return result;
    char *help = NULL;
    if (asprintf(
            &help,
            "Measures one workload once, in this process, and checks that everything was delivered.\v"
            "TIME is written as 250ns, 1.5us, 10ms or 2s.\n\n"
            "Examples:\n"
            "  readyq run --workload %s --queue %s --duration 200ms\n"
            "  readyq run --workload %s --csv results/first\n\n"
            "Exit status: 0 the run is correct; 1 it is incorrect, or stuck; 2 it could not be run as asked; 4 it is "
            "correct, but with --require-valid yes the machine's state made it no valid measurement.",
            workload_on(WORKLOAD_ON_QUEUE), queue_list[0].name, workload_on(WORKLOAD_ON_POOL)) < 0)
        return fault_set(fault, -ENOMEM, "no memory for the help");
    const struct argp argp = {.options = typed->options, .parser = take_option, .doc = help};
    const error_t error = argp_parse(&argp, argc, argv, 0, NULL, typed);
    free(help);
    return error == 0 ? 0 : fault_set(fault, -error, "the options can't be read: %s", strerror(error));
}

static int read_settings(struct run_settings *settings, const struct typed *typed, struct fault *fault)
{
    int result = params_defaults(run_params, settings, fault);
    for (unsigned i = 0; result == 0 && run_params[i].name; i++) {
        const char *value = typed_value(typed, KEY_SETTING + (int)i);
        if (!value)
            continue;
        char option[72];
        snprintf(option, sizeof option, "--%s", typed->owned[2 * i]);
        result = params_set_as(run_params, settings, option, run_params[i].name, value, fault);
    }
    return result;
}

static int read_tag(const char **tag, const struct typed *typed, int key, const char *name, struct fault *fault)
{
    const char *value = typed_value(typed, key);
    if (!value)
        return 0;
    for (const char *at = value; *at || at == value; at++) {
        if (*at < ' ' || *at > '~')
            return fault_set(fault, -EINVAL, "--%s must be a text of printable ASCII characters", name);
    }
    *tag = value;
    return 0;
}

static int read_tag_number(uint64_t *tag, const struct typed *typed, int key, const char *name, struct fault *fault)
{
    const char *value = typed_value(typed, key);
    *tag = RECORD_ABSENT;
    if (value && (params_number(PARAM_TYPE_U64, value, tag) != 0 || *tag == RECORD_ABSENT))
        return fault_set(fault, -EINVAL, "--%s must be a whole number, not '%s'", name, value);
    return 0;
}

static int read_tags(struct run_options *options, const struct typed *typed, struct fault *fault)
{
    int result = read_tag(&options->plan_hash, typed, KEY_PLAN_HASH, "plan-hash", fault);
    if (result == 0)
        result = read_tag(&options->run_id, typed, KEY_RUN_ID, "run-id", fault);
    if (result == 0)
        result = read_tag(&options->arm, typed, KEY_ARM, "arm", fault);
    if (result == 0)
        result = read_tag_number(&options->block, typed, KEY_BLOCK, "block", fault);
    if (result == 0)
        result = read_tag_number(&options->order, typed, KEY_ORDER, "order", fault);
    if (result == 0)
        result = read_tag_number(&options->attempt, typed, KEY_ATTEMPT, "attempt", fault);
    return result;
}

static bool is_setting_given(const struct typed *typed, const char *parameter)
{
    unsigned i = 0;
    while (run_params[i].name && strcmp(run_params[i].name, parameter) != 0)
        i++;
    return run_params[i].name && typed_value(typed, KEY_SETTING + (int)i);
}

// The first of `keys` that was given although `reason` forbids it makes the sentence.
static int refuse_given(const struct typed *typed, const int *keys, const char *reason, struct fault *fault)
{
    for (const int *key = keys; *key; key++) {
        if (!typed_value(typed, *key))
            continue;
        const struct argp_option *option = typed->options;
        while (option->key != *key)
            option++;
        return fault_set(fault, -EINVAL, "--%s makes no sense here: %s", option->name, reason);
    }
    return 0;
}

static int choose_workload(struct run_options *options, const struct typed *typed, struct fault *fault)
{
    const char *spec = typed_value(typed, KEY_WORKLOAD);
    if (!spec)
        return fault_set(fault, -EINVAL, "--workload is missing; 'readyq list workloads' shows what there is");
    char *name;
    const char *params;
    int result = params_split(spec, &name, &params, fault);
    if (result != 0)
        return result;
    const struct workload_ops *ops = registry_workload(name, fault);
    char owner[96];
    snprintf(owner, sizeof owner, "workload %s", name);
    free(name);
    if (!ops)
        return -EINVAL;
    result = params_new(ops->params, ops->config_size, owner, "", params, &options->workload_config, fault);
    if (result == 0)
        options->workload = ops;
    return result;
}

// `usual` is what the pool takes where none is named; NULL: the first listed.
static int choose_queue(struct queue_choice *choice, const struct typed *typed, int own_key, const char *usual,
                        struct fault *fault)
{
    const char *spec = typed_value(typed, own_key);
    if (!spec)
        spec = typed_value(typed, KEY_QUEUE);
    if (!spec)
        spec = usual;
    return queue_choice_parse(choice, spec ? spec : queue_list[0].name, fault);
}

static int choose_pool_queues(struct run_options *options, const struct typed *typed, struct fault *fault)
{
    char reason[128];
    if (!traits_resolved(options->pool->ops, options->pool_config).takes_queues) {
        snprintf(reason, sizeof reason, "pool %s takes no queues", options->pool->name);
        return refuse_given(typed, (const int[]){KEY_QUEUE, KEY_JOB_QUEUE, KEY_READY_QUEUE, 0}, reason, fault);
    }
    if (typed_value(typed, KEY_JOB_QUEUE) && typed_value(typed, KEY_READY_QUEUE)) {
        const int result = refuse_given(typed, (const int[]){KEY_QUEUE, 0},
                                        "--job-queue and --ready-queue already name both queues of the pool", fault);
        if (result != 0)
            return result;
    }
    const struct pool_entry *pool = options->pool;
    const int result = choose_queue(&options->job_queue, typed, KEY_JOB_QUEUE, pool->job_queue, fault);
    return result == 0 ? choose_queue(&options->ready_queue, typed, KEY_READY_QUEUE, pool->ready_queue, fault) : result;
}

static int choose_subject(struct run_options *options, const struct typed *typed, struct fault *fault)
{
    if (options->workload->subject == WORKLOAD_ON_POOL) {
        const char *spec = typed_value(typed, KEY_POOL);
        const int result =
            pool_choice_parse(&options->pool, &options->pool_config, spec ? spec : pool_list[0].name, fault);
        return result == 0 ? choose_pool_queues(options, typed, fault) : result;
    }
    char reason[128];
    snprintf(reason, sizeof reason, "workload %s runs on a queue, which --queue names", options->workload->name);
    const int result = refuse_given(typed, (const int[]){KEY_POOL, KEY_JOB_QUEUE, KEY_READY_QUEUE, 0}, reason, fault);
    return result == 0 ? choose_queue(&options->queue, typed, KEY_QUEUE, NULL, fault) : result;
}

static int read_files(struct run_request *request, const struct typed *typed, struct fault *fault)
{
    struct run_options *options = &request->options;
    request->csv = typed_value(typed, KEY_CSV);
    if (request->csv && !*request->csv)
        return fault_set(fault, -EINVAL, "--csv needs the name of a folder");
    options->history = typed_value(typed, KEY_HISTORY);
    if (options->history && options->settings.check == HISTORY_SCOPE_NONE)
        return fault_set(fault, -EINVAL, "--history has nothing to write: add --check full or --check sampled");
    return 0;
}

int options_parse(struct run_request *request, int argc, char **argv, struct fault *fault)
{
    *request = (struct run_request){0};
    struct typed typed = {0};
    int result = read_words(&typed, argc, argv, fault);
    if (result == 0)
        result = read_settings(&request->options.settings, &typed, fault);
    if (result == 0)
        result = read_tags(&request->options, &typed, fault);
    if (result == 0)
        result = choose_workload(&request->options, &typed, fault);
    if (result == 0)
        result = choose_subject(&request->options, &typed, fault);
    if (result == 0)
        result = read_files(request, &typed, fault);
    request->allocator = typed_value(&typed, KEY_ALLOCATOR);
    request->dry_run = typed_value(&typed, KEY_DRY_RUN);
    request->quiet = typed_value(&typed, KEY_QUIET);
    const uint64_t check = request->options.settings.check;
    request->check_every_idle = check != HISTORY_SCOPE_SAMPLED && is_setting_given(&typed, "check_every");
    request->check_memory_idle = check == HISTORY_SCOPE_NONE && is_setting_given(&typed, "check_memory_mib");
    for (unsigned i = 0; i < 2 * SETTINGS_MOST; i++)
        free(typed.owned[i]);
    if (result != 0)
        options_free(request);
    return result;
}

void options_free(struct run_request *request)
{
    struct run_options *options = &request->options;
    params_free(run_params, &options->settings);
    if (options->workload)
        params_delete(options->workload->params, options->workload_config);
    if (options->pool)
        params_delete(options->pool->ops->params, options->pool_config);
    queue_choice_fini(&options->queue);
    queue_choice_fini(&options->job_queue);
    queue_choice_fini(&options->ready_queue);
    *request = (struct run_request){0};
}
