// SPDX-License-Identifier: Apache-2.0
// One conformance check in a process of its own, so that a queue that hangs or crashes takes only that one with it.
#ifndef READYQ_RUN_CHECK_CHILD_H
#define READYQ_RUN_CHECK_CHILD_H

#include "core/check/conformance.h"

enum check_state { CHECK_OK, CHECK_VIOLATED, CHECK_NOT_APPLICABLE };

struct check_answer {
    enum check_state state;
    char sentence[320]; // what is wrong, or why it is not applicable
    char *timeline;     // of a history that is wrong; NULL: there is none. Allocated
    double seconds;
};

// This process is the child, and is to end at once with *child_code and without a word.
#define CHECK_IS_CHILD 1

// Runs check number `index`. 0 and the answer, a negative errno and a sentence if the machine did not give what it
// needs, or CHECK_IS_CHILD. No other thread runs. What is in stdout's buffer is written before.
int check_in_child(const struct queue_choice *choice, const struct conformance_options *options, unsigned index,
                   struct check_answer *answer, int *child_code, struct fault *fault);

#endif
