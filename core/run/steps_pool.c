// SPDX-License-Identifier: Apache-2.0
// The script of our pool: one thread is its only scheduler and all its workers, which nobody starts.
//
//   idle    nobody has anything to do: each worker looks and sleeps again, the scheduler passes
//   woken   everybody sleeps between jobs: submitting wakes the worker, its completion the scheduler, and thread
//           progress wakes the worker once more, to free what the job left
//   stream  a job is submitted, run and completed, and the next, so that nobody sleeps
//   burst   many jobs are submitted, run and completed, in as many passes as their limit asks for; then all sleep
//   keyed   stream with keys
//   port    stream for a port with a lock for its data and a driver that can be unloaded
//
// Who would sleep is marked as asleep, so that whoever wakes it makes the system call, and counts it. Left out is what
// goes by the clock: spinning before a sleep, and reply_ns. Jobs can't be cancelled, so nothing is counted of that.
//
// Where a thread has something of its own, the one that takes all parts has it once: in thread progress it is the
// scheduler, and all elements come from, and go back to, one cache.
#include <errno.h>
#include <string.h>

#include "core/pool/pool.h"
#include "core/pool/scheduler.h"
#include "core/pool/worker.h"
#include "core/run/steps.h"

#define TRIES 1000u        // steps of a worker that bring neither a job nor sleep, and rounds in which not all sleep
#define PROGRESS_PASSES 4u // what is asked of thread progress is at most so many passes away
#define NO_KEY UINT64_MAX

enum kind { SUBMIT, WORK, PASS, LIE_DOWN, GET_UP };
enum way { AT_WILL, KEYED, TO_PORT }; // in which a job is submitted

struct script {
    struct steps *steps;
    struct pool *pool;
    struct scheduler *scheduler;
    const struct pool_ops *ops;
    struct bed {
        struct event *event; // on which the worker sleeps; NULL: it is awake
        uint64_t wakes;      // of the event when it lay down
    } beds[STEPS_WORKERS_MOST];
    struct pool_driver *driver;
    uint64_t port;
    uint64_t submitted, invoked, completed; // jobs
};

static uint64_t wakes(const void *subject)
{
    const struct script *script = subject;
    uint64_t sum = at_load_rlx(&script->scheduler->event.wakes);
    for (unsigned i = 0; i < script->pool->worker_count; i++) {
        struct worker *worker = &script->pool->workers[i];
        sum += at_load_rlx(&worker->event.wakes) + at_load_rlx(&worker->room.wakes);
    }
    return sum;
}

// ---------------------------------------------------------------- jobs

static void invoke(void *data)
{
    ((struct script *)data)->invoked++;
}

static void complete(void *data)
{
    ((struct script *)data)->completed++;
}

static void complete_of_port(uint64_t port, void *port_data, void *job_data)
{
    (void)port;
    (void)port_data;
    complete(job_data);
}

// ---------------------------------------------------------------- steps

static long scripted_submit(void *subject, uint64_t key)
{
    struct script *script = subject;
    unsigned number = (unsigned)key;
    return script->ops->submit(script->pool, 0, key == NO_KEY ? NULL : &number, invoke, complete, script);
}

static long scripted_submit_to_port(void *subject, uint64_t unused)
{
    (void)unused;
    struct script *script = subject;
    const struct pool_port_job job = {.port = script->port, .invoke = invoke, .data = script};
    return script->ops->ports->submit(script->pool, 0, &job, NULL);
}

static long scripted_work(void *subject, uint64_t number)
{
    return worker_step(&((struct script *)subject)->pool->workers[number]);
}

static long scripted_pass(void *subject, uint64_t unused)
{
    (void)unused;
    return scheduler_pass(((struct script *)subject)->scheduler);
}

static long scripted_sleep(void *subject, uint64_t number)
{
    return event_park(((struct script *)subject)->beds[number].event);
}

static long scripted_lie_down(void *subject, uint64_t unused)
{
    (void)unused;
    struct scheduler *scheduler = ((struct script *)subject)->scheduler;
    return scheduler_lie_down(scheduler) && event_park(&scheduler->event);
}

static long scripted_get_up(void *subject, uint64_t unused)
{
    (void)unused;
    scheduler_get_up(((struct script *)subject)->scheduler);
    return 0;
}

// ---------------------------------------------------------------- parts of phases

static int refuse(const char *what, struct fault *fault)
{
    return fault_set(fault, -EIO, "the pool %s, in the scripted schedule of one thread", what);
}

static bool is_asleep(const struct script *script, unsigned number)
{
    const struct bed *bed = &script->beds[number];
    return bed->event && at_load_rlx(&bed->event->wakes) == bed->wakes;
}

// False: the event was set meanwhile.
static bool lay_down(struct script *script, unsigned number, struct event *event)
{
    struct bed *bed = &script->beds[number];
    *bed = (struct bed){event, at_load_rlx(&event->wakes)};
    if (!steps_take(script->steps, LIE_DOWN, scripted_sleep, number))
        bed->event = NULL;
    return bed->event;
}

