// SPDX-License-Identifier: Apache-2.0
// A faultless pool without ports, for the tests of the registry. None of its functions is ever called.
#ifndef READYQ_TESTS_REGISTRY_TOY_POOL_H
#define READYQ_TESTS_REGISTRY_TOY_POOL_H

#include "tests/registry_toy.h"

static inline int toy_pool_start(struct pool **pool, const struct pool_setup *setup, const void *config,
                                 struct fault *fault)
{
    (void)pool, (void)setup, (void)config, (void)fault;
    return -ENOMEM;
}

static inline int toy_pool_attach(struct pool *pool, unsigned scheduler)
{
    (void)pool, (void)scheduler;
    return 0;
}

static inline long toy_pool_submit(struct pool *pool, unsigned scheduler, unsigned *key, void (*invoke)(void *data),
                                   void (*ready)(void *data), void *data)
{
    (void)pool, (void)scheduler, (void)key, (void)invoke, (void)ready, (void)data;
    return -ESHUTDOWN;
}

static inline enum pool_more toy_pool_pass(struct pool *pool, unsigned scheduler)
{
    (void)pool, (void)scheduler;
    return POOL_NOTHING;
}

static inline void toy_pool_wait(struct pool *pool, unsigned scheduler)
{
    (void)pool, (void)scheduler;
}

static inline int toy_pool_stop(struct pool *pool, struct pool_statistics *statistics, struct fault *fault)
{
    (void)pool, (void)statistics, (void)fault;
    return 0;
}

static inline void toy_pool_statistics(struct pool *pool, struct pool_statistics *statistics)
{
    (void)pool, (void)statistics;
}

static inline void toy_pool_lengths(struct pool *pool, struct pool_lengths *lengths)
{
    (void)pool, (void)lengths;
}

static inline unsigned toy_pool_accounts(struct pool *pool, struct pool_account *accounts, unsigned count)
{
    (void)pool, (void)accounts, (void)count;
    return 0;
}

static inline struct pool_ops good_pool(void)
{
    return (struct pool_ops){
        .abi_version = POOL_ABI_VERSION,
        .name = "toy_pool",
        .summary = "A toy",
        .source = "this test",
        .params = toy_params,
        .config_size = sizeof(struct toy_config),
        .start = toy_pool_start,
        .attach = toy_pool_attach,
        .submit = toy_pool_submit,
        .pass = toy_pool_pass,
        .wait = toy_pool_wait,
        .detach = toy_pool_wait,
        .stop = toy_pool_stop,
        .statistics = toy_pool_statistics,
        .lengths = toy_pool_lengths,
        .accounts = toy_pool_accounts,
    };
}

#endif
