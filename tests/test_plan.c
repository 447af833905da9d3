// SPDX-License-Identifier: Apache-2.0
// What a run refuses before it starts, how it places and counts its threads, and what makes a cell the same cell.
#include "tests/run_words.h"

#include <errno.h>

#include "core/machine/memory.h"
#include "core/run/traits.h"

// A machine with two packages, whatever this one is.
static struct topology topology;

static int load(void **state)
{
    (void)state;
    struct fault fault = {""};
    return topology_load(&topology, "package:2 core:2 pu:2", &fault);
}

static int unload(void **state)
{
    (void)state;
    topology_unload(&topology);
    return 0;
}

struct made {
    struct run_request request;
    char *text;
    struct run_plan plan;
};

static void make(struct made *made, const char *line)
{
    struct fault fault = {""};
    words_expect(&made->request, line, &made->text);
    if (run_plan_make(&made->plan, &made->request.options, &topology, &fault) != 0)
        fail_msg("'%s' is refused: %s", line, fault.text);
}

static void drop(struct made *made)
{
    run_plan_free(&made->plan);
    options_free(&made->request);
    free(made->text);
}

static void expect_refusal_of(const struct run_options *options, const char *const *parts)
{
    struct run_plan plan;
    struct fault fault = {""};
    assert_true(run_plan_make(&plan, options, &topology, &fault) < 0);
    for (; *parts; parts++)
        if (!strstr(fault.text, *parts))
            fail_msg("'%s' does not mention '%s'", fault.text, *parts);
    assert_null(strchr(fault.text, '\n'));
    assert_null(plan.cpus);
}

#define PARTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect_refusal(const char *line, const char *const *parts)
{
    struct run_request request;
    char *text;
    words_expect(&request, line, &text);
    expect_refusal_of(&request.options, parts);
    options_free(&request);
    free(text);
}

static void test_refuses_what_traits_forbid(void **state)
{
    (void)state;
    expect_refusal("--workload pairs:threads=2 --queue erts_mpsc", PARTS("erts_mpsc", "one consumer", "has 2"));
    expect_refusal("--workload producer_consumer:consumers=3 --queue erts_mpsc", PARTS("one consumer", "has 3"));
    expect_refusal("--workload closed_loop --queue null", PARTS("null", "baseline", "job queue"));
    expect_refusal("--workload closed_loop --job-queue erts_mpsc --ready-queue null", PARTS("null", "ready queue"));
    expect_refusal("--workload closed_loop --dispatch direct", PARTS("dispatch", "vtable"));
    expect_refusal("--workload pairs --queue list --pin 0,63", PARTS("63"));
    expect_refusal("--workload pairs --queue null --check full", PARTS("null", "baseline", "--check can only be none"));
    expect_refusal("--workload pairs --queue list --check sampled --dispatch direct",
                   PARTS("--check sampled", "dispatch can only be vtable"));
    expect_refusal("--workload pairs --queue list --check full --check-memory 1048576",
                   PARTS("--check-memory must be at most", "a third of", "not 1048576"));
}

// What a pool's start would refuse is refused before anything runs.
static void test_refuses_what_the_pool_would(void **state)
{
    (void)state;
    expect_refusal("--workload closed_loop:schedulers=2 --pool erts:smp=no", PARTS("schedulers", "smp=no"));
    expect_refusal("--workload closed_loop --pool erts:smp=no,completion=worker", PARTS("completion=worker", "smp"));
    expect_refusal("--workload blast --pool erts:stop=flush --ready-queue list:capacity=3", PARTS("stop=flush", "3"));
}

