// SPDX-License-Identifier: Apache-2.0
// The pool under load from several schedulers, checked job by job: each is invoked once and completed once, on the
// thread that submitted it. Here too are stops in the middle of it, queues of one place, and ports that close.
#include <errno.h>
#include <stdlib.h>

#include "core/machine/clock.h"
#include "core/sync/elements.h"
#include "tests/pool_rig.h"

#define SCHEDULERS_MAX 3u

// One job's whole life.
struct item {
    struct load *load;
    _Atomic unsigned invoked, completed;
    unsigned key;
};

// One scheduler thread.
struct load {
    unsigned number;
    unsigned count;   // jobs to submit at most
    unsigned window;  // of those, in flight at once
    unsigned keys;    // 0: round robin
    unsigned chain;   // each completion submits so many by itself, as long as the count is not reached
    unsigned stop_at; // completions after which this thread stops the pool; 0: it does not
    // Kept by the thread.
    struct thread thread;
    struct item *items;
    unsigned submitted, completed, refused;
    bool shut_down;
    _Atomic unsigned faults;
    _Atomic unsigned next_of_key[16]; // the item that must be invoked next
    const void *token;
};

static struct rig rig;
static struct load loads[SCHEDULERS_MAX];
static _Atomic unsigned all_completed, all_attached;

static void expect(struct load *load, bool condition)
{
    if (!condition)
        atomic_fetch_add(&load->faults, 1);
}

static void invoke(void *data)
{
    struct item *item = data;
    struct load *load = item->load;
    atomic_fetch_add(&item->invoked, 1);
    // Jobs of one key share one worker, so that this has one writer.
    if (load->keys)
        expect(load, atomic_exchange(&load->next_of_key[item->key], (unsigned)(item - load->items) + load->keys) ==
                         (unsigned)(item - load->items));
}

static void top_up(struct load *load, unsigned most);

static void complete(void *data)
{
    struct item *item = data;
    struct load *load = item->load;
    expect(load, thread_token() == load->token);
    expect(load, atomic_load(&item->invoked) == 1);
    expect(load, atomic_fetch_add(&item->completed, 1) == 0);
    load->completed++;
    atomic_fetch_add(&all_completed, 1);
    top_up(load, load->chain);
}

static bool submit_next(struct load *load)
{
    struct item *item = &load->items[load->submitted];
    unsigned key = load->keys ? load->submitted % load->keys : 0;
    item->load = load;
    item->key = key;
    const long result = erts_pool_ops.submit(rig.pool, load->number, load->keys ? &key : NULL, invoke, complete, item);
    load->submitted += result > 0;
    load->refused += result == -EAGAIN;
    load->shut_down |= result == -ESHUTDOWN;
    expect(load, result > 0 || result == -EAGAIN || result == -ESHUTDOWN);
    return result > 0;
}

static void top_up(struct load *load, unsigned most)
{
    for (unsigned i = 0; i < most && load->submitted < load->count && !load->shut_down; i++)
        if (!submit_next(load))
            break;
}

static bool goes_on(const struct load *load)
{
    return !load->shut_down && load->completed < load->count;
}

// All begin together: who stops the pool must know that nobody is still about to attach.
static void scheduler_body(void *argument)
{
    struct load *load = argument;
    load->token = thread_token();
    expect(load, erts_pool_ops.attach(rig.pool, load->number) == 0);
    atomic_fetch_add(&all_attached, 1);
    SPIN_UNTIL(atomic_load(&all_attached) == rig.setup.schedulers);
    while (goes_on(load)) {
        const unsigned in_flight = load->submitted - load->completed;
        top_up(load, load->window > in_flight ? load->window - in_flight : 0);
        if (load->stop_at && load->completed >= load->stop_at) {
            expect(load, erts_pool_ops.stop(rig.pool, NULL, &rig.fault) == 0);
            return;
        }
        if (erts_pool_ops.pass(rig.pool, load->number) == POOL_NOTHING && load->submitted > load->completed)
            erts_pool_ops.wait(rig.pool, load->number);
    }
    erts_pool_ops.detach(rig.pool, load->number);
}

