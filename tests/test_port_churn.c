// SPDX-License-Identifier: Apache-2.0
// port_churn on the real pool in many configurations, and on one that treats a port, a job or a driver wrongly now and
// then: each check must fire, and say what it found. A pool that only counts shows that what is to be tested happens.
#include "tests/run_words.h"

#include <errno.h>

#include "core/machine/clock.h"
#include "core/sync/atomic.h"
#include "core/sync/lock.h"

enum defect {
    DEFECT_NONE,
    DEFECT_LOSES,          // neither ready nor free
    DEFECT_FORGETS_FREE,   // of jobs whose port is dead
    DEFECT_ENDS_BOTH_WAYS, // ready, then free
    DEFECT_READY_TWICE,
    DEFECT_READY_DEAD,  // in place of free
    DEFECT_FREES_ALIVE, // in place of ready
    DEFECT_NEVER_INVOKES,
    DEFECT_INVOKES_TWICE,
    DEFECT_ENDS_ABROAD, // on the worker
    DEFECT_REORDERS,
    DEFECT_WRONG_PORT, // ready is told of another port
    DEFECT_NEVER_STOPS,
    DEFECT_STOPS_TWICE,
    DEFECT_ACCEPTS_DEAD,
    DEFECT_REFUSES_ALIVE,
    DEFECT_IGNORES_OUTPUT,
    DEFECT_CLOSE_DENIES, // says that there was no such port
    DEFECT_NEVER_UNLOADS,
    DEFECT_UNLOADS_TWICE,
    DEFECT_UNLOADS_EARLY,
    DEFECT_KEEPS_REFERENCE,
};

// What the pool was seen to do.
enum event {
    READY,
    FREED_DEAD,
    FREED_MUTE,
    REFUSED,
    CLOSED_BY_CALLBACK,
    CLOSED_LEFT,
    DIED_BUSY,
    UNLOADED_BUSY,
    EVENTS
};

static enum defect defect;
static const struct pool_ops *real;
static _Atomic uint64_t turn;
static _Atomic uint64_t seen[EVENTS];
static _Thread_local unsigned callbacks; // that this thread is in

// What goes through the real pool in place of a driver, a port and a job. Kept until the run is over.
struct driver {
    const struct pool_driver_ops *ops;
    struct pool_driver_ops own;
    void *data;
    struct pool_driver *real;
    bool due;
    struct driver *next;
};

struct port {
    struct driver *driver;
    void *data;
    uint64_t id;
    _Atomic uint32_t dead, in_flight;
    struct port *next;
};

struct job {
    struct pool_port_job inner;
    struct port *port;
    bool due;
    struct job *next;
};

static struct lock lock; // of the three lists, and of the one job held back
static struct driver *drivers;
static struct port *ports;
static struct job *jobs, *held;

// Made under the lock; freed by forget_all.
#define REMEMBER(list, item)         \
    do {                             \
        struct lock_node node_;      \
        lock_acquire(&lock, &node_); \
        (item)->next = (list);       \
        (list) = (item);             \
        lock_release(&lock, &node_); \
    } while (0)

#define FORGET(list)           \
    while (list) {             \
        void *gone_ = (list);  \
        (list) = (list)->next; \
        free(gone_);           \
    }

static void see(enum event event)
{
    at_add_rlx(&seen[event], 1);
}

static bool is_due(enum defect which)
{
    return defect == which && at_add_rlx(&turn, 1) % 3 == 1;
}

static struct port *port_of(uint64_t id)
{
    struct lock_node node;
    lock_acquire(&lock, &node);
    struct port *port = ports;
    while (port && port->id != id)
        port = port->next;
    lock_release(&lock, &node);
    assert_non_null(port);
    return port;
}

static void forget_all(void)
{
    held = NULL;
    FORGET(jobs);
    FORGET(ports);
    FORGET(drivers);
}

// Drivers.

static void end_job(struct job *job)
{
    at_sub_rlx(&job->port->in_flight, 1);
}

static void drive_ready(uint64_t id, void *port_data, void *job_data)
{
    struct port *port = port_data;
    struct job *job = job_data;
    const struct pool_driver_ops *ops = port->driver->ops;
    if (is_due(DEFECT_LOSES))
        return;
    see(READY);
    callbacks++;
    if (is_due(DEFECT_FREES_ALIVE)) {
        job->inner.free(job->inner.data);
    } else {
        const bool both = is_due(DEFECT_ENDS_BOTH_WAYS), twice = is_due(DEFECT_READY_TWICE);
        end_job(job);
        ops->ready(is_due(DEFECT_WRONG_PORT) ? id + 1 : id, port->data, job->inner.data);
        if (both)
            job->inner.free(job->inner.data);
        if (twice)
            ops->ready(id, port->data, job->inner.data);
    }
    callbacks--;
}

