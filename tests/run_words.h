// SPDX-License-Identifier: Apache-2.0
// A run as a test wants it: from the words of a command line to a plan on this machine.
#ifndef READYQ_TESTS_RUN_WORDS_H
#define READYQ_TESTS_RUN_WORDS_H

#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/run/options.h"

#define WORDS_MOST 40

// Parses "--workload pairs --queue list" (words apart by single spaces). `text` holds what the request points into, and
// is freed after it.
static inline int words_parse(struct run_request *request, const char *line, char **text, struct fault *fault)
{
    char *argv[WORDS_MOST + 1] = {(char *)"test"};
    int argc = 1;
    *text = strdup(line);
    for (char *word = strtok(*text, " "); word && argc < WORDS_MOST; word = strtok(NULL, " "))
        argv[argc++] = word;
    const int result = options_parse(request, argc, argv, fault);
    if (result != 0) {
        free(*text);
        *text = NULL;
    }
    return result;
}

static inline void words_expect(struct run_request *request, const char *line, char **text)
{
    struct fault fault = {""};
    if (words_parse(request, line, text, &fault) != 0)
        fail_msg("'%s' is refused: %s", line, fault.text);
}

// One run in this process, and what came of it.
struct outcome {
    int code; // of run_execute
    struct fault fault;
    struct record record;
    struct run_result result;
    struct run_plan plan;
    struct environment environment;
};

// Everything of it is freed by outcome_free, but for a stuck run.
static inline void outcome_of(struct outcome *outcome, const struct run_options *options,
                              const struct topology *topology)
{
    *outcome = (struct outcome){.environment = {.machine = "test"}};
    if (run_plan_make(&outcome->plan, options, topology, &outcome->fault) != 0)
        fail_msg("the plan is refused: %s", outcome->fault.text);
    run_plan_describe(&outcome->plan, &outcome->environment, &outcome->record);
    outcome->code = run_execute(&outcome->plan, &outcome->record, &outcome->result, &outcome->fault);
}

static inline void outcome_free(struct outcome *outcome)
{
    run_result_free(&outcome->result);
    run_plan_free(&outcome->plan);
}

#endif
