// SPDX-License-Identifier: Apache-2.0
// A parameter of every type, for the tests of the parser.
#ifndef READYQ_TESTS_PARAMS_TOY_H
#define READYQ_TESTS_PARAMS_TOY_H

#include "tests/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/run/params.h"

static const char *const locks[] = {"none", "mutex", "ticket", NULL};

struct config {
    uint64_t before; // no parameter: must stay as it is
    uint64_t window;
    uint64_t service_ns;
    uint64_t ordered;
    uint64_t lock;
    const char *label;
    uint64_t any;
    uint64_t after;
};

static const struct param table[] = {
    PARAM_U64(struct config, window, "64", 1, 65536, "jobs", "jobs in flight"),
    PARAM_NS(struct config, service_ns, "1.5us", 1000, 2000000000, "time that a job takes"),
    PARAM_BOOL(struct config, ordered, "yes", "whether order counts"),
    PARAM_CHOICE(struct config, lock, "mutex", locks, "the lock"),
    PARAM_TEXT(struct config, label, "plain", "a label"),
    PARAM_U64(struct config, any, "0", 0, UINT64_MAX, "", "any number"),
    PARAM_END,
};

static inline void get_defaults(struct config *config)
{
    struct fault fault = {""};
    assert_int_equal(params_defaults(table, config, &fault), 0);
    assert_string_equal(fault.text, "");
}

#endif
