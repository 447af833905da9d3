// SPDX-License-Identifier: Apache-2.0
// The phases of a run, with bodies made for the purpose: what is measured, in which order the phases are seen, who
// counts, and what becomes of a run that can't start, gives up or gets stuck.
#include "tests/child.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/run/phases.h"
#include "core/run/progress_line.h"

#define MOST_THREADS 8
#define WARMUP_NS 5000000u
#define DURATION_NS 30000000u

// What one body saw.
struct seen {
    unsigned phases[4];                // ticks in each phase
    bool out_of_order;                 // a phase before one seen already
    bool recording_wrong;              // `recording` on outside of the window, or off inside
    uint64_t start, end;               // operations at the first tick in window and cool-down
    uint64_t start_failed, end_failed; //
    uint64_t recorded;                 // latencies offered in the window
    uint64_t came_ns, entered_ns;      // before its first tick, and after the first that said window
};

enum script {
    SCRIPT_COUNT,        // operations grow in role 0; role 1 does nothing
    SCRIPT_STARVE,       // of role 0 only thread 0 gets anywhere
    SCRIPT_STRAGGLE,     // thread 0 stays in the window until the others have cooled down for a while
    SCRIPT_GIVE_UP,      // thread 0 gives up in the window
    SCRIPT_IDLE,         // ticks, but nothing moves
    SCRIPT_SLEEP,        // the same, in a short window
    SCRIPT_LATE,         // nothing moves in the window before it is over by rights
    SCRIPT_GIVE_UP_LATE, // nothing moves at all, and then thread 0 gives up
    SCRIPT_TARDY,        // thread 1 comes to the warm-up when it would be over for the others
    SCRIPT_HANG,         // thread 1 stops ticking in the window, the others go on
    SCRIPT_HANG_DRAIN,   // thread 1 never returns
    SCRIPT_HANG_ATTACH,  // thread 1 never attaches
    SCRIPT_ATTACH_FAILS, // thread 1 can't attach
};

struct fixture {
    enum script script;
    struct workload_demand demand;
    struct workload_run run;
    struct seen seen[MOST_THREADS];
    _Atomic unsigned attached, detached, bodies;
    _Atomic uint32_t cooled;  // ticks of the others in cool-down
    _Atomic uint32_t stopped; // others that were told to stop
    bool left_alone;          // the straggler: they were, while it was in the window
    unsigned moments[3];
};

static void hang(void)
{
    for (;;)
        sleep(1);
}

static void note_phase(struct seen *seen, struct workload_thread *self, enum workload_phase phase, uint64_t operations)
{
    for (unsigned later = phase + 1; later < 4; later++)
        seen->out_of_order |= seen->phases[later] > 0;
    if (phase == PHASE_WINDOW && seen->phases[phase] == 0) {
        seen->start = operations;
        seen->start_failed = self->failed;
        seen->entered_ns = clock_system_ns();
    }
    if (phase == PHASE_COOLDOWN && seen->phases[phase] == 0) {
        seen->end = operations;
        seen->end_failed = self->failed;
    }
    seen->phases[phase]++;
    seen->recording_wrong |= self->recording != (phase == PHASE_WINDOW);
}

// Before twice the window has passed.
static bool is_too_early(const struct seen *seen)
{
    return !seen->entered_ns || clock_system_ns() - seen->entered_ns < 2 * DURATION_NS;
}

static void misbehave(struct fixture *fixture, struct workload_thread *self, enum workload_phase phase)
{
    if (fixture->script == SCRIPT_HANG && self->index == 1 && phase == PHASE_WINDOW)
        hang();
    if (fixture->script == SCRIPT_GIVE_UP && self->index == 0 && phase == PHASE_WINDOW)
        workload_give_up(self);
    if (fixture->script == SCRIPT_GIVE_UP_LATE && self->index == 0 && !is_too_early(&fixture->seen[0]))
        workload_give_up(self);
    if (fixture->script != SCRIPT_STRAGGLE)
        return;
    if (self->index > 0) {
        at_add_rlx(&fixture->cooled, phase == PHASE_COOLDOWN);
        at_add_rlx(&fixture->stopped, phase == PHASE_STOP);
    } else if (phase == PHASE_WINDOW) {
        SPIN_UNTIL(at_load_rlx(&fixture->cooled) >= 20 || at_load_rlx(&fixture->stopped));
        fixture->left_alone |= at_load_rlx(&fixture->stopped) > 0;
    }
}

