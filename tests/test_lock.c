// SPDX-License-Identifier: Apache-2.0
// Locks: each kind excludes; those that promise it hand over in order of arrival; who sleeps is woken; and, in builds
// that watch it, the order in which they may be nested. What breaks that ends in abort(), so it is done by a child:
// this program with the name of a misdeed as its argument.
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/sync/lock.h"
#include "core/sync/thread.h"
#include "tests/child.h"
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

static void run_threads(struct shared *shared, enum lock_kind kind, void (*body)(void *))
{
    lock_init(&shared->lock, kind);
    struct thread threads[THREADS];
    const struct thread_options options = {.name = "locker", .cpu = -1};
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(thread_start(&threads[i], &options, body, shared), 0);
    for (unsigned i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    lock_fini(&shared->lock);
}

static void exclude(enum lock_kind kind)
{
    static struct shared shared;
    memset(&shared, 0, sizeof shared);
    shared.rounds = ROUNDS(20000);
    run_threads(&shared, kind, increment);
    assert_int_equal(shared.broken, 0);
    assert_int_equal(shared.counter, THREADS * shared.rounds);
}

static void test_each_kind_excludes(void **state)
{
    (void)state;
    for (enum lock_kind kind = LOCK_MUTEX; kind < LOCK_KINDS; kind++)
        exclude(kind);
}

// One in a line before a lock that the test holds.
struct waiter {
    struct thread thread;
    struct lock *lock;
    struct lock_node node;
    _Atomic int32_t number; // as the kernel knows it; 0 before it runs
    unsigned *turns;        // guarded by the lock, like `turn`
    unsigned turn;
};

static void wait_for_a_turn(void *argument)
{
    struct waiter *waiter = argument;
    at_store_rlx(&waiter->number, (int32_t)gettid());
    lock_acquire(waiter->lock, &waiter->node);
    waiter->turn = (*waiter->turns)++;
    lock_release(waiter->lock, &waiter->node);
}

static void start_waiter(struct waiter *waiter, struct lock *lock, unsigned *turns)
{
    const struct thread_options options = {.name = "waiter", .cpu = -1};
    waiter->lock = lock;
    waiter->turns = turns;
    at_init(&waiter->number, 0);
    assert_int_equal(thread_start(&waiter->thread, &options, wait_for_a_turn, waiter), 0);
}

// Whether waiter number `place`, counted from 0, is in line.
static bool stands_in_line(enum lock_kind kind, const struct lock *lock, const struct waiter *waiter, unsigned place)
{
    if (kind == LOCK_TICKET)
        return at_load_rlx(&lock->u.ticket.next) == place + 2;
    return at_load_rlx(kind == LOCK_MCS ? &lock->u.mcs.tail : &lock->u.clh.tail) == &waiter->node;
}

static void hand_over_in_order(enum lock_kind kind)
{
    static struct waiter waiters[THREADS];
    struct lock lock;
    struct lock_node node;
    unsigned turns = 0;
    lock_init(&lock, kind);
    lock_acquire(&lock, &node);
    for (unsigned i = 0; i < THREADS; i++) {
        start_waiter(&waiters[i], &lock, &turns);
        SPIN_UNTIL(stands_in_line(kind, &lock, &waiters[i], i));
    }
    lock_release(&lock, &node);
    for (unsigned i = 0; i < THREADS; i++) {
        thread_join(&waiters[i].thread);
        assert_int_equal(waiters[i].turn, i);
    }
    lock_fini(&lock);
}

static void test_queueing_locks_hand_over_in_order_of_arrival(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        hand_over_in_order(LOCK_TICKET);
        hand_over_in_order(LOCK_MCS);
        hand_over_in_order(LOCK_CLH);
    }
}

// A queueing lock's node is the acquirer's again as soon as release returns, and is overwritten here at once.
static void pass_through(void *argument)
{
    struct shared *shared = argument;
    for (uint64_t i = 0; i < shared->rounds; i++) {
        struct lock_node *node = malloc(sizeof *node);
        lock_acquire(&shared->lock, node);
        shared->counter++;
        lock_release(&shared->lock, node);
        memset((void *)node, 0xff, sizeof *node);
        free(node);
    }
}

