// SPDX-License-Identifier: Apache-2.0
#include "core/check/conformance/env.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CANARY_BYTES 64u
#define CANARY 0xc5
#define POISON 0x5a
#define ELEMENT_LIVE 0x11feu
#define ELEMENT_DEAD 0xdeadu

// In front of the front canary.
struct guard {
    void *base;
    size_t size;
};

// In front of an element.
struct element_guard {
    _Atomic uint32_t state;
    uint32_t size;
    struct check_env *env;
};

static void violation(struct check_env *env, const char *format, ...)
{
    if (at_xchg_ar(&env->violated, 1, AT(check_env_violate, check_env_violate, check_env_look)) != 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(env->violation, sizeof env->violation, format, arguments);
    va_end(arguments);
}

static bool is_filled(const unsigned char *bytes, size_t count, int with)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != with)
            return false;
    return true;
}

void *guarded_alloc(size_t size, size_t align, int fill)
{
    const size_t unit = align < 16 ? 16 : align;
    const size_t front = (sizeof(struct guard) + CANARY_BYTES + unit - 1) / unit * unit;
    const size_t whole = (front + size + CANARY_BYTES + unit - 1) / unit * unit;
    unsigned char *base = aligned_alloc(unit, whole);
    if (!base)
        return NULL;
    memset(base, CANARY, whole);
    unsigned char *memory = base + front;
    const struct guard guard = {base, size};
    memcpy(memory - CANARY_BYTES - sizeof guard, &guard, sizeof guard);
    memset(memory, fill, size);
    return memory;
}

bool guarded_free(void *memory, size_t size)
{
    unsigned char *bytes = memory;
    struct guard guard;
    memcpy(&guard, bytes - CANARY_BYTES - sizeof guard, sizeof guard);
    const bool intact = guard.size == size && is_filled(bytes - CANARY_BYTES, CANARY_BYTES, CANARY) &&
                        is_filled(bytes + size, CANARY_BYTES, CANARY);
    free(guard.base);
    return intact;
}

static void spring(struct trap *trap, const char *function)
{
    struct check_env *env = (struct check_env *)((char *)trap - offsetof(struct check_env, trap));
    violation(env, "it called %s by itself", function);
}

void trap_begin(struct check_env *env)
{
    if (!env->own_memory)
        trap_set(&env->trap);
}

void trap_end(void)
{
    trap_set(NULL);
}

static bool may_allocate(struct check_env *env)
{
    if (at_load_rlx(&env->allowed) < 0)
        return true;
    return (int64_t)at_add_rlx(&env->allowed, -1) > 0;
}

// The callbacks disarm the trap while they run.
static void *env_alloc(void *context, size_t size, size_t align, int node)
{
    struct check_env *env = context;
    struct trap *armed = trap_set(NULL);
    (void)node;
    void *memory = may_allocate(env) ? guarded_alloc(size, align, 0) : NULL;
    trap_set(armed);
    if (memory) {
        at_add_rlx(&env->blocks, 1);
        at_add_rlx(&env->allocations, 1);
    }
    return memory;
}

static void env_free(void *context, void *memory, size_t size, int node)
{
    struct check_env *env = context;
    (void)node;
    if (!guarded_free(memory, size))
        violation(env, "a block of %zu bytes was freed with another size, or written beyond its ends", size);
    at_add_rlx(&env->blocks, -1);
}

static void *env_take(void *context)
{
    struct check_env *env = context;
    struct trap *armed = trap_set(NULL);
    const size_t size = env->element_size;
    struct element_guard *guard = may_allocate(env) ? malloc(sizeof *guard + size + CANARY_BYTES) : NULL;
    trap_set(armed);
    if (!guard)
        return NULL;
    at_init(&guard->state, ELEMENT_LIVE);
    guard->size = (uint32_t)size;
    guard->env = env;
    unsigned char *element = (unsigned char *)(guard + 1);
    memset(element, POISON, size);
    memset(element + size, CANARY, CANARY_BYTES);
    at_add_rlx(&env->elements, 1);
    at_add_rlx(&env->taken, 1);
    return element;
}

static void free_element(struct check_env *env, struct element_guard *guard)
{
    if (guard && !is_filled((unsigned char *)(guard + 1), guard->size, POISON))
        violation(env, "it wrote to an element after giving it back");
    free(guard);
}

// Dead elements are kept for a while to see whether somebody still writes to them. Not under sanitizers, which see
// more, and from which the exchange would hide missing synchronisation.
static void bury(struct check_env *env, struct element_guard *guard)
{
#ifdef READYQ_SANITIZED
    (void)free_element;
    (void)env;
    free(guard);
#else
    const uint32_t slot = at_add_rlx(&env->quarantine_next, 1) % QUARANTINE_SLOTS;
    free_element(env, at_xchg_ar(&env->quarantine[slot], guard, AT(check_env_bury, check_env_bury)));
#endif
}

static void env_give(void *context, void *element)
{
    struct check_env *env = context;
    struct element_guard *guard = (struct element_guard *)element - 1;
    if (guard->env != env ||
        at_xchg_ar(&guard->state, ELEMENT_DEAD, AT(check_env_give, check_env_give)) != ELEMENT_LIVE)
        violation(env, "it gave back an element that it did not hold");
    if (!is_filled((unsigned char *)element + guard->size, CANARY_BYTES, CANARY))
        violation(env, "it wrote beyond the end of an element");
    memset(element, POISON, guard->size);
    at_add_rlx(&env->elements, -1);
    at_add_rlx(&env->given, 1);
    bury(env, guard);
}

static void env_notify(void *argument)
{
    struct check_env *env = argument;
    at_add_rlx(&env->notified, 1);
    if (env->pass_on)
        env->pass_on(env->pass_on_argument);
}

void check_env_init(struct check_env *env, const struct queue_ops *ops, struct progress *progress)
{
    memset(env, 0, sizeof *env);
    env->trap.sprung = spring;
    env->element_size = ops->element_size;
    env->own_memory = ops->traits.own_memory;
    at_init(&env->allowed, -1);
    env->env = (struct queue_env){
        .alloc = env_alloc,
        .free = env_free,
        .element_take = env_take,
        .element_give = env_give,
        .context = env,
        .notify = env_notify,
        .notify_argument = env,
        .progress = progress,
        .producers_max = CHECK_ENV_SIDE_MAX,
        .consumers_max = CHECK_ENV_SIDE_MAX,
        .node = -1,
    };
}

void check_env_allow(struct check_env *env, int64_t count)
{
    at_store_rlx(&env->allowed, count);
}

int check_env_check(struct check_env *env, struct fault *fault)
{
    if (at_load_acq(&env->violated, AT(check_env_look, check_env_violate)))
        return fault_set(fault, -EINVAL, "%s", env->violation);
    return 0;
}

int check_env_fini(struct check_env *env, struct fault *fault)
{
    for (unsigned slot = 0; slot < QUARANTINE_SLOTS; slot++)
        free_element(env, at_load_rlx(&env->quarantine[slot]));
    const long long blocks = at_load_rlx(&env->blocks), elements = at_load_rlx(&env->elements);
    int result = check_env_check(env, fault);
    if (blocks != 0)
        result = fault_set(fault, -EINVAL, "%lld blocks of memory were not given back", blocks);
    if (elements != 0)
        result = fault_set(fault, -EINVAL, "%lld elements were not given back", elements);
    return result;
}
