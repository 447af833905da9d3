// SPDX-License-Identifier: Apache-2.0
// The table of fields, the JSON record and the dictionary, each held against struct record itself.
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tests/record_sample.h"
#include "tests/unit.h"

static struct histogram histogram, other_histogram;

static bool ends_with(const char *text, const char *end)
{
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static void every_member_is_in_the_table(void **state)
{
    (void)state;
    size_t expected = 0;
    for (size_t i = 0; i < record_field_count; i++) {
        assert_int_equal(record_fields[i].offset, expected);
        expected += record_fields[i].type == RECORD_TEXT ? sizeof(char *) : sizeof(uint64_t);
    }
    assert_int_equal(expected, offsetof(struct record, stages));
    // A few by name, so that a table of the right shape with wrong names is caught.
    assert_string_equal(record_fields[0].name, "plan_hash");
    assert_string_equal(record_fields[record_field_count - 1].name, "stopped_dequeue_share");
    for (size_t i = 0; i < record_field_count; i++) {
        if (record_fields[i].offset == offsetof(struct record, fairness))
            assert_string_equal(record_fields[i].name, "fairness");
    }
}

static void each_column_is_described(void **state)
{
    (void)state;
    for (size_t file = 0; file < RECORD_TABLES; file++) {
        for (size_t i = 0; i < record_tables[file].count; i++) {
            const struct record_field *field = &record_tables[file].fields[i];
            assert_true(strlen(field->help) > 20 && ends_with(field->help, "."));
            assert_null(strpbrk(field->help, "|\n"));
            assert_true(!*field->better || !strcmp(field->better, "higher") || !strcmp(field->better, "lower"));
            assert_int_equal(ends_with(field->name, "_ns"), strcmp(field->unit, "ns") == 0);
            assert_int_equal(ends_with(field->name, "_bytes"), strcmp(field->unit, "bytes") == 0);
            for (size_t earlier = 0; earlier < i; earlier++)
                assert_string_not_equal(field->name, record_tables[file].fields[earlier].name);
        }
    }
}

// The JSON line of a record; to be freed.
static char *json_line(const struct record *record)
{
    char *line;
    size_t length;
    FILE *out = open_memstream(&line, &length);
    assert_non_null(out);
    assert_int_equal(record_write_json(record, out), 0);
    fclose(out);
    assert_ptr_equal(strchr(line, '\n'), line + length - 1);
    return line;
}

static json_t *json_of(const struct record *record)
{
    char *line = json_line(record);
    json_error_t error;
    json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        fail_msg("%s in %s", error.text, line);
    free(line);
    return json;
}

static void a_cleared_record_has_no_field(void **state)
{
    (void)state;
    struct record record;
    memset(&record, 1, sizeof record);
    record_clear(&record);
    for (size_t i = 0; i < record_field_count; i++)
        assert_true(record_field_absent(&record_fields[i], &record));
    char *line = json_line(&record);
    assert_string_equal(line,
                        "{\"schema_version\":5,\"latency\":{},\"accounting\":[],\"timeline\":[],\"per_thread\":[]}\n");
    free(line);
}

static void json_has_every_field_in_order(void **state)
{
    (void)state;
    struct record record;
    sample_fill(&record);
    json_t *json = json_of(&record);
    assert_int_equal(json_integer_value(json_object_get(json, "schema_version")), RECORD_SCHEMA_VERSION);
    void *place = json_object_iter(json);
    assert_string_equal(json_object_iter_key(place), "schema_version");
    for (size_t i = 0; i < record_field_count; i++) {
        const struct record_field *field = &record_fields[i];
        place = json_object_iter_next(json, place);
        assert_string_equal(json_object_iter_key(place), field->name);
        const json_t *value = json_object_iter_value(place);
        if (field->type == RECORD_TEXT)
            assert_string_equal(json_string_value(value), field->name);
        else if (field->type == RECORD_F64)
            assert_true(json_real_value(value) == (double)i + 0.1);
        else
            assert_int_equal(json_integer_value(value), field->type == RECORD_BOOL ? 1 : 1000 + i);
    }
    place = json_object_iter_next(json, place);
    assert_string_equal(json_object_iter_key(place), "latency");
    place = json_object_iter_next(json, place);
    assert_string_equal(json_object_iter_key(place), "accounting");
    place = json_object_iter_next(json, place);
    assert_string_equal(json_object_iter_key(place), "timeline");
    place = json_object_iter_next(json, place);
    assert_string_equal(json_object_iter_key(place), "per_thread");
    assert_null(json_object_iter_next(json, place));
    json_decref(json);
}

static void absent_members_are_left_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < record_field_count; i++) {
        struct record record, cleared;
        sample_fill(&record);
        record_clear(&cleared);
        memcpy((char *)&record + record_fields[i].offset, (char *)&cleared + record_fields[i].offset, 8);
        json_t *json = json_of(&record);
        assert_null(json_object_get(json, record_fields[i].name));
        assert_int_equal(json_object_size(json), record_field_count + 4);
        json_decref(json);
    }
    struct record record;
    sample_fill(&record);
    record.queue_params = "";
    record.throughput_ops_per_s = 1.0 / 0.0;
    json_t *json = json_of(&record);
    assert_null(json_object_get(json, "queue_params"));
    assert_null(json_object_get(json, "throughput_ops_per_s"));
    json_decref(json);
}

