// SPDX-License-Identifier: Apache-2.0
// segment_mpsc under schedules at the level of single accesses, with segments that change all the time; and without
// memory for longer than the place in the word could count.
#include "tests/queue_schedules.h"

#include "queues/segment_mpsc.c"

static void test_segments_of_2(void **state)
{
    (void)state;
    run_schedules(&segment_mpsc_queue_ops, &(struct segment_config){.segment = 2}, 0, ROUNDS(10000));
}

static void test_segments_of_4(void **state)
{
    (void)state;
    run_schedules(&segment_mpsc_queue_ops, &(struct segment_config){.segment = 4, .linger = 1}, 0, ROUNDS(10000));
}

// Several of which meet at the end of a segment.
static void test_batches_over_segments_of_2(void **state)
{
    (void)state;
    schedule.batches = true;
    run_schedules(&segment_mpsc_queue_ops, &(struct segment_config){.segment = 2}, 0, ROUNDS(10000));
    schedule.batches = false;
}

static void test_batches_over_segments_of_8(void **state)
{
    (void)state;
    schedule.batches = true;
    run_schedules(&segment_mpsc_queue_ops, &(struct segment_config){.segment = 8, .linger = 1}, 0, ROUNDS(10000));
    schedule.batches = false;
}

static bool memory_short;

static void *alloc(void *context, size_t size, size_t align, int node)
{
    (void)context;
    (void)node;
    void *memory = memory_short ? NULL : aligned_alloc(align, (size + align - 1) / align * align);
    return memory ? memset(memory, 0, size) : NULL;
}

static void give(void *context, void *memory, size_t size, int node)
{
    (void)context;
    (void)size;
    (void)node;
    free(memory);
}

static void test_many_a_failure_leaves_the_word_intact(void **state)
{
    (void)state;
    const struct queue_env env = {.alloc = alloc, .free = give, .producers_max = 1, .consumers_max = 1, .node = -1};
    static struct segment_queue queue;
    struct segment_handle producer;
    uintptr_t item;
    const uintptr_t more[SEGMENT_BATCH] = {17};
    int result;
    memory_short = false;
    assert_int_equal(segment_init(&queue, &env, &(struct segment_config){.segment = 16}), 0);
    segment_attach(&queue, &producer, QUEUE_PRODUCER, QUEUE_UNMANAGED);
    memory_short = true;
    for (uintptr_t i = 1; i <= 16; i++)
        assert_int_equal(segment_enqueue(&queue, &producer, i), QUEUE_OK);
    for (uint64_t i = 0; i <= SEGMENT_PLACE_MASK; i++)
        if (segment_enqueue(&queue, &producer, 17) != -ENOMEM)
            fail_msg("enqueue %lu found memory", (unsigned long)i);
    for (uint64_t i = 0; i <= SEGMENT_PLACE_MASK / SEGMENT_BATCH; i++)
        if (segment_enqueue_batch(&queue, &producer, more, SEGMENT_BATCH, &result) != 0 || result != -ENOMEM)
            fail_msg("batch %lu found memory", (unsigned long)i);
    memory_short = false;
    assert_int_equal(segment_enqueue(&queue, &producer, 17), QUEUE_OK);
    for (uintptr_t i = 1; i <= 17; i++) {
        assert_int_equal(segment_dequeue(&queue, NULL, &item), QUEUE_OK);
        assert_int_equal(item, i);
    }
    assert_int_equal(segment_dequeue(&queue, NULL, &item), QUEUE_EMPTY);
    segment_fini(&queue);
}

// Whatever is asked for, segments are of a power of two of slots, and of no fewer.
static void test_sizes_are_rounded_up(void **state)
{
    (void)state;
    static const uint64_t cases[][2] = {{2, 2}, {3, 4}, {64, 64}, {65, 128}, {1000, 1024}};
    const struct queue_env env = {.alloc = alloc, .free = give, .producers_max = 1, .consumers_max = 1, .node = -1};
    static struct segment_queue queue;
    memory_short = false;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(segment_init(&queue, &env, &(struct segment_config){.segment = cases[i][0]}), 0);
        assert_int_equal(queue.size, cases[i][1]);
        segment_fini(&queue);
    }
}

int main(void)
{
    // The schedules last: they fill the address sanitizer's list of stack frames, and calls cost much from then on.
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_a_failure_leaves_the_word_intact),
        cmocka_unit_test(test_sizes_are_rounded_up),
        cmocka_unit_test(test_segments_of_2),
        cmocka_unit_test(test_segments_of_4),
        cmocka_unit_test(test_batches_over_segments_of_2),
        cmocka_unit_test(test_batches_over_segments_of_8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