static void test_refuses_queues_by_changed_traits(void **state)
{
    (void)state;
    struct run_request request;
    char *text;
    words_expect(&request, "--workload producer_consumer:producers=5 --queue list --dispatch direct", &text);
    struct queue_choice *queue = &request.options.queue;
    const struct queue_entry *listed = queue->entry;

    // Items of producer 4 end below 6 << 48.
    struct run_plan plan;
    struct fault fault = {""};
    queue->traits.reserved_from = (uintptr_t)6 << 48;
    assert_int_equal(run_plan_make(&plan, &request.options, &topology, &fault), 0);
    run_plan_free(&plan);
    queue->traits.reserved_from -= 1;
    expect_refusal_of(&request.options, PARTS("list", "5 producers", "reserves"));
    queue->traits.reserved_from = 0;

    struct queue_ops ops = *listed->ops;
    struct queue_entry entry = *listed;
    ops.loops = NULL;
    entry.ops = &ops;
    queue->entry = &entry;
    expect_refusal_of(&request.options, PARTS("list", "no loops of its own", "vtable"));
    queue->entry = NULL;
    expect_refusal_of(&request.options, PARTS("runs on a queue", "none is given"));
    queue->entry = listed;
    options_free(&request);
    free(text);
}

static void test_refuses_pools_by_changed_traits(void **state)
{
    (void)state;
    struct run_request request;
    char *text;
    words_expect(&request, "--workload closed_loop:keys=3", &text);
    struct run_options *options = &request.options;
    const struct pool_entry *listed = options->pool;
    struct pool_ops ops = *listed->ops;
    struct pool_entry entry = *listed;
    entry.ops = &ops;
    options->pool = &entry;

    ops.traits.keys = false;
    expect_refusal_of(options, PARTS("keys", listed->name));
    ops.traits.keys = true;
    const struct queue_entry *ready = options->ready_queue.entry;
    options->ready_queue.entry = NULL;
    expect_refusal_of(options, PARTS("ready queue", "none is given"));
    options->ready_queue.entry = ready;
    options->job_queue.traits.producers = QUEUE_ONE;
    ((uint64_t *)options->workload_config)[0] = 2; // schedulers
    expect_refusal_of(options, PARTS("one producer", "job queue has 2"));
    options->pool = NULL;
    expect_refusal_of(options, PARTS("runs on a pool", "none is given"));
    options->pool = listed;
    options_free(&request);
    free(text);
}

// What the workload of the next test asks for.
static struct workload_demand asked;

static int resolve_asked(const void *config, struct workload_demand *demand, struct fault *fault)
{
    (void)config, (void)fault;
    *demand = asked;
    return 0;
}

static struct pool_traits promised;

static void resolve_promised(const void *config, struct pool_traits *traits)
{
    (void)config;
    *traits = promised;
}

static void expect_plan_of(const struct run_options *options, unsigned schedulers, unsigned externals)
{
    struct run_plan plan;
    struct fault fault = {""};
    if (run_plan_make(&plan, options, &topology, &fault) != 0)
        fail_msg("refused: %s", fault.text);
    assert_int_equal(plan.schedulers, schedulers);
    assert_int_equal(plan.externals, externals);
    assert_int_equal(plan.threads, schedulers + externals);
    assert_memory_equal(&plan.pool_traits, &promised, sizeof promised);
    run_plan_free(&plan);
}

// Each need of a workload meets a pool that has what it needs, and then one that lacks it: as it is configured,
// whatever its traits are with every default.
static void test_holds_demands_against_resolved_traits(void **state)
{
    (void)state;
    static const struct pool_port_ops ports;
    struct run_request request;
    char *text;
    words_expect(&request, "--workload closed_loop", &text);
    struct run_options *options = &request.options;
    const struct workload_ops *load = options->workload;
    const struct pool_entry *listed = options->pool;
    struct workload_ops asking = *load;
    struct pool_ops ops = *listed->ops;
    struct pool_entry entry = *listed;
    asking.resolve = resolve_asked;
    ops.resolve = resolve_promised;
    ops.ports = &ports;
    entry.ops = &ops;
    options->workload = &asking;
    options->pool = &entry;

    promised = (struct pool_traits){.takes_queues = true};
    asked = (struct workload_demand){.roles = {{.name = "scheduler", .threads = 2}}, .workers = 1};
    expect_plan_of(options, 2, 0);

    asked.needs_submitter = true;
    expect_refusal_of(options, PARTS("closed_loop", "complete where they were submitted", "pool erts"));
    promised.completes_on_submitter = true;
    expect_plan_of(options, 2, 0);

    asked.workers = 0;
    expect_refusal_of(options, PARTS("closed_loop", "no workers", "pool erts", "at least one"));
    promised.synchronous = true;
    expect_plan_of(options, 2, 0);

    asked.roles[1] = (struct workload_role){.name = "external", .threads = 3, .external = true};
    expect_refusal_of(options, PARTS("closed_loop", "3 threads that only submit", "pool erts"));
    promised.externals = true;
    expect_plan_of(options, 2, 3);

    asked.needs_ports = 7;
    expect_plan_of(options, 2, 3);
    ops.ports = NULL;
    expect_refusal_of(options, PARTS("closed_loop", "needs ports", "pool erts"));
    asked.needs_ports = 0;

    asked.roles[0].external = true;
    expect_refusal_of(options, PARTS("closed_loop", "at least one scheduler"));
    asked.roles[1].external = false;
    expect_refusal_of(options, PARTS("closed_loop", "role external, of schedulers, after the external role scheduler"));
    asked.roles[0].external = false;

    options->job_queue.traits.producers = QUEUE_ONE;
    asked.roles[0].threads = 1;
    asked.roles[1] = (struct workload_role){.name = "external", .threads = 1, .external = true};
    expect_refusal_of(options, PARTS("one producer", "job queue has 2"));

    options->workload = load;
    options->pool = listed;
    options_free(&request);
    free(text);
}

