// SPDX-License-Identifier: Apache-2.0
// Submitting, step by step. A number (b24) is that of the behaviour in tests/behaviours.md.
#include <errno.h>
#include <limits.h>

#include "core/sync/elements.h"
#include "tests/pool_rig.h"

static struct rig rig;
static struct trace trace;

static int set_up(void **state)
{
    (void)state;
    memset(&trace, 0, sizeof trace);
    rig_init(&rig, 1, 1, "scripted", "scripted");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (rig.pool)
        rig_stop(&rig);
    return 0;
}

static void man(unsigned schedulers, unsigned workers)
{
    rig_init(&rig, schedulers, workers, "list", "list");
    rig_man(&rig);
}

// Lets everything finish.
static void finish(void)
{
    for (unsigned i = 0; i < rig.setup.workers; i++)
        rig_work(&rig, i);
    for (unsigned i = 0; i < rig.setup.schedulers; i++)
        while (scheduler_pass(&rig.pool->schedulers[i]) == POOL_MORE) {}
}

static uint64_t waiting_on(unsigned worker)
{
    return queue_length(&rig.pool->workers[worker].jobs);
}

static void ready_of_a_driver(struct port *port, const struct job *job)
{
    (void)port;
    trace_note(job->call.data, 'R');
}

static void unload(struct driver_handle *handle)
{
    (void)handle;
    trace_note(&trace, 'u');
}

static struct driver_handle handle;
static const struct driver loaded = {.name = "loaded", .ready_async = ready_of_a_driver, .handle = &handle};

// Opens a port of a driver that can be unloaded, with `data_lock`, and acquires it.
static struct port *open_port(struct port_data_lock *data_lock, struct job_call *call, struct lock_node *node)
{
    driver_handle_init(&handle, unload);
    *call = (struct job_call){.invoke = trace_invoke, .free = trace_free, .data = &trace};
    assert_int_equal(port_open(&rig.pool->ports, &loaded, NULL, data_lock, &call->port), 0);
    return port_acquire(&rig.pool->ports, call->port, node);
}

static void b10_the_record_gives_one_place_to_element_and_garbage(void **state)
{
    (void)state;
    struct job job;
    assert_ptr_equal(&job.cargo.element, &job.cargo.garbage);
    assert_true(sizeof job <= 128);
}

static void b19_b56_a_job_comes_home_to_the_scheduler_that_submitted_it(void **state)
{
    (void)state;
    man(3, 1);
    for (unsigned i = 0; i < 3; i++) {
        memset(&trace, 0, sizeof trace);
        assert_true(rig_submit(&rig, i, NULL, &trace) > 0);
        rig_work(&rig, 0);
        for (unsigned j = 0; j < 3; j++) {
            if (j != i)
                scheduler_pass(&rig.pool->schedulers[j]);
        }
        assert_string_equal(trace.log, "i");
        scheduler_pass(&rig.pool->schedulers[i]);
        assert_string_equal(trace.log, "ir");
    }
}

static void b56_also_when_the_port_is_anothers(void **state)
{
    (void)state;
    struct lock_node node;
    struct job_call call;
    man(2, 1);
    struct port *port = open_port(NULL, &call, &node);
    assert_true(pool_async(&rig.pool->schedulers[0].submitter, &call, NULL) > 0);
    assert_true(pool_async(&rig.pool->schedulers[1].submitter, &call, NULL) > 0);
    port_release(port, &node);
    rig_work(&rig, 0);
    scheduler_pass(&rig.pool->schedulers[1]);
    assert_string_equal(trace.log, "iiR");
    scheduler_pass(&rig.pool->schedulers[0]);
    assert_string_equal(trace.log, "iiRR");
}

static void b19_from_a_thread_that_is_no_scheduler_it_comes_home_to_the_first(void **state)
{
    (void)state;
    struct lock_node node;
    struct job_call call;
    rig_init(&rig, 2, 1, "list", "list");
    rig.setup.externals = 1;
    rig_man(&rig);
    struct submitter *external = rig.pool->externals;
    struct port *port = open_port(NULL, &call, &node);
    assert_int_equal(pool_async(external, &call, NULL), -EPERM);
    assert_int_equal(pool_attach_external(rig.pool, 1), -EINVAL);
    assert_int_equal(pool_attach_external(rig.pool, 0), 0);
    assert_int_equal(pool_async(external, &call, NULL), 1);
    port_release(port, &node);
    rig_work(&rig, 0);
    scheduler_pass(&rig.pool->schedulers[1]);
    assert_string_equal(trace.log, "i");
    scheduler_pass(&rig.pool->schedulers[0]);
    assert_string_equal(trace.log, "iR");
    pool_detach_external(rig.pool, 0);
    assert_int_equal(pool_async(external, &call, NULL), -EPERM);
}

