// SPDX-License-Identifier: Apache-2.0
// The original's way to stop, by a job without a port, and its exit flush; without their bugs. A number (b57) is that
// of the behaviour in tests/behaviours.md.
#include <errno.h>

#include "core/machine/clock.h"
#include "tests/pool_rig.h"

extern const struct queue_ops list_queue_ops;

static struct rig rig;
static _Atomic unsigned invoked, readied, freed, unloaded;

static void set_up_with(unsigned workers, const char *job_queue, const char *ready_queue)
{
    atomic_store(&invoked, 0);
    atomic_store(&readied, 0);
    atomic_store(&freed, 0);
    atomic_store(&unloaded, 0);
    rig_init(&rig, 1, workers, job_queue, ready_queue);
}

static int set_up(void **state)
{
    (void)state;
    set_up_with(2, "erts_mpsc", "erts_mpsc");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (rig.pool)
        rig_stop(&rig);
    return 0;
}

static void count_invoke(void *data)
{
    (void)data;
    atomic_fetch_add(&invoked, 1);
}

static void count_ready(void *data)
{
    (void)data;
    atomic_fetch_add(&readied, 1);
}

static void count_free(void *data)
{
    (void)data;
    atomic_fetch_add(&freed, 1);
}

static void start_attached(void)
{
    rig_start(&rig);
    assert_int_equal(erts_pool_ops.attach(rig.pool, 0), 0);
}

static long submit_one(unsigned thread)
{
    return erts_pool_ops.submit(rig.pool, thread, NULL, count_invoke, count_ready, NULL);
}

static void submit(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_true(submit_one(0) > 0);
}

// By the scheduler itself, which is detached on the way. All memory must have come back.
static struct pool_statistics stop(void)
{
    struct pool_statistics statistics;
    if (erts_pool_ops.stop(rig.pool, &statistics, &rig.fault) != 0)
        fail_msg("%s", rig.fault.text);
    rig.pool = NULL;
    assert_int_equal(atomic_load(&rig.memory.allocations), atomic_load(&rig.memory.frees));
    rig_forget_choices(&rig);
    return statistics;
}

static void b57_poison_ends_the_workers_behind_every_earlier_job(void **state)
{
    (void)state;
    rig_forget_choices(&rig);
    for (uint64_t completion = 0; completion < 2; completion++) {
        set_up(NULL);
        rig.config.stop = POOL_STOP_POISON;
        rig.config.completion = completion;
        start_attached();
        submit(300);
        const struct pool_statistics statistics = stop();
        assert_int_equal(statistics.invoked, 300);
        assert_int_equal(statistics.completed, 300);
        assert_int_equal(statistics.unrun, 0);
        assert_int_equal(atomic_load(&invoked), 300);
        assert_int_equal(atomic_load(&readied), 300);
    }
}

static void b57_the_flush_waits_for_every_invoke_and_for_no_completion(void **state)
{
    (void)state;
    rig.config.stop = POOL_STOP_FLUSH;
    start_attached();
    submit(300);
    const struct pool_statistics statistics = stop();
    assert_int_equal(atomic_load(&invoked), 300);
    assert_int_equal(statistics.invoked, 300);
    assert_int_equal(statistics.completed, atomic_load(&readied));
    assert_int_equal(statistics.completed + statistics.unrun, 300);
    assert_true(statistics.completed <= rig.config.ready_limit); // of one last pass
}

static void call_ready(struct port *port, const struct job *job)
{
    (void)port;
    count_ready(job->call.data);
}

static void count_unload(struct driver_handle *handle)
{
    (void)handle;
    atomic_fetch_add(&unloaded, 1);
}

// The original leaves them to the end of the process.
static void what_the_flush_leaves_unrun_lets_go_of_driver_and_data_lock(void **state)
{
    (void)state;
    struct lock_node node;
    struct driver_handle handle;
    const struct driver driver = {.name = "counted", .ready_async = call_ready, .handle = &handle};
    struct job_call call = {.invoke = count_invoke, .free = count_free};
    rig.config.stop = POOL_STOP_FLUSH;
    start_attached();
    driver_handle_init(&handle, count_unload);
    struct port_data_lock *data_lock = port_data_lock_create(&memory_system);
    assert_int_equal(port_open(&rig.pool->ports, &driver, NULL, data_lock, &call.port), 0);
    struct port *port = port_acquire(&rig.pool->ports, call.port, &node);
    for (unsigned i = 0; i < 100; i++)
        assert_true(pool_async(&rig.scheduler->submitter, &call, NULL) > 0);
    port_release(port, &node);
    const struct pool_statistics statistics = stop();
    assert_true(statistics.unrun >= 100 - rig.config.ready_limit);
    assert_int_equal(atomic_load(&readied), statistics.completed);
    assert_int_equal(atomic_load(&freed), 0);
    assert_int_equal(atomic_load(&data_lock->references), 1);
    assert_int_equal(atomic_load(&handle.references), 1);
    assert_int_equal(atomic_load(&unloaded), 0);
    port_data_lock_release(data_lock);
    driver_handle_release(&handle);
    assert_int_equal(atomic_load(&unloaded), 1);
}

