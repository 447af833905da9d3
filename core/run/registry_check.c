// SPDX-License-Identifier: Apache-2.0
// What one plug-in must be to be listed. Every fault is one sentence that names the plug-in and the member, so that
// the author of a new one learns at the first start what is missing, and not from a crash in a run.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/registry.h"
#include "core/run/params.h"

// params_set_all keeps a bit each.
#define PARAMS_MOST 64

// A member, or a group of members, that must be there.
struct need {
    bool there;
    const char *member;
};

static int check_needs(const char *owner, const struct need *needs, size_t count, struct fault *fault)
{
    for (size_t i = 0; i < count; i++) {
        if (!needs[i].there)
            return fault_set(fault, -EINVAL, "%s: the required member %s is missing", owner, needs[i].member);
    }
    return 0;
}

static bool is_there(const char *text)
{
    return text && *text;
}

// Lower-case words joined by underscores: what can be typed in a spec, an option, a plan and a file name.
static bool is_identifier(const char *name)
{
    if (*name < 'a' || *name > 'z')
        return false;
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

// Names the plug-in for the sentences, and checks what all kinds have in common.
static int check_head(const char *kind, uint32_t version, uint32_t wanted, const char *name, const char *summary,
                      const char *source, char *owner, size_t size, struct fault *fault)
{
    snprintf(owner, size, "%s %s", kind, is_there(name) ? name : "without a name");
    if (version != wanted)
        return fault_set(fault, -EINVAL, "%s: abi_version is %u, but this program speaks version %u", owner, version,
                         wanted);
    const struct need needs[] = {
        {is_there(name), "name"}, {is_there(summary), "summary"}, {is_there(source), "source"}};
    const int result = check_needs(owner, needs, sizeof needs / sizeof needs[0], fault);
    if (result != 0)
        return result;
    if (!is_identifier(name))
        return fault_set(fault, -EINVAL, "%s: a name is made of a-z, 0-9 and _, and begins with a letter", owner);
    return 0;
}

static bool is_number(const struct param *param)
{
    return param->type == PARAM_TYPE_U64 || param->type == PARAM_TYPE_NS;
}

static bool ends_in_ns(const char *name)
{
    const size_t length = strlen(name);
    return length > 3 && strcmp(name + length - 3, "_ns") == 0;
}

static int check_choices(const char *owner, const struct param *param, struct fault *fault)
{
    if (!param->choices || !param->choices[0])
        return fault_set(fault, -EINVAL, "%s: parameter %s has no choices", owner, param->name);
    for (const char *const *choice = param->choices; *choice; choice++) {
        if (**choice == '\0' || strpbrk(*choice, ",;=: "))
            return fault_set(fault, -EINVAL, "%s: parameter %s has the choice '%s', which can't be typed", owner,
                             param->name, *choice);
    }
    return 0;
}

static int check_param(const char *owner, const struct param *param, size_t config_size, struct fault *fault)
{
    if (!is_identifier(param->name))
        return fault_set(fault, -EINVAL, "%s: the parameter name '%s' is not made of a-z, 0-9 and _", owner,
                         param->name);
    if (param->type > PARAM_TYPE_TEXT)
        return fault_set(fault, -EINVAL, "%s: parameter %s has an unknown type", owner, param->name);
    const size_t size = param->type == PARAM_TYPE_TEXT ? sizeof(char *) : sizeof(uint64_t);
    if (param->offset % size != 0 || param->offset + size > config_size)
        return fault_set(fault, -EINVAL, "%s: parameter %s lies outside of config_size (%zu bytes), or is not aligned",
                         owner, param->name, config_size);
    if (!param->initial || !param->unit || !is_there(param->help))
        return fault_set(fault, -EINVAL, "%s: parameter %s lacks its default, unit or help", owner, param->name);
    if (is_number(param) && param->min > param->max)
        return fault_set(fault, -EINVAL, "%s: parameter %s has a range whose min is above its max", owner, param->name);
    if ((param->type == PARAM_TYPE_NS) != ends_in_ns(param->name))
        return fault_set(fault, -EINVAL, "%s: parameter %s must end in _ns if, and only if, it is a time", owner,
                         param->name);
    return param->type == PARAM_TYPE_CHOICE ? check_choices(owner, param, fault) : 0;
}

static int check_each_param(const char *owner, const struct param *params, size_t config_size, struct fault *fault)
{
    for (const struct param *param = params; param->name; param++) {
        const int result = check_param(owner, param, config_size, fault);
        if (result != 0)
            return result;
        if (param - params >= PARAMS_MOST)
            return fault_set(fault, -EINVAL, "%s: there are more than %d parameters", owner, PARAMS_MOST);
        for (const struct param *other = params; other != param; other++) {
            if (strcmp(other->name, param->name) == 0)
                return fault_set(fault, -EINVAL, "%s: parameter %s is declared twice", owner, param->name);
            if (other->offset == param->offset)
                return fault_set(fault, -EINVAL, "%s: parameters %s and %s share one member", owner, other->name,
                                 param->name);
        }
    }
    return 0;
}

// Leaves the default configuration in *config.
static int check_params(const char *owner, const struct param *params, size_t config_size, void **config,
                        struct fault *fault)
{
    if (!params)
        return fault_set(fault, -EINVAL, "%s: the required member params is missing", owner);
    int result = check_each_param(owner, params, config_size, fault);
    struct fault inner = {""};
    if (result == 0)
        result = params_new(params, config_size, owner, "", "", config, &inner);
    return result == 0 ? 0 : fault_set(fault, result, "%s: %s", owner, inner.text);
}

int registry_check_params(const char *owner, const struct param *params, size_t config_size, struct fault *fault)
{
    void *config = NULL;
    const int result = check_params(owner, params, config_size, &config, fault);
    if (result == 0)
        params_delete(params, config);
    return result;
}

static int check_queue_functions(const char *owner, const struct queue_ops *ops, struct fault *fault)
{
    const struct need needs[] = {
        {ops->init, "init"},
        {ops->fini, "fini"},
        {ops->attach, "attach"},
        {ops->detach, "detach"},
        {ops->enqueue, "enqueue"},
        {ops->dequeue, "dequeue"},
        {!ops->loops || ops->loops->produce, "loops->produce"},
        {!ops->loops || ops->loops->consume, "loops->consume"},
        {!ops->loops || ops->loops->pairs, "loops->pairs"},
    };
    const int result = check_needs(owner, needs, sizeof needs / sizeof needs[0], fault);
    if (result != 0)
        return result;
    const int prepared = !!ops->prepare + !!ops->enqueue_prepared + !!ops->discard;
    if (prepared != 0 && prepared != 3)
        return fault_set(fault, -EINVAL, "%s: prepare, enqueue_prepared and discard only come together", owner);
    if (!ops->clean != !ops->inspect)
        return fault_set(fault, -EINVAL, "%s: clean and inspect only come together", owner);
    if (!ops->defer_garbage != !ops->take_garbage)
        return fault_set(fault, -EINVAL, "%s: defer_garbage and take_garbage only come together", owner);
    return 0;
}

static bool is_power_of_two(size_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static int check_queue_sizes(const char *owner, const struct queue_ops *ops, struct fault *fault)
{
    if (ops->size == 0)
        return fault_set(fault, -EINVAL, "%s: size is 0", owner);
    if (!is_power_of_two(ops->align))
        return fault_set(fault, -EINVAL, "%s: align is %zu, which is not a power of two", owner, ops->align);
    if (ops->handle_size > 0 && !is_power_of_two(ops->handle_align))
        return fault_set(fault, -EINVAL, "%s: handle_align is %zu, which is not a power of two", owner,
                         ops->handle_align);
    if (ops->defer_garbage && ops->element_size < sizeof(struct garbage_node))
        return fault_set(fault, -EINVAL,
                         "%s: element_size is %zu, but an element whose freeing is deferred becomes a struct "
                         "garbage_node of %zu bytes",
                         owner, ops->element_size, sizeof(struct garbage_node));
    return 0;
}

static int check_queue_traits(const char *owner, const struct queue_ops *ops, const struct queue_traits *traits,
                              struct fault *fault)
{
    if (traits->producers > QUEUE_MANY || traits->consumers > QUEUE_MANY || traits->order > QUEUE_ORDER_RELAXED ||
        traits->enqueue > QUEUE_BLOCKING || traits->dequeue > QUEUE_BLOCKING)
        return fault_set(fault, -EINVAL, "%s: a trait has a value that core/queue.h does not name", owner);
    if ((traits->order == QUEUE_ORDER_RELAXED) != (traits->relaxation != 0))
        return fault_set(fault, -EINVAL, "%s: relaxation must be given with QUEUE_ORDER_RELAXED, and only with it",
                         owner);
    if (traits->full_exact && traits->capacity == 0 && !ops->resolve)
        return fault_set(fault, -EINVAL, "%s: full_exact is set, but capacity is 0, so that it is never full", owner);
    if (!is_there(traits->reclamation))
        return fault_set(fault, -EINVAL, "%s: the trait reclamation is empty; say \"none needed\" if so", owner);
    if (traits->reserved_from == 1)
        return fault_set(fault, -EINVAL, "%s: reserved_from is 1, so that no item could be carried", owner);
    if (traits->embeds && ops->defer_garbage)
        return fault_set(fault, -EINVAL,
                         "%s: embeds is set, but a node whose freeing is deferred is not free when dequeue returns",
                         owner);
    return 0;
}

int registry_check_queue(const struct queue_ops *ops, struct fault *fault)
{
    char owner[96];
    int result = check_head("queue", ops->abi_version, QUEUE_ABI_VERSION, ops->name, ops->summary, ops->source, owner,
                            sizeof owner, fault);
    if (result == 0)
        result = check_queue_functions(owner, ops, fault);
    if (result == 0)
        result = check_queue_sizes(owner, ops, fault);
    if (result == 0)
        result = check_queue_traits(owner, ops, &ops->traits, fault);
    void *config = NULL;
    if (result == 0)
        result = check_params(owner, ops->params, ops->config_size, &config, fault);
    if (result == 0 && ops->resolve) {
        struct queue_traits resolved = ops->traits;
        ops->resolve(config, &resolved);
        result = check_queue_traits(owner, ops, &resolved, fault);
        if (result == 0 && resolved.capacity != ops->traits.capacity)
            result = fault_set(fault, -EINVAL,
                               "%s: capacity is %llu in traits, but resolve makes it %llu with every default", owner,
                               (unsigned long long)ops->traits.capacity, (unsigned long long)resolved.capacity);
    }
    if (config)
        params_delete(ops->params, config);
    return result;
}

static int check_pool_ports(const char *owner, const struct pool_port_ops *ports, struct fault *fault)
{
    if (!ports)
        return 0;
    const struct need needs[] = {
        {ports->load, "ports->load"},     {ports->unload, "ports->unload"},         {ports->open, "ports->open"},
        {ports->close, "ports->close"},   {ports->submit, "ports->submit"},         {ports->key, "ports->key"},
        {ports->cancel, "ports->cancel"}, {ports->references, "ports->references"},
    };
    return check_needs(owner, needs, sizeof needs / sizeof needs[0], fault);
}

// What is listed, and checked before anything is configured, is what holds with every default.
static int check_pool_defaults(const char *owner, const struct pool_ops *ops, const void *config, struct fault *fault)
{
    const struct pool_traits *listed = &ops->traits;
    struct pool_traits resolved = *listed;
    if (ops->resolve)
        ops->resolve(config, &resolved);
    const struct {
        bool same;
        const char *trait;
    } traits[] = {
        {resolved.keys == listed->keys, "keys"},
        {resolved.fifo == listed->fifo, "fifo"},
        {resolved.completes_on_submitter == listed->completes_on_submitter, "completes_on_submitter"},
        {resolved.takes_queues == listed->takes_queues, "takes_queues"},
        {resolved.synchronous == listed->synchronous, "synchronous"},
        {resolved.externals == listed->externals, "externals"},
        {resolved.job_capacity == listed->job_capacity, "job_capacity"},
    };
    for (size_t i = 0; i < sizeof traits / sizeof traits[0]; i++) {
        if (!traits[i].same)
            return fault_set(fault, -EINVAL,
                             "%s: resolve changes the trait %s although every parameter has its default", owner,
                             traits[i].trait);
    }
    return 0;
}

int registry_check_pool(const struct pool_ops *ops, struct fault *fault)
{
    char owner[96];
    int result = check_head("pool", ops->abi_version, POOL_ABI_VERSION, ops->name, ops->summary, ops->source, owner,
                            sizeof owner, fault);
    const struct need needs[] = {
        {ops->start, "start"}, {ops->attach, "attach"}, {ops->submit, "submit"}, {ops->pass, "pass"},
        {ops->wait, "wait"},   {ops->detach, "detach"}, {ops->stop, "stop"},     {ops->statistics, "statistics"},
    };
    if (result == 0)
        result = check_needs(owner, needs, sizeof needs / sizeof needs[0], fault);
    if (result == 0)
        result = check_pool_ports(owner, ops->ports, fault);
    void *config = NULL;
    if (result == 0)
        result = check_params(owner, ops->params, ops->config_size, &config, fault);
    if (result == 0)
        result = check_pool_defaults(owner, ops, config, fault);
    if (config)
        params_delete(ops->params, config);
    return result;
}

static int check_workload_roles(const char *owner, const struct workload_ops *ops, const struct workload_demand *demand,
                                struct fault *fault)
{
    bool produces = false, consumes = false;
    unsigned roles = 0;
    for (; roles < WORKLOAD_ROLES_MAX && demand->roles[roles].name; roles++) {
        const struct workload_role *role = &demand->roles[roles];
        if (role->threads == 0)
            return fault_set(fault, -EINVAL, "%s: with every default, the role %s has no thread", owner, role->name);
        if (roles > 0 && demand->roles[roles - 1].external && !role->external)
            return fault_set(fault, -EINVAL, "%s: the role %s, of schedulers, comes after an external role", owner,
                             role->name);
        if (role->external && ops->subject != WORKLOAD_ON_POOL)
            return fault_set(fault, -EINVAL, "%s: the role %s is external, which there is on a pool only", owner,
                             role->name);
        produces |= role->produces;
        consumes |= role->consumes;
    }
    if (roles == 0)
        return fault_set(fault, -EINVAL, "%s: resolve names no role", owner);
    if (demand->roles[0].external)
        return fault_set(fault, -EINVAL, "%s: every role is external, so that no thread is a scheduler", owner);
    if (ops->subject == WORKLOAD_ON_QUEUE && !(produces && consumes))
        return fault_set(fault, -EINVAL, "%s: on a queue, some role must produce and some role must consume", owner);
    return 0;
}

int registry_check_workload(const struct workload_ops *ops, struct fault *fault)
{
    char owner[96];
    int result = check_head("workload", ops->abi_version, WORKLOAD_ABI_VERSION, ops->name, ops->summary, ops->source,
                            owner, sizeof owner, fault);
    const struct need needs[] = {
        {is_there(ops->operation), "operation"},
        {is_there(ops->checks), "checks"},
        {ops->resolve, "resolve"},
        {ops->setup, "setup"},
        {ops->body, "body"},
        {ops->verify, "verify"},
        {ops->teardown, "teardown"},
    };
    if (result == 0)
        result = check_needs(owner, needs, sizeof needs / sizeof needs[0], fault);
    if (result == 0 && ops->subject != WORKLOAD_ON_QUEUE && ops->subject != WORKLOAD_ON_POOL)
        result = fault_set(fault, -EINVAL, "%s: subject is neither WORKLOAD_ON_QUEUE nor WORKLOAD_ON_POOL", owner);
    void *config = NULL;
    if (result == 0)
        result = check_params(owner, ops->params, ops->config_size, &config, fault);
    struct workload_demand demand = {0};
    struct fault inner = {""};
    if (result == 0 && ops->resolve(config, &demand, &inner) != 0)
        result = fault_set(fault, -EINVAL, "%s: it refuses its own defaults: %s", owner, inner.text);
    if (result == 0)
        result = check_workload_roles(owner, ops, &demand, fault);
    if (config)
        params_delete(ops->params, config);
    return result;
}