// With keys, neither queue of a pool may let jobs of one key overtake each other; without them, both may.
static void test_keys_need_queues_that_keep_order(void **state)
{
    (void)state;
    struct run_request request;
    char *text;
    words_expect(&request, "--workload closed_loop", &text);
    struct run_options *options = &request.options;
    const struct workload_ops *load = options->workload;
    struct workload_ops asking = *load;
    asking.resolve = resolve_asked;
    asked = (struct workload_demand){.roles = {{.name = "scheduler", .threads = 1}}, .workers = 1, .needs_keys = true};
    promised = traits_resolved(options->pool->ops, options->pool_config);
    assert_true(promised.keys);
    options->workload = &asking;
    expect_plan_of(options, 1, 0);
    struct queue_choice *const queues[] = {&options->job_queue, &options->ready_queue};
    for (unsigned i = 0; i < 2; i++) {
        struct queue_entry named = *queues[i]->entry;
        const struct queue_entry *entry = queues[i]->entry;
        const enum queue_order order = queues[i]->traits.order;
        named.name = "lottery";
        queues[i]->entry = &named;
        queues[i]->traits.order = QUEUE_ORDER_RELAXED;
        expect_refusal_of(options, PARTS("closed_loop is asked for keys", "the queue lottery", "(trait order)"));
        asked.needs_keys = false;
        expect_plan_of(options, 1, 0);
        asked.needs_keys = true;
        queues[i]->traits.order = order;
        queues[i]->entry = entry;
    }
    options->workload = load;
    options_free(&request);
    free(text);
}

static void expect_origins(const struct run_options *options, const char *expected)
{
    struct run_plan plan;
    struct fault fault = {""};
    struct environment environment = {.machine = "a-machine"};
    struct record record;
    if (run_plan_make(&plan, options, &topology, &fault) != 0)
        fail_msg("refused: %s", fault.text);
    run_plan_describe(&plan, &environment, &record);
    if (!expected)
        assert_null(record.queue_origins);
    else
        assert_string_equal(record.queue_origins ? record.queue_origins : "none", expected);
    run_plan_free(&plan);
}

// Of queues that come from elsewhere, each once.
static void test_says_where_queues_come_from(void **state)
{
    (void)state;
    struct run_request request;
    char *text;
    words_expect(&request, "--workload pairs --queue list", &text);
    const struct queue_entry *listed = request.options.queue.entry;
    struct queue_entry foreign = *listed, other = *listed;
    foreign.package = "libforeign-dev";
    foreign.version = "1.2-3";
    other.name = "other";
    other.package = "libother-dev";
    other.version = "4";
    expect_origins(&request.options, NULL);
    request.options.queue.entry = &foreign;
    expect_origins(&request.options, "list=libforeign-dev 1.2-3");
    request.options.queue.entry = listed;
    options_free(&request);
    free(text);

    words_expect(&request, "--workload closed_loop --job-queue list --ready-queue list", &text);
    struct run_options *options = &request.options;
    expect_origins(options, NULL);
    options->ready_queue.entry = &other;
    expect_origins(options, "other=libother-dev 4");
    options->job_queue.entry = &foreign;
    expect_origins(options, "list=libforeign-dev 1.2-3;other=libother-dev 4");
    options->ready_queue.entry = &foreign;
    expect_origins(options, "list=libforeign-dev 1.2-3");
    options->job_queue.entry = options->ready_queue.entry = listed;
    options_free(&request);
    free(text);
}

