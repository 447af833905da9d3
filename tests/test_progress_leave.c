// SPDX-License-Identifier: Apache-2.0
// Who comes to a progress domain and goes: its place and its memory come back, and it is not called any more.
#include <errno.h>

#include "core/machine/memory.h"
#include "core/sync/progress.h"
#include "core/sync/thread.h"
#include "tests/progress_puppet.h"
#include "tests/unit.h"

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

static void test_no_memory_is_an_answer(void **state)
{
    (void)state;
    struct progress *progress;
    for (unsigned left = 0; left < 3; left++) {
        struct miser miser = {.allocator = {miser_alloc, miser_free}, .left = left};
        const int result = progress_create(&progress, &miser.allocator, 1, 1);
        assert_int_equal(result, left < 2 ? -ENOMEM : 0);
        if (result == 0)
            progress_destroy(progress);
        assert_int_equal(miser.allocations, left);
        assert_int_equal(miser.frees, left);
    }
}

static void test_places_run_out_and_are_reused(void **state)
{
    (void)state;
    struct progress *progress;
    assert_int_equal(progress_create(&progress, &memory_system, 1, 0), 0);
    assert_null(progress_register_unmanaged(progress, nobody, NULL));
    for (unsigned i = 0; i < 5; i++) {
        struct progress_thread *self = progress_register_managed(progress, nobody, NULL);
        assert_non_null(self);
        assert_ptr_equal(progress_self(progress), self);
        progress_unregister(self);
        assert_null(progress_self(progress));
    }
    progress_destroy(progress);
}

// Threads that register, ask for a wake-up, and leave before it is due.
#define VISITORS 200
#define PLACES 2

struct visitor {
    struct progress *progress;
    bool managed, refused;
    _Atomic uint32_t here;
    _Atomic uint32_t called_late;
};

static void call_visitor(void *argument)
{
    struct visitor *visitor = argument;
    if (!at_load_rlx(&visitor->here))
        at_add_rlx(&visitor->called_late, 1);
}

static void visit(void *argument)
{
    struct visitor *visitor = argument;
    at_store_rlx(&visitor->here, 1);
    struct progress_thread *self = visitor->managed
                                       ? progress_register_managed(visitor->progress, call_visitor, visitor)
                                       : progress_register_unmanaged(visitor->progress, call_visitor, visitor);
    visitor->refused = !self;
    if (!self)
        return;
    progress_request_wakeup(self, progress_later(visitor->progress));
    progress_unregister(self);
    at_store_rlx(&visitor->here, 0);
}

static void test_threads_that_leave_take_all_with_them(void **state)
{
    (void)state;
    static struct visitor visitors[VISITORS];
    struct miser miser = {.allocator = {miser_alloc, miser_free}, .left = 2};
    struct progress *progress;
    struct puppet puppet;
    assert_int_equal(progress_create(&progress, &miser.allocator, 1 + PLACES, PLACES), 0);
    puppet_start(&puppet, progress); // is silent, so that no wake-up becomes due before its visitor has left
    for (unsigned i = 0; i < VISITORS; i += PLACES) {
        struct thread threads[PLACES];
        const struct thread_options options = {.cpu = -1};
        for (unsigned k = 0; k < PLACES; k++) {
            visitors[i + k] = (struct visitor){.progress = progress, .managed = i / PLACES % 2};
            assert_int_equal(thread_start(&threads[k], &options, visit, &visitors[i + k]), 0);
        }
        for (unsigned k = 0; k < PLACES; k++)
            thread_join(&threads[k]);
    }
    for (unsigned i = 0; i < 8; i++)
        puppet_do(&puppet, UPDATE);
    for (unsigned i = 0; i < VISITORS; i++) {
        assert_false(visitors[i].refused);
        assert_int_equal(at_load_rlx(&visitors[i].called_late), 0);
    }
    puppet_do(&puppet, LEAVE);
    progress_destroy(progress);
    assert_int_equal(miser.frees, 2);
}

static void count_call(void *argument)
{
    at_add_rlx((_Atomic uint32_t *)argument, 1);
}

static void test_a_place_with_a_request_in_it_serves_its_next_owner(void **state)
{
    (void)state;
    struct progress *progress;
    struct puppet puppet;
    _Atomic uint32_t calls = 0;
    assert_int_equal(progress_create(&progress, &memory_system, 1, 1), 0);
    puppet_start(&puppet, progress);
    struct progress_thread *before = progress_register_unmanaged(progress, nobody, NULL);
    const uint64_t value = progress_later(progress);
    progress_request_wakeup(before, value);
    progress_unregister(before);
    struct progress_thread *self = progress_register_unmanaged(progress, count_call, (void *)&calls);
    assert_ptr_equal(self, before);
    progress_request_wakeup(self, value);
    assert_int_equal(at_load_rlx(&calls), 0);
    for (unsigned i = 0; i < 4; i++)
        puppet_do(&puppet, UPDATE);
    assert_true(progress_reached(progress, value));
    assert_int_equal(at_load_rlx(&calls), 1);
    progress_unregister(self);
    puppet_do(&puppet, LEAVE);
    progress_destroy(progress);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory_is_an_answer),
        cmocka_unit_test(test_places_run_out_and_are_reused),
        cmocka_unit_test(test_threads_that_leave_take_all_with_them),
        cmocka_unit_test(test_a_place_with_a_request_in_it_serves_its_next_owner),
    };
    return cmocka_run_group_tests_name("progress leave", tests, NULL, NULL);
}
