// SPDX-License-Identifier: Apache-2.0
// `readyq list`: which plug-ins there are. For people as tables, for scripts as one JSON object.
#include <errno.h>
#include <string.h>

#include "core/registry.h"
#include "core/run/commands.h"
#include "core/run/params.h"
#include "core/run/plugin.h"
#include "core/run/table.h"
#include "core/run/traits.h"

enum kind { KIND_QUEUES, KIND_WORKLOADS, KIND_POOLS, KINDS };

static const char *const kind_names[] = {"queues", "workloads", "pools"};

#define PLUGINS_MOST 64u

struct wish {
    bool wanted[KINDS];
    bool json;
    const char *paths[PLUGINS_MOST];                 // of shared objects
    const struct queue_entry *plugins[PLUGINS_MOST]; // their queues, listed behind the others
    unsigned plugin_count;
};

static void headings(struct table *table, const char *const *names)
{
    for (unsigned i = 0; i < table->columns; i++)
        table_cell(table, "%s", names[i]);
}

// In a word; the notes below the table say more.
static const char *verdict(const struct queue_entry *entry)
{
    if (!entry->ops)
        return "not built";
    if (entry->broken)
        return "BROKEN";
    if (plugin_is_from_file(entry))
        return "not checked";
    return entry->ops->traits.baseline ? "baseline" : "ok";
}

static int queue_row(struct table *table, const struct queue_entry *entry, struct fault *fault)
{
    struct queue_choice choice = {0};
    if (entry->ops && queue_choice_plain(&choice, entry, fault) != 0)
        return -EINVAL;
    struct trait_text traits[TRAITS_MOST + 1];
    traits_of_queue(&choice.traits, traits);
    table_cell(table, "%s", entry->name);
    for (unsigned i = 0; i + 2 < table->columns; i++)
        table_cell(table, "%s", entry->ops ? traits[i].value : "-");
    table_cell(table, "%s", verdict(entry));
    queue_choice_fini(&choice);
    return 0;
}

#define LEFT_OUT "not built: left out of this build, which cmake says why (%s is installed)"
#define NOT_INSTALLED "not built: apt-get install %s"

// Where a queue comes from, or why it is not there. A version of what is not built: the library is there, and this
// build leaves it out.
static void queue_source(struct table *table, const struct queue_entry *entry)
{
    table_cell(table, "%s", entry->name);
    if (!entry->ops && entry->version)
        table_cell(table, LEFT_OUT, entry->package);
    else if (!entry->ops)
        table_cell(table, NOT_INSTALLED, entry->package);
    else if (entry->alias_of)
        table_cell(table, "is %s:%s", entry->alias_of, entry->presets);
    else if (entry->broken)
        table_cell(table, "%s; %s %s; BROKEN: %s", entry->ops->source, entry->package, entry->version, entry->broken);
    else if (entry->package)
        table_cell(table, "%s; %s %s", entry->ops->source, entry->package, entry->version);
    else
        table_cell(table, "%s", entry->ops->source);
}

static int print_queues(const struct wish *wish, struct fault *fault)
{
    static const char *const names[] = {"queue",   "producers", "consumers", "capacity",    "order",
                                        "enqueue", "dequeue",   "exact",     "reclamation", "verdict"};
    struct table table;
    table_init(&table, sizeof names / sizeof names[0]);
    headings(&table, names);
    int result = 0;
    for (const struct queue_entry *entry = queue_list; entry->name && result == 0; entry++)
        result = queue_row(&table, entry, fault);
    for (unsigned i = 0; i < wish->plugin_count && result == 0; i++)
        result = queue_row(&table, wish->plugins[i], fault);
    const int printed = table_print(&table, stdout, 0);
    return result == 0 ? printed : result;
}

