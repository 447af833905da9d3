// SPDX-License-Identifier: Apache-2.0
// deflate on real data, and with a zlib that packs or unpacks wrongly now and then. Its calls are wrapped by the linker
// (tests/CMakeLists.txt).
#include "tests/load_run.h"

#include <unistd.h>
#include <zlib.h>

#include "core/sync/atomic.h"

#define BYTES 50000u
#define BLOCK 1000u
// So many calls go well before the fault: those that prepare the blocks, and some.
#define SPARED (BYTES / BLOCK + 40)

enum lie {
    LIE_NONE,
    LIE_PACKS_WRONGLY,   // one bit
    LIE_PACKS_SHORT,     // says that the result is shorter
    LIE_PACKS_NOT,       // fails
    LIE_UNPACKS_WRONGLY, //
    LIE_UNPACKS_NOT,     //
};

static enum lie lie;
static _Atomic unsigned packed, unpacked;
static char path[64];
static unsigned char text[BYTES];

int __wrap_deflate(z_streamp stream, int flush);
int __real_deflate(z_streamp stream, int flush);
int __wrap_inflate(z_streamp stream, int flush);
int __real_inflate(z_streamp stream, int flush);

int __wrap_deflate(z_streamp stream, int flush)
{
    unsigned char *made = stream->next_out;
    const int result = __real_deflate(stream, flush);
    if (at_add_rlx(&packed, 1) <= SPARED)
        return result;
    if (lie == LIE_PACKS_WRONGLY)
        made[stream->total_out / 2] ^= 1;
    if (lie == LIE_PACKS_SHORT)
        stream->total_out--;
    return lie == LIE_PACKS_NOT ? Z_OK : result;
}

int __wrap_inflate(z_streamp stream, int flush)
{
    unsigned char *made = stream->next_out;
    const int result = __real_inflate(stream, flush);
    if (at_add_rlx(&unpacked, 1) <= SPARED)
        return result;
    if (lie == LIE_UNPACKS_WRONGLY)
        made[stream->total_out - 1] ^= 1;
    return lie == LIE_UNPACKS_NOT ? Z_DATA_ERROR : result;
}

static void prepare(enum lie which)
{
    lie = which;
    at_store_rlx(&packed, 0);
    at_store_rlx(&unpacked, 0);
}

static const char *load_of(const char *more)
{
    static char words[256];
    snprintf(words, sizeof words, "deflate:file=%s,block_bytes=%u,%s", path, BLOCK, more);
    return words;
}

static void sound(const char *words)
{
    struct outcome outcome;
    prepare(LIE_NONE);
    load_sound(&outcome, words, "20ms");
    assert_true(load_stage(&outcome.record, "service")->count > 0);
    assert_true(load_reported.bytes_per_s > 0);
    assert_non_null(strstr(load_reported.note, " % of their size"));
    outcome_free(&outcome);
}

static void violated(enum lie which, const char *more, const char *expected)
{
    prepare(which);
    load_violated(load_of(more), expected);
}

static void test_own_program(void **state)
{
    (void)state;
    sound("deflate:level=1");
    sound("deflate:operation=inflate");
}

static void test_sound(void **state)
{
    (void)state;
    sound(load_of("verify_every=1"));
    sound(load_of("operation=inflate,verify_every=1,window=1"));
    sound(load_of("workers=0"));
    sound(load_of("workers=0,operation=inflate --pool erts:completion=worker"));
    sound(load_of("schedulers=2,workers=3,level=9"));
    sound(load_of("level=0,verify_every=1"));
    sound(load_of("window=8,verify_every=3 --pool erts:completion=worker"));
    sound(load_of("window=8 --queue list:capacity=1"));
}