// As the rig says; every load with `count` jobs in windows of `window`.
static void prepare(unsigned count, unsigned window)
{
    memset(loads, 0, sizeof loads);
    atomic_store(&all_completed, 0);
    atomic_store(&all_attached, 0);
    for (unsigned i = 0; i < rig.setup.schedulers; i++) {
        loads[i].number = i;
        loads[i].count = count;
        loads[i].window = window;
        loads[i].items = calloc(count, sizeof *loads[i].items);
        for (unsigned key = 0; key < 16; key++)
            atomic_store(&loads[i].next_of_key[key], key);
    }
}

static void launch(void)
{
    const struct thread_options options = {.name = "scheduler", .cpu = -1};
    rig_start(&rig);
    for (unsigned i = 0; i < rig.setup.schedulers; i++)
        assert_int_equal(thread_start(&loads[i].thread, &options, scheduler_body, &loads[i]), 0);
}

// All threads are done: each job submitted was invoked and completed once, no other was.
static void judge(void)
{
    for (unsigned i = 0; i < rig.setup.schedulers; i++) {
        struct load *load = &loads[i];
        thread_join(&load->thread);
        assert_int_equal(atomic_load(&load->faults), 0);
        assert_int_equal(load->completed, load->submitted);
        for (unsigned j = 0; j < load->count; j++) {
            assert_int_equal(atomic_load(&load->items[j].invoked), j < load->submitted);
            assert_int_equal(atomic_load(&load->items[j].completed), j < load->submitted);
        }
        free(load->items);
    }
    assert_int_equal(atomic_load(&rig.memory.allocations), atomic_load(&rig.memory.frees));
}

static void stop_and_judge(void)
{
    struct pool_statistics statistics;
    if (erts_pool_ops.stop(rig.pool, &statistics, &rig.fault) != 0)
        fail_msg("%s", rig.fault.text);
    uint64_t submitted = 0, refused = 0;
    for (unsigned i = 0; i < rig.setup.schedulers; i++) {
        thread_join(&loads[i].thread);
        submitted += loads[i].submitted;
        refused += loads[i].refused;
    }
    assert_int_equal(statistics.submitted, submitted);
    assert_int_equal(statistics.invoked, submitted);
    assert_int_equal(statistics.completed, submitted);
    assert_int_equal(statistics.refused, refused);
    judge();
    rig_forget_choices(&rig);
}

static void run_to_the_end(void)
{
    launch();
    for (unsigned i = 0; i < rig.setup.schedulers; i++)
        thread_join(&loads[i].thread);
    for (unsigned i = 0; i < rig.setup.schedulers; i++)
        assert_int_equal(loads[i].submitted, loads[i].count);
    stop_and_judge();
}

static void every_option_delivers_each_job_once(void **state)
{
    (void)state;
    static const char *const queues[] = {"erts_mpsc", "list", "list:lock=mcs,capacity=7"};
    for (unsigned variant = 0; variant < 3 * LOCK_KINDS * 4; variant++) {
        rig_init(&rig, 2, 2, queues[variant % 3], queues[variant / 3 % 3]);
        rig.config.ready_lock = variant % LOCK_KINDS;
        rig.config.elements = variant / 2 % 2;
        rig.config.freeing = variant / 4 % 2;
        rig.config.ready_limit = variant % 5 ? 20 : 1;
        prepare(ROUNDS(2000), 1 + variant * 7 % 200);
        run_to_the_end();
    }
}

