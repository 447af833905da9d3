// SPDX-License-Identifier: Apache-2.0
// What a run found, in a few lines for a person. Scripts read the record.
#ifndef READYQ_RUN_SUMMARY_H
#define READYQ_RUN_SUMMARY_H

#include <stdio.h>

#include "core/measure/record.h"

// The first line of it: what was run, and the verdict.
void summary_print_subject(const struct record *record, FILE *out);

// `operation` is what one counted operation is; `csv` is the folder that the rows went to, or NULL.
void summary_print(const struct record *record, const char *operation, const char *csv, FILE *out);

#endif
