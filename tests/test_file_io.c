// SPDX-License-Identifier: Apache-2.0
// file_io on real files, and with system calls that fail, do half of what they were asked for, or lie
// (tests/lying_files.h).
#include "tests/load_run.h"
#include "tests/lying_files.h"

#include <dirent.h>
#include <unistd.h>

#include "workloads/file_io_blocks.h"
#include "workloads/own_window.h"

static char directory[64];

static void expect_nothing_left(void)
{
    DIR *opened = opendir(directory);
    assert_non_null(opened);
    for (const struct dirent *entry = readdir(opened); entry; entry = readdir(opened))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            fail_msg("%s is left behind", entry->d_name);
    closedir(opened);
    prepare(LIE_NONE);
}

// The load with 64 blocks a file, and what else is said of it.
static const char *load_of(const char *more)
{
    static char words[256];
    snprintf(words, sizeof words, "file_io:directory=%s,file_bytes=%u,%s", directory, BLOCK * BLOCKS, more);
    return words;
}

static void sound(const char *more)
{
    struct outcome outcome;
    load_sound(&outcome, load_of(more), "20ms");
    assert_true(load_stage(&outcome.record, "service")->count > 0);
    assert_true(load_reported.bytes_per_s > 0);
    assert_int_equal(at_load_rlx(&overlaps), 0);
    outcome_free(&outcome);
    expect_nothing_left();
}

static void refused(enum lie which, const char *more, int error, const char *expected)
{
    prepare(which);
    load_refused(load_of(more), error, expected);
    expect_nothing_left();
}

static void violated(enum lie which, const char *more, const char *expected)
{
    prepare(which);
    load_violated(load_of(more), expected);
    expect_nothing_left();
}

// ---------------------------------------------------------------- blocks

static void test_every_byte_of_a_block_counts(void **state)
{
    (void)state;
    uint64_t words[IO_BLOCK_LEAST / sizeof(uint64_t)];
    unsigned char *bytes = (unsigned char *)words;
    const struct io_name name = {.seed = 5, .file = 1, .block = 3, .generation = 7};
    io_block_fill(words, sizeof words, &name);
    assert_true(io_block_is(words, sizeof words, &name));
    for (size_t i = 0; i < sizeof words; i++) {
        bytes[i] ^= 0x20;
        assert_false(io_block_is(words, sizeof words, &name));
        bytes[i] ^= 0x20;
    }
    for (unsigned i = 0; i < 4; i++) {
        struct io_name other = name;
        *(i == 0 ? &other.seed : i == 1 ? &other.file : i == 2 ? &other.block : &other.generation) += 1;
        assert_false(io_block_is(words, sizeof words, &other));
    }
}

static void test_a_wrong_block_is_explained(void **state)
{
    (void)state;
    uint64_t words[IO_BLOCK_LEAST / sizeof(uint64_t)];
    const struct io_name name = {.seed = 5, .file = 1, .block = 3, .generation = 7};
    const struct io_name wanted = {.seed = 5, .file = 0, .block = 4, .generation = 8};
    char text[200];
    io_block_fill(words, sizeof words, &name);
    io_block_explain(words, sizeof words, &wanted, text, sizeof text);
    assert_string_equal(text, "a read of block 4 of file 0 did not find generation 8, but block 3 of file 1 in "
                              "generation 7");
    words[20]++;
    io_block_explain(words, sizeof words, &wanted, text, sizeof text);
    assert_string_equal(text, "a read of block 4 of file 0 did not find generation 8, but what no write has made");
}

static void test_rate_of_a_window(void **state)
{
    (void)state;
    struct own_window window = {.start_ticks = 1000, .start_count = 5};
    assert_true(own_window_rate(&window) == 0);
    window.end_ticks = 1000 + clock_ticks_in(5e8);
    window.end_count = 25;
    assert_true(fabs(own_window_rate(&window) - 40) < 0.001);
}

// ---------------------------------------------------------------- sound runs

