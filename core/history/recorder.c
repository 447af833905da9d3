// SPDX-License-Identifier: Apache-2.0
// The memory of a recording is address space only, until an event is written to it: a thread that records little holds
// little, and no thread ever waits for another's memory.
#include "core/history/recorder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/history/skew.h"
#include "core/machine/memory.h"
#include "core/sync/lock.h"

#define COST_BATCHES 101u
#define COST_EVENTS 1024u

struct recording {
    struct recording_plan plan;
    char name[HISTORY_NAME_MOST];
    uint64_t serial; // from 1, of all recordings of the process
    uint64_t origin_ticks, skew_ticks;
    struct lock lock;
    unsigned joined;        // guarded by `lock`
    uint64_t refused_ticks; // likewise: when the first thread came for which there was no recorder, or HISTORY_NEVER
    struct recorder *recorders;
};

// The recorder that recording_self gave to this thread last. An address may come again, a serial number does not.
static _Thread_local struct {
    uint64_t serial;
    struct recorder *recorder;
} own;

static struct history_event *map_events(size_t bytes)
{
    void *events = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (events == MAP_FAILED)
        return NULL;
    madvise(events, bytes, MADV_HUGEPAGE); // one fault in place of 512; where there are none, small pages do
    return events;
}

static void unmap_all(struct recording *recording)
{
    for (unsigned i = 0; i < recording->plan.threads; i++) {
        if (recording->recorders[i].first)
            munmap(recording->recorders[i].first, recording->recorders[i].bytes);
    }
}

// Of a sample not every end is read, and the system's clock may stand still from one operation to the next.
static uint64_t near_of(const struct recording_plan *plan)
{
    if (plan->sampled || !clock_facts.counter)
        return 0;
    return clock_ticks_in(RECORDER_NEAR_READINGS * clock_facts.cost_ns);
}

static int map_all(struct recording *recording)
{
    const uint64_t share = recording->plan.memory_bytes / recording->plan.threads;
    const size_t count = share / sizeof(struct history_event);
    const uint64_t near_ticks = near_of(&recording->plan);
    for (unsigned i = 0; i < recording->plan.threads; i++) {
        struct recorder *recorder = &recording->recorders[i];
        *recorder = (struct recorder){.origin_ticks = recording->origin_ticks,
                                      .every = recording->plan.sampled,
                                      .near_ticks = near_ticks,
                                      .refused_ticks = HISTORY_NEVER,
                                      .bytes = count * sizeof(struct history_event)};
        if (count == 0)
            continue;
        recorder->first = recorder->next = map_events(recorder->bytes);
        if (!recorder->first)
            return -ENOMEM;
        recorder->end = recorder->first + count;
    }
    return 0;
}

static size_t recorders_bytes(const struct recording *recording)
{
    return recording->plan.threads * sizeof(struct recorder);
}

static int fill(struct recording *recording, struct fault *fault)
{
    static _Atomic uint64_t serials;
    recording->serial = at_add_rlx(&serials, 1) + 1;
    const int error = skew_measure(&recording->skew_ticks, fault);
    if (error)
        return error;
    recording->origin_ticks = clock_ticks();
    recording->refused_ticks = HISTORY_NEVER;
    recording->recorders =
        memory_system.alloc(&memory_system, recorders_bytes(recording), _Alignof(struct recorder), -1);
    if (!recording->recorders || map_all(recording) != 0)
        return fault_set(fault, -ENOMEM, "no memory to record into (%llu MiB of address space for %u threads)",
                         (unsigned long long)(recording->plan.memory_bytes >> 20), recording->plan.threads);
    return 0;
}

int recording_create(struct recording **made, const struct recording_plan *plan, struct fault *fault)
{
    *made = NULL;
    struct recording *recording =
        memory_system.alloc(&memory_system, sizeof *recording, _Alignof(struct recording), -1);
    if (!recording)
        return fault_set(fault, -ENOMEM, "no memory for a recording");
    recording->plan = *plan;
    recording->plan.threads += plan->threads == 0; // so that no share is divided by none
    snprintf(recording->name, sizeof recording->name, "%s", plan->name);
    recording->plan.name = recording->name;
    lock_init_ranked(&recording->lock, LOCK_MUTEX, LOCK_RANK_LEAF, 0);
    const int error = fill(recording, fault);
    if (error) {
        recording_destroy(recording);
        return error;
    }
    *made = recording;
    return 0;
}

