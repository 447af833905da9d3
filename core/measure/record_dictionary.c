// SPDX-License-Identifier: Apache-2.0
// The data dictionary, for people (Markdown) and for scripts (JSON), from the tables that write the files.
#include <errno.h>
#include <jansson.h>

#include "core/measure/record.h"
#include "core/measure/record_fields.h"

static void put_table_row(FILE *out, const struct record_field *field)
{
    fprintf(out, "| `%s` | %s | %s | %s | %s |\n", field->name, record_type_names[field->type], field->unit,
            field->better, field->help);
}

void record_write_dictionary(FILE *out)
{
    for (size_t i = 0; i < RECORD_TABLES; i++) {
        const struct record_table *table = &record_tables[i];
        fprintf(out, "%s## %s\n\n%s\n\n", i ? "\n" : "", table->file, table->row);
        fputs("| column | type | unit | better | meaning |\n| --- | --- | --- | --- | --- |\n", out);
        put_table_row(out, &record_schema_field);
        for (size_t column = 0; column < table->count; column++)
            put_table_row(out, &table->fields[column]);
    }
}

static json_t *column_json(const struct record_field *field)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", field->name, "type", record_type_names[field->type], "unit",
                     field->unit, "better", field->better, "help", field->help);
}

// NULL when memory ran out.
static json_t *columns_json(const struct record_table *table)
{
    json_t *columns = json_array();
    int failed = json_array_append_new(columns, column_json(&record_schema_field));
    for (size_t column = 0; column < table->count && !failed; column++)
        failed = json_array_append_new(columns, column_json(&table->fields[column]));
    if (!failed)
        return columns;
    json_decref(columns);
    return NULL;
}

int record_write_fields_json(FILE *out)
{
    json_t *files = json_object();
    int error = 0;
    for (size_t i = 0; i < RECORD_TABLES && !error; i++)
        error = json_object_set_new(files, record_tables[i].file, columns_json(&record_tables[i])) ? -ENOMEM : 0;
    if (!error) {
        errno = 0;
        if (json_dumpf(files, out, JSON_COMPACT) || fputc('\n', out) == EOF || fflush(out))
            error = errno ? -errno : -EIO;
    }
    json_decref(files);
    return error;
}
