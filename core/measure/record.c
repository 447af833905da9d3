// SPDX-License-Identifier: Apache-2.0
// The record's values, as JSON and as the rows that the CSV files are made of.
#include "core/measure/record.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/measure/record_fields.h"

static const void *member_of(const struct record_field *field, const void *row)
{
    return (const char *)row + field->offset;
}

bool record_field_absent(const struct record_field *field, const void *row)
{
    if (field->type == RECORD_TEXT) {
        const char *text = record_field_text(field, row);
        return !text || text[0] == '\0';
    }
    if (field->type == RECORD_F64)
        return !isfinite(*(const double *)member_of(field, row));
    return *(const uint64_t *)member_of(field, row) == RECORD_ABSENT;
}

const char *record_field_text(const struct record_field *field, const void *row)
{
    return *(const char *const *)member_of(field, row);
}

void record_field_number(const struct record_field *field, const void *row, char number[RECORD_NUMBER_MAX])
{
    if (field->type != RECORD_F64) {
        snprintf(number, RECORD_NUMBER_MAX, "%" PRIu64, *(const uint64_t *)member_of(field, row));
        return;
    }
    const double value = *(const double *)member_of(field, row);
    char text[RECORD_NUMBER_MAX];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    memcpy(number, text, sizeof text);
}

void record_clear(struct record *record)
{
    memset(record, 0, sizeof *record);
    for (size_t i = 0; i < record_field_count; i++) {
        const struct record_field *field = &record_fields[i];
        if (field->type == RECORD_F64)
            *(double *)((char *)record + field->offset) = RECORD_ABSENT_F64;
        else if (field->type != RECORD_TEXT)
            *(uint64_t *)((char *)record + field->offset) = RECORD_ABSENT;
    }
}

// The largest value is the mark of absence; a latency that reached it was wrong by more than one anyway.
static uint64_t present(uint64_t value)
{
    return value == RECORD_ABSENT ? value - 1 : value;
}

// A percentile p needs 10/(1-p) samples: with fewer, less than ten lie above it.
static uint64_t percentile(const struct histogram *histogram, double quantile, uint64_t least_samples)
{
    return histogram->count < least_samples ? RECORD_ABSENT : present(histogram_quantile(histogram, quantile));
}

struct record_latency record_latency_of(const struct record *record, const struct record_stage *stage)
{
    const struct histogram *histogram = stage->histogram;
    const bool any = histogram->count > 0;
    return (struct record_latency){
        .plan_hash = record->plan_hash,
        .cell_id = record->cell_id,
        .run_id = record->run_id,
        .stage = stage->name,
        .samples = histogram->count,
        .relative_error = HISTOGRAM_RELATIVE_ERROR,
        .latency_mean_ns = any ? histogram_mean(histogram) : RECORD_ABSENT_F64,
        .latency_min_ns = any ? present(histogram->min) : RECORD_ABSENT,
        .latency_p50_ns = percentile(histogram, 0.5, 20),
        .latency_p90_ns = percentile(histogram, 0.9, 100),
        .latency_p99_ns = percentile(histogram, 0.99, 1000),
        .latency_p999_ns = percentile(histogram, 0.999, 10000),
        .latency_p9999_ns = percentile(histogram, 0.9999, 100000),
        .latency_max_ns = any ? present(histogram->max) : RECORD_ABSENT,
    };
}

bool record_bin_next(const struct record *record, const struct record_stage *stage, size_t *bin, struct record_bin *row)
{
    while (*bin < HISTOGRAM_BINS && stage->histogram->bins[*bin] == 0)
        (*bin)++;
    if (*bin == HISTOGRAM_BINS)
        return false;
    *row = (struct record_bin){
        .plan_hash = record->plan_hash,
        .cell_id = record->cell_id,
        .run_id = record->run_id,
        .stage = stage->name,
        .bin_low_ns = histogram_bin_low(*bin),
        .bin_high_ns = present(histogram_bin_high(*bin)),
        .count = stage->histogram->bins[*bin],
    };
    (*bin)++;
    return true;
}

struct record_account record_account_of(const struct record *record, size_t index)
{
    struct record_account row = record->accounts[index];
    row.plan_hash = record->plan_hash;
    row.cell_id = record->cell_id;
    row.run_id = record->run_id;
    return row;
}

struct record_interval record_interval_of(const struct record *record, size_t index)
{
    struct record_interval row = record->intervals[index];
    row.plan_hash = record->plan_hash;
    row.cell_id = record->cell_id;
    row.run_id = record->run_id;
    return row;
}

struct record_thread record_thread_of(const struct record *record, size_t index)
{
    struct record_thread row = record->thread_rows[index];
    row.plan_hash = record->plan_hash;
    row.cell_id = record->cell_id;
    row.run_id = record->run_id;
    return row;
}

