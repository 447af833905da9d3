// SPDX-License-Identifier: Apache-2.0
#include "core/sync/garbage.h"
#include "tests/unit.h"

struct counting_sink {
    struct garbage_sink base;
    void *given[200];
    unsigned count;
};

static void give(struct garbage_sink *sink, void *element)
{
    struct counting_sink *counting = (struct counting_sink *)sink;
    counting->given[counting->count++] = element;
}

static void test_frees_oldest_first_in_bounded_steps(void **state)
{
    (void)state;
    struct counting_sink sink = {.base = {give}};
    struct garbage_node nodes[120];
    struct garbage_chain chain = {NULL, NULL};
    for (unsigned i = 0; i < 120; i++)
        garbage_add(&chain, &nodes[i], &sink.base);
    assert_int_equal(garbage_length(&chain), 120);
    assert_true(garbage_free(&chain, GARBAGE_STEP));
    assert_int_equal(sink.count, 50);
    assert_true(garbage_free(&chain, GARBAGE_STEP));
    assert_false(garbage_free(&chain, GARBAGE_STEP));
    assert_int_equal(sink.count, 120);
    for (unsigned i = 0; i < 120; i++)
        assert_ptr_equal(sink.given[i], &nodes[i]);
    assert_null(chain.first);
    assert_null(chain.last);
}

static void test_exactly_a_step_leaves_nothing_more(void **state)
{
    (void)state;
    struct counting_sink sink = {.base = {give}};
    struct garbage_node nodes[GARBAGE_STEP];
    struct garbage_chain chain = {NULL, NULL};
    for (unsigned i = 0; i < GARBAGE_STEP; i++)
        garbage_add(&chain, &nodes[i], &sink.base);
    assert_false(garbage_free(&chain, GARBAGE_STEP));
    garbage_add(&chain, &nodes[0], &sink.base);
    assert_int_equal(garbage_length(&chain), 1);
}

static void test_append_moves_everything(void **state)
{
    (void)state;
    struct counting_sink one = {.base = {give}}, two = {.base = {give}};
    struct garbage_node nodes[4];
    struct garbage_chain to = {NULL, NULL}, from = {NULL, NULL};
    garbage_append(&to, &from);
    assert_null(to.first);
    garbage_add(&from, &nodes[0], &one.base);
    garbage_append(&to, &from);
    garbage_add(&from, &nodes[1], &two.base);
    garbage_add(&from, &nodes[2], &one.base);
    garbage_append(&to, &from);
    garbage_append(&to, &from);
    assert_null(from.first);
    assert_int_equal(garbage_length(&to), 3);
    garbage_free(&to, 10);
    assert_int_equal(one.count, 2);
    assert_int_equal(two.count, 1);
    assert_ptr_equal(one.given[1], &nodes[2]);
}

static void test_what_is_added_after_an_append_stands_behind_it(void **state)
{
    (void)state;
    struct counting_sink sink = {.base = {give}};
    struct garbage_node nodes[4];
    struct garbage_chain to = {NULL, NULL}, from = {NULL, NULL};
    garbage_add(&to, &nodes[0], &sink.base);
    garbage_add(&from, &nodes[1], &sink.base);
    garbage_add(&from, &nodes[2], &sink.base);
    garbage_append(&to, &from);
    garbage_add(&to, &nodes[3], &sink.base);
    assert_false(garbage_free(&to, 4));
    assert_int_equal(sink.count, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_ptr_equal(sink.given[i], &nodes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frees_oldest_first_in_bounded_steps),
        cmocka_unit_test(test_exactly_a_step_leaves_nothing_more),
        cmocka_unit_test(test_append_moves_everything),
        cmocka_unit_test(test_what_is_added_after_an_append_stands_behind_it),
    };
    return cmocka_run_group_tests_name("garbage", tests, NULL, NULL);
}
