// SPDX-License-Identifier: Apache-2.0
// Threads of ymc that stop where it hurts: between a claim and its commit, between two readings of an end, between a
// guard and the look that it is for. The queue's source is compiled in with a hook in front of each labelled access.
#include <semaphore.h>
#include <string.h>

#include "core/check/conformance/env.h"
#include "core/sync/atomic.h"
#include "core/sync/thread.h"
#include "tests/unit.h"

static void before(const char *label);

#undef at_load_acq
#undef at_load_sc
#undef at_store_rel
#undef at_store_sc
#undef at_xchg_acq
#undef at_add_sc
#undef at_cas_sc
#undef at_cas_ar
#undef at_cas_acq
#define AT(label, ...) before(#label)
#define at_load_acq(p, at) ((at), atomic_load_explicit((p), memory_order_acquire))
#define at_load_sc(p, at) ((at), atomic_load(p))
#define at_store_rel(p, v, at) ((at), atomic_store_explicit((p), (v), memory_order_release))
#define at_store_sc(p, v, at) ((at), atomic_store((p), (v)))
#define at_xchg_acq(p, v, at) ((at), atomic_exchange((p), (v)))
#define at_add_sc(p, v, at) ((at), atomic_fetch_add((p), (v)))
#define at_cas_sc(p, expected, v, at) ((at), atomic_compare_exchange_strong((p), (expected), (v)))
#define at_cas_ar(p, expected, v, at) ((at), atomic_compare_exchange_strong((p), (expected), (v)))
#define at_cas_acq(p, expected, v, at) ((at), atomic_compare_exchange_strong((p), (expected), (v)))

#include "queues/ymc.c"

#define HANDLES 3u

static struct check_env env;
static struct ymc queue;
static struct ymc_place *producers[HANDLES], *consumers[HANDLES];

// What is to happen in the test's own thread before the access number `skip` (from 0) at a label.
static struct {
    const char *label;
    unsigned skip;
    void (*happens)(void);
} plan;

// Another thread, which enqueues one item and stops before accesses.
static struct {
    struct thread thread;
    const char *stop_before;
    sem_t stopped, go;
    uintptr_t item;
    int result;
} other;
static _Thread_local bool is_other;

static void before(const char *label)
{
    if (is_other && other.stop_before && strcmp(other.stop_before, label) == 0) {
        sem_post(&other.stopped);
        sem_wait(&other.go);
    } else if (!is_other && plan.label && strcmp(plan.label, label) == 0 && plan.skip-- == 0) {
        plan.label = NULL;
        plan.happens();
    }
}

static void interrupt(const char *label, unsigned skip, void (*happens)(void))
{
    plan.label = label;
    plan.skip = skip;
    plan.happens = happens;
}

static void enqueue_elsewhere(void *argument)
{
    (void)argument;
    is_other = true;
    other.result = ymc_enqueue(&queue, &producers[1], other.item);
}

static void start_other(uintptr_t item, const char *stop_before)
{
    const struct thread_options options = {.name = "other", .cpu = -1};
    sem_init(&other.stopped, 0, 0);
    sem_init(&other.go, 0, 0);
    other.item = item;
    other.stop_before = stop_before;
    assert_int_equal(thread_start(&other.thread, &options, enqueue_elsewhere, NULL), 0);
    sem_wait(&other.stopped);
}

static void move_other_to(const char *stop_before)
{
    other.stop_before = stop_before;
    sem_post(&other.go);
    sem_wait(&other.stopped);
}

static void finish_other(void)
{
    other.stop_before = NULL;
    sem_post(&other.go);
    thread_join(&other.thread);
    assert_int_equal(other.result, QUEUE_OK);
}

static void open_queue(uint64_t segment, uint64_t patience)
{
    const struct ymc_config config = {.segment = segment, .patience = patience};
    plan.label = NULL;
    check_env_init(&env, &ymc_queue_ops, NULL);
    env.env.producers_max = env.env.consumers_max = HANDLES;
    assert_int_equal(ymc_init(&queue, &env.env, &config), 0);
    for (unsigned i = 0; i < HANDLES; i++) {
        assert_int_equal(ymc_attach(&queue, &producers[i], QUEUE_PRODUCER, QUEUE_UNMANAGED), 0);
        assert_int_equal(ymc_attach(&queue, &consumers[i], QUEUE_CONSUMER, QUEUE_UNMANAGED), 0);
    }
}