static void test_nobody_uses_a_node_after_release(void **state)
{
    (void)state;
    static struct shared shared;
    for (enum lock_kind kind = LOCK_MUTEX; kind < LOCK_KINDS; kind++) {
        memset(&shared, 0, sizeof shared);
        shared.rounds = ROUNDS(5000);
        run_threads(&shared, kind, pass_through);
        assert_int_equal(shared.counter, THREADS * shared.rounds);
    }
}

static bool is_asleep(const struct waiter *waiter)
{
    char path[64], state = '?';
    const int32_t number = at_load_rlx(&waiter->number);
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", number);
    FILE *file = number ? fopen(path, "r") : NULL;
    if (!file)
        return false;
    const int found = fscanf(file, "%*d (%*[^)]) %c", &state);
    fclose(file);
    return found == 1 && state == 'S';
}

// All sleep on one futex, and each must be woken by the one before it: the releases between them meet a state that only
// the sleepers themselves can have set. A wake that is lost leaves the test hanging.
static void test_every_sleeper_on_a_futex_is_woken(void **state)
{
    (void)state;
    static struct waiter waiters[THREADS];
    struct lock lock;
    struct lock_node node;
    for (unsigned round = 0; round < 20; round++) {
        unsigned turns = 0;
        lock_init(&lock, LOCK_FUTEX);
        lock_acquire(&lock, &node);
        for (unsigned i = 0; i < THREADS; i++)
            start_waiter(&waiters[i], &lock, &turns);
        for (unsigned i = 0; i < THREADS; i++)
            while (!is_asleep(&waiters[i]))
                thread_yield();
        lock_release(&lock, &node);
        for (unsigned i = 0; i < THREADS; i++)
            thread_join(&waiters[i].thread);
        assert_int_equal(turns, THREADS);
        lock_fini(&lock);
    }
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

// Locks of every rank, two of each, in their order.
#define NESTED (2 * LOCK_RANK_LEAF)

static struct lock nested[NESTED];
static struct lock_node nodes[NESTED];

static unsigned place_of(enum lock_rank rank, unsigned number)
{
    return 2 * (rank - 1u) + number;
}

static void init_nested(void)
{
    for (enum lock_rank rank = LOCK_RANK_PORT; rank <= LOCK_RANK_LEAF; rank++)
        for (unsigned number = 0; number < 2; number++)
            lock_init_ranked(&nested[place_of(rank, number)], rank % (LOCK_MCS + 1), rank, number);
}

static void take(enum lock_rank rank, unsigned number)
{
    const unsigned place = place_of(rank, number);
    lock_acquire(&nested[place], &nodes[place]);
}

static void give(enum lock_rank rank, unsigned number)
{
    const unsigned place = place_of(rank, number);
    lock_release(&nested[place], &nodes[place]);
}

// The watcher keeps sixteen places, so the ranks in two batches.
static void nest_in_order(void *argument)
{
    (void)argument;
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned half = 0; half < 2; half++) {
            const unsigned first = half * NESTED / 2, end = first + NESTED / 2;
            for (unsigned i = first; i < end; i++)
                lock_acquire(&nested[i], &nodes[i]);
            // Backwards, and in the order of acquiring.
            for (unsigned i = first; i < end; i++) {
                const unsigned step = round % 2 ? i : end - 1 - (i - first);
                lock_release(&nested[step], &nodes[step]);
            }
        }
    }
}

static void test_locks_nest_in_the_order_of_their_ranks(void **state)
{
    (void)state;
    init_nested();
    nest_in_order(NULL);
    take(LOCK_RANK_PORT, 0);
    take(LOCK_RANK_QUEUE, 1);
    give(LOCK_RANK_PORT, 0);
    give(LOCK_RANK_QUEUE, 1);
    take(LOCK_RANK_PORT, 0);
    give(LOCK_RANK_PORT, 0);
}

static void hold_low(void *argument)
{
    (void)argument;
    take(LOCK_RANK_PORT, 0);
    give(LOCK_RANK_PORT, 0);
}

static void test_what_another_thread_holds_does_not_count(void **state)
{
    (void)state;
    init_nested();
    take(LOCK_RANK_LEAF, 1);
    struct thread thread;
    const struct thread_options options = {.cpu = -1};
    assert_int_equal(thread_start(&thread, &options, hold_low, NULL), 0);
    thread_join(&thread);
    give(LOCK_RANK_LEAF, 1);
}

