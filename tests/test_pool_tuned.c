// SPDX-License-Identifier: Apache-2.0
// The options of the pool that the originals have not: what jobs are taken at once, records that are used again, jobs
// without a port, and the routing that keeps few workers awake. Threads are moved step by step.
#include "tests/pool_rig.h"

#include <errno.h>

#include "core/machine/clock.h"
#include "core/pool/port.h"
#include "core/pool/routing.h"

static struct rig rig;

static void note_nothing(void *data)
{
    (void)data;
}

static void submit_quietly(void)
{
    assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, note_nothing, note_nothing, NULL) > 0);
}

static enum worker_next step(unsigned number)
{
    return worker_step(&rig.pool->workers[number]);
}

static void put_away(void)
{
    rig_stop(&rig);
}

static void begin_with(void (*configure)(struct erts_pool_config *), unsigned workers)
{
    rig_init(&rig, 1, workers, "list", "list");
    configure(&rig.config);
    rig_man(&rig);
}

static uint64_t completed(void)
{
    return at_load_rlx(&rig.scheduler->ready.completed);
}

// ---------------------------------------------------------------------------------------------- taken at once

static void take_some(struct erts_pool_config *config)
{
    config->batch = 4;
    config->ready_batch = 3;
    config->ready_limit = 5;
    config->prefetch = true;
}

static void a_pass_ends_at_its_limit_whatever_the_batch(void **state)
{
    (void)state;
    begin_with(take_some, 1);
    for (unsigned i = 0; i < 7; i++)
        submit_quietly();
    assert_int_equal(step(0), WORKER_RAN);
    assert_int_equal(at_load_rlx(&rig.worker->invoked), 4);
    assert_int_equal(step(0), WORKER_RAN);
    assert_int_equal(at_load_rlx(&rig.worker->invoked), 7);
    assert_int_equal(scheduler_pass(rig.scheduler), POOL_MORE);
    assert_int_equal(completed(), 5);
    scheduler_pass(rig.scheduler);
    assert_int_equal(completed(), 7);
    put_away();
}

struct order {
    unsigned numbers[16];
    unsigned count;
};

struct numbered {
    struct order *order;
    unsigned number;
};

static void note_number(void *data)
{
    const struct numbered *numbered = data;
    numbered->order->numbers[numbered->order->count++] = numbered->number;
}

static void jobs_taken_at_once_complete_in_their_order(void **state)
{
    (void)state;
    static struct numbered jobs[8];
    struct order order = {.count = 0};
    begin_with(take_some, 1);
    for (unsigned i = 0; i < 8; i++) {
        jobs[i] = (struct numbered){&order, i};
        assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, note_nothing, note_number, &jobs[i]) > 0);
    }
    rig_work(&rig, 0);
    scheduler_pass(rig.scheduler);
    scheduler_pass(rig.scheduler);
    assert_int_equal(order.count, 8);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(order.numbers[i], i);
    put_away();
}

// Garbage of the job queue rides home in records that nobody wrote to on the way, and that were used before.
static void what_does_not_fit_of_a_batch_follows_it(void **state)
{
    (void)state;
    static struct numbered jobs[12];
    struct order order = {.count = 0};
    rig_init(&rig, 1, 1, "erts_mpsc", "ring:capacity=2");
    take_some(&rig.config);
    rig.config.job_cache = 4;
    rig.config.bare_jobs = true;
    rig_man(&rig);
    for (unsigned i = 0; i < 12; i++) {
        jobs[i] = (struct numbered){&order, i};
        assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, note_nothing, note_number, &jobs[i]) > 0);
        if (i % 4 != 3)
            continue;
        assert_int_equal(step(0), WORKER_NO_ROOM);
        assert_int_equal(queue_length(&rig.scheduler->ready.queue), 2);
        scheduler_pass(rig.scheduler);
        assert_int_equal(order.count, i - 1);
        assert_int_equal(step(0), WORKER_RAN);
        scheduler_pass(rig.scheduler);
        assert_int_equal(order.count, i + 1);
    }
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(order.numbers[i], i);
    put_away(); // and finds that all elements were given back
}

static void reply_soon(struct erts_pool_config *config)
{
    config->batch = 8;
    config->reply_ns = 1000000000; // so that the time that this test takes is nothing
}

static uint64_t at_home(void)
{
    return queue_length(&rig.scheduler->ready.queue);
}

static uint64_t seen_at_home[8];
static unsigned seen;

static void look_home(void *data)
{
    (void)data;
    seen_at_home[seen++] = at_home();
}

// Each job says how many were home when it ran.
static void long_jobs_do_not_wait_for_their_batch(void **state)
{
    (void)state;
    begin_with(reply_soon, 1);
    seen = 0;
    at_store_rlx(&rig.worker->pace.job_ticks, rig.pool->reply_ticks / 2);
    for (unsigned i = 0; i < 8; i++)
        assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, look_home, note_nothing, NULL) > 0);
    assert_int_equal(step(0), WORKER_RAN);
    assert_int_equal(seen, 8);
    assert_int_equal(at_home(), 8);
    assert_int_equal(seen_at_home[0], 0);
    assert_int_equal(seen_at_home[1], 0); // two take as long as may be
    assert_int_equal(seen_at_home[2], 2);
    put_away();
}

