// SPDX-License-Identifier: Apache-2.0
// A folder of results for the tests that write CSV files: a fresh one for each test, all removed at the end.
#ifndef READYQ_TESTS_RECORD_FOLDER_H
#define READYQ_TESTS_RECORD_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/record_sample.h"
#include "tests/unit.h"

static struct histogram histogram, other_histogram;
static char root[128];   // holds the folders of all tests of a program
static char folder[192]; // of the running test

// A fresh folder for each test, which does not exist yet.
static inline int choose_folder(void **state)
{
    (void)state;
    static unsigned number;
    snprintf(folder, sizeof folder, "%s/%u", root, number++);
    return 0;
}

static inline int make_root(void **state)
{
    (void)state;
    const char *temporary = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/readyq-record-XXXXXX", temporary ? temporary : P_tmpdir);
    return mkdtemp(root) ? 0 : -1;
}

static inline int remove_root(void **state)
{
    (void)state;
    char command[160];
    snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command);
}

static inline const char *path_of(const char *file)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return path;
}

// The file's content, to be freed; NULL when there is no such file.
static inline char *content_of(const char *file)
{
    FILE *in = fopen(path_of(file), "r");
    if (!in)
        return NULL;
    char *text = NULL;
    size_t length = 0;
    const bool empty = getdelim(&text, &length, '\0', in) < 0;
    fclose(in);
    if (!empty)
        return text;
    free(text);
    return strdup("");
}

static inline void put_content(const char *file, const char *text)
{
    mkdir(folder, 0777);
    FILE *out = fopen(path_of(file), "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static inline void sample(struct record *record)
{
    sample_fill(record);
    sample_stage(record, 0, "service", &histogram, 300);
    sample_stage(record, 1, "total", &other_histogram, 5);
    sample_accounts(record);
    sample_timeline(record);
    sample_threads(record);
}

static inline void write_ok(const struct record *record)
{
    struct fault fault = {""};
    const int error = record_write_csv(record, folder, &fault);
    if (error)
        fail_msg("%d: %s", error, fault.text);
    assert_string_equal(fault.text, "");
}

#endif
