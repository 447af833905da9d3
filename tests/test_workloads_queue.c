// SPDX-License-Identifier: Apache-2.0
// The queue workloads of phases, round trips, polls, changing handles and stopped threads: on real queues in short
// windows, where every run must be correct and have recorded what it says; and on queues with one fault each, where
// their checks must fire. Times are looked at only where they have a lower bound.
#include "tests/faulty_queue.h"
#include "tests/run_words.h"

#include <signal.h>

#include "core/machine/clock.h"
#include "core/machine/memory.h"
#include "workloads/preempted_holder_tally.h"

#define STOP_NS 300000u

static struct topology topology;

static int load(void **state)
{
    (void)state;
    struct fault fault = {""};
    clock_calibrate();
    return topology_load(&topology, NULL, &fault);
}

static int unload(void **state)
{
    (void)state;
    topology_unload(&topology);
    return 0;
}

// A run in this process, on the queue of the line or on a faulty one.
struct run {
    struct run_request request;
    struct outcome outcome;
    char *text;
    struct queue_choice parsed;
    enum defect defect;
};

static void begin(struct run *run, const char *line, unsigned duration_ms)
{
    char full[512];
    snprintf(full, sizeof full, "%s --warmup 2ms --duration %ums", line, duration_ms);
    words_expect(&run->request, full, &run->text);
    run->parsed = run->request.options.queue;
}

static void end(struct run *run)
{
    outcome_free(&run->outcome);
    run->request.options.queue = run->parsed;
    options_free(&run->request);
    free(run->text);
}

static const struct histogram *stage(const struct run *run, const char *name)
{
    const struct record *record = &run->outcome.record;
    for (unsigned i = 0; i < RECORD_STAGES_MAX && record->stages[i].name; i++)
        if (strcmp(record->stages[i].name, name) == 0)
            return record->stages[i].histogram;
    fail_msg("there is no stage %s", name);
    return NULL;
}

static bool is_among(const char *word, const char *words)
{
    char padded[128], sought[64];
    snprintf(padded, sizeof padded, " %s ", words);
    snprintf(sought, sizeof sought, " %s ", word);
    return strstr(padded, sought) != NULL;
}

// A sound run that leaves nothing behind, and records nothing but `stages`. Whether it recorded all of these.
static bool run_once(const char *line, const char *stages, unsigned duration_ms)
{
    struct run run;
    const struct memory_counters before = memory_counters();
    begin(&run, line, duration_ms);
    outcome_of(&run.outcome, &run.request.options, &topology);
    const struct memory_counters after = memory_counters();
    const struct record *record = &run.outcome.record;
    const char *detail = record->verdict_detail ? record->verdict_detail : "";
    if (run.outcome.code != 0)
        fail_msg("'%s' failed: %s%s", line, run.outcome.fault.text, detail);
    assert_int_equal(after.allocations - before.allocations, after.frees - before.frees);
    bool all = true;
    for (unsigned i = 0; i < RECORD_STAGES_MAX && record->stages[i].name; i++) {
        const bool recorded = record->stages[i].histogram->count > 0;
        const bool wanted = is_among(record->stages[i].name, stages);
        if (recorded && !wanted)
            fail_msg("%s: stage %s has samples", line, record->stages[i].name);
        all &= recorded == wanted;
    }
    assert_string_equal(record->verdict, is_among("null", line) ? "baseline" : "ok");
    end(&run);
    return all;
}

// How long a window must be for something to happen in it, depends on who shares the machine.
#define DURATION_MS 20u
#define DURATION_MOST_MS 2000u

static void check_run(const char *line, const char *stages)
{
    for (unsigned duration_ms = DURATION_MS; !run_once(line, stages, duration_ms); duration_ms *= 4)
        if (duration_ms > DURATION_MOST_MS)
            fail_msg("%s: not all of %s were recorded", line, stages);
}

static void test_burst_drain(void **state)
{
    (void)state;
    static const char *const all = "fill fill_item drain drain_item";
    check_run("--workload burst_drain:burst=256 --queue erts_mpsc", all);
    check_run("--workload burst_drain:burst=1 --queue erts_mpsc --dispatch direct", all);
    check_run("--workload burst_drain:producers=3,burst=100,consumer_kind=unmanaged --queue erts_mpsc", all);
    check_run("--workload burst_drain:producers=2,consumers=3,burst=50,producer_kind=managed --queue mutex_list", all);
    check_run("--workload burst_drain:consumers=2,burst=100 --queue faa_array --pin none", all);
    check_run("--workload burst_drain:producers=2,burst=8 --queue list:capacity=16", all);
}

