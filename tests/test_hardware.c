// SPDX-License-Identifier: Apache-2.0
// The counters on a system that is played: each counter's file holds what the kernel would tell at the two readings.
#include "tests/unit.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/measure/hardware.h"

#define COUNT_FIRST 1000u
#define COUNT_BY(i) (100u * ((i) + 1))

// How the system answers.
static struct {
    int error;           // of the processor's counters; 0: they are there
    int error_of_kernel; // of all that count in the kernel
    int error_of_all;    //
    uint64_t running_ns; // of each 1000 ns enabled
    unsigned only;       // bits of the processor's counters that are there; 0: all
    unsigned opened;     // calls that succeeded
    bool all_inherit;
} played;

static unsigned number_of(const struct perf_event_attr *attributes)
{
    if (attributes->type == PERF_TYPE_SOFTWARE)
        return attributes->config == PERF_COUNT_SW_CPU_MIGRATIONS     ? HARDWARE_MIGRATIONS
               : attributes->config == PERF_COUNT_SW_CONTEXT_SWITCHES ? HARDWARE_SWITCHES
                                                                      : HARDWARE_FAULTS;
    static const unsigned numbers[] = {
        [PERF_COUNT_HW_CPU_CYCLES] = HARDWARE_CYCLES,
        [PERF_COUNT_HW_INSTRUCTIONS] = HARDWARE_INSTRUCTIONS,
        [PERF_COUNT_HW_CACHE_REFERENCES] = HARDWARE_CACHE_REFERENCES,
        [PERF_COUNT_HW_CACHE_MISSES] = HARDWARE_CACHE_MISSES,
        [PERF_COUNT_HW_BRANCH_MISSES] = HARDWARE_BRANCH_MISSES,
    };
    return numbers[attributes->config];
}

static int refusal_of(const struct perf_event_attr *attributes)
{
    if (played.error_of_all)
        return played.error_of_all;
    if (!attributes->exclude_kernel && played.error_of_kernel)
        return played.error_of_kernel;
    if (attributes->type != PERF_TYPE_HARDWARE)
        return 0;
    if (played.only && !(played.only & 1u << number_of(attributes)))
        return ENOENT;
    return played.error;
}

static int open_played(struct perf_event_attr *attributes)
{
    const int error = refusal_of(attributes);
    if (error) {
        errno = error;
        return -1;
    }
    const unsigned i = number_of(attributes);
    const uint64_t running = attributes->type == PERF_TYPE_HARDWARE ? played.running_ns : 1000;
    const struct hardware_value values[2] = {{COUNT_FIRST, 500, 400},
                                             {COUNT_FIRST + COUNT_BY(i), 500 + 1000, 400 + running}};
    const int file = memfd_create("counter", MFD_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(write(file, values, sizeof values), sizeof values);
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    played.opened++;
    played.all_inherit &= attributes->inherit;
    return file;
}

static struct hardware_counts count(struct hardware *hardware)
{
    struct hardware_reading opened, closing;
    hardware_open(hardware, open_played);
    hardware_read(hardware, &opened);
    hardware_read(hardware, &closing);
    const struct hardware_counts counts = hardware_between(hardware, &opened, &closing);
    hardware_close(hardware);
    return counts;
}

static int play_all(void **state)
{
    (void)state;
    memset(&played, 0, sizeof played);
    played.running_ns = 1000;
    played.all_inherit = true;
    return 0;
}

static void expect_absent(const struct hardware *hardware, const char *begin)
{
    char text[1000];
    hardware_tell_absent(hardware, text, sizeof text);
    if (strncmp(text, begin, strlen(begin)) != 0 || (!*begin && *text))
        fail_msg("'%s' does not begin with '%s'", text, begin);
}

static void test_all_there(void **state)
{
    (void)state;
    struct hardware hardware;
    const struct hardware_counts counts = count(&hardware);
    for (unsigned i = 0; i < HARDWARE_COUNTERS; i++)
        assert_int_equal(counts.counts[i], COUNT_BY(i));
    assert_true(counts.counted_share == 1);
    assert_int_equal(played.opened, HARDWARE_COUNTERS);
    assert_true(played.all_inherit);
    assert_string_equal(hardware_scope(&hardware), "user+kernel");
    expect_absent(&hardware, "");
}

static void test_nothing_permitted(void **state)
{
    (void)state;
    struct hardware hardware;
    played.error_of_all = EACCES;
    const struct hardware_counts counts = count(&hardware);
    for (unsigned i = 0; i < HARDWARE_COUNTERS; i++)
        assert_true(counts.counts[i] == UINT64_MAX);
    assert_true(isnan(counts.counted_share));
    assert_null(hardware_scope(&hardware));
    expect_absent(&hardware,
                  "cycles, instructions, cache references, cache misses, branch misses, migrations, context switches, "
                  "page faults: not permitted (sudo sysctl kernel.perf_event_paranoid=1");
}

// What happens in the kernel only would be counted as 0 from user mode: it is absent.
static void test_only_user_mode_permitted(void **state)
{
    (void)state;
    struct hardware hardware;
    played.error_of_kernel = EACCES;
    const struct hardware_counts counts = count(&hardware);
    assert_int_equal(counts.counts[HARDWARE_CYCLES], COUNT_BY(HARDWARE_CYCLES));
    assert_int_equal(counts.counts[HARDWARE_FAULTS], COUNT_BY(HARDWARE_FAULTS));
    assert_true(counts.counts[HARDWARE_MIGRATIONS] == UINT64_MAX);
    assert_true(counts.counts[HARDWARE_SWITCHES] == UINT64_MAX);
    assert_string_equal(hardware_scope(&hardware), "user");
    expect_absent(&hardware, "migrations, context switches: not permitted");
}

static void test_not_supported(void **state)
{
    (void)state;
    const int errors[] = {ENOENT, EOPNOTSUPP, ENODEV, EINVAL, ENOSYS};
    for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct hardware hardware;
        played.error = errors[i];
        const struct hardware_counts counts = count(&hardware);
        assert_true(counts.counts[HARDWARE_CYCLES] == UINT64_MAX);
        assert_int_equal(counts.counts[HARDWARE_SWITCHES], COUNT_BY(HARDWARE_SWITCHES));
        assert_true(isnan(counts.counted_share));
        assert_string_equal(hardware_scope(&hardware), "user+kernel");
        expect_absent(&hardware,
                      "cycles, instructions, cache references, cache misses, branch misses: not supported by this");
    }
}

