// SPDX-License-Identifier: Apache-2.0
// The conformance suite on every queue of our own, and on further parameters of some; those of libraries are held
// against their promises by tests/test_verdicts.py, which runs `readyq check --all`.
//
// READYQ_CONFORMANCE_PERCENT=N: so much of the suite's work, for slow builds.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check/conformance.h"
#include "core/machine/clock.h"
#include "core/registry.h"
#include "core/run/params.h"
#include "tests/unit.h"

static struct conformance_options options = {.seed = 1, .stuck_s = 60, .percent = 100};

#define SPECS_MOST 128

// Parameters that are worth a run of their own, on queues that happen to be listed.
static const char *const further[] = {"list:lock=mcs", "list:capacity=1", "list:capacity=3,lock=ticket",
                                      "list:capacity=1000,lock=mcs"};

static void conforms(void **state)
{
    struct fault fault = {""};
    struct queue_choice choice;
    if (queue_choice_parse(&choice, *state, &fault) != 0 || registry_check_queue(choice.entry->ops, &fault) != 0)
        fail_msg("%s", fault.text);
    const int result = conformance_run(&choice, &options, &fault);
    queue_choice_fini(&choice);
    if (result != 0)
        fail_msg("%s: %s (seed %llu)", (const char *)*state, fault.text, (unsigned long long)options.seed);
}

// A promise that a library is said to break: the check that is named shows it, so that it is no slander and a mended
// version is noticed. Only a plain build stops threads anywhere.
static void breaks_its_promise(void **state)
{
    const struct queue_entry *entry = *state;
#ifdef READYQ_SANITIZED
    (void)entry;
    skip();
#else
    char spec[128], check[64];
    const char *command = strstr(entry->broken, "readyq check ");
    if (!command || sscanf(command, "readyq check %127s --only %63s", spec, check) != 2)
        fail_msg("%s is said to be broken without a command that shows it: %s", entry->name, entry->broken);
    struct fault fault = {""};
    struct queue_choice choice;
    struct conformance_options only = options;
    only.only = check;
    assert_int_equal(queue_choice_parse(&choice, spec, &fault), 0);
    assert_string_equal(choice.entry->name, entry->name);
    assert_int_equal(conformance_run(&choice, &only, &fault), -EINVAL);
    queue_choice_fini(&choice);
#endif
}

// The suite must have been asked about something.
static void some_queue_is_no_baseline(void **state)
{
    (void)state;
    unsigned real = 0;
    for (const struct queue_entry *entry = queue_list; entry->name; entry++)
        real += entry->ops && !entry->ops->traits.baseline;
    assert_true(real > 0);
}

// What was not recorded may have been wrong, so that the check must not pass.
static void a_history_without_room_is_not_believed(void **state)
{
    const char *name = *state;
    struct fault fault = {""};
    struct queue_choice choice;
    struct conformance_options cramped = options;
    cramped.only = "history";
    cramped.history_bytes = 4096;
    assert_int_equal(queue_choice_parse(&choice, name, &fault), 0);
    assert_int_equal(conformance_run(&choice, &cramped, &fault), -ENOMEM);
    queue_choice_fini(&choice);
    if (!strstr(fault.text, "there was no room to record"))
        fail_msg("%s: %s", name, fault.text);
}

static bool is_listed(const char *spec)
{
    const size_t length = strcspn(spec, ":");
    for (const struct queue_entry *entry = queue_list; entry->name; entry++)
        if (entry->ops && strlen(entry->name) == length && strncmp(entry->name, spec, length) == 0)
            return true;
    return false;
}

// Another name for what is tested already under the name it is an alias of.
static bool is_plain_alias(const struct queue_entry *entry)
{
    struct fault fault;
    struct queue_choice plain, alias;
    if (!entry->alias_of || queue_choice_parse(&plain, entry->alias_of, &fault) != 0)
        return false;
    const bool parsed = queue_choice_parse(&alias, entry->name, &fault) == 0;
    const bool same = parsed && strcmp(plain.params, alias.params) == 0;
    queue_choice_fini(&plain);
    queue_choice_fini(&alias);
    return same;
}

static void read_percent(void)
{
    const char *text = getenv("READYQ_CONFORMANCE_PERCENT");
    const long percent = text ? strtol(text, NULL, 10) : 100;
    if (percent < 1 || percent > 100) {
        fprintf(stderr, "READYQ_CONFORMANCE_PERCENT is from 1 to 100, and not '%s'\n", text);
        exit(2);
    }
    options.percent = (unsigned)percent;
}

int main(void)
{
    read_percent();
    clock_calibrate();
    struct CMUnitTest tests[SPECS_MOST] = {cmocka_unit_test(some_queue_is_no_baseline)};
    size_t count = 1;
    if (is_listed(further[0]))
        tests[count++] = (struct CMUnitTest){"a_history_without_room_is_not_believed",
                                             a_history_without_room_is_not_believed, NULL, NULL, (void *)further[0]};
    for (const struct queue_entry *entry = queue_list; entry->name && count < SPECS_MOST; entry++)
        if (entry->ops && entry->broken)
            tests[count++] = (struct CMUnitTest){entry->name, breaks_its_promise, NULL, NULL, (void *)entry};
        else if (entry->ops && !entry->package && !is_plain_alias(entry))
            tests[count++] = (struct CMUnitTest){entry->name, conforms, NULL, NULL, (void *)entry->name};
    for (size_t i = 0; i < sizeof further / sizeof further[0] && count < SPECS_MOST; i++)
        if (is_listed(further[i]))
            tests[count++] = (struct CMUnitTest){further[i], conforms, NULL, NULL, (void *)further[i]};
    return _cmocka_run_group_tests("queues", tests, count, NULL, NULL);
}
