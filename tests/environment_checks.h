// SPDX-License-Identifier: Apache-2.0
// What holds of every environment record, shared by the tests on this machine and on others' files.
#ifndef READYQ_TESTS_ENVIRONMENT_CHECKS_H
#define READYQ_TESTS_ENVIRONMENT_CHECKS_H

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "core/machine/environment.h"
#include "tests/unit.h"

// Every fact that a record may hold, in its order.
#define ENVIRONMENT_FACTS_ALLOWED                                                                   \
    "cpu_model architecture hypervisor cpus_online cpus_allowed cpus_allowed_list cores packages "  \
    "numa_nodes kernel microcode cpus_isolated cpus_tickless smt frequency_driver idle_driver "     \
    "clocksource transparent_hugepage numa_balancing memory_total_kib load_average_1min "           \
    "cpu_pressure_avg10_percent governor turbo mitigations aslr cgroup_quota_cpus page_size_bytes " \
    "memory_binding libc"

static inline const char *value(const struct environment *environment, const char *name)
{
    for (unsigned i = 0; i < environment->count; i++) {
        if (strcmp(environment->facts[i].name, name) == 0)
            return environment->facts[i].value;
    }
    fail_msg("no fact '%s'", name);
    return NULL;
}

static inline void assert_value(const struct environment *environment, const char *name, const char *expected)
{
    if (strcmp(value(environment, name), expected) != 0)
        fail_msg("%s is '%s', not '%s'", name, value(environment, name), expected);
}

// Whether the value holds `word` as a word of its own.
static inline bool has_word(const char *text, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = text; length && (at = strstr(at, word)); at++) {
        const bool begins = at == text || !isalnum((unsigned char)at[-1]);
        if (begins && !isalnum((unsigned char)at[length]))
            return true;
    }
    return false;
}

static inline void assert_no_word(const struct environment *environment, const char *word)
{
    for (unsigned i = 0; i < environment->count; i++) {
        if (has_word(environment->facts[i].value, word))
            fail_msg("%s names '%s': %s", environment->facts[i].name, word, environment->facts[i].value);
    }
    assert_false(has_word(environment->machine, word));
}

// What holds of every machine's record.
static inline void assert_proper(const struct environment *environment)
{
    const char *name = ENVIRONMENT_FACTS_ALLOWED;
    for (unsigned i = 0; i < environment->count; i++) {
        const struct environment_fact *fact = &environment->facts[i];
        const size_t name_length = strcspn(name, " ");
        assert_int_equal(strlen(fact->name), name_length);
        assert_memory_equal(fact->name, name, name_length);
        name += name_length + (name[name_length] == ' ');
        assert_non_null(memchr(fact->value, '\0', sizeof fact->value));
        for (const char *c = fact->value; *c; c++)
            assert_in_range(*c, ' ', '~');
        assert_true(fact->value[0] != '/' && !strstr(fact->value, " /"));
    }
    assert_string_equal(name, "");
    const size_t length = strlen(environment->machine);
    assert_in_range(length, 6, sizeof environment->machine - 1);
    assert_int_equal(strspn(environment->machine, "abcdefghijklmnopqrstuvwxyz0123456789-"), length);
    assert_string_equal(environment->machine + length - 3, "cpu");
    assert_null(strstr(environment->machine, "--"));
    assert_true(environment->machine[0] != '-');
}

#endif