// A table of its own, since sources are long and a terminal has 160 columns.
static int print_sources(const struct wish *wish)
{
    static const char *const names[] = {"queue", "source"};
    struct table table;
    table_init(&table, sizeof names / sizeof names[0]);
    headings(&table, names);
    for (const struct queue_entry *entry = queue_list; entry->name; entry++)
        queue_source(&table, entry);
    for (unsigned i = 0; i < wish->plugin_count; i++)
        queue_source(&table, wish->plugins[i]);
    fputc('\n', stdout);
    return table_print(&table, stdout, 0);
}

static void stages_text(const struct workload_ops *ops, char *buffer, size_t size)
{
    size_t used = 0;
    snprintf(buffer, size, "-");
    for (unsigned i = 0; i < WORKLOAD_STAGES_MAX && ops->stages[i] && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", used ? ", " : "", ops->stages[i]);
}

static int print_workloads(void)
{
    static const char *const names[] = {"workload", "on a", "counts", "latencies", "summary"};
    struct table table;
    table_init(&table, sizeof names / sizeof names[0]);
    headings(&table, names);
    for (const struct workload_ops *const *ops = workload_list; *ops; ops++) {
        char stages[160];
        stages_text(*ops, stages, sizeof stages);
        table_cell(&table, "%s", (*ops)->name);
        table_cell(&table, "%s", (*ops)->subject == WORKLOAD_ON_QUEUE ? "queue" : "pool");
        table_cell(&table, "%s", (*ops)->operation);
        table_cell(&table, "%s", stages);
        table_cell(&table, "%s", (*ops)->summary);
    }
    return table_print(&table, stdout, 0);
}

static int pool_row(struct table *table, const struct pool_entry *entry, struct fault *fault)
{
    struct trait_text texts[TRAITS_MOST + 1];
    struct pool_traits traits;
    if (entry->ops && traits_of_pool_entry(entry, &traits, fault) != 0)
        return -EINVAL;
    if (entry->ops)
        traits_of_pool(entry->ops, &traits, texts);
    table_cell(table, "%s", entry->name);
    for (unsigned i = 0; i + 2 < table->columns; i++)
        table_cell(table, "%s", entry->ops ? texts[i].value : "-");
    table_cell(table, "%s", entry->ops ? entry->ops->summary : "not built");
    return 0;
}

// "keys, order", of a pool that is built.
static int lacks_text(const struct pool_entry *entry, char *buffer, size_t size, struct fault *fault)
{
    struct pool_traits traits;
    if (traits_of_pool_entry(entry, &traits, fault) != 0)
        return -EINVAL;
    const char *names[LACKS_MOST + 1];
    traits_pool_lacks(entry->ops, &traits, names);
    size_t used = 0;
    snprintf(buffer, size, "nothing");
    for (unsigned i = 0; names[i] && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", used ? ", " : "", names[i]);
    return 0;
}

// As of queues.
static int pool_source(struct table *table, const struct pool_entry *entry, struct fault *fault)
{
    char lacks[160] = "-";
    if (entry->ops && lacks_text(entry, lacks, sizeof lacks, fault) != 0)
        return -EINVAL;
    table_cell(table, "%s", entry->name);
    table_cell(table, "%s", lacks);
    if (!entry->ops && entry->version)
        table_cell(table, LEFT_OUT, entry->package);
    else if (!entry->ops)
        table_cell(table, NOT_INSTALLED, entry->package);
    else if (entry->alias_of)
        table_cell(table, "is %s:%s, with the job queue %s and the ready queue %s", entry->alias_of, entry->presets,
                   entry->job_queue, entry->ready_queue);
    else if (entry->package)
        table_cell(table, "%s; %s %s", entry->ops->source, entry->package, entry->version);
    else
        table_cell(table, "%s", entry->ops->source);
    return 0;
}

static int print_pools(struct fault *fault)
{
    static const char *const names[] = {"pool",         "keys",      "order", "completes on", "takes queues",
                                        "workers from", "externals", "ports", "job capacity", "summary"};
    static const char *const more[] = {"pool", "lacks", "source"};
    struct table table, sources;
    table_init(&table, sizeof names / sizeof names[0]);
    table_init(&sources, sizeof more / sizeof more[0]);
    headings(&table, names);
    headings(&sources, more);
    int result = 0;
    for (const struct pool_entry *entry = pool_list; entry->name && result == 0; entry++) {
        result = pool_row(&table, entry, fault);
        if (result == 0)
            result = pool_source(&sources, entry, fault);
    }
    const int printed = table_print(&table, stdout, 0);
    fputc('\n', stdout);
    const int printed_sources = table_print(&sources, stdout, 0);
    return result ? result : printed ? printed : printed_sources;
}

static const char *const type_names[] = {"u64", "ns", "bool", "choice", "text"};

static json_t *params_json(const struct param *table)
{
    json_t *all = json_array();
    for (const struct param *param = table; param && param->name; param++) {
        json_t *one = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", param->name, "type", type_names[param->type],
                                "default", param->initial, "unit", param->unit, "help", param->help);
        if (param->type == PARAM_TYPE_U64 || param->type == PARAM_TYPE_NS) {
            json_object_set_new(one, "min", json_integer((json_int_t)param->min));
            if (param->max <= INT64_MAX) // JSON's integers end here; no max means that there is none
                json_object_set_new(one, "max", json_integer((json_int_t)param->max));
        }
        if (param->type == PARAM_TYPE_CHOICE) {
            json_t *choices = json_array();
            for (const char *const *choice = param->choices; *choice; choice++)
                json_array_append_new(choices, json_string(*choice));
            json_object_set_new(one, "choices", choices);
        }
        json_array_append_new(all, one);
    }
    return all;
}

static json_t *queue_json(const struct queue_entry *entry, struct fault *fault)
{
    json_t *one = json_pack("{s:s, s:b, s:s?, s:s, s:s?, s:s?, s:s?}", "name", entry->name, "built", entry->ops != NULL,
                            "alias_of", entry->alias_of, "presets", entry->presets, "package", entry->package,
                            "version", entry->version, "broken", entry->broken);
    struct queue_choice choice;
    if (!entry->ops || queue_choice_plain(&choice, entry, fault) != 0)
        return one;
    json_object_set_new(one, "summary", json_string(entry->ops->summary));
    json_object_set_new(one, "source", json_string(entry->ops->source));
    json_object_set_new(one, "traits", traits_queue_json(&choice.traits));
    json_object_set_new(one, "params", params_json(entry->ops->params));
    queue_choice_fini(&choice);
    return one;
}

static json_t *workload_json(const struct workload_ops *ops)
{
    json_t *stages = json_array();
    for (unsigned i = 0; i < WORKLOAD_STAGES_MAX && ops->stages[i]; i++)
        json_array_append_new(stages, json_string(ops->stages[i]));
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "name", ops->name, "summary", ops->summary, "source",
                     ops->source, "subject", ops->subject == WORKLOAD_ON_QUEUE ? "queue" : "pool", "operation",
                     ops->operation, "checks", ops->checks, "stages", stages, "params", params_json(ops->params));
}

