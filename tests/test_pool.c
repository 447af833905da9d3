// SPDX-License-Identifier: Apache-2.0
// The pool from start to stop: limits, faults at starting, layout, what stop reports. Loads with several threads are
// in test_pool_load.c. A number (b8) is that of the behaviour in tests/behaviours.md.
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#include "core/machine/topology.h"
#include "core/measure/accounting.h"
#include "core/sync/elements.h"
#include "tests/pool_rig.h"

extern const struct queue_ops list_queue_ops;

static struct rig rig;
static struct trace trace;

static int set_up(void **state)
{
    (void)state;
    memset(&trace, 0, sizeof trace);
    rig_init(&rig, 1, 1, "list", "list");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (rig.pool) {
        rig_stop(&rig);
        return 0;
    }
    rig_forget_choices(&rig);
    return 0;
}

// The pool refuses to start with `error` and one sentence that contains `words`; nothing is left behind.
static void refused(int error, const char *words)
{
    rig.fault.text[0] = '\0';
    rig.pool = NULL;
    assert_int_equal(rig_try(&rig), error);
    assert_null(rig.pool);
    assert_non_null(strstr(rig.fault.text, words));
    assert_null(strchr(rig.fault.text, '\n'));
    assert_int_equal(atomic_load(&rig.memory.allocations), atomic_load(&rig.memory.frees));
}

static void b11_without_workers_there_are_no_queues_no_elements_and_no_progress(void **state)
{
    (void)state;
    rig.setup.workers = 0;
    rig_start(&rig);
    assert_null(rig.pool->progress);
    assert_null(rig.pool->elements);
    assert_null(rig.pool->clients);
    assert_null(rig.scheduler->ready.queue.memory);
    assert_int_equal(atomic_load(&rig.memory.allocations), 2); // the pool itself, and the ports
}

static void b6_up_to_1024_workers(void **state)
{
    (void)state;
    rig.setup.workers = 1025;
    refused(-EINVAL, "1025 are too many; 0 to 1024 are allowed");
    rig.extras.threadless = true;
    rig.setup.workers = 1024;
    assert_int_equal(rig_try(&rig), 0);
}

// Not silently without: who asks for accounts would take their absence for idleness.
static void accounts_are_refused_in_a_build_without_them(void **state)
{
    (void)state;
    rig.config.accounting = 1;
    if (READYQ_OBSERVE)
        assert_int_equal(rig_try(&rig), 0);
    else
        refused(-ENOTSUP, "accounting=yes is not in this build");
}

static void a_pool_without_schedulers_is_refused(void **state)
{
    (void)state;
    rig.setup.schedulers = 0;
    refused(-EINVAL, "schedulers: 0 ");
}

static void b6_limits_and_defaults_of_the_options(void **state)
{
    (void)state;
    struct fault fault = {""};
    const struct param *table = erts_pool_ops.params;
    struct erts_pool_config *config = &rig.config;
    assert_int_equal(config->stack_kilowords, 16);
    assert_int_equal(config->ready_limit, 20);
    assert_int_equal(config->ready_lock, LOCK_MUTEX);
    assert_int_equal(config->elements, POOL_ELEMENTS_PREPARED);
    assert_int_equal(config->freeing, POOL_FREEING_DEFERRED);
    assert_int_equal(params_set_all(table, config, "erts", "stack_kilowords=8192,ready_limit=100000", &fault), 0);
    assert_int_equal(params_set(table, config, "erts", "stack_kilowords", "15", &fault), -EINVAL);
    assert_int_equal(params_set(table, config, "erts", "stack_kilowords", "8193", &fault), -EINVAL);
    assert_int_equal(params_set(table, config, "erts", "ready_limit", "0", &fault), -EINVAL);
    assert_int_equal(params_set_all(table, config, "erts", "ready_lock=none,elements=worker,freeing=automatic", &fault),
                     0);
    assert_int_equal(config->ready_lock, LOCK_NONE);
    assert_int_equal(config->elements, POOL_ELEMENTS_WORKER);
    assert_int_equal(config->freeing, POOL_FREEING_AUTOMATIC);
}

static void one_block(const void *part, size_t size)
{
    const char *at = part, *block = (const char *)rig.pool;
    assert_true(at >= block && at + size <= block + rig.pool->bytes);
    assert_int_equal((uintptr_t)at % LINE_PAIR, 0);
    assert_int_equal(size % LINE_PAIR, 0);
}

