// SPDX-License-Identifier: Apache-2.0
// The witness drawn for a person: a line an operation, a bar in columns of one common time. Where true proportions
// would draw different moments in one column, long stretches are shortened (as their logarithm) and the heading says
// so; the order of the moments, on which the verdict rests, stays visible.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/history/check_witness.h"

#define WIDTH_LEAST 60u
#define WIDTH_MOST 400u
#define BAR_LEAST 8u
#define MOMENTS_MOST (2 * HISTORY_WITNESS_MOST)

struct drawing {
    const struct history *history;
    const struct history_verdict *verdict;
    FILE *out;
    uint64_t moments[MOMENTS_MOST]; // where anything starts or ends, ascending, in ticks
    unsigned columns[MOMENTS_MOST]; // of each
    unsigned moment_count;
    bool to_scale;
    unsigned label_width, bar_width, number_width;
};

struct label {
    char text[96];
};

static struct label label_of(const struct drawing *drawing, const struct history_step *step)
{
    static const char *const does[HISTORY_KINDS] = {
        [HISTORY_ENQUEUE] = "enqueue", [HISTORY_DEQUEUE] = "dequeue", [HISTORY_EMPTY] = "EMPTY",
        [HISTORY_FULL] = "FULL",       [HISTORY_SUBMIT] = "submit",   [HISTORY_INVOKE] = "invoke",
        [HISTORY_READY] = "ready",     [HISTORY_FREE] = "free",       [HISTORY_KEY] = "key",
    };
    const struct history_thread *thread = &drawing->history->threads[step->thread];
    const enum history_kind kind = history_kind(&step->event);
    const struct history_item_name item = history_item_name(drawing->history, step->event.item);
    struct label label;
    snprintf(label.text, sizeof label.text, "%.16s %" PRIu32 " %s%s%s", history_role_name(thread), thread->rank,
             does[kind], kind == HISTORY_EMPTY ? "" : " ", kind == HISTORY_EMPTY ? "" : item.text);
    return label;
}

static double ns_of(const struct drawing *drawing, uint64_t ticks)
{
    return (double)(ticks - drawing->moments[0]) * drawing->history->ns_per_tick;
}

static unsigned place_of(const struct drawing *drawing, uint64_t moment)
{
    unsigned place = 0;
    while (place < drawing->moment_count && drawing->moments[place] < moment)
        place++;
    return place;
}

static void add_moment(struct drawing *drawing, uint64_t moment)
{
    const unsigned place = place_of(drawing, moment);
    if (place < drawing->moment_count && drawing->moments[place] == moment)
        return;
    memmove(&drawing->moments[place + 1], &drawing->moments[place],
            (drawing->moment_count - place) * sizeof drawing->moments[0]);
    drawing->moments[place] = moment;
    drawing->moment_count++;
}

// Columns 0 to `last` by true proportions. Whether all moments got columns of their own.
static bool scale_truly(struct drawing *drawing, unsigned last)
{
    const uint64_t first = drawing->moments[0], length = drawing->moments[drawing->moment_count - 1] - first;
    bool apart = true;
    for (unsigned at = 1; at < drawing->moment_count; at++) {
        drawing->columns[at] = (unsigned)lround((double)(drawing->moments[at] - first) / (double)length * last);
        apart = apart && drawing->columns[at] > drawing->columns[at - 1];
    }
    return apart;
}

// A column for each moment, if there are so many, and the rest by the logarithms of the stretches between them.
static void scale_by_logarithm(struct drawing *drawing, unsigned last)
{
    const unsigned stretches = drawing->moment_count - 1;
    const double fixed = stretches <= last ? 1 : (double)last / stretches;
    double logarithms = 0, sum = 0;
    for (unsigned at = 1; at <= stretches; at++)
        logarithms += log2(1 + (double)(drawing->moments[at] - drawing->moments[at - 1]));
    for (unsigned at = 1; at <= stretches; at++) {
        sum += log2(1 + (double)(drawing->moments[at] - drawing->moments[at - 1]));
        drawing->columns[at] = (unsigned)(fixed * at + (last - fixed * stretches) * sum / logarithms + 1e-6);
    }
}

static unsigned digits(double number)
{
    return (unsigned)snprintf(NULL, 0, "%.0f", number);
}

