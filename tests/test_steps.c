// SPDX-License-Identifier: Apache-2.0
// The scripts of `readyq steps`: who is woken, what is allocated, and the same again in a second run.
#include <string.h>

#include "core/registry.h"
#include "core/run/params.h"
#include "core/run/steps.h"
#include "tests/unit.h"

#define JOBS 60u

static struct steps book;

static void choose_pool(struct steps_request *request, const char *params)
{
    struct fault fault = {""};
    request->pool = registry_pool("erts", &fault);
    assert_non_null(request->pool);
    const struct pool_ops *ops = request->pool->ops;
    assert_int_equal(params_new(ops->params, ops->config_size, "pool", "", params, &request->pool_config, &fault), 0);
}

static struct steps_request asked(const char *pool, const char *jobs, const char *ready, unsigned workers)
{
    struct fault fault = {""};
    struct steps_request request = {.operations = JOBS, .burst = 25, .workers = workers};
    if (pool)
        choose_pool(&request, pool);
    assert_int_equal(queue_choice_parse(pool ? &request.job_queue : &request.queue, jobs, &fault), 0);
    if (ready)
        assert_int_equal(queue_choice_parse(&request.ready_queue, ready, &fault), 0);
    return request;
}

static void forget(struct steps_request *request)
{
    if (request->pool)
        params_delete(request->pool->ops->params, request->pool_config);
    queue_choice_fini(&request->queue);
    queue_choice_fini(&request->job_queue);
    queue_choice_fini(&request->ready_queue);
}

static void take(struct steps_request *request)
{
    struct fault fault = {""};
    steps_open(&book, request);
    const int error = request->pool ? steps_of_pool(&book, &fault) : steps_of_queue(&book, &fault);
    if (error)
        fail_msg("%s", fault.text);
    assert_int_equal(book.allocations, book.frees);
}

// NULL: there is no such phase.
static const struct steps_phase *find(const char *name)
{
    for (unsigned i = 0; i < book.phase_count; i++)
        if (strcmp(book.phases[i].name, name) == 0)
            return &book.phases[i];
    return NULL;
}

static const struct steps_cost *cost(const char *phase, const char *kind)
{
    const struct steps_phase *found = find(phase);
    assert_non_null(found);
    for (unsigned i = 0; book.kinds[i]; i++)
        if (strcmp(book.kinds[i], kind) == 0)
            return &found->costs[i];
    fail_msg("there is no kind %s", kind);
    return NULL;
}

static uint64_t told(const char *phase)
{
    uint64_t sum = 0;
    for (unsigned i = 0; book.kinds[i]; i++)
        sum += cost(phase, book.kinds[i])->told;
    return sum;
}

// ---------------------------------------------------------------- queues

static void a_queue_takes_and_gives_what_it_was_asked_for(void **state)
{
    (void)state;
    struct steps_request request = asked(NULL, "list", NULL, 1);
    take(&request);
    assert_int_equal(book.phase_count, 4);
    assert_int_equal(find("pairs")->operations, 2 * JOBS);
    assert_int_equal(cost("pairs", "enqueue")->calls, JOBS);
    assert_int_equal(cost("pairs", "dequeue")->calls, JOBS);
    assert_int_equal(find("burst")->operations, 2 * JOBS);
    assert_int_equal(cost("burst", "reclaim")->calls, 3); // 25, 25 and 10
    assert_int_equal(find("empty")->operations, JOBS);
    assert_int_equal(cost("empty", "dequeue")->calls, JOBS);
    assert_int_equal(told("pairs") + told("burst") + told("empty"), 0);
    assert_int_equal(cost("notified", "enqueue")->told, JOBS); // not by the list itself
    forget(&request);
}

static void a_burst_is_no_longer_than_the_queue(void **state)
{
    (void)state;
    struct steps_request request = asked(NULL, "ring:capacity=8", NULL, 1);
    take(&request);
    assert_int_equal(find("burst")->operations, 2 * JOBS);
    assert_int_equal(cost("burst", "reclaim")->calls, 8);        // 7 of 8 items and one of 4
    assert_int_equal(cost("burst", "enqueue")->calls, JOBS + 7); // and as many that found it full
    forget(&request);
}

static void a_baseline_has_no_empty_to_find(void **state)
{
    (void)state;
    struct steps_request request = asked(NULL, "null", NULL, 1);
    take(&request);
    assert_null(find("empty"));
    assert_int_equal(cost("pairs", "dequeue")->calls, JOBS);
    forget(&request);
}

// ---------------------------------------------------------------- the pool

static void who_sleeps_is_woken_and_who_is_awake_is_not(void **state)
{
    (void)state;
    struct steps_request request = asked("", "erts_mpsc", "erts_mpsc", 1);
    take(&request);
    assert_int_equal(cost("woken", "submit")->told, JOBS);
    assert_int_equal(cost("woken", "work")->told, JOBS); // the scheduler, by the completion
    assert_int_equal(cost("woken", "get_up")->calls, JOBS);
    assert_true(cost("woken", "pass")->told > 0); // the worker, by thread progress
    assert_int_equal(cost("stream", "submit")->told, 1);
    assert_int_equal(cost("stream", "work")->told, 0);
    assert_int_equal(cost("stream", "submit")->calls, JOBS);
    assert_true(cost("stream", "work")->calls >= JOBS);
    assert_int_equal(told("idle"), 0);
    assert_int_equal(cost("burst", "submit")->told, 3);
    forget(&request);
}

