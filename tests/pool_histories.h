// SPDX-License-Identifier: Apache-2.0
// Histories of a pool for tests: written event by event, or made by a simulated pool that does everything right in a
// random order.
#ifndef READYQ_TESTS_POOL_HISTORIES_H
#define READYQ_TESTS_POOL_HISTORIES_H

#include <stdlib.h>
#include <string.h>

#include "core/history/jobs.h"
#include "tests/unit.h"

#define MADE_THREADS 8u
#define MADE_EVENTS 256u

// A history whose events can be changed.
struct made_history {
    struct history history;
    struct history_thread threads[MADE_THREADS];
    struct history_event events[MADE_THREADS][MADE_EVENTS];
};

static inline void made_clear(struct made_history *made)
{
    *made =
        (struct made_history){.history = {
                                  .subject = HISTORY_OF_POOL,
                                  .name = "made",
                                  .promise = {.order = QUEUE_ORDER_FIFO, .keys = true, .completes_on_submitter = true},
                                  .ns_per_tick = 1,
                                  .cut_ticks = HISTORY_NEVER,
                              }};
    made->history.threads = made->threads;
}

static inline uint32_t made_thread(struct made_history *made, const char *name, uint32_t rank)
{
    const uint32_t number = made->history.thread_count++;
    struct history_thread *thread = &made->threads[number];
    assert_true(number < MADE_THREADS);
    strcpy(thread->name, name);
    thread->rank = rank;
    thread->events = made->events[number];
    made->history.schedulers += strcmp(name, "scheduler") == 0;
    made->history.workers += strcmp(name, "worker") == 0;
    return number;
}

static inline struct history_event *made_begin(struct made_history *made, uint32_t thread, enum history_kind kind,
                                               uint64_t item, uint64_t start)
{
    struct history_event *event = &made->threads[thread].events[made->threads[thread].count++];
    assert_true(made->threads[thread].count <= MADE_EVENTS);
    *event = (struct history_event){.start = start, .span = kind, .item = item};
    return event;
}

static inline void made_end(struct history_event *event, uint64_t end)
{
    assert_true(end >= event->start);
    event->span = (end - event->start) << HISTORY_KIND_BITS | history_kind(event);
}

static inline void made_add(struct made_history *made, uint32_t thread, enum history_kind kind, uint64_t item,
                            uint64_t start, uint64_t end)
{
    made_end(made_begin(made, thread, kind, item, start), end);
}

static inline void made_drop(struct made_history *made, uint32_t thread, uint64_t at)
{
    struct history_thread *of = &made->threads[thread];
    memmove(&of->events[at], &of->events[at + 1], (of->count - at - 1) * sizeof of->events[0]);
    of->count--;
}

// Puts it where it belongs by its start, behind others of the same; a key stays before its submit.
static inline void made_insert(struct made_history *made, uint32_t thread, struct history_event event)
{
    struct history_thread *of = &made->threads[thread];
    uint64_t at = of->count++;
    uint64_t start = 0;
    assert_true(of->count <= MADE_EVENTS);
    for (; at > 0; at--) {
        if (history_kind(&of->events[at - 1]) != HISTORY_KEY)
            start = of->events[at - 1].start;
        if (start <= event.start)
            break;
        of->events[at] = of->events[at - 1];
    }
    of->events[at] = event;
}

// splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
static inline uint64_t made_draw(uint64_t *random, uint64_t limit)
{
    uint64_t z = *random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % limit;
}

// ------------------------------------------------------------------------------------------------ a simulated pool

#define SIM_JOBS_MOST 24u

struct sim_job {
    uint64_t number;
    uint32_t home, worker;
};

struct sim_line {
    struct sim_job jobs[SIM_JOBS_MOST];
    unsigned first, count;
};

enum sim_doing { SIM_NOTHING, SIM_SUBMITTING, SIM_SUBMITTED, SIM_INVOKING, SIM_READYING };

struct sim_thread {
    enum { SIM_SCHEDULER, SIM_EXTERNAL, SIM_WORKER } role;
    enum sim_doing doing;
    bool in_ready;                       // the submit under way is inside a completion
    struct history_event *inner, *outer; // under way
    struct sim_job job;                  // in hand
    struct sim_line line;                // a worker's job queue, or a scheduler's ready queue
    uint64_t clock_ahead;                // of the true time
};

struct sim {
    struct made_history *made;
    uint64_t random, now;
    unsigned jobs, submitted, keys, homes, workers;
    struct sim_thread threads[MADE_THREADS];
};

static inline uint64_t sim_read(struct sim *sim, const struct sim_thread *thread)
{
    return sim->now + thread->clock_ahead;
}