static bool gets_anywhere(const struct fixture *fixture, const struct workload_thread *self)
{
    switch (fixture->script) {
    case SCRIPT_IDLE:
    case SCRIPT_SLEEP:
    case SCRIPT_GIVE_UP_LATE:
        return false;
    case SCRIPT_LATE:
        return !fixture->seen[self->index].entered_ns || !is_too_early(&fixture->seen[self->index]);
    case SCRIPT_STARVE:
        return self->rank == 0;
    default:
        return true;
    }
}

static void body(struct workload_thread *self)
{
    struct fixture *fixture = self->run->state;
    struct seen *seen = &fixture->seen[self->index];
    uint64_t operations = 0;
    at_add_rlx(&fixture->bodies, 1);
    if (fixture->script == SCRIPT_TARDY && self->index == 1)
        nanosleep(&(struct timespec){.tv_nsec = 3 * WARMUP_NS}, NULL);
    seen->came_ns = clock_system_ns();
    for (;;) {
        const enum workload_phase phase = workload_tick(self, operations);
        note_phase(seen, self, phase, operations);
        misbehave(fixture, self, phase);
        if (phase == PHASE_STOP)
            break;
        if (self->recording)
            seen->recorded++;
        workload_record(self, 0, 100);
        const bool counts = self->role == &fixture->demand.roles[0] && gets_anywhere(fixture, self);
        operations += counts ? 3 : 0;
        self->observed += counts ? 10 : 0; // in runs of five
        self->handovers += counts ? 2 : 0;
        self->failed++;
        thread_yield();
    }
    if (fixture->script == SCRIPT_HANG_DRAIN && self->index == 1)
        hang();
}

static int attach(struct workload_thread *self, void *context)
{
    struct fixture *fixture = context;
    if (fixture->script == SCRIPT_HANG_ATTACH && self->index == 1)
        hang();
    if (fixture->script == SCRIPT_ATTACH_FAILS && self->index == 1)
        return -ENOMEM;
    at_add_rlx(&fixture->attached, 1);
    return 0;
}

static void detach(struct workload_thread *self, void *context)
{
    (void)self;
    at_add_rlx(&((struct fixture *)context)->detached, 1);
}

static void at_moment(enum phases_moment moment, void *context)
{
    struct fixture *fixture = context;
    for (unsigned later = moment + 1; later < 3; later++)
        assert_int_equal(fixture->moments[later], 0);
    fixture->moments[moment]++;
}

static const struct workload_ops scripted = {.name = "scripted", .stages = {"only"}, .body = body};

static struct run_phases *make(struct fixture *fixture, enum script script, unsigned active, unsigned passive,
                               uint64_t stuck_ns)
{
    *fixture = (struct fixture){.script = script};
    fixture->demand.roles[0] = (struct workload_role){.name = "active", .threads = active};
    if (passive)
        fixture->demand.roles[1] = (struct workload_role){.name = "passive", .threads = passive};
    fixture->run.demand = &fixture->demand;
    fixture->run.threads = active + passive;
    fixture->run.state = fixture;
    const struct phases_plan plan = {
        .workload = &scripted,
        .run = &fixture->run,
        .warmup_ns = WARMUP_NS,
        .duration_ns = script == SCRIPT_IDLE ? 60 * (uint64_t)1000000000 : DURATION_NS,
        .stuck_ns = stuck_ns,
        .context = fixture,
        .attach = attach,
        .detach = detach,
        .at_moment = at_moment,
    };
    struct run_phases *phases;
    assert_int_equal(phases_create(&phases, &plan), 0);
    return phases;
}

static struct run_phases *finish_before(struct fixture *fixture, enum script script, unsigned active, unsigned passive,
                                        uint64_t stuck_ns)
{
    struct run_phases *phases = make(fixture, script, active, passive, stuck_ns);
    struct fault fault = {""};
    char detail[256] = "";
    int error;
    assert_int_equal(phases_run(phases, detail, sizeof detail, &error, &fault), PHASES_FINISHED);
    assert_string_equal(detail, "");
    return phases;
}