static void drive_stop(uint64_t id, void *port_data)
{
    struct port *port = port_data;
    const bool twice = is_due(DEFECT_STOPS_TWICE);
    if (is_due(DEFECT_NEVER_STOPS))
        return;
    if (at_load_rlx(&port->in_flight) > 0)
        see(DIED_BUSY);
    at_store_rlx(&port->dead, 1);
    port->driver->ops->stop(id, port->data);
    if (twice)
        port->driver->ops->stop(id, port->data);
}

static void drive_unload(void *driver_data)
{
    struct driver *driver = driver_data;
    const bool twice = is_due(DEFECT_UNLOADS_TWICE);
    if (is_due(DEFECT_NEVER_UNLOADS) || driver->due)
        return;
    driver->ops->unload(driver->data);
    if (twice)
        driver->ops->unload(driver->data);
}

static struct pool_driver *load_driver(struct pool *pool, const struct pool_driver_ops *ops, void *data)
{
    struct driver *driver = calloc(1, sizeof *driver);
    assert_non_null(driver);
    driver->ops = ops;
    driver->data = data;
    driver->own = (struct pool_driver_ops){ops->name, ops->ready ? drive_ready : NULL, drive_stop, drive_unload};
    driver->real = real->ports->load(pool, &driver->own, driver);
    assert_non_null(driver->real);
    REMEMBER(drivers, driver);
    return (struct pool_driver *)driver;
}

static void unload_driver(struct pool *pool, struct pool_driver *handle)
{
    struct driver *driver = (struct driver *)handle;
    if (real->ports->references(pool) > 0)
        see(UNLOADED_BUSY);
    driver->due = is_due(DEFECT_UNLOADS_EARLY);
    if (driver->due)
        driver->ops->unload(driver->data);
    real->ports->unload(pool, driver->real);
}

// Ports.

static int open_port(struct pool *pool, struct pool_driver *handle, void *data, bool data_lock, uint64_t *id)
{
    struct port *port = calloc(1, sizeof *port);
    assert_non_null(port);
    port->driver = (struct driver *)handle;
    port->data = data;
    const int answer = real->ports->open(pool, port->driver->real, port, data_lock, &port->id);
    *id = port->id;
    REMEMBER(ports, port);
    return answer;
}

static int close_port(struct pool *pool, uint64_t id, bool output_left)
{
    if (callbacks > 0)
        see(CLOSED_BY_CALLBACK);
    if (output_left)
        see(CLOSED_LEFT);
    const bool lives_on = output_left && defect != DEFECT_IGNORES_OUTPUT;
    const int answer = real->ports->close(pool, id, lives_on);
    return is_due(DEFECT_CLOSE_DENIES) ? (answer ? 0 : -EINVAL) : answer;
}

// Jobs.

static void free_job(void *data)
{
    struct job *job = data;
    const bool mute = !job->port->driver->ops->ready;
    if (is_due(DEFECT_FORGETS_FREE) || (mute && job->due))
        return;
    see(mute ? FREED_MUTE : FREED_DEAD);
    end_job(job);
    if (!mute && is_due(DEFECT_READY_DEAD))
        job->port->driver->ops->ready(job->port->id, job->port->data, job->inner.data);
    else
        job->inner.free(job->inner.data);
}

static void invoke_job(void *data)
{
    struct job *job = data;
    const bool twice = is_due(DEFECT_INVOKES_TWICE);
    if (is_due(DEFECT_NEVER_INVOKES))
        return;
    callbacks++;
    job->inner.invoke(job->inner.data);
    if (twice)
        job->inner.invoke(job->inner.data);
    // Without `ready`, that is: its checks need the port's lock.
    if (job->due && !job->port->driver->ops->ready)
        job->inner.free(job->inner.data);
    callbacks--;
}

static long submit_really(struct pool *pool, unsigned thread, struct job *job, unsigned *key)
{
    const struct pool_port_job call = {job->inner.port, invoke_job, free_job, job};
    return real->ports->submit(pool, thread, &call, key);
}

static long submit_job(struct pool *pool, unsigned thread, const struct pool_port_job *inner, unsigned *key)
{
    struct job *job = calloc(1, sizeof *job);
    assert_non_null(job);
    job->inner = *inner;
    job->port = port_of(inner->port);
    job->due = is_due(DEFECT_ENDS_ABROAD);
    REMEMBER(jobs, job);
    if (is_due(DEFECT_REFUSES_ALIVE))
        return -EINVAL;
    if (!held && is_due(DEFECT_REORDERS)) {
        held = job;
        return 1;
    }
    at_add_rlx(&job->port->in_flight, 1);
    const long answer = submit_really(pool, thread, job, key);
    if (answer < 0)
        end_job(job);
    if (answer == -EINVAL)
        see(REFUSED);
    if (held && held->inner.port == inner->port) {
        submit_really(pool, thread, held, key);
        held = NULL;
    }
    return answer == -EINVAL && is_due(DEFECT_ACCEPTS_DEAD) ? 1 : answer;
}