// Nobody takes anything home any more, so that a worker would wait for room for ever.
static void the_flush_needs_ready_queues_without_a_bound(void **state)
{
    (void)state;
    rig_again(&rig, 1, 2, "list:capacity=1", "list:capacity=1");
    rig.config.stop = POOL_STOP_FLUSH;
    assert_int_equal(rig_try(&rig), -EINVAL);
    assert_null(rig.pool);
    assert_non_null(strstr(rig.fault.text, "stop=flush"));
    assert_null(strchr(rig.fault.text, '\n'));
    rig.config.completion = POOL_COMPLETION_WORKER; // which has none
    assert_int_equal(rig_try(&rig), 0);
}

static void the_poison_waits_for_room_and_makes_it(void **state)
{
    (void)state;
    rig_forget_choices(&rig);
    for (uint64_t kind = POOL_STOP_POISON; kind <= POOL_STOP_FLUSH; kind++) {
        set_up_with(1, "list:capacity=1", kind == POOL_STOP_POISON ? "list:capacity=1" : "list");
        rig.config.stop = kind;
        start_attached();
        unsigned submitted = 0;
        for (unsigned i = 0; i < 20; i++)
            submitted += submit_one(0) > 0;
        const struct pool_statistics statistics = stop();
        assert_true(submitted > 0);
        assert_int_equal(statistics.invoked, submitted);
        assert_int_equal(statistics.completed + statistics.unrun, submitted);
    }
}

static void without_memory_for_the_poison_the_workers_end_all_the_same(void **state)
{
    (void)state;
    rig.config.stop = POOL_STOP_POISON;
    start_attached();
    submit(10);
    atomic_store(&rig.memory.left, 0);
    const struct pool_statistics statistics = stop();
    assert_int_equal(statistics.completed, 10);
}

// What was put into the job queues, with a copy of each poison as it was then.
#define WORKERS 3u
static struct job *poisons[WORKERS], copies[WORKERS];
static unsigned poison_count, prepared;

static int enqueue_noting(void *queue, void *handle, uintptr_t item)
{
    struct job *job = (struct job *)item;
    if (job->call.port == PORT_NONE && poison_count < WORKERS) {
        copies[poison_count] = *job;
        poisons[poison_count++] = job;
    }
    return list_queue_ops.enqueue(queue, handle, item);
}

static int prepare_noting(void *queue, void **element)
{
    prepared++;
    return list_queue_ops.prepare(queue, element);
}

static void b58_b59_each_queue_gets_a_poison_of_its_own_that_holds_nothing(void **state)
{
    (void)state;
    rig_again(&rig, 1, WORKERS, "list", "list");
    struct queue_entry job_entry = *rig.job_queue.entry, ready_entry = *rig.ready_queue.entry;
    struct queue_ops job_ops = list_queue_ops, ready_ops = list_queue_ops;
    job_ops.enqueue = enqueue_noting;
    ready_ops.prepare = prepare_noting;
    job_entry.ops = &job_ops;
    ready_entry.ops = &ready_ops;
    rig.job_queue.entry = &job_entry;
    rig.ready_queue.entry = &ready_entry;
    rig.config.stop = POOL_STOP_POISON;
    poison_count = prepared = 0;
    start_attached();
    submit(5);
    stop();
    assert_int_equal(poison_count, WORKERS);
    assert_int_equal(prepared, 5); // none for the poison
    for (unsigned i = 0; i < WORKERS; i++) {
        for (unsigned j = 0; j < i; j++)
            assert_ptr_not_equal(poisons[i], poisons[j]);
        assert_null(copies[i].data_lock);
        assert_null(copies[i].driver);
        assert_null(copies[i].cargo.element);
        assert_null(copies[i].cargo.garbage.last);
        assert_null(copies[i].call.invoke);
        assert_int_equal(copies[i].id, 0);
    }
}

static void b59_the_worker_writes_nothing_to_the_poison_and_frees_its_garbage(void **state)
{
    (void)state;
    rig_again(&rig, 1, 1, "scripted", "scripted");
    rig_man(&rig);
    struct job *poison = &rig.worker->poison;
    const struct job before = *poison;
    assert_int_equal(queue_enqueue(&rig.scheduler->submitter.jobs[0], (uintptr_t)poison), QUEUE_OK);
    scripted_litter(rig.worker->jobs.memory, 7);
    assert_int_equal(worker_step(rig.worker), WORKER_STOP);
    assert_memory_equal(poison, &before, sizeof before);
    rig_stop(&rig); // says so if elements were kept
    rig.pool = NULL;
    assert_int_equal(script_count(&rig.job_script, 'x'), 7);
}

