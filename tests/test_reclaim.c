// SPDX-License-Identifier: Apache-2.0
// Reclamation: what may be freed when, step by step; under stress; and its two store-load pairs at full speed.
#include <stdlib.h>

#include "core/reclaim.c"
#include "tests/litmus.h"

// Fill a few retire lists, whatever the pause between two looks.
#define NODES 1000u
#define HANDLES 4u

struct node {
    struct reclaim_node retired;
    _Atomic uint32_t freed;
};

// An environment whose memory can run out.
static _Atomic unsigned allocations_left, held; // threads make a table at their first look

static void *take_memory(void *context, size_t size, size_t align, int node)
{
    (void)context, (void)node;
    if (allocations_left == 0)
        return NULL;
    allocations_left--;
    held++;
    void *memory = aligned_alloc(align, size);
    memset(memory, 0, size);
    return memory;
}

static void give_memory(void *context, void *memory, size_t size, int node)
{
    (void)context, (void)size, (void)node;
    held--;
    free(memory);
}

static const struct queue_env env = {
    .alloc = take_memory, .free = give_memory, .producers_max = HANDLES / 2, .consumers_max = HANDLES / 2};

static struct reclaim reclaim;
static struct reclaim_record *self, *other;
static struct node nodes[NODES];

static void count_freed(void *owner, struct reclaim_node *node)
{
    assert_ptr_equal(owner, &reclaim);
    struct node *freed = (struct node *)node;
    at_store_rlx(&freed->freed, at_load_rlx(&freed->freed) + 1);
}

static void begin(enum reclaim_kind kind)
{
    memset(nodes, 0, sizeof nodes);
    allocations_left = 1;
    assert_int_equal(reclaim_init(&reclaim, kind, &env, count_freed, &reclaim), 0);
    allocations_left = HANDLES;
    self = reclaim_attach(&reclaim);
    other = reclaim_attach(&reclaim);
}

static void end(void)
{
    reclaim_fini(&reclaim);
    assert_int_equal(held, 0);
}

// In an operation each, as the scheme asks for.
static void retire(unsigned first, unsigned last)
{
    for (unsigned i = first; i < last; i++) {
        reclaim_enter(self);
        reclaim_retire(self, &nodes[i].retired);
        reclaim_leave(self);
    }
}

static unsigned freed(unsigned first, unsigned last)
{
    unsigned sum = 0;
    for (unsigned i = first; i < last; i++) {
        const uint32_t times = at_load_rlx(&nodes[i].freed);
        assert_in_range(times, 0, 1);
        sum += times;
    }
    return sum;
}

static void test_a_node_is_freed_when_nobody_announces_it(void **state)
{
    (void)state;
    begin(RECLAIM_HAZARD);
    assert_true(reclaim_announce(other, 1, &nodes[0]));
    assert_false(reclaim_announce(other, 1, &nodes[0]));
    struct reclaim_record *last = &reclaim.records[HANDLES - 1];
    assert_true(reclaim_announce(last, RECLAIM_HAZARDS - 1, &nodes[1]));
    reclaim_announce_own(other, 0, &nodes[2]);
    retire(0, NODES / 2);
    assert_int_equal(freed(0, 3), 0);
    assert_in_range(freed(3, NODES / 2), NODES / 2 - 100, NODES / 2 - 3);
    assert_true(reclaim_announce(other, 1, &nodes[NODES - 1]));
    reclaim_announce_own(other, 0, &nodes[NODES - 1]);
    retire(NODES / 2, NODES - 1);
    assert_int_equal(freed(0, 1), 1);
    assert_int_equal(freed(1, 2), 0);
    assert_int_equal(freed(2, 3), 1);
    end();
    assert_int_equal(freed(0, NODES - 1), NODES - 1);
    assert_int_equal(freed(NODES - 1, NODES), 0);
}

static void test_protecting_looks_again(void **state)
{
    (void)state;
    begin(RECLAIM_HAZARD);
    unsigned reads = 0;
    // A place that holds another node by the second look.
    const struct node *found = RECLAIM_PROTECT(self, 0, reads++ == 0 ? &nodes[0] : &nodes[1]);
    assert_ptr_equal(found, &nodes[1]);
    assert_ptr_equal(at_load_rlx(&self->hazards[0]), &nodes[1]);
    assert_int_equal(reads, 3);
    end();
}