// A burst that doesn't fit is cut short: no whole phase is timed, each thread's part is.
static void test_burst_without_room(void **state)
{
    (void)state;
    check_run("--workload burst_drain:producers=2,burst=100 --queue list:capacity=7", "fill_item drain_item");
    check_run("--workload burst_drain:producers=1,burst=9 --queue list:capacity=1", "fill_item drain_item");
}

static void test_ping_pong(void **state)
{
    (void)state;
    static const char *const all = "round_trip one_way answer";
    check_run("--workload ping_pong --queue erts_mpsc", all);
    check_run("--workload ping_pong:looks=1,producer_kind=managed,consumer_kind=unmanaged --queue erts_mpsc", all);
    check_run("--workload ping_pong:producers=3 --queue erts_mpsc --dispatch direct", all);
    check_run("--workload ping_pong:producers=3,consumers=2,sample_every=2 --queue ticket_list --pin none", all);
    check_run("--workload ping_pong:producers=3 --queue list:capacity=1", all);
    check_run("--workload ping_pong:sample_every=0 --queue erts_mpsc", "");
}

// The parts of a round trip are its whole.
static void test_round_trip_is_there_and_back(void **state)
{
    (void)state;
    struct run run;
    begin(&run, "--workload ping_pong --queue erts_mpsc", 200);
    outcome_of(&run.outcome, &run.request.options, &topology);
    const struct histogram *whole = stage(&run, "round_trip"), *there = stage(&run, "one_way");
    const struct histogram *back = stage(&run, "answer");
    assert_int_equal(there->count, back->count);
    assert_true(there->count <= whole->count && there->count * 10 > whole->count * 9);
    assert_true(there->max <= whole->max && back->max <= whole->max);
    end(&run);
}

static void test_empty_poll(void **state)
{
    (void)state;
    check_run("--workload empty_poll --queue erts_mpsc", "poll_batch");
    check_run("--workload empty_poll:one_in=64,kind=unmanaged --queue erts_mpsc --dispatch direct", "poll_batch");
    check_run("--workload empty_poll:threads=3,one_in=1000 --queue mutex_list", "poll_batch");
    check_run("--workload empty_poll:threads=2,one_in=100 --queue list:capacity=1 --pin none", "poll_batch");
    check_run("--workload empty_poll:sample_every=0 --queue erts_mpsc", "");
}

static void test_thread_churn(void **state)
{
    (void)state;
    static const char *const all = "attach detach";
    check_run("--workload thread_churn:operations=1 --queue erts_mpsc", all);
    check_run("--workload thread_churn:operations=100,producers=3,producer_kind=managed --queue erts_mpsc", all);
    check_run("--workload thread_churn:operations=10,consumer_kind=unmanaged --queue erts_mpsc --dispatch direct", all);
    check_run("--workload thread_churn:operations=7,producers=2,consumers=3 --queue faa_array", all);
    check_run("--workload thread_churn:operations=7,consumers=2 --queue mutex_list --pin none", all);
    check_run("--workload thread_churn:operations=3 --queue list:capacity=1", all);
    check_run("--workload thread_churn:operations=20,who=producers,window=1 --queue erts_mpsc", all);
    check_run("--workload thread_churn:operations=20,who=consumers --queue michael_scott", all);
}

// Every queue that allows it, with handles that come and go after few items: whatever a queue keeps for a handle, an
// item and its place in the order outlive it.
static void test_thread_churn_on_every_queue(void **state)
{
    (void)state;
    for (const struct queue_entry *entry = queue_list; entry->name; entry++) {
        if (!entry->ops || entry->ops->traits.baseline || entry->broken)
            continue;
        const struct queue_traits *traits = &entry->ops->traits;
        char line[160];
        snprintf(line, sizeof line, "--workload thread_churn:operations=5,producers=%u,consumers=%u --queue %s",
                 traits->producers == QUEUE_MANY ? 2 : 1, traits->consumers == QUEUE_MANY ? 2 : 1, entry->name);
        check_run(line, "attach detach");
    }
}

// On the queue that is none, items are not told apart, and nobody waits for them.
static void test_baseline(void **state)
{
    (void)state;
    check_run("--workload burst_drain:producers=2,consumers=2,burst=99 --queue null",
              "fill fill_item drain drain_item");
    check_run("--workload thread_churn --queue null --dispatch direct", "attach detach");
    check_run("--workload preempted_holder:every_ns=200us,stop_ns=100us --queue null", "enqueue dequeue stop");
}

