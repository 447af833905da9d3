// SPDX-License-Identifier: Apache-2.0
// `readyq run`: one measurement. Whatever can be refused is refused before it starts.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/machine/clock.h"
#include "core/run/allocator.h"
#include "core/run/commands.h"
#include "core/run/judging.h"
#include "core/run/options.h"
#include "core/run/summary.h"

// Everything that a run needs from its beginning to its last word.
struct measurement {
    struct run_request request;
    struct topology topology;
    struct run_plan plan;
    struct environment environment;
    struct record record;
    struct run_result result;
};

static int write_json(const struct record *record, struct fault *fault)
{
    const int result = record_write_json(record, stdout);
    return result == 0 ? 0 : fault_set(fault, result, "the record can't be written: %s", strerror(-result));
}

// Sweeps give every option, and are quiet.
static void say_what_is_idle(const struct run_request *request)
{
    const char *why = request->options.settings.check == HISTORY_SCOPE_NONE ? "no check was asked for"
                                                                            : "--check full records every item or job";
    if (request->check_every_idle)
        fprintf(stderr, "  %s: --check-every has no effect\n", why);
    if (request->check_memory_idle)
        fprintf(stderr, "  %s: --check-memory has no effect\n", why);
}

// The record goes out first: if it can't, nothing is written at all, and if the files can't be written, it is what is
// left of the run.
static int report(const struct measurement *all, struct fault *fault)
{
    const char *csv = all->request.csv;
    const int json = write_json(&all->record, fault);
    if (json != 0)
        return json;
    const int files = csv ? record_write_csv(&all->record, csv, fault) : 0;
    // What shows a fault can't be had again, and is wanted whatever else is not.
    if (all->result.witness && all->request.quiet)
        summary_print_subject(&all->record, stderr);
    if (all->result.witness)
        fprintf(stderr, "what in the history shows it:\n%s", all->result.witness);
    if (!all->request.quiet) {
        summary_print(&all->record, all->request.options.workload->operation, files == 0 ? csv : NULL, stderr);
        say_what_is_idle(&all->request);
    }
    return files;
}

static int measure(struct measurement *all, struct command_call *call, struct fault *fault)
{
    const int outcome = run_execute(&all->plan, &all->record, &all->result, fault);
    if (outcome < 0)
        return outcome;
    const char *reason = all->record.exit_reason;
    const enum environment_grade environment = all->result.environment.grade;
    call->leave_at_once = outcome != 0 && reason && strcmp(reason, "stuck") == 0;
    int reported = report(all, fault);
    if (reported == 0 && all->result.unwritten) {
        reported = all->result.unwritten;
        *fault = all->result.reason;
    }
    // A stuck run's threads still use what it owns.
    if (!call->leave_at_once)
        run_result_free(&all->result);
    if (reported != 0)
        return reported;
    if (outcome == 0 && all->request.options.settings.require_valid && environment == ENVIRONMENT_INVALID)
        return EXIT_INVALID;
    return outcome == 0 ? EXIT_DONE : EXIT_INCORRECT;
}

static int describe_and_measure(struct measurement *all, struct command_call *call, struct fault *fault)
{
    clock_calibrate();
    environment_read(&all->environment, &all->topology);
    record_clear(&all->record);
    run_plan_describe(&all->plan, &all->environment, &all->record);
    return all->request.dry_run ? write_json(&all->record, fault) : measure(all, call, fault);
}

// Before anything is measured.
static int check_files(const struct run_request *request, struct fault *fault)
{
    if (request->dry_run)
        return 0;
    const int result = request->csv ? record_check_csv(request->csv, fault) : 0;
    return result == 0 && request->options.history ? judging_check_file(request->options.history, fault) : result;
}

// A pool that lives in another program has that take this one's place.
static int enter_pool(const struct run_plan *plan, char *const *program_argv, struct fault *fault)
{
    const struct pool_entry *pool = plan->options->pool;
    if (!pool || !pool->ops->enter)
        return 0;
    const struct pool_setup setup = run_plan_pool_setup(plan);
    int result = allocator_pass_on(fault);
    if (result == 0)
        result = pool->ops->enter(&setup, plan->options->pool_config, program_argv, fault);
    allocator_take_back();
    return result;
}

static int plan_and_measure(struct measurement *all, struct command_call *call, struct fault *fault)
{
    all->request.options.show_progress = !all->request.quiet && isatty(STDERR_FILENO);
    int result = run_plan_make(&all->plan, &all->request.options, &all->topology, fault);
    if (all->request.dry_run && all->plan.lacks)
        printf("{\"lacks\": \"%s\"}\n", all->plan.lacks); // so that scripts need not read the sentence
    if (result != 0)
        return result;
    result = check_files(&all->request, fault);
    if (result == 0 && !all->request.dry_run)
        result = enter_pool(&all->plan, call->program_argv, fault);
    if (result == 0)
        result = describe_and_measure(all, call, fault);
    if (!call->leave_at_once)
        run_plan_free(&all->plan);
    return result;
}

int command_run(struct command_call *call, struct fault *fault)
{
    struct measurement *all = calloc(1, sizeof *all);
    if (!all)
        return fault_set(fault, -ENOMEM, "no memory for a run");
    int result = options_parse(&all->request, call->argc, call->argv, fault);
    if (result != 0)
        goto free_memory;
    result = allocator_ensure(all->request.allocator, call->program_argv, fault);
    if (result == 0)
        result = topology_load(&all->topology, NULL, fault);
    if (result != 0)
        goto free_options;
    result = plan_and_measure(all, call, fault);
    if (call->leave_at_once)
        return result;
    topology_unload(&all->topology);
free_options:
    options_free(&all->request);
free_memory:
    free(all);
    return result;
}