// Nobody wakes a scheduler for a job that is held back.
static void wait_for_jobs(struct pool *pool, unsigned scheduler)
{
    if (defect == DEFECT_NONE)
        real->wait(pool, scheduler);
}

static uint64_t count_references(struct pool *pool)
{
    return real->ports->references(pool) + (defect == DEFECT_KEEPS_REFERENCE);
}

// Runs.

static struct topology topology;

static int load(void **state)
{
    (void)state;
    struct fault fault = {""};
    clock_calibrate();
    lock_init(&lock, LOCK_MUTEX);
    return topology_load(&topology, NULL, &fault);
}

static int unload(void **state)
{
    (void)state;
    topology_unload(&topology);
    lock_fini(&lock);
    return 0;
}

static void spoil(struct pool_ops *ops, struct pool_port_ops *port_ops)
{
    *port_ops = *real->ports;
    port_ops->load = load_driver;
    port_ops->unload = unload_driver;
    port_ops->open = open_port;
    port_ops->close = close_port;
    port_ops->submit = submit_job;
    port_ops->references = count_references;
    *ops = *real;
    ops->wait = wait_for_jobs;
    ops->ports = port_ops;
}

static void run_for(struct outcome *outcome, const char *words, enum defect which, bool watched, unsigned duration_ms)
{
    struct run_request request;
    struct pool_ops ops;
    struct pool_port_ops port_ops;
    struct pool_entry entry;
    char *text, line[256];
    snprintf(line, sizeof line, "--workload port_churn:%s --pin none --warmup 2ms --duration %ums", words, duration_ms);
    words_expect(&request, line, &text);
    const struct pool_entry *listed = request.options.pool;
    real = listed->ops;
    entry = *listed;
    spoil(&ops, &port_ops);
    if (watched) {
        entry.ops = &ops;
        request.options.pool = &entry;
    }
    defect = which;
    at_store_rlx(&turn, 0);
    outcome_of(outcome, &request.options, &topology);
    forget_all();
    request.options.pool = listed;
    options_free(&request);
    free(text);
}

static bool times_all(const char *words)
{
    return strstr(words, "sample_every=1") != NULL;
}

// On a busy machine no job may end in a short window.
static bool is_too_short(const struct outcome *outcome, const char *words)
{
    return outcome->code == 0 && times_all(words) && outcome->record.stages[JOBS_TOTAL].histogram->count == 0;
}

static void run_on(struct outcome *outcome, const char *words, enum defect which, bool watched)
{
    run_for(outcome, words, which, watched, 20);
    for (unsigned ms = 80; ms < 10000 && is_too_short(outcome, words); ms *= 4) {
        outcome_free(outcome);
        run_for(outcome, words, which, watched, ms);
    }
}

static void expect_sound(const char *words, bool watched)
{
    struct outcome outcome;
    run_on(&outcome, words, DEFECT_NONE, watched);
    const struct record *record = &outcome.record;
    if (outcome.code != 0)
        fail_msg("%s: %s%s", words, outcome.fault.text, record->verdict_detail ? record->verdict_detail : "");
    assert_string_equal(record->verdict, "ok");
    assert_true(record->operations > 0);
    assert_true(record->items_total >= record->operations);
    for (unsigned stage = JOBS_JOB_QUEUE; stage <= JOBS_TOTAL && times_all(words); stage++)
        assert_true(record->stages[stage].histogram->count > 0);
    outcome_free(&outcome);
}

// A run may be over before the fault has been met with.
static void expect_violation(const char *load_name, enum defect which, const char *found)
{
    struct outcome outcome;
    char words[128];
    snprintf(words, sizeof words, "%s,patience_ns=100ms", load_name);
    run_on(&outcome, words, which, true);
    for (unsigned more = 20; more > 0 && outcome.code == 0; more--) {
        outcome_free(&outcome);
        run_on(&outcome, words, which, true);
    }
    assert_int_equal(outcome.code, 1);
    assert_string_equal(outcome.record.exit_reason, "incorrect");
    assert_string_equal(outcome.record.verdict, "violated");
    if (!strstr(outcome.record.verdict_detail, found))
        fail_msg("%s: '%s' does not count '%s'", load_name, outcome.record.verdict_detail, found);
    outcome_free(&outcome);
}

