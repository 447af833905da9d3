// SPDX-License-Identifier: Apache-2.0
// Rounds of two phases that do not overlap. In the first, every producer enqueues `burst` items as fast as it can,
// while the consumers stand before a gate; in the second, the consumers drain until the queue is empty, while the
// producers wait for the next round. So each end of the queue is measured without the other, and at a depth that is
// known.
//
// A queue with bounds that answers FULL ends the burst of that producer for this round; the answer counts as failed.
//
// Latency: `fill` and `drain` are the whole phase, all threads together, once a round: from its opening, by the thread
// that ended the phase before, to the return of the last producer's last enqueue, and to the end of the call (of up to
// 64 dequeues) by which the last item had come out. They hold what it takes the threads to see that the phase has
// begun; a round in which a burst was cut short gives neither. `fill_item` and `drain_item` are one thread's own,
// once a round: the mean time per item, from before its first call to after the last call that moved an item.
//
// A consumer takes its part of a round for done when it is told EMPTY and all items have been received, or when it has
// been told EMPTY very often: something is lost then, or hidden for long, which the check at the end finds out. After
// the first EMPTY of a phase, in which nobody enqueues, an item that comes by a call begun later proves that answer
// false.
//
// One operation is an item received.
#include <errno.h>

#include "core/workload.h"

// Operations between two ticks.
#define QUANTUM 64u
// Items of one round, of all producers.
#define ROUND_MOST ((uint64_t)1 << 24)

enum stage { STAGE_FILL, STAGE_FILL_ITEM, STAGE_DRAIN, STAGE_DRAIN_ITEM };

struct config {
    uint64_t producers, consumers;
    uint64_t producer_kind, consumer_kind; // enum queue_thread_kind
    uint64_t burst;
};

// One thread's own.
struct side {
    struct queue_loop loop;
    uint64_t received; // by a consumer
} ALIGNED_LINE;

struct state {
    const struct config *config;
    struct workload_items items;
    struct side *producers, *consumers;
    _Atomic uint64_t phase ALIGNED_LINE; // 2 n: the producers fill in round n; 2 n + 1: the consumers drain
    _Atomic uint64_t opened;             // when it began; 0 in the first
    _Atomic uint32_t busy ALIGNED_LINE;  // threads that are not through with it
    _Atomic uint32_t cut;                // whether a burst of this round was cut short
    _Atomic uint64_t in;                 // items enqueued so far, all rounds together
    _Atomic uint64_t out ALIGNED_LINE;   // items received so far
    _Atomic uint64_t emptied;            // the last phase in which a dequeue answered EMPTY
};

static int resolve(const void *argument, struct workload_demand *demand, struct fault *fault)
{
    const struct config *config = argument;
    if (config->burst * config->producers > ROUND_MOST)
        return fault_set(
            fault, -EINVAL, "%llu producers with bursts of %llu make rounds of more than %llu items; lower one of them",
            (unsigned long long)config->producers, (unsigned long long)config->burst, (unsigned long long)ROUND_MOST);
    *demand = (struct workload_demand){.roles = {
                                           {.name = "producer",
                                            .threads = (unsigned)config->producers,
                                            .produces = true,
                                            .kind = (enum queue_thread_kind)config->producer_kind},
                                           {.name = "consumer",
                                            .threads = (unsigned)config->consumers,
                                            .consumes = true,
                                            .kind = (enum queue_thread_kind)config->consumer_kind},
                                       }};
    return 0;
}

static int setup(struct workload_run *run, struct fault *fault)
{
    const struct config *config = run->config;
    struct state *state = run->state = workload_alloc(sizeof *state);
    if (state) {
        state->config = config;
        state->producers = workload_alloc(config->producers * sizeof *state->producers);
        state->consumers = workload_alloc(config->consumers * sizeof *state->consumers);
        at_init(&state->busy, (uint32_t)config->producers);
    }
    if (!state || !state->producers || !state->consumers ||
        workload_items_init(&state->items, run, (unsigned)config->producers, (unsigned)config->consumers) != 0)
        return fault_set(fault, -ENOMEM, "no memory for %llu producers and %llu consumers",
                         (unsigned long long)config->producers, (unsigned long long)config->consumers);
    return 0;
}