static void numbers_keep_every_digit(void **state)
{
    (void)state;
    struct record record;
    record_clear(&record);
    record.seed = UINT64_MAX - 1;
    record.operations = 0;
    record.fairness = 0.1;
    record.clock_cost_ns = 1.0 / 3;
    record.throughput_ops_per_s = 5e-324;
    record.sentinel_before_ns = 12345678;
    char *line = json_line(&record);
    assert_non_null(strstr(line, "\"seed\":18446744073709551614,"));
    assert_non_null(strstr(line, "\"operations\":0,"));
    assert_non_null(strstr(line, "\"fairness\":0.1,"));
    assert_non_null(strstr(line, "\"sentinel_before_ns\":12345678,"));
    assert_true(strtod(strstr(line, "\"clock_cost_ns\":") + strlen("\"clock_cost_ns\":"), NULL) == 1.0 / 3);
    assert_true(strtod(strstr(line, "ops_per_s\":") + strlen("ops_per_s\":"), NULL) == 5e-324);
    free(line);
}

static void any_text_makes_valid_json(void **state)
{
    (void)state;
    struct record record;
    record_clear(&record);
    record.verdict_detail = "a \"quoted\" \\ word,\na tab\t, \x01 and \xc3\xa4";
    record.pin = "broken \xff text";
    json_t *json = json_of(&record);
    assert_string_equal(json_string_value(json_object_get(json, "verdict_detail")), record.verdict_detail);
    assert_string_equal(json_string_value(json_object_get(json, "pin")), "broken ? text");
    json_decref(json);
}

static void latency_has_summary_and_bins(void **state)
{
    (void)state;
    struct record record;
    record_clear(&record);
    sample_stage(&record, 0, "service", &histogram, 1000);
    sample_stage(&record, 1, "total", &other_histogram, 0);
    json_t *json = json_of(&record);
    const json_t *stage = json_object_get(json_object_get(json, "latency"), "service");
    assert_int_equal(json_integer_value(json_object_get(stage, "samples")), 1000);
    assert_true(json_real_value(json_object_get(stage, "relative_error")) == HISTOGRAM_RELATIVE_ERROR);
    assert_true(json_number_value(json_object_get(stage, "latency_mean_ns")) == 500.5);
    assert_int_equal(json_integer_value(json_object_get(stage, "latency_min_ns")), 1);
    assert_int_equal(json_integer_value(json_object_get(stage, "latency_max_ns")), 1000);
    assert_int_equal(json_integer_value(json_object_get(stage, "latency_p50_ns")), 500);
    assert_null(json_object_get(stage, "latency_p999_ns"));
    assert_null(json_object_get(stage, "stage"));
    uint64_t sum = 0;
    size_t index;
    json_t *bin;
    json_array_foreach(json_object_get(stage, "bins"), index, bin)
    {
        assert_int_equal(json_array_size(bin), 3);
        const uint64_t low = (uint64_t)json_integer_value(json_array_get(bin, 0));
        assert_int_equal(json_integer_value(json_array_get(bin, 1)), histogram_bin_high(histogram_bin(low)));
        assert_int_equal(json_integer_value(json_array_get(bin, 2)), histogram.bins[histogram_bin(low)]);
        sum += (uint64_t)json_integer_value(json_array_get(bin, 2));
    }
    assert_int_equal(sum, 1000);

    const json_t *empty = json_object_get(json_object_get(json, "latency"), "total");
    assert_int_equal(json_object_size(empty), 3); // samples, relative_error, bins
    assert_int_equal(json_integer_value(json_object_get(empty, "samples")), 0);
    assert_int_equal(json_array_size(json_object_get(empty, "bins")), 0);
    json_decref(json);
}

