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
    bool giver_caches;
    int attach_error;
};

static void giver(void *argument)
{
    struct transit *transit = argument;
    if (transit->giver_caches)
        transit->attach_error = elements_attach(transit->elements, 1, -1);
    for (uint64_t i = 0; i < transit->rounds; i++) {
        _Atomic(void *) *slot = &transit->slots[i % IN_TRANSIT];
        void *element;
        SPIN_UNTIL((element = at_xchg_acq(slot, NULL, AT(test_elements_get, test_elements_put))) != NULL);
        memset(element, 0xee, 16);
        elements_give(transit->elements, element);
    }
    elements_detach(transit->elements);
}

static void come_home(bool giver_caches)
{
    static struct transit transit;
    transit.giver_caches = giver_caches;
    assert_int_equal(elements_create(&transit.elements, &memory_system, 16, 2), 0);
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
    assert_int_equal(transit.attach_error, 0);
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

static void test_elements_come_home_from_another_thread(void **state)
{
    (void)state;
    come_home(false);
}

static void test_elements_come_home_from_a_thread_with_a_cache(void **state)
{
    (void)state;
    come_home(true);
}

// An allocator that counts, and that has no more than so many allocations to give.
struct miser {
    struct allocator allocator;
    unsigned left, allocations, frees;
};

static void *miser_alloc(struct allocator *self, size_t size, size_t align, int node)
{
    struct miser *miser = (struct miser *)self;
    if (miser->left == 0)
        return NULL;
    miser->left--;
    miser->allocations++;
    return memory_system.alloc(&memory_system, size, align, node);
}

static void miser_free(struct allocator *self, void *memory, size_t size, int node)
{
    ((struct miser *)self)->frees += memory != NULL;
    memory_system.free(&memory_system, memory, size, node);
}

static struct miser miser_with(unsigned left)
{
    return (struct miser){.allocator = {miser_alloc, miser_free}, .left = left};
}

static void test_no_memory_is_an_answer(void **state)
{
    (void)state;
    struct elements *elements = NULL;
    for (unsigned left = 0; left < 2; left++) {
        struct miser miser = miser_with(left);
        assert_int_equal(elements_create(&elements, &miser.allocator, 16, 1), -ENOMEM);
        assert_int_equal(miser.frees, left);
    }
    struct miser miser = miser_with(2);
    assert_int_equal(elements_create(&elements, &miser.allocator, 16, 1), 0);
    assert_int_equal(elements_attach(elements, 4, -1), -ENOMEM);
    assert_null(elements_take(elements)); // no cache, and no memory either
    miser.left = 1;
    assert_int_equal(elements_attach(elements, 4, -1), 0); // the place was not lost
    void *taken[4];
    for (unsigned i = 0; i < 4; i++)
        assert_non_null(taken[i] = elements_take(elements));
    assert_null(elements_take(elements));
    assert_int_equal(elements_outstanding(elements), 4);
    elements_give(elements, taken[0]);
    assert_ptr_equal(elements_take(elements), taken[0]);
    for (unsigned i = 0; i < 4; i++)
        elements_give(elements, taken[i]);
    elements_detach(elements);
    assert_int_equal(elements_destroy(elements), 0);
    assert_int_equal(miser.frees, miser.allocations);
}

#define WINDOW 5000

static void test_a_window_larger_than_the_cache_pays_the_allocator_once(void **state)
{
    (void)state;
    static void *window[WINDOW];
    struct miser miser = miser_with(UINT32_MAX);
    struct elements *elements;
    assert_int_equal(elements_create(&elements, &miser.allocator, 16, 2), 0);
    assert_int_equal(elements_attach(elements, ELEMENTS_PER_THREAD, -1), 0);
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < WINDOW; i++)
            memset(window[i] = elements_take(elements), 0x22, 16);
        assert_int_equal(elements_outstanding(elements), WINDOW);
        // The domain and its caches, and as many elements as are outstanding, a thousand at a time.
        assert_int_equal(miser.allocations, 2 + WINDOW / ELEMENTS_PER_THREAD);
        for (unsigned i = 0; i < WINDOW; i++)
            elements_give(elements, window[i]);
    }
    // Not those of a thread without a cache.
    elements_detach(elements);
    elements_give(elements, elements_take(elements));
    assert_int_equal(miser.allocations, 3 + WINDOW / ELEMENTS_PER_THREAD);
    assert_int_equal(elements_destroy(elements), 0);
    assert_int_equal(miser.frees, miser.allocations);
}

// Takes and gives a window of elements; two of them share a domain while a third thread counts.
struct churner {
    struct elements *elements;
    struct thread thread;
    uint64_t rounds;
    _Atomic uint32_t *running;
};

static void churn(void *argument)
{
    struct churner *churner = argument;
    void *window[8];
    assert_int_equal(elements_attach(churner->elements, 2, -1), 0);
    for (uint64_t round = 0; round < churner->rounds; round++) {
        for (unsigned i = 0; i < 8; i++)
            window[i] = elements_take(churner->elements);
        for (unsigned i = 0; i < 8; i++)
            elements_give(churner->elements, window[i]);
    }
    elements_detach(churner->elements);
    at_sub_rlx(churner->running, 1);
}

static void test_anybody_may_ask_at_any_time(void **state)
{
    (void)state;
    _Atomic uint32_t running = 2;
    struct churner churners[2];
    struct elements *elements;
    assert_int_equal(elements_create(&elements, &memory_system, 16, 2), 0);
    const struct thread_options options = {.cpu = -1};
    for (unsigned i = 0; i < 2; i++) {
        churners[i] = (struct churner){.elements = elements, .rounds = ROUNDS(100000), .running = &running};
        assert_int_equal(thread_start(&churners[i].thread, &options, churn, &churners[i]), 0);
    }
    // What it says meanwhile is an estimate. That it may be asked at all is for the thread sanitizer to judge.
    while (at_load_rlx(&running) > 0)
        elements_outstanding(elements);
    for (unsigned i = 0; i < 2; i++)
        thread_join(&churners[i].thread);
    assert_int_equal(elements_outstanding(elements), 0);
    assert_int_equal(elements_destroy(elements), 0);
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
        cmocka_unit_test(test_elements_come_home_from_a_thread_with_a_cache),
        cmocka_unit_test(test_no_memory_is_an_answer),
        cmocka_unit_test(test_a_window_larger_than_the_cache_pays_the_allocator_once),
        cmocka_unit_test(test_anybody_may_ask_at_any_time),
        cmocka_unit_test(test_a_second_thread_too_many_is_refused_and_places_are_reused),
    };
    return cmocka_run_group_tests_name("elements", tests, NULL, NULL);
}