static void teardown(struct workload_run *run)
{
    struct state *state = run->state;
    if (!state)
        return;
    workload_items_fini(&state->items);
    free(state->producers);
    free(state->consumers);
    free(state);
    run->state = NULL;
}

// Between quanta. False: the run is over.
static bool go_on(struct workload_thread *self, uint64_t operations)
{
    workload_quiescent(self);
    return workload_tick(self, operations) != PHASE_STOP;
}

// Waits until `phase` has begun. False: the run is over.
static bool await_phase(struct workload_thread *self, struct state *state, uint64_t phase, uint64_t operations)
{
    for (unsigned idle = 0; at_load_acq(&state->phase, AT(burst_see, burst_open)) < phase; idle++) {
        if (!go_on(self, operations))
            return false;
        if (self->role->consumes)
            workload_reclaim(self);
        thread_spin_round(idle);
    }
    return go_on(self, operations);
}

// The calling thread is through with `phase`; the last one opens the next, for `next` threads.
static void leave_phase(struct workload_thread *self, struct state *state, uint64_t phase, uint64_t next)
{
    const uint64_t now = clock_ticks();
    if (at_sub_ar(&state->busy, 1, AT(burst_leave, burst_leave)) != 1)
        return;
    const bool filled = phase % 2 == 0;
    const uint64_t opened = at_load_rlx(&state->opened);
    if (filled && opened && !at_load_rlx(&state->cut))
        workload_record(self, STAGE_FILL, now - opened);
    if (!filled)
        at_store_rlx(&state->cut, 0);
    at_store_rlx(&state->busy, (uint32_t)next);
    at_store_rlx(&state->opened, clock_ticks());
    at_store_rel(&state->phase, phase + 1, AT(burst_open, burst_see));
}

// One burst. False: the run is over.
static bool fill(struct workload_thread *self, struct state *state, struct side *me)
{
    const uint64_t first = me->loop.sequence, start = clock_ticks();
    uint64_t left = state->config->burst;
    int result = QUEUE_OK;
    for (unsigned idle = 0; left && (result == QUEUE_OK || result == QUEUE_RETRY);) {
        const unsigned done = self->run->loops->produce(&me->loop, left < QUANTUM ? (unsigned)left : QUANTUM, &result);
        left -= done;
        self->failed = me->loop.failed;
        if (!go_on(self, 0))
            return false;
        if (result == QUEUE_OK)
            idle = 0;
        else
            thread_spin_round(idle++);
    }
    const uint64_t enqueued = me->loop.sequence - first;
    if (enqueued)
        workload_record(self, STAGE_FILL_ITEM, (clock_ticks() - start) / enqueued);
    if (left)
        at_store_rlx(&state->cut, 1);
    at_add_rlx(&state->in, enqueued);
    return true;
}

static void produce(struct workload_thread *self, struct state *state)
{
    struct side *me = &state->producers[self->rank];
    me->loop = (struct queue_loop){.ops = self->producer.ops,
                                   .queue = self->producer.queue,
                                   .handle = self->producer.handle,
                                   .producer = self->rank};
    for (uint64_t phase = 0; await_phase(self, state, phase, 0) && fill(self, state, me); phase += 2)
        leave_phase(self, state, phase, state->config->consumers);
    workload_items_finish(&state->items, self->rank, me->loop.sequence);
}

