// SPDX-License-Identifier: Apache-2.0
// The command line of `readyq run`: from words to a parsed and consistent struct run_options.
#ifndef READYQ_RUN_OPTIONS_H
#define READYQ_RUN_OPTIONS_H

#include "core/fault.h"
#include "core/run/run.h"

struct run_request {
    struct run_options options;
    const char *csv;       // directory, or NULL
    const char *allocator; // as typed, or NULL
    bool dry_run;
    bool quiet;
    bool check_every_idle, check_memory_idle; // given, and without effect, as nothing is checked by them
};

// Reads the words behind "readyq run" (argv[0] is the name for messages). Does not return for --help, --usage and
// words that are no options, which argp answers by itself. 0, or a negative errno and a sentence; then nothing is
// held. `request` points into argv.
int options_parse(struct run_request *request, int argc, char **argv, struct fault *fault);
void options_free(struct run_request *request);

#endif
