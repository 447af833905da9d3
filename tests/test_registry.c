// SPDX-License-Identifier: Apache-2.0
// The registry: malformed workloads and lists are refused with one sentence each, what is listed in this build is
// not, and names are found.
#include "tests/registry_toy_pool.h"

static int toy_demand(const void *config, struct workload_demand *demand, struct fault *fault)
{
    (void)config, (void)fault;
    demand->roles[0] = (struct workload_role){.name = "producer", .threads = 1, .produces = true};
    demand->roles[1] = (struct workload_role){.name = "consumer", .threads = 1, .consumes = true};
    return 0;
}

static int toy_demand_refusing(const void *config, struct workload_demand *demand, struct fault *fault)
{
    (void)config, (void)demand;
    return fault_set(fault, -EINVAL, "one and one is three");
}

static int toy_demand_without_roles(const void *config, struct workload_demand *demand, struct fault *fault)
{
    (void)config, (void)demand, (void)fault;
    return 0;
}

static int toy_demand_without_consumer(const void *config, struct workload_demand *demand, struct fault *fault)
{
    toy_demand(config, demand, fault);
    demand->roles[1].consumes = false;
    return 0;
}

static int toy_demand_without_threads(const void *config, struct workload_demand *demand, struct fault *fault)
{
    toy_demand(config, demand, fault);
    demand->roles[1].threads = 0;
    return 0;
}

static int toy_setup(struct workload_run *run, struct fault *fault)
{
    (void)run, (void)fault;
    return 0;
}

static void toy_body(struct workload_thread *self)
{
    (void)self;
}

static void toy_verify(struct workload_run *run, struct workload_verdict *verdict)
{
    (void)run, (void)verdict;
}

static void toy_teardown(struct workload_run *run)
{
    (void)run;
}

static struct workload_ops good_workload(void)
{
    return (struct workload_ops){
        .abi_version = WORKLOAD_ABI_VERSION,
        .name = "toy_load",
        .summary = "A toy",
        .source = "this test",
        .subject = WORKLOAD_ON_QUEUE,
        .operation = "item",
        .checks = "nothing",
        .params = toy_params,
        .config_size = sizeof(struct toy_config),
        .resolve = toy_demand,
        .setup = toy_setup,
        .body = toy_body,
        .verify = toy_verify,
        .teardown = toy_teardown,
    };
}

static void expect_workload(const struct workload_ops *ops, const char *sentence)
{
    struct fault fault = {""};
    expect(registry_check_workload(ops, &fault), &fault, sentence);
}

static void test_good_ones_pass(void **state)
{
    (void)state;
    struct fault fault = {""};
    const struct queue_ops queue = plain_queue();
    const struct pool_ops pool = good_pool();
    const struct workload_ops workload = good_workload();
    assert_int_equal(registry_check_queue(&queue, &fault), 0);
    assert_int_equal(registry_check_pool(&pool, &fault), 0);
    assert_int_equal(registry_check_workload(&workload, &fault), 0);
    assert_string_equal(fault.text, "");
}

static void test_listed_ones_pass(void **state)
{
    (void)state;
    struct fault fault = {""};
    const int result = registry_check_all(&fault);
    assert_string_equal(fault.text, "");
    assert_int_equal(result, 0);
}

static int toy_demand_of_externals(const void *config, struct workload_demand *demand, struct fault *fault)
{
    toy_demand(config, demand, fault);
    demand->roles[1] = (struct workload_role){.name = "external", .threads = 1, .external = true};
    return 0;
}

static int toy_demand_of_externals_first(const void *config, struct workload_demand *demand, struct fault *fault)
{
    toy_demand(config, demand, fault);
    demand->roles[0].external = true;
    return 0;
}

static int toy_demand_of_externals_only(const void *config, struct workload_demand *demand, struct fault *fault)
{
    toy_demand_of_externals(config, demand, fault);
    demand->roles[0].external = true;
    return 0;
}

