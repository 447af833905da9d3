// SPDX-License-Identifier: Apache-2.0
// What record_write_csv refuses, and that a failed write leaves no trace.
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/record_folder.h"

// Everything in the folder, to be compared: the files' contents, NULL for a file that is missing.
struct contents {
    char *texts[RECORD_TABLES];
};

static struct contents contents(void)
{
    struct contents all;
    for (size_t file = 0; file < RECORD_TABLES; file++)
        all.texts[file] = content_of(record_tables[file].file);
    return all;
}

static void check_same(struct contents before)
{
    struct contents after = contents();
    for (size_t file = 0; file < RECORD_TABLES; file++) {
        assert_int_equal(before.texts[file] == NULL, after.texts[file] == NULL);
        if (before.texts[file])
            assert_string_equal(after.texts[file], before.texts[file]);
        free(before.texts[file]);
        free(after.texts[file]);
    }
}

// Expects a refusal whose sentence has all the words given, and that nothing in the folder changed by it.
static void check_refused(const struct record *record, int error, const char *word, const char *another)
{
    struct contents before = contents();
    struct fault fault = {""};
    assert_int_equal(record_write_csv(record, folder, &fault), error);
    if (!strstr(fault.text, word) || !strstr(fault.text, another))
        fail_msg("'%s' does not speak of '%s' and '%s'", fault.text, word, another);
    check_same(before);
}

static void another_schema_version_is_refused(void **state)
{
    (void)state;
    struct record record;
    sample(&record);
    for (size_t file = 0; file < RECORD_TABLES; file++) {
        choose_folder(NULL);
        write_ok(&record);
        char *text = content_of(record_tables[file].file);
        strchr(text, '\n')[1] = '7';
        put_content(record_tables[file].file, text);
        free(text);
        check_refused(&record, -EINVAL, record_tables[file].file,
                      "has schema version 7 and this program writes version 5");

        choose_folder(NULL);
        put_content(record_tables[file].file, "schema_version,and,others\n2,3,4\n");
        check_refused(&record, -EINVAL, record_tables[file].file,
                      "has schema version 2 and this program writes version 5");
    }
}

static void a_foreign_file_is_refused(void **state)
{
    (void)state;
    struct record record;
    sample(&record);
    for (size_t file = 0; file < RECORD_TABLES; file++) {
        choose_folder(NULL);
        put_content(record_tables[file].file, "time,value\n1,2\n");
        check_refused(&record, -EINVAL, record_tables[file].file, "no schema version");
        put_content(record_tables[file].file, "schema_version,value\n5,2\n");
        check_refused(&record, -EINVAL, record_tables[file].file, "other columns");
        choose_folder(NULL);
        write_ok(&record);
        char *text = content_of(record_tables[file].file);
        memcpy(strstr(text, "plan_hash"), "other_has", strlen("other_has"));
        put_content(record_tables[file].file, text);
        free(text);
        check_refused(&record, -EINVAL, record_tables[file].file, "other columns");
        put_content(record_tables[file].file, "x");
        check_refused(&record, -EINVAL, record_tables[file].file, "no schema version");
    }
}

static void a_file_cut_off_in_a_row_is_refused(void **state)
{
    (void)state;
    struct record record;
    sample(&record);
    write_ok(&record);
    char *text = content_of("latency.csv");
    text[strlen(text) - 3] = '\0';
    put_content("latency.csv", text);
    free(text);
    check_refused(&record, -EINVAL, "latency.csv", "middle of a line");
}

static void a_full_disk_leaves_the_folder_as_it_was(void **state)
{
    (void)state;
    struct record record;
    sample(&record);
    for (size_t file = 0; file < RECORD_TABLES; file++) {
        for (int existing = 0; existing <= 1; existing++) {
            choose_folder(NULL);
            if (existing)
                write_ok(&record);
            else
                mkdir(folder, 0777);
            unlink(path_of(record_tables[file].file));
            assert_int_equal(symlink("/dev/full", path_of(record_tables[file].file)), 0);
            struct contents before = {{NULL}};
            for (size_t other = 0; other < RECORD_TABLES; other++)
                before.texts[other] = other == file ? NULL : content_of(record_tables[other].file);
            struct fault fault = {""};
            assert_int_equal(record_write_csv(&record, folder, &fault), -ENOSPC);
            assert_non_null(strstr(fault.text, record_tables[file].file));
            assert_non_null(strstr(fault.text, "No space left on device; nothing was added"));
            unlink(path_of(record_tables[file].file));
            check_same(before);
        }
    }
}

