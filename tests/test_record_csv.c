// SPDX-License-Identifier: Apache-2.0
// The form of the CSV files, read back cell by cell.
#include <sys/wait.h>
#include <unistd.h>

#include "tests/record_folder.h"

// Takes the next cell of an RFC 4180 file from *text into `cell`; returns what ended it, ',' or '\n'.
static char next_cell(const char **text, char *cell)
{
    const bool quoted = **text == '"';
    *text += quoted;
    for (; **text; (*text)++) {
        if (quoted && (*text)[0] == '"' && (*text)[1] == '"')
            (*text)++;
        else if (quoted ? **text == '"' : (**text == ',' || **text == '\n'))
            break;
        *cell++ = **text;
    }
    *cell = '\0';
    *text += quoted;
    const char end = **text;
    assert_true(end == ',' || end == '\n');
    (*text)++;
    return end;
}

static void check_header(const char **text, const struct record_table *table)
{
    char cell[256];
    next_cell(text, cell);
    assert_string_equal(cell, "schema_version");
    for (size_t i = 0; i < table->count; i++) {
        const char end = next_cell(text, cell);
        assert_string_equal(cell, table->fields[i].name);
        assert_int_equal(end, i + 1 == table->count ? '\n' : ',');
    }
}

// Checks that the next row of `text` is that of a sample_fill'ed record.
static void check_sample_row(const char **text)
{
    char cell[256], expected[64];
    next_cell(text, cell);
    assert_string_equal(cell, "5");
    for (size_t i = 0; i < record_field_count; i++) {
        const char end = next_cell(text, cell);
        if (record_fields[i].type == RECORD_TEXT)
            snprintf(expected, sizeof expected, "%s", record_fields[i].name);
        else if (record_fields[i].type == RECORD_F64)
            snprintf(expected, sizeof expected, "%zu.1", i);
        else
            snprintf(expected, sizeof expected, "%zu", record_fields[i].type == RECORD_BOOL ? (size_t)1 : 1000 + i);
        assert_string_equal(cell, expected);
        assert_int_equal(end, i + 1 == record_field_count ? '\n' : ',');
    }
}

static void throughput_has_a_header_and_a_row_a_run(void **state)
{
    (void)state;
    struct record record;
    sample(&record);
    write_ok(&record);
    write_ok(&record);
    char *text = content_of("throughput.csv");
    const char *rest = text;
    check_header(&rest, &record_tables[RECORD_THROUGHPUT]);
    check_sample_row(&rest);
    check_sample_row(&rest);
    assert_string_equal(rest, "");
    free(text);
}

static void absent_values_are_empty_cells(void **state)
{
    (void)state;
    struct record record;
    record_clear(&record);
    record.operations = 0;
    write_ok(&record);
    char *text = content_of("throughput.csv");
    const char *rest = text;
    check_header(&rest, &record_tables[RECORD_THROUGHPUT]);
    char cell[256];
    next_cell(&rest, cell);
    for (size_t i = 0; i < record_field_count; i++) {
        next_cell(&rest, cell);
        assert_string_equal(cell, record_fields[i].offset == offsetof(struct record, operations) ? "0" : "");
    }
    assert_string_equal(rest, "");
    free(text);
}

static void awkward_texts_are_quoted(void **state)
{
    (void)state;
    struct record record;
    sample_fill(&record);
    record.plan_hash = "a,b";
    record.cell_id = "a \"b\" c";
    record.run_id = "a\nb";
    write_ok(&record);
    char *text = content_of("throughput.csv");
    const char *rest = strchr(text, '\n') + 1;
    assert_memory_equal(rest, "5,\"a,b\",\"a \"\"b\"\" c\",\"a\nb\",", strlen("5,\"a,b\",\"a \"\"b\"\" c\",\"a\nb\","));
    char cell[256];
    const char *expected[] = {"5", "a,b", "a \"b\" c", "a\nb"};
    for (size_t i = 0; i < 4; i++) {
        next_cell(&rest, cell);
        assert_string_equal(cell, expected[i]);
    }
    free(text);
}

static void latency_has_a_row_a_stage(void **state)
{
    (void)state;
    struct record record;
    sample(&record);
    write_ok(&record);
    char *text = content_of("latency.csv");
    const char *rest = text;
    check_header(&rest, &record_tables[RECORD_LATENCY]);
    // 300 samples 1..300 suffice for p90 and no further, 5 for no percentile at all. 270 shares a bin with 271.
    assert_string_equal(rest, "5,plan_hash,cell_id,run_id,service,300,0.0078125,150.5,1,150,270,,,,300\n"
                              "5,plan_hash,cell_id,run_id,total,5,0.0078125,3,1,,,,,,5\n");
    free(text);
}