static void a_percentile_needs_ten_samples_above_it(void **state)
{
    (void)state;
    const struct {
        const char *name;
        uint64_t least;
    } percentiles[] = {{"latency_p50_ns", 20},
                       {"latency_p90_ns", 100},
                       {"latency_p99_ns", 1000},
                       {"latency_p999_ns", 10000},
                       {"latency_p9999_ns", 100000}};
    for (size_t i = 0; i < sizeof percentiles / sizeof *percentiles; i++) {
        for (uint64_t samples = percentiles[i].least - 1; samples <= percentiles[i].least; samples++) {
            struct record record;
            record_clear(&record);
            sample_stage(&record, 0, "total", &histogram, samples);
            json_t *json = json_of(&record);
            const json_t *value =
                json_object_get(json_object_get(json_object_get(json, "latency"), "total"), percentiles[i].name);
            assert_int_equal(value != NULL, samples == percentiles[i].least);
            json_decref(json);
        }
    }
}

static void the_largest_latency_is_not_taken_for_absent(void **state)
{
    (void)state;
    struct record record;
    record_clear(&record);
    sample_stage(&record, 0, "total", &histogram, 0);
    histogram_record(&histogram, UINT64_MAX);
    char *line = json_line(&record);
    assert_non_null(strstr(line, "\"latency_max_ns\":18446744073709551614"));
    assert_non_null(strstr(line, ",18446744073709551614,1]]"));
    free(line);
}

static void accounting_has_an_object_a_thread(void **state)
{
    (void)state;
    struct record record;
    sample_fill(&record);
    sample_accounts(&record);
    json_t *json = json_of(&record);
    const json_t *threads = json_object_get(json, "accounting");
    assert_int_equal(json_array_size(threads), SAMPLE_ACCOUNTS);
    const json_t *first = json_array_get(threads, 0), *second = json_array_get(threads, 1);
    assert_int_equal(json_object_size(first), 9); // without what the record says of itself
    assert_string_equal(json_string_value(json_object_get(first, "thread_kind")), "async");
    assert_int_equal(json_integer_value(json_object_get(first, "thread_number")), 1);
    assert_int_equal(json_integer_value(json_object_get(first, "wall_ns")), 210);
    assert_int_equal(json_integer_value(json_object_get(first, "port_ns")), 10);
    assert_int_equal(json_integer_value(json_object_get(first, "ready_ns")), 20);
    assert_int_equal(json_integer_value(json_object_get(first, "clean_ns")), 30);
    assert_int_equal(json_integer_value(json_object_get(first, "check_ns")), 40);
    assert_int_equal(json_integer_value(json_object_get(first, "other_ns")), 50);
    assert_int_equal(json_integer_value(json_object_get(first, "sleep_ns")), 60);
    assert_string_equal(json_string_value(json_object_get(second, "thread_kind")), "scheduler");
    json_decref(json);
}

static void the_timeline_has_three_numbers_an_interval(void **state)
{
    (void)state;
    struct record record;
    sample_fill(&record);
    sample_timeline(&record);
    json_t *json = json_of(&record);
    char *timeline = json_dumps(json_object_get(json, "timeline"), JSON_COMPACT);
    assert_string_equal(timeline, "[[0,1000,7],[1000,1500,9]]");
    free(timeline);
    json_decref(json);
}

static void each_thread_of_the_workload_has_an_object(void **state)
{
    (void)state;
    struct record record;
    sample_fill(&record);
    sample_threads(&record);
    json_t *json = json_of(&record);
    char *threads = json_dumps(json_object_get(json, "per_thread"), JSON_COMPACT);
    assert_string_equal(
        threads, "[{\"role\":\"producer\",\"thread_number\":1,\"cpu\":3,\"operations\":10,\"operations_failed\":2,"
                 "\"window_ns\":1000,\"throughput_ops_per_s\":0.5,\"cpu_ns\":900,\"switches_voluntary\":4,"
                 "\"switches_involuntary\":5,\"migrations\":6},"
                 "{\"role\":\"consumer\",\"thread_number\":1,\"operations\":0,\"operations_failed\":0,"
                 "\"window_ns\":1001}]");
    free(threads);
    json_decref(json);
}

