// SPDX-License-Identifier: Apache-2.0
// The clock agrees with the system's, never runs backwards, and is chosen only where it may be trusted. A bound that
// noise could break is tried several times: only a clock that is always wrong fails.
#include "tests/unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/machine/clock.h"
#include "core/sync/thread.h"

#define ATTEMPTS 5

static bool first_line_is(const char *path, const char *word)
{
    char line[64] = "";
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    const bool read = fgets(line, sizeof line, file);
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return read && strcmp(line, word) == 0;
}

static bool cpuinfo_has(const char *flag)
{
    char line[8192];
    bool found = false;
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && !found && fgets(line, sizeof line, file))
        found = strncmp(line, "flags", 5) == 0 && strstr(line, flag);
    if (file)
        fclose(file);
    return found;
}

// Decided here from the kernel's words, where the clock asks the processor.
static void test_choice_here(void **state)
{
    (void)state;
    const char *path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    bool trusted = first_line_is(path, "arch_sys_counter");
#if defined(__x86_64__)
    trusted = (first_line_is(path, "tsc") || first_line_is(path, "kvm-clock")) && cpuinfo_has(" constant_tsc") &&
              cpuinfo_has(" nonstop_tsc") && cpuinfo_has(" rdtscp");
    const char *counter = "rdtscp";
#else
    const char *counter = "cntvct";
    (void)cpuinfo_has;
#endif
    assert_int_equal(clock_facts.counter, trusted);
    assert_string_equal(clock_facts.source, trusted ? counter : "clock_gettime");
    assert_true(clock_facts.ns_per_tick > 0);
    if (!trusted)
        assert_true(clock_facts.ns_per_tick == 1.0);
}

static void test_choice(void **state)
{
    (void)state;
    assert_true(clock_counter_trusted(true, "tsc"));
    assert_true(clock_counter_trusted(true, "kvm-clock"));
    assert_true(clock_counter_trusted(true, "arch_sys_counter"));
    assert_false(clock_counter_trusted(false, "tsc"));
    assert_false(clock_counter_trusted(true, "hpet"));
    assert_false(clock_counter_trusted(true, "acpi_pm"));
    assert_false(clock_counter_trusted(true, "tsc-early"));
    assert_false(clock_counter_trusted(true, ""));
    assert_false(clock_counter_trusted(true, NULL));
}

static void test_monotonic(void **state)
{
    (void)state;
    uint64_t last = clock_ticks();
    for (unsigned i = 0; i < 1000000; i++) {
        const uint64_t now = clock_ticks();
        assert_true(now >= last);
        last = now;
    }
}

// The reading that later loads wait for is one of the same clock, in line with the others.
static void test_reading_before(void **state)
{
    (void)state;
    uint64_t last = clock_ticks();
    for (unsigned i = 0; i < 1000000; i++) {
        const uint64_t before = clock_ticks_before();
        const uint64_t after = clock_ticks();
        assert_true(before >= last && after >= before);
        last = after;
    }
}

#define STORES ROUNDS(200000)

// One thread counts up and notes after each step when it was done; another notes when it began to look, and what it
// saw.
static struct {
    _Atomic uint32_t step ALIGNED_LINE;
    uint64_t done[STORES + 1] ALIGNED_LINE;
    struct {
        uint64_t start;
        uint32_t seen;
    } looks[STORES] ALIGNED_LINE;
} counting;

// The division keeps the reading waiting, so that a load which does not wait for it has long been executed.
static void look(void *argument)
{
    (void)argument;
    uint64_t slow = UINT64_MAX;
    for (unsigned i = 0; i < STORES; i++) {
        for (unsigned k = 0; k < 8; k++) {
            __asm__ volatile("" : "+r"(slow));
            slow = UINT64_MAX / (slow | 1);
        }
        counting.looks[i].start = clock_ticks_before();
        counting.looks[i].seen = at_load_rlx(&counting.step);
    }
}

