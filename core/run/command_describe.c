// SPDX-License-Identifier: Apache-2.0
// `readyq describe NAME`: all about one plug-in, whatever its kind.
#include <errno.h>
#include <string.h>

#include "core/registry.h"
#include "core/run/commands.h"
#include "core/run/params.h"
#include "core/run/plugin.h"
#include "core/run/table.h"
#include "core/run/traits.h"

static void print_head(const char *kind, const char *name, const char *summary, const char *source)
{
    printf("%s, %s: %s\n\nsource\n  %s\n", name, kind, summary, source);
}

static int print_traits(const struct trait_text *traits)
{
    struct table table;
    table_init(&table, 2);
    for (const struct trait_text *trait = traits; trait->name; trait++) {
        table_cell(&table, "%s", trait->name);
        table_cell(&table, "%s", trait->value);
    }
    puts("\ntraits, with every parameter at its default");
    return table_print(&table, stdout, 2);
}

static int describe_queue(const struct queue_entry *entry, struct fault *fault)
{
    struct queue_choice choice;
    if (queue_choice_plain(&choice, entry, fault) != 0)
        return -EINVAL;
    print_head("a queue", entry->name, entry->ops->summary, entry->ops->source);
    if (entry->package)
        printf("  from %s %s\n", entry->package, entry->version);
    if (entry->broken)
        printf("  BROKEN: %s\n", entry->broken);
    if (entry->alias_of)
        printf("\nalias\n  of %s, with %s\n", entry->alias_of, entry->presets);
    struct trait_text traits[TRAITS_MOST + 1];
    traits_of_queue(&choice.traits, traits);
    const int result = print_traits(traits);
    char native[256], emulated[256];
    printf("\noptional operations\n  native    %s\n  emulated  %s\n",
           traits_optional(entry->ops, true, native, sizeof native),
           traits_optional(entry->ops, false, emulated, sizeof emulated));
    puts("\nparameters");
    params_print(entry->ops->params, entry->presets, stdout);
    queue_choice_fini(&choice);
    return result;
}

static void print_lacks(const struct pool_ops *ops, const struct pool_traits *traits)
{
    const char *names[LACKS_MOST + 1];
    traits_pool_lacks(ops, traits, names);
    fputs("\nlacks, of what workloads may need\n  ", stdout);
    for (unsigned i = 0; names[i]; i++)
        printf("%s%s", i ? ", " : "", names[i]);
    puts(names[0] ? "" : "nothing");
}

static int describe_pool(const struct pool_entry *entry, struct fault *fault)
{
    struct pool_traits traits;
    if (traits_of_pool_entry(entry, &traits, fault) != 0)
        return -EINVAL;
    print_head("a pool", entry->name, entry->ops->summary, entry->ops->source);
    if (entry->package)
        printf("  from %s %s\n", entry->package, entry->version);
    if (entry->alias_of)
        printf("\nalias\n  of %s, with %s\n  and, where no queue is named, the job queue %s and the ready queue %s\n",
               entry->alias_of, entry->presets, entry->job_queue, entry->ready_queue);
    struct trait_text texts[TRAITS_MOST + 1];
    traits_of_pool(entry->ops, &traits, texts);
    const int result = print_traits(texts);
    print_lacks(entry->ops, &traits);
    puts("\nparameters");
    params_print(entry->ops->params, entry->presets, stdout);
    return result;
}

static void describe_workload(const struct workload_ops *ops)
{
    print_head(ops->subject == WORKLOAD_ON_QUEUE ? "a workload on a queue" : "a workload on a pool", ops->name,
               ops->summary, ops->source);
    printf("\ncounts\n  %s\n\nchecks\n  %s\n\nlatencies\n  ", ops->operation, ops->checks);
    for (unsigned i = 0; i < WORKLOAD_STAGES_MAX && ops->stages[i]; i++)
        printf("%s%s", i > 0 ? ", " : "", ops->stages[i]);
    puts(ops->stages[0] ? "" : "none");
    puts("\nparameters");
    params_print(ops->params, NULL, stdout);
}

// What is not built is known all the same; the sentence says what it needs.
static bool is_queue(const char *name)
{
    if (plugin_is_path(name))
        return true;
    const struct queue_entry *entry = queue_list;
    while (entry->name && strcmp(entry->name, name) != 0)
        entry++;
    return entry->name;
}

static bool is_pool(const char *name)
{
    const struct pool_entry *entry = pool_list;
    while (entry->name && strcmp(entry->name, name) != 0)
        entry++;
    return entry->name;
}

static void add_name(char *known, size_t size, const char *name)
{
    const size_t used = strlen(known);
    snprintf(known + used, size - used, "%s%s", used ? ", " : "", name);
}

static int refuse_name(const char *name, struct fault *fault)
{
    if (strchr(name, ':'))
        return fault_set(fault, -EINVAL, "'%.100s' has parameters, but describe takes the name alone: '%.*s'", name,
                         (int)strcspn(name, ":"), name);
    char known[1400] = "";
    for (const struct queue_entry *entry = queue_list; entry->name; entry++)
        add_name(known, sizeof known, entry->name);
    for (const struct workload_ops *const *ops = workload_list; *ops; ops++)
        add_name(known, sizeof known, (*ops)->name);
    for (const struct pool_entry *entry = pool_list; entry->name; entry++)
        add_name(known, sizeof known, entry->name);
    return fault_set(fault, -EINVAL, "there is no queue, workload or pool '%.100s'; known are %s", name, known);
}

// Kinds have names of their own: a pool and a queue of one name are both described.
static int describe(const char *name, struct fault *fault)
{
    int result = 0;
    unsigned found = 0;
    if (is_queue(name)) {
        const struct queue_entry *entry = registry_queue(name, fault);
        result = entry ? describe_queue(entry, fault) : -EINVAL;
        found++;
    }
    if (result == 0 && is_pool(name)) {
        const struct pool_entry *entry = registry_pool(name, fault);
        fputs(found++ ? "\n" : "", stdout);
        result = entry ? describe_pool(entry, fault) : -EINVAL;
    }
    const struct workload_ops *ops = registry_workload(name, NULL);
    if (result == 0 && ops) {
        fputs(found++ ? "\n" : "", stdout);
        describe_workload(ops);
    }
    return result == 0 && found == 0 ? refuse_name(name, fault) : result;
}

static error_t take_word(int key, char *argument, struct argp_state *state)
{
    const char **name = state->input;
    if (key == ARGP_KEY_NO_ARGS)
        argp_error(state, "the NAME of a queue, workload or pool is missing; 'readyq list' shows them");
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (*name)
        argp_error(state, "one NAME is enough, but '%s' follows '%s'", argument, *name);
    *name = argument;
    return 0;
}

int command_describe(struct command_call *call, struct fault *fault)
{
    char help[256];
    snprintf(help, sizeof help,
             "Describes a queue, workload or pool: source, traits and parameters.\v"
             "Example:\n  readyq describe %s",
             queue_list[0].name);
    const struct argp argp = {.parser = take_word, .args_doc = "NAME", .doc = help};
    const char *name = NULL;
    const int result = command_words(call, &argp, &name, fault);
    return result == 0 ? describe(name, fault) : result;
}