static json_t *lacks_json(const struct pool_ops *ops, const struct pool_traits *traits)
{
    const char *names[LACKS_MOST + 1];
    traits_pool_lacks(ops, traits, names);
    json_t *lacks = json_array();
    for (unsigned i = 0; names[i]; i++)
        json_array_append_new(lacks, json_string(names[i]));
    return lacks;
}

static json_t *pool_json(const struct pool_entry *entry, struct fault *fault)
{
    json_t *one =
        json_pack("{s:s, s:b, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?}", "name", entry->name, "built", entry->ops != NULL,
                  "alias_of", entry->alias_of, "presets", entry->presets, "job_queue", entry->job_queue, "ready_queue",
                  entry->ready_queue, "package", entry->package, "version", entry->version);
    struct pool_traits traits;
    if (!entry->ops || traits_of_pool_entry(entry, &traits, fault) != 0)
        return one;
    json_object_set_new(one, "summary", json_string(entry->ops->summary));
    json_object_set_new(one, "source", json_string(entry->ops->source));
    json_object_set_new(one, "traits", traits_pool_json(entry->ops, &traits));
    json_object_set_new(one, "lacks", lacks_json(entry->ops, &traits));
    json_object_set_new(one, "params", params_json(entry->ops->params));
    return one;
}

