// SPDX-License-Identifier: Apache-2.0
// How a plug-in declares its parameters: one line each gives parser, --help, range check and record.
// Data only, plain C that is also valid C++17; the parser is core/run/params.h.
#ifndef READYQ_PARAM_H
#define READYQ_PARAM_H

#include <stddef.h>
#include <stdint.h>

enum param_type {
    PARAM_TYPE_U64,    // uint64_t; typed as 17, 4k (x1000), 2M, 1G
    PARAM_TYPE_NS,     // uint64_t nanoseconds; typed as 250ns, 1us, 0.5ms, 2s, or a bare number of ns
    PARAM_TYPE_BOOL,   // uint64_t 0 or 1; typed as yes/no, true/false, on/off, 1/0
    PARAM_TYPE_CHOICE, // uint64_t index into `choices`; typed as the choice's name
    PARAM_TYPE_TEXT,   // const char *, owned by the parsed configuration
};

// One parameter. A table of them ends with an entry whose name is NULL.
struct param {
    const char *name;           // as the user types it, snake_case, unit last: "service_ns"
    enum param_type type;       //
    size_t offset;              // of the value inside the plug-in's configuration struct
    const char *initial;        // the default, written as the user would type it
    uint64_t min;               // U64 and NS: smallest value allowed
    uint64_t max;               // U64 and NS: largest value allowed
    const char *const *choices; // CHOICE: NULL-terminated names
    const char *unit;           // "ns", "items", "threads", ... or "" when there is none
    const char *help;           // one sentence, no full stop
};

#define PARAM_U64(type_, member, initial_, min_, max_, unit_, help_)                               \
    {                                                                                              \
#member, PARAM_TYPE_U64, offsetof(type_, member), initial_, min_, max_, NULL, unit_, help_ \
    }
#define PARAM_NS(type_, member, initial_, min_, max_, help_)                                     \
    {                                                                                            \
#member, PARAM_TYPE_NS, offsetof(type_, member), initial_, min_, max_, NULL, "ns", help_ \
    }
#define PARAM_BOOL(type_, member, initial_, help_)                                         \
    {                                                                                      \
#member, PARAM_TYPE_BOOL, offsetof(type_, member), initial_, 0, 1, NULL, "", help_ \
    }
#define PARAM_CHOICE(type_, member, initial_, choices_, help_)                                   \
    {                                                                                            \
#member, PARAM_TYPE_CHOICE, offsetof(type_, member), initial_, 0, 0, choices_, "", help_ \
    }
#define PARAM_TEXT(type_, member, initial_, help_)                                         \
    {                                                                                      \
#member, PARAM_TYPE_TEXT, offsetof(type_, member), initial_, 0, 0, NULL, "", help_ \
    }
// A line that lies deeper in the configuration: all members of struct param, in order.
#define PARAM_ROW(...) \
    {                  \
        __VA_ARGS__    \
    }
#define PARAM_END                                             \
    {                                                         \
        NULL, PARAM_TYPE_U64, 0, NULL, 0, 0, NULL, NULL, NULL \
    }

#endif