// A write that stops in the middle of a row.
static void a_row_cut_off_by_a_limit_is_taken_back(void **state)
{
    (void)state;
    enum { LONG = 1 << 20 };
    struct record record;
    sample(&record);
    char *detail = malloc(LONG + 1);
    assert_non_null(detail);
    memset(detail, 'x', LONG);
    detail[LONG] = '\0';
    struct rlimit limit, lower;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    lower = limit;
    lower.rlim_cur = LONG / 2;
    signal(SIGXFSZ, SIG_IGN);
    for (int existing = 0; existing <= 1; existing++) {
        choose_folder(NULL);
        record.verdict_detail = "short";
        if (existing)
            write_ok(&record);
        struct contents before = contents();
        record.verdict_detail = detail;
        struct fault fault = {""};
        setrlimit(RLIMIT_FSIZE, &lower);
        const int error = record_write_csv(&record, folder, &fault);
        setrlimit(RLIMIT_FSIZE, &limit);
        assert_int_equal(error, -EFBIG);
        assert_non_null(strstr(fault.text, "throughput.csv"));
        check_same(before);
        record.verdict_detail = "short";
        write_ok(&record);
    }
    signal(SIGXFSZ, SIG_DFL);
    free(detail);
}

static void a_folder_that_is_none_is_refused(void **state)
{
    (void)state;
    struct record record;
    sample(&record);
    put_content("file", "x");
    strcat(folder, "/file");
    check_refused(&record, -ENOTDIR, folder, "Not a directory");
    strcat(folder, "/below");
    check_refused(&record, -ENOTDIR, folder, "Not a directory");
    folder[0] = '\0';
    check_refused(&record, -ENOENT, "''", "No such file");
}

// As a user who may not, since the superuser may always.
static void a_folder_not_writable_is_refused(void **state)
{
    (void)state;
    struct record record;
    sample(&record);
    assert_int_equal(chmod(root, 0755), 0);
    assert_int_equal(mkdir(folder, 0555), 0);
    const uid_t self = geteuid();
    if (self == 0)
        assert_int_equal(seteuid(65534), 0);
    struct fault fault = {""};
    const int checked = record_check_csv(folder, &fault);
    check_refused(&record, -EACCES, folder, "Permission denied");
    strcat(folder, "/below");
    check_refused(&record, -EACCES, folder, "Permission denied");
    strcat(folder, "/deeper/");
    struct fault below = {""};
    const int checked_below = record_check_csv(folder, &below);
    if (self == 0)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(checked, -EACCES);
    assert_non_null(strstr(fault.text, "Permission denied"));
    assert_int_equal(checked_below, -EACCES);
    assert_non_null(strstr(below.text, "Permission denied"));
}

static void checking_beforehand_finds_the_same_and_writes_nothing(void **state)
{
    (void)state;
    struct record record;
    sample(&record);
    struct fault fault = {""};
    assert_int_equal(record_check_csv(folder, &fault), 0);
    assert_int_equal(access(folder, F_OK), -1);
    write_ok(&record);
    struct contents before = contents();
    assert_int_equal(record_check_csv(folder, &fault), 0);
    check_same(before);
    put_content("histogram.csv", "schema_version,x\n9,1\n");
    assert_int_equal(record_check_csv(folder, &fault), -EINVAL);
    assert_non_null(strstr(fault.text, "histogram.csv' has schema version 9"));
}

// What may be made beforehand, whatever the name looks like, and what may not; nothing is ever made.
static void checking_beforehand_makes_no_folder(void **state)
{
    (void)state;
    static const char *const fine[] = {"", "/", "/below", "/below//deeper/"};
    const size_t length = strlen(folder);
    struct record record;
    sample(&record);
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        strcpy(folder + length, fine[i]);
        struct fault fault = {""};
        assert_int_equal(record_check_csv(folder, &fault), 0);
        folder[length] = '\0';
        assert_int_equal(access(folder, F_OK), -1);
    }
    assert_int_equal(chdir(root), 0);
    struct fault fault = {""};
    assert_int_equal(record_check_csv("single", &fault), 0);
    assert_int_equal(access("single", F_OK), -1);
    assert_int_equal(record_check_csv("", &fault), -ENOENT);

    put_content("file", "x");
    assert_int_equal(symlink("nowhere", path_of("link")), 0);
    static const char *const wrong[] = {"/file", "/file/", "/file/below", "/link", "/link/below"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        strcpy(folder + length, wrong[i]);
        fault.text[0] = '\0';
        assert_int_not_equal(record_check_csv(folder, &fault), 0);
        assert_non_null(strstr(fault.text, folder));
        fault.text[0] = '\0';
        assert_int_not_equal(record_write_csv(&record, folder, &fault), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(another_schema_version_is_refused, choose_folder),
        cmocka_unit_test_setup(a_foreign_file_is_refused, choose_folder),
        cmocka_unit_test_setup(a_file_cut_off_in_a_row_is_refused, choose_folder),
        cmocka_unit_test_setup(a_full_disk_leaves_the_folder_as_it_was, choose_folder),
        cmocka_unit_test_setup(a_row_cut_off_by_a_limit_is_taken_back, choose_folder),
        cmocka_unit_test_setup(a_folder_that_is_none_is_refused, choose_folder),
        cmocka_unit_test_setup(a_folder_not_writable_is_refused, choose_folder),
        cmocka_unit_test_setup(checking_beforehand_makes_no_folder, choose_folder),
        cmocka_unit_test_setup(checking_beforehand_finds_the_same_and_writes_nothing, choose_folder),
    };
    return cmocka_run_group_tests_name("record_refused", tests, make_root, remove_root);
}
