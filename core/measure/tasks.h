// SPDX-License-Identifier: Apache-2.0
// How often the kernel moved each thread of this process to another CPU, as /proc tells it. Read by a thread that
// carries no load, so that nobody who does takes part.
#ifndef READYQ_MEASURE_TASKS_H
#define READYQ_MEASURE_TASKS_H

#include <stddef.h>
#include <stdint.h>

struct task {
    int id; // of the thread, as the kernel numbers it
    uint64_t migrations;
};

// One reading of all threads. Zeroed before it is read.
struct tasks {
    struct task *tasks; // allocated
    size_t count;
};

// What the system does not tell of, or there is no memory for, is left out.
void tasks_read(struct tasks *tasks);
void tasks_free(struct tasks *tasks);

// Moves of one thread between two readings; UINT64_MAX where it is not in both.
uint64_t tasks_moves_of(const struct tasks *start, const struct tasks *end, int id);

// Of all threads that are in both; UINT64_MAX where there is none.
uint64_t tasks_moves(const struct tasks *start, const struct tasks *end);

#endif
