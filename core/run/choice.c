// SPDX-License-Identifier: Apache-2.0
// From "name:param=value,..." to a plug-in with its configuration.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/registry.h"
#include "core/run/params.h"

int params_split(const char *spec, char **name, const char **params, struct fault *fault)
{
    const size_t length = strcspn(spec, ":");
    if (length == 0)
        return fault_set(fault, -EINVAL, "'%s' names nothing; write NAME or NAME:parameter=value,...", spec);
    if (spec[length] == ':' && spec[length + 1] == '\0')
        return fault_set(fault, -EINVAL,
                         "'%s' has no parameter after its colon; write NAME or NAME:parameter=value,...", spec);
    *name = strndup(spec, length);
    if (!*name)
        return fault_set(fault, -ENOMEM, "no memory for a name");
    *params = spec[length] == ':' ? spec + length + 1 : spec + length;
    return 0;
}

static int configure(struct queue_choice *choice, const struct queue_entry *entry, const char *params,
                     struct fault *fault)
{
    char owner[96];
    snprintf(owner, sizeof owner, "queue %s", entry->name);
    const struct queue_ops *ops = entry->ops;
    const int result = params_new(ops->params, ops->config_size, owner, entry->presets, params, &choice->config, fault);
    if (result != 0)
        return result;
    choice->entry = entry;
    choice->params = params_text(ops->params, choice->config);
    if (!choice->params) {
        queue_choice_fini(choice);
        return fault_set(fault, -ENOMEM, "no memory for the parameters of %s", owner);
    }
    choice->traits = ops->traits;
    if (ops->resolve)
        ops->resolve(choice->config, &choice->traits);
    return 0;
}

int queue_choice_parse(struct queue_choice *choice, const char *spec, struct fault *fault)
{
    *choice = (struct queue_choice){0};
    char *name;
    const char *params;
    int result = params_split(spec, &name, &params, fault);
    if (result != 0)
        return result;
    const struct queue_entry *entry = registry_queue(name, fault);
    result = entry ? configure(choice, entry, params, fault) : -EINVAL;
    free(name);
    return result;
}

int queue_choice_plain(struct queue_choice *choice, const struct queue_entry *entry, struct fault *fault)
{
    *choice = (struct queue_choice){0};
    return configure(choice, entry, "", fault);
}

void queue_choice_fini(struct queue_choice *choice)
{
    if (choice->entry)
        params_delete(choice->entry->ops->params, choice->config);
    free((char *)choice->params);
    *choice = (struct queue_choice){0};
}

static int configure_pool(const struct pool_entry *entry, void **config, const char *params, struct fault *fault)
{
    char owner[96];
    snprintf(owner, sizeof owner, "pool %s", entry->name);
    return params_new(entry->ops->params, entry->ops->config_size, owner, entry->presets ? entry->presets : "", params,
                      config, fault);
}

int pool_choice_parse(const struct pool_entry **pool, void **config, const char *spec, struct fault *fault)
{
    char *name;
    const char *params;
    int result = params_split(spec, &name, &params, fault);
    if (result != 0)
        return result;
    const struct pool_entry *entry = registry_pool(name, fault);
    free(name);
    result = entry ? configure_pool(entry, config, params, fault) : -EINVAL;
    if (result == 0)
        *pool = entry;
    return result;
}