static struct run_phases *finish(struct fixture *fixture, enum script script, unsigned active, unsigned passive)
{
    return finish_before(fixture, script, active, passive, 10000000000u);
}

static void test_measures_own_windows(void **state)
{
    (void)state;
    struct fixture fixture;
    struct run_phases *phases = finish(&fixture, SCRIPT_COUNT, 3, 1);
    struct phases_result result;
    phases_measure(phases, &result);

    uint64_t operations = 0, failed = 0, least = UINT64_MAX, most = 0, recorded = 0;
    for (unsigned i = 0; i < 4; i++) {
        const struct seen *seen = &fixture.seen[i];
        const uint64_t own = seen->end - seen->start;
        assert_false(seen->out_of_order);
        assert_false(seen->recording_wrong);
        for (unsigned phase = 0; phase < 4; phase++)
            assert_int_not_equal(seen->phases[phase], 0);
        operations += own;
        failed += seen->end_failed - seen->start_failed;
        recorded += seen->recorded;
        if (i < 3 && own < least)
            least = own;
        if (i < 3 && own > most)
            most = own;
    }
    assert_int_equal(result.operations, operations);
    assert_int_equal(result.failed, failed);
    assert_int_equal(result.thread_operations_min, least);
    assert_int_equal(result.thread_operations_max, most);
    assert_true(operations > 0 && failed > 0);
    assert_true(result.window_ns >= DURATION_NS);
    assert_true(result.fairness >= 1.0 / 3 - 1e-9 && result.fairness <= 1.0 + 1e-9);
    // Each thread's own window is the common one at least, and longer by the skew at most.
    assert_true(result.throughput_ops_per_s <= (double)operations / ((double)result.window_ns * 1e-9) * 1.000001);
    assert_true(result.throughput_ops_per_s >=
                (double)operations / ((double)(result.window_ns + result.skew_ns) * 1e-9) * 0.999999);

    struct histogram *histogram = malloc(sizeof *histogram);
    histogram_clear(histogram);
    phases_merge(phases, 0, histogram);
    assert_int_equal(histogram->count, recorded);
    free(histogram);

    assert_int_equal(at_load_rlx(&fixture.attached), 4);
    assert_int_equal(at_load_rlx(&fixture.detached), 4);
    for (unsigned moment = 0; moment < 3; moment++)
        assert_int_equal(fixture.moments[moment], 1);
    phases_destroy(phases);
    assert_null(fixture.run.phases);
}

static void test_each_thread_has_a_row(void **state)
{
    (void)state;
    struct fixture fixture;
    struct run_phases *phases = finish(&fixture, SCRIPT_COUNT, 3, 1);
    struct phases_result result;
    struct record_thread rows[4];
    phases_measure(phases, &result);
    phases_describe_threads(phases, rows);
    for (unsigned i = 0; i < 4; i++) {
        const struct seen *seen = &fixture.seen[i];
        assert_string_equal(rows[i].role, i < 3 ? "active" : "passive");
        assert_int_equal(rows[i].thread_number, i < 3 ? i + 1 : 1);
        assert_int_equal(rows[i].operations, seen->end - seen->start);
        assert_int_equal(rows[i].operations_failed, seen->end_failed - seen->start_failed);
        // Each is cut down to whole nanoseconds, so a sum of two lacks up to one more.
        assert_in_range(rows[i].window_ns, result.window_ns, result.window_ns + result.skew_ns + 1);
        assert_true(rows[i].throughput_ops_per_s * (double)rows[i].window_ns * 1e-9 <= (double)rows[i].operations + 1);
        assert_true(rows[i].cpu_ns > 0 && rows[i].cpu_ns <= rows[i].window_ns * 2);
        assert_true(rows[i].cpu == RECORD_ABSENT && rows[i].migrations == RECORD_ABSENT);
        for (unsigned other = 0; other < i; other++)
            assert_int_not_equal(phases_thread_id(phases, i), phases_thread_id(phases, other));
    }
    phases_destroy(phases);
}

