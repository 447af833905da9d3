// SPDX-License-Identifier: Apache-2.0
// Memory that items stand for: which words of which block are written and read, that a producer does so before it
// enqueues and a consumer after it dequeued, and that the workload hands both the same memory, with room for what is in
// flight.
#include <string.h>

#include "core/item_memory.h"
#include "core/queue_client.h"
#include "core/sync/atomic.h"
#include "tests/run_words.h"

#define USED 3u
#define STRIDE 8u
#define BLOCKS 4u
#define UNTOUCHED UINT64_C(0xabababababababab)

static uint64_t words[2][BLOCKS * STRIDE];
static const struct item_memory memory[2] = {{words[0], BLOCKS - 1, STRIDE, USED},
                                             {words[1], BLOCKS - 1, STRIDE, USED}};

static int set_up(void **state)
{
    (void)state;
    memset(words, 0xab, sizeof words);
    return 0;
}

// Item number s: s, s + 1, ... in block s modulo their number, and nothing elsewhere.
static void assert_written(const uint64_t *all, uint64_t sequence)
{
    for (unsigned i = 0; i < BLOCKS * STRIDE; i++) {
        const bool of_block = i / STRIDE == sequence % BLOCKS && i % STRIDE < USED;
        assert_int_equal(all[i], of_block ? sequence + i % STRIDE : UNTOUCHED);
    }
}

static void test_a_block_is_written_and_read(void **state)
{
    (void)state;
    item_memory_write(&memory[1], 1001); // block 1
    assert_written(words[1], 1001);
    assert_int_equal(item_memory_read(&memory[1], 1001), 1001 + 1002 + 1003);
    assert_int_equal(item_memory_read(&memory[1], 1001 + BLOCKS), 1001 + 1002 + 1003);
    assert_int_equal(words[0][0], UNTOUCHED);
}

// A queue of one place that looks at the memory when an item goes in, and changes it when the item comes out.
static uintptr_t place;

static int look_and_put(void *queue, void *handle, uintptr_t item)
{
    (void)queue, (void)handle;
    assert_written(words[1], 6);
    place = item;
    return QUEUE_OK;
}

static int change_and_take(void *queue, void *handle, uintptr_t *item)
{
    (void)queue, (void)handle;
    if (!place)
        return QUEUE_EMPTY;
    *item = place;
    place = 0;
    words[1][6 % BLOCKS * STRIDE] = 1000;
    return QUEUE_OK;
}

static const struct queue_ops looking = {.enqueue = look_and_put, .dequeue = change_and_take};

static void test_written_before_enqueue_and_read_after_dequeue(void **state)
{
    (void)state;
    struct item_log log;
    int result;
    assert_int_equal(item_log_init(&log, 2), 0);
    struct queue_loop in = {.ops = &looking, .memory = memory, .producer = 1, .sequence = 6};
    struct queue_loop out = {.ops = &looking, .memory = memory, .log = &log};
    assert_int_equal(queue_vtable_loops.produce(&in, 1, &result), 1);
    assert_int_equal(queue_vtable_loops.consume(&out, 1, &result), 1);
    assert_int_equal(out.read, 1000 + 7 + 8);
    place = item_make(7, 0); // of a producer that is none: counted, not followed
    assert_int_equal(queue_vtable_loops.consume(&out, 1, &result), 1);
    assert_int_equal(out.read, 1000 + 7 + 8);
    item_log_fini(&log);
}

// The loops of a listed queue, with a look at what the workload gives them.
static const struct queue_loops *plain;
static const struct item_memory *_Atomic given;
static _Atomic uint32_t produced, read_from, wrong;
static _Atomic uint64_t bytes, blocks;

