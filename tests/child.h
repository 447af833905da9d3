// SPDX-License-Identifier: Apache-2.0
// For what can't happen in a test's own process (threads that can't be joined): the test program runs itself again.
#ifndef READYQ_TESTS_CHILD_H
#define READYQ_TESTS_CHILD_H

#include "tests/unit.h"

#include <stdio.h>
#include <unistd.h>

// Runs this program with these arguments; it must say one line, and exit with 0.
static inline void child_says(const char *arguments, char *line, int size)
{
    char program[4096], command[4400];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    assert_true(length > 0);
    program[length] = '\0';
    snprintf(command, sizeof command, "'%s' %s", program, arguments);
    FILE *child = popen(command, "r");
    assert_non_null(child);
    assert_non_null(fgets(line, size, child));
    assert_int_equal(pclose(child), 0);
}

#endif
