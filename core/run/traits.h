// SPDX-License-Identifier: Apache-2.0
// Traits as words for people, and as JSON for scripts.
#ifndef READYQ_RUN_TRAITS_H
#define READYQ_RUN_TRAITS_H

#include <jansson.h>

#include "core/pool.h"
#include "core/queue.h"

#define TRAITS_MOST 15

struct trait_text {
    const char *name;
    char value[80];
};

// The traits of a queue in the order of `readyq list`; an entry with a NULL name ends them.
void traits_of_queue(const struct queue_traits *traits, struct trait_text texts[TRAITS_MOST + 1]);
// Likewise of a pool with these traits; what it offers beside, such as ports, comes after them.
void traits_of_pool(const struct pool_ops *ops, const struct pool_traits *traits,
                    struct trait_text texts[TRAITS_MOST + 1]);

// The traits of a pool that is configured so.
struct pool_traits traits_resolved(const struct pool_ops *ops, const void *config);
// The traits of a listed pool that is built, with its presets and every other parameter at its default. 0, or a
// negative errno and a sentence.
int traits_of_pool_entry(const struct pool_entry *entry, struct pool_traits *traits, struct fault *fault);

// What workloads may need and a pool with these traits does not have, by name, NULL-terminated; at most so many.
#define LACKS_MOST 6
void traits_pool_lacks(const struct pool_ops *ops, const struct pool_traits *traits, const char *names[LACKS_MOST + 1]);

// Names of the optional operations that a queue has, or has not (`native` false), "prepare, clean"; "none" if there
// is none. Into `buffer`, which is returned.
const char *traits_optional(const struct queue_ops *ops, bool native, char *buffer, size_t size);

// JSON objects; NULL without memory.
json_t *traits_queue_json(const struct queue_traits *traits);
json_t *traits_pool_json(const struct pool_ops *ops, const struct pool_traits *traits);

#endif
