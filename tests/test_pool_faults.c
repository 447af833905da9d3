// SPDX-License-Identifier: Apache-2.0
// What can go wrong around a pool: no memory at any single moment of its life, no thread half-way through its start,
// threads that stall. Everything refused is refused cleanly, what piles up is bounded, and nothing is lost.
#include <errno.h>
#include <pthread.h>

#include "core/measure/accounting.h"
#include "core/sync/elements.h"
#include "tests/pool_rig.h"

static struct rig rig;

// ------------------------------------------------------------------------------------------------ memory

// Fails one allocation, the one with this number.
static uint64_t failing, seen;

static void *fail_one(struct allocator *self, size_t size, size_t align, int node)
{
    return ++seen == failing ? NULL : rig_alloc(self, size, align, node);
}

struct tally_of_jobs {
    unsigned invoked, completed, freed;
};

static void count_invoke(void *data)
{
    ((struct tally_of_jobs *)data)->invoked++;
}

static void count_ready(void *data)
{
    ((struct tally_of_jobs *)data)->completed++;
}

static void port_ready_callback(uint64_t port, void *port_data, void *data)
{
    (void)port;
    (void)port_data;
    ((struct tally_of_jobs *)data)->completed++;
}

static void count_free(void *data)
{
    ((struct tally_of_jobs *)data)->freed++;
}

static const struct pool_driver_ops driver_ops = {.name = "toy", .ready = port_ready_callback};

// Counts what was taken, and holds every refusal to be one for want of memory.
static unsigned take(long result)
{
    assert_true(result >= 0 || result == -ENOMEM);
    return result >= 0;
}

// A job for a port of a driver, both for this job only.
static unsigned submit_for_a_port(struct tally_of_jobs *tally, unsigned *ended)
{
    const struct pool_port_ops *ports = erts_pool_ops.ports;
    struct pool_driver *driver = ports->load(rig.pool, &driver_ops, NULL);
    if (!driver)
        return 0;
    struct pool_port_job job = {.invoke = count_invoke, .free = count_free, .data = tally};
    const int error = ports->open(rig.pool, driver, NULL, true, &job.port);
    unsigned taken = 0;
    if (!error) {
        taken = take(ports->submit(rig.pool, 0, &job, NULL));
        assert_int_equal(ports->close(rig.pool, job.port, false), 0);
    } else {
        assert_int_equal(error, -ENOMEM);
    }
    ports->unload(rig.pool, driver);
    *ended += taken;
    return taken;
}

// The life of a pool that is played by one thread; every allocation in it but those of the start, which has a test of
// its own, may be the one that fails.
static void live(void)
{
    struct tally_of_jobs tally = {0};
    unsigned taken = 0, for_ports = 0;
    const int error = erts_pool_ops.attach(rig.pool, 0);
    assert_true(error == 0 || error == -ENOMEM);
    for (unsigned i = 0; !error && i < 3; i++) {
        taken += take(erts_pool_ops.submit(rig.pool, 0, NULL, count_invoke, count_ready, &tally));
        taken += submit_for_a_port(&tally, &for_ports);
        for (unsigned w = 0; w < rig.setup.workers; w++)
            rig_work(&rig, w);
        erts_pool_ops.pass(rig.pool, 0);
    }
    for (unsigned round = 0; !error && round < 50; round++) {
        for (unsigned w = 0; w < rig.setup.workers; w++)
            rig_work(&rig, w);
        erts_pool_ops.pass(rig.pool, 0);
    }
    assert_int_equal(tally.invoked, taken);
    assert_int_equal(tally.completed + tally.freed, taken);
    assert_int_equal(erts_pool_ops.ports->references(rig.pool), 0);
    if (!error)
        erts_pool_ops.detach(rig.pool, 0);
}

static void stop_manned(void)
{
    for (unsigned w = 0; w < rig.setup.workers; w++)
        worker_close(&rig.pool->workers[w]);
    if (erts_pool_ops.stop(rig.pool, NULL, &rig.fault) != 0)
        fail_msg("%s", rig.fault.text);
    assert_int_equal(atomic_load(&rig.memory.allocations), atomic_load(&rig.memory.frees));
}

// The whole life with allocation number `failing` after the start missing. False: there are not so many.
static bool live_without(uint64_t number, unsigned variant)
{
    static const char *const queues[] = {"erts_mpsc", "list"};
    rig_init(&rig, 1, variant % 5 == 0 ? 0 : 1, queues[variant % 2], queues[variant / 2 % 2]);
    rig.config.elements = variant / 4 % 2;
    rig.config.completion = variant / 8 % 2;
    rig.config.stop = variant / 16 % 3;
    rig.config.accounting = READYQ_OBSERVE && variant % 3 == 0;
    rig.extras.threadless = true;
    rig_start(&rig);
    rig.memory.base.alloc = fail_one;
    failing = number;
    seen = 0;
    int error = 0;
    for (unsigned w = 0; w < rig.setup.workers; w++) {
        error = worker_open(&rig.pool->workers[w]);
        assert_true(error == 0 || error == -ENOMEM);
    }
    if (!error)
        live();
    stop_manned();
    rig_forget_choices(&rig);
    return seen >= number;
}

static void without_memory_at_any_moment_what_cannot_be_is_refused_and_the_rest_goes_on(void **state)
{
    (void)state;
    uint64_t sites = 0;
    for (unsigned variant = 0; variant < 48; variant++)
        for (uint64_t number = 1; live_without(number, variant); number++)
            sites++;
    assert_true(sites > 48 * 5);
}

