// SPDX-License-Identifier: Apache-2.0
// What it costs to ask an empty queue: every thread polls, and is told EMPTY. It models consumers that look for work
// and find none, as idle workers do that spin before they sleep; what they burn meanwhile is in the record
// (cpu_user).
//
// With `one_in`, after every so many polls of its own a thread enqueues one item, which one of the threads then
// takes. At the end each thread enqueues one in any case, so that a queue that only ever says EMPTY does not pass.
// Where there is one thread, the first answer after its own enqueue can't be EMPTY, if the queue's trait says that
// EMPTY is exact.
//
// Latency: `poll_batch` is the time of 64 polls that were all answered EMPTY, since one poll is not much longer than a
// reading of the clock: divide by 64. The report says what one poll took in the mean. An answer RETRY is no
// operation; it counts as failed.
//
// One operation is an answer EMPTY.
#include <errno.h>
#include <stdio.h>

#include "core/workload.h"

// Polls between two ticks.
#define BATCH 64u
// Attempts to enqueue the last item.
#define LAST_TRIES 1000u

enum stage { STAGE_BATCH };

struct config {
    uint64_t threads;
    uint64_t kind; // enum queue_thread_kind
    uint64_t one_in;
    uint64_t sample_every;
};

// One thread's own. `put` enqueues, `take` dequeues.
struct side {
    struct queue_loop put, take;
    uint64_t empties;       // EMPTY answers
    uint64_t retries;       // any other answer that gave no item
    uint64_t since;         // polls since it enqueued
    uint64_t untimed;       // batches since one was timed
    uint64_t batches, time; // timed in the window, and what they took in ticks
} ALIGNED_LINE;

struct state {
    const struct config *config;
    struct workload_items items;
    struct side *sides;
};

static int resolve(const void *argument, struct workload_demand *demand, struct fault *fault)
{
    const struct config *config = argument;
    if (config->one_in > 0 && config->one_in < BATCH)
        return fault_set(
            fault, -EINVAL,
            "one_in must be 0 or at least %u, not %llu; for a queue that is not empty there are other loads", BATCH,
            (unsigned long long)config->one_in);
    *demand = (struct workload_demand){.roles = {{.name = "poller",
                                                  .threads = (unsigned)config->threads,
                                                  .produces = true,
                                                  .consumes = true,
                                                  .kind = (enum queue_thread_kind)config->kind}}};
    return 0;
}

static int setup(struct workload_run *run, struct fault *fault)
{
    const struct config *config = run->config;
    const unsigned threads = (unsigned)config->threads;
    if (run->queue_choice->traits.baseline)
        return fault_set(fault, -EINVAL, "%s is a baseline and is never empty", run->queue_choice->entry->name);
    struct state *state = run->state = workload_alloc(sizeof *state);
    if (state) {
        state->config = config;
        state->sides = workload_alloc(threads * sizeof *state->sides);
    }
    if (!state || !state->sides || workload_items_init(&state->items, run, threads, threads) != 0)
        return fault_set(fault, -ENOMEM, "no memory for %u threads of workload empty_poll", threads);
    return 0;
}

static void teardown(struct workload_run *run)
{
    struct state *state = run->state;
    if (!state)
        return;
    workload_items_fini(&state->items);
    free(state->sides);
    free(state);
    run->state = NULL;
}

// A batch of polls. Returns how many were answered EMPTY.
static unsigned poll(const struct queue_loops *loops, struct side *me)
{
    unsigned empties = 0;
    for (unsigned i = 0; i < BATCH; i++) {
        int result;
        if (loops->consume(&me->take, 1, &result))
            continue;
        if (result == QUEUE_EMPTY)
            empties++;
        else
            me->retries++;
    }
    return empties;
}

static void poll_batch(struct workload_thread *self, const struct state *state, struct side *me)
{
    const uint64_t every = state->config->sample_every;
    const bool timed = every && ++me->untimed >= every;
    const uint64_t start = timed ? clock_ticks() : 0;
    const unsigned empties = poll(self->run->loops, me);
    if (timed) {
        const uint64_t took = clock_ticks() - start;
        me->untimed = 0;
        if (empties == BATCH) {
            workload_record(self, STAGE_BATCH, took);
            me->batches += self->recording;
            me->time += self->recording ? took : 0;
        }
    }
    me->empties += empties;
    me->since += BATCH;
}