static int print_json(const struct wish *wish, struct fault *fault)
{
    json_t *lists[KINDS] = {json_array(), json_array(), json_array()};
    for (const struct queue_entry *entry = queue_list; entry->name; entry++)
        json_array_append_new(lists[KIND_QUEUES], queue_json(entry, fault));
    for (unsigned i = 0; i < wish->plugin_count; i++)
        json_array_append_new(lists[KIND_QUEUES], queue_json(wish->plugins[i], fault));
    for (const struct workload_ops *const *ops = workload_list; *ops; ops++)
        json_array_append_new(lists[KIND_WORKLOADS], workload_json(*ops));
    for (const struct pool_entry *entry = pool_list; entry->name; entry++)
        json_array_append_new(lists[KIND_POOLS], pool_json(entry, fault));
    json_t *all = json_object();
    for (unsigned i = 0; i < KINDS; i++) {
        if (wish->wanted[i])
            json_object_set(all, kind_names[i], lists[i]);
        json_decref(lists[i]);
    }
    const int result = fault->text[0] ? -1 : json_dumpf(all, stdout, JSON_INDENT(2));
    json_decref(all);
    fputc('\n', stdout);
    return result == 0 ? 0 : fault_set(fault, -EIO, "the list can't be written: %s", strerror(errno));
}

static int print_tables(const struct wish *wish, struct fault *fault)
{
    const char *between = "";
    int result = 0;
    for (unsigned i = 0; i < KINDS && result == 0; i++) {
        if (!wish->wanted[i])
            continue;
        fputs(between, stdout);
        between = "\n";
        result = i == KIND_QUEUES      ? print_queues(wish, fault)
                 : i == KIND_WORKLOADS ? print_workloads()
                                       : print_pools(fault);
        if (i == KIND_QUEUES && result == 0)
            result = print_sources(wish);
    }
    return result;
}

static error_t take_word(int key, char *argument, struct argp_state *state)
{
    struct wish *wish = state->input;
    if (key == 'j') {
        wish->json = true;
        return 0;
    }
    if (key == ARGP_KEY_NO_ARGS)
        memset(wish->wanted, true, sizeof wish->wanted);
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    for (unsigned i = 0; i < KINDS; i++) {
        if (strcmp(argument, kind_names[i]) == 0) {
            wish->wanted[i] = true;
            return 0;
        }
    }
    if (plugin_is_path(argument) && wish->plugin_count < PLUGINS_MOST) {
        wish->paths[wish->plugin_count++] = argument;
        wish->wanted[KIND_QUEUES] = true;
        return 0;
    }
    argp_error(state, "there is no list of '%s'; known are queues, workloads, pools", argument);
    return EINVAL;
}

int command_list(struct command_call *call, struct fault *fault)
{
    static const struct argp_option options[] = {
        {"json", 'j', NULL, 0, "For scripts: one JSON object, with all parameters", 0}, {0}};
    static const struct argp argp = {.options = options,
                                     .parser = take_word,
                                     .args_doc = "[queues] [workloads] [pools] [./QUEUE.so...]",
                                     .doc =
                                         "Lists the plug-ins and what each promises; without a word, all of them.\v"
                                         "The verdict on a queue: ok, it keeps its promises as far as 'readyq check' "
                                         "can tell; BROKEN, it is known not to; baseline, it is no queue.\n\n"
                                         "Examples:\n  readyq list queues\n  readyq list --json"};
    struct wish wish = {0};
    const int result = command_words(call, &argp, &wish, fault);
    if (result != 0)
        return result;
    for (unsigned i = 0; i < wish.plugin_count; i++) {
        wish.plugins[i] = plugin_queue(wish.paths[i], fault);
        if (!wish.plugins[i])
            return -EINVAL;
    }
    return wish.json ? print_json(&wish, fault) : print_tables(&wish, fault);
}