static void test_external_roles(void **state)
{
    (void)state;
    struct workload_ops ops = good_workload();
    ops.resolve = toy_demand_of_externals;
    expect_workload(&ops, "workload toy_load: the role external is external, which there is on a pool only");
    ops.subject = WORKLOAD_ON_POOL;
    assert_int_equal(registry_check_workload(&ops, NULL), 0);
    ops.resolve = toy_demand_of_externals_first;
    expect_workload(&ops, "workload toy_load: the role consumer, of schedulers, comes after an external role");
    ops.resolve = toy_demand_of_externals_only;
    expect_workload(&ops, "workload toy_load: every role is external, so that no thread is a scheduler");
}

static void test_workloads(void **state)
{
    (void)state;
    BROKEN(workload, abi_version = 0, "workload toy_load: abi_version is 0, but this program speaks version 3");
    BROKEN(workload, operation = NULL, "workload toy_load: the required member operation is missing");
    BROKEN(workload, checks = "", "workload toy_load: the required member checks is missing");
    BROKEN(workload, resolve = NULL, "workload toy_load: the required member resolve is missing");
    BROKEN(workload, setup = NULL, "workload toy_load: the required member setup is missing");
    BROKEN(workload, body = NULL, "workload toy_load: the required member body is missing");
    BROKEN(workload, verify = NULL, "workload toy_load: the required member verify is missing");
    BROKEN(workload, teardown = NULL, "workload toy_load: the required member teardown is missing");
    BROKEN(workload, params = NULL, "workload toy_load: the required member params is missing");
    BROKEN(workload, subject = 2, "workload toy_load: subject is neither WORKLOAD_ON_QUEUE nor WORKLOAD_ON_POOL");
    BROKEN(workload, resolve = toy_demand_refusing,
           "workload toy_load: it refuses its own defaults: one and one is three");
    BROKEN(workload, resolve = toy_demand_without_roles, "workload toy_load: resolve names no role");
    BROKEN(workload, resolve = toy_demand_without_threads,
           "workload toy_load: with every default, the role consumer has no thread");
    BROKEN(workload, resolve = toy_demand_without_consumer,
           "workload toy_load: on a queue, some role must produce and some role must consume");
    struct workload_ops ops = good_workload();
    ops.subject = WORKLOAD_ON_POOL;
    ops.resolve = toy_demand_without_consumer;
    assert_int_equal(registry_check_workload(&ops, NULL), 0);
}

// ---------------------------------------------------------------- lists

static void expect_queues(const struct queue_entry *list, const char *sentence)
{
    struct fault fault = {""};
    expect(registry_check_queues(list, &fault), &fault, sentence);
}

static void test_lists_of_queues(void **state)
{
    (void)state;
    const struct queue_ops ops = plain_queue();
    struct queue_ops broken = plain_queue();
    broken.enqueue = NULL;
#define NAMED(name_, presets_, alias_, ops_)                                \
    (struct queue_entry)                                                    \
    {                                                                       \
        .name = name_, .presets = presets_, .alias_of = alias_, .ops = ops_ \
    }
    const struct queue_entry toy = NAMED("toy", "", NULL, &ops);
    const struct queue_entry alias = NAMED("small_toy", "capacity=2", "toy", &ops);
    const struct queue_entry missing = {.name = "other", .presets = "", .package = "libother-dev"};
    const struct queue_entry end = {.name = NULL};
    struct fault fault = {""};
    assert_int_equal(registry_check_queues((struct queue_entry[]){toy, alias, missing, end}, &fault), 0);

    expect_queues((struct queue_entry[]){toy, toy, end}, "queue toy: the name is listed twice");
    expect_queues((struct queue_entry[]){NAMED("toys", "", NULL, &ops), end},
                  "queue toys: it is listed under this name, but its name member says toy");
    expect_queues((struct queue_entry[]){NAMED("other", "", NULL, NULL), end},
                  "queue other: it is neither built nor waiting for a package");
    expect_queues((struct queue_entry[]){alias, toy, end},
                  "queue small_toy: it is an alias of toy, which is no queue listed before it");
    expect_queues((struct queue_entry[]){toy, alias, NAMED("tiny_toy", "", "small_toy", &ops), end},
                  "queue tiny_toy: it is an alias of small_toy, which is no queue listed before it");
    expect_queues((struct queue_entry[]){toy, NAMED("wrong", "capacity=0", "toy", &ops), end},
                  "queue wrong: capacity must be between 1 and 1024 items, not 0");
    expect_queues((struct queue_entry[]){toy, NAMED("wrong", "size=4", "toy", &ops), end},
                  "queue wrong: there is no parameter 'size'; known are capacity, lock, spin_ns");
    expect_queues((struct queue_entry[]){missing, NAMED("toy", "", NULL, &broken), end},
                  "queue toy: the required member enqueue is missing");
#undef NAMED
}