void recording_destroy(struct recording *recording)
{
    if (!recording)
        return;
    if (recording->recorders) {
        unmap_all(recording);
        memory_system.free(&memory_system, recording->recorders, recorders_bytes(recording), -1);
    }
    lock_fini(&recording->lock);
    memory_system.free(&memory_system, recording, sizeof *recording, -1);
}

// ------------------------------------------------------------------------------------------------ threads

static uint32_t next_rank(const struct recording *recording, const char *role)
{
    uint32_t rank = 0;
    for (unsigned i = 0; i < recording->joined; i++)
        rank += strcmp(recording->recorders[i].name, role) == 0;
    return rank;
}

struct recorder *recording_join(struct recording *recording, const char *role, int rank)
{
    struct recorder *recorder = NULL;
    struct lock_node node;
    char name[sizeof recorder->name];
    snprintf(name, sizeof name, "%s", role);
    lock_acquire(&recording->lock, &node);
    if (recording->joined < recording->plan.threads) {
        recorder = &recording->recorders[recording->joined];
        recorder->rank = rank >= 0 ? (uint32_t)rank : next_rank(recording, name);
        memcpy(recorder->name, name, sizeof name);
        recording->joined++;
    } else if (recording->refused_ticks == HISTORY_NEVER) {
        recording->refused_ticks = clock_ticks() - recording->origin_ticks;
    }
    lock_release(&recording->lock, &node);
    return recorder;
}

struct recorder *recording_self(struct recording *recording, const char *role, int rank)
{
    if (own.serial != recording->serial) {
        own.recorder = recording_join(recording, role, rank);
        own.serial = recording->serial;
    }
    return own.recorder;
}

// ------------------------------------------------------------------------------------------------ history

static void describe(const struct recording *recording, struct history *history)
{
    const struct recording_plan *plan = &recording->plan;
    history->subject = plan->subject;
    memcpy(history->name, recording->name, sizeof history->name);
    history->promise = plan->promise;
    history->ns_per_tick = clock_facts.ns_per_tick;
    history->origin_ticks = recording->origin_ticks;
    history->skew_ticks = recording->skew_ticks;
    history->sampled = plan->sampled;
    history->cut_ticks = recording->refused_ticks;
    history->schedulers = plan->schedulers;
    history->workers = plan->workers;
    history->thread_count = recording->joined;
}

int recording_history(struct recording *recording, struct history **made)
{
    const size_t bytes = sizeof **made + recording->joined * sizeof *(*made)->threads;
    struct history *history = calloc(1, bytes);
    *made = history;
    if (!history)
        return -ENOMEM;
    describe(recording, history);
    history->threads = (struct history_thread *)(history + 1);
    for (unsigned i = 0; i < recording->joined; i++) {
        const struct recorder *recorder = &recording->recorders[i];
        struct history_thread *thread = &history->threads[i];
        memcpy(thread->name, recorder->name, sizeof thread->name);
        thread->rank = recorder->rank;
        thread->events = recorder->first;
        thread->count = (uint64_t)(recorder->next - recorder->first);
        if (recorder->refused_ticks < history->cut_ticks)
            history->cut_ticks = recorder->refused_ticks;
    }
    return 0;
}

void recording_history_free(struct history *history)
{
    free(history);
}

// ------------------------------------------------------------------------------------------------ cost

static int compare_ticks(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

double recorder_cost_ns(void)
{
    static struct history_event events[COST_EVENTS];
    uint64_t ticks[COST_BATCHES];
    for (unsigned batch = 0; batch < COST_BATCHES; batch++) {
        struct recorder recorder = {.next = events,
                                    .end = events + COST_EVENTS,
                                    .near_ticks = near_of(&(struct recording_plan){.sampled = 0}),
                                    .refused_ticks = HISTORY_NEVER};
        struct recorder *self = &recorder;
        const uint64_t begin = clock_ticks();
        for (unsigned i = 0; i < COST_EVENTS; i++) {
            __asm__ volatile("" : "+r"(self)::"memory"); // as in a queue's call, nothing of it is kept in registers
            const uint64_t start = recorder_next_start(self);
            recorder_add(self, HISTORY_ENQUEUE, start, recorder_end(self), i + 1);
        }
        ticks[batch] = clock_ticks() - begin;
    }
    qsort(ticks, COST_BATCHES, sizeof ticks[0], compare_ticks);
    return clock_ns(ticks[COST_BATCHES / 2]) / COST_EVENTS;
}
