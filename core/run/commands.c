// SPDX-License-Identifier: Apache-2.0
#include "core/run/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/inject.h"
#include "core/measure/record.h"
#include "core/registry.h"
#include "readyq_build.h"

struct command {
    const char *name;
    const char *summary;
    int (*carry_out)(struct command_call *call, struct fault *fault);
};

static const struct command commands[] = {
    {"list", "the queues, workloads and pools that there are, with their traits", command_list},
    {"describe", "one of them: where it comes from and what its parameters are", command_describe},
    {"topology", "the processors of this machine, its clock and its allocator", command_topology},
    {"fields", "the meaning of every field of the results", command_fields},
    {"run", "measure one workload once", command_run},
    {"check", "hold queues against what they promise", command_check},
    {"history", "judge what a run recorded of its queue or pool", command_history},
    {"doctor", "what to change on this machine before measuring, and what it cannot show", command_doctor},
    {"cost", "what the harness itself costs: clock, recording, dispatch", command_cost},
    {"steps", "count, and do not time, the steps of a scripted schedule", command_steps},
    {NULL, NULL, NULL},
};

static void print_version(FILE *out, struct argp_state *state)
{
    (void)state;
    fprintf(out, "readyq, commit %s (%s, %s), schema version of records %u\n", READYQ_COMMIT, READYQ_BUILD,
            READYQ_COMPILER, RECORD_SCHEMA_VERSION);
}

// What the program itself was told.
struct choice {
    const struct command *command;
    int first; // index of the command's name in argv
};

static const struct command *find_command(const char *name)
{
    const struct command *command = commands;
    while (command->name && strcmp(command->name, name) != 0)
        command++;
    return command->name ? command : NULL;
}

// Says what is wrong, and which commands there are; does not return.
static void refuse_command(struct argp_state *state, const char *wrong)
{
    char known[128] = "";
    size_t used = 0;
    for (const struct command *command = commands; command->name; command++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", command->name);
    argp_error(state, "%s; known are %s", wrong, known);
}

static error_t take_word(int key, char *argument, struct argp_state *state)
{
    struct choice *choice = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        choice->command = find_command(argument);
        if (!choice->command) {
            char wrong[128];
            snprintf(wrong, sizeof wrong, "there is no command '%.100s'", argument);
            refuse_command(state, wrong);
        }
        choice->first = state->next - 1;
        state->next = state->argc; // the rest is the command's
        return 0;
    case ARGP_KEY_NO_ARGS:
        refuse_command(state, "a command is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static char *program_help(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fputs("Measures asynchronous thread pools and the queues inside them.\vCommands:\n", out);
    for (const struct command *command = commands; command->name; command++)
        fprintf(out, "  %-10s %s\n", command->name, command->summary);
    fputs("\n'readyq COMMAND --help' explains a command.\n\nExamples:\n  readyq list\n", out);
    fprintf(out, "  readyq describe %s\n  readyq run --workload %s --duration 200ms\n", queue_list[0].name,
            workload_list[0] ? workload_list[0]->name : "NAME");
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static int choose_command(struct choice *choice, int argc, char **argv, struct fault *fault)
{
    char *help = program_help();
    if (!help)
        return fault_set(fault, -ENOMEM, "no memory for the help");
    const struct argp argp = {.parser = take_word, .args_doc = "COMMAND [WORD...]", .doc = help};
    const error_t error = argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, choice);
    free(help);
    return error == 0 ? 0 : fault_set(fault, -error, "the command line can't be read: %s", strerror(error));
}

// Gives the command its own words, as a copy: argp reorders what it reads, and a restart needs them as they were.
static int carry_out(const struct choice *choice, int argc, char **argv, bool *leave_at_once, struct fault *fault)
{
    const int count = argc - choice->first;
    char name[64];
    snprintf(name, sizeof name, "readyq %s", choice->command->name);
    char **words = calloc((size_t)count + 1, sizeof *words);
    if (!words)
        return fault_set(fault, -ENOMEM, "no memory for the command line");
    memcpy(words, argv + choice->first, (size_t)count * sizeof *words);
    words[0] = name;
    struct command_call call = {.argc = count, .argv = words, .program_argv = argv};
    const int result = choice->command->carry_out(&call, fault);
    *leave_at_once = call.leave_at_once;
    free(words);
    return result;
}

int commands_main(int argc, char **argv, bool *leave_at_once)
{
    argp_err_exit_status = EXIT_REFUSED;
    argp_program_version_hook = print_version;
    *leave_at_once = false;
    struct fault fault = {""};
    struct choice choice = {NULL, 0};
    int result = inject_start(&fault);
    if (result == 0)
        result = registry_check_all(&fault);
    if (result == 0)
        result = choose_command(&choice, argc, argv, &fault);
    if (result == 0)
        result = carry_out(&choice, argc, argv, leave_at_once, &fault);
    if (result >= 0)
        return result;
    fprintf(stderr, "readyq: %s\n", fault.text[0] ? fault.text : strerror(-result));
    return EXIT_REFUSED;
}

int command_words(const struct command_call *call, const struct argp *argp, void *input, struct fault *fault)
{
    const error_t error = argp_parse(argp, call->argc, call->argv, 0, NULL, input);
    return error == 0 ? 0 : fault_set(fault, -error, "the words can't be read: %s", strerror(error));
}

static error_t take_fields_word(int key, char *argument, struct argp_state *state)
{
    bool *json = state->input;
    if (key == ARGP_KEY_ARG)
        argp_error(state, "there is no argument '%s' to expect", argument);
    if (key != 'j')
        return ARGP_ERR_UNKNOWN;
    *json = true;
    return 0;
}

static int write_fields_json(struct fault *fault)
{
    const int result = record_write_fields_json(stdout);
    return result == 0 ? 0 : fault_set(fault, result, "the fields can't be written: %s", strerror(-result));
}

int command_fields(struct command_call *call, struct fault *fault)
{
    static const struct argp_option options[] = {
        {"json", 'j', NULL, 0, "For scripts: one JSON object, an array of fields per file", 0}, {0}};
    static const struct argp argp = {.options = options,
                                     .parser = take_fields_word,
                                     .doc = "Shows the name, type, unit and meaning of every column of the results.\v"
                                            "Example:\n  readyq fields --json"};
    bool json = false;
    int result = command_words(call, &argp, &json, fault);
    if (result == 0 && json)
        result = write_fields_json(fault);
    else if (result == 0)
        record_write_dictionary(stdout);
    return result;
}