static void test_lists_of_pools_and_workloads(void **state)
{
    (void)state;
    const struct pool_ops pool = good_pool();
    const struct pool_entry entry = {.name = "toy_pool", .package = NULL, .ops = &pool},
                            end = {.name = NULL, .package = NULL, .ops = NULL};
    const struct pool_entry missing = {.name = "other", .package = "libother-dev", .ops = NULL};
    struct fault fault = {""};
    assert_int_equal(registry_check_pools((struct pool_entry[]){entry, missing, end}, &fault), 0);
    expect(registry_check_pools((struct pool_entry[]){entry, entry, end}, &fault), &fault,
           "pool toy_pool: the name is listed twice");
    fault.text[0] = '\0';
    expect(registry_check_pools((struct pool_entry[]){{.name = "pond", .package = NULL, .ops = &pool}, end}, &fault),
           &fault, "pool pond: it is listed under this name, but its name member says toy_pool");
    fault.text[0] = '\0';
    expect(registry_check_pools((struct pool_entry[]){{.name = "pond", .package = NULL, .ops = NULL}, end}, &fault),
           &fault, "pool pond: it is neither built nor waiting for a package");
    fault.text[0] = '\0';
    const struct workload_ops load = good_workload();
    expect(registry_check_workloads((const struct workload_ops *const[]){&load, &load, NULL}, &fault), &fault,
           "workload toy_load: the name is listed twice");
}

// ---------------------------------------------------------------- names

static void test_names(void **state)
{
    (void)state;
    for (const struct queue_entry *entry = queue_list; entry->name; entry++)
        assert_ptr_equal(registry_queue(entry->name, NULL), entry->ops ? entry : NULL);
    for (const struct pool_entry *entry = pool_list; entry->name; entry++)
        assert_ptr_equal(registry_pool(entry->name, NULL), entry->ops ? entry : NULL);
    for (const struct workload_ops *const *ops = workload_list; *ops; ops++)
        assert_ptr_equal(registry_workload((*ops)->name, NULL), *ops);
}

static void test_unknown_names_list_the_known(void **state)
{
    (void)state;
    struct fault fault = {""};
    assert_null(registry_queue("nope", &fault));
    assert_non_null(strstr(fault.text, "there is no queue 'nope'; known are "));
    for (const struct queue_entry *entry = queue_list; entry->name; entry++)
        assert_non_null(strstr(fault.text, entry->name));
    fault.text[0] = '\0';
    assert_null(registry_pool("nope", &fault));
    assert_non_null(strstr(fault.text, "there is no pool 'nope'; known are "));
    for (const struct pool_entry *entry = pool_list; entry->name; entry++)
        assert_non_null(strstr(fault.text, entry->name));
    fault.text[0] = '\0';
    assert_null(registry_workload("", &fault));
    assert_non_null(strstr(fault.text, "there is no workload ''; known are "));
    for (const struct workload_ops *const *ops = workload_list; *ops; ops++)
        assert_non_null(strstr(fault.text, (*ops)->name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_ones_pass),  cmocka_unit_test(test_listed_ones_pass),
        cmocka_unit_test(test_external_roles),  cmocka_unit_test(test_workloads),
        cmocka_unit_test(test_lists_of_queues), cmocka_unit_test(test_lists_of_pools_and_workloads),
        cmocka_unit_test(test_names),           cmocka_unit_test(test_unknown_names_list_the_known),
    };
    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
