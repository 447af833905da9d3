// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "core/sync/lock.h"
#include "core/sync/thread.h"
#include "tests/unit.h"

#define THREADS 4

struct shared {
    struct lock lock;
    uint64_t counter, copy; // plain on purpose: only the lock keeps them whole
    uint64_t rounds;
    unsigned broken;
};

static void increment(void *argument)
{
    struct shared *shared = argument;
    for (uint64_t i = 0; i < shared->rounds; i++) {
        struct lock_node node;
        lock_acquire(&shared->lock, &node);
        if (shared->counter != shared->copy)
            shared->broken++;
        shared->counter++;
        if (i % 256 == 0)
            thread_yield();
        shared->copy++;
        lock_release(&shared->lock, &node);
    }
}

static void exclude(enum lock_kind kind)
{
    static struct shared shared;
    memset(&shared, 0, sizeof shared);
    shared.rounds = ROUNDS(20000);
    lock_init(&shared.lock, kind);
    struct thread threads[THREADS];
    const struct thread_options options = {.name = "locker", .cpu = -1};
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(thread_start(&threads[i], &options, increment, &shared), 0);
    for (unsigned i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    lock_fini(&shared.lock);
    assert_int_equal(shared.broken, 0);
    assert_int_equal(shared.counter, THREADS * shared.rounds);
}

static void test_mutex_excludes(void **state)
{
    (void)state;
    exclude(LOCK_MUTEX);
}

static void test_ticket_excludes(void **state)
{
    (void)state;
    exclude(LOCK_TICKET);
}

static void test_mcs_excludes(void **state)
{
    (void)state;
    exclude(LOCK_MCS);
}

static void test_names_match_kinds(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < LOCK_KINDS; kind++) {
        struct lock lock;
        struct lock_node node;
        lock_init(&lock, kind);
        assert_string_equal(lock.ops->name, lock_names[kind]);
        lock_acquire(&lock, &node);
        lock_release(&lock, &node);
        lock_acquire(&lock, &node);
        lock_release(&lock, &node);
        lock_fini(&lock);
    }
    assert_null(lock_names[LOCK_KINDS]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutex_excludes),
        cmocka_unit_test(test_ticket_excludes),
        cmocka_unit_test(test_mcs_excludes),
        cmocka_unit_test(test_names_match_kinds),
    };
    return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