// What a thread that stands still in an operation holds back of NODES - 1 nodes.
static unsigned held_back(enum reclaim_kind kind)
{
    begin(kind);
    reclaim_enter(other);
    for (unsigned i = 0; i < RECLAIM_HAZARDS; i++)
        reclaim_announce(other, i, &nodes[10 * i]);
    retire(0, NODES - 1);
    if (kind == RECLAIM_HAZARD)
        self->look_at = 1;
    retire(NODES - 1, NODES);
    // Up to two epochs' worth wait as it is; none may come in between.
    for (unsigned i = 0; kind == RECLAIM_EPOCH && i < 3; i++)
        free_outlived(self);
    const unsigned back = NODES - freed(0, NODES);
    uint64_t gone, waiting;
    reclaim_count(&reclaim, &gone, &waiting);
    if (kind == RECLAIM_HAZARD) {
        assert_int_equal(gone, freed(0, NODES));
        assert_int_equal(waiting, back);
    }
    end();
    assert_int_equal(freed(0, NODES), NODES);
    return back;
}

static void test_who_stands_still_holds_back(void **state)
{
    (void)state;
    assert_int_equal(held_back(RECLAIM_HAZARD), RECLAIM_HAZARDS);
    assert_int_equal(held_back(RECLAIM_EPOCH), NODES);
    assert_int_equal(held_back(RECLAIM_LEAK), NODES);
}

static void test_an_epoch_frees_when_all_have_left(void **state)
{
    (void)state;
    begin(RECLAIM_EPOCH);
    reclaim_enter(other);
    retire(0, NODES / 2);
    assert_int_equal(freed(0, NODES / 2), 0);
    reclaim_leave(other);
    retire(NODES / 2, NODES);
    assert_int_equal(freed(0, NODES / 2), NODES / 2);
    assert_true(freed(0, NODES) < NODES);
    end();
    assert_int_equal(freed(0, NODES), NODES);
}

// It found an old epoch and was long in announcing it.
static void test_a_late_announcement_holds_back_all_the_same(void **state)
{
    (void)state;
    begin(RECLAIM_EPOCH);
    const uint64_t old = at_load_rlx(&reclaim.epoch) << 1 | 1;
    retire(0, NODES / 2);
    assert_true(at_load_rlx(&reclaim.epoch) > (old >> 1) + 2);
    at_store_rlx(&other->announced, old);
    const unsigned before = freed(0, NODES / 2);
    retire(NODES / 2, NODES);
    assert_int_equal(freed(NODES / 2, NODES), 0);
    assert_in_range(freed(0, NODES / 2), before, NODES / 2);
    end();
}

// A node is stamped after it was unlinked, not with what its thread announced before.
static void test_a_node_is_as_old_as_its_retirement(void **state)
{
    (void)state;
    begin(RECLAIM_EPOCH);
    reclaim_enter(self);
    assert_int_equal(advanced_epoch(&reclaim), (at_load_rlx(&self->announced) >> 1) + 1);
    reclaim_enter(other);
    reclaim_retire(self, &nodes[0].retired);
    reclaim_leave(self);
    for (unsigned i = 0; i < 4; i++)
        free_outlived(self);
    assert_int_equal(freed(0, 1), 0);
    reclaim_leave(other);
    for (unsigned i = 0; i < 2; i++)
        free_outlived(self);
    assert_int_equal(freed(0, 1), 1);
    retire(1, 2);
    end();
    assert_int_equal(freed(0, 2), 2);
}

static void test_of_nodes_with_many_items_few_wait(void **state)
{
    (void)state;
    for (unsigned kind = RECLAIM_HAZARD; kind <= RECLAIM_LEAK; kind++) {
        begin(kind);
        reclaim_expect(&reclaim, 1000);
        retire(0, NODES);
        const unsigned waiting = NODES - freed(0, NODES);
        assert_in_range(waiting, kind == RECLAIM_LEAK ? NODES : 0, kind == RECLAIM_LEAK ? NODES : 3);
        end();
    }
}

