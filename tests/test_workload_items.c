// SPDX-License-Identifier: Apache-2.0
// What queue workloads share: seeing whose items come out, filling the queue beforehand, thinking, batches; and
// operations at random.
#include "core/run/lengths.h"
#include "tests/load_run.h"

// Gives out what is laid before it, one item after another.
struct laid {
    const uintptr_t *items;
    unsigned count;
};

static int laid_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)queue;
    (void)handle;
    (void)item;
    return QUEUE_OK;
}

static int laid_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct laid *laid = queue;
    if (laid->count == 0)
        return QUEUE_EMPTY;
    *item = *laid->items++;
    laid->count--;
    return QUEUE_OK;
}

static const struct queue_ops laid_ops = {.enqueue = laid_enqueue, .dequeue = laid_dequeue};

// Items of producers 0 0 1 1 1 0, by single dequeues or by pairs.
static struct queue_loop looked_at(bool watch, bool by_pairs)
{
    const uintptr_t items[] = {item_make(0, 0), item_make(0, 1), item_make(1, 0),
                               item_make(1, 1), item_make(1, 2), item_make(0, 2)};
    struct laid laid = {items, 6};
    struct item_log log;
    int result;
    assert_int_equal(item_log_init(&log, 2), 0);
    struct queue_loop loop = {.ops = &laid_ops, .queue = &laid, .log = &log, .watch = watch};
    const unsigned done = (by_pairs ? queue_vtable_loops.pairs : queue_vtable_loops.consume)(&loop, 6, &result);
    assert_int_equal(done, 6);
    assert_int_equal(item_log_received(&log, 0), 3);
    assert_int_equal(item_log_received(&log, 1), 3);
    item_log_fini(&log);
    return loop;
}

static void test_handovers(void **state)
{
    (void)state;
    for (unsigned by_pairs = 0; by_pairs < 2; by_pairs++) {
        const struct queue_loop watched = looked_at(true, by_pairs), plain = looked_at(false, by_pairs);
        assert_int_equal(watched.observed, 5);
        assert_int_equal(watched.handovers, 2);
        assert_int_equal(plain.observed, 0);
        assert_int_equal(plain.handovers, 0);
    }
}

// One quantum in so many is watched, each by itself; whoever watches always goes on from one to the next.
static void test_watching_now_and_then(void **state)
{
    (void)state;
    struct item_log log = {.producers = 2}, alone = {.producers = 1};
    struct queue_loop loop = {.log = &log, .last = 3};
    unsigned watched = 0;
    for (unsigned i = 0; i < 4 * ITEMS_WATCH_EVERY; i++) {
        workload_items_watch(&loop, false);
        watched += loop.watch;
        assert_int_equal(loop.last, 0);
        loop.last = 3;
    }
    assert_int_equal(watched, 4);
    loop.watch = false;
    workload_items_watch(&loop, true);
    assert_true(loop.watch && loop.last == 0);
    loop.last = 3;
    workload_items_watch(&loop, true);
    assert_true(loop.watch && loop.last == 3);
    struct queue_loop single = {.log = &alone};
    workload_items_watch(&single, true);
    assert_false(single.watch);
}

static void test_shares_make_up_the_whole(void **state)
{
    (void)state;
    for (unsigned producers = 1; producers <= 7; producers++) {
        const struct workload_items items = {.producers = producers};
        uint64_t sum = 0;
        for (unsigned i = 0; i < producers; i++)
            sum += workload_items_share(&items, i, 17);
        assert_int_equal(sum, 17);
    }
}

// A ring's length is read so that it is not told too small.
static void test_prefill_is_there(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        double least;
    } loads[] = {
        {"pairs:threads=3,prefill=101", 101},
        {"half_and_half:threads=2,prefill=900,share=50,think_ns=1ms", 400},
        {"producer_consumer:producers=2,prefill=1000,consumer_think_ns=100us", 400},
    };
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        struct outcome outcome;
        char line[256];
        snprintf(line, sizeof line, "%s --queue ring:capacity=4096 --sample-lengths 1ms", loads[i].words);
        load_sound(&outcome, line, "30ms");
        assert_true(outcome.record.queue_length_mean >= loads[i].least);
        if (outcome.record.length_samples >= LENGTHS_LEAST)
            assert_string_equal(outcome.record.queue_regime, "deep");
        outcome_free(&outcome);
    }
}