static void histogram_has_a_row_a_bin(void **state)
{
    (void)state;
    struct record record;
    sample(&record);
    write_ok(&record);
    char *text = content_of("histogram.csv");
    const char *rest = text;
    check_header(&rest, &record_tables[RECORD_HISTOGRAM]);
    uint64_t sums[2] = {0, 0};
    while (*rest) {
        char stage[16];
        uint64_t low, high, count;
        int used = 0;
        assert_int_equal(
            sscanf(rest, "5,plan_hash,cell_id,run_id,%15[a-z],%lu,%lu,%lu\n%n", stage, &low, &high, &count, &used), 4);
        const size_t which = strcmp(stage, "total") == 0;
        assert_int_equal(histogram_bin_high(histogram_bin(low)), high);
        assert_int_equal((which ? &other_histogram : &histogram)->bins[histogram_bin(low)], count);
        assert_true(count > 0);
        sums[which] += count;
        rest += used;
    }
    assert_int_equal(sums[0], 300);
    assert_int_equal(sums[1], 5);
    free(text);
}

static void accounting_has_a_row_a_thread(void **state)
{
    (void)state;
    struct record record;
    sample(&record);
    write_ok(&record);
    char *text = content_of("accounting.csv");
    const char *rest = text;
    check_header(&rest, &record_tables[RECORD_ACCOUNTING]);
    assert_string_equal(rest, "5,plan_hash,cell_id,run_id,async,1,210,10,20,30,40,50,60\n"
                              "5,plan_hash,cell_id,run_id,scheduler,1,216,11,21,31,41,51,61\n");
    free(text);
}

static void timeline_has_a_row_an_interval(void **state)
{
    (void)state;
    struct record record;
    sample(&record);
    write_ok(&record);
    char *text = content_of("timeline.csv");
    const char *rest = text;
    check_header(&rest, &record_tables[RECORD_TIMELINE]);
    assert_string_equal(rest, "5,plan_hash,cell_id,run_id,0,1000,7\n"
                              "5,plan_hash,cell_id,run_id,1000,1500,9\n");
    free(text);
}

static void threads_has_a_row_a_thread_of_the_workload(void **state)
{
    (void)state;
    struct record record;
    sample(&record);
    write_ok(&record);
    char *text = content_of("threads.csv");
    const char *rest = text;
    check_header(&rest, &record_tables[RECORD_THREADS]);
    assert_string_equal(rest, "5,plan_hash,cell_id,run_id,producer,1,3,10,2,1000,0.5,900,4,5,6\n"
                              "5,plan_hash,cell_id,run_id,consumer,1,,0,0,1001,,,,,\n");
    free(text);
}

static void a_run_without_such_rows_leaves_a_header(void **state)
{
    (void)state;
    struct record record;
    sample_fill(&record);
    write_ok(&record);
    for (size_t file = RECORD_ACCOUNTING; file < RECORD_TABLES; file++) {
        char *text = content_of(record_tables[file].file);
        const char *rest = text;
        check_header(&rest, &record_tables[file]);
        assert_string_equal(rest, "");
        free(text);
    }
}

static void folders_are_made_as_needed(void **state)
{
    (void)state;
    struct record record;
    sample(&record);
    strcat(folder, "/a//b/c/");
    write_ok(&record);
    char *text = content_of("throughput.csv");
    assert_non_null(text);
    free(text);
}

static void an_empty_file_gets_a_header(void **state)
{
    (void)state;
    struct record record;
    sample(&record);
    put_content("throughput.csv", "");
    write_ok(&record);
    char *text = content_of("throughput.csv");
    const char *rest = text;
    check_header(&rest, &record_tables[RECORD_THROUGHPUT]);
    check_sample_row(&rest);
    free(text);
}

static void programs_that_write_at_once_do_not_mix_their_rows(void **state)
{
    (void)state;
    enum { WRITERS = 4, RUNS = 25 };
    struct record record;
    sample(&record);
    for (int writer = 0; writer < WRITERS; writer++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child > 0)
            continue;
        int failed = 0;
        for (int run = 0; run < RUNS; run++)
            failed |= record_write_csv(&record, folder, NULL);
        _exit(failed != 0);
    }
    for (int writer = 0; writer < WRITERS; writer++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    char *text = content_of("throughput.csv");
    const char *rest = text;
    check_header(&rest, &record_tables[RECORD_THROUGHPUT]);
    for (int row = 0; row < WRITERS * RUNS; row++)
        check_sample_row(&rest);
    assert_string_equal(rest, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(throughput_has_a_header_and_a_row_a_run, choose_folder),
        cmocka_unit_test_setup(absent_values_are_empty_cells, choose_folder),
        cmocka_unit_test_setup(awkward_texts_are_quoted, choose_folder),
        cmocka_unit_test_setup(latency_has_a_row_a_stage, choose_folder),
        cmocka_unit_test_setup(histogram_has_a_row_a_bin, choose_folder),
        cmocka_unit_test_setup(accounting_has_a_row_a_thread, choose_folder),
        cmocka_unit_test_setup(timeline_has_a_row_an_interval, choose_folder),
        cmocka_unit_test_setup(threads_has_a_row_a_thread_of_the_workload, choose_folder),
        cmocka_unit_test_setup(a_run_without_such_rows_leaves_a_header, choose_folder),
        cmocka_unit_test_setup(folders_are_made_as_needed, choose_folder),
        cmocka_unit_test_setup(an_empty_file_gets_a_header, choose_folder),
        cmocka_unit_test_setup(programs_that_write_at_once_do_not_mix_their_rows, choose_folder),
    };
    return cmocka_run_group_tests_name("record_csv", tests, make_root, remove_root);
}