static unsigned produce(struct queue_loop *loop, unsigned most, int *result)
{
    if (loop->memory)
        at_store_rlx(&given, loop->memory);
    const unsigned done = plain->produce(loop, most, result);
    if (!loop->memory)
        return done;
    const struct item_memory *mine = &loop->memory[loop->producer];
    const uint64_t last = (loop->sequence & ITEM_SEQUENCE_MASK) - 1;
    at_store_rlx(&bytes, mine->used * sizeof(uint64_t));
    at_store_rlx(&blocks, mine->mask + 1);
    if (mine->stride < mine->used || mine->stride % 8 != 0)
        at_add_rlx(&wrong, 1);
    if (done && item_memory_block(mine, last)[0] != last)
        at_add_rlx(&wrong, 1);
    at_add_rlx(&produced, done);
    return done;
}

static unsigned consume(struct queue_loop *loop, unsigned most, int *result)
{
    const uint64_t before = loop->read;
    const unsigned done = plain->consume(loop, most, result);
    if (loop->memory && done) {
        at_add_rlx(&read_from, 1);
        if (loop->read == before || loop->memory != at_load_rlx(&given))
            at_add_rlx(&wrong, 1);
    }
    return done;
}

static void run(const char *line)
{
    struct run_request request;
    struct outcome outcome;
    struct topology topology;
    struct fault fault = {""};
    char *text;
    at_store_rlx(&wrong, 0);
    at_store_rlx(&produced, 0);
    at_store_rlx(&read_from, 0);
    assert_int_equal(topology_load(&topology, NULL, &fault), 0);
    words_expect(&request, line, &text);
    struct queue_loops loops = *request.options.queue.entry->ops->loops;
    struct queue_ops ops = *request.options.queue.entry->ops;
    struct queue_entry entry = *request.options.queue.entry;
    plain = ops.loops;
    loops.produce = produce;
    loops.consume = consume;
    ops.loops = &loops;
    entry.ops = &ops;
    const struct queue_entry *listed = request.options.queue.entry;
    request.options.queue.entry = &entry;
    outcome_of(&outcome, &request.options, &topology);
    assert_int_equal(outcome.code, 0);
    outcome_free(&outcome);
    request.options.queue.entry = listed;
    options_free(&request);
    free(text);
    topology_unload(&topology);
    assert_int_equal(at_load_rlx(&wrong), 0);
}

#define RUN                                                                                                \
    "--queue list --dispatch direct --warmup 1ms --duration 20ms --pin none --workload producer_consumer:" \
    "producers=2,consumers=2,window=100"

static void test_the_workload_gives_both_sides_the_same_memory(void **state)
{
    (void)state;
    run(RUN ",item_bytes=72");
    assert_true(at_load_rlx(&produced) > 0 && at_load_rlx(&read_from) > 0);
    assert_int_equal(at_load_rlx(&bytes), 72);
    assert_in_range(at_load_rlx(&blocks), 100, 4 * 100);
}

static void test_without_it_items_are_plain_values(void **state)
{
    (void)state;
    run(RUN);
    assert_int_equal(at_load_rlx(&produced), 0);
    assert_int_equal(at_load_rlx(&read_from), 0);
}

static void test_whole_words_only(void **state)
{
    (void)state;
    struct run_request request;
    struct run_plan plan;
    struct topology topology;
    struct fault fault = {""};
    char *text;
    assert_int_equal(topology_load(&topology, NULL, &fault), 0);
    words_expect(&request, RUN ",item_bytes=12", &text);
    assert_true(run_plan_make(&plan, &request.options, &topology, &fault) < 0);
    assert_string_equal(fault.text, "item_bytes must be a multiple of 8, not 12");
    options_free(&request);
    free(text);
    topology_unload(&topology);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_block_is_written_and_read, set_up),
        cmocka_unit_test_setup(test_written_before_enqueue_and_read_after_dequeue, set_up),
        cmocka_unit_test(test_the_workload_gives_both_sides_the_same_memory),
        cmocka_unit_test(test_without_it_items_are_plain_values),
        cmocka_unit_test(test_whole_words_only),
    };
    return cmocka_run_group_tests_name("item_memory", tests, NULL, NULL);
}
