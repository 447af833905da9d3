// SPDX-License-Identifier: Apache-2.0
#include "core/run/params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// A unit that may follow a number, as a power of ten.
struct suffix {
    const char *text;
    unsigned exponent;
};

static const struct suffix count_suffixes[] = {{"", 0}, {"k", 3}, {"M", 6}, {"G", 9}, {NULL, 0}};
static const struct suffix time_suffixes[] = {{"", 0}, {"ns", 0}, {"us", 3}, {"ms", 6}, {"s", 9}, {NULL, 0}};
static const char *const bool_names[][2] = {{"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};

static uint64_t *number_at(const struct param *param, const void *config)
{
    return (uint64_t *)((char *)config + param->offset);
}

static const char **text_at(const struct param *param, const void *config)
{
    return (const char **)((char *)config + param->offset);
}

// Reads digits, and digits behind a point, into one whole number. 0, or -ERANGE when they do not fit.
static int read_digits(const char **text, uint64_t *digits, unsigned *decimals)
{
    int result = 0;
    bool point = false;
    *digits = 0;
    *decimals = 0;
    for (; (**text >= '0' && **text <= '9') || (**text == '.' && !point); (*text)++) {
        if (**text == '.') {
            point = true;
            continue;
        }
        *decimals += point;
        if (__builtin_mul_overflow(*digits, 10, digits) || __builtin_add_overflow(*digits, **text - '0', digits))
            result = -ERANGE;
    }
    return point && *decimals == 0 ? -EINVAL : result;
}

// Moves the decimal point; -ERANGE when the value does not fit, -EINVAL when it is not whole.
static int scale(uint64_t *value, unsigned exponent, unsigned decimals)
{
    for (; exponent > decimals; exponent--) {
        if (__builtin_mul_overflow(*value, 10, value))
            return -ERANGE;
    }
    for (; decimals > exponent; decimals--) {
        if (*value % 10 != 0)
            return -EINVAL;
        *value /= 10;
    }
    return 0;
}

// -EINVAL: not a number; -ERANGE: a number, but negative or too large to hold.
static int read_number(enum param_type type, const char *text, uint64_t *value)
{
    const bool negative = *text == '-';
    text += negative;
    if (*text < '0' || *text > '9')
        return -EINVAL;
    unsigned decimals;
    const int fits = read_digits(&text, value, &decimals);
    if (fits == -EINVAL)
        return -EINVAL;
    const struct suffix *suffix = type == PARAM_TYPE_NS ? time_suffixes : count_suffixes;
    while (suffix->text && strcmp(suffix->text, text) != 0)
        suffix++;
    if (!suffix->text)
        return -EINVAL;
    if (fits != 0 || negative)
        return -ERANGE;
    return scale(value, suffix->exponent, decimals);
}

int params_number(enum param_type type, const char *text, uint64_t *value)
{
    uint64_t read;
    if (read_number(type, text, &read) != 0)
        return -EINVAL;
    *value = read;
    return 0;
}

static int refuse_range(const struct param *param, const char *what, const char *value, struct fault *fault)
{
    char low[32], high[32];
    params_quantity(param->type, param->min, low, sizeof low);
    params_quantity(param->type, param->max, high, sizeof high);
    const bool has_unit = param->type == PARAM_TYPE_U64 && param->unit && *param->unit;
    const char *space = has_unit ? " " : "";
    const char *unit = has_unit ? param->unit : "";
    if (param->max == UINT64_MAX)
        return fault_set(fault, -EINVAL, "%s must be at least %s%s%s and fit into 64 bits, not %s", what, low, space,
                         unit, value);
    return fault_set(fault, -EINVAL, "%s must be between %s and %s%s%s, not %s", what, low, high, space, unit, value);
}

static int set_number(const struct param *param, void *config, const char *what, const char *text, struct fault *fault)
{
    uint64_t value = 0;
    const int result = read_number(param->type, text, &value);
    if (result == -ERANGE || (result == 0 && (value < param->min || value > param->max)))
        return refuse_range(param, what, text, fault);
    if (result != 0 && param->type == PARAM_TYPE_NS)
        return fault_set(fault, -EINVAL,
                         "%s must be a time in whole nanoseconds, such as 250ns, 1.5us, 10ms or 2s, not '%s'", what,
                         text);
    if (result != 0)
        return fault_set(fault, -EINVAL, "%s must be a whole number, such as 64, 4k, 2M or 1G, not '%s'", what, text);
    *number_at(param, config) = value;
    return 0;
}

static int set_bool(const struct param *param, void *config, const char *what, const char *text, struct fault *fault)
{
    for (size_t i = 0; i < sizeof bool_names / sizeof bool_names[0]; i++) {
        for (unsigned value = 0; value < 2; value++) {
            if (strcmp(text, bool_names[i][value]) == 0) {
                *number_at(param, config) = value;
                return 0;
            }
        }
    }
    return fault_set(fault, -EINVAL, "%s must be yes or no, not '%s'", what, text);
}

static int set_choice(const struct param *param, void *config, const char *what, const char *text, struct fault *fault)
{
    for (uint64_t i = 0; param->choices[i]; i++) {
        if (strcmp(text, param->choices[i]) == 0) {
            *number_at(param, config) = i;
            return 0;
        }
    }
    char known[256];
    params_choices(param, ", ", known, sizeof known);
    return fault_set(fault, -EINVAL, "%s must be one of %s, not '%s'", what, known, text);
}

// A semicolon would make the record's parameter lists ambiguous; other bytes may not survive JSON and CSV.
static int set_text(const struct param *param, void *config, const char *what, const char *text, struct fault *fault)
{
    for (const char *at = text; *at; at++) {
        if (*at < ' ' || *at > '~' || *at == ';')
            return fault_set(fault, -EINVAL, "%s must be a text of printable ASCII characters without a semicolon",
                             what);
    }
    char *copy = strdup(text);
    if (!copy)
        return fault_set(fault, -ENOMEM, "no memory for a parameter");
    free((char *)*text_at(param, config));
    *text_at(param, config) = copy;
    return 0;
}

static int set_value(const struct param *param, void *config, const char *what, const char *text, struct fault *fault)
{
    switch (param->type) {
    case PARAM_TYPE_U64:
    case PARAM_TYPE_NS:
        return set_number(param, config, what, text, fault);
    case PARAM_TYPE_BOOL:
        return set_bool(param, config, what, text, fault);
    case PARAM_TYPE_CHOICE:
        return set_choice(param, config, what, text, fault);
    case PARAM_TYPE_TEXT:
        return set_text(param, config, what, text, fault);
    }
    return fault_set(fault, -EINVAL, "%s is declared with an unknown type", what);
}

int params_defaults(const struct param *table, void *config, struct fault *fault)
{
    for (const struct param *param = table; param->name; param++) {
        if (param->type == PARAM_TYPE_TEXT)
            *text_at(param, config) = NULL;
    }
    for (const struct param *param = table; param->name; param++) {
        char what[96];
        snprintf(what, sizeof what, "the default of %s", param->name);
        const int result = set_value(param, config, what, param->initial, fault);
        if (result != 0) {
            params_free(table, config);
            return result;
        }
    }
    return 0;
}

static int refuse_name(const struct param *table, const char *owner, const char *name, struct fault *fault)
{
    char known[512] = "";
    size_t used = 0;
    for (const struct param *param = table; param->name && used < sizeof known; param++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", param == table ? "" : ", ", param->name);
    if (used == 0)
        return fault_set(fault, -EINVAL, "%s: there is no parameter '%s'; it takes none", owner, name);
    return fault_set(fault, -EINVAL, "%s: there is no parameter '%s'; known are %s", owner, name, known);
}

static const struct param *find(const struct param *table, const char *name)
{
    while (table->name && strcmp(table->name, name) != 0)
        table++;
    return table->name ? table : NULL;
}

int params_set(const struct param *table, void *config, const char *owner, const char *name, const char *value,
               struct fault *fault)
{
    const struct param *param = find(table, name);
    if (!param)
        return refuse_name(table, owner, name, fault);
    char what[160];
    snprintf(what, sizeof what, "%s: %s", owner, name);
    return set_value(param, config, what, value, fault);
}

int params_set_as(const struct param *table, void *config, const char *what, const char *name, const char *value,
                  struct fault *fault)
{
    const struct param *param = find(table, name);
    return param ? set_value(param, config, what, value, fault) : refuse_name(table, what, name, fault);
}

// Which parameters were set already: by this text (*seen), or for good (fixed), a bit each.
struct taken {
    uint64_t seen;
    uint64_t fixed;
};

static int set_pair(const struct param *table, void *config, const char *owner, char *pair, struct taken *taken,
                    struct fault *fault)
{
    char *value = strchr(pair, '=');
    if (!value || value == pair)
        return fault_set(fault, -EINVAL, "%s: '%s' is not a parameter as name=value", owner, pair);
    *value++ = '\0';
    const struct param *param = find(table, pair);
    if (!param)
        return refuse_name(table, owner, pair, fault);
    const uint64_t bit = UINT64_C(1) << (param - table);
    if (taken->fixed & bit) {
        char is[64];
        return fault_set(fault, -EINVAL, "%s: this name stands for %s=%s, which can't be set again", owner, pair,
                         params_value(param, config, is, sizeof is));
    }
    if (taken->seen & bit)
        return fault_set(fault, -EINVAL, "%s: %s is given twice", owner, pair);
    taken->seen |= bit;
    return params_set(table, config, owner, pair, value, fault);
}

static int set_pairs(const struct param *table, void *config, const char *owner, const char *text, struct taken *taken,
                     struct fault *fault)
{
    if (*text == '\0')
        return 0;
    char *copy = strdup(text);
    if (!copy)
        return fault_set(fault, -ENOMEM, "no memory for the parameters of %s", owner);
    int result = 0;
    char *rest = copy;
    for (char *pair = strsep(&rest, ","); pair && result == 0; pair = strsep(&rest, ","))
        result = set_pair(table, config, owner, pair, taken, fault);
    free(copy);
    return result;
}

int params_set_all(const struct param *table, void *config, const char *owner, const char *text, struct fault *fault)
{
    struct taken taken = {0, 0};
    return set_pairs(table, config, owner, text, &taken, fault);
}

void params_free(const struct param *table, void *config)
{
    for (const struct param *param = table; param->name; param++) {
        if (param->type != PARAM_TYPE_TEXT)
            continue;
        free((char *)*text_at(param, config));
        *text_at(param, config) = NULL;
    }
}

int params_new(const struct param *table, size_t size, const char *owner, const char *presets, const char *text,
               void **config, struct fault *fault)
{
    void *fresh = calloc(1, size ? size : 1);
    if (!fresh)
        return fault_set(fault, -ENOMEM, "no memory for the parameters of %s", owner);
    int result = params_defaults(table, fresh, fault);
    if (result != 0)
        goto free_memory;
    struct taken taken = {0, 0};
    result = set_pairs(table, fresh, owner, presets, &taken, fault);
    taken = (struct taken){.fixed = taken.seen};
    if (result == 0)
        result = set_pairs(table, fresh, owner, text, &taken, fault);
    if (result != 0)
        goto free_texts;
    *config = fresh;
    return 0;

free_texts:
    params_free(table, fresh);
free_memory:
    free(fresh);
    return result;
}

void params_delete(const struct param *table, void *config)
{
    if (!config)
        return;
    params_free(table, config);
    free(config);
}