static void close_queue(void)
{
    struct fault fault = {""};
    assert_null(plan.label);
    for (unsigned i = 0; i < HANDLES; i++) {
        ymc_detach(&queue, &producers[i]);
        ymc_detach(&queue, &consumers[i]);
    }
    ymc_fini(&queue);
    assert_int_equal(check_env_fini(&env, &fault), 0);
}

static void put(uintptr_t item)
{
    assert_int_equal(ymc_enqueue(&queue, &producers[0], item), QUEUE_OK);
}

static void get(unsigned consumer, uintptr_t expected)
{
    uintptr_t item = 0;
    assert_int_equal(ymc_dequeue(&queue, &consumers[consumer], &item), QUEUE_OK);
    assert_int_equal(item, expected);
}

static void get_nothing(unsigned consumer)
{
    uintptr_t item = 77;
    assert_int_equal(ymc_dequeue(&queue, &consumers[consumer], &item), QUEUE_EMPTY);
    assert_int_equal(item, 77);
}

static void claim_elsewhere(void)
{
    move_other_to("ymc_commit");
}

// The enqueue claimed its own cell, which the dequeue has closed, and has not committed: the dequeue does.
static void test_a_claim_lost_to_the_owner_is_committed(void **state)
{
    (void)state;
    open_queue(8, 0);
    start_other(5, "ymc_set_item");
    get_nothing(0);
    move_other_to("ymc_answer");
    interrupt("ymc_request_item", 0, claim_elsewhere);
    get(0, 5);
    finish_other();
    get_nothing(0);
    close_queue();
}

// A cell that is reserved for a request that got another stays closed, also when the same place asks again.
static void test_a_cell_reserved_for_an_old_request_is_dead(void **state)
{
    (void)state;
    open_queue(8, 10);
    struct ymc_place *owner = producers[1], *helper = consumers[0];
    const uint64_t start = queue.cells_mask + 1,
                   name = (start + 1) << YMC_PLACE_BITS | (uint64_t)(owner - queue.places);
    struct ymc_segment *at = queue.first;
    struct ymc_cell *cell = ymc_find(&queue, helper, &at, start + 5);
    atomic_store(&cell->item, YMC_CLOSED);
    atomic_store(&cell->put, name);
    atomic_store(&owner->item, 9);
    atomic_store(&owner->state, YMC_PENDING | (start + 3));
    assert_int_equal(ymc_settle(&queue, helper, cell, start + 5), 0);
    assert_true(atomic_load(&cell->item) == YMC_CLOSED);
    assert_true(atomic_load(&owner->state) == (YMC_PENDING | (start + 3)));
    close_queue();
}

static void put_one_and_get_one(void)
{
    put(2);
    get(1, 1);
}

// At no instant was it empty, though the ends that were read are of different ones.
static void test_empty_reads_the_head_first(void **state)
{
    (void)state;
    static const char *const reads[] = {"ymc_see_head", "ymc_see_tail"};
    for (unsigned i = 0; i < 2; i++) {
        open_queue(8, 10);
        put(1);
        interrupt(reads[i], 0, put_one_and_get_one);
        get(0, 2);
        close_queue();
    }
}

// Both ends, and all the threads, in segment 6; one guard in 2.
static void use_up_segments(void)
{
    open_queue(2, 10);
    atomic_store(&consumers[1]->guard, 2);
    for (uintptr_t i = 1; i <= 11; i++) {
        put(i);
        get(2, i);
    }
    assert_int_equal(queue.first->number, 2);
}

static void test_a_guard_holds_up_all_behind_it(void **state)
{
    (void)state;
    use_up_segments();
    ymc_leave(consumers[1]);
    ymc_reclaim(&queue, consumers[2]);
    assert_int_equal(queue.first->number, 6);
    assert_int_equal(atomic_load(&queue.low), 6);
    close_queue();
}

// A helper guards what the owner of the request guards, and the owner leaves, while the guards are being read.
static void hand_over(void)
{
    ymc_guard_also(consumers[0], 2);
    ymc_leave(consumers[1]);
}

static void test_a_guard_that_is_handed_over_is_seen(void **state)
{
    (void)state;
    const unsigned places = 2 * HANDLES;
    for (unsigned seen = 0; seen < 3 * places; seen++) {
        use_up_segments();
        atomic_store(&consumers[0]->guard, 6);
        interrupt("ymc_guards", seen, hand_over);
        ymc_reclaim(&queue, consumers[2]);
        assert_int_equal(queue.first->number, 2);
        ymc_leave(consumers[0]);
        close_queue();
    }
}

