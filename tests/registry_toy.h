// SPDX-License-Identifier: Apache-2.0
// A faultless queue, without optional operations, for the tests of the registry.
#ifndef READYQ_TESTS_REGISTRY_TOY_H
#define READYQ_TESTS_REGISTRY_TOY_H

#include "tests/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/registry.h"

static const char *const locks[] = {"none", "mutex", NULL};

struct toy_config {
    uint64_t capacity;
    uint64_t lock;
    uint64_t spin_ns;
};

static const struct param toy_params[] = {
    PARAM_U64(struct toy_config, capacity, "64", 1, 1024, "items", "items that fit"),
    PARAM_CHOICE(struct toy_config, lock, "mutex", locks, "the lock"),
    PARAM_NS(struct toy_config, spin_ns, "1us", 0, 1000000, "time to spin"),
    PARAM_END,
};

// None of its functions is ever called but resolve.

static int toy_init(void *queue, const struct queue_env *env, const void *config)
{
    (void)queue, (void)env, (void)config;
    return 0;
}

static void toy_fini(void *queue)
{
    (void)queue;
}

static int toy_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue, (void)handle, (void)role, (void)kind;
    return 0;
}

static void toy_detach(void *queue, void *handle)
{
    (void)queue, (void)handle;
}

static int toy_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)queue, (void)handle, (void)item;
    return QUEUE_FULL;
}

static int toy_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)queue, (void)handle, (void)item;
    return QUEUE_EMPTY;
}

static void toy_resolve(const void *config, struct queue_traits *traits)
{
    traits->capacity = ((const struct toy_config *)config)->capacity;
}

static inline struct queue_ops plain_queue(void)
{
    return (struct queue_ops){
        .abi_version = QUEUE_ABI_VERSION,
        .name = "toy",
        .summary = "A toy",
        .source = "this test",
        .traits = {.capacity = 64, .full_exact = true, .empty_exact = true, .reclamation = "none needed"},
        .params = toy_params,
        .config_size = sizeof(struct toy_config),
        .size = 64,
        .align = 64,
        .handle_size = 8,
        .handle_align = 8,
        .element_size = sizeof(struct garbage_node),
        .resolve = toy_resolve,
        .init = toy_init,
        .fini = toy_fini,
        .attach = toy_attach,
        .detach = toy_detach,
        .enqueue = toy_enqueue,
        .dequeue = toy_dequeue,
    };
}

static inline void expect(int result, const struct fault *fault, const char *sentence)
{
    if (result != -EINVAL)
        fail_msg("accepted, but should be refused: %s", sentence);
    assert_string_equal(fault->text, sentence);
}

// Makes a good plug-in of `kind`, changes one thing, and expects a sentence.
#define BROKEN(kind, change, sentence)         \
    do {                                       \
        struct kind##_ops ops = good_##kind(); \
        ops.change;                            \
        expect_##kind(&ops, sentence);         \
    } while (0)

#endif