static void every_routing_delivers_each_job_once(void **state)
{
    (void)state;
    static const char *const queues[] = {"list", "ring:capacity=7", "michael_scott", "list:lock=mcs,capacity=1"};
    for (unsigned variant = 0; variant < 3 * 16; variant++) {
        rig_init(&rig, 1 + variant % 2, 1 + variant % 5, queues[variant % 4], "erts_mpsc");
        rig.config.routing = POOL_ROUTING_SHARED + variant % 3;
        rig.config.freeing = variant / 12 % 2;
        rig.config.elements = variant / 24 % 2;
        rig.config.batch = variant % 7 ? 1 : 5;
        rig.config.worker_spin_ns = variant % 3 ? 0 : 1000;
        prepare(ROUNDS(2000), 1 + variant * 7 % 50);
        run_to_the_end();
    }
}

static void more_threads_than_processors(void **state)
{
    (void)state;
    rig_init(&rig, SCHEDULERS_MAX, 6, "erts_mpsc", "erts_mpsc");
    prepare(ROUNDS(20000), 64);
    run_to_the_end();
}

static void one_job_at_a_time(void **state)
{
    (void)state;
    rig_init(&rig, 1, 1, "erts_mpsc", "erts_mpsc");
    prepare(ROUNDS(5000), 1);
    run_to_the_end();
}

static void b51_completions_submit(void **state)
{
    (void)state;
    rig_init(&rig, 2, 2, "erts_mpsc", "erts_mpsc");
    prepare(ROUNDS(20000), 8);
    loads[0].chain = loads[1].chain = 1;
    run_to_the_end();
}

static void b27_jobs_of_one_key_are_invoked_in_order(void **state)
{
    (void)state;
    rig_init(&rig, 2, 3, "erts_mpsc", "list");
    prepare(ROUNDS(20000), 100);
    loads[0].keys = 5;
    loads[1].keys = 1;
    run_to_the_end();
}

static void queues_of_one_place(void **state)
{
    (void)state;
    static const char *const specs[][2] = {
        {"list:capacity=1", "erts_mpsc"}, {"erts_mpsc", "list:capacity=1"}, {"list:capacity=1", "list:capacity=1"}};
    for (unsigned variant = 0; variant < 3; variant++) {
        for (unsigned lock = 0; lock < LOCK_KINDS; lock++) {
            rig_init(&rig, 2, 3, specs[variant][0], specs[variant][1]);
            rig.config.ready_lock = lock;
            prepare(ROUNDS(3000), 50);
            run_to_the_end();
        }
    }
}

static void stop_in_the_middle(const char *job_queue, const char *ready_queue, unsigned stopper, unsigned routing)
{
    rig_init(&rig, SCHEDULERS_MAX, 2, job_queue, ready_queue);
    rig.config.routing = routing;
    prepare(200000, 100);
    if (stopper < SCHEDULERS_MAX)
        loads[stopper].stop_at = ROUNDS(2000);
    launch();
    if (stopper < SCHEDULERS_MAX) {
        judge();
        rig_forget_choices(&rig);
    } else {
        SPIN_UNTIL(atomic_load(&all_completed) > ROUNDS(2000));
        stop_and_judge();
    }
}

static void main_stops_under_load(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        stop_in_the_middle("erts_mpsc", "erts_mpsc", SCHEDULERS_MAX, POOL_ROUTING_ROUND_ROBIN);
        stop_in_the_middle("list:capacity=1", "list:capacity=1", SCHEDULERS_MAX, POOL_ROUTING_TWO_CHOICES);
        stop_in_the_middle("list", "list:capacity=1", SCHEDULERS_MAX, POOL_ROUTING_SHARED);
    }
}

static void a_scheduler_stops_under_load(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SCHEDULERS_MAX; i++) {
        stop_in_the_middle("erts_mpsc", "erts_mpsc", i, POOL_ROUTING_ROUND_ROBIN);
        stop_in_the_middle("list:capacity=1", "list:capacity=1", i, POOL_ROUTING_LEAST_LOADED);
        stop_in_the_middle("list:capacity=1", "erts_mpsc", i, POOL_ROUTING_SHARED);
    }
}

// A thread that is no scheduler submits beside one that is.
static struct {
    struct thread thread;
    unsigned submitted;
    struct job_call call;
    _Atomic unsigned attached, invoked, completed, faults;
} external;