static void test_the_next_holder_inherits(void **state)
{
    (void)state;
    for (unsigned kind = RECLAIM_HAZARD; kind <= RECLAIM_EPOCH; kind++) {
        begin(kind);
        reclaim_enter(self);
        reclaim_announce(self, 0, &nodes[1]);
        reclaim_leave(self);
        retire(0, 10);
        const struct reclaim_record *old = self;
        reclaim_detach(self);
        self = reclaim_attach(&reclaim);
        assert_ptr_equal(self, old);
        retire(10, NODES);
        assert_int_equal(freed(0, 10), 10);
        end();
        assert_int_equal(freed(0, NODES), NODES);
    }
}

static void test_there_are_as_many_records_as_handles(void **state)
{
    (void)state;
    begin(RECLAIM_HAZARD);
    for (unsigned i = 2; i < HANDLES; i++)
        assert_non_null(reclaim_attach(&reclaim));
    assert_null(reclaim_attach(&reclaim));
    reclaim_detach(other);
    assert_ptr_equal(reclaim_attach(&reclaim), other);
    end();
}

static void test_without_memory_nothing_is_held(void **state)
{
    (void)state;
    for (unsigned kind = RECLAIM_HAZARD; kind <= RECLAIM_LEAK; kind++) {
        allocations_left = 0;
        assert_int_equal(reclaim_init(&reclaim, kind, &env, count_freed, &reclaim), -ENOMEM);
        assert_int_equal(held, 0);
    }
}

// Who only attaches, or retires a few, has none.
static void test_a_table_is_made_at_the_first_look(void **state)
{
    (void)state;
    memset(nodes, 0, sizeof nodes);
    allocations_left = HANDLES + 1;
    assert_int_equal(reclaim_init(&reclaim, RECLAIM_HAZARD, &env, count_freed, &reclaim), 0);
    self = reclaim_attach(&reclaim);
    other = reclaim_attach(&reclaim);
    retire(0, 2);
    assert_int_equal(held, 1);
    retire(2, NODES);
    assert_int_equal(held, 2);
    end();
}

// A look that has no memory for its table frees nothing, and the next one makes up for it.
static void test_a_look_without_memory_is_made_later(void **state)
{
    (void)state;
    begin(RECLAIM_HAZARD);
    allocations_left = 0;
    uint64_t done, waiting;
    retire(0, 200);
    reclaim_count(&reclaim, &done, &waiting);
    assert_int_equal(done, 0);
    assert_int_equal(waiting, 200);
    allocations_left = 1;
    retire(200, 400);
    reclaim_count(&reclaim, &done, &waiting);
    assert_in_range(done, 200, 400);
    end();
}

// Threads follow, replace and retire the nodes of a few places. A node that was freed is marked, and used again.
#define PLACES 2u
#define OWN_NODES 4000u

static _Atomic(struct node *) places[PLACES] ALIGNED_LINE;
static _Atomic uint32_t found_freed;
static _Thread_local struct reclaim_node *own_free;

static void mark_freed(void *owner, struct reclaim_node *node)
{
    (void)owner;
    at_store_rlx(&((struct node *)node)->freed, 1);
    node->next = own_free;
    own_free = node;
}

static void replace(struct reclaim_record *record, _Atomic(struct node *) *place)
{
    struct node *fresh = (struct node *)own_free;
    if (!fresh)
        return;
    own_free = own_free->next;
    at_store_rlx(&fresh->freed, 0);
    struct node *old = at_xchg_sc(place, fresh, AT(test_reclaim_replace, test_reclaim_follow));
    if (old)
        reclaim_retire(record, &old->retired);
}

static void follow_and_replace(void *argument)
{
    struct node *own = argument;
    struct reclaim_record *record = reclaim_attach(&reclaim);
    own_free = NULL;
    for (unsigned i = 0; i < OWN_NODES; i++)
        mark_freed(NULL, &own[i].retired);
    for (unsigned i = 0; i < ROUNDS(200000u); i++) {
        _Atomic(struct node *) *place = &places[i % PLACES];
        reclaim_enter(record);
        struct node *found =
            RECLAIM_PROTECT(record, i % 3, at_load_sc(place, AT(test_reclaim_follow, test_reclaim_replace)));
        for (unsigned looks = 0; found && looks < 8; looks++)
            if (at_load_rlx(&found->freed))
                at_store_rlx(&found_freed, 1);
        if (i % 2)
            replace(record, place);
        reclaim_leave(record);
    }
    reclaim_detach(record);
}

