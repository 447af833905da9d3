// SPDX-License-Identifier: Apache-2.0
// Tables of text for people: columns as wide as their widest cell, long cells wrapped between
// words and behind commas.
#ifndef READYQ_RUN_TABLE_H
#define READYQ_RUN_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table {
    unsigned columns;
    char **cells; // row after row, owned
    size_t count;
    size_t room;
    bool failed; // a cell was lost for want of memory
};

// An empty table of at most 16 columns. Cells are added in reading order; the first row is the heading.
void table_init(struct table *table, unsigned columns);

// Adds the next cell (printf rules).
__attribute__((format(printf, 2, 3))) void table_cell(struct table *table, const char *format, ...);

// Prints all rows with `indent` spaces in front, and frees them. 0, or -ENOMEM when a cell was lost (nothing is
// printed then).
int table_print(struct table *table, FILE *out, unsigned indent);

#endif