// ------------------------------------------------------------------------------------------------ threads

// The linker sends every call of pthread_create here.
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument);

static unsigned threads_left = UINT32_MAX;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument)
{
    if (threads_left == 0)
        return EAGAIN;
    threads_left--;
    return __real_pthread_create(thread, attributes, body, argument);
}

static void b15_a_thread_that_is_missing_at_any_place_unwinds_the_start_in_one_sentence(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 12; variant++) {
        for (unsigned there = 0; there < 6; there++) {
            rig_init(&rig, 2, 5, "erts_mpsc", "erts_mpsc");
            rig.config.stop = variant % 3;
            rig.config.completion = variant / 3 % 2;
            rig.config.accounting = READYQ_OBSERVE && variant / 6 > 0;
            threads_left = there; // the aux thread, then the workers
            assert_int_equal(rig_try(&rig), -EAGAIN);
            threads_left = UINT32_MAX;
            assert_non_null(strstr(rig.fault.text, there ? "of 5 cannot be started: " : "thread progress"));
            assert_null(strchr(rig.fault.text, '\n'));
            assert_int_equal(atomic_load(&rig.memory.allocations), atomic_load(&rig.memory.frees));
            rig_forget_choices(&rig);
        }
    }
}

// ------------------------------------------------------------------------------------------------ stalls

static uint64_t held(void)
{
    struct pool_lengths lengths;
    erts_pool_ops.lengths(rig.pool, &lengths);
    return lengths.elements;
}

static void run_jobs(unsigned count, struct tally_of_jobs *tally)
{
    for (unsigned i = 0; i < count; i++) {
        assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, count_invoke, count_ready, tally) > 0);
        for (unsigned w = 0; w < rig.setup.workers; w++)
            rig_work(&rig, w);
        while (erts_pool_ops.pass(rig.pool, 0) == POOL_MORE && tally->completed <= i) {}
    }
}

// Two elements a job: one of the job queue and one of the ready queue.
static void a_managed_thread_that_stalls_keeps_all_garbage_and_no_job(void **state)
{
    (void)state;
    struct tally_of_jobs tally = {0};
    rig_init(&rig, 2, 2, "erts_mpsc", "erts_mpsc");
    rig_man(&rig);
    run_jobs(1000, &tally);
    const uint64_t stalled = held(); // scheduler 1 has not passed once
    assert_int_equal(tally.completed, 1000);
    assert_in_range(stalled, 1990, 2010);
    for (unsigned round = 0; round < 600; round++) {
        erts_pool_ops.pass(rig.pool, 1);
        erts_pool_ops.pass(rig.pool, 0);
        for (unsigned w = 0; w < rig.setup.workers; w++)
            rig_work(&rig, w);
    }
    assert_true(held() <= 10);
    rig_stop(&rig);
}

static void a_worker_that_stalls_keeps_its_own_jobs_only(void **state)
{
    (void)state;
    struct tally_of_jobs tally = {0};
    struct pool_lengths lengths;
    rig_init(&rig, 1, 2, "erts_mpsc", "erts_mpsc");
    rig_man(&rig);
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, count_invoke, count_ready, &tally) > 0);
        rig_work(&rig, 1);
        erts_pool_ops.pass(rig.pool, 0);
    }
    erts_pool_ops.lengths(rig.pool, &lengths);
    assert_int_equal(lengths.jobs, 500); // all of worker 0's
    assert_int_equal(tally.completed, 500);
    rig_work(&rig, 0);
    while (erts_pool_ops.pass(rig.pool, 0) == POOL_MORE && tally.completed < 1000) {}
    assert_int_equal(tally.completed, 1000);
    rig_stop(&rig);
}

static uint64_t piled_up;

// While this completion takes its time, the worker goes on.
static void slow_ready(void *data)
{
    struct pool_lengths lengths;
    count_ready(data);
    rig_work(&rig, 0);
    erts_pool_ops.lengths(rig.pool, &lengths);
    piled_up = lengths.ready;
}

static void a_slow_completion_keeps_what_comes_home_in_the_ready_queue(void **state)
{
    (void)state;
    struct tally_of_jobs tally = {0};
    rig_init(&rig, 1, 1, "erts_mpsc", "erts_mpsc");
    rig_man(&rig);
    assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, count_invoke, slow_ready, &tally) > 0);
    rig_work(&rig, 0);
    for (unsigned i = 0; i < 100; i++)
        assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, count_invoke, count_ready, &tally) > 0);
    while (erts_pool_ops.pass(rig.pool, 0) == POOL_MORE && tally.completed < 101) {}
    assert_int_equal(piled_up, 100);
    assert_int_equal(tally.completed, 101);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_at_any_moment_what_cannot_be_is_refused_and_the_rest_goes_on),
        cmocka_unit_test(b15_a_thread_that_is_missing_at_any_place_unwinds_the_start_in_one_sentence),
        cmocka_unit_test(a_managed_thread_that_stalls_keeps_all_garbage_and_no_job),
        cmocka_unit_test(a_worker_that_stalls_keeps_its_own_jobs_only),
        cmocka_unit_test(a_slow_completion_keeps_what_comes_home_in_the_ready_queue),
    };
    return cmocka_run_group_tests_name("pool_faults", tests, NULL, NULL);
}
