// SPDX-License-Identifier: Apache-2.0
// What the course of the throughput shows:
//
//   drift  median rate of the last third of the intervals by that of the first third
//   cv     standard deviation of the rates by their mean
//   modes  how many rates the run gathered around
//
// The modes are those of a Gaussian kernel density of the rates. Its bandwidth is two thirds of Silverman's rule of
// thumb (B. W. Silverman, Density Estimation for Statistics and Data Analysis, 1986, section 3.4), and at least 2 % of
// the median rate and one operation an interval, below which counts say nothing. A mode holds a tenth of the intervals
// or more, and five of them, and between it and the next one the density falls below a quarter of the lower of their
// peaks. So two regimes six standard deviations apart are seen among a hundred intervals, while noise, even or skewed,
// is one mode: among thirty intervals it is taken for two about once in fifty times, among a hundred hardly ever.
#include "core/measure/timeline.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SHAPE_LEAST 9u  // intervals, for drift and cv
#define MODES_LEAST 30u // likewise, for modes
#define MODE_SHARE 0.1
#define MODE_LEAST 5.0 // intervals
#define VALLEY 0.25
#define BANDWIDTH_FACTOR 0.6
#define BANDWIDTH_LEAST 0.02 // of the median

uint64_t timeline_every_ns(uint64_t duration_ns, uint64_t parts)
{
    if (parts == 0)
        return 0;
    const uint64_t every_ns = duration_ns / parts;
    return every_ns > TIMELINE_INTERVAL_LEAST_NS ? every_ns : TIMELINE_INTERVAL_LEAST_NS;
}

int timeline_open(struct timeline *timeline, uint64_t duration_ns, uint64_t parts)
{
    timeline->every_ns = timeline_every_ns(duration_ns, parts);
    if (timeline->every_ns == 0)
        return 0;
    // The last thread may enter late, and each interval may be half as short.
    timeline->room = 2 * (size_t)(duration_ns / timeline->every_ns) + 2;
    timeline->intervals = calloc(timeline->room, sizeof *timeline->intervals);
    return timeline->intervals ? 0 : -ENOMEM;
}

void timeline_close(struct timeline *timeline)
{
    free(timeline->intervals);
    *timeline = (struct timeline){0};
}

void timeline_read(struct timeline *timeline, uint64_t now_ns, uint64_t done)
{
    const uint64_t passed = now_ns - timeline->last_ns;
    if (!timeline->begun) {
        timeline->begun = true;
        timeline->first_ns = now_ns;
    } else if (passed < timeline->every_ns / 2 || timeline->count == timeline->room) {
        return;
    } else {
        timeline->intervals[timeline->count++] = (struct record_interval){
            .interval_start_ns = timeline->last_ns - timeline->first_ns,
            .interval_ns = passed,
            .operations = done - timeline->last_done,
        };
    }
    timeline->last_ns = now_ns;
    timeline->last_done = done;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Of sorted values.
static double quantile(const double *values, size_t count, double q)
{
    const double place = q * (double)(count - 1);
    const size_t low = (size_t)place;
    const size_t high = low + 1 < count ? low + 1 : low;
    return values[low] + (values[high] - values[low]) * (place - (double)low);
}

static double rate_of(const struct record_interval *interval)
{
    return (double)interval->operations / (double)interval->interval_ns;
}

// Rates of `count` intervals into `rates`, sorted; returns their median.
static double sort_rates(const struct record_interval *intervals, size_t count, double *rates)
{
    for (size_t i = 0; i < count; i++)
        rates[i] = rate_of(&intervals[i]);
    qsort(rates, count, sizeof *rates, compare);
    return quantile(rates, count, 0.5);
}

struct moments {
    double mean, deviation;
};

static struct moments moments(const double *values, size_t count)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    const double mean = sum / (double)count;
    for (size_t i = 0; i < count; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    return (struct moments){mean, sqrt(squares / (double)(count - 1))};
}

static double bandwidth(const double *rates, size_t count, double resolution)
{
    const double quarters = (quantile(rates, count, 0.75) - quantile(rates, count, 0.25)) / 1.349;
    const double spread = fmin(moments(rates, count).deviation, quarters);
    const double least = fmax(BANDWIDTH_LEAST * quantile(rates, count, 0.5), resolution);
    return fmax(BANDWIDTH_FACTOR * spread * pow((double)count, -0.2), least);
}

static double density(const double *rates, size_t count, double width, double at)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += exp(-0.5 * ((rates[i] - at) / width) * ((rates[i] - at) / width));
    return sum;
}