static void b20_an_invalid_port_costs_nothing(void **state)
{
    (void)state;
    rig_man(&rig);
    const uint64_t allocations = atomic_load(&rig.memory.allocations);
    const struct job_call call = {.port = 4711, .invoke = trace_invoke, .free = trace_free, .data = &trace};
    unsigned key = 7;
    assert_int_equal(pool_async(&rig.scheduler->submitter, &call, &key), -EINVAL);
    assert_int_equal(atomic_load(&rig.memory.allocations), allocations);
    assert_int_equal(atomic_load(&rig.pool->last_id), 0);
    assert_int_equal(key, 7);
    assert_string_equal(trace.log, "");
    assert_string_equal(rig.ready_script.log, "");
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), 1);
    finish();
}

static void b21_the_port_must_be_held(void **state)
{
    (void)state;
    struct lock_node node;
    struct job_call call;
    rig_man(&rig);
    struct port *port = open_port(NULL, &call, &node);
    port_release(port, &node);
    assert_int_equal(pool_async(&rig.scheduler->submitter, &call, NULL), -EPERM);
    assert_int_equal(atomic_load(&rig.pool->last_id), 0);
}

static void submit_from_elsewhere(void *argument)
{
    *(long *)argument = rig_submit(&rig, 0, NULL, &trace);
}

static void a_thread_that_never_attached_may_not_submit(void **state)
{
    (void)state;
    long answer = 0;
    struct thread thread;
    const struct thread_options options = {.cpu = -1};
    rig_man(&rig);
    assert_int_equal(thread_start(&thread, &options, submit_from_elsewhere, &answer), 0);
    thread_join(&thread);
    assert_int_equal(answer, -EPERM);
}

static void b22_ids_count_up_and_after_the_wrap_down_and_are_never_0(void **state)
{
    (void)state;
    man(1, 1);
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), 1);
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), 2);
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), 3);
    atomic_store(&rig.pool->last_id, (unsigned long)LONG_MAX - 1);
    assert_true(rig_submit(&rig, 0, NULL, &trace) == LONG_MAX);
    // The most negative number has no counterpart and is left out.
    assert_true(rig_submit(&rig, 0, NULL, &trace) == LONG_MAX);
    assert_true(rig_submit(&rig, 0, NULL, &trace) == LONG_MAX - 1);
    atomic_store(&rig.pool->last_id, (unsigned long)-3);
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), 2);
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), 1);
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), 1); // 0 is left out
    finish();
}

static void b24_round_robin_starts_at_queue_1_mod_n(void **state)
{
    (void)state;
    man(1, 3);
    const unsigned expected[] = {1, 2, 0, 1, 2, 0};
    for (unsigned i = 0; i < 6; i++) {
        const uint64_t before = waiting_on(expected[i]);
        assert_int_equal(rig_submit(&rig, 0, NULL, &trace), i + 1);
        assert_int_equal(waiting_on(expected[i]), before + 1);
    }
    finish();
    rig_stop(&rig);

    man(1, 1); // 1 mod 1
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), 1);
    assert_int_equal(waiting_on(0), 1);
    finish();
}

static void b25_a_key_chooses_key_mod_n_and_receives_it(void **state)
{
    (void)state;
    man(1, 4);
    unsigned key = 4 * 1000 + 3;
    assert_int_equal(rig_submit(&rig, 0, &key, &trace), 1);
    assert_int_equal(key, 3);
    assert_int_equal(waiting_on(3), 1);
    key = UINT_MAX; // unsigned
    assert_int_equal(rig_submit(&rig, 0, &key, &trace), 2);
    assert_int_equal(key, UINT_MAX % 4);
    finish();
}

static void b26_keyed_jobs_spend_ids_and_so_disturb_the_round_robin(void **state)
{
    (void)state;
    man(1, 2);
    for (unsigned i = 0; i < 4; i++) {
        unsigned key = 0;
        assert_int_equal(rig_submit(&rig, 0, NULL, &trace), 2 * i + 1);
        assert_int_equal(rig_submit(&rig, 0, &key, &trace), 2 * i + 2);
    }
    assert_int_equal(waiting_on(1), 4); // every job without a key
    assert_int_equal(waiting_on(0), 4);
    finish();
}

static struct {
    unsigned invoked[64], readied[64];
    unsigned invokes, readies;
} order;

static void order_invoke(void *data)
{
    order.invoked[order.invokes++] = (unsigned)(uintptr_t)data;
}

