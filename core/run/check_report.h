// SPDX-License-Identifier: Apache-2.0
// What `readyq check` says: a line a check, or one JSON object, or a Markdown table without anything that varies from
// run to run.
#ifndef READYQ_RUN_CHECK_REPORT_H
#define READYQ_RUN_CHECK_REPORT_H

#include <jansson.h>

#include "core/run/check_child.h"

enum check_format { CHECK_LINES, CHECK_JSON, CHECK_TABLE };

// One queue, when all is over.
struct check_subject {
    const char *spec;                  // as asked for, or as listed
    const struct queue_entry *entry;   // as listed; without ops: not built
    const struct queue_choice *choice; // NULL: not built
    struct check_answer answers[CONFORMANCE_CHECKS_MOST];
    bool asked[CONFORMANCE_CHECKS_MOST]; // false: left out by --only
};

struct check_report {
    enum check_format format;
    json_t *queues; // of CHECK_JSON
    unsigned conforming, violated, checks;
    char violators[256]; // names
};

void check_report_begin(struct check_report *report, const struct conformance_options *options);
// After each check.
void check_report_check(const struct check_report *report, const struct check_subject *subject, unsigned index);
// After each queue.
void check_report_queue(struct check_report *report, const struct check_subject *subject);
// The verdict of all. 0, or a negative errno and a sentence.
int check_report_end(struct check_report *report, const struct conformance_options *options, struct fault *fault);

#endif