// Every byte of every result of one job in so many: each is unpacked once more.
static void test_how_many_are_checked(void **state)
{
    (void)state;
    struct outcome outcome;
    prepare(LIE_NONE);
    load_sound(&outcome, load_of("verify_every=4"), "30ms");
    const unsigned jobs = at_load_rlx(&packed) - BYTES / BLOCK;
    assert_int_equal(at_load_rlx(&unpacked), jobs / 4);
    outcome_free(&outcome);
    prepare(LIE_NONE);
    load_sound(&outcome, load_of("verify_every=0"), "20ms");
    assert_int_equal(at_load_rlx(&unpacked), 0);
    outcome_free(&outcome);
}

// As much of the file as is wanted, in whole blocks.
static void test_input(void **state)
{
    (void)state;
    struct outcome outcome;
    prepare(LIE_NONE);
    load_sound(&outcome, load_of("input_bytes=2999,operation=inflate"), "20ms");
    assert_int_equal(at_load_rlx(&packed), 2);
    uLongf sizes[2] = {2 * BLOCK, 2 * BLOCK};
    unsigned char made[2 * BLOCK];
    char expected[160];
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(compress2(made, &sizes[i], text + (size_t)i * BLOCK, BLOCK, 6), Z_OK);
    snprintf(expected, sizeof expected, "level 6 packs these blocks of 1000 bytes to %.1f %% of their size",
             (double)(sizes[0] + sizes[1]) * 100 / (2 * BLOCK));
    assert_string_equal(load_reported.note, expected);
    outcome_free(&outcome);
}

static void test_bad_input(void **state)
{
    (void)state;
    load_refused("deflate:file=not/there", -ENOENT, "file 'not/there' can't be read: No such file or directory");
    load_refused("deflate:file=/proc", -EISDIR, "file '/proc' can't be read: Is a directory");
    load_refused("deflate:file=/dev/null", -EINVAL, "file '/dev/null' has 0 bytes, fewer than a block of 16384");
    load_contradicts(load_of("input_bytes=999"), "input_bytes must be at least a block of 1000, not 999; raise");
    load_contradicts("deflate:window=4096", "take more than 1 GiB; lower window or schedulers");
}

static void test_wrong_results(void **state)
{
    (void)state;
    violated(LIE_PACKS_WRONGLY, "verify_every=1", "gave other bytes than it must");
    violated(LIE_PACKS_WRONGLY, "verify_every=7,schedulers=2", "deflate of block ");
    violated(LIE_PACKS_SHORT, "verify_every=0", " bytes where it must give ");
    violated(LIE_PACKS_NOT, "verify_every=0,workers=0", "gave 0 bytes where it must give ");
    violated(LIE_UNPACKS_WRONGLY, "operation=inflate,verify_every=5", "inflate of block ");
    violated(LIE_UNPACKS_NOT, "operation=inflate,verify_every=0", "gave 0 bytes where it must give 1000");
}

// Only its length is looked at.
static void test_wrong_bytes_that_nobody_checks(void **state)
{
    (void)state;
    struct outcome outcome;
    prepare(LIE_PACKS_WRONGLY);
    load_sound(&outcome, load_of("verify_every=0"), "20ms");
    outcome_free(&outcome);
}

// The same few words over and over, so that its blocks pack well, and to other lengths.
static int begin(void **state)
{
    snprintf(path, sizeof path, "test_deflate.XXXXXX");
    const int file = mkstemp(path);
    memset(text, '.', sizeof text);
    for (unsigned i = 0; i + 16 < sizeof text; i += 40 + i % 7)
        memcpy(text + i, i % 3 ? "a job comes home" : "its port is shut", 16);
    if (file < 0 || write(file, text, sizeof text) != (ssize_t)sizeof text || close(file) != 0)
        return -1;
    return load_begin(state);
}

static int end(void **state)
{
    return unlink(path) == 0 ? load_end(state) : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_program),
        cmocka_unit_test(test_sound),
        cmocka_unit_test(test_how_many_are_checked),
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_wrong_results),
        cmocka_unit_test(test_wrong_bytes_that_nobody_checks),
    };
    return cmocka_run_group_tests_name("deflate", tests, begin, end);
}
