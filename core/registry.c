// SPDX-License-Identifier: Apache-2.0
// Finds plug-ins by name, and holds the lists against each other. What one plug-in must be: core/run/registry_check.c.
#include "core/registry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/run/params.h"
#include "core/run/plugin.h"
#include "core/run/run.h"

// Names for a sentence; what does not fit ends in "...".
struct names {
    char text[1400];
    size_t used;
};

static void names_add(struct names *names, const char *name)
{
    const size_t room = sizeof names->text - names->used;
    const int length = snprintf(names->text + names->used, room, "%s%s", names->used ? ", " : "", name);
    if ((size_t)length < room)
        names->used += (size_t)length;
    else
        memcpy(names->text + sizeof names->text - 4, "...", 4);
}

const struct queue_entry *registry_queue(const char *name, struct fault *fault)
{
    if (plugin_is_path(name))
        return plugin_queue(name, fault);
    struct names known = {.used = 0};
    for (const struct queue_entry *entry = queue_list; entry->name; entry++) {
        if (strcmp(entry->name, name) != 0) {
            names_add(&known, entry->name);
            continue;
        }
        if (!entry->ops)
            fault_set(fault, -EINVAL, "queue %s is not built; install the package %s and build again", name,
                      entry->package);
        return entry->ops ? entry : NULL;
    }
    if (strstr(name, ".so"))
        fault_set(fault, -EINVAL, "there is no queue '%s'; a shared object is named by a path, as in ./%s", name, name);
    else
        fault_set(fault, -EINVAL, "there is no queue '%s'; known are %s", name, known.text);
    return NULL;
}

const struct pool_entry *registry_pool(const char *name, struct fault *fault)
{
    struct names known = {.used = 0};
    for (const struct pool_entry *entry = pool_list; entry->name; entry++) {
        if (strcmp(entry->name, name) != 0) {
            names_add(&known, entry->name);
            continue;
        }
        if (!entry->ops)
            fault_set(fault, -EINVAL, "pool %s is not built; install the package %s and build again", name,
                      entry->package);
        return entry->ops ? entry : NULL;
    }
    fault_set(fault, -EINVAL, "there is no pool '%s'; known are %s", name, known.text);
    return NULL;
}

const struct workload_ops *registry_workload(const char *name, struct fault *fault)
{
    struct names known = {.used = 0};
    for (const struct workload_ops *const *ops = workload_list; *ops; ops++) {
        if (strcmp((*ops)->name, name) == 0)
            return *ops;
        names_add(&known, (*ops)->name);
    }
    fault_set(fault, -EINVAL, "there is no workload '%s'; known are %s", name, known.text);
    return NULL;
}

// An alias is another name for a queue that is listed before it, with presets that this queue can read.
static int check_alias(const struct queue_entry *list, const struct queue_entry *alias, struct fault *fault)
{
    const struct queue_entry *target = list;
    while (target != alias && strcmp(target->name, alias->alias_of) != 0)
        target++;
    if (target == alias || target->ops != alias->ops || target->alias_of)
        return fault_set(fault, -EINVAL, "queue %s: it is an alias of %s, which is no queue listed before it",
                         alias->name, alias->alias_of);
    if (!alias->ops)
        return 0;
    char owner[96];
    snprintf(owner, sizeof owner, "queue %s", alias->name);
    void *config;
    const int result =
        params_new(alias->ops->params, alias->ops->config_size, owner, alias->presets, "", &config, fault);
    if (result != 0)
        return result;
    params_delete(alias->ops->params, config);
    return 0;
}

static int check_queue_entry(const struct queue_entry *list, const struct queue_entry *entry, struct fault *fault)
{
    for (const struct queue_entry *other = list; other != entry; other++) {
        if (strcmp(other->name, entry->name) == 0)
            return fault_set(fault, -EINVAL, "queue %s: the name is listed twice", entry->name);
    }
    if (!entry->ops && !entry->package)
        return fault_set(fault, -EINVAL, "queue %s: it is neither built nor waiting for a package", entry->name);
    if (entry->alias_of)
        return check_alias(list, entry, fault);
    if (!entry->ops)
        return 0;
    const int result = registry_check_queue(entry->ops, fault);
    if (result == 0 && strcmp(entry->ops->name, entry->name) != 0)
        return fault_set(fault, -EINVAL, "queue %s: it is listed under this name, but its name member says %s",
                         entry->name, entry->ops->name);
    return result;
}

int registry_check_queues(const struct queue_entry *list, struct fault *fault)
{
    int result = 0;
    for (const struct queue_entry *entry = list; entry->name && result == 0; entry++)
        result = check_queue_entry(list, entry, fault);
    return result;
}

int registry_check_pools(const struct pool_entry *list, struct fault *fault)
{
    for (const struct pool_entry *entry = list; entry->name; entry++) {
        for (const struct pool_entry *other = list; other != entry; other++) {
            if (strcmp(other->name, entry->name) == 0)
                return fault_set(fault, -EINVAL, "pool %s: the name is listed twice", entry->name);
        }
        if (!entry->ops && !entry->package)
            return fault_set(fault, -EINVAL, "pool %s: it is neither built nor waiting for a package", entry->name);
        const int result = entry->ops ? registry_check_pool(entry->ops, fault) : 0;
        if (result != 0)
            return result;
        const char *real = entry->alias_of ? entry->alias_of : entry->name;
        if (entry->ops && strcmp(entry->ops->name, real) != 0)
            return fault_set(fault, -EINVAL, "pool %s: it is listed under this name, but its name member says %s", real,
                             entry->ops->name);
    }
    return 0;
}

int registry_check_workloads(const struct workload_ops *const *list, struct fault *fault)
{
    for (const struct workload_ops *const *ops = list; *ops; ops++) {
        const int result = registry_check_workload(*ops, fault);
        if (result != 0)
            return result;
        for (const struct workload_ops *const *other = list; other != ops; other++) {
            if (strcmp((*other)->name, (*ops)->name) == 0)
                return fault_set(fault, -EINVAL, "workload %s: the name is listed twice", (*ops)->name);
        }
    }
    return 0;
}

int registry_check_all(struct fault *fault)
{
    int result = registry_check_queues(queue_list, fault);
    if (result == 0)
        result = registry_check_pools(pool_list, fault);
    if (result == 0)
        result = registry_check_workloads(workload_list, fault);
    if (result == 0)
        result = registry_check_params("the run's settings", run_params, sizeof(struct run_settings), fault);
    return result;
}