static void external_invoke(void *data)
{
    (void)data;
    atomic_fetch_add(&external.invoked, 1);
}

static void external_ready(void *data)
{
    (void)data;
    if (thread_token() != loads[0].token)
        atomic_fetch_add(&external.faults, 1);
    atomic_fetch_add(&external.completed, 1);
}

static void external_body(void *argument)
{
    (void)argument;
    struct lock_node node;
    if (pool_attach_external(rig.pool, 0) != 0) {
        atomic_fetch_add(&external.faults, 1);
        return;
    }
    atomic_store(&external.attached, 1);
    for (unsigned i = 0; i < ROUNDS(20000); i++) {
        struct port *port = port_acquire(&rig.pool->ports, external.call.port, &node);
        external.submitted += pool_async(rig.pool->externals, &external.call, NULL) > 0;
        port_release(port, &node);
    }
    pool_detach_external(rig.pool, 0);
}

static void b19_an_external_submitter_beside_schedulers(void **state)
{
    (void)state;
    memset(&external, 0, sizeof external);
    rig_init(&rig, 2, 2, "erts_mpsc", "erts_mpsc");
    rig.setup.externals = 1;
    prepare(ROUNDS(20000), 50);
    const struct thread_options options = {.name = "external", .cpu = -1};
    rig_start(&rig);
    external.call = (struct job_call){.invoke = external_invoke, .ready = external_ready};
    assert_int_equal(port_open(&rig.pool->ports, &pool_driver, NULL, NULL, &external.call.port), 0);
    assert_int_equal(thread_start(&external.thread, &options, external_body, NULL), 0);
    SPIN_UNTIL(atomic_load(&external.attached)); // before its home can leave
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(thread_start(&loads[i].thread, &options, scheduler_body, &loads[i]), 0);
    thread_join(&external.thread);
    for (unsigned i = 0; i < 2; i++)
        thread_join(&loads[i].thread);
    assert_int_equal(atomic_load(&external.faults), 0);
    assert_int_equal(external.submitted, ROUNDS(20000));
    assert_int_equal(atomic_load(&external.invoked), ROUNDS(20000));
    assert_int_equal(atomic_load(&external.completed), ROUNDS(20000));
    struct pool_statistics statistics;
    assert_int_equal(erts_pool_ops.stop(rig.pool, &statistics, &rig.fault), 0);
    assert_int_equal(statistics.completed, 3 * ROUNDS(20000));
    judge();
    rig_forget_choices(&rig);
}

// Ports that close at any moment of their jobs' lives. Of each job either the driver's callback or `free` runs, once.
struct visit {
    _Atomic unsigned invoked, called, freed;
};

static void visit_invoke(void *data)
{
    atomic_fetch_add(&((struct visit *)data)->invoked, 1);
}

static void visit_call(struct port *port, const struct job *job)
{
    atomic_fetch_add(&((struct visit *)job->call.data)->called, 1);
    port->output_bytes = 0;
}

static void visit_free(void *data)
{
    atomic_fetch_add(&((struct visit *)data)->freed, 1);
}

static _Atomic unsigned unloads;

static void visit_unload(struct driver_handle *handle)
{
    (void)handle;
    atomic_fetch_add(&unloads, 1);
}

static struct driver_handle visited;
static const struct driver visit_driver = {.name = "visit", .ready_async = visit_call, .handle = &visited};

struct visitor {
    unsigned number;
    struct thread thread;
    struct visit *visits;
    unsigned count, done;
    unsigned faults;
};

static uint64_t open_with_lock(void)
{
    uint64_t id = PORT_NONE;
    struct port_data_lock *data_lock = port_data_lock_create(&rig.memory.base);
    port_open(&rig.pool->ports, &visit_driver, NULL, data_lock, &id);
    port_data_lock_release(data_lock);
    return id;
}

