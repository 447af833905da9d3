// SPDX-License-Identifier: Apache-2.0
// A suite that rejects nothing proves nothing: each queue that is broken on purpose must be rejected by the checks that
// are there for its fault, and for that reason.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/check/conformance.h"
#include "core/machine/clock.h"
#include "core/run/params.h"
#include "tests/unit.h"

// Seconds without a sign of life, where a hang is what is expected and where it is not.
#define STUCK_SOON_S 2u
#define STUCK_S 60u

struct rejection {
    const char *queue, *check;
    const char *because; // part of the sentence
};

#define STUCK "nothing has moved"
#define CRASHED "it did not end by itself"

static const struct rejection rejections[] = {
    {"broken_loses", "model", "out of order, ahead of 1 others (or they are lost)"},
    {"broken_loses", "loops", "stopped early with EMPTY"},
    {"broken_loses", "capacity", "lost"},
    {"broken_loses", "delivery", "lost"},
    {"broken_loses", "churn", "lost"},
    {"broken_duplicates", "model", "which was not inside"},
    {"broken_duplicates", "loops", "beyond the last item"},
    {"broken_duplicates", "delivery", "duplicated"},
    {"broken_duplicates", "churn", "duplicated"},
    {"broken_swaps", "model", "which was not inside"},
    {"broken_swaps", "loops", "lost: "},
    {"broken_swaps", "delivery", "duplicated"},
    {"broken_swaps", "churn", "lost: "},
    {"broken_reorders", "model", "out of order, ahead of"},
    {"broken_reorders", "delivery", "out of order"},
    {"broken_hides", "model", "answered EMPTY with"},
    {"broken_hides", "loops", "stopped early with EMPTY"},
    {"broken_hides", "delivery", "answered EMPTY"},
    {"broken_sticks", "model", STUCK},
    {"broken_sticks", "delivery", STUCK},
    {"broken_sticks", "sleep", STUCK},
    {"broken_forgets", "notify", "did not notify"},
    {"broken_forgets", "sleep", STUCK},
    {"broken_leaks", "reuse", "elements were not given back"},
    {"broken_overfills", "model", "with all 8 places taken"},
    {"broken_overfills", "capacity", "with all 8 places taken"},
    {"broken_mallocs", "model", "called malloc"},
    {"broken_overruns", "model", "beyond its ends"},
    {"broken_overruns", "reuse", "beyond its own memory"},
    {"broken_crashes", "model", CRASHED},
    {"broken_miscounts", "length", "its length is"},
    {"broken_hoards", "prepared", "enqueue answered ENOMEM"},
    {"broken_pretends", "no_memory", "(or they are lost)"},
    {"broken_mallocs", "delivery", "called malloc"},
    {"broken_mallocs", "history", "called malloc"},
    {"broken_loses", "crowds", "lost"},
    {"broken_duplicates", "crowds", "duplicated"},
    {"broken_drops", "garbage", "not given back"},
    {"broken_drops", "sleep", "elements were not given back"},
    // What one thread can't see, nor a crowd that is left alone.
    {"broken_overtakes", "history", "was overtaken"},
    {"broken_blinks", "history", "was told EMPTY"},
    {"broken_refuses", "history", "was told FULL"},
    {"broken_tears", "history", "came out twice"},
    {"broken_tears", "stalls", "duplicated"},
    // The history sees what the others see.
    {"broken_loses", "history", "never came out"},
    {"broken_duplicates", "history", "came out twice"},
    {"broken_reorders", "history", "was overtaken"},
    {"broken_overfills", "history", "items were inside at once"},
    {"broken_hides", "history", "was told EMPTY at"},
    {"broken_hides", "nonempty", "never was empty"},
    {"broken_batches", "batches", "(or they are lost)"},
    {"broken_halves", "batches", "came out in place of"},
};

#define REJECTIONS (sizeof rejections / sizeof rejections[0])

// That a thread stops at one certain instruction does not happen in every run: so many, each with a seed of its own,
// before a queue counts as accepted.
#define TRIES_MOST 400u

// Runs in a process of its own, for a thread that hangs can't be ended.
static void run_child(const struct rejection *rejection)
{
    struct fault fault = {""};
    struct queue_choice choice;
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGSEGV, SIG_DFL); // cmocka's handler would go on with the tests
    struct conformance_options options = {
        .only = rejection->check,
        .stuck_s = strcmp(rejection->because, STUCK) == 0 ? STUCK_SOON_S : STUCK_S,
        .percent = 100,
    };
    int result = queue_choice_parse(&choice, rejection->queue, &fault);
    while (result == 0 && options.seed < TRIES_MOST) {
        options.seed++;
        result = conformance_run(&choice, &options, &fault);
    }
    fprintf(stderr, "%s\n", result == 0 ? "conforms" : fault.text);
    _exit(0);
}

// For a word of our own behind what the child said.
#define ROOM 128u

static void is_rejected(void **state)
{
    const struct rejection *rejection = *state;
    char said[8192];
    size_t length = 0;
    ssize_t got;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        run_child(rejection);
    }
    close(ends[1]);
    while (length < sizeof said - ROOM && (got = read(ends[0], said + length, sizeof said - ROOM - length)) > 0)
        length += (size_t)got;
    said[length] = '\0';
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        snprintf(said + length, sizeof said - length, "%s: %s", rejection->check, CRASHED);
    if (!strstr(said, rejection->because) || !strstr(said, rejection->check))
        fail_msg("%s was to be rejected by '%s' because '%s', but the suite says: %s", rejection->queue,
                 rejection->check, rejection->because, said);
}

// Whoever adds a broken queue says what must reject it.
static void every_broken_queue_is_to_be_rejected(void **state)
{
    (void)state;
    unsigned broken = 0;
    for (const struct queue_entry *entry = queue_list; entry->name; entry++) {
        bool found = strncmp(entry->name, "broken_", 7) != 0;
        broken += !found;
        for (size_t i = 0; i < REJECTIONS; i++)
            found |= strcmp(rejections[i].queue, entry->name) == 0;
        if (!found)
            fail_msg("nothing is said about %s", entry->name);
    }
    assert_true(broken > 0);
}

int main(void)
{
    clock_calibrate();
    struct CMUnitTest tests[REJECTIONS + 1] = {cmocka_unit_test(every_broken_queue_is_to_be_rejected)};
    static char names[REJECTIONS][64];
    for (size_t i = 0; i < REJECTIONS; i++) {
        snprintf(names[i], sizeof names[i], "%s %s", rejections[i].queue, rejections[i].check);
        tests[i + 1] = (struct CMUnitTest){names[i], is_rejected, NULL, NULL, (void *)&rejections[i]};
    }
    return cmocka_run_group_tests_name("broken_queues", tests, NULL, NULL);
}
