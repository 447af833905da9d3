// SPDX-License-Identifier: Apache-2.0
// The pool without workers, where submit runs a job to its end. A number (b33) is that of the behaviour in
// tests/behaviours.md.
#include <dirent.h>
#include <errno.h>

#include "core/measure/accounting.h"
#include "tests/child.h"
#include "tests/pool_rig.h"

static struct rig rig;
static struct trace trace;
static struct driver_handle handle;
static struct port_data_lock *data_lock;
static struct lock_node node;

static int set_up(void **state)
{
    (void)state;
    memset(&trace, 0, sizeof trace);
    rig_init(&rig, 1, 0, "scripted", "scripted");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (rig.pool)
        rig_stop(&rig);
    return 0;
}

static void man(void)
{
    rig_start(&rig);
    assert_int_equal(erts_pool_ops.attach(rig.pool, 0), 0);
}

static unsigned threads_of_this_process(void)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (const struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static void b11_b18_without_workers_there_is_no_thread_no_queue_and_nothing_to_poll(void **state)
{
    (void)state;
    const unsigned threads = threads_of_this_process();
    rig_init(&rig, 2, 0, "scripted", "scripted");
    rig_start(&rig);
    assert_int_equal(threads_of_this_process(), threads);
    assert_int_equal(rig.job_script.made + rig.ready_script.made, 0);
    assert_null(rig.pool->progress);
    assert_null(rig.pool->elements);
    assert_null(pool_ready_queue(rig.pool, 0));
    assert_null(pool_ready_queue(rig.pool, 1));
}

static void b23_b33_a_job_runs_inside_submit_which_answers_0(void **state)
{
    (void)state;
    man();
    for (unsigned i = 0; i < 3; i++) {
        memset(&trace, 0, sizeof trace);
        assert_int_equal(rig_submit(&rig, 0, NULL, &trace), 0);
        assert_string_equal(trace.log, "ir");
    }
    assert_int_equal(erts_pool_ops.pass(rig.pool, 0), POOL_NOTHING);
    erts_pool_ops.wait(rig.pool, 0); // for what could never come
    struct pool_statistics statistics;
    erts_pool_ops.statistics(rig.pool, &statistics);
    assert_int_equal(statistics.submitted, 3);
    assert_int_equal(statistics.invoked, 3);
    assert_int_equal(statistics.completed, 3);
}

static void b25_b35_a_key_becomes_0(void **state)
{
    (void)state;
    man();
    unsigned key = 4711;
    assert_int_equal(rig_submit(&rig, 0, &key, &trace), 0);
    assert_int_equal(key, 0);
}

static bool is_locked(void)
{
    const struct port *port = rig.pool->ports.ports;
    for (unsigned i = 0; i < rig.pool->ports.capacity; i++)
        if (port[i].driver && port[i].driver->handle && port[i].holder == thread_token())
            return true;
    return false;
}

// H: under the port's lock. h: not. Then how many references there are to data lock and driver.
static void note(char letter)
{
    trace_note(&trace, letter);
    trace_note(&trace, is_locked() ? 'H' : 'h');
    trace_note(&trace, (char)('0' + atomic_load(&data_lock->references)));
    trace_note(&trace, (char)('0' + atomic_load(&handle.references)));
}

static void note_invoke(void *data)
{
    (void)data;
    note('i');
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
    trace_note(&trace, 'u');
}

static const struct driver full = {.name = "full", .ready_async = note_ready, .handle = &handle};
static const struct driver mute = {.name = "mute", .handle = &handle};

// A port of `driver` with a data lock; the port holds the only references.
static struct port *open_port(const struct driver *driver, struct job_call *call)
{
    man();
    data_lock = port_data_lock_create(&memory_system);
    driver_handle_init(&handle, note_unload);
    *call = (struct job_call){.invoke = note_invoke, .free = note_free, .data = &trace};
    assert_int_equal(port_open(&rig.pool->ports, driver, NULL, data_lock, &call->port), 0);
    port_data_lock_release(data_lock);
    driver_handle_release(&handle);
    return port_acquire(&rig.pool->ports, call->port, &node);
}

static void b33_b35_under_the_ports_lock_and_without_references(void **state)
{
    (void)state;
    struct job_call call;
    struct port *port = open_port(&full, &call);
    assert_int_equal(pool_async(&rig.scheduler->submitter, &call, NULL), 0);
    assert_string_equal(trace.log, "iH11rH11");
    port_close(&rig.pool->ports, port);
    port_release(port, &node);
    assert_string_equal(trace.log, "iH11rH11u");
}

static void b34_without_a_callback_free_runs(void **state)
{
    (void)state;
    struct job_call call;
    struct port *port = open_port(&mute, &call);
    const uint64_t held = atomic_load(&rig.memory.allocations) - atomic_load(&rig.memory.frees);
    assert_int_equal(pool_async(&rig.scheduler->submitter, &call, NULL), 0);
    assert_string_equal(trace.log, "iH11fH11");
    call.free = NULL;
    assert_int_equal(pool_async(&rig.scheduler->submitter, &call, NULL), 0);
    assert_string_equal(trace.log, "iH11fH11iH11");
    assert_int_equal(atomic_load(&rig.memory.allocations) - atomic_load(&rig.memory.frees), held); // the records
    port_release(port, &node);
}

static void note_and_let_close(void *data)
{
    note_invoke(data);
    struct port *port = rig.pool->ports.ports;
    while (port->holder != thread_token())
        port++;
    port->output_bytes = 1;
    port_close(&rig.pool->ports, port);
    port->output_bytes = 0;
}

// Nobody looks the port up again: that it is closing does not keep it from its callback.
static void b33_a_port_that_began_to_close_in_invoke_is_called_all_the_same_and_dies_then(void **state)
{
    (void)state;
    struct job_call call;
    struct port *port = open_port(&full, &call);
    call.invoke = note_and_let_close;
    assert_int_equal(pool_async(&rig.scheduler->submitter, &call, NULL), 0);
    port_release(port, &node);
    assert_string_equal(trace.log, "iH11rH11u");
    assert_null(port_acquire(&rig.pool->ports, call.port, &node));
}

#if READYQ_OBSERVE
static void note_state(void *data)
{
    (void)data;
    trace_note(&trace, (char)('0' + atomic_load(&rig.scheduler->account->state)));
}

static void note_state_in_ready(struct port *port, const struct job *job)
{
    (void)port;
    note_state(job->call.data);
}

static const struct driver full_of_states = {.name = "states", .ready_async = note_state_in_ready};
static const struct driver mute_of_states = {.name = "mute"};

static void submit_for(const struct driver *driver)
{
    struct job_call call = {.invoke = note_state, .free = note_state};
    assert_int_equal(port_open(&rig.pool->ports, driver, NULL, NULL, &call.port), 0);
    struct port *port = port_acquire(&rig.pool->ports, call.port, &node);
    assert_int_equal(pool_async(&rig.scheduler->submitter, &call, NULL), 0);
    port_release(port, &node);
    note_state(NULL);
}

static void b35_accounts_count_invoke_and_free_as_port_work_and_go_back(void **state)
{
    (void)state;
    rig.config.accounting = 1;
    man();
    submit_for(&full_of_states);
    submit_for(&mute_of_states);
    const char expected[] = {'0' + ACCOUNT_PORT,
                             '0' + ACCOUNT_READY,
                             '0' + ACCOUNT_OTHER,
                             '0' + ACCOUNT_PORT,
                             '0' + ACCOUNT_PORT,
                             '0' + ACCOUNT_OTHER,
                             0};
    assert_string_equal(trace.log, expected);
}
#endif

// A port that invoke closes, by the contract's own call, lives until the callback has run, and dies then.
static struct {
    struct pool_driver *driver;
    uint64_t port;
} closed;

static void invoke_that_closes(void *data)
{
    trace_note(data, 'i');
    assert_int_equal(erts_pool_ops.ports->close(rig.pool, closed.port, false), 0);
}

static void ready_of_the_contract(uint64_t port, void *port_data, void *job_data)
{
    (void)port;
    (void)port_data;
    trace_note(job_data, 'r');
}

// In a process of its own, as a crash inside submit would leave a pool that can't be stopped.
static int close_in_invoke(void)
{
    static const struct pool_driver_ops ops = {.name = "brief", .ready = ready_of_the_contract};
    set_up(NULL);
    man();
    closed.driver = erts_pool_ops.ports->load(rig.pool, &ops, NULL);
    erts_pool_ops.ports->open(rig.pool, closed.driver, NULL, true, &closed.port);
    const struct pool_port_job job = {closed.port, invoke_that_closes, trace_free, &trace};
    const long result = erts_pool_ops.ports->submit(rig.pool, 0, &job, NULL);
    printf("%s %ld %u\n", trace.log, result, (unsigned)erts_pool_ops.ports->references(rig.pool));
    erts_pool_ops.ports->unload(rig.pool, closed.driver);
    return tear_down(NULL);
}

static void b33_a_port_that_invoke_closes_is_called_all_the_same_and_dies_then(void **state)
{
    (void)state;
    char line[32];
    child_says("close_in_invoke", line, sizeof line);
    assert_string_equal(line, "ir 0 0\n");
}

static unsigned depth;

static void ready_that_submits(void *data)
{
    trace_note(data, 'r');
    if (depth-- > 0)
        assert_int_equal(erts_pool_ops.submit(rig.pool, 0, NULL, trace_invoke, ready_that_submits, data), 0);
    trace_note(data, '.');
}

static void b33_a_callback_may_submit_which_runs_inside_it(void **state)
{
    (void)state;
    man();
    depth = 2;
    assert_int_equal(erts_pool_ops.submit(rig.pool, 0, NULL, trace_invoke, ready_that_submits, &trace), 0);
    assert_string_equal(trace.log, "iririr...");
    // Still counted as outside: stop would wait for ever.
    assert_int_equal(atomic_load(&rig.scheduler->submitter.inside), 0);
}

static void b57_stopping_has_nothing_to_flush(void **state)
{
    (void)state;
    for (uint64_t stop = POOL_STOP_DRAIN; stop <= POOL_STOP_FLUSH; stop++) {
        struct pool_statistics statistics;
        rig_init(&rig, 1, 0, "scripted", "scripted");
        rig.config.stop = stop;
        man();
        assert_int_equal(rig_submit(&rig, 0, NULL, &trace), 0);
        assert_int_equal(erts_pool_ops.stop(rig.pool, &statistics, &rig.fault), 0);
        rig.pool = NULL;
        assert_int_equal(statistics.submitted, 1);
        assert_int_equal(statistics.completed, 1);
        assert_int_equal(statistics.unrun, 0);
        assert_int_equal(atomic_load(&rig.memory.allocations), atomic_load(&rig.memory.frees));
    }
}

static void a_stopping_pool_refuses_here_too(void **state)
{
    (void)state;
    man();
    atomic_store(&rig.pool->closing, 1);
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), -ESHUTDOWN);
    assert_string_equal(trace.log, "");
}

