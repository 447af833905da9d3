// SPDX-License-Identifier: Apache-2.0
// Parameters as text: as they would be typed, for the record, and as a table, for people.
#include <stdlib.h>
#include <string.h>

#include "core/run/params.h"
#include "core/run/table.h"

static uint64_t number_of(const struct param *param, const void *config)
{
    uint64_t value;
    memcpy(&value, (const char *)config + param->offset, sizeof value);
    return value;
}

static const char *text_of(const struct param *param, const void *config)
{
    const char *value;
    memcpy(&value, (const char *)config + param->offset, sizeof value);
    return value ? value : "";
}

const char *params_value(const struct param *param, const void *config, char *buffer, size_t size)
{
    switch (param->type) {
    case PARAM_TYPE_U64:
    case PARAM_TYPE_NS:
        snprintf(buffer, size, "%llu", (unsigned long long)number_of(param, config));
        break;
    case PARAM_TYPE_BOOL:
        snprintf(buffer, size, "%s", number_of(param, config) ? "yes" : "no");
        break;
    case PARAM_TYPE_CHOICE:
        snprintf(buffer, size, "%s", param->choices[number_of(param, config)]);
        break;
    case PARAM_TYPE_TEXT:
        snprintf(buffer, size, "%s", text_of(param, config));
        break;
    }
    return buffer;
}

char *params_text(const struct param *table, const void *config)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (const struct param *param = table; param->name; param++) {
        char value[64];
        const bool is_text = param->type == PARAM_TYPE_TEXT; // of any length
        fprintf(out, "%s%s=%s", param == table ? "" : ";", param->name,
                is_text ? text_of(param, config) : params_value(param, config, value, sizeof value));
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

const char *params_quantity(enum param_type type, uint64_t value, char *buffer, size_t size)
{
    static const char *const names[] = {"ns", "us", "ms", "s"};
    unsigned name = 0;
    uint64_t unit = 1;
    for (; type == PARAM_TYPE_NS && value > 0 && name < 3 && value % (unit * 1000) == 0; name++)
        unit *= 1000;
    const bool named = type == PARAM_TYPE_NS && value > 0;
    snprintf(buffer, size, "%llu%s", (unsigned long long)(value / unit), named ? names[name] : "");
    return buffer;
}

void params_choices(const struct param *param, const char *between, char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (const char *const *choice = param->choices; *choice && used < size; choice++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", used ? between : "", *choice);
}

const char *params_range(const struct param *param, char *buffer, size_t size)
{
    char low[32], high[32];
    switch (param->type) {
    case PARAM_TYPE_U64:
    case PARAM_TYPE_NS:
        params_quantity(param->type, param->min, low, sizeof low);
        params_quantity(param->type, param->max, high, sizeof high);
        if (param->max == UINT64_MAX)
            snprintf(buffer, size, "%s or more", low);
        else
            snprintf(buffer, size, "%s to %s", low, high);
        break;
    case PARAM_TYPE_BOOL:
        snprintf(buffer, size, "yes or no");
        break;
    case PARAM_TYPE_CHOICE:
        params_choices(param, " | ", buffer, size);
        break;
    case PARAM_TYPE_TEXT:
        snprintf(buffer, size, "text");
        break;
    }
    return buffer;
}

// What `presets`, as in "name=value,...", give to a parameter; 0 characters: nothing.
static int preset_length(const char *presets, const char *name, const char **value)
{
    const size_t length = strlen(name);
    for (const char *at = presets; at && *at; at += strcspn(at, ","), at += *at == ',') {
        if (strncmp(at, name, length) != 0 || at[length] != '=')
            continue;
        *value = at + length + 1;
        return (int)strcspn(*value, ",");
    }
    return 0;
}

static void print_default(struct table *lines, const struct param *param, const char *presets)
{
    const char *value;
    const int length = preset_length(presets, param->name, &value);
    if (length > 0)
        table_cell(lines, "%.*s, fixed", length, value);
    else
        table_cell(lines, "%s", *param->initial ? param->initial : "-");
}

void params_print(const struct param *table, const char *presets, FILE *out)
{
    if (!table->name) {
        fputs("  none\n", out);
        return;
    }
    struct table lines;
    table_init(&lines, 5);
    const char *const headings[] = {"name", "default", "range", "unit", "meaning"};
    for (unsigned i = 0; i < lines.columns; i++)
        table_cell(&lines, "%s", headings[i]);
    for (const struct param *param = table; param->name; param++) {
        char range[256];
        table_cell(&lines, "%s", param->name);
        print_default(&lines, param, presets);
        table_cell(&lines, "%s", params_range(param, range, sizeof range));
        table_cell(&lines, "%s", *param->unit ? param->unit : "-");
        table_cell(&lines, "%s", param->help);
    }
    if (table_print(&lines, out, 2) != 0)
        fputs("  (no memory to show them)\n", out);
}
