// SPDX-License-Identifier: Apache-2.0
// Throughput over time: the count of operations, read at intervals while a run measures by a thread that carries no
// load, and what its course shows that one number for the window does not.
#ifndef READYQ_MEASURE_TIMELINE_H
#define READYQ_MEASURE_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/measure/record.h"

#define TIMELINE_INTERVAL_LEAST_NS 1000000u

// Zeroed before it is opened, and where there is none.
struct timeline {
    struct record_interval *intervals; // allocated
    size_t count, room;
    uint64_t every_ns;                     // as planned; 0: none is kept
    uint64_t first_ns, last_ns, last_done; // of the readings
    bool begun;
};

// How long the intervals are of a window of `duration_ns` that is cut into `parts`: 1 ms at least. 0: into none.
uint64_t timeline_every_ns(uint64_t duration_ns, uint64_t parts);

// 0 or -ENOMEM.
int timeline_open(struct timeline *timeline, uint64_t duration_ns, uint64_t parts);
void timeline_close(struct timeline *timeline);

// A reading, by the system's clock: `done` operations so far, in all. The first begins the timeline. A reading less
// than half an interval after the one before is dropped, and so are those for which there is no room.
void timeline_read(struct timeline *timeline, uint64_t now_ns, uint64_t done);

// What the rates of the intervals show; absent where there are too few of them.
struct timeline_shape {
    double drift;
    double cv;
    uint64_t modes;
};

struct timeline_shape timeline_shape(const struct record_interval *intervals, size_t count);

// Points the record to the intervals and fills its columns.
void timeline_record(const struct timeline *timeline, struct record *record);

#endif