// Whoever starts when a store is done does not see what was there before it.
static void test_nothing_is_loaded_before_the_start(void **state)
{
    (void)state;
    struct thread thread;
    at_store_rlx(&counting.step, 0);
    assert_int_equal(thread_start(&thread, &(struct thread_options){.cpu = -1}, look, NULL), 0);
    for (uint32_t step = 1; step <= STORES; step++) {
        at_xchg_sc(&counting.step, step, AT(test_clock_step, test_clock_step));
        counting.done[step] = clock_ticks();
    }
    assert_int_equal(thread_join(&thread), 0);
    uint32_t done = 0;
    for (unsigned i = 0; i < STORES; i++) {
        while (done < STORES && counting.done[done + 1] < counting.looks[i].start)
            done++;
        assert_true(counting.looks[i].seen >= done);
    }
}

// How far the clock is off over 50 ms of the system's, as a share.
static double error_over_50_ms(void)
{
    const uint64_t system_start = clock_system_ns();
    const uint64_t start = clock_ticks();
    while (clock_system_ns() - system_start < 50000000) {}
    const double system_ns = (double)(clock_system_ns() - system_start);
    return fabs(clock_ns(clock_ticks() - start) / system_ns - 1);
}

static void test_calibration(void **state)
{
    (void)state;
    double error = 1;
    for (unsigned attempt = 0; attempt < ATTEMPTS && error > 0.01; attempt++)
        error = error_over_50_ms();
    if (error > 0.01)
        fail_msg("%s is %.2f %% off in each of %d attempts", clock_facts.source, 100 * error, ATTEMPTS);
}

// The facts are those of a working clock: it costs something, and steps by no more than a read and its neighbours.
static void test_facts(void **state)
{
    (void)state;
    assert_true(clock_facts.cost_ns > 0 && clock_facts.cost_ns < 1e6);
    assert_true(clock_facts.granularity_ns > 0 && clock_facts.granularity_ns < 1e7);
}

static void test_conversion(void **state)
{
    (void)state;
    const uint64_t ticks = clock_ticks_in(1e9);
    assert_true(fabs(clock_ns(ticks) - 1e9) <= clock_facts.ns_per_tick);
    assert_true(fabs((double)clock_whole_ns(ticks) - clock_ns(ticks)) <= 2);
    assert_true(fabs((double)clock_whole_ns(ticks * 3600) / clock_ns(ticks * 3600) - 1) < 1e-8);
    assert_int_equal(clock_ticks_in(0), 0);
}

// At least its time, by this clock and (within what calibration allows) by the system's.
static void test_spin(void **state)
{
    (void)state;
    for (double ns = 100; ns < 1e7; ns *= 10) {
        const uint64_t system_start = clock_system_ns();
        const uint64_t start = clock_ticks();
        const struct clock_span span = clock_spin(clock_ticks_in(ns));
        assert_in_range(span.start, start, span.end);
        assert_in_range(span.end, span.start + clock_ticks_in(ns), clock_ticks());
        assert_true((double)(clock_system_ns() - system_start) >= 0.98 * ns);
    }
    const struct clock_span none = clock_spin(0);
    assert_true(none.start > 0 && none.end >= none.start);
}

// Where the counter is not trusted, everything still works, in ns.
static void test_without_counter(void **state)
{
    (void)state;
    const struct clock_facts kept = clock_facts;
    clock_facts =
        (struct clock_facts){.source = "clock_gettime", .ns_per_tick = 1.0, .ns_fixed = 1ull << CLOCK_FIXED_BITS};
    const uint64_t before = clock_system_ns(), now = clock_ticks(), after = clock_system_ns();
    assert_in_range(now, before, after);
    const uint64_t start = clock_ticks_before();
    assert_in_range(start, after, clock_system_ns());
    clock_spin(clock_ticks_in(200000));
    assert_true(clock_system_ns() - now >= 200000);
    clock_facts = kept;
}

static int calibrate(void **state)
{
    (void)state;
    clock_calibrate();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice_here),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_monotonic),
        cmocka_unit_test(test_reading_before),
        cmocka_unit_test(test_nothing_is_loaded_before_the_start),
        cmocka_unit_test(test_calibration),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_conversion),
        cmocka_unit_test(test_spin),
        cmocka_unit_test(test_without_counter),
    };
    return cmocka_run_group_tests_name("clock", tests, calibrate, NULL);
}