static void test_sound(void **state)
{
    (void)state;
    sound("operation=mixed");
    sound("operation=read,access=sequential,window=1");
    sound("operation=write,window=64");
    sound("schedulers=2,workers=3,window=8");
    sound("schedulers=2,workers=3,window=8,shared=yes");
    sound("workers=0");
    sound("workers=0,schedulers=2,shared=yes --pool erts:completion=worker");
    sound("window=16 --pool erts:completion=worker");
    sound("window=16,sample_every=3 --queue list:capacity=1");
    sound("block_bytes=65536,window=4");
}

// Of 64 blocks with 64 jobs each is in use all the time, and by one call at a time.
static void test_calls_for_one_block_do_not_overlap(void **state)
{
    (void)state;
    is_watching = true;
    sound("window=64,workers=4,write_share=50");
    is_watching = true;
    sound("window=60,workers=4,schedulers=1,access=sequential,operation=write");
}

static void test_shares_of_writes(void **state)
{
    (void)state;
    struct outcome outcome;
    prepare(LIE_NONE);
    load_sound(&outcome, load_of("write_share=25"), "50ms");
    const double made = at_load_rlx(&reads), put = at_load_rlx(&writes) - 1; // but for the one when the file was made
    if (made + put > 1000)
        assert_true(put / (made + put) > 0.15 && put / (made + put) < 0.35);
    outcome_free(&outcome);
    load_sound(&outcome, load_of("write_share=0"), "20ms");
    assert_int_equal(load_stage(&outcome.record, "fsync")->count, 0);
    outcome_free(&outcome);
    expect_nothing_left();
}

static void test_syncs(void **state)
{
    (void)state;
    struct outcome outcome;
    prepare(LIE_NONE);
    load_sound(&outcome, load_of("operation=write,fsync_every=5,sample_every=0"), "50ms");
    const unsigned synced = at_load_rlx(&syncs) - 1; // but for the one when the file was made
    assert_int_equal(synced, (at_load_rlx(&writes) - 1) / 5);
    assert_true(load_stage(&outcome.record, "fsync")->count > 0);
    assert_true(load_stage(&outcome.record, "fsync")->count <= synced);
    assert_int_equal(load_stage(&outcome.record, "service")->count, 0);
    outcome_free(&outcome);
    expect_nothing_left();
}

static void test_page_cache_is_mentioned(void **state)
{
    (void)state;
    struct outcome outcome;
    load_sound(&outcome, load_of("operation=read"), "20ms");
    assert_non_null(strstr(load_reported.note, "page cache"));
    outcome_free(&outcome);
    load_sound(&outcome, load_of("operation=write,fsync_every=1"), "20ms");
    assert_string_equal(load_reported.note, "");
    outcome_free(&outcome);
    // Where the file system does not take direct I/O, it says so.
    load_run(&outcome, load_of("direct=yes"), "20ms");
    if (outcome.code == 0)
        assert_string_equal(load_reported.note, "");
    else
        assert_non_null(strstr(outcome.fault.text, "takes no direct I/O in blocks of 4096 bytes"));
    outcome_free(&outcome);
    expect_nothing_left();
}

static void test_poor_file_systems(void **state)
{
    (void)state;
    prepare(LIE_NO_NAMELESS);
    sound("schedulers=2");
    prepare(LIE_HALF);
    sound("operation=mixed");
}

// ---------------------------------------------------------------- bad input