static void stress(enum reclaim_kind kind)
{
    static struct thread threads[HANDLES];
    struct node *own = calloc((size_t)HANDLES * OWN_NODES, sizeof *own);
    allocations_left = 1 + HANDLES;
    at_init(&found_freed, 0);
    for (unsigned i = 0; i < PLACES; i++)
        at_init(&places[i], NULL);
    assert_int_equal(reclaim_init(&reclaim, kind, &env, mark_freed, &reclaim), 0);
    for (unsigned i = 0; i < HANDLES; i++)
        assert_int_equal(
            thread_start(&threads[i], &(struct thread_options){.cpu = -1}, follow_and_replace, &own[i * OWN_NODES]), 0);
    for (unsigned i = 0; i < HANDLES; i++)
        assert_int_equal(thread_join(&threads[i]), 0);
    end();
    free(own);
    assert_int_equal(at_load_rlx(&found_freed), 0);
}

static void test_nobody_finds_a_freed_node(void **state)
{
    (void)state;
    stress(RECLAIM_HAZARD);
    stress(RECLAIM_EPOCH);
}

// The pairs: one thread follows the first place to a node while the other takes it away and looks for who may hold it.
static bool kept ALIGNED_LINE;

static void reset_place(void)
{
    at_store_rlx(&places[0], &nodes[0]);
    at_store_rlx(&nodes[0].freed, 0);
    self->first = NULL;
    self->end = &self->first;
    at_store_rlx(&self->waiting, 0);
    self->look_at = 1;
}

static void reset_announcement(void)
{
    at_store_rlx(&other->hazards[0], NULL);
    at_store_rlx(&other->announced, 0);
}

static void look_at_place(void)
{
    (void)at_load_rlx(&places[0]);
    (void)at_load_rlx(&other->hazards[0]);
    (void)at_load_rlx(&reclaim.epoch);
}

static void unlink_and_retire(void)
{
    at_xchg_sc(&places[0], NULL, AT(test_reclaim_unlink, test_reclaim_look));
    reclaim_retire(self, &nodes[0].retired);
    if (reclaim.kind == RECLAIM_EPOCH)
        free_outlived(self);
}

static void announce_and_look(void)
{
    reclaim_enter(other);
    reclaim_announce(other, 0, &nodes[0]);
    kept = at_load_sc(&places[0], AT(test_reclaim_look, test_reclaim_unlink)) == &nodes[0];
}

static bool freed_what_was_kept(void)
{
    return kept && at_load_rlx(&nodes[0].freed);
}

static void race(enum reclaim_kind kind)
{
    static const struct litmus litmus = {
        .sides = {{.reset = reset_place, .look = look_at_place, .race = unlink_and_retire},
                  {.reset = reset_announcement, .look = look_at_place, .race = announce_and_look}},
        .missed = freed_what_was_kept,
    };
    litmus_needs_two();
    begin(kind);
    litmus_run(&litmus);
    self->first = NULL;
    end();
    litmus_must_hold();
}

static void test_an_announcement_or_an_unlinking_is_seen(void **state)
{
    (void)state;
    race(RECLAIM_HAZARD);
}

static void test_an_entry_or_an_unlinking_is_seen(void **state)
{
    (void)state;
    race(RECLAIM_EPOCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_node_is_freed_when_nobody_announces_it),
        cmocka_unit_test(test_protecting_looks_again),
        cmocka_unit_test(test_who_stands_still_holds_back),
        cmocka_unit_test(test_an_epoch_frees_when_all_have_left),
        cmocka_unit_test(test_a_late_announcement_holds_back_all_the_same),
        cmocka_unit_test(test_a_node_is_as_old_as_its_retirement),
        cmocka_unit_test(test_of_nodes_with_many_items_few_wait),
        cmocka_unit_test(test_the_next_holder_inherits),
        cmocka_unit_test(test_there_are_as_many_records_as_handles),
        cmocka_unit_test(test_without_memory_nothing_is_held),
        cmocka_unit_test(test_a_table_is_made_at_the_first_look),
        cmocka_unit_test(test_a_look_without_memory_is_made_later),
        cmocka_unit_test(test_nobody_finds_a_freed_node),
        cmocka_unit_test(test_an_announcement_or_an_unlinking_is_seen),
        cmocka_unit_test(test_an_entry_or_an_unlinking_is_seen),
    };
    return cmocka_run_group_tests_name("reclaim", tests, litmus_set_up, litmus_tear_down);
}
