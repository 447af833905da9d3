// SPDX-License-Identifier: Apache-2.0
// What can be seen of a job from outside: its id, its key, its trace lines. A number (b7) is that of the behaviour in
// tests/behaviours.md.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/machine/clock.h"
#include "tests/pool_rig.h"

static struct rig rig;
static struct trace trace;

static int set_up(void **state)
{
    (void)state;
    memset(&trace, 0, sizeof trace);
    rig_init(&rig, 1, 1, "scripted", "scripted");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (rig.pool)
        rig_stop(&rig);
    return 0;
}

static void finish(void)
{
    for (unsigned i = 0; i < rig.setup.workers; i++)
        rig_work(&rig, i);
    while (scheduler_pass(rig.scheduler) == POOL_MORE) {}
}

static void nothing(void *data)
{
    (void)data;
}

// ---------------------------------------------------------------- trace lines

static int saved_stderr;
static FILE *captured;

static void capture(void)
{
    fflush(stderr);
    captured = tmpfile();
    assert_non_null(captured);
    saved_stderr = dup(STDERR_FILENO);
    dup2(fileno(captured), STDERR_FILENO);
}

// What was written to standard error since then. The caller frees it.
static char *release(void)
{
    fflush(stderr);
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    const long length = lseek(fileno(captured), 0, SEEK_END);
    char *text = calloc(1, (size_t)length + 1);
    assert_int_equal(pread(fileno(captured), text, (size_t)length, 0), length);
    fclose(captured);
    return text;
}

static void one_job_step_by_step(const char *expected)
{
    rig_man(&rig);
    capture();
    const long id = rig_submit(&rig, 0, NULL, &trace);
    finish();
    char *text = release();
    assert_true(id >= 0);
    assert_string_equal(trace.log, "ir");
    assert_string_equal(text, expected);
    free(text);
}

static void b7_each_stage_prints_its_line_if_told_to(void **state)
{
    (void)state;
    rig.config.trace = 1;
    one_job_step_by_step("-> 1\n<- 1\n=>> 1\n<<= 1\n");
}

static void b7_and_nothing_if_not(void **state)
{
    (void)state;
    assert_int_equal(rig.config.trace, 0);
    one_job_step_by_step("");
}

static void b7_without_a_ready_queue_nothing_is_sent_home(void **state)
{
    (void)state;
    rig.config.trace = 1;
    rig.config.completion = POOL_COMPLETION_WORKER;
    one_job_step_by_step("-> 1\n<- 1\n<<= 1\n");
}

static void b7_lines_of_several_threads_stay_whole_and_in_order(void **state)
{
    (void)state;
    static const char *const stages[] = {"->", "<-", "=>>", "<<="};
    rig_again(&rig, 1, 3, "erts_mpsc", "erts_mpsc");
    rig.config.trace = 1;
    rig_start(&rig);
    assert_int_equal(erts_pool_ops.attach(rig.pool, 0), 0);
    capture();
    for (unsigned i = 0; i < 300; i++)
        erts_pool_ops.submit(rig.pool, 0, NULL, nothing, nothing, NULL);
    erts_pool_ops.detach(rig.pool, 0);
    char *text = release(), *rest = text;
    unsigned seen[301] = {0}, lines = 0;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && *line; lines++) {
        char stage[4];
        unsigned id;
        assert_int_equal(sscanf(line, "%3s %u", stage, &id), 2);
        assert_in_range(id, 1, 300);
        assert_true(seen[id] < 4);
        assert_string_equal(stage, stages[seen[id]++]);
    }
    free(text);
    assert_int_equal(lines, 4 * 300);
}

static void b7_a_poison_is_told_of_when_it_is_sent_and_not_again(void **state)
{
    (void)state;
    struct pool_statistics statistics;
    rig_again(&rig, 1, 2, "erts_mpsc", "erts_mpsc");
    rig.config.trace = 1;
    rig.config.stop = POOL_STOP_POISON;
    rig_start(&rig);
    assert_int_equal(erts_pool_ops.attach(rig.pool, 0), 0);
    capture();
    erts_pool_ops.submit(rig.pool, 0, NULL, nothing, nothing, NULL);
    erts_pool_ops.detach(rig.pool, 0);
    const int error = erts_pool_ops.stop(rig.pool, &statistics, &rig.fault);
    char *text = release();
    rig.pool = NULL;
    rig_forget_choices(&rig);
    assert_int_equal(error, 0);
    assert_string_equal(text, "-> 1\n<- 1\n=>> 1\n<<= 1\n-> 0\n-> 0\n");
    free(text);
}