static void test_directories(void **state)
{
    (void)state;
    load_refused("file_io", -EINVAL, "directory is missing; give one");
    load_refused("file_io:directory=not/there", -ENOENT, "'not/there' can't be opened: No such file");
    load_refused("file_io:directory=/proc/self/exe", -ENOTDIR, "'/proc/self/exe' can't be opened: Not a directory");
    refused(LIE_READ_ONLY, "workers=1", -EROFS, "can't hold a new file: Read-only file system");
    refused(LIE_FULL, "workers=1", -ENOSPC, "and the files of this run take 262144; make room");
    refused(LIE_FULL_LATE, "schedulers=2", -ENOSPC, "a file of 262144 bytes can't be made");
    refused(LIE_SYNC_AT_FIRST, "workers=1", -EIO, "can't be made in directory");
    refused(LIE_NO_DIRECT, "direct=yes", -EINVAL, "takes no direct I/O in blocks of 4096 bytes");
    refused(LIE_BLOCK_DIRECT, "direct=yes", -EINVAL, "takes no direct I/O in blocks of 4096 bytes");
    prepare(LIE_NO_NAMELESS);
    load_refused("file_io:directory=/proc/self/fd,file_bytes=512,block_bytes=512,window=1", -ENOSPC, "has room for 0");
}

static void test_contradictions(void **state)
{
    (void)state;
    load_contradicts("file_io:directory=.,block_bytes=1k", "must be a multiple of 512, not 1000");
    load_contradicts("file_io:directory=.,file_bytes=131071", "gives each scheduler 31 blocks, fewer than the 32 jobs");
    load_contradicts("file_io:directory=.,file_bytes=131072,shared=yes,schedulers=2", "16 blocks, fewer than the 32");
    load_contradicts("file_io:directory=.,file_bytes=10G,block_bytes=1048576,window=1025", "more than 1 GiB");
}

// ---------------------------------------------------------------- faults while it runs

static void test_calls_that_fail(void **state)
{
    (void)state;
    violated(LIE_READ_FAILS, "operation=mixed", "a read of block ");
    violated(LIE_READ_FAILS, "operation=read,schedulers=2", "failed: Input/output error");
    violated(LIE_READ_ENDS, "operation=read", "failed: No data available");
    violated(LIE_WRITE_FAILS, "operation=mixed", "failed: No space left on device");
    violated(LIE_WRITE_FAILS, "operation=write,workers=0", "a write of block ");
    violated(LIE_SYNC_FAILS, "operation=write,fsync_every=3", "the fsync after a write of block ");
}

static void test_files_that_lie(void **state)
{
    (void)state;
    violated(LIE_READ_BODY, "operation=read", "but what no write has made");
    violated(LIE_READ_NAME, "operation=mixed", "but what no write has made");
    violated(LIE_READ_ELSEWHERE, "operation=read", " of file 0 in generation 0");
    violated(LIE_WRITE_LOST, "operation=mixed", " in generation ");
    violated(LIE_WRITE_ELSEWHERE, "operation=mixed,workers=0", " of file 0 in generation ");
}

// Only reading back what was written can show it.
static void test_lost_writes_without_reads(void **state)
{
    (void)state;
    struct outcome outcome;
    prepare(LIE_WRITE_LOST);
    load_run(&outcome, load_of("operation=write"), "20ms");
    assert_int_equal(outcome.code, 1);
    assert_non_null(strstr(outcome.record.verdict_detail, "did not find generation "));
    outcome_free(&outcome);
    expect_nothing_left();
}

static int begin(void **state)
{
    snprintf(directory, sizeof directory, "test_file_io.XXXXXX");
    return mkdtemp(directory) ? load_begin(state) : -1;
}

static int end(void **state)
{
    return rmdir(directory) == 0 ? load_end(state) : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_of_a_block_counts),
        cmocka_unit_test(test_a_wrong_block_is_explained),
        cmocka_unit_test(test_rate_of_a_window),
        cmocka_unit_test(test_sound),
        cmocka_unit_test(test_calls_for_one_block_do_not_overlap),
        cmocka_unit_test(test_shares_of_writes),
        cmocka_unit_test(test_syncs),
        cmocka_unit_test(test_page_cache_is_mentioned),
        cmocka_unit_test(test_poor_file_systems),
        cmocka_unit_test(test_directories),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_calls_that_fail),
        cmocka_unit_test(test_files_that_lie),
        cmocka_unit_test(test_lost_writes_without_reads),
    };
    return cmocka_run_group_tests_name("file_io", tests, begin, end);
}
