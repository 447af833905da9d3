// SPDX-License-Identifier: Apache-2.0
// What READYQ_INJECT asks for, and that exactly that is done.
#include "tests/unit.h"

#include <errno.h>
#include <string.h>

#include "core/inject.h"
#include "core/machine/clock.h"

static struct inject_asked parsed(const char *text)
{
    struct inject_asked asked;
    struct fault fault = {""};
    assert_int_equal(inject_parse(&asked, text, &fault), 0);
    assert_string_equal(fault.text, "");
    return asked;
}

static void test_words(void **state)
{
    (void)state;
    struct inject_asked asked = parsed("spin=100");
    assert_int_equal(asked.spin, 100);
    assert_int_equal(asked.contend + asked.tail + asked.tail_ns, 0);
    asked = parsed("contend=7;tail=10000,2500;spin=0");
    assert_int_equal(asked.contend, 7);
    assert_int_equal(asked.tail, 10000);
    assert_int_equal(asked.tail_ns, 2500);
    assert_int_equal(asked.spin, 0);
    asked = parsed("spin=256000000;tail=1000000,1000000000");
    assert_int_equal(asked.spin, INJECT_MOST);
    assert_int_equal(asked.tail_ns, INJECT_TAIL_NS);
    asked = parsed(NULL);
    assert_int_equal(asked.spin + asked.contend + asked.tail, 0);
    asked = parsed("");
    assert_int_equal(asked.spin + asked.contend + asked.tail, 0);
}

static void test_nonsense(void **state)
{
    (void)state;
    static const char *const texts[] = {"spin",
                                        "spin=",
                                        "spin=-1",
                                        "spin=1.5",
                                        "spin=1 ",
                                        " spin=1",
                                        "spin=1,2",
                                        "tail=5",
                                        "tail=5,",
                                        "tail=,5",
                                        "contend=x",
                                        "spin=1;",
                                        ";spin=1",
                                        "spin=1;;",
                                        "none",
                                        "spinn=1",
                                        "0",
                                        "tail=5;6",
                                        "tail=5,6,",
                                        "spin=1tail=5,6",
                                        "spin=0x10",
                                        "SPIN=1",
                                        "spin=+1",
                                        "spin=1\n",
                                        "tail=1000001,5",
                                        "tail=5,1000000001",
                                        "spin=256000001",
                                        "contend=256000001",
                                        "spin=99999999999999999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct inject_asked asked = {.spin = 1};
        struct fault fault = {""};
        assert_int_equal(inject_parse(&asked, texts[i], &fault), -EINVAL);
        assert_int_equal(asked.spin + asked.contend + asked.tail, 0);
        assert_non_null(strstr(fault.text, "READYQ_INJECT is '"));
        assert_non_null(strstr(fault.text, "spin=N"));
    }
}

static uint64_t after_steps(uint64_t steps)
{
    uint64_t chain = 0;
    while (steps-- > 0)
        chain = inject_step(chain);
    return chain;
}

static void test_steps_are_exact(void **state)
{
    (void)state;
    static const unsigned rates[] = {0, 1, 3, 100, 255, 256, 257, 1000, 70001};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        const struct inject_asked asked = {.spin = rates[i]};
        struct inject_own own = {0};
        for (unsigned call = 0; call < INJECT_UNIT; call++)
            inject_slow_dequeue(&own, &asked);
        assert_int_equal(own.chain, after_steps(rates[i]));
        assert_int_equal(own.spin, 0);
    }
}

// No two calls differ by more than one step: what is due is never saved up.
static void test_steps_are_spread(void **state)
{
    (void)state;
    const struct inject_asked asked = {.spin = 3 * INJECT_UNIT + 51};
    struct inject_own own = {0};
    uint64_t done = 0;
    for (unsigned call = 1; call <= INJECT_UNIT; call++) {
        inject_slow_dequeue(&own, &asked);
        done = call * asked.spin / INJECT_UNIT;
        assert_int_equal(own.chain, after_steps(done));
    }
    assert_int_equal(done, asked.spin);
}

// By what is left over: each delay takes a million away from what the calls have added up to.
static void test_tail_is_exact(void **state)
{
    (void)state;
    const struct inject_asked asked = {.tail = 300001, .tail_ns = 0};
    struct inject_own own = {0};
    for (unsigned call = 1; call <= 10; call++) {
        inject_slow_dequeue(&own, &asked);
        assert_int_equal(own.tail, call * 300001u % INJECT_TAIL_UNIT);
    }
    assert_int_equal(own.chain, 0);
}

static void test_tail_waits(void **state)
{
    (void)state;
    const struct inject_asked asked = {.tail = INJECT_TAIL_UNIT / 2, .tail_ns = 2000000};
    struct inject_own own = {0};
    const uint64_t start = clock_system_ns();
    for (unsigned call = 0; call < 4; call++)
        inject_slow_dequeue(&own, &asked);
    assert_true(clock_system_ns() - start >= 3900000);
}

static void test_contention_is_of_both_sides(void **state)
{
    (void)state;
    const struct inject_asked asked = {.contend = 100};
    struct inject_own own = {0};
    for (unsigned call = 1; call <= INJECT_UNIT; call++) {
        inject_slow_dequeue(&own, &asked);
        assert_int_equal(own.contend_dequeue, call * 100 % INJECT_UNIT);
        assert_int_equal(own.contend_enqueue, 0);
    }
    inject_slow_enqueue(&own, &asked);
    assert_int_equal(own.contend_enqueue, 100);
    assert_int_equal(own.contend_dequeue, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_steps_are_exact),
        cmocka_unit_test(test_steps_are_spread),
        cmocka_unit_test(test_tail_is_exact),
        cmocka_unit_test(test_tail_waits),
        cmocka_unit_test(test_contention_is_of_both_sides),
    };
    clock_calibrate();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