static inline void sim_put(struct sim_line *line, const struct sim_job *job)
{
    line->jobs[line->count++] = *job;
}

static inline bool sim_take(struct sim_line *line, struct sim_job *job)
{
    if (line->first == line->count)
        return false;
    *job = line->jobs[line->first++];
    return true;
}

static inline void sim_submit(struct sim *sim, struct sim_thread *self, uint32_t number)
{
    const uint64_t key = made_draw(&sim->random, sim->keys + 1);
    const bool keyed = key < sim->keys;
    const unsigned first_worker = sim->made->history.thread_count - sim->workers;
    const uint64_t worker = keyed ? key % sim->workers : made_draw(&sim->random, sim->workers);
    self->job = (struct sim_job){.number = ++sim->submitted,
                                 .home = self->role == SIM_SCHEDULER ? number : 0,
                                 .worker = first_worker + (uint32_t)worker};
    if (keyed)
        made_begin(sim->made, number, HISTORY_KEY, key + 100, 0);
    self->inner = made_begin(sim->made, number, HISTORY_SUBMIT, self->job.number, sim_read(sim, self));
}

// One thread takes one step; whether it could.
static inline bool sim_step(struct sim *sim, uint32_t number)
{
    struct sim_thread *self = &sim->threads[number];
    const bool may_submit = sim->submitted < sim->jobs;
    struct sim_job job;
    switch (self->doing) {
    case SIM_NOTHING:
        if (self->role != SIM_EXTERNAL && made_draw(&sim->random, 2) && sim_take(&self->line, &job)) {
            const bool works = self->role == SIM_WORKER;
            self->outer =
                made_begin(sim->made, number, works ? HISTORY_INVOKE : HISTORY_READY, job.number, sim_read(sim, self));
            self->doing = works ? SIM_INVOKING : SIM_READYING;
            if (works)
                self->job = job;
            return true;
        }
        if (self->role == SIM_WORKER || !may_submit)
            return false;
        sim_submit(sim, self, number);
        self->doing = SIM_SUBMITTING;
        return true;
    case SIM_SUBMITTING:
        sim_put(&sim->threads[self->job.worker].line, &self->job);
        self->doing = SIM_SUBMITTED;
        return true;
    case SIM_SUBMITTED:
        made_end(self->inner, sim_read(sim, self));
        self->doing = self->in_ready ? SIM_READYING : SIM_NOTHING;
        self->in_ready = false;
        return true;
    case SIM_INVOKING:
        made_end(self->outer, sim_read(sim, self));
        sim_put(&sim->threads[self->job.home].line, &self->job);
        self->doing = SIM_NOTHING;
        return true;
    default:
        if (may_submit && made_draw(&sim->random, 3) == 0) {
            sim_submit(sim, self, number);
            self->in_ready = true;
            self->doing = SIM_SUBMITTING;
            return true;
        }
        made_end(self->outer, sim_read(sim, self));
        self->doing = SIM_NOTHING;
        return true;
    }
}

static inline bool sim_is_done(const struct sim *sim)
{
    for (uint32_t i = 0; i < sim->made->history.thread_count; i++)
        if (sim->threads[i].doing != SIM_NOTHING || sim->threads[i].line.first < sim->threads[i].line.count)
            return false;
    return sim->submitted == sim->jobs;
}

static inline void sim_threads(struct sim *sim, const char *name, int role, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct sim_thread *thread = &sim->threads[made_thread(sim->made, name, i)];
        thread->role = role;
        thread->clock_ahead = made_draw(&sim->random, sim->made->history.skew_ticks + 1);
    }
}

// A right history, of a pool and a load drawn by `seed`.
static inline void sim_run(struct made_history *made, uint64_t seed)
{
    struct sim sim = {.made = made, .random = seed};
    made_clear(made);
    made->history.skew_ticks = made_draw(&sim.random, 2) ? made_draw(&sim.random, 6) : 0;
    sim.jobs = 1 + (unsigned)made_draw(&sim.random, SIM_JOBS_MOST);
    sim.keys = (unsigned)made_draw(&sim.random, 4);
    sim.workers = 1 + (unsigned)made_draw(&sim.random, 3);
    sim_threads(&sim, "scheduler", SIM_SCHEDULER, 1 + (unsigned)made_draw(&sim.random, 2));
    sim_threads(&sim, "external", SIM_EXTERNAL, (unsigned)made_draw(&sim.random, 3));
    sim_threads(&sim, "worker", SIM_WORKER, sim.workers);
    while (!sim_is_done(&sim)) {
        sim.now += made_draw(&sim.random, 4);
        sim_step(&sim, (uint32_t)made_draw(&sim.random, made->history.thread_count));
    }
}

#endif