static void a_job_is_allocated_once_and_freed_where_it_completes(void **state)
{
    (void)state;
    struct steps_request request = asked("", "erts_mpsc", "erts_mpsc", 1);
    take(&request);
    const char *const phases[] = {"woken", "stream", "burst", "keyed", "port"};
    for (unsigned i = 0; i < sizeof phases / sizeof phases[0]; i++) {
        assert_int_equal(find(phases[i])->operations, JOBS);
        assert_int_equal(cost(phases[i], "submit")->allocations, JOBS);
        assert_int_equal(cost(phases[i], "pass")->frees, JOBS);
    }
    forget(&request);
    request = asked("job_cache=1", "erts_mpsc", "erts_mpsc", 1);
    take(&request);
    assert_int_equal(cost("stream", "submit")->allocations, 0);
    forget(&request);
}

static void a_burst_takes_as_many_passes_as_the_limit_asks_for(void **state)
{
    (void)state;
    struct steps_request request = asked("smp=no,ready_limit=5", "list", "list", 1);
    take(&request);
    const uint64_t limited = cost("burst", "pass")->calls;
    forget(&request);
    request = asked("smp=no,ready_limit=100", "list", "list", 1);
    take(&request);
    assert_int_equal(limited - cost("burst", "pass")->calls, 5 + 5 + 2); // for 25, 25 and 10 jobs
    forget(&request);
}

static void a_full_ready_queue_puts_the_worker_to_sleep_until_there_is_room(void **state)
{
    (void)state;
    struct steps_request request = asked("", "list", "ring:capacity=4", 1);
    take(&request);
    assert_true(cost("burst", "pass")->told >= 6 + 6 + 2);
    assert_int_equal(cost("stream", "pass")->told, 0);
    forget(&request);
}

static void every_way_to_complete_and_to_route_can_be_scripted(void **state)
{
    (void)state;
    static const struct {
        const char *pool, *queue;
        unsigned workers;
    } cases[] = {
        {"completion=worker", "erts_mpsc", 2},
        {"routing=shared", "list", 3},
        {"routing=two_choices", "erts_mpsc", 4},
        {"routing=fill,batch=32,reply_ns=5us,job_cache=64,bare_jobs=yes", "segment_mpsc", 1},
        {"smp=no", "erts_mpsc", 1},
        {"elements=worker,freeing=automatic", "erts_mpsc", 1},
        {"stop=poison", "erts_mpsc", 2},
        {"stop=flush", "erts_mpsc", 1},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct steps_request request = asked(cases[i].pool, cases[i].queue, cases[i].queue, cases[i].workers);
        take(&request);
        const bool shared = strstr(cases[i].pool, "shared");
        assert_int_equal(find("keyed") == NULL, shared);
        assert_int_equal(find("port")->operations, JOBS);
        forget(&request);
    }
}

static void a_second_run_counts_the_same(void **state)
{
    (void)state;
    static struct steps first;
    const char *const pools[] = {NULL, ""};
    for (unsigned i = 0; i < 2; i++) {
        struct steps_request request = asked(pools[i], "erts_mpsc", pools[i] ? "erts_mpsc" : NULL, 1);
        take(&request);
        first = book;
        take(&request);
        assert_int_equal(first.phase_count, book.phase_count);
        for (unsigned phase = 0; phase < book.phase_count; phase++)
            assert_memory_equal(&first.phases[phase], &book.phases[phase], sizeof first.phases[phase]);
        forget(&request);
    }
}

// ---------------------------------------------------------------- refusals

static void what_goes_by_the_clock_or_has_no_steps_is_refused(void **state)
{
    (void)state;
    struct fault fault = {""};
    struct steps_request request = asked("routing=fill", "erts_mpsc", "erts_mpsc", 2);
    steps_open(&book, &request);
    assert_true(steps_of_pool(&book, &fault) < 0);
    assert_non_null(strstr(fault.text, "goes by the clock"));
    struct pool_ops other = *request.pool->ops;
    other.stop = NULL;
    struct pool_entry entry = *request.pool;
    entry.ops = &other;
    const struct pool_entry *const ours = request.pool;
    request.pool = &entry;
    fault = (struct fault){""};
    assert_true(steps_of_pool(&book, &fault) < 0);
    assert_non_null(strstr(fault.text, "another runtime's"));
    request.pool = ours;
    forget(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_takes_and_gives_what_it_was_asked_for),
        cmocka_unit_test(a_burst_is_no_longer_than_the_queue),
        cmocka_unit_test(a_baseline_has_no_empty_to_find),
        cmocka_unit_test(who_sleeps_is_woken_and_who_is_awake_is_not),
        cmocka_unit_test(a_job_is_allocated_once_and_freed_where_it_completes),
        cmocka_unit_test(a_burst_takes_as_many_passes_as_the_limit_asks_for),
        cmocka_unit_test(a_full_ready_queue_puts_the_worker_to_sleep_until_there_is_room),
        cmocka_unit_test(every_way_to_complete_and_to_route_can_be_scripted),
        cmocka_unit_test(a_second_run_counts_the_same),
        cmocka_unit_test(what_goes_by_the_clock_or_has_no_steps_is_refused),
    };
    return cmocka_run_group_tests_name("steps", tests, NULL, NULL);
}