static void test_preempted_holder(void **state)
{
    (void)state;
    static const char *const rest[] = {"producers=3 --queue ticket_list", "producers=2 --queue faa_array --pin none",
                                       "producers=3 --queue erts_mpsc",
                                       "consumers=2,who=consumer --queue list:capacity=1"};
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++) {
        char line[256];
        snprintf(line, sizeof line,
                 "--workload preempted_holder:every_ns=200us,stop_ns=100us,sample_every=1,window=4,"
                 "%s",
                 rest[i]);
        check_run(line, "enqueue dequeue wait stop");
    }
    check_run("--workload preempted_holder:producers=1,every_ns=200us,stop_ns=100us,sample_every=0 --queue erts_mpsc",
              "wait stop");
}

// Each stop lasts as long as it was asked to at least, less what is lost to whole ticks, and the signal is as before.
static void test_stops_last(void **state)
{
    (void)state;
    struct sigaction ours = {.sa_handler = SIG_IGN}, after;
    assert_int_equal(sigaction(SIGURG, &ours, NULL), 0);
    struct run run;
    begin(&run,
          "--workload preempted_holder:who=consumer,consumers=2,producers=1,every_ns=1ms,stop_ns=300us --queue "
          "mutex_list",
          300);
    outcome_of(&run.outcome, &run.request.options, &topology);
    assert_int_equal(run.outcome.code, 0);
    assert_true(stage(&run, "stop")->count > 0);
    assert_true(stage(&run, "stop")->min + 10 >= STOP_NS);
    end(&run);
    assert_int_equal(sigaction(SIGURG, NULL, &after), 0);
    assert_ptr_equal(after.sa_handler, SIG_IGN);
}

// A window of 1000 ticks, 200 of them stops and 100 of these inside a call: the usual rate is what is left of it.
static void test_shares(void **state)
{
    (void)state;
    struct holder_books books = {
        .first = {5000, 100, 50},
        .last = {6000, 100 + 8000 + 30, 50 + 1600 + 600},
        .in_stops = {200, 30, 600},
        .in_calls = {100, 25, 400},
        .stops = 7,
    };
    struct workload_report told = {.note = ""};
    const char *text = told.note;
    holder_tell(&books, true, true, &told);
    assert_float_equal(told.stopped_enqueue_share, 0.025, 1e-9);
    assert_float_equal(told.stopped_dequeue_share, 2, 1e-9);
    assert_string_equal(text, "in 7 stops of the holder inside a call the others enqueued at 2.5 % and dequeued at "
                              "200.0 % of their usual rate");
    holder_tell(&books, false, true, &told);
    assert_string_equal(text,
                        "in 7 stops of the holder inside a call the others dequeued at 200.0 % of their usual rate");
    books.last.enqueued = 130;
    books.in_stops.enqueued = books.in_calls.enqueued = 30;
    holder_tell(&books, true, false, &told);
    assert_string_equal(
        text, "in 7 stops of the holder inside a call the others enqueued (usually nothing) of their usual rate");
    books.stops = 0;
    holder_tell(&books, true, true, &told);
    assert_string_equal(text, "the holder was never stopped inside a call in the window");
}

#define FALSE_WORDS "answers EMPTY were false"

// More answers than the drain at the end of a run could prove wrong.
static bool many_false(const char *detail)
{
    const char *count = strrchr(detail, ';');
    return count && strtoull(count + 1, NULL, 10) > 4;
}

// On a queue with this defect. Returns whether the verdict has these words; NULL: whether it is sound.
static bool finds(const char *workload, enum defect defect, bool empty_exact, const char *words, unsigned duration_ms)
{
    struct run run = {.defect = defect};
    char line[256];
    struct queue_traits traits = faulty_ops.traits;
    traits.empty_exact = empty_exact;
    snprintf(line, sizeof line, "--workload %s --queue list", workload);
    begin(&run, line, duration_ms);
    run.request.options.queue =
        (struct queue_choice){.entry = &faulty_entry, .config = &run.defect, .traits = traits, .params = ""};
    outcome_of(&run.outcome, &run.request.options, &topology);
    const char *detail = run.outcome.record.verdict_detail ? run.outcome.record.verdict_detail : "";
    bool found = words ? run.outcome.code == 1 && strstr(detail, words) : run.outcome.code == 0;
    if (found && words && strcmp(words, FALSE_WORDS) == 0)
        found = many_false(detail);
    end(&run);
    return found;
}

static void check_faulty(const char *workload, enum defect defect, bool empty_exact, const char *words)
{
    for (unsigned duration_ms = DURATION_MS; !finds(workload, defect, empty_exact, words, duration_ms);
         duration_ms *= 4)
        if (duration_ms > DURATION_MOST_MS)
            fail_msg("%s with defect %d: not '%s'", workload, defect, words ? words : "sound");
}

