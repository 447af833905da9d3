// SPDX-License-Identifier: Apache-2.0
// Every thread enqueues one item and then dequeues one: the queue stays short, and both ends are contended.
//
// At any moment each thread has enqueued at least as many items as it dequeued, and one more while it dequeues, so
// a queue whose EMPTY is exact may never answer EMPTY here; each such answer is counted as false.
//
// With `prefill` the queue holds so many items more at all times, which each thread has enqueued its part of before the
// first pair: so its two ends lie apart, and no line of memory is used by both.
//
// With `think_ns` each thread is busy elsewhere after each pair, for a time that is drawn anew
// (core/workload_think.h). Without it one thread may do a long run of pairs alone, as if nobody contended
// (run_length_mean of the record).
//
// One operation is one enqueue or one dequeue completed. Every sample_every-th pair is timed, call by call; and every
// sample_every-th think time as it was achieved ("think").
#include <errno.h>

#include "core/workload.h"

// Pairs between two ticks.
#define QUANTUM 32u

enum stage { STAGE_ENQUEUE, STAGE_DEQUEUE, STAGE_THINK };

struct config {
    uint64_t threads;
    uint64_t kind; // enum queue_thread_kind
    uint64_t prefill;
    uint64_t sample_every;
    uint64_t think_ns;
    uint64_t think; // enum workload_think_shape
};

// One thread's own. `pair` has both handles; `take` dequeues alone, into the same log.
struct side {
    struct queue_loop pair, take;
    uint64_t received;
    uint64_t untimed; // pairs since one was timed
    struct workload_think think;
    unsigned quantum; // pairs
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
                                       .prefill = config->prefill,
                                       .prefill_room = 1};
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
        return fault_set(fault, -ENOMEM, "no memory for %u threads of workload pairs", threads);
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

static struct side *make_side(struct workload_thread *self, struct state *state)
{
    struct side *me = &state->sides[self->rank];
    me->pair = (struct queue_loop){.ops = self->producer.ops,
                                   .queue = self->producer.queue,
                                   .handle = self->producer.handle,
                                   .dequeue_handle = self->consumer.handle,
                                   .producer = self->rank,
                                   .log = &state->items.taken[self->rank].log};
    me->take = me->pair;
    me->take.handle = self->consumer.handle;
    workload_think_start(&me->think, &state->think, self);
    me->quantum = workload_think_quantum(&me->think, QUANTUM);
    return me;
}

static uint64_t operations(const struct side *me)
{
    return me->pair.sequence + me->received;
}

// An enqueue went well and its dequeue did not, with this result: takes an item until one is had, or until the queue
// has lied.
static void settle(struct workload_thread *self, struct state *state, struct side *me, int result)
{
    for (unsigned idle = 0;; idle++) {
        if (result == QUEUE_EMPTY && self->run->queue_choice->traits.empty_exact) {
            state->items.taken[self->rank].false_empty++;
            return;
        }
        workload_reclaim(self);
        thread_spin_round(idle);
        workload_quiescent(self);
        if (workload_tick(self, operations(me)) == PHASE_STOP)
            return;
        if (self->run->loops->consume(&me->take, 1, &result)) {
            me->received++;
            return;
        }
    }
}

// Returns whether the enqueue went well.
static bool timed_pair(struct workload_thread *self, struct state *state, struct side *me)
{
    int result;
    const uint64_t start = clock_ticks();
    if (!self->run->loops->produce(&me->pair, 1, &result))
        return false;
    const uint64_t middle = clock_ticks();
    const unsigned taken = self->run->loops->consume(&me->take, 1, &result);
    const uint64_t end = clock_ticks();
    workload_record(self, STAGE_ENQUEUE, middle - start);
    me->untimed = 0;
    me->pair.last = 0;
    if (taken) {
        workload_record(self, STAGE_DEQUEUE, end - middle);
        me->received++;
    } else {
        settle(self, state, me, result);
    }
    return true;
}

// Returns whether an enqueue went well.
static bool plain_pairs(struct workload_thread *self, struct state *state, struct side *me, unsigned most)
{
    const uint64_t before = me->pair.sequence;
    int result;
    const unsigned done = self->run->loops->pairs(&me->pair, most, &result);
    const uint64_t enqueued = me->pair.sequence - before;
    me->received += done;
    me->untimed += done;
    if (enqueued > done)
        settle(self, state, me, result);
    return enqueued > 0;
}

// A quantum of pairs. Returns whether any enqueue went well.
static bool some_pairs(struct workload_thread *self, struct state *state, struct side *me)
{
    const uint64_t every = state->config->sample_every;
    const uint64_t plain = every ? every - 1 - (me->untimed < every ? me->untimed : every - 1) : me->quantum;
    if (every && plain == 0) {
        const bool any = timed_pair(self, state, me);
        if (any)
            workload_think(&me->think, self, operations(me));
        return any;
    }
    workload_items_watch(&me->pair, me->think.mean_ns > 0);
    if (me->think.mean_ns == 0)
        return plain_pairs(self, state, me, plain < me->quantum ? (unsigned)plain : me->quantum);
    bool any = false;
    for (unsigned i = 0; i < me->quantum && i < plain; i++) {
        if (!plain_pairs(self, state, me, 1))
            break;
        any = true;
        workload_think(&me->think, self, operations(me));
    }
    return any;
}

static void body(struct workload_thread *self)
{
    struct state *state = self->run->state;
    struct side *me = make_side(self, state);
    unsigned idle = 0;
    workload_items_prefill(&state->items, self, &me->pair, state->config->prefill);
    while (workload_tick(self, operations(me)) != PHASE_STOP) {
        workload_quiescent(self);
        if (some_pairs(self, state, me))
            idle = 0;
        else
            thread_spin_round(idle++);
        self->failed = me->pair.failed + me->take.failed;
        self->observed = me->pair.observed;
        self->handovers = me->pair.handovers;
        if (!self->progress)
            workload_reclaim(self);
    }
    workload_items_finish(&state->items, self->rank, me->pair.sequence);
    // An item taken before that would be missing from another's last pair.
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
    PARAM_U64(struct config, prefill, "0", 0, 1 << 22, "items",
              "Items that the queue holds besides those of the pairs"),
    PARAM_U64(struct config, sample_every, "64", 0, 1 << 20, "pairs",
              "One pair, and think time, in so many is timed; 0: none"),
    PARAM_NS(struct config, think_ns, "0", 0, WORKLOAD_THINK_MOST_NS,
             "Mean time that a thread is busy elsewhere after each pair"),
    PARAM_CHOICE(struct config, think, "constant", workload_think_names, "How the think time is distributed"),
    PARAM_END,
};

const struct workload_ops pairs_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "pairs",
    .summary = "every thread enqueues one item and then dequeues one",
    .source = "the pairwise benchmark of Michael and Scott (PODC 1996, section 4) and of most papers since",
    .subject = WORKLOAD_ON_QUEUE,
    .operation = "enqueue or dequeue",
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