static void test_sound_pools_pass(void **state)
{
    (void)state;
    const char *const lines[] = {
        "sample_every=1",
        "workers=0,sample_every=1",
        "workers=0,schedulers=2,externals=2,key=port",
        "workers=2,schedulers=2,externals=2,key=port,sample_every=1",
        "workers=4,ports=16,jobs_per_port=3,key=one,drivers=1,output_percent=100",
        "workers=2,service_ns=5us,data_lock=no,output_percent=0,drivers=5,sample_every=0",
        "workers=2,externals=1 --pool erts:completion=worker,batch=5",
        "workers=2 --pool erts:elements=worker,freeing=automatic,ready_lock=none,ready_limit=1",
        "workers=2,externals=1 --pool erts:stop=flush,batch=3",
        "workers=2 --pool erts:smp=no,stop=poison",
        "workers=2,externals=1 --queue mutex_list:capacity=1",
        "workers=1,ports=1,jobs_per_port=1 --queue ticket_list",
        "workers=2 --pool erts:completion=worker --job-queue list:capacity=1",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        expect_sound(lines[i], false);
}

static bool have_seen(enum event first, enum event last)
{
    for (unsigned i = first; i <= last; i++)
        if (at_load_rlx(&seen[i]) == 0)
            return false;
    return true;
}

static void expect_seen(const char *words, enum event first, enum event last)
{
    for (unsigned i = 0; i < EVENTS; i++)
        at_store_rlx(&seen[i], 0);
    for (unsigned runs = 20; runs > 0 && !have_seen(first, last); runs--)
        expect_sound(words, true);
    for (unsigned i = first; i <= last; i++)
        if (at_load_rlx(&seen[i]) == 0)
            fail_msg("%s: event %u never happened", words, i);
}

// A churn in which nothing dies in time would pass everywhere.
static void test_what_is_to_be_tested_happens(void **state)
{
    (void)state;
    expect_seen("workers=2,externals=1,service_ns=1us", READY, UNLOADED_BUSY);
    expect_seen("workers=0", FREED_MUTE, CLOSED_LEFT);
}

static const char *const loads[] = {"workers=2", "workers=0"};

#define EXPECT_EVERYWHERE(which, found)                         \
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) \
    expect_violation(loads[i], which, found)

static void test_ends(void **state)
{
    (void)state;
    EXPECT_EVERYWHERE(DEFECT_LOSES, " jobs ended neither by ready nor by free");
    EXPECT_EVERYWHERE(DEFECT_FORGETS_FREE, " jobs ended neither by ready nor by free");
    EXPECT_EVERYWHERE(DEFECT_ENDS_BOTH_WAYS, " ends too many");
    EXPECT_EVERYWHERE(DEFECT_READY_TWICE, " ends too many");
    EXPECT_EVERYWHERE(DEFECT_FREES_ALIVE, " jobs of live ports freed");
    EXPECT_EVERYWHERE(DEFECT_WRONG_PORT, " calls with the wrong port");
    expect_violation("workers=2", DEFECT_READY_DEAD, " calls of ready for dead ports");
    expect_violation("workers=2", DEFECT_ENDS_ABROAD, " ends on another thread");
}

static void test_invocations(void **state)
{
    (void)state;
    EXPECT_EVERYWHERE(DEFECT_NEVER_INVOKES, " not invoked exactly once");
    EXPECT_EVERYWHERE(DEFECT_INVOKES_TWICE, " not invoked exactly once");
    expect_violation("workers=1,key=one", DEFECT_REORDERS, " out of order");
    expect_violation("workers=2,key=port", DEFECT_REORDERS, " out of order");
}

static void test_ports(void **state)
{
    (void)state;
    EXPECT_EVERYWHERE(DEFECT_NEVER_STOPS, " ports not stopped exactly once");
    EXPECT_EVERYWHERE(DEFECT_STOPS_TWICE, " ports not stopped exactly once");
    EXPECT_EVERYWHERE(DEFECT_ACCEPTS_DEAD, " answers of open, submit or close");
    EXPECT_EVERYWHERE(DEFECT_REFUSES_ALIVE, " answers of open, submit or close");
    EXPECT_EVERYWHERE(DEFECT_IGNORES_OUTPUT, " answers of open, submit or close");
    EXPECT_EVERYWHERE(DEFECT_CLOSE_DENIES, " answers of open, submit or close");
}

static void test_drivers(void **state)
{
    (void)state;
    EXPECT_EVERYWHERE(DEFECT_NEVER_UNLOADS, " drivers not unloaded exactly once");
    EXPECT_EVERYWHERE(DEFECT_UNLOADS_TWICE, " drivers not unloaded exactly once");
    EXPECT_EVERYWHERE(DEFECT_UNLOADS_EARLY, " drivers unloaded while in use");
    EXPECT_EVERYWHERE(DEFECT_UNLOADS_EARLY, " calls after unload");
    EXPECT_EVERYWHERE(DEFECT_KEEPS_REFERENCE, ": 1 references left");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_pools_pass),
        cmocka_unit_test(test_what_is_to_be_tested_happens),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_invocations),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_drivers),
    };
    return cmocka_run_group_tests_name("port_churn", tests, load, unload);
}