static void test_runs_of_one_thread_are_measured(void **state)
{
    (void)state;
    struct fixture fixture;
    struct phases_result result;
    struct run_phases *phases = finish(&fixture, SCRIPT_COUNT, 2, 1);
    phases_measure(phases, &result);
    // A run that the window cuts is one of its own, so the mean is a little below five.
    assert_true(result.run_length_mean > 4 && result.run_length_mean < 5);
    phases_destroy(phases);
    phases = finish(&fixture, SCRIPT_STARVE, 1, 1);
    phases_measure(phases, &result);
    assert_true(result.run_length_mean > 4);
    phases_destroy(phases);
}

static void test_starved_thread_counts(void **state)
{
    (void)state;
    struct fixture fixture;
    struct run_phases *phases = finish(&fixture, SCRIPT_STARVE, 4, 2);
    struct phases_result result;
    phases_measure(phases, &result);
    assert_int_equal(result.thread_operations_min, 0);
    assert_int_equal(result.thread_operations_max, result.operations);
    assert_float_equal(result.fairness, 0.25, 1e-9); // one of four did it all; the passive two do not count
    phases_destroy(phases);
}

// The straggler leaves the window late; until then the others keep the load on.
static void test_load_stays_on(void **state)
{
    (void)state;
    struct fixture fixture;
    struct run_phases *phases = finish(&fixture, SCRIPT_STRAGGLE, 2, 0);
    struct phases_result result;
    phases_measure(phases, &result);
    assert_false(fixture.left_alone);
    assert_true(at_load_rlx(&fixture.cooled) >= 20);
    assert_true(result.window_ns >= DURATION_NS);
    phases_destroy(phases);
}

static void test_window_without_operations_is_longer(void **state)
{
    (void)state;
    struct fixture fixture;
    struct run_phases *phases = finish(&fixture, SCRIPT_LATE, 1, 0); // alone, so that its window is the common one
    struct phases_result result;
    phases_measure(phases, &result);
    assert_true(result.operations > 0);
    assert_true(result.window_ns >= 2 * DURATION_NS);
    for (unsigned moment = PHASES_OPENED; moment <= PHASES_CLOSED; moment++)
        assert_int_equal(fixture.moments[moment], 1);
    phases_destroy(phases);
}

// A watchdog that barks after the window is over leaves all to be joined and judged.
static void test_window_is_not_longer_for_ever(void **state)
{
    (void)state;
    struct fixture fixture;
    const uint64_t stuck_ns = 300000000;
    struct run_phases *phases = finish_before(&fixture, SCRIPT_SLEEP, 2, 1, stuck_ns);
    struct phases_result result;
    phases_measure(phases, &result);
    assert_int_equal(result.operations, 0);
    assert_true(result.window_ns >= stuck_ns);
    assert_int_equal(at_load_rlx(&fixture.detached), 3);
    phases_destroy(phases);
}

