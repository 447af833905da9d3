// SPDX-License-Identifier: Apache-2.0
// The patterns that condemn a history, each in a file of its own. All of them take a judge that was opened and has
// convicted nothing, convict its verdict if they occur, and return 0, or -ENOMEM and a sentence.
#ifndef READYQ_HISTORY_CHECK_PATTERNS_H
#define READYQ_HISTORY_CHECK_PATTERNS_H

#include "core/history/check_items.h"

// FIFO, or of each producer (a thread).
int judge_reordered(struct judge *judge);

// The rank error into the verdict; with `convict` more than the relaxation is a reordering.
int judge_rank(struct judge *judge, bool convict);

int judge_false_empty(struct judge *judge);
int judge_false_full(struct judge *judge);
int judge_overfull(struct judge *judge);

// Adds both operations of an item to the witness.
void judge_witness_item(const struct judge *judge, uint32_t item);

#endif