// ---------------------------------------------------------------- ids, keys, cancelling

static void starts_at(uint64_t id_start, const long *expected, unsigned count)
{
    rig_init(&rig, 1, 3, "scripted", "scripted");
    rig.config.id_start = id_start;
    rig_man(&rig);
    for (unsigned i = 0; i < count; i++)
        assert_true(rig_submit(&rig, 0, NULL, &trace) == expected[i]);
    finish();
    rig_stop(&rig);
    rig.pool = NULL;
}

static void b22_the_counter_wraps_at_both_ends(void **state)
{
    (void)state;
    starts_at(0, (const long[]){1, 2, 3}, 3);
    // Up to the greatest; the most negative number, which has no counterpart, is left out; then down.
    starts_at((unsigned long)LONG_MAX - 2, (const long[]){LONG_MAX - 1, LONG_MAX, LONG_MAX, LONG_MAX - 1}, 4);
    starts_at((unsigned long)-4, (const long[]){3, 2, 1, 1, 2}, 5); // 0 is left out
}

static void b24_after_the_wrap_the_round_robin_goes_on_with_the_positive_id(void **state)
{
    (void)state;
    rig_init(&rig, 1, 3, "list", "list");
    rig.config.id_start = (unsigned long)LONG_MAX;
    rig_man(&rig);
    for (unsigned i = 0; i < 6; i++) {
        uint64_t before[3];
        for (unsigned worker = 0; worker < 3; worker++)
            before[worker] = queue_length(&rig.pool->workers[worker].jobs);
        const long id = rig_submit(&rig, 0, NULL, &trace);
        assert_true(id > 0);
        for (unsigned worker = 0; worker < 3; worker++)
            assert_int_equal(queue_length(&rig.pool->workers[worker].jobs), before[worker] + (worker == id % 3));
    }
    finish();
}

static void b60_a_ports_key_is_its_number_so_that_ports_spread_evenly(void **state)
{
    (void)state;
    uint64_t ports[6];
    unsigned on_worker[3] = {0};
    rig_man(&rig);
    assert_int_equal(erts_pool_ops.ports->key(PORT_NONE), 0);
    static const struct driver driver = {.name = "mute"};
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(port_open(&rig.pool->ports, &driver, NULL, NULL, &ports[i]), 0);
        assert_int_equal(erts_pool_ops.ports->key(ports[i]), (uint32_t)ports[i]);
        on_worker[erts_pool_ops.ports->key(ports[i]) % 3]++;
    }
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(on_worker[i], 2);
}

static void b61_cancelling_is_refused_with_the_reason_and_the_job_runs(void **state)
{
    (void)state;
    struct fault fault = {""};
    rig_man(&rig);
    const long id = rig_submit(&rig, 0, NULL, &trace);
    for (unsigned stage = 0; stage < 3; stage++) {
        fault.text[0] = '\0';
        assert_int_equal(erts_pool_ops.ports->cancel(rig.pool, id, &fault), -ENOTSUP);
        assert_non_null(strstr(fault.text, "job 1 cannot be cancelled"));
        assert_null(strchr(fault.text, '\n'));
        if (stage == 0)
            rig_work(&rig, 0);
        else if (stage == 1)
            scheduler_pass(rig.scheduler);
    }
    assert_int_equal(erts_pool_ops.ports->cancel(rig.pool, 4711, &fault), -ENOTSUP);
    assert_string_equal(trace.log, "ir");
}

int main(void)
{
    clock_calibrate();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(b7_each_stage_prints_its_line_if_told_to),
        TEST(b7_and_nothing_if_not),
        TEST(b7_without_a_ready_queue_nothing_is_sent_home),
        TEST(b7_lines_of_several_threads_stay_whole_and_in_order),
        TEST(b7_a_poison_is_told_of_when_it_is_sent_and_not_again),
        TEST(b22_the_counter_wraps_at_both_ends),
        TEST(b24_after_the_wrap_the_round_robin_goes_on_with_the_positive_id),
        TEST(b60_a_ports_key_is_its_number_so_that_ports_spread_evenly),
        TEST(b61_cancelling_is_refused_with_the_reason_and_the_job_runs),
    };
    return cmocka_run_group_tests_name("behaviours seen", tests, NULL, NULL);
}
