// SPDX-License-Identifier: Apache-2.0
// Every operation of every thread is an enqueue or a dequeue at random: the queue's length wanders, and both ends are
// contended without the lockstep of pairs.
//
// With `share` = 50 the length is a random walk that starts at `prefill` and turns round at zero: after n operations
// it is about the square root of n away from where it began, so that a larger prefill keeps the queue from ever
// running empty. A smaller share keeps it short, and lets many dequeues find nothing; a larger one lets it grow to
// its upper end, which is `room`, which no thread's enqueues may exceed its dequeues by, prefill aside: an enqueue
// beyond it is not made. The record says what lengths came of it (queue_regime).
//
// A dequeue that finds nothing, an enqueue that is not taken and one that is not made are failed operations, and no
// operations: an answer EMPTY costs a queue little, and would make a load that mostly fails look fast. The random
// numbers depend on the seed and the thread only.
//
// With `think_ns` each thread is busy elsewhere after each operation that went well (core/workload_think.h).
//
// One operation is an enqueue or a dequeue that went well. Every sample_every-th attempt is timed ("enqueue",
// "dequeue"; failed ones are not recorded), and every sample_every-th think time as it was achieved ("think").
#include <errno.h>

#include "core/workload.h"

// Attempts between two ticks.
#define QUANTUM 64u

enum stage { STAGE_ENQUEUE, STAGE_DEQUEUE, STAGE_THINK };

struct config {
    uint64_t threads;
    uint64_t kind;  // enum queue_thread_kind
    uint64_t share; // of enqueues, in percent
    uint64_t prefill;
    uint64_t room;
    uint64_t sample_every;
    uint64_t think_ns;
    uint64_t think; // enum workload_think_shape
};

// One thread's own. Both loops have one log.
struct side {
    struct queue_loop put, take;
    struct workload_think think;
    struct workload_random random;
    uint64_t bound;  // random numbers below it ask for an enqueue
    uint64_t ahead;  // by which items enqueued may exceed those received
    uint64_t unmade; // enqueues
    uint64_t received;
    uint64_t untimed; // attempts since one was timed
    unsigned quantum; // attempts between two ticks
} ALIGNED_LINE;

struct state {
    const struct config *config;
    struct workload_items items;
    struct workload_think think;
    struct side *sides;
};

static int resolve(const void *argument, struct workload_demand *demand, struct fault *fault)
{
    (void)fault;
    const struct config *config = argument;
    *demand = (struct workload_demand){.roles = {{.name = "both",
                                                  .threads = (unsigned)config->threads,
                                                  .produces = true,
                                                  .consumes = true,
                                                  .kind = (enum queue_thread_kind)config->kind}},
                                       .prefill = config->prefill};
    return 0;
}

