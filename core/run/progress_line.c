// SPDX-License-Identifier: Apache-2.0
#include "core/run/progress_line.h"

#define REDRAW_NS 100000000u
#define WIPE "\r\033[K"

void progress_line_init(struct progress_line *line, FILE *out)
{
    *line = (struct progress_line){.out = out};
}

// 1234567 -> "1.23 M".
static void print_rate(FILE *out, double rate)
{
    static const char *const prefixes[] = {"", " k", " M", " G"};
    unsigned prefix = 0;
    for (; rate >= 1000.0 && prefix < 3; prefix++)
        rate /= 1000.0;
    fprintf(out, "%.3g%s operations/s", rate, prefixes[prefix]);
}

void progress_line_show(struct progress_line *line, const char *phase, uint64_t now_ns, uint64_t elapsed_ns,
                        uint64_t total_ns, uint64_t operations)
{
    if (!line->out || (line->shown_ns && now_ns - line->shown_ns < REDRAW_NS))
        return;
    fprintf(line->out, WIPE "%s  %.1f", phase, (double)elapsed_ns * 1e-9);
    if (total_ns)
        fprintf(line->out, "/%.1f", (double)total_ns * 1e-9);
    fputs(" s", line->out);
    if (line->shown_ns && operations >= line->operations) {
        fputs("  ", line->out);
        print_rate(line->out, (double)(operations - line->operations) / ((double)(now_ns - line->shown_ns) * 1e-9));
    }
    fflush(line->out);
    line->shown_ns = now_ns;
    line->operations = operations;
    line->visible = true;
}

void progress_line_say(struct progress_line *line, const char *text)
{
    if (!line->out)
        return;
    fprintf(line->out, WIPE "%s", text);
    fflush(line->out);
    line->visible = true;
}

void progress_line_clear(struct progress_line *line)
{
    if (!line->visible)
        return;
    fputs(WIPE, line->out);
    fflush(line->out);
    line->visible = false;
}