static void lay_out(struct drawing *drawing, unsigned width)
{
    const struct history_verdict *verdict = drawing->verdict;
    for (unsigned at = 0; at < verdict->witness_count; at++) {
        const struct history_event *event = &verdict->witness[at].event;
        add_moment(drawing, event->start);
        add_moment(drawing, history_end(event));
        const unsigned length = (unsigned)strlen(label_of(drawing, &verdict->witness[at]).text);
        drawing->label_width = length > drawing->label_width ? length : drawing->label_width;
    }
    drawing->number_width = digits(ns_of(drawing, drawing->moments[drawing->moment_count - 1]));
    if (drawing->number_width < strlen("end ns"))
        drawing->number_width = strlen("end ns");
    const unsigned others = 2 * (drawing->number_width + 1) + 1;
    if (drawing->label_width + BAR_LEAST + others > width)
        drawing->label_width = width > BAR_LEAST + others ? width - BAR_LEAST - others : 1;
    const unsigned taken = drawing->label_width + others;
    drawing->bar_width = width > taken + BAR_LEAST ? width - taken : BAR_LEAST;
    // The last column of the bars is for the points of arrows.
    drawing->to_scale = scale_truly(drawing, drawing->bar_width - 2);
    if (!drawing->to_scale)
        scale_by_logarithm(drawing, drawing->bar_width - 2);
}

// An enqueue of an item that did not come out.
static bool is_open(const struct drawing *drawing, const struct history_event *event)
{
    if (history_kind(event) != HISTORY_ENQUEUE)
        return false;
    for (unsigned at = 0; at < drawing->verdict->witness_count; at++) {
        const struct history_event *other = &drawing->verdict->witness[at].event;
        if (history_kind(other) == HISTORY_DEQUEUE && other->item == event->item)
            return false;
    }
    return true;
}

static void draw_step(const struct drawing *drawing, const struct history_step *step)
{
    char bar[WIDTH_MOST + 1];
    const unsigned start = drawing->columns[place_of(drawing, step->event.start)];
    const unsigned end = drawing->columns[place_of(drawing, history_end(&step->event))];
    memset(bar, ' ', drawing->bar_width);
    bar[drawing->bar_width] = '\0';
    memset(bar + start, '-', end - start);
    bar[start] = bar[end] = '|';
    if (is_open(drawing, &step->event)) {
        memset(bar + end + 1, '.', drawing->bar_width - 1 - (end + 1));
        bar[drawing->bar_width - 1] = '>';
    }
    fprintf(drawing->out, "%-*.*s %s %*.0f %*.0f\n", (int)drawing->label_width, (int)drawing->label_width,
            label_of(drawing, step).text, bar, (int)drawing->number_width, ns_of(drawing, step->event.start),
            (int)drawing->number_width, ns_of(drawing, history_end(&step->event)));
}

static void draw_heading(const struct drawing *drawing)
{
    fprintf(drawing->out, "time 0 is %.0f ns into the recording%s\n",
            (double)drawing->moments[0] * drawing->history->ns_per_tick, drawing->to_scale ? "; to scale" : "");
    if (!drawing->to_scale)
        fputs("not to scale: long stretches are shortened\n", drawing->out);
    if (drawing->history->skew_ticks > 0)
        fprintf(drawing->out, "clocks of two processors may differ by %.3g ns\n",
                (double)drawing->history->skew_ticks * drawing->history->ns_per_tick);
    fprintf(drawing->out, "%*s %*s\n", (int)(drawing->label_width + drawing->bar_width + 2 + drawing->number_width),
            "start", (int)drawing->number_width, "end ns");
}

void history_timeline(const struct history *history, const struct history_verdict *verdict, unsigned width, FILE *out)
{
    struct drawing drawing = {.history = history, .verdict = verdict, .out = out};
    if (verdict->witness_count == 0)
        return;
    width = width < WIDTH_LEAST ? WIDTH_LEAST : width;
    lay_out(&drawing, width > WIDTH_MOST ? WIDTH_MOST : width);
    draw_heading(&drawing);
    for (unsigned at = 0; at < verdict->witness_count; at++)
        draw_step(&drawing, &verdict->witness[at]);
    if (verdict->witness_whole > verdict->witness_count)
        fprintf(out, "and %u more operations\n", verdict->witness_whole - verdict->witness_count);
}
