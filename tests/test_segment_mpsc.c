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

static bool memory_short;

static void *alloc(void *context, size_t size, size_t align, int node)
{
    (void)context;
    (void)node;
    void *memory = memory_short ? NULL : aligned_alloc(align, size);
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
    memory_short = false;
    assert_int_equal(segment_init(&queue, &env, &(struct segment_config){.segment = 16}), 0);
    segment_attach(&queue, &producer, QUEUE_PRODUCER, QUEUE_UNMANAGED);
    memory_short = true;
    for (uintptr_t i = 1; i <= 16; i++)
        assert_int_equal(segment_enqueue(&queue, &producer, i), QUEUE_OK);
    for (uint64_t i = 0; i <= SEGMENT_PLACE_MASK; i++)
        if (segment_enqueue(&queue, &producer, 17) != -ENOMEM)
            fail_msg("enqueue %lu found memory", (unsigned long)i);
    memory_short = false;
    assert_int_equal(segment_enqueue(&queue, &producer, 17), QUEUE_OK);
    for (uintptr_t i = 1; i <= 17; i++) {
        assert_int_equal(segment_dequeue(&queue, NULL, &item), QUEUE_OK);
        assert_int_equal(item, i);
    }
    assert_int_equal(segment_dequeue(&queue, NULL, &item), QUEUE_EMPTY);
    segment_fini(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_of_2),
        cmocka_unit_test(test_segments_of_4),
        cmocka_unit_test(test_many_a_failure_leaves_the_word_intact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
