// SPDX-License-Identifier: Apache-2.0
// How a column is written down, in the files that define the tables of core/measure/record_fields.h.
#ifndef READYQ_MEASURE_RECORD_COLUMNS_H
#define READYQ_MEASURE_RECORD_COLUMNS_H

#include "core/measure/record_fields.h"

#define TYPE_OF(struct_, member) \
    _Generic(((struct_ *)0)->member, const char * : RECORD_TEXT, uint64_t : RECORD_U64, double : RECORD_F64)
#define COLUMN(struct_, member, type_, unit_, better_, help_)            \
    {                                                                    \
#member, type_, offsetof(struct_, member), unit_, better_, help_ \
    }

#define PLAN_HASH_HELP "Hash of the sweep's plan. Absent when the run was no part of a sweep."
#define CELL_ID_HELP                                                                                                   \
    "Hash of everything that the user chose and that the result depends on, save the seed: equal for all runs of one " \
    "cell."
#define RUN_ID_HELP "Name of the run; joins its rows in all files."

#endif
