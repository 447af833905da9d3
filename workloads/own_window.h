// SPDX-License-Identifier: Apache-2.0
// What one thread got done in its own window, for workloads that report more than operations: bytes, work. For
// workloads only.
#pragma once

#include "core/workload.h"

// Zeroed before its thread's first tick.
struct own_window {
    uint64_t start_ticks, end_ticks;
    uint64_t start_count, end_count;
    bool open;
};

// workload_tick, and notes `count`, a running total of the workload's own, where the thread's window opens and closes.
static inline enum workload_phase own_window_tick(struct own_window *window, struct workload_thread *self,
                                                  uint64_t operations, uint64_t count)
{
    const enum workload_phase phase = workload_tick(self, operations);
    if (__builtin_expect(self->recording == window->open, 1))
        return phase;
    window->open = self->recording;
    *(window->open ? &window->start_ticks : &window->end_ticks) = clock_ticks();
    *(window->open ? &window->start_count : &window->end_count) = count;
    return phase;
}

// What was counted in a second; 0 if the window never opened and closed.
static inline double own_window_rate(const struct own_window *window)
{
    if (window->end_ticks <= window->start_ticks)
        return 0;
    return (double)(window->end_count - window->start_count) * 1e9 / clock_ns(window->end_ticks - window->start_ticks);
}
