// SPDX-License-Identifier: Apache-2.0
// The commands of the program, from words to an exit code.
#ifndef READYQ_RUN_COMMANDS_H
#define READYQ_RUN_COMMANDS_H

#include <argp.h>
#include <stdbool.h>

#include "core/fault.h"

// Exit codes.
enum { EXIT_DONE = 0, EXIT_INCORRECT = 1, EXIT_REFUSED = 2, EXIT_INVALID = 4 };

// One command being carried out.
struct command_call {
    int argc;
    char **argv;               // the command's own words; argv[0] is the name for messages
    char *const *program_argv; // as the process was started, NULL-terminated
    bool leave_at_once;        // set by the command: threads may be running still, so end without joining them
};

// Finds and carries out the command that argv names. Returns the exit code; a refusal has been printed as one sentence
// on standard error. *leave_at_once: end by _exit.
int commands_main(int argc, char **argv, bool *leave_at_once);

// Reads a command's words by an argp whose parser gets `input`. 0 or a negative errno and a sentence; argp answers
// --help and words that are no options by itself, and does not return then.
int command_words(const struct command_call *call, const struct argp *argp, void *input, struct fault *fault);

// The commands. An exit code, or a negative errno and one sentence.
int command_list(struct command_call *call, struct fault *fault);
int command_describe(struct command_call *call, struct fault *fault);
int command_topology(struct command_call *call, struct fault *fault);
int command_fields(struct command_call *call, struct fault *fault);
int command_run(struct command_call *call, struct fault *fault);
int command_check(struct command_call *call, struct fault *fault);
int command_history(struct command_call *call, struct fault *fault);
int command_cost(struct command_call *call, struct fault *fault);
int command_steps(struct command_call *call, struct fault *fault);
int command_doctor(struct command_call *call, struct fault *fault);

#endif