static void short_ones_go_home_together(void **state)
{
    (void)state;
    begin_with(reply_soon, 1);
    seen = 0;
    for (unsigned i = 0; i < 8; i++)
        assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, look_home, note_nothing, NULL) > 0);
    assert_int_equal(step(0), WORKER_RAN);
    assert_int_equal(seen_at_home[7], 0);
    assert_int_equal(at_home(), 8);
    put_away();
}

// ---------------------------------------------------------------------------------------------- used again

static void keep_two(struct erts_pool_config *config)
{
    config->job_cache = 2;
}

static void run_jobs(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        submit_quietly();
    rig_work(&rig, 0);
    scheduler_pass(rig.scheduler);
}

static uint64_t allocations(void)
{
    return atomic_load(&rig.memory.allocations);
}

// The lists' elements come from a stock; the records are all that is allocated here.
static void as_many_records_are_kept_as_asked_for(void **state)
{
    (void)state;
    begin_with(keep_two, 1);
    run_jobs(3);
    assert_int_equal(rig.scheduler->submitter.cached, 2);
    const uint64_t before = allocations();
    run_jobs(2);
    assert_int_equal(allocations(), before);
    run_jobs(3);
    assert_int_equal(allocations(), before + 1);
    assert_int_equal(rig.scheduler->submitter.cached, 2);
    put_away(); // and finds that all was given back
}

static void keep_two_bare(struct erts_pool_config *config)
{
    keep_two(config);
    config->bare_jobs = true;
}

static void use_a_record_again(void (*configure)(struct erts_pool_config *))
{
    begin_with(configure, 1);
    run_jobs(1);
    struct job *kept = rig.scheduler->submitter.cache;
    assert_non_null(kept);
    kept->data_lock = (struct port_data_lock *)1; // as after a job that had them
    kept->driver = (struct driver_handle *)1;
    kept->cargo.garbage.last = (struct garbage_node *)1;
    run_jobs(1);
    assert_ptr_equal(rig.scheduler->submitter.cache, kept);
    assert_null(kept->data_lock);
    assert_null(kept->driver);
    put_away();
}

static void a_record_is_as_new_when_it_is_used_again(void **state)
{
    (void)state;
    use_a_record_again(keep_two);
    use_a_record_again(keep_two_bare); // which sets none of its own
}

// ---------------------------------------------------------------------------------------------- without a port

static bool held_any;

static void note_ports(void *data)
{
    (void)data;
    held_any = port_holds_any(&rig.pool->ports);
}

static void go_bare(struct erts_pool_config *config)
{
    config->bare_jobs = true;
}

static void change_nothing(struct erts_pool_config *config)
{
    (void)config;
}

static bool ready_holds_a_port(void (*configure)(struct erts_pool_config *))
{
    begin_with(configure, 1);
    held_any = false;
    assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, note_nothing, note_ports, NULL) > 0);
    rig_work(&rig, 0);
    scheduler_pass(rig.scheduler);
    assert_int_equal(completed(), 1);
    put_away();
    return held_any;
}

static void a_bare_job_completes_under_no_port(void **state)
{
    (void)state;
    assert_true(ready_holds_a_port(change_nothing));
    assert_false(ready_holds_a_port(go_bare));
}

static void submit_another(void *data)
{
    unsigned *left = data;
    if ((*left)-- > 0)
        assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, note_nothing, submit_another, left) > 0);
}

static void completing_a_bare_job_may_submit(void **state)
{
    (void)state;
    unsigned left = 3;
    begin_with(go_bare, 1);
    submit_another(&left);
    for (unsigned i = 0; i < 4; i++) {
        rig_work(&rig, 0);
        scheduler_pass(rig.scheduler);
    }
    assert_int_equal(completed(), 3);
    put_away();
}

static void submit_as_another(void *result)
{
    *(long *)result = erts_pool_ops.submit(rig.pool, 0, NULL, note_nothing, note_nothing, NULL);
}

static void a_bare_job_is_its_own_threads_to_submit(void **state)
{
    (void)state;
    long result = 0;
    struct thread thread = {0};
    const struct thread_options options = {.name = "other", .cpu = -1};
    begin_with(go_bare, 1);
    assert_int_equal(thread_start(&thread, &options, submit_as_another, &result), 0);
    thread_join(&thread);
    assert_int_equal(result, -EPERM);
    put_away();
}

// ---------------------------------------------------------------------------------------------- few awake

static void fill_us(struct erts_pool_config *config)
{
    config->routing = POOL_ROUTING_FILL;
    config->fill_ns = 1000000000; // so that the time that this test takes is nothing
}

static uint64_t waiting(unsigned number)
{
    return queue_length(&rig.pool->workers[number].jobs);
}