// A walk along the density, from the lowest rate to the highest.
struct walk {
    bool falling;
    double peak, valley;
    size_t in_mode, since_valley; // intervals
    size_t least;                 // of a mode
    uint64_t modes;
};

static void end_mode(struct walk *walk)
{
    walk->modes += walk->in_mode - walk->since_valley >= walk->least;
    walk->in_mode = walk->since_valley;
    walk->falling = false;
}

// A place with `intervals` of them, 0 or 1.
static void step(struct walk *walk, double height, size_t intervals)
{
    walk->in_mode += intervals;
    walk->since_valley += intervals;
    if (!walk->falling) {
        walk->peak = fmax(walk->peak, height);
        walk->falling = height < VALLEY * walk->peak;
        walk->valley = height;
        walk->since_valley = 0;
    } else if (height < walk->valley) {
        walk->valley = height;
        walk->since_valley = 0;
    } else if (height * VALLEY > walk->valley) {
        end_mode(walk);
        walk->peak = height;
    }
}

static uint64_t count_modes(const double *rates, size_t count, double resolution)
{
    const double width = bandwidth(rates, count, resolution);
    struct walk walk = {.least = (size_t)ceil(fmax(MODE_SHARE * (double)count, MODE_LEAST))};
    if (width <= 0)
        return 1; // nothing was done in most intervals
    for (size_t i = 0; i < count; i++) {
        step(&walk, density(rates, count, width, rates[i]), 1);
        if (i + 1 < count)
            step(&walk, density(rates, count, width, (rates[i] + rates[i + 1]) / 2), 0);
    }
    walk.since_valley = 0;
    end_mode(&walk);
    return walk.modes ? walk.modes : 1;
}

static uint64_t mean_length_ns(const struct record_interval *intervals, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += intervals[i].interval_ns;
    return sum / count;
}

struct timeline_shape timeline_shape(const struct record_interval *intervals, size_t count)
{
    struct timeline_shape shape = {RECORD_ABSENT_F64, RECORD_ABSENT_F64, RECORD_ABSENT};
    double *rates = count < SHAPE_LEAST ? NULL : malloc(count * sizeof *rates);
    if (!rates)
        return shape;
    const size_t third = count / 3;
    const double first = sort_rates(intervals, third, rates);
    const double last = sort_rates(intervals + count - third, third, rates);
    sort_rates(intervals, count, rates);
    const struct moments all = moments(rates, count);
    shape.drift = last / first; // not finite, and so absent, where nothing was done in the first third
    shape.cv = all.deviation / all.mean;
    if (count >= MODES_LEAST)
        shape.modes = count_modes(rates, count, 1 / (double)mean_length_ns(intervals, count));
    free(rates);
    return shape;
}

void timeline_record(const struct timeline *timeline, struct record *record)
{
    if (timeline->every_ns == 0)
        return;
    const struct timeline_shape shape = timeline_shape(timeline->intervals, timeline->count);
    record->intervals = timeline->intervals;
    record->interval_count = timeline->count;
    record->timeline_interval_ns = timeline->every_ns;
    record->throughput_drift = shape.drift;
    record->interval_cv = shape.cv;
    record->throughput_modes = shape.modes;
}