// Until the worker has run something (WORKER_RAN) or sleeps (WORKER_SLEEP); other answers mean neither came.
static enum worker_next work(struct script *script, unsigned number)
{
    struct worker *worker = &script->pool->workers[number];
    enum worker_next next = WORKER_AGAIN;
    script->beds[number].event = NULL;
    for (unsigned i = 0; i < TRIES && next != WORKER_RAN && next != WORKER_STOP; i++) {
        next = (enum worker_next)steps_take(script->steps, WORK, scripted_work, number);
        if (next == WORKER_SLEEP && lay_down(script, number, &worker->event))
            return next;
        if (next == WORKER_NO_ROOM && lay_down(script, number, &worker->room))
            return WORKER_SLEEP;
    }
    return next;
}

// One step that counts of each worker that is awake; with `until_asleep`, as many as it takes.
static int work_all(struct script *script, bool until_asleep, struct fault *fault)
{
    for (unsigned i = 0; i < script->pool->worker_count; i++) {
        enum worker_next next = WORKER_RAN;
        while (next == WORKER_RAN && !is_asleep(script, i)) {
            next = work(script, i);
            if (!until_asleep)
                break;
        }
        if (next != WORKER_RAN && next != WORKER_SLEEP)
            return refuse("had a worker that neither ran a job nor slept", fault);
    }
    return 0;
}

static void pass(struct script *script)
{
    for (unsigned i = 0; i < TRIES; i++)
        if (steps_take(script->steps, PASS, scripted_pass, 0) == POOL_NOTHING)
            return;
}

static bool all_asleep(const struct script *script)
{
    for (unsigned i = 0; i < script->pool->worker_count; i++)
        if (!is_asleep(script, i))
            return false;
    return true;
}

// Until everything is done and freed, and each worker sleeps with nothing asked for: thread progress would have its own
// thread wake for who asked, if the scheduler slept then.
static int settle(struct script *script, struct fault *fault)
{
    for (unsigned i = 0; i < TRIES; i++) {
        const int error = work_all(script, true, fault);
        if (error)
            return error;
        for (unsigned p = 0; p < PROGRESS_PASSES; p++)
            pass(script);
        if (all_asleep(script) && !script->scheduler->clean_due)
            break;
    }
    if (script->submitted != script->invoked || script->submitted != script->completed)
        return refuse("did not finish its jobs", fault);
    return all_asleep(script) ? 0 : refuse("did not come to rest", fault);
}

// True: it was taken. False with *error 0: there is no room.
static bool submit(struct script *script, enum way way, int *error, struct fault *fault)
{
    const uint64_t key = way == KEYED ? script->submitted : NO_KEY;
    const long id = steps_take(script->steps, SUBMIT, way == TO_PORT ? scripted_submit_to_port : scripted_submit, key);
    *error = id > 0 || id == -EAGAIN ? 0 : fault_set(fault, (int)id, "the pool did not take a job");
    script->submitted += id > 0;
    return id > 0;
}

// ---------------------------------------------------------------- phases

static int phase_idle(void *subject, struct steps_phase *phase, struct fault *fault)
{
    struct script *script = subject;
    for (; phase->operations < script->steps->request->operations; phase->operations++) {
        for (unsigned i = 0; i < script->pool->worker_count; i++)
            if (work(script, i) != WORKER_SLEEP)
                return refuse("had a worker that did not sleep without a job", fault);
        pass(script);
    }
    return 0;
}

static int phase_woken(void *subject, struct steps_phase *phase, struct fault *fault)
{
    struct script *script = subject;
    int error = 0;
    for (; phase->operations < script->steps->request->operations && !error; phase->operations++) {
        if (!submit(script, AT_WILL, &error, fault))
            return error ? error : refuse("had no room for a job", fault);
        steps_take(script->steps, LIE_DOWN, scripted_lie_down, 0);
        error = work_all(script, false, fault);
        steps_take(script->steps, GET_UP, scripted_get_up, 0);
        pass(script);
        if (!error)
            error = settle(script, fault);
    }
    return error;
}

static int stream(struct script *script, enum way way, struct steps_phase *phase, struct fault *fault)
{
    int error = 0;
    for (; phase->operations < script->steps->request->operations && !error; phase->operations++) {
        if (!submit(script, way, &error, fault))
            return error ? error : refuse("had no room for a job", fault);
        error = work_all(script, false, fault);
        pass(script);
    }
    return error ? error : settle(script, fault);
}

static int phase_stream(void *subject, struct steps_phase *phase, struct fault *fault)
{
    return stream(subject, AT_WILL, phase, fault);
}

static int phase_keyed(void *subject, struct steps_phase *phase, struct fault *fault)
{
    return stream(subject, KEYED, phase, fault);
}