static void order_ready(void *data)
{
    order.readied[order.readies++] = (unsigned)(uintptr_t)data;
}

static void b27_one_key_is_started_in_order_and_comes_home_in_order(void **state)
{
    (void)state;
    rig_init(&rig, 1, 2, "erts_mpsc", "erts_mpsc");
    rig_man(&rig);
    memset(&order, 0, sizeof order);
    for (unsigned i = 0; i < 50; i++) {
        unsigned key = 5;
        assert_true(erts_pool_ops.submit(rig.pool, 0, &key, order_invoke, order_ready, (void *)(uintptr_t)i) > 0);
        assert_int_equal(key, 1);
    }
    finish();
    assert_int_equal(order.readies, 50);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(order.invoked[i], i);
        assert_int_equal(order.readied[i], i);
    }
}

static void b28_b30_a_job_holds_the_data_lock_and_the_driver(void **state)
{
    (void)state;
    struct lock_node node;
    struct job_call call;
    rig_man(&rig);
    struct port_data_lock *data_lock = port_data_lock_create(&memory_system);
    struct port *port = open_port(data_lock, &call, &node);
    const uint64_t locks = atomic_load(&data_lock->references), handles = atomic_load(&handle.references);
    assert_true(pool_async(&rig.scheduler->submitter, &call, NULL) > 0);
    assert_int_equal(atomic_load(&data_lock->references), locks + 1);
    assert_int_equal(atomic_load(&handle.references), handles + 1);
    port_release(port, &node);
    finish();
    assert_int_equal(atomic_load(&data_lock->references), locks);
    assert_int_equal(atomic_load(&handle.references), handles);
    assert_string_equal(trace.log, "iR");
    port_data_lock_release(data_lock);
}

static void b29_b31_the_submitter_allocates_both_elements(void **state)
{
    (void)state;
    rig_man(&rig);
    const long id = rig_submit(&rig, 0, NULL, &trace);
    assert_true(id > 0);
    assert_string_equal(rig.ready_script.log, "p"); // of the ready queue
    assert_string_equal(rig.job_script.log, "e");   // which allocates for itself
    rig_work(&rig, 0);
    assert_string_equal(rig.ready_script.log, "pE");
    finish();
}

static void b29_or_the_worker_does_if_told_to(void **state)
{
    (void)state;
    rig.config.elements = POOL_ELEMENTS_WORKER;
    rig_man(&rig);
    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    assert_string_equal(rig.ready_script.log, "");
    rig_work(&rig, 0);
    assert_string_equal(rig.ready_script.log, "e");
    finish();
}

// Seen from within an enqueue. Held by whomever; the watcher of debug builds knows any lock, and of this thread only.
static struct {
    unsigned ports, tables, ready, watched;
} seen_locks;

static unsigned is_held(struct lock *lock)
{
    if (pthread_mutex_trylock(&lock->u.mutex) != 0)
        return 1;
    pthread_mutex_unlock(&lock->u.mutex);
    return 0;
}

static void look_at_locks(void)
{
    memset(&seen_locks, 0, sizeof seen_locks);
    for (unsigned i = 0; i < rig.pool->ports.capacity; i++)
        seen_locks.ports += is_held(&rig.pool->ports.ports[i].lock);
    seen_locks.tables = is_held(&rig.pool->ports.lock);
    for (unsigned i = 0; i < rig.pool->scheduler_count; i++)
        seen_locks.ready += is_held(&rig.pool->schedulers[i].ready.lock);
#ifdef READYQ_DEBUG
    seen_locks.watched = lock_rank_held();
#else
    seen_locks.watched = seen_locks.ports + seen_locks.ready;
#endif
}

static void b32_no_lock_of_the_pool_is_held_around_the_job_queue(void **state)
{
    (void)state;
    rig_init(&rig, 2, 1, "scripted", "scripted");
    rig_man(&rig);
    rig.job_script.inside = rig.ready_script.inside = look_at_locks;
    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    assert_int_equal(seen_locks.ports, 1); // the port's own, which the caller must hold
    assert_int_equal(seen_locks.tables, 0);
    assert_int_equal(seen_locks.ready, 0);
    assert_int_equal(seen_locks.watched, 1);
    rig_work(&rig, 0); // the check itself: that it sees a lock of a ready queue
    assert_int_equal(seen_locks.ports, 0);
    assert_int_equal(seen_locks.ready, 1);
    assert_int_equal(seen_locks.watched, 1);
    finish();
}

