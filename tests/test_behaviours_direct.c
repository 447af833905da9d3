// SPDX-License-Identifier: Apache-2.0
// The original's build switches of 2013 as options: completion on the worker, no ready queue, no SMP. A number
// (b3) is that of the behaviour in tests/behaviours.md.
#include <errno.h>

#include "core/machine/clock.h"
#include "tests/pool_rig.h"

static struct rig rig;
static struct trace trace;
static struct driver_handle handle;
static struct port_data_lock *data_lock;
static struct lock_node node;
static struct job_call call;

static int set_up(void **state)
{
    (void)state;
    memset(&trace, 0, sizeof trace);
    data_lock = NULL;
    rig_init(&rig, 1, 1, "scripted", "scripted");
    rig.config.completion = POOL_COMPLETION_WORKER;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (rig.pool)
        rig_stop(&rig);
    if (data_lock)
        port_data_lock_release(data_lock);
    return 0;
}

static void b2_where_jobs_complete_is_an_option_and_the_ready_queue_its_default(void **state)
{
    (void)state;
    struct fault fault = {""};
    rig_init(&rig, 1, 1, "scripted", "scripted");
    assert_int_equal(rig.config.completion, POOL_COMPLETION_READY_QUEUE);
    assert_int_equal(rig.config.smp, 1);
    const struct param *table = erts_pool_ops.params;
    assert_int_equal(params_set_all(table, &rig.config, "erts", "completion=worker", &fault), 0);
    assert_int_equal(rig.config.completion, POOL_COMPLETION_WORKER);
    struct pool_traits traits = erts_pool_ops.traits;
    assert_true(traits.completes_on_submitter);
    erts_pool_ops.resolve(&rig.config, &traits);
    assert_false(traits.completes_on_submitter);
}

static void b2_without_smp_the_ready_queue_is_compulsory(void **state)
{
    (void)state;
    rig.config.smp = 0;
    assert_int_equal(rig_try(&rig), -EINVAL);
    assert_null(rig.pool);
    assert_non_null(strstr(rig.fault.text, "completion=worker needs smp=yes"));
    assert_null(strchr(rig.fault.text, '\n'));
}

static void b3_the_worker_completes_the_job_and_frees_it(void **state)
{
    (void)state;
    rig_man(&rig);
    assert_int_equal(rig.ready_script.made, 0); // no ready queue
    assert_null(pool_ready_queue(rig.pool, 0));
    assert_false(rig.job_script.deferred); // the queue frees its own elements
    assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    assert_string_equal(rig.ready_script.log, ""); // no element is prepared
    assert_string_equal(rig.job_script.log, "e");
    const uint64_t frees = atomic_load(&rig.memory.frees);
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    assert_string_equal(trace.log, "ir");
    assert_int_equal(atomic_load(&rig.memory.frees), frees + 1);
    struct pool_statistics statistics;
    pool_statistics(rig.pool, &statistics);
    assert_int_equal(statistics.completed, 1);
    scheduler_wait(rig.scheduler); // told of it, so that it does not sleep
    scheduler_pass(rig.scheduler);
    assert_string_equal(trace.log, "ir");
}

static bool port_is_held(void)
{
    return atomic_load(&rig.pool->ports.ports[(uint32_t)call.port - 1].holder) == thread_token();
}

static void note(char letter)
{
    trace_note(&trace, letter);
    trace_note(&trace, port_is_held() ? 'H' : 'h');
}

static void note_ready(struct port *port, const struct job *job)
{
    (void)port;
    (void)job;
    note('r');
}

static void note_free(void *data)
{
    (void)data;
    note('f');
}

static void note_unload(struct driver_handle *unloaded)
{
    (void)unloaded;
    note('u');
    trace_note(&trace, (char)('0' + atomic_load(&data_lock->references)));
}

static const struct driver full = {.name = "full", .ready_async = note_ready, .handle = &handle};

// Submits one job for a port of its own, and gives back all references but the port's and the job's, and the test's to
// the data lock.
static struct port *submit_for_port(void)
{
    rig_man(&rig);
    data_lock = port_data_lock_create(&memory_system);
    driver_handle_init(&handle, note_unload);
    call = (struct job_call){.invoke = trace_invoke, .free = note_free, .data = &trace};
    assert_int_equal(port_open(&rig.pool->ports, &full, NULL, data_lock, &call.port), 0);
    driver_handle_release(&handle);
    struct port *port = port_acquire(&rig.pool->ports, call.port, &node);
    assert_true(pool_async(&rig.scheduler->submitter, &call, NULL) > 0);
    return port;
}

static void b3_under_the_ports_lock_which_the_worker_looks_up(void **state)
{
    (void)state;
    port_release(submit_for_port(), &node);
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    assert_string_equal(trace.log, "irH");
    assert_int_equal(atomic_load(&data_lock->references), 2);
    assert_int_equal(atomic_load(&handle.references), 1);
}

