// SPDX-License-Identifier: Apache-2.0
// libuv's pool behind the contract. It can be started once in a process, so there is one test of a life.
#include <errno.h>
#include <string.h>

#include "core/registry.h"
#include "core/sync/atomic.h"
#include "tests/unit.h"

#define JOBS 500

struct counted {
    _Atomic uint32_t invoked;
    uint32_t ready;
    uint32_t ready_before_invoke;
};

static void invoke(void *data)
{
    struct counted *job = data;
    at_add_rlx(&job->invoked, 1);
}

static void ready(void *data)
{
    struct counted *job = data;
    job->ready++;
    job->ready_before_invoke += at_load_rlx(&job->invoked) != 1;
}

static const struct pool_ops *find(void)
{
    struct fault fault = {""};
    const struct pool_entry *entry = registry_pool("uv", &fault);
    return entry ? entry->ops : NULL;
}

static void test_a_life(void **state)
{
    (void)state;
    static struct counted jobs[JOBS];
    const struct pool_ops *ops = find();
    if (!ops)
        skip(); // libuv is not installed
    struct fault fault = {""};
    struct pool *pool;
    struct pool_setup setup = {.schedulers = 1, .workers = 0};
    assert_int_equal(ops->start(&pool, &setup, NULL, &fault), -EINVAL);
    assert_non_null(strstr(fault.text, "1 to 1024"));

    setup.workers = 3;
    fault.text[0] = '\0';
    assert_int_equal(ops->start(&pool, &setup, NULL, &fault), 0);
    assert_int_equal(ops->attach(pool, 0), 0);
    unsigned key = 1;
    assert_int_equal(ops->submit(pool, 0, &key, invoke, ready, &jobs[0]), -EINVAL);
    for (unsigned i = 0; i < JOBS; i++)
        assert_int_equal(ops->submit(pool, 0, NULL, invoke, ready, &jobs[i]), i + 1);
    struct pool_statistics statistics;
    do {
        ops->wait(pool, 0);
        ops->pass(pool, 0);
        ops->statistics(pool, &statistics);
    } while (statistics.completed < JOBS / 2);
    ops->detach(pool, 0); // consumes the rest
    assert_int_equal(ops->stop(pool, &statistics, &fault), 0);
    assert_int_equal(statistics.submitted, JOBS);
    assert_int_equal(statistics.completed, JOBS);
    for (unsigned i = 0; i < JOBS; i++) {
        assert_int_equal(at_load_rlx(&jobs[i].invoked), 1);
        assert_int_equal(jobs[i].ready, 1);
        assert_int_equal(jobs[i].ready_before_invoke, 0);
    }
    assert_int_equal(ops->start(&pool, &setup, NULL, &fault), -EBUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_life)};
    return cmocka_run_group_tests_name("uv", tests, NULL, NULL);
}
