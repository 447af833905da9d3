// SPDX-License-Identifier: Apache-2.0
// A judged history, for people and for scripts.
#ifndef READYQ_RUN_HISTORY_SHOW_H
#define READYQ_RUN_HISTORY_SHOW_H

#include <stdio.h>

#include "core/history/check.h"

struct history_judged {
    const struct history *history;
    const struct history_verdict *verdict;
    uint64_t read_ns, judge_ns; // what it took
};

// Some lines, then the sentence and the witness where something is wrong, at most `width` columns wide. 0 or -ENOMEM.
int history_show(const struct history_judged *judged, unsigned width, FILE *out);

// One JSON object on one line. 0, -ENOMEM, or -EIO when `out` does not take it.
int history_show_json(const struct history_judged *judged, FILE *out);

#endif
