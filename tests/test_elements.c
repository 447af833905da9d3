// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "core/machine/memory.h"
#include "core/sync/elements.h"
#include "core/sync/thread.h"
#include "tests/unit.h"

static void test_elements_are_aligned_and_apart(void **state)
{
    (void)state;
    struct elements *elements;
    assert_int_equal(elements_create(&elements, &memory_system, 16, 1), 0);
    assert_int_equal(elements_attach(elements, 8, -1), 0);
    unsigned char *taken[20];
    for (unsigned i = 0; i < 20; i++) {
        taken[i] = elements_take(elements);
        assert_non_null(taken[i]);
        assert_int_equal((uintptr_t)taken[i] % 16, 0);
        memset(taken[i], (int)i, 16);
    }
    assert_int_equal(elements_outstanding(elements), 20);
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned byte = 0; byte < 16; byte++)
            assert_int_equal(taken[i][byte], i);
        elements_give(elements, taken[i]);
    }
    assert_int_equal(elements_outstanding(elements), 0);
    elements_detach(elements);
    assert_int_equal(elements_destroy(elements), 0);
}

static void test_a_cache_serves_without_the_allocator(void **state)
{
    (void)state;
    struct elements *elements;
    assert_int_equal(elements_create(&elements, &memory_system, 16, 1), 0);
    assert_int_equal(elements_attach(elements, 4, -1), 0);
    const uint64_t before = memory_counters().allocations;
    for (unsigned round = 0; round < 100; round++) {
        void *taken[4];
        for (unsigned i = 0; i < 4; i++)
            taken[i] = elements_take(elements);
        for (unsigned i = 0; i < 4; i++)
            elements_give(elements, taken[i]);
    }
    assert_int_equal(memory_counters().allocations, before);
    void *extra[5];
    for (unsigned i = 0; i < 5; i++)
        extra[i] = elements_take(elements);
    assert_int_equal(memory_counters().allocations, before + 1);
    for (unsigned i = 0; i < 4; i++)
        elements_give(elements, extra[i]);
    elements_detach(elements);
    elements_give(elements, extra[4]);
    assert_int_equal(elements_destroy(elements), 0);
}

#define IN_TRANSIT 64

struct transit {
    struct elements *elements;
    _Atomic(void *) slots[IN_TRANSIT];
    uint64_t rounds;
    uint64_t allocations;
};

static void giver(void *argument)
{
    struct transit *transit = argument;
    for (uint64_t i = 0; i < transit->rounds; i++) {
        _Atomic(void *) *slot = &transit->slots[i % IN_TRANSIT];
        void *element;
        SPIN_UNTIL((element = at_xchg_acq(slot, NULL, AT(test_elements_get, test_elements_put))) != NULL);
        memset(element, 0xee, 16);
        elements_give(transit->elements, element);
    }
}

static void test_elements_come_home_from_another_thread(void **state)
{
    (void)state;
    static struct transit transit;
    assert_int_equal(elements_create(&transit.elements, &memory_system, 16, 1), 0);
    assert_int_equal(elements_attach(transit.elements, 2 * IN_TRANSIT, -1), 0);
    transit.rounds = ROUNDS(100000);
    struct thread thread;
    const struct thread_options options = {.cpu = -1};
    assert_int_equal(thread_start(&thread, &options, giver, &transit), 0);
    for (uint64_t i = 0; i < transit.rounds; i++) {
        _Atomic(void *) *slot = &transit.slots[i % IN_TRANSIT];
        SPIN_UNTIL(at_load_rlx(slot) == NULL);
        void *element = elements_take(transit.elements);
        memset(element, 0x11, 16);
        at_store_rel(slot, element, AT(test_elements_put, test_elements_get));
    }
    thread_join(&thread);
    assert_int_equal(elements_outstanding(transit.elements), 0);
    // All came back: the cache alone can serve as many as it was given.
    const uint64_t before = memory_counters().allocations;
    void *all[2 * IN_TRANSIT];
    for (unsigned i = 0; i < 2 * IN_TRANSIT; i++)
        all[i] = elements_take(transit.elements);
    assert_int_equal(memory_counters().allocations, before);
    for (unsigned i = 0; i < 2 * IN_TRANSIT; i++)
        elements_give(transit.elements, all[i]);
    elements_detach(transit.elements);
    assert_int_equal(elements_destroy(transit.elements), 0);
}

static void *no_memory(struct allocator *self, size_t size, size_t align, int node)
{
    (void)self;
    (void)size;
    (void)align;
    (void)node;
    return NULL;
}

static void test_no_memory_is_an_answer(void **state)
{
    (void)state;
    struct allocator broken = {no_memory, NULL};
    struct elements *elements;
    assert_int_equal(elements_create(&elements, &broken, 16, 1), -ENOMEM);
}

static void test_a_second_thread_too_many_is_refused_and_places_are_reused(void **state)
{
    (void)state;
    struct elements *one, *two;
    assert_int_equal(elements_create(&one, &memory_system, 16, 0), 0);
    assert_int_equal(elements_attach(one, 1, -1), -EAGAIN);
    assert_int_equal(elements_create(&two, &memory_system, 16, 1), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(elements_attach(two, 1, -1), 0);
        assert_int_equal(elements_attach(two, 1, -1), -EBUSY);
        elements_detach(two);
    }
    void *leaked = elements_take(two);
    assert_int_equal(elements_outstanding(two), 1);
    elements_give(two, leaked);
    assert_int_equal(elements_destroy(one), 0);
    assert_int_equal(elements_destroy(two), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements_are_aligned_and_apart),
        cmocka_unit_test(test_a_cache_serves_without_the_allocator),
        cmocka_unit_test(test_elements_come_home_from_another_thread),
        cmocka_unit_test(test_no_memory_is_an_answer),
        cmocka_unit_test(test_a_second_thread_too_many_is_refused_and_places_are_reused),
    };
    return cmocka_run_group_tests_name("elements", tests, NULL, NULL);
}