static long answer_in_ready;

static void ready_that_submits(void *data)
{
    count_ready(data);
    answer_in_ready = submit_one(0);
}

// In the original such a job stands behind the poison, and nobody hears of it again.
static void b59_who_submits_after_the_stop_began_is_told(void **state)
{
    (void)state;
    rig_forget_choices(&rig);
    for (uint64_t kind = POOL_STOP_DRAIN; kind <= POOL_STOP_POISON; kind++) {
        set_up(NULL);
        rig.config.stop = kind;
        rig.setup.externals = 1;
        rig_start(&rig);
        assert_int_equal(erts_pool_ops.attach(rig.pool, 0), 0);
        assert_int_equal(erts_pool_ops.attach(rig.pool, 1), 0);
        answer_in_ready = 0;
        assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, count_invoke, ready_that_submits, NULL) > 0);
        atomic_store(&rig.pool->closing, 1);
        for (unsigned thread = 0; thread < 2; thread++)
            assert_int_equal(submit_one(thread), -ESHUTDOWN);
        const struct pool_statistics statistics = stop();
        assert_int_equal(answer_in_ready, -ESHUTDOWN);
        assert_int_equal(statistics.submitted, 1);
        assert_int_equal(statistics.completed, 1);
        assert_int_equal(atomic_load(&invoked), 1);
    }
}

// A job queue whose enqueue does not return before the pool is closing, and then takes its time.
static _Atomic unsigned inside;

static int enqueue_late(void *queue, void *handle, uintptr_t item)
{
    if (((struct job *)item)->call.port != PORT_NONE) {
        atomic_store(&inside, 1);
        SPIN_UNTIL(atomic_load(&rig.pool->closing));
        for (unsigned i = 0; i < 2000; i++)
            thread_yield();
    }
    return list_queue_ops.enqueue(queue, handle, item);
}

static long late_id;

static void submit_late(void *argument)
{
    (void)argument;
    erts_pool_ops.attach(rig.pool, 0);
    late_id = submit_one(0);
    erts_pool_ops.detach(rig.pool, 0);
}

static void b59_the_poison_comes_after_the_job_of_who_is_inside_submit(void **state)
{
    (void)state;
    rig_forget_choices(&rig);
    for (uint64_t kind = POOL_STOP_POISON; kind <= POOL_STOP_FLUSH; kind++) {
        set_up_with(1, "list", "list");
        struct thread thread;
        const struct thread_options options = {.cpu = -1};
        struct queue_entry entry = *rig.job_queue.entry;
        struct queue_ops ops = list_queue_ops;
        ops.enqueue = enqueue_late;
        entry.ops = &ops;
        rig.job_queue.entry = &entry;
        rig.config.stop = kind;
        atomic_store(&inside, 0);
        rig_start(&rig);
        assert_int_equal(thread_start(&thread, &options, submit_late, NULL), 0);
        SPIN_UNTIL(atomic_load(&inside));
        const struct pool_statistics statistics = stop();
        thread_join(&thread);
        assert_int_equal(late_id, 1);
        assert_int_equal(statistics.invoked, 1);
        assert_int_equal(statistics.completed + statistics.unrun, 1);
    }
}

static void poison_needs_a_queue_that_is_fifo(void **state)
{
    (void)state;
    for (uint64_t kind = POOL_STOP_POISON; kind <= POOL_STOP_FLUSH; kind++) {
        rig.job_queue.traits.order = QUEUE_ORDER_PER_PRODUCER;
        rig.config.stop = kind;
        rig.fault.text[0] = '\0';
        assert_int_equal(rig_try(&rig), -EINVAL);
        assert_null(rig.pool);
        assert_non_null(strstr(rig.fault.text, "stop=drain can"));
    }
    rig.config.stop = POOL_STOP_DRAIN;
    assert_int_equal(rig_try(&rig), 0);
}

int main(void)
{
    clock_calibrate();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(b57_poison_ends_the_workers_behind_every_earlier_job),
        TEST(b57_the_flush_waits_for_every_invoke_and_for_no_completion),
        TEST(what_the_flush_leaves_unrun_lets_go_of_driver_and_data_lock),
        TEST(the_flush_needs_ready_queues_without_a_bound),
        TEST(the_poison_waits_for_room_and_makes_it),
        TEST(without_memory_for_the_poison_the_workers_end_all_the_same),
        TEST(b58_b59_each_queue_gets_a_poison_of_its_own_that_holds_nothing),
        TEST(b59_the_worker_writes_nothing_to_the_poison_and_frees_its_garbage),
        TEST(b59_who_submits_after_the_stop_began_is_told),
        TEST(b59_the_poison_comes_after_the_job_of_who_is_inside_submit),
        TEST(poison_needs_a_queue_that_is_fifo),
    };
    return cmocka_run_group_tests_name("behaviours stop", tests, NULL, NULL);
}
