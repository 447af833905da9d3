// SPDX-License-Identifier: Apache-2.0
#include "core/run/traits.h"

#include <stdio.h>
#include <string.h>

#include "core/run/params.h"

static const char *const many_names[] = {"one", "many"};
static const char *const order_names[] = {"fifo", "per-producer", "relaxed"};
static const char *const guarantee_names[] = {"wait-free", "lock-free", "blocking"};

static const char *yes_no(bool value)
{
    return value ? "yes" : "no";
}

static void capacity_text(uint64_t capacity, char *buffer, size_t size)
{
    if (capacity == 0)
        snprintf(buffer, size, "unbounded");
    else
        snprintf(buffer, size, "%llu", (unsigned long long)capacity);
}

static const char *exactness(const struct queue_traits *traits)
{
    if (traits->capacity == 0) // never full
        return traits->empty_exact ? "empty" : "no";
    if (traits->empty_exact)
        return traits->full_exact ? "empty, full" : "empty";
    return traits->full_exact ? "full" : "no";
}

static void add(struct trait_text **at, const char *name, const char *value)
{
    (*at)->name = name;
    snprintf((*at)->value, sizeof(*at)->value, "%s", value);
    (*at)++;
}

void traits_of_queue(const struct queue_traits *traits, struct trait_text texts[TRAITS_MOST + 1])
{
    char capacity[32], order[48], reserved[32];
    capacity_text(traits->capacity, capacity, sizeof capacity);
    snprintf(order, sizeof order, "%s", order_names[traits->order]);
    if (traits->order == QUEUE_ORDER_RELAXED)
        snprintf(order, sizeof order, traits->relaxation == UINT32_MAX ? "unordered" : "%u-relaxed",
                 traits->relaxation);
    snprintf(reserved, sizeof reserved, traits->reserved_from ? "from 0x%llx" : "none",
             (unsigned long long)traits->reserved_from);
    struct trait_text *at = texts;
    add(&at, "producers", many_names[traits->producers]);
    add(&at, "consumers", many_names[traits->consumers]);
    add(&at, "capacity", capacity);
    add(&at, "order", order);
    add(&at, "enqueue", guarantee_names[traits->enqueue]);
    add(&at, "dequeue", guarantee_names[traits->dequeue]);
    add(&at, "exact", exactness(traits));
    add(&at, "reclamation", traits->reclamation);
    add(&at, "baseline", yes_no(traits->baseline));
    add(&at, "reserved values", reserved);
    add(&at, "needs cas2", yes_no(traits->needs_cas2));
    add(&at, "notifies", yes_no(traits->notifies));
    add(&at, "embeds", yes_no(traits->embeds));
    add(&at, "spins", yes_no(traits->spins));
    add(&at, "own memory", yes_no(traits->own_memory));
    at->name = NULL;
}

void traits_of_pool(const struct pool_ops *ops, const struct pool_traits *traits,
                    struct trait_text texts[TRAITS_MOST + 1])
{
    char capacity[32];
    capacity_text(traits->job_capacity, capacity, sizeof capacity);
    struct trait_text *at = texts;
    add(&at, "keys", yes_no(traits->keys));
    add(&at, "order of one submitter", traits->fifo ? "FIFO" : "none");
    add(&at, "completes on", traits->completes_on_submitter ? "submitter" : "any thread");
    add(&at, "takes queues", yes_no(traits->takes_queues));
    add(&at, "workers from", traits->synchronous ? "0" : "1");
    add(&at, "externals", yes_no(traits->externals));
    add(&at, "ports", yes_no(ops->ports));
    add(&at, "job capacity", capacity);
    add(&at, "lengths", yes_no(ops->lengths));
    add(&at, "accounts", yes_no(ops->accounts));
    at->name = NULL;
}

struct pool_traits traits_resolved(const struct pool_ops *ops, const void *config)
{
    struct pool_traits traits = ops->traits;
    if (ops->resolve)
        ops->resolve(config, &traits);
    return traits;
}

int traits_of_pool_entry(const struct pool_entry *entry, struct pool_traits *traits, struct fault *fault)
{
    char owner[96];
    snprintf(owner, sizeof owner, "pool %s", entry->name);
    const struct pool_ops *ops = entry->ops;
    const char *presets = entry->presets ? entry->presets : "";
    void *config;
    const int result = params_new(ops->params, ops->config_size, owner, presets, "", &config, fault);
    if (result != 0)
        return result;
    *traits = traits_resolved(ops, config);
    params_delete(ops->params, config);
    return 0;
}