static void b8_one_block_holds_header_workers_and_ready_queues_on_lines_of_their_own(void **state)
{
    (void)state;
    rig_again(&rig, 3, 4, "list", "list");
    rig.setup.externals = 2;
    rig_start(&rig);
    one_block(rig.pool, sizeof *rig.pool);
    for (unsigned i = 0; i < 4; i++)
        one_block(&rig.pool->workers[i], sizeof *rig.pool->workers);
    for (unsigned i = 0; i < 3; i++)
        one_block(&rig.pool->schedulers[i], sizeof *rig.pool->schedulers);
    for (unsigned i = 0; i < 2; i++)
        one_block(&rig.pool->externals[i], sizeof *rig.pool->externals);
}

static void b9_the_id_counter_and_the_ready_locks_have_lines_of_their_own(void **state)
{
    (void)state;
    assert_int_equal(offsetof(struct pool, last_id) % LINE_PAIR, 0);
    assert_true(offsetof(struct pool, event) >= offsetof(struct pool, last_id) + LINE_PAIR);
    assert_int_equal(offsetof(struct ready_queue, lock) % LINE_PAIR, 0);
    assert_true(offsetof(struct ready_queue, pool) >= LINE_PAIR);
    assert_true(offsetof(struct ready_queue, consumer) / LINE_PAIR > offsetof(struct ready_queue, crowded) / LINE_PAIR);
}

static char name_seen[16];

static void note_name(void *data)
{
    trace_note(data, 'i');
    pthread_getname_np(pthread_self(), name_seen, sizeof name_seen);
}

static void sleep_until_all_came_home(uint64_t count)
{
    while (atomic_load(&rig.scheduler->ready.completed) < count) {
        scheduler_wait(rig.scheduler);
        scheduler_pass(rig.scheduler);
    }
}

static void b13_workers_are_named_from_async_1_on(void **state)
{
    (void)state;
    rig_again(&rig, 1, 3, "list", "list");
    rig_start(&rig);
    assert_int_equal(erts_pool_ops.attach(rig.pool, 0), 0);
    for (unsigned i = 0; i < 3; i++) {
        char expected[16];
        unsigned key = i;
        snprintf(expected, sizeof expected, "async_%u", i + 1);
        assert_true(erts_pool_ops.submit(rig.pool, 0, &key, note_name, trace_ready, &trace) > 0);
        sleep_until_all_came_home(i + 1);
        assert_string_equal(name_seen, expected);
    }
}

static void b16_start_returns_when_every_worker_is_ready(void **state)
{
    (void)state;
    rig_again(&rig, 2, 8, "erts_mpsc", "erts_mpsc");
    rig_start(&rig);
    assert_int_equal(atomic_load(&rig.pool->checked_in), 8);
    for (unsigned i = 0; i < 8; i++) {
        assert_non_null(rig.pool->workers[i].jobs.memory);
        assert_non_null(rig.pool->workers[i].consumer.ops);
        assert_non_null(rig.pool->workers[i].ready[1].ops);
    }
}

#ifndef READYQ_SANITIZED
static void b15_threads_that_cannot_be_had_end_the_start_and_are_unwound(void **state)
{
    (void)state;
    struct rlimit before;
    getrlimit(RLIMIT_AS, &before);
    const struct rlimit tight = {.rlim_cur = UINT64_C(1) << 30, .rlim_max = before.rlim_max};
    rig.setup.workers = 64;
    rig.config.stack_kilowords = 8192; // 64 MiB each
    assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
    refused(-EAGAIN, "of 64 cannot be started: the machine or a limit (ulimit -u or -v, pids.max ");
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    rig.setup.workers = 1;
    assert_int_equal(rig_try(&rig), 0);
}
#endif

static void b15_a_worker_that_cannot_be_pinned_ends_the_start(void **state)
{
    (void)state;
    struct topology topology;
    assert_int_equal(topology_load(&topology, NULL, &rig.fault), 0);
    const int cpus[] = {(int)topology.cpus[0].os, 4095};
    rig.setup.workers = 2;
    rig.setup.topology = &topology;
    rig.setup.worker_cpus = cpus;
    refused(-EINVAL, "worker 2 of 2 cannot be pinned to processor 4095: ");
    rig.setup.workers = 1;
    assert_int_equal(rig_try(&rig), 0);
    rig_stop(&rig);
    rig.pool = NULL;
    rig_again(&rig, 1, 1, "list", "list");
    topology_unload(&topology);
}

static void b15_without_memory_at_any_step_the_start_is_unwound(void **state)
{
    (void)state;
    rig_again(&rig, 2, 3, "erts_mpsc", "erts_mpsc");
    for (uint64_t enough = 0; !rig.pool; enough++) {
        atomic_store(&rig.memory.left, enough);
        rig.fault.text[0] = '\0';
        if (rig_try(&rig) == 0) {
            assert_true(enough > 10);
            break;
        }
        rig.pool = NULL;
        assert_true(rig.fault.text[0] != '\0');
        assert_int_equal(atomic_load(&rig.memory.allocations), atomic_load(&rig.memory.frees));
    }
    atomic_store(&rig.memory.left, UINT64_MAX);
}