static void test_some_there(void **state)
{
    (void)state;
    struct hardware hardware;
    played.only = 1u << HARDWARE_CYCLES | 1u << HARDWARE_BRANCH_MISSES;
    const struct hardware_counts counts = count(&hardware);
    assert_int_equal(counts.counts[HARDWARE_CYCLES], COUNT_BY(HARDWARE_CYCLES));
    assert_int_equal(counts.counts[HARDWARE_BRANCH_MISSES], COUNT_BY(HARDWARE_BRANCH_MISSES));
    assert_true(counts.counts[HARDWARE_INSTRUCTIONS] == UINT64_MAX);
    expect_absent(&hardware, "instructions, cache references, cache misses: not supported");
}

static void test_over_committed(void **state)
{
    (void)state;
    struct hardware hardware;
    played.running_ns = 500;
    struct hardware_counts counts = count(&hardware);
    assert_int_equal(counts.counts[HARDWARE_CYCLES], 2 * COUNT_BY(HARDWARE_CYCLES));
    assert_int_equal(counts.counts[HARDWARE_SWITCHES], COUNT_BY(HARDWARE_SWITCHES));
    assert_true(counts.counted_share == 0.5);
    expect_absent(&hardware, "");
    played.running_ns = 250;
    counts = count(&hardware);
    assert_int_equal(counts.counts[HARDWARE_CYCLES], 4 * COUNT_BY(HARDWARE_CYCLES));
    played.running_ns = 249;
    counts = count(&hardware);
    assert_true(counts.counts[HARDWARE_CYCLES] == UINT64_MAX);
    assert_true(isnan(counts.counted_share));
    expect_absent(&hardware, "cycles, instructions, cache references, cache misses, branch misses: over-committed");
}

// The kernel's counters alone are not worth what they cost, unless they are asked for.
static void test_spared(void **state)
{
    (void)state;
    struct hardware hardware;
    hardware_open(&hardware, open_played);
    hardware_spare(&hardware);
    assert_int_equal(hardware.states[HARDWARE_FAULTS], HARDWARE_COUNTED);
    hardware_close(&hardware);
    played.error = ENOENT;
    hardware_open(&hardware, open_played);
    hardware_spare(&hardware);
    for (unsigned i = 0; i < HARDWARE_COUNTERS; i++) {
        assert_true(hardware.files[i] < 0);
        assert_int_equal(hardware.states[i], i < HARDWARE_MIGRATIONS ? HARDWARE_NOT_SUPPORTED : HARDWARE_SPARED);
    }
    assert_null(hardware_scope(&hardware));
    char text[1000];
    hardware_tell_absent(&hardware, text, sizeof text);
    assert_non_null(strstr(text, "; migrations, context switches, page faults: left out"));
    hardware_none(&hardware);
    hardware_spare(&hardware);
    expect_absent(&hardware, "");
}

static void test_not_asked_for(void **state)
{
    (void)state;
    struct hardware hardware;
    struct hardware_reading reading;
    hardware_none(&hardware);
    hardware_read(&hardware, &reading);
    const struct hardware_counts counts = hardware_between(&hardware, &reading, &reading);
    for (unsigned i = 0; i < HARDWARE_COUNTERS; i++)
        assert_true(counts.counts[i] == UINT64_MAX);
    assert_null(hardware_scope(&hardware));
    expect_absent(&hardware, "");
    hardware_close(&hardware);
}

// This machine, whatever it has: what is counted grows, what is absent is said.
static void test_here(void **state)
{
    (void)state;
    struct hardware hardware;
    struct hardware_reading opened, closing;
    hardware_open(&hardware, NULL);
    hardware_read(&hardware, &opened);
    for (volatile unsigned i = 0; i < 1000000; i++) {}
    hardware_read(&hardware, &closing);
    const struct hardware_counts counts = hardware_between(&hardware, &opened, &closing);
    char text[1000];
    hardware_tell_absent(&hardware, text, sizeof text);
    bool any_absent = false;
    for (unsigned i = 0; i < HARDWARE_COUNTERS; i++)
        any_absent |= counts.counts[i] == UINT64_MAX;
    assert_int_equal(any_absent, text[0] != '\0');
    if (counts.counts[HARDWARE_INSTRUCTIONS] != UINT64_MAX)
        assert_true(counts.counts[HARDWARE_INSTRUCTIONS] > 1000000);
    hardware_close(&hardware);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_all_there, play_all),
        cmocka_unit_test_setup(test_nothing_permitted, play_all),
        cmocka_unit_test_setup(test_only_user_mode_permitted, play_all),
        cmocka_unit_test_setup(test_not_supported, play_all),
        cmocka_unit_test_setup(test_some_there, play_all),
        cmocka_unit_test_setup(test_over_committed, play_all),
        cmocka_unit_test_setup(test_spared, play_all),
        cmocka_unit_test_setup(test_not_asked_for, play_all),
        cmocka_unit_test_setup(test_here, play_all),
    };
    return cmocka_run_group_tests_name("hardware", tests, NULL, NULL);
}