// As if its jobs had taken so many parts of what a worker may have to do.
static void set_pace(unsigned number, uint64_t part)
{
    at_store_rlx(&rig.pool->workers[number].pace.job_ticks, rig.pool->fill_ticks / part);
}

static void submit_many(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        submit_quietly();
}

static void short_jobs_all_go_to_the_first(void **state)
{
    (void)state;
    begin_with(fill_us, 3);
    submit_many(100);
    assert_int_equal(waiting(0), 100);
    put_away();
}

static void the_next_is_given_jobs_when_one_has_enough(void **state)
{
    (void)state;
    begin_with(fill_us, 3);
    for (unsigned i = 0; i < 3; i++)
        set_pace(i, 4); // so that 5 are enough: 4, and the one that it has begun
    submit_many(4);
    assert_int_equal(waiting(0), 4);
    assert_int_equal(waiting(1), 0);
    submit_many(7);
    assert_true(waiting(0) >= 4 && waiting(0) <= 5);
    assert_true(waiting(1) >= 4 && waiting(1) <= 5);
    assert_int_equal(waiting(0) + waiting(1) + waiting(2), 11);
    put_away();
}

static void where_all_have_enough_the_least_loaded_is_taken(void **state)
{
    (void)state;
    begin_with(fill_us, 2);
    set_pace(0, 1);
    set_pace(1, 1);
    submit_many(20);
    assert_int_equal(waiting(0), 10);
    assert_int_equal(waiting(1), 10);
    put_away();
}

static void who_is_at_one_batch_for_long_is_passed_over(void **state)
{
    (void)state;
    begin_with(fill_us, 2);
    submit_many(1);
    assert_int_equal(waiting(0), 1);
    rig.scheduler->submitter.believed = 0;
    at_store_rlx(&rig.worker->pace.since_ticks, clock_ticks() - 2 * rig.pool->fill_ticks);
    submit_many(1);
    assert_int_equal(waiting(0), 1);
    assert_int_equal(waiting(1), 1);
    put_away();
}

static void a_batch_tells_what_its_jobs_took(void **state)
{
    (void)state;
    begin_with(fill_us, 2);
    set_pace(0, 1);
    const uint64_t before = at_load_rlx(&rig.worker->pace.job_ticks);
    submit_many(1);
    assert_int_equal(step(0), WORKER_RAN);
    const uint64_t after = at_load_rlx(&rig.worker->pace.job_ticks);
    assert_true(after < before); // by an eighth of the way to almost nothing
    assert_true(after > before / 2);
    assert_int_equal(at_load_rlx(&rig.worker->pace.since_ticks), 0);
    put_away();
}

// Of two processors' clocks one may be a little behind; what is divided by must not become nothing, or less.
static void a_clock_that_went_back_took_no_time(void **state)
{
    (void)state;
    begin_with(fill_us, 1);
    for (unsigned jobs = 1; jobs <= 2; jobs++) {
        at_store_rlx(&rig.worker->pace.since_ticks, clock_ticks() + rig.pool->fill_ticks);
        routing_end(rig.worker, jobs);
        assert_int_equal(at_load_rlx(&rig.worker->pace.job_ticks), 0);
    }
    put_away();
}

static void no_more_is_given_than_a_queue_holds(void **state)
{
    (void)state;
    rig_init(&rig, 1, 3, "ring:capacity=2", "list");
    fill_us(&rig.config);
    rig_man(&rig);
    submit_many(6); // and none is refused
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(waiting(i), 2);
    put_away();
}

static int calibrate(void **state)
{
    (void)state;
    clock_calibrate();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pass_ends_at_its_limit_whatever_the_batch),
        cmocka_unit_test(jobs_taken_at_once_complete_in_their_order),
        cmocka_unit_test(what_does_not_fit_of_a_batch_follows_it),
        cmocka_unit_test(long_jobs_do_not_wait_for_their_batch),
        cmocka_unit_test(short_ones_go_home_together),
        cmocka_unit_test(as_many_records_are_kept_as_asked_for),
        cmocka_unit_test(a_record_is_as_new_when_it_is_used_again),
        cmocka_unit_test(a_bare_job_completes_under_no_port),
        cmocka_unit_test(completing_a_bare_job_may_submit),
        cmocka_unit_test(a_bare_job_is_its_own_threads_to_submit),
        cmocka_unit_test(short_jobs_all_go_to_the_first),
        cmocka_unit_test(the_next_is_given_jobs_when_one_has_enough),
        cmocka_unit_test(where_all_have_enough_the_least_loaded_is_taken),
        cmocka_unit_test(who_is_at_one_batch_for_long_is_passed_over),
        cmocka_unit_test(a_batch_tells_what_its_jobs_took),
        cmocka_unit_test(a_clock_that_went_back_took_no_time),
        cmocka_unit_test(no_more_is_given_than_a_queue_holds),
    };
    return cmocka_run_group_tests_name("pool beyond the originals", tests, calibrate, NULL);
}
