// SPDX-License-Identifier: Apache-2.0
// `readyq history FILE`: judges a history that a run has recorded, by what its subject promised or by something else.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/history/check.h"
#include "core/history/file.h"
#include "core/history/jobs.h"
#include "core/machine/clock.h"
#include "core/run/commands.h"
#include "core/run/history_show.h"
#include "core/run/params.h"

#define WIDTH_LEAST 60u
#define WIDTH_MOST 400u
#define WIDTH_USUAL 100u

enum key { KEY_DRAINED = 0x100, KEY_JSON, KEY_PROMISE, KEY_RANK, KEY_WIDTH };

struct asked {
    const char *path;
    bool drained_given, drained; // in place of what was recorded
    bool promise_given;          // likewise
    enum queue_order order;
    uint32_t relaxation;
    bool rank, json;
    unsigned width;
};

static void take_drained(struct asked *asked, const char *text, struct argp_state *state)
{
    asked->drained_given = true;
    asked->drained = strcmp(text, "yes") == 0;
    if (!asked->drained && strcmp(text, "no") != 0)
        argp_error(state, "--drained is yes or no, and not '%s'", text);
}

static void take_promise(struct asked *asked, const char *text, struct argp_state *state)
{
    uint64_t relaxation = 0;
    asked->promise_given = true;
    if (strcmp(text, "fifo") == 0)
        asked->order = QUEUE_ORDER_FIFO;
    else if (strcmp(text, "per-producer") == 0)
        asked->order = QUEUE_ORDER_PER_PRODUCER;
    else if (strncmp(text, "relaxed:", 8) == 0 && params_number(PARAM_TYPE_U64, text + 8, &relaxation) == 0 &&
             relaxation <= UINT32_MAX)
        asked->order = QUEUE_ORDER_RELAXED;
    else
        argp_error(state, "--promise is fifo, per-producer or relaxed:K, K being a whole number, and not '%s'", text);
    asked->relaxation = (uint32_t)relaxation;
}

static void take_width(struct asked *asked, const char *text, struct argp_state *state)
{
    uint64_t width;
    if (params_number(PARAM_TYPE_U64, text, &width) != 0 || width < WIDTH_LEAST || width > WIDTH_MOST)
        argp_error(state, "--width is a number of columns from %u to %u, and not '%s'", WIDTH_LEAST, WIDTH_MOST, text);
    asked->width = (unsigned)width;
}

static error_t take_word(int key, char *argument, struct argp_state *state)
{
    struct asked *asked = state->input;
    switch (key) {
    case KEY_DRAINED:
        take_drained(asked, argument, state);
        return 0;
    case KEY_JSON:
        asked->json = true;
        return 0;
    case KEY_PROMISE:
        take_promise(asked, argument, state);
        return 0;
    case KEY_RANK:
        asked->rank = true;
        return 0;
    case KEY_WIDTH:
        take_width(asked, argument, state);
        return 0;
    case ARGP_KEY_ARG:
        if (asked->path)
            argp_error(state, "one FILE is enough, but '%s' follows '%s'", argument, asked->path);
        asked->path = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "the FILE is missing that 'readyq run --history FILE' has written");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int apply(const struct asked *asked, struct history *history, struct fault *fault)
{
    if (history->subject == HISTORY_OF_POOL && (asked->promise_given || asked->rank))
        return fault_set(fault, -EINVAL, "%.300s is the history of a pool, and %s is for those of queues", asked->path,
                         asked->rank ? "--rank" : "--promise");
    if (asked->promise_given) {
        history->promise.order = asked->order;
        history->promise.relaxation = asked->relaxation;
    }
    if (asked->drained_given)
        history->drained = asked->drained;
    return 0;
}

static int judge(const struct asked *asked, const struct history *history, struct history_verdict *verdict,
                 struct fault *fault)
{
    const struct history_question question = {.drained = history->drained, .measure_rank = asked->rank};
    const int result = history->subject == HISTORY_OF_POOL ? history_check_jobs(history, &question, verdict, fault)
                                                           : history_check(history, &question, verdict, fault);
    return result ? fault_set(fault, result, "%.300s can't be judged: %s", asked->path, strerror(-result)) : 0;
}

static int show(const struct asked *asked, const struct history_judged *judged, struct fault *fault)
{
    const int result = asked->json ? history_show_json(judged, stdout) : history_show(judged, asked->width, stdout);
    if (result)
        return fault_set(fault, result, "the verdict can't be written: %s", strerror(-result));
    return judged->verdict->fault == HISTORY_OK ? EXIT_DONE : EXIT_INCORRECT;
}

static int judge_file(const struct asked *asked, struct fault *fault)
{
    struct history *history;
    static struct history_verdict verdict;
    const uint64_t begin = clock_system_ns();
    int result = history_read(&history, asked->path, fault);
    if (result)
        return result;
    const uint64_t read = clock_system_ns();
    result = apply(asked, history, fault);
    if (result == 0)
        result = judge(asked, history, &verdict, fault);
    if (result == 0) {
        const struct history_judged judged = {history, &verdict, read - begin, clock_system_ns() - read};
        result = show(asked, &judged, fault);
    }
    history_free(history);
    return result;
}

int command_history(struct command_call *call, struct fault *fault)
{
    static const struct argp_option options[] = {
        {"rank", KEY_RANK, NULL, 0, "Also measure how many older items the items overtook", 0},
        {"promise", KEY_PROMISE, "ORDER", 0,
         "Hold a queue to fifo, per-producer or relaxed:K, in place of what it promised", 0},
        {"drained", KEY_DRAINED, "yes|no", 0,
         "Whether what did not come out in the end is lost, in place of what was recorded", 0},
        {"width", KEY_WIDTH, "COLUMNS", 0, "Width of the drawing of what is wrong (default: 100)", 0},
        {"json", KEY_JSON, NULL, 0, "For scripts: one JSON object on one line", 0},
        {0}};
    static const struct argp argp = {
        .options = options,
        .parser = take_word,
        .args_doc = "FILE",
        .doc =
            "Reads the history that 'readyq run --history FILE' has recorded, and judges whether the queue, or pool, "
            "kept its promises. Where it did not, the fewest operations that show it are drawn.\v"
            "Exit code: 0 nothing is wrong, 1 something is, 2 the file can't be read or judged. A history that was "
            "sampled or cut can show that something is wrong, and never that nothing is.\n\n"
            "Example:\n  readyq history run.history"};
    struct asked asked = {.width = WIDTH_USUAL};
    const int result = command_words(call, &argp, &asked, fault);
    return result == 0 ? judge_file(&asked, fault) : result;
}