static void queues_are_held_against_what_the_pool_asks_of_them(void **state)
{
    (void)state;
    rig.ready_queue.traits.producers = QUEUE_ONE;
    rig.setup.workers = 2;
    rig.config.ready_lock = LOCK_NONE;
    refused(-EINVAL, "ready queue has 2");
    rig.ready_queue.traits.producers = QUEUE_MANY;
    rig.job_queue.traits.producers = QUEUE_ONE;
    rig.setup.schedulers = 2;
    refused(-EINVAL, "job queue has 2");
    rig.setup.schedulers = 1;
    rig.setup.externals = 1;
    refused(-EINVAL, "job queue has 2");
    rig.setup.externals = 0;
    rig.job_queue.traits.empty_exact = false;
    refused(-EINVAL, "EMPTY");
    rig.job_queue.traits.empty_exact = true;
    rig.ready_queue.traits.baseline = true;
    refused(-EINVAL, "baseline");
    // A lock makes one producer of all workers; one scheduler is one producer.
    rig.ready_queue.traits.baseline = false;
    rig.ready_queue.traits.producers = QUEUE_ONE;
    rig.config.ready_lock = LOCK_TICKET;
    assert_int_equal(rig_try(&rig), 0);
}

static void a_pool_that_nobody_used_stops(void **state)
{
    (void)state;
    rig_again(&rig, 4, 4, "erts_mpsc", "list");
    rig_start(&rig);
}

static void starting_and_stopping_over_and_over(void **state)
{
    (void)state;
    rig_again(&rig, 1, 2, "erts_mpsc", "erts_mpsc");
    for (unsigned i = 0; i < ROUNDS(1000); i++) {
        assert_int_equal(rig_try(&rig), 0);
        if (i % 3 == 0)
            assert_int_equal(erts_pool_ops.attach(rig.pool, 0), 0);
        assert_int_equal(erts_pool_ops.stop(rig.pool, NULL, &rig.fault), 0);
    }
    rig.pool = NULL;
}

static void stop_reports_what_was_done(void **state)
{
    (void)state;
    struct pool_statistics statistics;
    rig_start(&rig);
    assert_int_equal(erts_pool_ops.attach(rig.pool, 0), 0);
    for (unsigned i = 0; i < 100; i++) {
        memset(&trace, 0, sizeof trace);
        assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
        sleep_until_all_came_home(i + 1);
    }
    erts_pool_ops.detach(rig.pool, 0);
    assert_int_equal(erts_pool_ops.stop(rig.pool, &statistics, &rig.fault), 0);
    assert_int_equal(statistics.submitted, 100);
    assert_int_equal(statistics.invoked, 100);
    assert_int_equal(statistics.completed, 100);
    assert_int_equal(statistics.refused, 0);
    assert_true(statistics.wakes <= statistics.parks);
    assert_true(statistics.batches > 0 && statistics.batches <= 100);
    assert_true(statistics.retries == UINT64_MAX); // a queue with a lock does not count them
    rig.pool = NULL;
}

static void attaching_to_a_pool_that_stops_is_refused(void **state)
{
    (void)state;
    rig.setup.externals = 1;
    rig_start(&rig);
    atomic_store(&rig.pool->closing, 1);
    assert_int_equal(erts_pool_ops.attach(rig.pool, 0), -ESHUTDOWN);
    assert_int_equal(pool_attach_external(rig.pool, 0), -ESHUTDOWN);
}

static void submitting_to_a_pool_that_stops_is_refused(void **state)
{
    (void)state;
    rig_start(&rig);
    assert_int_equal(erts_pool_ops.attach(rig.pool, 0), 0);
    atomic_store(&rig.pool->closing, 1);
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), -ESHUTDOWN);
    assert_int_equal(atomic_load(&rig.pool->last_id), 0);
    assert_string_equal(trace.log, "");
}

static void nothing(void *data)
{
    (void)data;
}

// Queues with a fault, on top of a good one.
static unsigned enqueues;
static struct job *lost;

static int lose_the_second(void *queue, void *handle, uintptr_t item)
{
    if (++enqueues != 2)
        return list_queue_ops.enqueue(queue, handle, item);
    lost = (struct job *)item;
    return QUEUE_OK;
}

static int keep_an_element(void *queue, void **element)
{
    void *kept;
    return list_queue_ops.prepare(queue, &kept) + list_queue_ops.prepare(queue, element);
}

static struct queue_ops faulty;