static void test_refuses_too_many_threads(void **state)
{
    (void)state;
    expect_refusal("--workload closed_loop:schedulers=256,workers=1000",
                   PARTS("1256 threads", "256 of the workload and 1000 workers", "allowed"));
    expect_refusal("--workload closed_loop:schedulers=130,workers=1024",
                   PARTS("1154 threads", "130 of the workload and 1024 workers", "no more than"));
}

static void test_places_threads_then_workers(void **state)
{
    (void)state;
    struct made made;
    make(&made, "--workload closed_loop:schedulers=2,workers=3 --pin 5,0-2");
    assert_int_equal(made.plan.threads, 2);
    assert_int_equal(made.plan.schedulers, 2);
    assert_int_equal(made.plan.demand.workers, 3);
    const int expected[] = {5, 0, 1, 2, 5};
    assert_memory_equal(made.plan.cpus, expected, sizeof expected);
    drop(&made);
    make(&made, "--workload pairs:threads=3 --queue list --pin none");
    assert_int_equal(made.plan.threads, 3);
    assert_int_equal(made.plan.schedulers, 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(made.plan.cpus[i], -1);
    drop(&made);
}

static void test_describes_a_queue(void **state)
{
    (void)state;
    struct made made;
    struct environment environment = {.machine = "a-machine"};
    struct record record;
    make(&made, "--workload producer_consumer:producers=6,consumers=3 --queue mutex_list:capacity=64 --pin 1-2,0 "
                "--warmup 1ms --duration 2ms --seed 9 --dispatch direct --plan-hash abc --run-id r7 --arm new "
                "--block 3 --order 4 --attempt 1");
    run_plan_describe(&made.plan, &environment, &record);
    assert_string_equal(record.plan_hash, "abc");
    assert_string_equal(record.run_id, "r7");
    assert_string_equal(record.arm, "new");
    assert_int_equal(record.block, 3);
    assert_int_equal(record.order, 4);
    assert_int_equal(record.attempt, 1);
    assert_string_equal(record.cell_id, made.plan.cell_id);
    assert_string_equal(record.machine, "a-machine");
    assert_ptr_equal(record.environment, &environment);
    assert_string_equal(record.workload, "producer_consumer");
    assert_non_null(strstr(record.workload_params, "producers=6;consumers=3;"));
    assert_string_equal(record.queue, "mutex_list");
    assert_string_equal(record.queue_params, "lock=mutex;capacity=64");
    assert_null(record.pool);
    assert_null(record.job_queue);
    assert_string_equal(record.dispatch, "direct");
    assert_string_equal(record.optional_ops, "prepare=native;clean=emulated;garbage=emulated;enqueue_batch=emulated;"
                                             "dequeue_batch=emulated");
    assert_string_equal(record.allocator, memory_allocator_name());
    assert_string_equal(record.pin, "1,2,0");
    assert_string_equal(record.cpus, "1 2 0 1 2 0 1 2 0");
    assert_int_equal(record.cpus_allowed, 8);
    assert_int_equal(record.threads, 9);
    assert_int_equal(record.producers, 6);
    assert_int_equal(record.consumers, 3);
    assert_int_equal(record.schedulers, RECORD_ABSENT);
    assert_int_equal(record.workers, RECORD_ABSENT);
    assert_int_equal(record.oversubscribed, 1);
    assert_int_equal(record.seed, 9);
    assert_int_equal(record.warmup_ns, 1000000);
    assert_int_equal(record.duration_ns, 2000000);
    assert_non_null(record.commit);
    assert_non_null(record.build);
    assert_non_null(record.compiler);
    assert_non_null(record.checks);
    assert_null(record.verdict);
    assert_int_equal(record.operations, RECORD_ABSENT);
    // 2024-01-31T23:59:58Z
    assert_int_equal(strlen(record.started), 20);
    int fields[6], used = 0;
    assert_int_equal(sscanf(record.started, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &fields[0], &fields[1], &fields[2],
                            &fields[3], &fields[4], &fields[5], &used),
                     6);
    assert_int_equal(used, 20);
    drop(&made);
}

static void test_describes_a_pool(void **state)
{
    (void)state;
    struct made made;
    struct environment environment = {.machine = ""};
    struct record record;
    make(&made, "--workload blast:schedulers=1,workers=2 --job-queue erts_mpsc --ready-queue ticket_list");
    run_plan_describe(&made.plan, &environment, &record);
    assert_null(record.queue);
    assert_string_equal(record.pool, "erts");
    assert_string_equal(record.job_queue, "erts_mpsc");
    assert_string_equal(record.ready_queue, "ticket_list");
    assert_string_equal(record.ready_queue_params, "lock=ticket;capacity=0");
    assert_string_equal(record.optional_ops, "job_prepare=native;job_clean=native;job_garbage=native;"
                                             "job_enqueue_batch=emulated;job_dequeue_batch=emulated;"
                                             "ready_prepare=native;ready_clean=emulated;ready_garbage=emulated;"
                                             "ready_enqueue_batch=emulated;ready_dequeue_batch=emulated");
    assert_string_equal(record.dispatch, "vtable");
    assert_int_equal(record.threads, 3);
    assert_int_equal(record.schedulers, 1);
    assert_int_equal(record.workers, 2);
    assert_int_equal(record.producers, RECORD_ABSENT);
    assert_int_equal(record.oversubscribed, 0);
    assert_string_equal(record.pin, "compact");
    assert_int_equal(record.block, RECORD_ABSENT);
    assert_int_equal(strlen(record.run_id), 16);
    assert_int_equal(strspn(record.run_id, "0123456789abcdef"), 16);
    drop(&made);
}

static void cell_of(const char *line, char cell[17])
{
    struct made made;
    make(&made, line);
    memcpy(cell, made.plan.cell_id, sizeof made.plan.cell_id);
    drop(&made);
    assert_int_equal(strlen(cell), 16);
    assert_int_equal(strspn(cell, "0123456789abcdef"), 16);
}

static void test_same_cell(void **state)
{
    (void)state;
    const char *const same[][2] = {
        {"--workload pairs --queue list", "--workload pairs:threads=1 --queue list:lock=mutex"},
        {"--workload pairs --queue list", "--workload pairs --queue list --seed 77 --run-id x --block 4 --arm b"},
        {"--workload pairs --queue list --pin 0-2", "--workload pairs --queue list --pin 0,1,2"},
        {"--workload pairs --queue list --warmup 1ms", "--workload pairs --queue list --warmup 1000us"},
        {"--workload closed_loop", "--workload closed_loop:window=256 --seed 3"},
        {"--workload pairs --queue list", "--workload pairs --queue list --check-every 5 --check-memory 9"},
        {"--workload pairs --queue list --check full",
         "--workload pairs --queue list --check full --check-every 5 --history h"},
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        char first[17], second[17];
        cell_of(same[i][0], first);
        cell_of(same[i][1], second);
        assert_string_equal(first, second);
    }
}

// So that what was measured before there were checks compares with what is measured without one now.
static void test_cell_without_a_check(void **state)
{
    (void)state;
    char text[512], cell[17];
    snprintf(text, sizeof text,
             "workload=pairs\nworkload_params=threads=1;kind=managed;prefill=0;sample_every=64;think_ns=0;"
             "think=constant\nqueue=list\n"
             "queue_params=lock=mutex;capacity=0\nwarmup_ns=100000000\nduration_ns=1000000000\nstuck_ns=10000000000\n"
             "dispatch=vtable\nsample_lengths_ns=20000000\npin=compact\nallocator=%s\n",
             memory_allocator_name());
    uint64_t hash = 0xcbf29ce484222325u; // FNV-1a
    for (const char *at = text; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 0x100000001b3u;
    char expected[17];
    snprintf(expected, sizeof expected, "%016llx", (unsigned long long)hash);
    cell_of("--workload pairs --queue list", cell);
    assert_string_equal(cell, expected);
}

static void test_describes_a_check(void **state)
{
    (void)state;
    struct made made;
    struct environment environment = {.machine = ""};
    struct record record;
    make(&made, "--workload pairs --queue list --check-every 5");
    run_plan_describe(&made.plan, &environment, &record);
    assert_string_equal(record.check, "none");
    assert_int_equal(record.check_every, RECORD_ABSENT);
    assert_int_equal(record.check_memory_mib, RECORD_ABSENT);
    assert_null(strstr(record.checks, "history"));
    drop(&made);
    make(&made, "--workload closed_loop --check sampled --check-every 5 --check-memory 9");
    run_plan_describe(&made.plan, &environment, &record);
    assert_string_equal(record.check, "sampled");
    assert_int_equal(record.check_every, 5);
    assert_int_equal(record.check_memory_mib, 9);
    assert_non_null(strstr(record.checks, "; history of one job in 5, as far as history_scope says, by invocation"));
    assert_null(record.history_scope);
    drop(&made);
    make(&made, "--workload pairs --queue list --check full");
    run_plan_describe(&made.plan, &environment, &record);
    assert_string_equal(record.check, "full");
    assert_int_equal(record.check_every, RECORD_ABSENT);
    assert_int_equal(record.check_memory_mib, 1024);
    assert_non_null(
        strstr(record.checks, "; history of the queue, as far as history_scope says, by delivery, order and EMPTY"));
    drop(&made);
}

static void test_other_cells(void **state)
{
    (void)state;
    const char *const lines[] = {
        "--workload pairs --queue list",
        "--workload pairs:think_ns=1 --queue list",
        "--workload pairs:threads=2 --queue list",
        "--workload pairs --queue mutex_list",
        "--workload pairs --queue list:capacity=64",
        "--workload pairs --queue list --dispatch direct",
        "--workload pairs --queue list --warmup 1ms",
        "--workload pairs --queue list --duration 1ms",
        "--workload pairs --queue list --check full",
        "--workload pairs --queue list --check full --check-memory 9",
        "--workload pairs --queue list --check sampled",
        "--workload pairs --queue list --check sampled --check-every 5",
        "--workload pairs --queue list --check sampled --check-every 5 --check-memory 9",
        "--workload pairs --queue list --pin none",
        "--workload pairs --queue list --pin 0,1",
        "--workload pairs --queue list --pin 1,0",
        "--workload producer_consumer --queue list",
        "--workload closed_loop",
        "--workload closed_loop --pool erts:ready_limit=19",
        "--workload closed_loop:workers=2",
        "--workload closed_loop --job-queue list",
        "--workload closed_loop --ready-queue list",
        "--workload blast",
    };
    enum { LINES = sizeof lines / sizeof lines[0] };
    char cells[LINES][17];
    for (size_t i = 0; i < LINES; i++) {
        cell_of(lines[i], cells[i]);
        for (size_t j = 0; j < i; j++)
            if (strcmp(cells[i], cells[j]) == 0)
                fail_msg("'%s' and '%s' are one cell", lines[i], lines[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses_what_traits_forbid),
        cmocka_unit_test(test_refuses_queues_by_changed_traits),
        cmocka_unit_test(test_refuses_what_the_pool_would),
        cmocka_unit_test(test_refuses_pools_by_changed_traits),
        cmocka_unit_test(test_holds_demands_against_resolved_traits),
        cmocka_unit_test(test_keys_need_queues_that_keep_order),
        cmocka_unit_test(test_says_where_queues_come_from),
        cmocka_unit_test(test_refuses_too_many_threads),
        cmocka_unit_test(test_places_threads_then_workers),
        cmocka_unit_test(test_describes_a_queue),
        cmocka_unit_test(test_describes_a_pool),
        cmocka_unit_test(test_same_cell),
        cmocka_unit_test(test_cell_without_a_check),
        cmocka_unit_test(test_describes_a_check),
        cmocka_unit_test(test_other_cells),
    };
    return cmocka_run_group_tests_name("plan", tests, load, unload);
}