static void b3_of_a_dead_port_only_free_runs(void **state)
{
    (void)state;
    struct port *port = submit_for_port();
    port_close(&rig.pool->ports, port);
    port_release(port, &node);
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    assert_string_equal(trace.log, "ifhuh1");
}

static void count(void *data)
{
    atomic_fetch_add((_Atomic unsigned *)data, 1);
}

static _Atomic unsigned invoked, readied, chained;

// Each completion submits one more, from the worker, until there were enough.
static void count_and_submit(void *data)
{
    count(data);
    if (atomic_fetch_add(&chained, 1) < ROUNDS(5000) &&
        erts_pool_ops.submit(rig.pool, 0, NULL, count, count_and_submit, data) <= 0)
        atomic_store(&chained, UINT32_MAX / 2);
}

static void b3_completions_on_workers_submit_and_a_scheduler_waits_for_what_they_submitted(void **state)
{
    (void)state;
    rig_again(&rig, 1, 3, "erts_mpsc", "erts_mpsc");
    rig.config.completion = POOL_COMPLETION_WORKER;
    atomic_store(&invoked, 0);
    atomic_store(&chained, 0);
    rig_start(&rig);
    assert_int_equal(erts_pool_ops.attach(rig.pool, 0), 0);
    for (unsigned i = 0; i < 5; i++)
        assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, count, count_and_submit, &invoked) > 0);
    erts_pool_ops.detach(rig.pool, 0);
    struct pool_statistics statistics;
    assert_int_equal(erts_pool_ops.stop(rig.pool, &statistics, &rig.fault), 0);
    rig.pool = NULL;
    rig_forget_choices(&rig);
    assert_true(statistics.submitted >= ROUNDS(5000));
    assert_int_equal(statistics.completed, statistics.submitted);
    assert_int_equal(atomic_load(&invoked), 2 * statistics.submitted);
    assert_int_equal(atomic_load(&rig.memory.allocations), atomic_load(&rig.memory.frees));
}

// Nothing is asserted while the port is held, or the pool could not be stopped.
static void a_refused_submit_gives_back_element_and_references(void **state)
{
    (void)state;
    rig.config.completion = POOL_COMPLETION_READY_QUEUE;
    rig.job_script.capacity = 1;
    struct port *port = submit_for_port();
    const uint64_t held = atomic_load(&rig.memory.allocations) - atomic_load(&rig.memory.frees);
    const long result = pool_async(&rig.scheduler->submitter, &call, NULL);
    port_release(port, &node);
    assert_int_equal(result, -EAGAIN);
    assert_string_equal(rig.ready_script.log, "ppu");         // prepared twice, and one was discarded
    assert_int_equal(atomic_load(&data_lock->references), 3); // the test, the port and the first job
    assert_int_equal(atomic_load(&handle.references), 2);
    assert_int_equal(erts_pool_ops.ports->references(rig.pool), 4);
    assert_int_equal(atomic_load(&rig.memory.allocations) - atomic_load(&rig.memory.frees), held);
    rig_work(&rig, 0);
    scheduler_pass(rig.scheduler);
    assert_string_equal(trace.log, "irH");
}

static long refusal;

static void submit_into_a_full_queue(void *data)
{
    trace_note(data, 'r');
    refusal = rig_submit(&rig, 0, NULL, &trace);
}

static void a_refused_submit_of_a_completion_leaves_nothing_to_wait_for(void **state)
{
    (void)state;
    rig.job_script.capacity = 2;
    rig_man(&rig);
    const uint64_t held = atomic_load(&rig.memory.allocations) - atomic_load(&rig.memory.frees);
    for (unsigned i = 0; i < 2; i++)
        assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, trace_invoke, submit_into_a_full_queue, &trace) > 0);
    rig.job_script.capacity = 1; // one is taken, and one still there
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    assert_int_equal(refusal, -EAGAIN);
    assert_int_equal(atomic_load(&rig.scheduler->adopted), 0);
    rig.job_script.capacity = 0;
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    assert_true(refusal > 0);
    assert_int_equal(atomic_load(&rig.scheduler->adopted), 1);
    rig_work(&rig, 0);
    assert_string_equal(trace.log, "iririr");
    assert_int_equal(atomic_load(&rig.memory.allocations) - atomic_load(&rig.memory.frees), held);
}

static void without_smp(void)
{
    rig_init(&rig, 1, 1, "scripted", "scripted");
    rig.config.smp = 0;
    rig_man(&rig);
    assert_null(rig.pool->progress);
}

static void b4_without_smp_the_worker_takes_needing_progress_for_clean(void **state)
{
    (void)state;
    without_smp();
    scripted_litter(rig.worker->jobs.memory, GARBAGE_STEP + 5);
    rig.job_script.inspect[0] = rig.job_script.inspect[1] = QUEUE_NEED_PROGRESS;
    rig.job_script.progress = UINT64_MAX / 4;
    assert_int_equal(worker_step(rig.worker), WORKER_SLEEP);
    assert_int_equal(script_count(&rig.job_script, 'x'), GARBAGE_STEP + 5);
    assert_null(rig.worker->saved.first);
}