// Half of the ports die at once, half have output left for the next callback to take away.
static void close_a_port(uint64_t id, bool with_output)
{
    struct lock_node node;
    struct port *port = port_acquire(&rig.pool->ports, id, &node);
    if (!port)
        return;
    port->output_bytes = with_output;
    port_close(&rig.pool->ports, port);
    port_release(port, &node);
}

static void visitor_body(void *argument)
{
    struct visitor *self = argument;
    struct scheduler *scheduler = &rig.pool->schedulers[self->number];
    self->faults += scheduler_attach(scheduler) != 0;
    uint64_t id = open_with_lock();
    while (self->done < self->count) {
        struct lock_node node;
        struct port *port = port_acquire(&rig.pool->ports, id, &node);
        if (!port) {
            id = open_with_lock();
            continue;
        }
        const struct job_call call = {
            .port = id, .invoke = visit_invoke, .free = visit_free, .data = &self->visits[self->done]};
        self->done += pool_async(&scheduler->submitter, &call, NULL) > 0;
        port_release(port, &node);
        // Some close when all of their jobs are home, most with at least the last one on its way.
        while (self->done % 130 == 0 && at_load_rlx(&scheduler->ready.completed) < self->done)
            if (scheduler_pass(scheduler) == POOL_NOTHING)
                thread_yield();
        if (self->done % 13 == 0)
            close_a_port(id, self->done % 2);
        if (self->done % 5 == 0)
            scheduler_pass(scheduler);
    }
    close_a_port(id, false);
    scheduler_detach(scheduler);
}

static void ports_close_while_their_jobs_are_on_the_way(void **state)
{
    (void)state;
    struct visitor visitors[2];
    const struct thread_options options = {.name = "visitor", .cpu = -1};
    rig_init(&rig, 2, 3, "erts_mpsc", "erts_mpsc");
    rig.setup.ports = 10000;
    driver_handle_init(&visited, visit_unload);
    atomic_store(&unloads, 0);
    rig_start(&rig);
    for (unsigned i = 0; i < 2; i++) {
        visitors[i] = (struct visitor){.number = i, .count = ROUNDS(50000)};
        visitors[i].visits = calloc(visitors[i].count, sizeof *visitors[i].visits);
        assert_int_equal(thread_start(&visitors[i].thread, &options, visitor_body, &visitors[i]), 0);
    }
    unsigned called = 0, freed = 0;
    for (unsigned i = 0; i < 2; i++) {
        thread_join(&visitors[i].thread);
        assert_int_equal(visitors[i].faults, 0);
        for (unsigned j = 0; j < visitors[i].count; j++) {
            struct visit *visit = &visitors[i].visits[j];
            assert_int_equal(atomic_load(&visit->invoked), 1);
            assert_int_equal(atomic_load(&visit->called) + atomic_load(&visit->freed), 1);
            called += atomic_load(&visit->called);
            freed += atomic_load(&visit->freed);
        }
        free(visitors[i].visits);
    }
    assert_true(called > 0);
    assert_true(freed > 0);
    rig_stop(&rig); // every data lock is freed: all memory came back
    assert_int_equal(atomic_load(&unloads), 0);
    assert_int_equal(atomic_load(&visited.references), 1);
    driver_handle_release(&visited);
    assert_int_equal(atomic_load(&unloads), 1);
}

int main(void)
{
    clock_calibrate();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_delivers_each_job_once),
        cmocka_unit_test(every_routing_delivers_each_job_once),
        cmocka_unit_test(more_threads_than_processors),
        cmocka_unit_test(one_job_at_a_time),
        cmocka_unit_test(b51_completions_submit),
        cmocka_unit_test(b27_jobs_of_one_key_are_invoked_in_order),
        cmocka_unit_test(queues_of_one_place),
        cmocka_unit_test(main_stops_under_load),
        cmocka_unit_test(a_scheduler_stops_under_load),
        cmocka_unit_test(b19_an_external_submitter_beside_schedulers),
        cmocka_unit_test(ports_close_while_their_jobs_are_on_the_way),
    };
    return cmocka_run_group_tests_name("pool load", tests, NULL, NULL);
}
