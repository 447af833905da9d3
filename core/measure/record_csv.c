// SPDX-License-Identifier: Apache-2.0
// One run as rows of the CSV files (RFC 4180, with a bare newline at the end of a line).
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/measure/append.h"
#include "core/measure/record.h"
#include "core/measure/record_fields.h"

static void put_header(FILE *out, const struct record_table *table)
{
    fputs(record_schema_field.name, out);
    for (size_t i = 0; i < table->count; i++)
        fprintf(out, ",%s", table->fields[i].name);
    fputc('\n', out);
}

static void put_text(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void put_row(FILE *out, const struct record_table *table, const void *row)
{
    fprintf(out, "%u", RECORD_SCHEMA_VERSION);
    for (size_t i = 0; i < table->count; i++) {
        const struct record_field *field = &table->fields[i];
        fputc(',', out);
        if (record_field_absent(field, row))
            continue;
        if (field->type == RECORD_TEXT) {
            put_text(out, record_field_text(field, row));
        } else {
            char number[RECORD_NUMBER_MAX];
            record_field_number(field, row, number);
            fputs(number, out);
        }
    }
    fputc('\n', out);
}

static void put_stages(FILE *out, size_t table, const struct record *record)
{
    for (size_t i = 0; i < RECORD_STAGES_MAX && record->stages[i].name; i++) {
        const struct record_stage *stage = &record->stages[i];
        if (table == RECORD_LATENCY) {
            const struct record_latency latency = record_latency_of(record, stage);
            put_row(out, &record_tables[table], &latency);
            continue;
        }
        struct record_bin bin;
        for (size_t next = 0; record_bin_next(record, stage, &next, &bin);)
            put_row(out, &record_tables[table], &bin);
    }
}

static void put_accounts(FILE *out, const struct record_table *table, const struct record *record)
{
    for (size_t i = 0; i < record->account_count; i++) {
        const struct record_account account = record_account_of(record, i);
        put_row(out, table, &account);
    }
}

static void put_intervals(FILE *out, const struct record_table *table, const struct record *record)
{
    for (size_t i = 0; i < record->interval_count; i++) {
        const struct record_interval interval = record_interval_of(record, i);
        put_row(out, table, &interval);
    }
}

static void put_threads(FILE *out, const struct record_table *table, const struct record *record)
{
    for (size_t i = 0; i < record->thread_row_count; i++) {
        const struct record_thread thread = record_thread_of(record, i);
        put_row(out, table, &thread);
    }
}

static void put_rows(FILE *out, size_t table, const struct record *record)
{
    switch (table) {
    case RECORD_THROUGHPUT:
        put_row(out, &record_tables[table], record);
        return;
    case RECORD_ACCOUNTING:
        put_accounts(out, &record_tables[table], record);
        return;
    case RECORD_TIMELINE:
        put_intervals(out, &record_tables[table], record);
        return;
    case RECORD_THREADS:
        put_threads(out, &record_tables[table], record);
        return;
    default:
        put_stages(out, table, record);
    }
}

// Header and rows of one file in memory, one after the other; without a record, the header alone. 0 or -ENOMEM; `*text`
// is the caller's to free.
static int render(size_t table, const struct record *record, char **text, struct append_file *file)
{
    size_t length = 0;
    FILE *out = open_memstream(text, &length);
    if (!out)
        return -ENOMEM;
    put_header(out, &record_tables[table]);
    const int flushed = fflush(out);
    file->header_length = length;
    if (record)
        put_rows(out, table, record);
    if (flushed | ferror(out) | fclose(out))
        return -ENOMEM;
    file->name = record_tables[table].file;
    file->text = *text;
    file->length = length;
    return 0;
}

static int for_all_files(const struct record *record, const char *directory, struct fault *fault,
                         int (*append)(struct append_file *files, size_t count, const char *directory, unsigned version,
                                       struct fault *fault))
{
    // throughput.csv comes last: a run that has its row there has all its rows, even if the power fails.
    static const size_t order[RECORD_TABLES] = {RECORD_HISTOGRAM, RECORD_LATENCY, RECORD_ACCOUNTING,
                                                RECORD_TIMELINE,  RECORD_THREADS, RECORD_THROUGHPUT};
    struct append_file files[RECORD_TABLES] = {0};
    char *texts[RECORD_TABLES] = {NULL};
    int error = 0;
    for (size_t i = 0; i < RECORD_TABLES && !error; i++) {
        error = render(order[i], record, &texts[i], &files[i]);
        if (error)
            fault_set(fault, error, "no memory to write the rows of %s", record_tables[order[i]].file);
    }
    if (!error)
        error = append(files, RECORD_TABLES, directory, RECORD_SCHEMA_VERSION, fault);
    for (size_t i = 0; i < RECORD_TABLES; i++)
        free(texts[i]);
    return error;
}

int record_check_csv(const char *directory, struct fault *fault)
{
    return for_all_files(NULL, directory, fault, append_check);
}

int record_write_csv(const struct record *record, const char *directory, struct fault *fault)
{
    return for_all_files(record, directory, fault, append_all);
}