static int phase_port(void *subject, struct steps_phase *phase, struct fault *fault)
{
    return stream(subject, TO_PORT, phase, fault);
}

static int phase_burst(void *subject, struct steps_phase *phase, struct fault *fault)
{
    struct script *script = subject;
    const struct steps_request *request = script->steps->request;
    int error = 0;
    while (phase->operations < request->operations && !error) {
        const uint64_t left = request->operations - phase->operations;
        const uint64_t most = left < request->burst ? left : request->burst;
        uint64_t count = 0;
        while (count < most && submit(script, AT_WILL, &error, fault))
            count++;
        phase->operations += count;
        if (!error)
            error = count ? settle(script, fault) : refuse("had no room for a job", fault);
    }
    return error;
}

// ---------------------------------------------------------------- what it stands on

static int take_phases(struct script *script, struct fault *fault)
{
    int error = settle(script, fault);
    if (!error)
        error = steps_phase(script->steps, "idle", phase_idle, fault);
    if (!error)
        error = steps_phase(script->steps, "woken", phase_woken, fault);
    if (!error)
        error = steps_phase(script->steps, "stream", phase_stream, fault);
    if (!error)
        error = steps_phase(script->steps, "burst", phase_burst, fault);
    if (!error && !pool_shares_jobs(script->pool))
        error = steps_phase(script->steps, "keyed", phase_keyed, fault);
    return error ? error : steps_phase(script->steps, "port", phase_port, fault);
}

static int open_port(struct script *script, struct fault *fault)
{
    static const struct pool_driver_ops driver = {.name = "scripted", .ready = complete_of_port};
    const struct pool_port_ops *ports = script->ops->ports;
    script->driver = ports->load(script->pool, &driver, NULL);
    const int error = script->driver ? ports->open(script->pool, script->driver, NULL, true, &script->port) : -ENOMEM;
    return error ? fault_set(fault, error, "the pool can't open a port") : 0;
}

static void close_port(struct script *script)
{
    if (script->port)
        script->ops->ports->close(script->pool, script->port, false);
    if (script->driver)
        script->ops->ports->unload(script->pool, script->driver);
}

static int man(struct script *script, unsigned *opened, struct fault *fault)
{
    int error = 0;
    for (; *opened < script->pool->worker_count && !error; (*opened)++)
        error = worker_open(&script->pool->workers[*opened]);
    if (!error)
        error = scheduler_attach(script->scheduler);
    if (error)
        return fault_set(fault, error, "the pool can't be set up for a scripted schedule: %s", strerror(-error));
    error = open_port(script, fault);
    return error ? error : take_phases(script, fault);
}

static void leave(struct script *script, unsigned opened)
{
    close_port(script);
    at_store_rlx(&script->pool->workers_ended, 1); // what has not come home by now is lost, and not waited for
    if (script->scheduler->attached)
        scheduler_detach(script->scheduler);
    for (unsigned i = 0; i < opened; i++)
        worker_close(&script->pool->workers[i]);
}

// Without what goes by the clock.
static int make(struct script *script, struct fault *fault)
{
    const struct steps_request *request = script->steps->request;
    struct erts_pool_config config = *(const struct erts_pool_config *)request->pool_config;
    config.worker_spin_ns = config.scheduler_spin_ns = config.reply_ns = 0;
    if (config.routing == POOL_ROUTING_FILL && request->workers > 1)
        return fault_set(fault, -EINVAL,
                         "routing=fill goes by the clock where there are more workers than one, so that a scripted "
                         "schedule would count something else at each run");
    const struct pool_setup setup = {.schedulers = 1,
                                     .ports = 1,
                                     .workers = (unsigned)request->workers,
                                     .job_queue = &request->job_queue,
                                     .ready_queue = &request->ready_queue,
                                     .seed = 1};
    const struct pool_extras extras = {.allocator = &script->steps->allocator, .threadless = true};
    return pool_create(&script->pool, &setup, &config, &extras, fault);
}

int steps_of_pool(struct steps *steps, struct fault *fault)
{
    struct script script = {.steps = steps, .ops = steps->request->pool->ops};
    if (script.ops->stop != pool_stop)
        return fault_set(fault, -EINVAL, "the steps of pool %s can't be taken one by one: it is another runtime's",
                         steps->request->pool->name);
    int error = make(&script, fault);
    if (error)
        return error;
    unsigned opened = 0;
    script.scheduler = script.pool->schedulers;
    steps->subject = &script;
    steps->told = wakes;
    steps->told_name = "wakes";
    const char *const kinds[] = {"submit", "work", "pass", "lie_down", "get_up"};
    memcpy(steps->kinds, kinds, sizeof kinds);
    error = man(&script, &opened, fault);
    leave(&script, opened);
    const int stopped = pool_stop(script.pool, NULL, fault);
    return error ? error : stopped;
}