void traits_pool_lacks(const struct pool_ops *ops, const struct pool_traits *traits, const char *names[LACKS_MOST + 1])
{
    const struct {
        bool there;
        const char *name;
    } features[LACKS_MOST] = {
        {traits->keys, "keys"},
        {traits->fifo, "order"},
        {traits->completes_on_submitter, "completion on the submitter"},
        {traits->externals, "externals"},
        {ops->ports, "ports"},
        {traits->synchronous, "runs without workers"},
    };
    unsigned count = 0;
    for (unsigned i = 0; i < LACKS_MOST; i++)
        if (!features[i].there)
            names[count++] = features[i].name;
    names[count] = NULL;
}

const char *traits_optional(const struct queue_ops *ops, bool native, char *buffer, size_t size)
{
    const struct {
        const char *name;
        bool there;
    } operations[] = {
        {"prepare", ops->prepare},
        {"enqueue_batch", ops->enqueue_batch},
        {"dequeue_batch", ops->dequeue_batch},
        {"clean and inspect", ops->clean},
        {"deferred freeing", ops->defer_garbage},
        {"length", ops->length},
        {"statistics", ops->statistics},
        {"direct loops", ops->loops},
    };
    size_t used = 0;
    snprintf(buffer, size, "none");
    for (size_t i = 0; i < sizeof operations / sizeof operations[0] && used < size; i++) {
        if (operations[i].there == native)
            used += (size_t)snprintf(buffer + used, size - used, "%s%s", used ? ", " : "", operations[i].name);
    }
    return buffer;
}

static json_t *capacity_json(uint64_t capacity)
{
    return capacity ? json_integer((json_int_t)capacity) : json_null();
}

json_t *traits_queue_json(const struct queue_traits *traits)
{
    json_t *object = json_object();
    char reserved[32] = "";
    if (traits->reserved_from)
        snprintf(reserved, sizeof reserved, "0x%llx", (unsigned long long)traits->reserved_from);
    json_object_set_new(object, "producers", json_string(many_names[traits->producers]));
    json_object_set_new(object, "consumers", json_string(many_names[traits->consumers]));
    json_object_set_new(object, "capacity", capacity_json(traits->capacity));
    json_object_set_new(object, "order", json_string(order_names[traits->order]));
    json_object_set_new(object, "relaxation", json_integer(traits->relaxation));
    json_object_set_new(object, "enqueue", json_string(guarantee_names[traits->enqueue]));
    json_object_set_new(object, "dequeue", json_string(guarantee_names[traits->dequeue]));
    json_object_set_new(object, "empty_exact", json_boolean(traits->empty_exact));
    json_object_set_new(object, "full_exact", json_boolean(traits->full_exact));
    json_object_set_new(object, "reserved_from", *reserved ? json_string(reserved) : json_null());
    json_object_set_new(object, "reclamation", json_string(traits->reclamation));
    json_object_set_new(object, "needs_cas2", json_boolean(traits->needs_cas2));
    json_object_set_new(object, "notifies", json_boolean(traits->notifies));
    json_object_set_new(object, "embeds", json_boolean(traits->embeds));
    json_object_set_new(object, "spins", json_boolean(traits->spins));
    json_object_set_new(object, "own_memory", json_boolean(traits->own_memory));
    json_object_set_new(object, "baseline", json_boolean(traits->baseline));
    return object;
}

json_t *traits_pool_json(const struct pool_ops *ops, const struct pool_traits *traits)
{
    json_t *object = json_object();
    json_object_set_new(object, "keys", json_boolean(traits->keys));
    json_object_set_new(object, "fifo", json_boolean(traits->fifo));
    json_object_set_new(object, "completes_on_submitter", json_boolean(traits->completes_on_submitter));
    json_object_set_new(object, "takes_queues", json_boolean(traits->takes_queues));
    json_object_set_new(object, "synchronous", json_boolean(traits->synchronous));
    json_object_set_new(object, "externals", json_boolean(traits->externals));
    json_object_set_new(object, "ports", json_boolean(ops->ports));
    json_object_set_new(object, "job_capacity", capacity_json(traits->job_capacity));
    json_object_set_new(object, "lengths", json_boolean(ops->lengths));
    json_object_set_new(object, "accounts", json_boolean(ops->accounts));
    return object;
}
