// SPDX-License-Identifier: Apache-2.0
// Appending to several CSV files so that all of them get their lines, or none.
#ifndef READYQ_MEASURE_APPEND_H
#define READYQ_MEASURE_APPEND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/fault.h"

struct append_file {
    const char *name;     // within the directory
    const char *text;     // the header line, then the lines to append
    size_t length;        // of `text`
    size_t header_length; // of the header line, its newline included

    int descriptor; // private from here
    bool made;      // did not exist before
    off_t old_length;
};

// Makes `directory`, with what leads to it, and appends to the files in it, in the given order; a file that is missing
// or empty gets its header first. A file that has another header, or whose first column says another version
// than `version`, is refused (-EINVAL) before anything is written. When something can't be written, all files
// are set back. On disk when it returns. 0, or a negative errno and a sentence.
int append_all(struct append_file *files, size_t count, const char *directory, unsigned version, struct fault *fault);

// Refuses what append_all would refuse before it writes; makes nothing, and so can only tell whether the parent of a
// missing directory may be written into.
int append_check(struct append_file *files, size_t count, const char *directory, unsigned version, struct fault *fault);

#endif