static int setup(struct workload_run *run, struct fault *fault)
{
    const struct config *config = run->config;
    const unsigned threads = (unsigned)config->threads;
    struct state *state = run->state = workload_alloc(sizeof *state);
    if (state) {
        state->config = config;
        state->sides = workload_alloc(threads * sizeof *state->sides);
    }
    if (!state || !state->sides || workload_items_init(&state->items, run, threads, threads) != 0)
        return fault_set(fault, -ENOMEM, "no memory for %u threads of workload half_and_half", threads);
    state->think = (struct workload_think){.mean_ns = (double)config->think_ns,
                                           .shape = (enum workload_think_shape)config->think,
                                           .stage = STAGE_THINK,
                                           .every = config->sample_every};
    workload_think_calibrate(&state->think);
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

static struct side *start_side(struct workload_thread *self, struct state *state)
{
    const struct config *config = state->config;
    struct side *me = &state->sides[self->rank];
    me->put = (struct queue_loop){.ops = self->producer.ops,
                                  .queue = self->producer.queue,
                                  .handle = self->producer.handle,
                                  .producer = self->rank,
                                  .log = &state->items.taken[self->rank].log};
    me->take = me->put;
    me->take.handle = self->consumer.handle;
    me->bound = UINT64_MAX / 100 * config->share;
    me->ahead = config->room + workload_items_share(&state->items, self->rank, config->prefill);
    workload_random_init(&me->random, self->run->seed, self->index);
    workload_think_start(&me->think, &state->think, self);
    me->quantum = workload_think_quantum(&me->think, QUANTUM);
    workload_items_prefill(&state->items, self, &me->put, config->prefill);
    return me;
}

static uint64_t operations(const struct side *me)
{
    return me->put.sequence + me->received;
}

// Nothing of a baseline ever comes back.
static bool has_room(const struct state *state, const struct side *me)
{
    return me->put.sequence < me->received + me->ahead || state->items.baseline;
}

// Returns whether it went well.
static bool attempt(struct workload_thread *self, struct state *state, struct side *me, bool enqueue)
{
    int result;
    if (!enqueue) {
        const unsigned done = self->run->loops->consume(&me->take, 1, &result);
        me->received += done;
        return done;
    }
    if (has_room(state, me))
        return self->run->loops->produce(&me->put, 1, &result);
    me->unmade++;
    return false;
}

static bool timed_attempt(struct workload_thread *self, struct state *state, struct side *me, bool enqueue)
{
    const uint64_t start = clock_ticks();
    const bool done = attempt(self, state, me, enqueue);
    const uint64_t end = clock_ticks();
    me->untimed = 0;
    if (done)
        workload_record(self, enqueue ? STAGE_ENQUEUE : STAGE_DEQUEUE, end - start);
    return done;
}

// A quantum of attempts. Returns whether any went well.
static bool some_attempts(struct workload_thread *self, struct state *state, struct side *me)
{
    const uint64_t every = state->config->sample_every;
    bool any = false;
    workload_items_watch(&me->take, me->think.mean_ns > 0);
    for (unsigned i = 0; i < me->quantum; i++) {
        const bool enqueue = workload_random_next(&me->random) < me->bound;
        const bool timed = every && ++me->untimed >= every;
        if (!(timed ? timed_attempt : attempt)(self, state, me, enqueue))
            continue;
        any = true;
        workload_think(&me->think, self, operations(me));
    }
    return any;
}

static void body(struct workload_thread *self)
{
    struct state *state = self->run->state;
    struct side *me = start_side(self, state);
    unsigned idle = 0;
    while (workload_tick(self, operations(me)) != PHASE_STOP) {
        workload_quiescent(self);
        const bool any = some_attempts(self, state, me);
        self->failed = me->put.failed + me->take.failed + me->unmade;
        self->observed = me->take.observed;
        self->handovers = me->take.handovers;
        if (!any || !self->progress)
            workload_reclaim(self);
        if (any)
            idle = 0;
        else
            thread_spin_round(idle++);
    }
    workload_items_finish(&state->items, self->rank, me->put.sequence);
    workload_items_await(&state->items, self, operations(me));
    workload_items_drain(&state->items, self, self->rank, &me->take, operations(me));
}

static void verify(struct workload_run *run, struct workload_verdict *verdict)
{
    struct state *state = run->state;
    workload_items_judge(&state->items, run, verdict);
}

static const char *const kind_names[] = {"managed", "unmanaged", NULL};

static const struct param params[] = {
    PARAM_U64(struct config, threads, "1", 1, 256, "threads", "Threads that enqueue and dequeue"),
    PARAM_CHOICE(struct config, kind, "managed", kind_names, "Whether the threads take part in thread progress"),
    PARAM_U64(struct config, share, "50", 1, 99, "%", "How many of a hundred attempts are to enqueue"),
    PARAM_U64(struct config, prefill, "0", 0, 1 << 22, "items", "Items that the queue holds at the beginning"),
    PARAM_U64(struct config, room, "1048576", 1, 1 << 24, "items",
              "By how many the items that a thread enqueued may exceed those that it dequeued, its part of the prefill "
              "aside"),
    PARAM_U64(struct config, sample_every, "64", 0, 1 << 20, "operations",
              "One attempt, and think time, in so many is timed; 0: none"),
    PARAM_NS(struct config, think_ns, "0", 0, WORKLOAD_THINK_MOST_NS,
             "Mean time that a thread is busy elsewhere after each operation"),
    PARAM_CHOICE(struct config, think, "constant", workload_think_names, "How the think time is distributed"),
    PARAM_END,
};

const struct workload_ops half_and_half_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "half_and_half",
    .summary = "every thread enqueues or dequeues at random",
    .source = "the random benchmark of most papers on queues, as in Yang and Mellor-Crummey (PPoPP 2016, section 5)",
    .subject = WORKLOAD_ON_QUEUE,
    .operation = "enqueue or dequeue that went well",
    .checks = "every item delivered exactly once; order and EMPTY as the queue's traits promise",
    .stages = {"enqueue", "dequeue", "think"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .teardown = teardown,
};