// Numbers are written by hand and not through jansson, whose integers end at 2^63 - 1 (a seed does not). A text
// that is not UTF-8 could not be JSON at all: then what is not ASCII becomes '?', so that no run is lost by it.
static int put_text(FILE *out, const char *text)
{
    json_t *string = json_string(text);
    if (!string) {
        char *ascii = strdup(text);
        if (!ascii)
            return -ENOMEM;
        for (char *letter = ascii; *letter; letter++)
            *letter = *letter & 0x80 ? '?' : *letter;
        string = json_string(ascii);
        free(ascii);
    }
    if (!string)
        return -ENOMEM;
    const int failed = json_dumpf(string, out, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(string);
    return failed ? -EIO : 0;
}

// The members of `row` that are not absent, each with a comma before it unless it is the first of the object.
static int put_members(FILE *out, const struct record_field *fields, size_t count, const void *row, bool first)
{
    int error = 0;
    for (size_t i = 0; i < count && !error; i++) {
        if (record_field_absent(&fields[i], row))
            continue;
        fprintf(out, "%s\"%s\":", first ? "" : ",", fields[i].name);
        first = false;
        if (fields[i].type == RECORD_TEXT) {
            error = put_text(out, record_field_text(&fields[i], row));
        } else {
            char number[RECORD_NUMBER_MAX];
            record_field_number(&fields[i], row, number);
            fputs(number, out);
        }
    }
    return error;
}

// The same, without what identifies the row, which stands around it already: members before `from`.
static int put_rest(FILE *out, const struct record_table *table, size_t from, const void *row)
{
    size_t skipped = 0;
    while (table->fields[skipped].offset < from)
        skipped++;
    return put_members(out, table->fields + skipped, table->count - skipped, row, true);
}

static int put_stage(FILE *out, const struct record *record, const struct record_stage *stage)
{
    const struct record_latency row = record_latency_of(record, stage);
    int error = put_text(out, stage->name);
    fputs(":{", out);
    if (!error)
        error = put_rest(out, &record_tables[RECORD_LATENCY], offsetof(struct record_latency, samples), &row);
    fputs(",\"bins\":[", out);
    struct record_bin bin;
    const char *comma = "";
    for (size_t next = 0; record_bin_next(record, stage, &next, &bin); comma = ",")
        fprintf(out, "%s[%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", comma, bin.bin_low_ns, bin.bin_high_ns, bin.count);
    fputs("]}", out);
    return error;
}

static int put_latency(FILE *out, const struct record *record)
{
    int error = 0;
    fputs(",\"latency\":{", out);
    for (size_t i = 0; i < RECORD_STAGES_MAX && record->stages[i].name && !error; i++) {
        fputs(i ? "," : "", out);
        error = put_stage(out, record, &record->stages[i]);
    }
    fputs("}", out);
    return error;
}

static int put_accounting(FILE *out, const struct record *record)
{
    int error = 0;
    fputs(",\"accounting\":[", out);
    for (size_t i = 0; i < record->account_count && !error; i++) {
        fputs(i ? ",{" : "{", out);
        const struct record_account *row = &record->accounts[i];
        error = put_rest(out, &record_tables[RECORD_ACCOUNTING], offsetof(struct record_account, thread_kind), row);
        fputs("}", out);
    }
    fputs("]", out);
    return error;
}

static void put_timeline(FILE *out, const struct record *record)
{
    fputs(",\"timeline\":[", out);
    for (size_t i = 0; i < record->interval_count; i++) {
        const struct record_interval *interval = &record->intervals[i];
        fprintf(out, "%s[%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", i ? "," : "", interval->interval_start_ns,
                interval->interval_ns, interval->operations);
    }
    fputs("]", out);
}

static int put_threads(FILE *out, const struct record *record)
{
    int error = 0;
    fputs(",\"per_thread\":[", out);
    for (size_t i = 0; i < record->thread_row_count && !error; i++) {
        fputs(i ? ",{" : "{", out);
        const struct record_thread *row = &record->thread_rows[i];
        error = put_rest(out, &record_tables[RECORD_THREADS], offsetof(struct record_thread, role), row);
        fputs("}", out);
    }
    fputs("]", out);
    return error;
}

static int put_environment(FILE *out, const struct environment *environment)
{
    int error = 0;
    const char *comma = "";
    fputs(",\"environment\":{", out);
    for (unsigned i = 0; i < environment->count && !error; i++) {
        const struct environment_fact *fact = &environment->facts[i];
        if (fact->value[0] == '\0')
            continue;
        fputs(comma, out);
        error = put_text(out, fact->name);
        fputs(":", out);
        if (!error)
            error = put_text(out, fact->value);
        comma = ",";
    }
    fputs("}", out);
    return error;
}

// The line in memory, so that a failure leaves no half of it in `out`. *line is the caller's to free.
static int render_json(const struct record *record, char **line, size_t *length)
{
    FILE *out = open_memstream(line, length);
    if (!out)
        return -ENOMEM;
    fprintf(out, "{\"%s\":%u", record_schema_field.name, RECORD_SCHEMA_VERSION);
    int error = put_members(out, record_fields, record_field_count, record, false);
    if (!error)
        error = put_latency(out, record);
    if (!error)
        error = put_accounting(out, record);
    if (!error) {
        put_timeline(out, record);
        error = put_threads(out, record);
    }
    if (!error && record->environment)
        error = put_environment(out, record->environment);
    fputs("}\n", out);
    if (ferror(out) | fclose(out))
        return -ENOMEM;
    return error;
}

int record_write_json(const struct record *record, FILE *out)
{
    char *line = NULL;
    size_t length = 0;
    int error = render_json(record, &line, &length);
    if (!error) {
        errno = 0;
        if (fwrite(line, 1, length, out) != length || fflush(out))
            error = errno ? -errno : -EIO;
    }
    free(line);
    return error;
}
