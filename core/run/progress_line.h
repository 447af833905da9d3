// SPDX-License-Identifier: Apache-2.0
// The live line that tells a person at a terminal how far a run has come. Nobody parses it.
#ifndef READYQ_RUN_PROGRESS_LINE_H
#define READYQ_RUN_PROGRESS_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct progress_line {
    FILE *out;           // NULL: silent
    uint64_t shown_ns;   // when it was last drawn; 0: never
    uint64_t operations; // total at that time
    bool visible;
};

// Silent unless `out` is given.
void progress_line_init(struct progress_line *line, FILE *out);

// Draws the line anew, unless that was done a moment ago. `total_ns` 0: no end in sight. `operations` is the total so
// far, from which the rate is taken.
void progress_line_show(struct progress_line *line, const char *phase, uint64_t now_ns, uint64_t elapsed_ns,
                        uint64_t total_ns, uint64_t operations);

// Draws one text that stays, for want of anybody to draw another.
void progress_line_say(struct progress_line *line, const char *text);

// Wipes it off.
void progress_line_clear(struct progress_line *line);

#endif
