// SPDX-License-Identifier: Apache-2.0
#include "core/machine/clock.h"
#include "core/sync/event.h"
#include "core/sync/lock.h"
#include "core/sync/thread.h"
#include "tests/unit.h"

static void test_set_before_wait_returns_at_once(void **state)
{
    (void)state;
    struct event event;
    event_init(&event);
    event_set(&event);
    event_set(&event);
    event_wait(&event, 0);
    assert_int_equal(event.parks, 0);
    assert_int_equal(at_load_rlx(&event.wakes), 0);
}

struct baton {
    struct event event;
    _Atomic uint64_t work; // made visible before the event is set
};

struct pair {
    struct baton to_a, to_b;
    uint64_t rounds, spin_ns;
};

// Waits for work number `round` with the protocol of event.h; hangs for ever if a wake is lost.
static void await(struct baton *baton, uint64_t round, uint64_t spin_ns)
{
    for (;;) {
        event_reset(&baton->event);
        if (at_load_sc(&baton->work, AT(test_event_look, test_event_work)) >= round)
            return;
        event_wait(&baton->event, spin_ns);
    }
}

static void hand(struct baton *baton, uint64_t round)
{
    at_store_sc(&baton->work, round, AT(test_event_work, test_event_look));
    event_set(&baton->event);
}

static void other_side(void *argument)
{
    struct pair *pair = argument;
    for (uint64_t round = 1; round <= pair->rounds; round++) {
        await(&pair->to_b, round, pair->spin_ns);
        hand(&pair->to_a, round);
    }
}

static void ping_pong(uint64_t rounds, uint64_t spin_ns, uint64_t *parks)
{
    static struct pair pair;
    event_init(&pair.to_a.event);
    event_init(&pair.to_b.event);
    at_init(&pair.to_a.work, 0);
    at_init(&pair.to_b.work, 0);
    pair.rounds = rounds;
    pair.spin_ns = spin_ns;
    struct thread thread;
    const struct thread_options options = {.name = "other", .cpu = -1};
    assert_int_equal(thread_start(&thread, &options, other_side, &pair), 0);
    for (uint64_t round = 1; round <= rounds; round++) {
        hand(&pair.to_b, round);
        await(&pair.to_a, round, spin_ns);
    }
    thread_join(&thread);
    *parks = pair.to_a.event.parks + pair.to_b.event.parks;
}

static void test_no_wake_is_lost_when_parking(void **state)
{
    (void)state;
    uint64_t parks;
    ping_pong(ROUNDS(30000), 0, &parks);
    assert_true(parks > 0);
}

static void test_no_wake_is_lost_when_spinning(void **state)
{
    (void)state;
    uint64_t parks;
    for (uint64_t spin_ns = 100; spin_ns <= 100000; spin_ns *= 10)
        ping_pong(ROUNDS(5000), spin_ns, &parks);
}

struct crowd {
    struct event event;
    _Atomic uint64_t posted;
    uint64_t each;
};

static void poster(void *argument)
{
    struct crowd *crowd = argument;
    for (uint64_t i = 0; i < crowd->each; i++) {
        at_add_sc(&crowd->posted, 1, AT(test_event_post, test_event_count));
        event_set(&crowd->event);
        if (i % 64 == 0)
            thread_yield();
    }
}

static void test_many_setters_one_waiter(void **state)
{
    (void)state;
    static struct crowd crowd;
    event_init(&crowd.event);
    at_init(&crowd.posted, 0);
    crowd.each = ROUNDS(20000);
    struct thread threads[3];
    const struct thread_options options = {.name = "poster", .cpu = -1};
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(thread_start(&threads[i], &options, poster, &crowd), 0);
    uint64_t seen = 0;
    while (seen < 3 * crowd.each) {
        event_reset(&crowd.event);
        const uint64_t posted = at_load_sc(&crowd.posted, AT(test_event_count, test_event_post));
        if (posted > seen)
            seen = posted;
        else
            event_wait(&crowd.event, 0);
    }
    for (unsigned i = 0; i < 3; i++)
        thread_join(&threads[i]);
    assert_int_equal(seen, 3 * crowd.each);
}

// As in core/sync/event.c.
#define PARKED (-1)

// A thread that has reset its event and is on its way to wait for it, but meets a lock that is held first.
struct passer {
    struct thread thread;
    struct event event;
    struct lock lock;
    _Atomic uint32_t has_reset, done;
};

static void pass(void *argument)
{
    struct passer *passer = argument;
    struct lock_node node;
    event_reset(&passer->event);
    at_store_rel(&passer->has_reset, 1, AT(test_event_has_reset, test_event_await_reset));
    lock_acquire(&passer->lock, &node);
    lock_release(&passer->lock, &node);
    event_wait(&passer->event, 0);
    at_store_rlx(&passer->done, 1);
}

// A mutex does not show who waits for it; there we give the other thread some time.
static bool is_contended(enum lock_kind kind, struct lock *lock, struct lock_node *holder, unsigned turn)
{
    if (kind == LOCK_TICKET)
        return at_load_rlx(&lock->u.ticket.next) == 2;
    if (kind == LOCK_MCS)
        return at_load_rlx(&lock->u.mcs.tail) != holder;
    return turn > 200;
}

static void meet_a_lock(enum lock_kind kind)
{
    static struct passer passer;
    struct lock_node node;
    event_init(&passer.event);
    at_init(&passer.has_reset, 0);
    at_init(&passer.done, 0);
    lock_init(&passer.lock, kind);
    lock_acquire(&passer.lock, &node);
    const struct thread_options options = {.cpu = -1};
    assert_int_equal(thread_start(&passer.thread, &options, pass, &passer), 0);
    SPIN_UNTIL(at_load_acq(&passer.has_reset, AT(test_event_await_reset, test_event_has_reset)));
    unsigned turn = 0;
    while (!is_contended(kind, &passer.lock, &node, turn++))
        thread_yield();
    event_set(&passer.event);
    lock_release(&passer.lock, &node);
    // The set must still be there. If it isn't, the passer parks; it is set free, to be found out.
    SPIN_UNTIL(at_load_rlx(&passer.done) || at_load_rlx(&passer.event.state) == PARKED);
    event_set(&passer.event);
    thread_join(&passer.thread);
    lock_fini(&passer.lock);
    assert_int_equal(passer.event.parks, 0);
}

static void test_no_lock_eats_what_an_event_was_set_for(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20; round++)
        for (enum lock_kind kind = LOCK_MUTEX; kind < LOCK_KINDS; kind++)
            meet_a_lock(kind);
}

int main(void)
{
    clock_calibrate();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_before_wait_returns_at_once),
        cmocka_unit_test(test_no_wake_is_lost_when_parking),
        cmocka_unit_test(test_no_wake_is_lost_when_spinning),
        cmocka_unit_test(test_many_setters_one_waiter),
        cmocka_unit_test(test_no_lock_eats_what_an_event_was_set_for),
    };
    return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