// One item, and a first poll for it.
static void put_one(struct workload_thread *self, struct state *state, struct side *me)
{
    const struct queue_loops *loops = self->run->loops;
    int result;
    me->since = 0;
    if (!loops->produce(&me->put, 1, &result))
        return;
    if (!loops->consume(&me->take, 1, &result) && result == QUEUE_EMPTY && state->config->threads == 1)
        state->items.taken[self->rank].false_empty++;
}

// The last item, of which the check at the end makes sure that it comes out.
static void put_last(struct workload_thread *self, struct side *me)
{
    int result;
    for (unsigned i = 0; i < LAST_TRIES && !self->run->loops->produce(&me->put, 1, &result); i++) {
        workload_reclaim(self);
        workload_quiescent(self);
        thread_spin_round(i);
    }
}

static void make_side(struct workload_thread *self, struct state *state, struct side *me)
{
    me->put = (struct queue_loop){.ops = self->producer.ops,
                                  .queue = self->producer.queue,
                                  .handle = self->producer.handle,
                                  .producer = self->rank};
    me->take = (struct queue_loop){.ops = self->consumer.ops,
                                   .queue = self->consumer.queue,
                                   .handle = self->consumer.handle,
                                   .log = &state->items.taken[self->rank].log};
}

static void body(struct workload_thread *self)
{
    struct state *state = self->run->state;
    struct side *me = &state->sides[self->rank];
    const uint64_t one_in = state->config->one_in;
    make_side(self, state, me);
    while (workload_tick(self, me->empties) != PHASE_STOP) {
        workload_quiescent(self);
        poll_batch(self, state, me);
        if (one_in && me->since >= one_in)
            put_one(self, state, me);
        self->failed = me->put.failed + me->retries;
        workload_reclaim(self);
    }
    put_last(self, me);
    workload_items_finish(&state->items, self->rank, me->put.sequence);
    workload_items_await(&state->items, self, me->empties);
    workload_items_drain(&state->items, self, self->rank, &me->take, me->empties);
}

static void verify(struct workload_run *run, struct workload_verdict *verdict)
{
    struct state *state = run->state;
    workload_items_judge(&state->items, run, verdict);
}

static void report(struct workload_run *run, struct workload_report *report)
{
    const struct state *state = run->state;
    uint64_t batches = 0, time = 0;
    for (unsigned i = 0; i < state->config->threads; i++) {
        batches += state->sides[i].batches;
        time += state->sides[i].time;
    }
    if (batches)
        snprintf(report->note, sizeof report->note,
                 "one poll of the empty queue took %.2f ns in the mean of %llu polls",
                 clock_ns(time) / (double)(batches * BATCH), (unsigned long long)(batches * BATCH));
}

static const char *const kind_names[] = {"managed", "unmanaged", NULL};

static const struct param params[] = {
    PARAM_U64(struct config, threads, "1", 1, 256, "threads", "Threads that poll"),
    PARAM_CHOICE(struct config, kind, "managed", kind_names, "Whether the threads take part in thread progress"),
    PARAM_U64(struct config, one_in, "0", 0, 1000000000, "polls",
              "Polls of a thread after which it enqueues one item, rounded up to whole batches of 64; 0: never"),
    PARAM_U64(struct config, sample_every, "8", 0, 1 << 20, "batches",
              "One batch of 64 polls in so many is timed; 0: none"),
    PARAM_END,
};

const struct workload_ops empty_poll_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "empty_poll",
    .summary = "every thread polls an empty queue",
    .source = "idle consumers that spin before they sleep, as workers of a pool do",
    .subject = WORKLOAD_ON_QUEUE,
    .operation = "answer EMPTY",
    .checks = "every item delivered exactly once; order and EMPTY as the queue's traits promise",
    .stages = {"poll_batch"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .report = report,
    .teardown = teardown,
};