static void a_full_job_queue_undoes_all_but_the_id_and_the_key(void **state)
{
    (void)state;
    struct lock_node node;
    struct job_call call;
    rig.job_script.capacity = 1;
    rig_man(&rig);
    struct port_data_lock *data_lock = port_data_lock_create(&memory_system);
    struct port *port = open_port(data_lock, &call, &node);
    assert_int_equal(pool_async(&rig.scheduler->submitter, &call, NULL), 1);
    rig_forget(&rig);
    const uint64_t locks = atomic_load(&data_lock->references), handles = atomic_load(&handle.references);
    const uint64_t elements = elements_outstanding(rig.pool->elements);
    const uint64_t jobs = atomic_load(&rig.memory.allocations) - atomic_load(&rig.memory.frees);
    unsigned key = 9;
    assert_int_equal(pool_async(&rig.scheduler->submitter, &call, &key), -EAGAIN);
    assert_int_equal(key, 0);
    assert_string_equal(rig.ready_script.log, "pu");
    assert_string_equal(rig.job_script.log, "f");
    assert_int_equal(atomic_load(&data_lock->references), locks);
    assert_int_equal(atomic_load(&handle.references), handles);
    assert_int_equal(elements_outstanding(rig.pool->elements), elements);
    assert_int_equal(atomic_load(&rig.memory.allocations) - atomic_load(&rig.memory.frees), jobs);
    port_release(port, &node);
    finish();
    assert_string_equal(trace.log, "iR"); // neither ready nor free of the refused one

    port = port_acquire(&rig.pool->ports, call.port, &node);
    assert_int_equal(pool_async(&rig.scheduler->submitter, &call, NULL), 3);
    port_release(port, &node);
    finish();
    struct pool_statistics statistics;
    pool_statistics(rig.pool, &statistics);
    assert_int_equal(statistics.submitted, 2);
    assert_int_equal(statistics.refused, 1);
    port_data_lock_release(data_lock);
}

static void without_memory_submit_leaves_nothing_behind(void **state)
{
    (void)state;
    rig_man(&rig);
    atomic_store(&rig.memory.left, 0);
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), -ENOMEM);
    atomic_store(&rig.memory.left, UINT64_MAX);
    assert_int_equal(atomic_load(&rig.pool->last_id), 0);

    rig.ready_script.prepare_error = -ENOMEM;
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), -ENOMEM);
    rig.ready_script.prepare_error = 0;
    assert_int_equal(atomic_load(&rig.pool->last_id), 1);

    rig.job_script.refusal = -ENOMEM;
    rig.job_script.refusals = 1;
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), -ENOMEM);
    assert_string_equal(rig.ready_script.log, "pu");
    assert_string_equal(trace.log, "");
    struct pool_statistics statistics;
    pool_statistics(rig.pool, &statistics);
    assert_int_equal(statistics.submitted + statistics.refused, 0);
}

static void an_unclear_answer_is_asked_again_but_not_for_ever(void **state)
{
    (void)state;
    rig_man(&rig);
    rig.job_script.refusal = QUEUE_RETRY;
    rig.job_script.refusals = 3;
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), 1);
    assert_int_equal(rig.job_script.refusals, 0);
    rig.job_script.refusals = 100000;
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), -EAGAIN);
    rig.job_script.refusals = 0;
    finish();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(b10_the_record_gives_one_place_to_element_and_garbage),
        TEST(b19_b56_a_job_comes_home_to_the_scheduler_that_submitted_it),
        TEST(b56_also_when_the_port_is_anothers),
        TEST(b19_from_a_thread_that_is_no_scheduler_it_comes_home_to_the_first),
        TEST(b20_an_invalid_port_costs_nothing),
        TEST(b21_the_port_must_be_held),
        TEST(a_thread_that_never_attached_may_not_submit),
        TEST(b22_ids_count_up_and_after_the_wrap_down_and_are_never_0),
        TEST(b24_round_robin_starts_at_queue_1_mod_n),
        TEST(b25_a_key_chooses_key_mod_n_and_receives_it),
        TEST(b26_keyed_jobs_spend_ids_and_so_disturb_the_round_robin),
        TEST(b27_one_key_is_started_in_order_and_comes_home_in_order),
        TEST(b28_b30_a_job_holds_the_data_lock_and_the_driver),
        TEST(b29_b31_the_submitter_allocates_both_elements),
        TEST(b29_or_the_worker_does_if_told_to),
        TEST(b32_no_lock_of_the_pool_is_held_around_the_job_queue),
        TEST(a_full_job_queue_undoes_all_but_the_id_and_the_key),
        TEST(without_memory_submit_leaves_nothing_behind),
        TEST(an_unclear_answer_is_asked_again_but_not_for_ever),
    };
    return cmocka_run_group_tests_name("submit", tests, NULL, NULL);
}
