// SPDX-License-Identifier: Apache-2.0
// Tables for people: aligned columns, wrapped cells, no spaces at the ends of lines.
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/run/table.h"

static char *print(struct table *table, unsigned indent)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(table_print(table, out, indent), 0);
    fclose(out);
    return text;
}

static void expect(unsigned columns, unsigned indent, const char *const *cells, const char *wanted)
{
    struct table table;
    table_init(&table, columns);
    for (; *cells; cells++)
        table_cell(&table, "%s", *cells);
    char *text = print(&table, indent);
    assert_string_equal(text, wanted);
    free(text);
    text = print(&table, indent); // it is empty again
    assert_string_equal(text, "");
    free(text);
}

static void test_alignment(void **state)
{
    (void)state;
    expect(3, 0, (const char *const[]){"a", "b", "c", "long", "x", "y", NULL}, "a     b  c\nlong  x  y\n");
    expect(2, 2, (const char *const[]){"a", "b", NULL}, "  a  b\n");
    expect(1, 0, (const char *const[]){"a", "b", NULL}, "a\nb\n");
}

static void test_empty_cells_leave_no_spaces(void **state)
{
    (void)state;
    expect(3, 1, (const char *const[]){"a", "", "", "", "b", "", "", "", "c", NULL}, " a\n    b\n       c\n");
}

static void test_wrapping(void **state)
{
    (void)state;
    expect(2, 0, (const char *const[]){"a cell of more than twenty-eight characters", "note", NULL},
           "a cell of more than           note\ntwenty-eight characters\n");
    expect(2, 0, (const char *const[]){"a_single_word_of_more_than_twenty-eight_characters", "note", NULL},
           "a_single_word_of_more_than_twenty-eight_characters  note\n");
    expect(2, 0, (const char *const[]){"first=10,second=20,third=30,fourth=40", "note", NULL},
           "first=10,second=20,third=30,  note\nfourth=40\n");
    expect(2, 0, (const char *const[]){"a_part_of_more_than_twenty-eight_characters,rest", "note", NULL},
           "a_part_of_more_than_twenty-eight_characters,  note\nrest\n");
}

static void test_last_column_has_the_rest_of_the_line(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 2);
    table_cell(&table, "name");
    char words[400] = "";
    for (unsigned i = 0; i < 70; i++)
        strcat(words, i % 2 ? " odd" : " even");
    table_cell(&table, "%s", words + 1);
    char *text = print(&table, 2);
    unsigned lines = 0, count = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
        assert_true(strlen(line) <= 118 && strlen(line) > 20);
        assert_true(line[strlen(line) - 1] != ' ');
        assert_memory_equal(line, lines ? "        " : "  name  ", 8);
        for (const char *at = line; (at = strchr(at, 'd')); at++) // "odd" has two
            count++;
    }
    assert_int_equal(lines, 3);
    assert_int_equal(count, 70);
    free(text);
}

static void test_many_cells(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 2);
    for (unsigned i = 0; i < 1000; i++)
        table_cell(&table, "%u", i);
    char *text = print(&table, 0);
    unsigned next = 0;
    for (char *word = strtok(text, " \n"); word; word = strtok(NULL, " \n"))
        assert_int_equal(atoi(word), next++);
    assert_int_equal(next, 1000);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment),  cmocka_unit_test(test_empty_cells_leave_no_spaces),
        cmocka_unit_test(test_wrapping),   cmocka_unit_test(test_last_column_has_the_rest_of_the_line),
        cmocka_unit_test(test_many_cells),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