// Puts `faulty`, a copy of the good queue that the test then spoils, in the place of `choice`'s queue.
static void use_faulty(struct queue_choice *choice)
{
    static struct queue_entry entry;
    entry = *choice->entry;
    entry.ops = &faulty;
    faulty = list_queue_ops;
    choice->entry = &entry;
    enqueues = 0;
}

static int start_and_run_three(struct pool_statistics *statistics)
{
    rig_start(&rig);
    assert_int_equal(erts_pool_ops.attach(rig.pool, 0), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, nothing, nothing, NULL) > 0);
    rig.fault.text[0] = '\0';
    // The caller is a scheduler, which stop detaches.
    const int result = erts_pool_ops.stop(rig.pool, statistics, &rig.fault);
    rig.pool = NULL;
    if (lost)
        rig_free(&rig.memory.base, lost, sizeof *lost, -1);
    lost = NULL;
    return result;
}

static void stop_reports_jobs_lost_in_a_ready_queue(void **state)
{
    (void)state;
    struct pool_statistics statistics;
    use_faulty(&rig.ready_queue);
    faulty.enqueue = lose_the_second;
    faulty.prepare = NULL;
    assert_int_equal(start_and_run_three(&statistics), -EIO);
    assert_non_null(strstr(rig.fault.text, "lost jobs: 3 were submitted, 3 invoked, 2 completed and 0 left behind"));
    assert_int_equal(statistics.completed, 2);
}

static void stop_reports_jobs_lost_in_a_job_queue(void **state)
{
    (void)state;
    struct pool_statistics statistics;
    use_faulty(&rig.job_queue);
    faulty.enqueue = lose_the_second;
    assert_int_equal(start_and_run_three(&statistics), -EIO);
    assert_non_null(strstr(rig.fault.text, "lost jobs: 3 were submitted, 2 invoked, 2 completed and 0 left behind"));
}

static void stop_reports_elements_that_were_kept(void **state)
{
    (void)state;
    struct pool_statistics statistics;
    use_faulty(&rig.ready_queue);
    faulty.prepare = keep_an_element;
    assert_int_equal(start_and_run_three(&statistics), -EIO);
    assert_non_null(strstr(rig.fault.text, "kept 3 elements"));
    assert_int_equal(statistics.completed, 3);
}

// At rest every worker is parked, and stays so.
static void a_pool_at_rest_sleeps(void **state)
{
    (void)state;
    rig_again(&rig, 1, 2, "erts_mpsc", "erts_mpsc");
    rig_start(&rig);
    assert_int_equal(erts_pool_ops.attach(rig.pool, 0), 0);
    for (unsigned i = 0; i < 100; i++)
        assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, nothing, nothing, NULL) > 0);
    sleep_until_all_came_home(100);
    erts_pool_ops.detach(rig.pool, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct worker *worker = &rig.pool->workers[i];
        uint64_t parks;
        do {
            SPIN_UNTIL(atomic_load(&worker->event.state) == -1);
            parks = atomic_load(&worker->parks);
            for (unsigned yields = 0; yields < 10000; yields++)
                thread_yield();
        } while (parks != atomic_load(&worker->parks) || atomic_load(&worker->event.state) != -1);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(b11_without_workers_there_are_no_queues_no_elements_and_no_progress),
        TEST(b6_up_to_1024_workers),
        TEST(accounts_are_refused_in_a_build_without_them),
        TEST(a_pool_without_schedulers_is_refused),
        TEST(b6_limits_and_defaults_of_the_options),
        TEST(b8_one_block_holds_header_workers_and_ready_queues_on_lines_of_their_own),
        TEST(b9_the_id_counter_and_the_ready_locks_have_lines_of_their_own),
        TEST(b13_workers_are_named_from_async_1_on),
        TEST(b16_start_returns_when_every_worker_is_ready),
#ifndef READYQ_SANITIZED
        TEST(b15_threads_that_cannot_be_had_end_the_start_and_are_unwound),
#endif
        TEST(b15_a_worker_that_cannot_be_pinned_ends_the_start),
        TEST(b15_without_memory_at_any_step_the_start_is_unwound),
        TEST(queues_are_held_against_what_the_pool_asks_of_them),
        TEST(a_pool_that_nobody_used_stops),
        TEST(starting_and_stopping_over_and_over),
        TEST(stop_reports_what_was_done),
        TEST(attaching_to_a_pool_that_stops_is_refused),
        TEST(submitting_to_a_pool_that_stops_is_refused),
        TEST(stop_reports_jobs_lost_in_a_ready_queue),
        TEST(stop_reports_jobs_lost_in_a_job_queue),
        TEST(stop_reports_elements_that_were_kept),
        TEST(a_pool_at_rest_sleeps),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