static const char *const loads[] = {
    "burst_drain:burst=100",
    "burst_drain:producers=2,consumers=2,burst=60",
    "ping_pong",
    "ping_pong:producers=3,consumers=2",
    "empty_poll:one_in=64",
    "thread_churn:operations=10",
    "thread_churn:operations=10,consumers=2",
    "preempted_holder:every_ns=1ms,stop_ns=100us",
};

static void test_faults_are_seen(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        check_faulty(loads[i], DEFECT_NONE, true, NULL);
        check_faulty(loads[i], DEFECT_LOSES, true, "were lost");
        check_faulty(loads[i], DEFECT_INVENTS_OTHERS, true, "were never enqueued");
    }
    check_faulty("burst_drain:burst=100", DEFECT_DUPLICATES, true, "delivered twice");
    check_faulty("burst_drain:burst=100", DEFECT_REORDERS, true, "out of order");
    check_faulty("thread_churn:operations=10", DEFECT_DUPLICATES, true, "delivered twice");
    check_faulty("thread_churn:operations=10", DEFECT_REORDERS, true, "out of order");
}

// Only where nobody can have taken what is said not to be there.
static void test_false_empty(void **state)
{
    (void)state;
    static const char *const words = FALSE_WORDS;
    check_faulty("burst_drain:burst=10", DEFECT_FALSE_EMPTY, true, words);
    check_faulty("burst_drain:producers=2,consumers=2,burst=10", DEFECT_FALSE_EMPTY, true, words);
    check_faulty("empty_poll:one_in=64", DEFECT_FALSE_EMPTY, true, words);
    check_faulty("burst_drain:burst=10", DEFECT_FALSE_EMPTY, false, NULL);
    check_faulty("thread_churn:operations=10", DEFECT_FALSE_EMPTY, false, NULL);
    check_faulty("empty_poll:one_in=64", DEFECT_FALSE_EMPTY, false, NULL);
}

// A consumer that gets no handle asks again.
static void test_refused_handle(void **state)
{
    (void)state;
    check_faulty("thread_churn:operations=10", DEFECT_CANT_ATTACH, true, NULL);
    check_faulty("thread_churn:operations=10,who=consumers", DEFECT_CANT_ATTACH, true, NULL);
}

// A queue that only ever says EMPTY passes no poll.
static void test_nothing_comes_out(void **state)
{
    (void)state;
    check_faulty("empty_poll", DEFECT_NONE, true, NULL);
    check_faulty("empty_poll", DEFECT_HIDES_LAST, true, "of 1 items 1 were lost");
}

static void refuse(const char *line, const char *words)
{
    struct run run;
    begin(&run, line, 20);
    struct fault fault = {""};
    struct run_plan plan;
    const int made = run_plan_make(&plan, &run.request.options, &topology, &fault);
    if (made == 0) {
        run_plan_free(&plan);
        outcome_of(&run.outcome, &run.request.options, &topology);
        assert_int_equal(run.outcome.code, -EINVAL);
        snprintf(fault.text, sizeof fault.text, "%s", run.outcome.fault.text);
        outcome_free(&run.outcome);
    }
    if (!strstr(fault.text, words))
        fail_msg("%s: '%s' does not say '%s'", line, fault.text, words);
    options_free(&run.request);
    free(run.text);
}

static void test_refusals(void **state)
{
    (void)state;
    refuse("--workload burst_drain:producers=256,burst=1048576 --queue mutex_list", "lower one of them");
    refuse("--workload empty_poll:one_in=63 --queue erts_mpsc", "one_in must be 0 or at least 64, not 63");
    refuse("--workload empty_poll --queue null", "is never empty");
    refuse("--workload ping_pong --queue null", "nobody could answer");
    refuse("--workload burst_drain:consumers=2 --queue erts_mpsc", "allows one consumer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_drain),
        cmocka_unit_test(test_burst_without_room),
        cmocka_unit_test(test_ping_pong),
        cmocka_unit_test(test_round_trip_is_there_and_back),
        cmocka_unit_test(test_empty_poll),
        cmocka_unit_test(test_thread_churn),
        cmocka_unit_test(test_thread_churn_on_every_queue),
        cmocka_unit_test(test_baseline),
        cmocka_unit_test(test_preempted_holder),
        cmocka_unit_test(test_stops_last),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_faults_are_seen),
        cmocka_unit_test(test_false_empty),
        cmocka_unit_test(test_refused_handle),
        cmocka_unit_test(test_nothing_comes_out),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests_name("workloads_queue", tests, load, unload);
}
