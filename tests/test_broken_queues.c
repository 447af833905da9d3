// SPDX-License-Identifier: Apache-2.0
// A suite that rejects nothing proves nothing: each queue that is broken on purpose must be rejected by the checks that
// are there for its fault, and for that reason.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/machine/clock.h"
#include "core/run/params.h"
#include "tests/conformance.h"
#include "tests/unit.h"

// Seconds without a sign of life, where a hang is what is expected and where it is not.
#define STUCK_SOON_S 2u
#define STUCK_S 60u

struct rejection {
    const char *queue, *check;
    const char *because; // part of the sentence
};

#define STUCK "nothing has moved"

static const struct rejection rejections[] = {
    {"broken_loses", "model", "out of order, ahead of 1 others (or they are lost)"},
    {"broken_loses", "loops", "stopped early with 1"},
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
    {"broken_hides", "loops", "stopped early with 1"},
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
};

#define REJECTIONS (sizeof rejections / sizeof rejections[0])

// Runs in a process of its own, for a thread that hangs can't be ended.
static void run_child(const struct rejection *rejection)
{
    struct fault fault = {""};
    struct queue_choice choice;
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    const unsigned stuck_s = strcmp(rejection->because, STUCK) == 0 ? STUCK_SOON_S : STUCK_S;
    if (queue_choice_parse(&choice, rejection->queue, &fault) != 0 ||
        conformance_run(&choice, rejection->check, stuck_s, &fault) != 0)
        fprintf(stderr, "%s\n", fault.text);
    else
        fprintf(stderr, "conforms\n");
    _exit(0);
}

static void is_rejected(void **state)
{
    const struct rejection *rejection = *state;
    char said[4096];
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
    while (length < sizeof said - 1 && (got = read(ends[0], said + length, sizeof said - 1 - length)) > 0)
        length += (size_t)got;
    said[length] = '\0';
    close(ends[0]);
    waitpid(child, NULL, 0);
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