static void b4_without_smp_the_ready_clean_knows_no_progress(void **state)
{
    (void)state;
    uint64_t progress = 4711;
    without_smp();
    rig.ready_script.clean[0] = QUEUE_NEED_PROGRESS;
    rig.ready_script.progress = UINT64_MAX / 4;
    assert_int_equal(ready_clean(&rig.scheduler->ready, &progress), QUEUE_CLEAN);
    assert_int_equal(ready_clean(&rig.scheduler->ready, &progress), QUEUE_CLEAN);
    assert_int_equal(scheduler_pass(rig.scheduler), POOL_NOTHING);
}

static void b4_without_smp_every_job_runs_and_all_memory_comes_back(void **state)
{
    (void)state;
    static const char *const queues[] = {"erts_mpsc", "list"};
    for (unsigned i = 0; i < 4; i++) {
        rig_init(&rig, 1, 2, queues[i % 2], queues[i / 2]);
        rig.config.smp = 0;
        atomic_store(&invoked, 0);
        atomic_store(&readied, 0);
        rig_start(&rig);
        assert_int_equal(erts_pool_ops.attach(rig.pool, 0), 0);
        for (unsigned job = 1; job <= ROUNDS(5000); job++) {
            assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, count, count, &invoked) > 0);
            if (job % 64 == 0)
                erts_pool_ops.wait(rig.pool, 0);
            erts_pool_ops.pass(rig.pool, 0);
        }
        erts_pool_ops.detach(rig.pool, 0);
        assert_int_equal(atomic_load(&invoked), 2 * ROUNDS(5000));
        rig_stop(&rig);
        rig.pool = NULL;
    }
}

static void b4_several_schedulers_need_smp(void **state)
{
    (void)state;
    rig_init(&rig, 2, 1, "scripted", "scripted");
    rig.config.smp = 0;
    assert_int_equal(rig_try(&rig), -EINVAL);
    assert_non_null(strstr(rig.fault.text, "smp"));
    assert_null(rig.pool);
}

static void batches_are_taken_and_sent_home_whole(void **state)
{
    (void)state;
    rig_init(&rig, 1, 1, "scripted", "scripted");
    rig.config.batch = 3;
    rig_man(&rig);
    for (unsigned i = 0; i < 4; i++)
        assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    scripted_litter(rig.worker->jobs.memory, 2);
    rig_forget(&rig);
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    assert_string_equal(trace.log, "iii");
    assert_string_equal(rig.job_script.log, "dddt");
    assert_string_equal(rig.ready_script.log, "EEE");
    const struct scripted *ready = rig.scheduler->ready.queue.memory;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(garbage_length(&((struct job *)ready->items[i])->cargo.garbage), i == 0 ? 2 : 0);
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    assert_string_equal(trace.log, "iiii");
    scheduler_pass(rig.scheduler);
    assert_string_equal(trace.log, "iiiirrrr");
}

static void the_poison_ends_a_batch_which_is_sent_home_first(void **state)
{
    (void)state;
    rig_init(&rig, 1, 1, "scripted", "scripted");
    rig.config.batch = 8;
    rig.ready_script.capacity = 1;
    rig_man(&rig);
    for (unsigned i = 0; i < 2; i++)
        assert_true(rig_submit(&rig, 0, NULL, &trace) > 0);
    assert_int_equal(queue_enqueue(&rig.scheduler->submitter.jobs[0], (uintptr_t)&rig.worker->poison), QUEUE_OK);
    assert_int_equal(worker_step(rig.worker), WORKER_NO_ROOM);
    assert_string_equal(trace.log, "ii");
    scheduler_pass(rig.scheduler);
    assert_int_equal(worker_step(rig.worker), WORKER_STOP);
    scheduler_pass(rig.scheduler);
    assert_string_equal(trace.log, "iirr");
}

int main(void)
{
    clock_calibrate();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(b2_where_jobs_complete_is_an_option_and_the_ready_queue_its_default),
        TEST(b2_without_smp_the_ready_queue_is_compulsory),
        TEST(b3_the_worker_completes_the_job_and_frees_it),
        TEST(b3_under_the_ports_lock_which_the_worker_looks_up),
        TEST(b3_of_a_dead_port_only_free_runs),
        TEST(b3_completions_on_workers_submit_and_a_scheduler_waits_for_what_they_submitted),
        TEST(a_refused_submit_gives_back_element_and_references),
        TEST(a_refused_submit_of_a_completion_leaves_nothing_to_wait_for),
        TEST(b4_without_smp_the_worker_takes_needing_progress_for_clean),
        TEST(b4_without_smp_the_ready_clean_knows_no_progress),
        TEST(b4_without_smp_every_job_runs_and_all_memory_comes_back),
        TEST(b4_several_schedulers_need_smp),
        TEST(batches_are_taken_and_sent_home_whole),
        TEST(the_poison_ends_a_batch_which_is_sent_home_first),
    };
    return cmocka_run_group_tests_name("behaviours direct", tests, NULL, NULL);
}
