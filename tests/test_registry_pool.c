// SPDX-License-Identifier: Apache-2.0
// The registry: a pool that lacks what its contract requires is refused with one sentence, one that lacks what is
// optional is not, and its listed traits are those that it has by default.
#include "tests/registry_toy_pool.h"

static struct pool_driver *toy_port_load(struct pool *pool, const struct pool_driver_ops *ops, void *driver_data)
{
    (void)pool, (void)ops, (void)driver_data;
    return NULL;
}

static void toy_port_unload(struct pool *pool, struct pool_driver *driver)
{
    (void)pool, (void)driver;
}

static int toy_port_open(struct pool *pool, struct pool_driver *driver, void *data, bool data_lock, uint64_t *port)
{
    (void)pool, (void)driver, (void)data, (void)data_lock, (void)port;
    return -ENFILE;
}

static int toy_port_close(struct pool *pool, uint64_t port, bool output_left)
{
    (void)pool, (void)port, (void)output_left;
    return -EINVAL;
}

static long toy_port_submit(struct pool *pool, unsigned thread, const struct pool_port_job *job, unsigned *key)
{
    (void)pool, (void)thread, (void)job, (void)key;
    return -EINVAL;
}

static unsigned toy_port_key(uint64_t port)
{
    return (unsigned)port;
}

static int toy_port_cancel(struct pool *pool, long id, struct fault *fault)
{
    (void)pool, (void)id;
    return fault_set(fault, -ENOTSUP, "never");
}

static uint64_t toy_port_references(struct pool *pool)
{
    (void)pool;
    return 0;
}

static struct pool_port_ops good_ports(void)
{
    return (struct pool_port_ops){
        .load = toy_port_load,
        .unload = toy_port_unload,
        .open = toy_port_open,
        .close = toy_port_close,
        .submit = toy_port_submit,
        .key = toy_port_key,
        .cancel = toy_port_cancel,
        .references = toy_port_references,
    };
}

// With capacity=64, the default, the traits are those of good_pool.
static void toy_pool_resolve(const void *config, struct pool_traits *traits)
{
    traits->job_capacity = ((const struct toy_config *)config)->capacity;
}

static void expect_pool(const struct pool_ops *ops, const char *sentence)
{
    struct fault fault = {""};
    expect(registry_check_pool(ops, &fault), &fault, sentence);
}

static void test_pools(void **state)
{
    (void)state;
    BROKEN(pool, abi_version = 7, "pool toy_pool: abi_version is 7, but this program speaks version 4");
    BROKEN(pool, start = NULL, "pool toy_pool: the required member start is missing");
    BROKEN(pool, attach = NULL, "pool toy_pool: the required member attach is missing");
    BROKEN(pool, submit = NULL, "pool toy_pool: the required member submit is missing");
    BROKEN(pool, pass = NULL, "pool toy_pool: the required member pass is missing");
    BROKEN(pool, wait = NULL, "pool toy_pool: the required member wait is missing");
    BROKEN(pool, detach = NULL, "pool toy_pool: the required member detach is missing");
    BROKEN(pool, stop = NULL, "pool toy_pool: the required member stop is missing");
    BROKEN(pool, statistics = NULL, "pool toy_pool: the required member statistics is missing");
    BROKEN(pool, params = NULL, "pool toy_pool: the required member params is missing");
    BROKEN(pool, config_size = 0,
           "pool toy_pool: parameter capacity lies outside of config_size (0 bytes), or is not aligned");
}

#define BROKEN_PORTS(member)                                                                    \
    do {                                                                                        \
        struct pool_port_ops ports = good_ports();                                              \
        struct pool_ops pool = good_pool();                                                     \
        ports.member = NULL;                                                                    \
        pool.ports = &ports;                                                                    \
        expect_pool(&pool, "pool toy_pool: the required member ports->" #member " is missing"); \
    } while (0)

static void expect_good_pool(const struct pool_ops *ops)
{
    struct fault fault = {""};
    const int result = registry_check_pool(ops, &fault);
    assert_string_equal(fault.text, "");
    assert_int_equal(result, 0);
}

static void test_optional_parts_of_pools(void **state)
{
    (void)state;
    const struct pool_port_ops complete = good_ports();
    struct pool_ops ops = good_pool();
    expect_good_pool(&ops);
    ops.ports = &complete;
    expect_good_pool(&ops);
    ops.lengths = NULL;
    ops.accounts = NULL;
    expect_good_pool(&ops);
    ops.resolve = toy_pool_resolve;
    ops.traits.job_capacity = 64;
    expect_good_pool(&ops);
    BROKEN_PORTS(load);
    BROKEN_PORTS(unload);
    BROKEN_PORTS(open);
    BROKEN_PORTS(close);
    BROKEN_PORTS(submit);
    BROKEN_PORTS(key);
    BROKEN_PORTS(cancel);
    BROKEN_PORTS(references);
}

static struct pool_traits changed;

static void toy_pool_changes(const void *config, struct pool_traits *traits)
{
    (void)config;
    *traits = changed;
}

#define CHANGED(trait)                                                                                          \
    do {                                                                                                        \
        changed = (struct pool_traits){.trait = 1};                                                             \
        BROKEN(pool, resolve = toy_pool_changes,                                                                \
               "pool toy_pool: resolve changes the trait " #trait " although every parameter has its default"); \
    } while (0)

static void test_pools_listed_otherwise_than_they_are(void **state)
{
    (void)state;
    CHANGED(keys);
    CHANGED(fifo);
    CHANGED(completes_on_submitter);
    CHANGED(takes_queues);
    CHANGED(synchronous);
    CHANGED(externals);
    CHANGED(job_capacity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_optional_parts_of_pools),
        cmocka_unit_test(test_pools_listed_otherwise_than_they_are),
    };
    return cmocka_run_group_tests_name("registry_pool", tests, NULL, NULL);
}