// The slow ones are told by their beginning, so that nobody waits here.
static void test_drought_ends(void **state)
{
    (void)state;
    const uint64_t long_ago = clock_system_ns() - 1000000000;
    struct items_drought slow = {.answers = 398, .since_ns = long_ago};
    assert_false(workload_items_drought(&slow));
    assert_true(workload_items_drought(&slow));

    struct items_drought brief = {.answers = 3998, .since_ns = clock_system_ns()};
    const bool ended = workload_items_drought(&brief);
    if (clock_system_ns() - brief.since_ns < 1000000000) // nobody stopped the machine meanwhile
        assert_false(ended);
    assert_true(workload_items_drought(&brief));

    struct items_drought first = {.since_ns = long_ago};
    assert_false(workload_items_drought(&first));
    assert_true(first.since_ns > long_ago);
}

static void test_refusals(void **state)
{
    (void)state;
    load_contradicts("producer_consumer:prefill=11 --queue ring:capacity=10", "too few for a prefill of 11");
    load_contradicts("half_and_half:prefill=11 --queue ring:capacity=10", "too few for a prefill of 11");
    load_contradicts("pairs:prefill=10 --queue ring:capacity=10", "and one more to be enqueued");
    load_refused("producer_consumer:batch=2 --queue ring --dispatch direct", -EINVAL, "dispatch can only be vtable");
}

// A sound run in which all but these latencies were recorded.
static void sound(const char *words, const char *unrecorded)
{
    struct outcome outcome;
    load_sound(&outcome, words, "20ms");
    for (unsigned i = 0; i < RECORD_STAGES_MAX && outcome.record.stages[i].name; i++) {
        const struct record_stage *stage = &outcome.record.stages[i];
        if ((stage->histogram->count > 0) == (strstr(unrecorded, stage->name) != NULL))
            fail_msg("'%s' recorded %s %llu times", words, stage->name, (unsigned long long)stage->histogram->count);
    }
    outcome_free(&outcome);
}

static void test_thinking(void **state)
{
    (void)state;
    sound("producer_consumer:sample_every=1,producer_think_ns=200ns,think=uniform --queue erts_mpsc", "consumer_think");
    sound("producer_consumer:producers=3,sample_every=1,consumer_think_ns=30us,think=exponential,window=4 --queue "
          "erts_mpsc",
          "producer_think");
    sound("producer_consumer:producers=2,consumers=2,sample_every=1,producer_think_ns=1us,consumer_think_ns=1us,"
          "prefill=7 --queue list:capacity=7",
          "none");
    sound("pairs:threads=2,sample_every=1,prefill=101,think_ns=1us,think=exponential --queue mutex_list", "none");
}

static void test_batches(void **state)
{
    (void)state;
    static const char *const thoughts = "producer_think consumer_think";
    sound("producer_consumer:batch=64,sample_every=1,prefill=100 --queue ring", thoughts);
    sound("producer_consumer:producers=2,consumers=2,batch=5,sample_every=3,item_bytes=24 --queue ring", thoughts);
    sound("producer_consumer:batch=3,sample_every=1 --queue ring:capacity=2", thoughts);
    sound("producer_consumer:producers=3,batch=8,sample_every=5,producer_think_ns=1us,prefill=50 --queue erts_mpsc",
          "consumer_think");
}

static void test_half_and_half(void **state)
{
    (void)state;
    sound("half_and_half:sample_every=1,prefill=1000 --queue erts_mpsc", "think");
    sound("half_and_half:kind=unmanaged,sample_every=0 --queue erts_mpsc --dispatch direct", "enqueue dequeue think");
    sound("half_and_half:threads=4,sample_every=1,share=30,think_ns=1us,think=uniform --queue mutex_list", "none");
    sound("half_and_half:threads=3,sample_every=1,share=99,room=5,prefill=3 --queue ticket_list", "think");
    sound("half_and_half:threads=2,sample_every=1,prefill=8 --queue list:capacity=8", "think");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handovers),
        cmocka_unit_test(test_watching_now_and_then),
        cmocka_unit_test(test_shares_make_up_the_whole),
        cmocka_unit_test(test_prefill_is_there),
        cmocka_unit_test(test_drought_ends),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_thinking),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_half_and_half),
    };
    return cmocka_run_group_tests_name("workload_items", tests, load_begin, load_end);
}