// Whoever comes late is as warm as the others when the window opens.
static void test_warm_up_counts_from_the_last(void **state)
{
    (void)state;
    struct fixture fixture;
    struct run_phases *phases = finish(&fixture, SCRIPT_TARDY, 2, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_true(fixture.seen[i].entered_ns - fixture.seen[i].came_ns >= WARMUP_NS);
    phases_destroy(phases);
}

static void test_attach_failure_calls_all_off(void **state)
{
    (void)state;
    struct fixture fixture;
    struct run_phases *phases = make(&fixture, SCRIPT_ATTACH_FAILS, 2, 1, 10000000000u);
    struct fault fault = {""};
    char detail[256];
    int error;
    assert_int_equal(phases_run(phases, detail, sizeof detail, &error, &fault), PHASES_FAILED);
    assert_int_equal(error, -ENOMEM);
    assert_non_null(strstr(fault.text, "active 1 cannot attach"));
    assert_int_equal(at_load_rlx(&fixture.bodies), 0);
    assert_int_equal(at_load_rlx(&fixture.attached), 2);
    assert_int_equal(at_load_rlx(&fixture.detached), 2);
    phases_destroy(phases);
}

static void expect_given_up(enum script script)
{
    struct fixture fixture;
    struct run_phases *phases = make(&fixture, script, 2, 1, 10000000000u);
    struct fault fault = {""};
    char detail[256];
    int error;
    assert_int_equal(phases_run(phases, detail, sizeof detail, &error, &fault), PHASES_GAVE_UP);
    assert_int_equal(at_load_rlx(&fixture.detached), 3);
    assert_int_equal(fixture.moments[PHASES_CLOSING], 0);
    assert_int_equal(fixture.moments[PHASES_CLOSED], 0);
    phases_destroy(phases);
}

static void test_give_up_stops_all(void **state)
{
    (void)state;
    expect_given_up(SCRIPT_GIVE_UP);
    expect_given_up(SCRIPT_GIVE_UP_LATE);
}

// Stuck threads can't be joined, so the run takes place in a process of its own: the program itself, which gets
// the script's number and prints what was found.
static int run_stuck(enum script script)
{
    struct fixture *fixture = malloc(sizeof *fixture);
    struct run_phases *phases = make(fixture, script, 2, 1, 300000000u);
    struct fault fault = {""};
    char detail[512] = "";
    int error;
    const enum phases_end end = phases_run(phases, detail, sizeof detail, &error, &fault);
    printf("%s\n", detail);
    fflush(stdout);
    _exit(end == PHASES_STUCK ? 0 : 1);
}

static void expect_stuck(enum script script, const char *phase, const char *missing)
{
    char arguments[32], said[512];
    snprintf(arguments, sizeof arguments, "--stuck %d", script);
    child_says(arguments, said, sizeof said);
    assert_memory_equal(said, phase, strlen(phase));
    for (unsigned i = 0; i < 2; i++) {
        char text[64];
        snprintf(text, sizeof text, "active %u: ", i);
        assert_non_null(strstr(said, text));
    }
    if (missing)
        assert_non_null(strstr(said, missing));
    else
        assert_null(strstr(said, "missing)"));
}

static void test_stuck_in_every_phase(void **state)
{
    (void)state;
    expect_stuck(SCRIPT_IDLE, "window: ", NULL);
    expect_stuck(SCRIPT_HANG, "cool-down: ", "operations (missing), passive 0");
    expect_stuck(SCRIPT_HANG_DRAIN, "drain: ", "operations (missing), passive 0");
    expect_stuck(SCRIPT_HANG_ATTACH, "start: ", "active 1: 0 operations (missing), passive 0");
}

static void test_progress_line(void **state)
{
    (void)state;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    struct progress_line line;
    progress_line_init(&line, out);
    progress_line_clear(&line);
    fflush(out);
    assert_int_equal(size, 0); // nothing shown, nothing to wipe
    progress_line_show(&line, "window", 1000000000u, 500000000u, 2000000000u, 100);
    progress_line_show(&line, "window", 1000000001u, 500000001u, 2000000000u, 200); // too soon
    progress_line_show(&line, "drain", 2000000000u, 1500000000u, 0, 2500100);
    progress_line_clear(&line);
    progress_line_clear(&line);
    fclose(out);
    assert_string_equal(text, "\r\033[Kwindow  0.5/2.0 s"
                              "\r\033[Kdrain  1.5 s  2.5 M operations/s"
                              "\r\033[K");
    free(text);

    progress_line_init(&line, NULL);
    progress_line_show(&line, "window", 1, 1, 1, 1);
    assert_false(line.visible);
}

int main(int argc, char **argv)
{
    clock_calibrate();
    if (argc == 3 && strcmp(argv[1], "--stuck") == 0)
        return run_stuck((enum script)atoi(argv[2]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measures_own_windows),
        cmocka_unit_test(test_each_thread_has_a_row),
        cmocka_unit_test(test_runs_of_one_thread_are_measured),
        cmocka_unit_test(test_starved_thread_counts),
        cmocka_unit_test(test_load_stays_on),
        cmocka_unit_test(test_window_without_operations_is_longer),
        cmocka_unit_test(test_window_is_not_longer_for_ever),
        cmocka_unit_test(test_warm_up_counts_from_the_last),
        cmocka_unit_test(test_attach_failure_calls_all_off),
        cmocka_unit_test(test_give_up_stops_all),
        cmocka_unit_test(test_stuck_in_every_phase),
        cmocka_unit_test(test_progress_line),
    };
    return cmocka_run_group_tests_name("phases", tests, NULL, NULL);
}
