// SPDX-License-Identifier: Apache-2.0
#include "core/run/table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LINE_COLUMNS 118u
#define LAST_COLUMN_LEAST 32u
#define COLUMN_MOST 28u
#define COLUMN_GAP 2u
#define COLUMNS_MOST 16u

void table_init(struct table *table, unsigned columns)
{
    *table = (struct table){.columns = columns};
}

void table_cell(struct table *table, const char *format, ...)
{
    if (table->count == table->room) {
        const size_t room = table->room ? 2 * table->room : 64;
        char **cells = reallocarray(table->cells, room, sizeof *cells);
        if (!cells) {
            table->failed = true;
            return;
        }
        table->cells = cells;
        table->room = room;
    }
    va_list arguments;
    va_start(arguments, format);
    char *text = NULL;
    if (vasprintf(&text, format, arguments) < 0)
        table->failed = true;
    else
        table->cells[table->count++] = text;
    va_end(arguments);
}

// Of the first word, or up to the first comma in it: what stays on one line.
static size_t part_length(const char *text)
{
    const size_t length = strcspn(text, " ,");
    return length + (text[length] == ',');
}

static size_t longest_part(const char *text)
{
    size_t longest = 0;
    while (*text) {
        const size_t length = part_length(text);
        if (length > longest)
            longest = length;
        text += length;
        text += strspn(text, " ");
    }
    return longest;
}

// As wide as the widest cell, up to a limit that only a single word, or a part of one, may exceed.
static size_t column_width(const struct table *table, unsigned column)
{
    size_t width = 0;
    for (size_t i = column; i < table->count; i += table->columns) {
        size_t wanted = strlen(table->cells[i]);
        if (wanted > COLUMN_MOST) {
            wanted = longest_part(table->cells[i]);
            wanted = wanted > COLUMN_MOST ? wanted : COLUMN_MOST;
        }
        if (wanted > width)
            width = wanted;
    }
    return width;
}

// The last column has what is left of the line.
static void find_widths(const struct table *table, size_t indent, size_t *widths)
{
    size_t start = indent;
    for (unsigned i = 0; i + 1 < table->columns; i++) {
        widths[i] = column_width(table, i);
        start += widths[i] + COLUMN_GAP;
    }
    widths[table->columns - 1] = start + LAST_COLUMN_LEAST < LINE_COLUMNS ? LINE_COLUMNS - start : LAST_COLUMN_LEAST;
}

// How much of `text` goes on a line of `room` characters: whole words, or parts of one that end in a comma, or all of a
// part that is longer.
static size_t line_length(const char *text, size_t room)
{
    if (strlen(text) <= room)
        return strlen(text);
    size_t cut = room;
    while (cut > 0 && text[cut] != ' ' && text[cut - 1] != ',')
        cut--;
    return cut > 0 ? cut : part_length(text);
}

static bool all_empty(const char *const *rests, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (*rests[i])
            return false;
    }
    return true;
}

// One line of a row: the next part of each cell, without spaces behind the last one.
static void print_line(const struct table *table, const char **rests, const size_t *widths, unsigned indent, FILE *out)
{
    size_t owed = indent;
    for (unsigned i = 0; i < table->columns; i++) {
        const size_t length = line_length(rests[i], widths[i]);
        if (length > 0) {
            fprintf(out, "%*s%.*s", (int)owed, "", (int)length, rests[i]);
            owed = 0;
        }
        owed += widths[i] - (length < widths[i] ? length : widths[i]) + COLUMN_GAP;
        rests[i] += length;
        rests[i] += strspn(rests[i], " ");
    }
    fputc('\n', out);
}

static void print_row(const struct table *table, char *const *row, const size_t *widths, unsigned indent, FILE *out)
{
    const char *rests[COLUMNS_MOST];
    for (unsigned i = 0; i < table->columns; i++)
        rests[i] = row[i];
    do {
        print_line(table, rests, widths, indent, out);
    } while (!all_empty(rests, table->columns));
}

int table_print(struct table *table, FILE *out, unsigned indent)
{
    const int result = table->failed ? -ENOMEM : 0;
    if (result == 0) {
        size_t widths[COLUMNS_MOST];
        find_widths(table, indent, widths);
        for (size_t i = 0; i + table->columns <= table->count; i += table->columns)
            print_row(table, table->cells + i, widths, indent, out);
    }
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    table_init(table, table->columns);
    return result;
}