// One call of up to QUANTUM dequeues. Returns the items received, and in *result why there were no more.
static unsigned drain_some(struct workload_thread *self, struct state *state, struct side *me, uint64_t phase,
                           int *result)
{
    const bool emptied = at_load_acq(&state->emptied, AT(burst_emptied_see, burst_emptied_set)) == phase;
    workload_items_watch(&me->loop, false);
    const unsigned done = self->run->loops->consume(&me->loop, QUANTUM, result);
    me->received += done;
    self->failed = me->loop.failed;
    self->observed = me->loop.observed;
    self->handovers = me->loop.handovers;
    if (done) {
        const uint64_t now = clock_ticks(), in = at_load_rlx(&state->in);
        const uint64_t before = at_add_rlx(&state->out, done);
        if (before < in && before + done >= in && !at_load_rlx(&state->cut))
            workload_record(self, STAGE_DRAIN, now - at_load_rlx(&state->opened));
        state->items.taken[self->rank].false_empty += emptied;
    }
    if (*result == QUEUE_EMPTY)
        at_store_rel(&state->emptied, phase, AT(burst_emptied_set, burst_emptied_see));
    return done;
}

// This consumer's part of a round. False: the run is over.
static bool drain(struct workload_thread *self, struct state *state, struct side *me, uint64_t phase)
{
    const uint64_t first = me->received, start = clock_ticks();
    uint64_t last = start;
    struct items_drought drought = {0};
    unsigned idle = 0;
    for (bool over = false; !over;) {
        int result;
        const unsigned done = drain_some(self, state, me, phase, &result);
        if (!go_on(self, me->received))
            return false;
        if (done)
            last = clock_ticks();
        if (!done || !self->progress)
            workload_reclaim(self);
        const bool all = at_load_rlx(&state->out) >= at_load_rlx(&state->in);
        const bool empty = result == QUEUE_EMPTY;
        if (!empty)
            drought = (struct items_drought){0};
        over = (all && (empty || state->items.baseline)) || (empty && workload_items_drought(&drought));
        idle = done || over ? 0 : idle + 1;
        if (idle)
            thread_spin_round(idle - 1);
    }
    if (me->received > first)
        workload_record(self, STAGE_DRAIN_ITEM, (last - start) / (me->received - first));
    return true;
}

static void consume(struct workload_thread *self, struct state *state)
{
    struct side *me = &state->consumers[self->rank];
    me->loop = (struct queue_loop){.ops = self->consumer.ops,
                                   .queue = self->consumer.queue,
                                   .handle = self->consumer.handle,
                                   .log = &state->items.taken[self->rank].log};
    for (uint64_t phase = 1; await_phase(self, state, phase, me->received) && drain(self, state, me, phase); phase += 2)
        leave_phase(self, state, phase, state->config->producers);
    workload_items_drain(&state->items, self, self->rank, &me->loop, me->received);
}

static void body(struct workload_thread *self)
{
    struct state *state = self->run->state;
    if (self->role->produces)
        produce(self, state);
    else
        consume(self, state);
}

static void verify(struct workload_run *run, struct workload_verdict *verdict)
{
    struct state *state = run->state;
    workload_items_judge(&state->items, run, verdict);
}

static const char *const kind_names[] = {"managed", "unmanaged", NULL};

static const struct param params[] = {
    PARAM_U64(struct config, producers, "1", 1, 256, "threads", "Threads that enqueue"),
    PARAM_U64(struct config, consumers, "1", 1, 256, "threads", "Threads that dequeue"),
    PARAM_CHOICE(struct config, producer_kind, "unmanaged", kind_names,
                 "Whether producers take part in thread progress"),
    PARAM_CHOICE(struct config, consumer_kind, "managed", kind_names, "Whether consumers take part in thread progress"),
    PARAM_U64(struct config, burst, "1024", 1, 1 << 20, "items", "Items that each producer enqueues in a round"),
    PARAM_END,
};

const struct workload_ops burst_drain_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "burst_drain",
    .summary = "all producers fill the queue, then all consumers empty it, in turns",
    .source =
        "a burst of jobs that come home while the scheduler is busy elsewhere; fill and drain benchmarks of queues",
    .subject = WORKLOAD_ON_QUEUE,
    .operation = "item received",
    .checks = "every item delivered exactly once; order and EMPTY as the queue's traits promise",
    .stages = {"fill", "fill_item", "drain", "drain_item"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .teardown = teardown,
};