static void note_nothing(void)
{
}

// A thread that was idle while its segment was freed goes on from where the others are.
static void test_an_idle_thread_guards_nothing(void **state)
{
    (void)state;
    open_queue(2, 10);
    for (uintptr_t i = 1; i <= 11; i++) {
        put(i);
        get(i == 1 ? 0 : 2, i);
    }
    assert_true(consumers[0]->number < atomic_load(&queue.low));
    put(12);
    interrupt("ymc_entry", 0, note_nothing);
    get(0, 12);
    close_queue();
}

static void guards_are_set(void)
{
    assert_int_equal(atomic_load(&consumers[0]->guard), consumers[0]->number);
    assert_int_equal(atomic_load(&producers[0]->guard), YMC_IDLE);
}

static void guard_of_producer_is_set(void)
{
    assert_int_equal(atomic_load(&producers[0]->guard), producers[0]->number);
}

static void test_guards_are_set_before_a_cell_is_taken(void **state)
{
    (void)state;
    open_queue(2, 10);
    interrupt("ymc_take_tail", 0, guard_of_producer_is_set);
    put(1);
    interrupt("ymc_take_head", 0, guards_are_set);
    get(0, 1);
    assert_int_equal(atomic_load(&consumers[0]->guard), YMC_IDLE);
    close_queue();
}

static uint64_t helper_guard;

static void note_guard(void)
{
    helper_guard = atomic_load(&consumers[2]->guard);
}

// A helper whose own cell lies far behind the request's guards the request's segment before it looks.
static void test_a_helper_guards_the_segment_of_the_request(void **state)
{
    (void)state;
    use_up_segments();
    struct ymc_place *owner = consumers[1];
    const uint64_t id = queue.first->number << queue.cells_log;
    atomic_store(&owner->from, queue.first);
    atomic_store(&owner->id, id);
    atomic_store(&owner->state, YMC_PENDING | id);
    put(12);
    put(13);
    consumers[2]->peer_get = 1;
    interrupt("ymc_from", 0, note_guard);
    get(2, 12);
    assert_int_equal(helper_guard, 2);
    // And it has completed the request with the next item.
    struct ymc_segment *at = queue.first;
    assert_int_equal(ymc_find(&queue, owner, &at, atomic_load(&owner->state))->item, 13);
    ymc_leave(owner);
    close_queue();
}

static void fail_from_now_on(void)
{
    check_env_allow(&env, 0);
    for (unsigned i = 0; i < 2 * HANDLES; i++)
        ymc_give_spares(&queue, &queue.places[i]);
}

// An enqueue that ran out of memory after it had asked withdraws: its item appears nowhere, and all goes on.
static void test_a_request_is_withdrawn_when_memory_runs_out(void **state)
{
    (void)state;
    open_queue(1, 0);
    put(1);
    interrupt("ymc_ask", 0, fail_from_now_on);
    assert_int_equal(ymc_enqueue(&queue, &producers[1], 2), -ENOMEM);
    check_env_allow(&env, -1);
    put(3);
    get(0, 1);
    get(0, 3);
    get_nothing(0);
    close_queue();
}

static void test_a_dequeue_that_runs_out_of_memory_tries_again(void **state)
{
    (void)state;
    uintptr_t item = 77;
    open_queue(1, 0);
    start_other(5, "ymc_set_item");
    interrupt("ymc_ask", 0, fail_from_now_on);
    assert_int_equal(ymc_dequeue(&queue, &consumers[0], &item), QUEUE_RETRY);
    assert_int_equal(item, 77);
    check_env_allow(&env, -1);
    finish_other();
    get(0, 5);
    get_nothing(0);
    close_queue();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_claim_lost_to_the_owner_is_committed),
        cmocka_unit_test(test_a_cell_reserved_for_an_old_request_is_dead),
        cmocka_unit_test(test_empty_reads_the_head_first),
        cmocka_unit_test(test_a_guard_holds_up_all_behind_it),
        cmocka_unit_test(test_a_guard_that_is_handed_over_is_seen),
        cmocka_unit_test(test_an_idle_thread_guards_nothing),
        cmocka_unit_test(test_guards_are_set_before_a_cell_is_taken),
        cmocka_unit_test(test_a_helper_guards_the_segment_of_the_request),
        cmocka_unit_test(test_a_request_is_withdrawn_when_memory_runs_out),
        cmocka_unit_test(test_a_dequeue_that_runs_out_of_memory_tries_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
