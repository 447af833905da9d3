// SPDX-License-Identifier: Apache-2.0
// `readyq steps`: exact counts of a scripted schedule, of a queue or of our pool, on one line of JSON.
#include <errno.h>

#include "core/registry.h"
#include "core/run/commands.h"
#include "core/run/params.h"
#include "core/run/steps.h"

#define OPERATIONS_USUAL 1000u
#define OPERATIONS_MOST 100000000u
#define BURST_USUAL 64u
#define BURST_MOST 65536u

enum key { KEY_QUEUE = 0x100, KEY_POOL, KEY_JOB_QUEUE, KEY_READY_QUEUE, KEY_WORKERS, KEY_OPERATIONS, KEY_BURST };

struct asked {
    const char *queue, *pool, *job_queue, *ready_queue;
    uint64_t workers, operations, burst;
};

static uint64_t number(const char *option, const char *text, uint64_t most, struct argp_state *state)
{
    uint64_t value = 0;
    if (params_number(PARAM_TYPE_U64, text, &value) != 0 || value < 1 || value > most)
        argp_error(state, "--%s is a number from 1 to %llu, and not '%s'", option, (unsigned long long)most, text);
    return value;
}

static error_t take_word(int key, char *argument, struct argp_state *state)
{
    struct asked *asked = state->input;
    switch (key) {
    case KEY_QUEUE:
        asked->queue = argument;
        return 0;
    case KEY_POOL:
        asked->pool = argument;
        return 0;
    case KEY_JOB_QUEUE:
        asked->job_queue = argument;
        return 0;
    case KEY_READY_QUEUE:
        asked->ready_queue = argument;
        return 0;
    case KEY_WORKERS:
        asked->workers = number("workers", argument, STEPS_WORKERS_MOST, state);
        return 0;
    case KEY_OPERATIONS:
        asked->operations = number("operations", argument, OPERATIONS_MOST, state);
        return 0;
    case KEY_BURST:
        asked->burst = number("burst", argument, BURST_MOST, state);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "there is no argument '%s' to expect; options begin with --", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char *first_of(const char *one, const char *other, const char *last)
{
    return one ? one : other ? other : last;
}

static int choose_queues(struct steps_request *request, const struct asked *asked, struct fault *fault)
{
    const struct pool_entry *pool = request->pool;
    const char *const usual = queue_list[0].name;
    if (!pool)
        return queue_choice_parse(&request->queue, asked->queue ? asked->queue : usual, fault);
    const char *const jobs = first_of(asked->queue, pool->job_queue, usual);
    const char *const ready = first_of(asked->queue, pool->ready_queue, usual);
    const int result = queue_choice_parse(&request->job_queue, asked->job_queue ? asked->job_queue : jobs, fault);
    if (result != 0)
        return result;
    return queue_choice_parse(&request->ready_queue, asked->ready_queue ? asked->ready_queue : ready, fault);
}

static int choose(struct steps_request *request, const struct asked *asked, struct fault *fault)
{
    if (!asked->pool && (asked->job_queue || asked->ready_queue || asked->workers))
        return fault_set(fault, -EINVAL, "--job-queue, --ready-queue and --workers are for a pool, which --pool names");
    *request = (struct steps_request){
        .operations = asked->operations, .burst = asked->burst, .workers = asked->workers ? asked->workers : 1};
    int result = 0;
    if (asked->pool)
        result = pool_choice_parse(&request->pool, &request->pool_config, asked->pool, fault);
    return result == 0 ? choose_queues(request, asked, fault) : result;
}

static void forget(struct steps_request *request)
{
    if (request->pool)
        params_delete(request->pool->ops->params, request->pool_config);
    queue_choice_fini(&request->queue);
    queue_choice_fini(&request->job_queue);
    queue_choice_fini(&request->ready_queue);
}

static int print(const struct steps *steps, struct fault *fault)
{
    json_t *whole = steps_json(steps);
    const int result = whole ? json_dumpf(whole, stdout, JSON_COMPACT) : -1;
    json_decref(whole);
    if (result != 0)
        return fault_set(fault, -ENOMEM, "the counts can't be printed");
    putchar('\n');
    return EXIT_DONE;
}

static int take_steps(const struct steps_request *request, struct fault *fault)
{
    static struct steps steps;
    steps_open(&steps, request);
    const int result = request->pool ? steps_of_pool(&steps, fault) : steps_of_queue(&steps, fault);
    return result == 0 ? print(&steps, fault) : result;
}

int command_steps(struct command_call *call, struct fault *fault)
{
    static const struct argp_option options[] = {
        {"queue", KEY_QUEUE, "SPEC", 0, "The queue; with --pool, both of its queues", 0},
        {"pool", KEY_POOL, "SPEC", 0, "The pool, ours or another name of it", 0},
        {"job-queue", KEY_JOB_QUEUE, "SPEC", 0, "The pool's queue of jobs, in place of --queue", 0},
        {"ready-queue", KEY_READY_QUEUE, "SPEC", 0, "The pool's queue of finished jobs, in place of --queue", 0},
        {"workers", KEY_WORKERS, "N", 0, "Workers of the pool (default: 1)", 0},
        {"operations", KEY_OPERATIONS, "N", 0, "Items or jobs in each phase (default: 1000)", 0},
        {"burst", KEY_BURST, "N", 0, "Of them in a row, where they come in bursts (default: 64)", 0},
        {0}};
    static char doc[1024];
    snprintf(doc, sizeof doc,
             "Counts what the steps of a scripted schedule cost, in which one thread takes all parts, and prints it as "
             "one line of JSON: allocations, and how often sleepers are woken; in a build with READYQ_COUNT=ON the "
             "atomic accesses too. Nothing is timed, and the same program counts the same at every run.\v"
             "SPEC is NAME or NAME:parameter=value,...\n\n"
             "Examples:\n  readyq steps --queue %s\n  readyq steps --pool %s --operations 100",
             queue_list[0].name, pool_list[0].name);
    const struct argp argp = {.options = options, .parser = take_word, .doc = doc};
    struct asked asked = {.operations = OPERATIONS_USUAL, .burst = BURST_USUAL};
    int result = command_words(call, &argp, &asked, fault);
    struct steps_request request = {0};
    if (result == 0)
        result = choose(&request, &asked, fault);
    if (result == 0)
        result = take_steps(&request, fault);
    forget(&request);
    return result;
}
