// SPDX-License-Identifier: Apache-2.0
// Queues that publish with release, and leave the rest to core/sync/sleep_fence.h: a producer that enqueues and then
// finds the consumer awake, against a consumer that says that it sleeps and then finds nothing, at full speed. One of
// them has to see the other; else the consumer would sleep on an item.
#include "core/check/conformance/env.h"
#include "core/run/params.h"
#include "tests/litmus.h"

static struct {
    struct queue queue;
    struct queue_client producer, consumer;
    _Atomic uint32_t asleep ALIGNED_LINE;
    bool found_awake ALIGNED_LINE;   // the producer
    bool found_nothing ALIGNED_LINE; // the consumer
} sides;

static void empty_all(void)
{
    uintptr_t item;
    while (queue_dequeue(&sides.consumer, &item) != QUEUE_EMPTY)
        continue;
    at_store_rlx(&sides.asleep, 0);
}

static void look_at_flag(void)
{
    (void)at_load_rlx(&sides.asleep);
}

static void put(void)
{
    const int result = queue_enqueue(&sides.producer, 1);
    sides.found_awake =
        result == QUEUE_OK && at_load_sc(&sides.asleep, AT(test_sleep_fence_look, test_sleep_fence_tell)) == 0;
}

static void go_to_sleep(void)
{
    uintptr_t item;
    at_xchg_sc(&sides.asleep, 1, AT(test_sleep_fence_tell, test_sleep_fence_look));
    sides.found_nothing = queue_dequeue(&sides.consumer, &item) == QUEUE_EMPTY;
}

static bool neither_saw(void)
{
    return sides.found_awake && sides.found_nothing;
}

static void test_nobody_sleeps_on_an_item(void **state)
{
    static const struct litmus litmus = {
        .sides = {{.look = look_at_flag, .race = put}, {.reset = empty_all, .race = go_to_sleep}},
        .missed = neither_saw,
    };
    static struct check_env env;
    struct queue_choice choice;
    struct fault fault = {""};
    litmus_needs_two();
    assert_int_equal(queue_choice_parse(&choice, *state, &fault), 0);
    check_env_init(&env, choice.entry->ops, NULL);
    assert_int_equal(queue_open(&sides.queue, &choice, &env.env, &fault), 0);
    assert_int_equal(queue_client_attach(&sides.producer, &sides.queue, QUEUE_PRODUCER, QUEUE_UNMANAGED), 0);
    assert_int_equal(queue_client_attach(&sides.consumer, &sides.queue, QUEUE_CONSUMER, QUEUE_UNMANAGED), 0);
    litmus_run(&litmus);
    empty_all();
    queue_client_detach(&sides.producer, &sides.queue);
    queue_client_detach(&sides.consumer, &sides.queue);
    queue_close(&sides.queue);
    queue_choice_fini(&choice);
    assert_int_equal(check_env_fini(&env, &fault), 0);
    litmus_must_hold();
}

// Ours that include core/sync/sleep_fence.h.
#define ON(queue)                                                                              \
    {                                                                                          \
        "nobody sleeps on an item of " queue, test_nobody_sleeps_on_an_item, NULL, NULL, queue \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {ON("lamport"), ON("cc_synch"), ON("two_lock"), ON("mpsc_ring"),
                                       ON("vyukov_ring")};
    return cmocka_run_group_tests_name("litmus sleep fence", tests, litmus_set_up, litmus_tear_down);
}