// Misdeeds, all with kinds that do not block; READY is a rank of kind none.
static void acquire_a_lower_rank(void)
{
    take(LOCK_RANK_QUEUE, 0);
    take(LOCK_RANK_READY, 1);
}

static void acquire_a_lower_number(void)
{
    take(LOCK_RANK_CALLING, 1);
    take(LOCK_RANK_CALLING, 0);
}

static void acquire_an_equal_number(void)
{
    static struct lock twin;
    static struct lock_node node;
    lock_init(&twin, LOCK_MUTEX);
    take(LOCK_RANK_QUEUE, 0);
    lock_acquire(&twin, &node);
}

static void acquire_once_more(void)
{
    take(LOCK_RANK_READY, 0);
    take(LOCK_RANK_LEAF, 0);
    take(LOCK_RANK_READY, 0);
}

static void acquire_below_an_earlier_one(void)
{
    take(LOCK_RANK_PORT, 0);
    take(LOCK_RANK_PROGRESS, 0);
    take(LOCK_RANK_LEAF, 0);
    give(LOCK_RANK_PROGRESS, 0);
    take(LOCK_RANK_PORT, 1);
}

static void release_what_is_not_held(void)
{
    take(LOCK_RANK_PORT, 0);
    give(LOCK_RANK_READY, 0);
}

static void acquire_too_many(void)
{
    for (enum lock_rank rank = LOCK_RANK_PORT; rank <= LOCK_RANK_LEAF; rank++)
        for (unsigned number = 0; number < 2; number++)
            take(rank, number);
}

static const struct misdeed {
    const char *name;
    void (*commit)(void);
    const char *sentence;
} misdeeds[] = {
    {"rank", acquire_a_lower_rank, "acquires out of order ready lock 1 (none) while it holds queue lock 0 (none)"},
    {"number", acquire_a_lower_number,
     "acquires out of order calling lock 0 (ticket) while it holds calling lock 1 (ticket)"},
    {"equal", acquire_an_equal_number, "acquires out of order queue lock 0 (mutex) while it holds queue lock 0 (none)"},
    {"twice", acquire_once_more,
     "acquires once more ready lock 0 (none) while it holds ready lock 0 (none), leaf lock 0 (mutex)"},
    {"earlier", acquire_below_an_earlier_one,
     "acquires out of order port lock 1 (mutex) while it holds port lock 0 (mutex), leaf lock 0 (mutex)"},
    {"release", release_what_is_not_held,
     "releases but does not hold ready lock 0 (none) while it holds port lock 0 (mutex)"},
    {"many", acquire_too_many,
     "holds too many locks to acquire leaf lock 0 (mutex) while it holds port lock 0 (mutex)"},
};

#define MISDEEDS (sizeof misdeeds / sizeof misdeeds[0])

#ifdef READYQ_DEBUG
static const bool watched = true;
#else
static const bool watched = false;
#endif

static void aborted(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

// Fails where it should have been aborted.
static int child_main(const char *name)
{
    signal(SIGABRT, aborted);
    init_nested();
    for (unsigned i = 0; i < MISDEEDS; i++)
        if (strcmp(misdeeds[i].name, name) == 0)
            misdeeds[i].commit();
    puts("went on");
    return watched ? 1 : 0;
}

static void test_a_misdeed_is_told_where_it_is_watched(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MISDEEDS; i++) {
        char arguments[64], said[1024];
        const char *expected = watched ? misdeeds[i].sentence : "went on";
        snprintf(arguments, sizeof arguments, "%s 2>&1", misdeeds[i].name);
        child_says(arguments, said, sizeof said);
        if (!strstr(said, expected))
            fail_msg("%s: expected '%s', not '%s'", misdeeds[i].name, expected, said);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return child_main(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_excludes),
        cmocka_unit_test(test_queueing_locks_hand_over_in_order_of_arrival),
        cmocka_unit_test(test_nobody_uses_a_node_after_release),
        cmocka_unit_test(test_every_sleeper_on_a_futex_is_woken),
        cmocka_unit_test(test_names_match_kinds),
        cmocka_unit_test(test_locks_nest_in_the_order_of_their_ranks),
        cmocka_unit_test(test_what_another_thread_holds_does_not_count),
        cmocka_unit_test(test_a_misdeed_is_told_where_it_is_watched),
    };
    return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