static void the_environment_is_there_without_what_is_unknown(void **state)
{
    (void)state;
    struct record record;
    struct environment environment = {.count = 3};
    environment.facts[0] = (struct environment_fact){"kernel", "6.1 \"x\""};
    environment.facts[1] = (struct environment_fact){"governor", ""};
    environment.facts[2] = (struct environment_fact){"cpu_model", "some \xff processor"};
    record_clear(&record);
    record.environment = &environment;
    json_t *json = json_of(&record);
    const json_t *facts = json_object_get(json, "environment");
    assert_int_equal(json_object_size(facts), 2);
    assert_string_equal(json_string_value(json_object_get(facts, "kernel")), "6.1 \"x\"");
    assert_string_equal(json_string_value(json_object_get(facts, "cpu_model")), "some ? processor");
    json_decref(json);
}

static void a_full_disk_is_reported(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    struct record record;
    sample_fill(&record);
    assert_int_equal(record_write_json(&record, full), -ENOSPC);
    clearerr(full);
    assert_int_equal(record_write_fields_json(full), -ENOSPC);
    fclose(full);
}

static void the_field_list_in_json_equals_the_tables(void **state)
{
    (void)state;
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    assert_int_equal(record_write_fields_json(out), 0);
    fclose(out);
    json_t *files = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(files);
    assert_int_equal(json_object_size(files), RECORD_TABLES);
    for (size_t file = 0; file < RECORD_TABLES; file++) {
        const json_t *columns = json_object_get(files, record_tables[file].file);
        assert_int_equal(json_array_size(columns), record_tables[file].count + 1);
        for (size_t i = 0; i <= record_tables[file].count; i++) {
            const struct record_field *field = i ? &record_tables[file].fields[i - 1] : &record_schema_field;
            const json_t *column = json_array_get(columns, i);
            assert_int_equal(json_object_size(column), 5);
            assert_string_equal(json_string_value(json_object_get(column, "name")), field->name);
            assert_string_equal(json_string_value(json_object_get(column, "type")), record_type_names[field->type]);
            assert_string_equal(json_string_value(json_object_get(column, "unit")), field->unit);
            assert_string_equal(json_string_value(json_object_get(column, "better")), field->better);
            assert_string_equal(json_string_value(json_object_get(column, "help")), field->help);
        }
    }
    json_decref(files);
    free(text);
}

static void the_dictionary_has_a_table_for_each_file(void **state)
{
    (void)state;
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    record_write_dictionary(out);
    fclose(out);
    char *rest = text;
    for (size_t file = 0; file < RECORD_TABLES; file++) {
        char heading[64];
        snprintf(heading, sizeof heading, "## %s\n", record_tables[file].file);
        rest = strstr(rest, heading);
        assert_non_null(rest);
        rest = strstr(rest, "| column | type | unit | better | meaning |\n");
        assert_non_null(rest);
        for (size_t i = 0; i <= record_tables[file].count; i++) {
            const struct record_field *field = i ? &record_tables[file].fields[i - 1] : &record_schema_field;
            char row[1024];
            snprintf(row, sizeof row, "\n| `%s` | %s | %s | %s | %s |\n", field->name, record_type_names[field->type],
                     field->unit, field->better, field->help);
            rest = strstr(rest, row);
            assert_non_null(rest);
        }
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_is_in_the_table),
        cmocka_unit_test(each_column_is_described),
        cmocka_unit_test(a_cleared_record_has_no_field),
        cmocka_unit_test(json_has_every_field_in_order),
        cmocka_unit_test(absent_members_are_left_out),
        cmocka_unit_test(numbers_keep_every_digit),
        cmocka_unit_test(any_text_makes_valid_json),
        cmocka_unit_test(latency_has_summary_and_bins),
        cmocka_unit_test(a_percentile_needs_ten_samples_above_it),
        cmocka_unit_test(the_largest_latency_is_not_taken_for_absent),
        cmocka_unit_test(accounting_has_an_object_a_thread),
        cmocka_unit_test(the_timeline_has_three_numbers_an_interval),
        cmocka_unit_test(each_thread_of_the_workload_has_an_object),
        cmocka_unit_test(the_environment_is_there_without_what_is_unknown),
        cmocka_unit_test(a_full_disk_is_reported),
        cmocka_unit_test(the_field_list_in_json_equals_the_tables),
        cmocka_unit_test(the_dictionary_has_a_table_for_each_file),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