static void without_memory_submit_refuses(void **state)
{
    (void)state;
    man();
    atomic_store(&rig.memory.left, 0);
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), -ENOMEM);
    atomic_store(&rig.memory.left, UINT64_MAX);
    assert_string_equal(trace.log, "");
}

static void b19_an_external_runs_its_jobs_itself(void **state)
{
    (void)state;
    rig.setup.externals = 1;
    man();
    assert_int_equal(erts_pool_ops.attach(rig.pool, 1), 0);
    assert_int_equal(erts_pool_ops.submit(rig.pool, 1, NULL, trace_invoke, trace_ready, &trace), 0);
    assert_string_equal(trace.log, "ir");
    erts_pool_ops.detach(rig.pool, 1);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "close_in_invoke") == 0)
        return close_in_invoke();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(b11_b18_without_workers_there_is_no_thread_no_queue_and_nothing_to_poll),
        TEST(b23_b33_a_job_runs_inside_submit_which_answers_0),
        TEST(b25_b35_a_key_becomes_0),
        TEST(b33_b35_under_the_ports_lock_and_without_references),
        TEST(b34_without_a_callback_free_runs),
        TEST(b33_a_port_that_began_to_close_in_invoke_is_called_all_the_same_and_dies_then),
#if READYQ_OBSERVE
        TEST(b35_accounts_count_invoke_and_free_as_port_work_and_go_back),
#endif
        TEST(b33_a_callback_may_submit_which_runs_inside_it),
        TEST(b33_a_port_that_invoke_closes_is_called_all_the_same_and_dies_then),
        TEST(b57_stopping_has_nothing_to_flush),
        TEST(a_stopping_pool_refuses_here_too),
        TEST(without_memory_submit_refuses),
        TEST(b19_an_external_runs_its_jobs_itself),
    };
    return cmocka_run_group_tests_name("behaviours inline", tests, NULL, NULL);
}
