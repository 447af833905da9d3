// SPDX-License-Identifier: Apache-2.0
// The pools of libraries behind the contract. A library may start its threads once in a process, so each life of a pool
// is a child: this program run again with the names of a pool and of a life, which says "ok" or what was wrong.
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "core/machine/clock.h"
#include "core/measure/tasks.h"
#include "core/registry.h"
#include "core/run/params.h"
#include "core/sync/atomic.h"
#include "core/sync/thread.h"
#include "tests/child.h"

#define WORKERS 4u
#define JOBS 300u
#define KEYS 16u

#define MUST(condition)                                        \
    do {                                                       \
        if (!(condition)) {                                    \
            printf("line %d: %s\n", __LINE__, #condition);     \
            fflush(stdout);                                    \
            _Exit(0); /* threads of the pool are still here */ \
        }                                                      \
    } while (0)

static const struct pool_ops *ops;
static struct pool *pool;
static void *config; // the pool's defaults
static struct topology topology;
static _Thread_local char self; // its address tells threads apart
static _Atomic uint32_t invocations, meeting;

struct counted {
    _Atomic uint32_t invoked;
    uint32_t ready, order;
    const char *worker, *home;
    cpu_set_t cpus;
};

static struct counted jobs[8 * JOBS];

static void invoke(void *data)
{
    struct counted *job = data;
    job->worker = &self;
    job->order = at_add_rlx(&invocations, 1);
    at_add_rlx(&job->invoked, 1);
}

// Comes back when as many as there are workers are here.
static void invoke_and_meet(void *data)
{
    struct counted *job = data;
    sched_getaffinity(0, sizeof job->cpus, &job->cpus);
    invoke(data);
    at_add_ar(&meeting, 1, AT(test_peers_arrive, test_peers_met));
    SPIN_UNTIL(at_load_acq(&meeting, AT(test_peers_met, test_peers_arrive)) % WORKERS == 0);
}

static void ready(void *data)
{
    struct counted *job = data;
    job->home = &self;
    job->ready += at_load_rlx(&job->invoked) == 1;
}

static void start(struct pool_setup setup)
{
    struct fault fault = {""};
    setup.topology = &topology;
    MUST(ops->start(&pool, &setup, config, &fault) == 0);
}

static void stop(unsigned submitted)
{
    struct fault fault = {""};
    struct pool_statistics statistics;
    MUST(ops->stop(pool, &statistics, &fault) == 0);
    MUST(statistics.submitted == submitted && statistics.completed == submitted);
    MUST(statistics.batches > 0 && statistics.batches <= submitted);
    for (unsigned i = 0; i < submitted; i++)
        MUST(at_load_rlx(&jobs[i].invoked) == 1 && jobs[i].ready == 1);
}

static void submit(unsigned thread, unsigned job)
{
    MUST(ops->submit(pool, thread, NULL, invoke, ready, &jobs[job]) > 0);
}

static void submit_all(unsigned thread, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        submit(thread, i);
}

static unsigned completed(void)
{
    struct pool_statistics statistics;
    ops->statistics(pool, &statistics);
    return (unsigned)statistics.completed;
}

// ---------------------------------------------------------------- lives

// Each waits for a half, and leaves the others to detach.
static void be_scheduler(void *number)
{
    const unsigned me = *(unsigned *)number;
    MUST(ops->attach(pool, me) == 0);
    submit_all(me, me * JOBS, (me + 1) * JOBS);
    while (jobs[me * JOBS + JOBS / 2].ready == 0) {
        if (ops->pass(pool, me) == POOL_NOTHING && jobs[me * JOBS + JOBS / 2].ready == 0)
            ops->wait(pool, me);
    }
    ops->detach(pool, me);
    for (unsigned i = me * JOBS; i < (me + 1) * JOBS; i++)
        MUST(jobs[i].home == &self && jobs[i].worker != &self);
}

static void run_threads(unsigned count, void (*body)(void *))
{
    static unsigned numbers[4] = {0, 1, 2, 3};
    struct thread threads[4] = {{.started = false}};
    const struct thread_options options = {.cpu = -1};
    for (unsigned i = 0; i < count; i++)
        MUST(thread_start(&threads[i], &options, body, &numbers[i]) == 0);
    for (unsigned i = 0; i < count; i++)
        thread_join(&threads[i]);
}

static size_t threads_here(void)
{
    struct tasks tasks = {0};
    tasks_read(&tasks);
    const size_t count = tasks.count;
    tasks_free(&tasks);
    return count;
}

// The kernel counts a thread for a moment after it was joined.
static void meet_nobody_but(size_t threads)
{
    const uint64_t until = clock_system_ns() + 10000000000u;
    while (threads_here() > threads && clock_system_ns() < until)
        sched_yield();
    MUST(threads_here() <= threads);
}

static void be_stopper(void *number)
{
    (void)number;
    stop(3 * JOBS);
}

// Where all schedulers have ended, the workers have, when the pool has stopped, by whatever thread: what they held is
// free again. But for libuv and GLib, which keep their threads for the process.
static void live_with_schedulers(void)
{
    const bool keeps = strcmp(ops->name, "uv") == 0 || strcmp(ops->name, "glib") == 0;
    const size_t before = threads_here();
    start((struct pool_setup){.schedulers = 3, .workers = WORKERS});
    run_threads(3, be_scheduler);
    run_threads(1, be_stopper);
    if (!keeps)
        meet_nobody_but(before);
    const char *workers[WORKERS] = {NULL};
    for (unsigned i = 0; i < 3 * JOBS; i++) {
        unsigned at = 0;
        while (at < WORKERS && workers[at] && workers[at] != jobs[i].worker)
            at++;
        MUST(at < WORKERS && jobs[i].worker != &self); // no more workers than asked for, and main is none
        workers[at] = jobs[i].worker;
    }
}

// So many workers at once, each on a processor of its own number.
static void live_pinned(void)
{
    int cpus[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++)
        cpus[i] = (int)topology.cpus[i % topology.count].os;
    start((struct pool_setup){.schedulers = 1, .workers = WORKERS, .worker_cpus = cpus});
    MUST(ops->attach(pool, 0) == 0);
    for (unsigned i = 0; i < 3 * WORKERS; i += WORKERS) {
        for (unsigned k = 0; k < WORKERS; k++)
            MUST(ops->submit(pool, 0, NULL, invoke_and_meet, ready, &jobs[i + k]) > 0);
        while (completed() < i + WORKERS)
            ops->wait(pool, 0);
        for (unsigned k = 0; k < WORKERS; k++) {
            unsigned on = 0, wanted = 0;
            for (unsigned n = 0; n < WORKERS; n++) {
                on += CPU_COUNT(&jobs[i + n].cpus) == 1 && CPU_ISSET((size_t)cpus[k], &jobs[i + n].cpus);
                wanted += cpus[n] == cpus[k];
            }
            MUST(on == wanted);
        }
    }
    ops->detach(pool, 0);
    stop(3 * WORKERS);
}

static void live_again(void)
{
    const bool once = strcmp(ops->name, "uv") == 0;
    for (unsigned workers = 3; workers >= 1; workers--) {
        memset(jobs, 0, sizeof jobs);
        start((struct pool_setup){.schedulers = 1, .workers = workers});
        MUST(ops->attach(pool, 0) == 0);
        submit_all(0, 0, JOBS);
        ops->detach(pool, 0);
        stop(JOBS);
        if (once)
            break;
    }
    struct fault fault = {""};
    const struct pool_setup setup = {.schedulers = 1, .workers = 1};
    if (once)
        MUST(ops->start(&pool, &setup, config, &fault) == -EBUSY && strstr(fault.text, "once in a process"));
}

static void live_in_order(void)
{
    if (!ops->traits.fifo)
        return;
    start((struct pool_setup){.schedulers = 1, .workers = 1});
    MUST(ops->attach(pool, 0) == 0);
    submit_all(0, 0, 4 * JOBS);
    ops->detach(pool, 0);
    stop(4 * JOBS);
    for (unsigned i = 0; i < 4 * JOBS; i++)
        MUST(jobs[i].order == i);
}

static void live_with_keys(void)
{
    start((struct pool_setup){.schedulers = 1, .workers = WORKERS});
    MUST(ops->attach(pool, 0) == 0);
    unsigned key = 1, chosen[KEYS];
    if (!ops->traits.keys)
        MUST(ops->submit(pool, 0, &key, invoke, ready, &jobs[0]) == -EINVAL);
    for (unsigned i = 0; i < 8 * JOBS; i++) {
        key = 1000000 + i % KEYS;
        if (!ops->traits.keys)
            submit(0, i);
        else
            MUST(ops->submit(pool, 0, &key, invoke, ready, &jobs[i]) > 0);
        MUST(i < KEYS || !ops->traits.keys || key == chosen[i % KEYS]);
        chosen[i % KEYS] = key;
    }
    ops->detach(pool, 0);
    stop(8 * JOBS);
    for (unsigned i = KEYS; i < 8 * JOBS && ops->traits.keys; i++)
        MUST(jobs[i].order > jobs[i - KEYS].order);
}

static _Atomic uint32_t externals_left;

// Thread 0 is the scheduler, on which everything comes home; it begins to leave while the others submit.
static void be_any(void *number)
{
    const unsigned me = *(unsigned *)number;
    MUST(ops->attach(pool, me) == 0);
    at_add_ar(&meeting, 1, AT(test_peers_attached, test_peers_all_attached));
    SPIN_UNTIL(at_load_acq(&meeting, AT(test_peers_all_attached, test_peers_attached)) == 3);
    for (unsigned i = 0; me > 0 && i < JOBS; i++) {
        submit(me, me * JOBS + i - JOBS);
        if (i % 50 == 0)
            thread_yield();
    }
    if (me > 0)
        at_add_rlx(&externals_left, 1);
    ops->detach(pool, me);
    for (unsigned i = 0; me == 0 && i < 2 * JOBS; i++)
        MUST(jobs[i].home == &self && at_load_rlx(&externals_left) == 2);
}

static void live_with_externals(void)
{
    if (!ops->traits.externals)
        return;
    start((struct pool_setup){.schedulers = 1, .externals = 2, .workers = 2});
    run_threads(3, be_any);
    stop(2 * JOBS);
}

static void nothing(void *data)
{
    (void)data;
}

static _Atomic uint64_t offered;

// Submits until it is refused.
static void be_stopped(void *number)
{
    (void)number;
    uint64_t count = 0;
    long id;
    MUST(ops->attach(pool, 0) == 0);
    while ((id = ops->submit(pool, 0, NULL, nothing, nothing, NULL)) > 0) {
        at_store_rlx(&offered, ++count);
        ops->pass(pool, 0);
    }
    MUST(id == -ESHUTDOWN);
    ops->detach(pool, 0);
}

static void live_until_stopped(void)
{
    start((struct pool_setup){.schedulers = 1, .workers = 2});
    struct thread thread = {.started = false};
    const struct thread_options options = {.cpu = -1};
    MUST(thread_start(&thread, &options, be_stopped, NULL) == 0);
    SPIN_UNTIL(at_load_rlx(&offered) > 0);
    struct fault fault = {""};
    struct pool_statistics statistics;
    MUST(ops->stop(pool, &statistics, &fault) == 0);
    thread_join(&thread);
    MUST(statistics.completed == at_load_rlx(&offered));
}

static void live_with_refusals(void)
{
    struct fault fault = {""};
    struct pool_setup setup = {.schedulers = 2, .workers = 0, .topology = &topology};
    MUST(ops->start(&pool, &setup, config, &fault) == -EINVAL && strstr(fault.text, "1 to 1024 workers, not 0"));
    fault.text[0] = '\0';
    setup.workers = 1025;
    MUST(ops->start(&pool, &setup, config, &fault) == -EINVAL && strstr(fault.text, "1 to 1024 workers, not 1025"));
    start((struct pool_setup){.schedulers = 2, .workers = 1});
    MUST(ops->submit(pool, 0, NULL, invoke, ready, &jobs[0]) == -EPERM);
    MUST(ops->attach(pool, 0) == 0);
    MUST(ops->attach(pool, 0) == -EBUSY);
    MUST(ops->submit(pool, 1, NULL, invoke, ready, &jobs[0]) == -EPERM);
    submit(0, 0);
    ops->detach(pool, 0);
    ops->detach(pool, 0);
    MUST(ops->submit(pool, 0, NULL, invoke, ready, &jobs[1]) == -EPERM);
    stop(1);
}

// A processor that is not there.
static void live_nowhere(void)
{
    struct fault fault = {""};
    const int cpus[WORKERS] = {(int)topology.cpus[0].os, 1023, (int)topology.cpus[0].os, 1023};
    const struct pool_setup setup = {.schedulers = 1, .workers = WORKERS, .worker_cpus = cpus, .topology = &topology};
    MUST(ops->start(&pool, &setup, config, &fault) == -EINVAL);
    MUST(strstr(fault.text, ops->name) && strstr(fault.text, "pin"));
}

// ---------------------------------------------------------------- tests

static const struct {
    const char *name;
    void (*live)(void);
} lives[] = {
    {"schedulers", live_with_schedulers}, {"pinned", live_pinned},          {"again", live_again},
    {"in_order", live_in_order},          {"keys", live_with_keys},         {"externals", live_with_externals},
    {"stopped", live_until_stopped},      {"refusals", live_with_refusals}, {"nowhere", live_nowhere},
};

// The child.
static int live(const char *name, const char *life)
{
    struct fault fault = {""};
    const struct pool_entry *entry = registry_pool(name, &fault);
    if (!entry || topology_load(&topology, NULL, &fault) != 0) {
        puts(fault.text);
        return 0;
    }
    ops = entry->ops;
    MUST(params_new(ops->params, ops->config_size, name, "", "", &config, &fault) == 0);
    for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++)
        if (strcmp(lives[i].name, life) == 0)
            lives[i].live();
    params_delete(ops->params, config);
    topology_unload(&topology);
    puts("ok");
    return 0;
}

// Of a pool that lives in another program nothing can be called here.
static void test_every_peer(void **state)
{
    (void)state;
    for (const struct pool_entry *entry = pool_list; entry->name; entry++) {
        if (!entry->ops || !entry->package || entry->ops->enter)
            continue;
        for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) {
            char arguments[64], said[512];
            snprintf(arguments, sizeof arguments, "%s %s", entry->name, lives[i].name);
            child_says(arguments, said, sizeof said);
            if (strcmp(said, "ok\n") != 0)
                fail_msg("%s: %s", arguments, said);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return live(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_peer)};
    return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
