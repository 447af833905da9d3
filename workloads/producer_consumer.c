// SPDX-License-Identifier: Apache-2.0
// P threads enqueue, C threads dequeue: the load that a queue sees inside a pool, without the pool.
//
// Flow: a producer has at most `window` items of its own in flight. Consumers publish, for each producer, the newest
// item they received; a producer looks at that only when it has used up its credit. Going by the newest item and
// not by their number, a lost item is found by the check at the end and does not stop the producer.
//
// Depth: with `prefill` the queue holds so many items before anyone takes one, and each producer may have its part of
// them in flight beside its window. How long the queue is then, the load decides, between nothing and
// prefill + producers x window: where producers are faster it stays near the upper end, where consumers are faster it
// runs empty, and with think times that balance both sides it wanders from where it began. The record says what came of
// it (queue_regime).
//
// Think time: after each item (or batch) that went through, a producer or consumer is busy elsewhere for a time that is
// drawn anew (core/workload_think.h). Failed operations are tried again without thinking.
//
// Batches: with `batch` producers and consumers hand over up to so many items in one call, where the queue has such
// calls; where it has not they are single operations, and optional_ops says emulated. A consumer does not wait for
// a batch to be full.
//
// Latency: one item in `sample_every` is enqueued by a call of its own between two clock readings ("enqueue").
// It carries ITEM_SAMPLED, and the moment of its enqueue stands in a slot of its producer until its consumer took
// it from there ("sojourn": from before enqueue to after dequeue). A slot that is still taken is not used again: the
// item goes unsampled. "dequeue" is the time of a successful call, every sample_every-th of a consumer. With batches
// the calls are those for the whole batch. "producer_think" and "consumer_think" are think times as achieved.
//
// Memory: with `item_bytes` each item stands for that many bytes, which its producer writes before it enqueues and its
// consumer reads after it dequeued.
//
// One operation is an item received.
#include <errno.h>

#include "core/workload.h"
#include "workloads/producer_consumer_batch.h"

static int resolve(const void *argument, struct workload_demand *demand, struct fault *fault)
{
    const struct config *config = argument;
    if (config->item_bytes % sizeof(uint64_t) != 0)
        return fault_set(fault, -EINVAL, "item_bytes must be a multiple of %zu, not %llu", sizeof(uint64_t),
                         (unsigned long long)config->item_bytes);
    *demand = (struct workload_demand){.roles =
                                           {
                                               {.name = "producer",
                                                .threads = (unsigned)config->producers,
                                                .produces = true,
                                                .kind = (enum queue_thread_kind)config->producer_kind},
                                               {.name = "consumer",
                                                .threads = (unsigned)config->consumers,
                                                .consumes = true,
                                                .kind = (enum queue_thread_kind)config->consumer_kind},
                                           },
                                       .prefill = config->prefill};
    return 0;
}

// One enqueue, timed, if there is a free slot for its stamp. Returns the items enqueued.
static unsigned produce_sample(struct workload_thread *self, struct state *state, struct producer *me)
{
    const struct queue_loops *loops = self->run->loops;
    _Atomic uint64_t *stamp = free_stamp(state, me, me->loop.sequence);
    int result;
    if (!stamp)
        return loops->produce(&me->loop, 1, &result);
    const uint64_t start = clock_ticks();
    at_store_rlx(stamp, start);
    me->loop.sequence |= ITEM_SAMPLED;
    const unsigned done = loops->produce(&me->loop, 1, &result);
    const uint64_t end = clock_ticks();
    me->loop.sequence &= ITEM_SEQUENCE_MASK;
    if (done)
        workload_record(self, STAGE_ENQUEUE, end - start);
    else
        at_store_rlx(stamp, 0);
    return done;
}

// Up to `most` items, until one is not taken. Returns the items enqueued.
static unsigned produce_some(struct workload_thread *self, struct state *state, struct producer *me, unsigned most)
{
    const uint64_t every = state->config->sample_every;
    unsigned total = 0;
    while (total < most) {
        const uint64_t place = every ? me->loop.sequence % every : 1;
        const uint64_t plain = every ? every - place : most;
        const unsigned wanted = plain < most - total ? (unsigned)plain : most - total;
        int result;
        const unsigned done =
            place == 0 ? produce_sample(self, state, me) : self->run->loops->produce(&me->loop, wanted, &result);
        total += done;
        if (done < (place == 0 ? 1 : wanted))
            break;
    }
    return total;
}

// Up to `most` items, thinking after each step that went through. Returns the items enqueued.
static unsigned produce_quantum(struct workload_thread *self, struct state *state, struct producer *me, unsigned most)
{
    unsigned total = 0;
    while (total < most) {
        const unsigned wanted = me->step < most - total ? me->step : most - total;
        const unsigned done = (state->config->batch > 1 ? produce_batch : produce_some)(self, state, me, wanted);
        total += done;
        if (done)
            workload_think(&me->think, self, 0);
        if (done < wanted)
            break;
    }
    return total;
}

// Items between two thoughts (or in a call), and between two ticks.
static void set_pace(const struct config *config, const struct workload_think *think, unsigned *step, unsigned *quantum)
{
    const bool thinks = think->mean_ns > 0;
    *step = config->batch > 1 ? (unsigned)config->batch : thinks ? 1 : QUANTUM;
    *quantum = workload_think_quantum(think, QUANTUM);
    if (*quantum < *step)
        *quantum = *step;
}

static struct producer *start_producer(struct workload_thread *self, struct state *state)
{
    struct producer *me = &state->producers[self->rank];
    me->loop = (struct queue_loop){.ops = self->producer.ops,
                                   .queue = self->producer.queue,
                                   .handle = self->producer.handle,
                                   .memory = state->memory,
                                   .producer = self->rank};
    workload_think_start(&me->think, &state->producer_think, self);
    set_pace(state->config, &me->think, &me->step, &me->quantum);
    workload_items_prefill(&state->items, self, &me->loop, state->config->prefill);
    return me;
}

static void produce(struct workload_thread *self, struct state *state)
{
    struct producer *me = start_producer(self, state);
    unsigned idle = 0;
    while (workload_tick(self, 0) != PHASE_STOP) {
        workload_quiescent(self);
        const unsigned most = credit(state, me);
        const unsigned done = most ? produce_quantum(self, state, me, most) : 0;
        self->failed = me->loop.failed;
        if (done)
            idle = 0;
        else
            thread_spin_round(idle++);
    }
    workload_items_finish(&state->items, self->rank, me->loop.sequence);
}

// Up to `most` items. Returns the items received.
static unsigned consume_plain(struct workload_thread *self, struct state *state, struct consumer *me, unsigned most,
                              bool timed)
{
    const uint64_t start = timed ? clock_ticks() : 0;
    int result;
    const unsigned done = self->run->loops->consume(&me->loop, timed ? 1 : most, &result);
    if (done && (timed || me->loop.sampled)) {
        const uint64_t now = clock_ticks();
        if (timed)
            workload_record(self, STAGE_DEQUEUE, now - start);
        if (me->loop.sampled)
            take_sample(self, state, me->loop.sampled, now);
    }
    return done;
}

// One step. Returns the items received.
static unsigned consume_some(struct workload_thread *self, struct state *state, struct consumer *me)
{
    const bool timed = state->config->sample_every && me->untimed >= state->config->sample_every;
    const unsigned done = (state->config->batch > 1 ? consume_batch : consume_plain)(self, state, me, me->step, timed);
    me->received += done;
    me->untimed = timed && done ? done : me->untimed + done;
    me->untold += done;
    return done;
}

// Steps, thinking after each that brought something. Returns the items received.
static unsigned consume_quantum(struct workload_thread *self, struct state *state, struct consumer *me)
{
    unsigned total = 0;
    workload_items_watch(&me->loop, me->think.mean_ns > 0);
    while (total < me->quantum) {
        const unsigned done = consume_some(self, state, me);
        total += done;
        if (!done)
            break;
        workload_think(&me->think, self, me->received);
    }
    self->failed = me->loop.failed;
    self->observed = me->loop.observed;
    self->handovers = me->loop.handovers;
    return total;
}

// Tells the producers how far the consumer has come.
static void publish(struct consumer *me, const struct item_log *log)
{
    for (unsigned i = 0; i < log->producers; i++) {
        const uint64_t next = log->streams[i].next;
        if (next > at_load_rlx(&me->newest[i]))
            at_store_rlx(&me->newest[i], next);
    }
    me->untold = 0;
}

static struct consumer *start_consumer(struct workload_thread *self, struct state *state)
{
    struct consumer *me = &state->consumers[self->rank];
    const uint64_t producers = state->config->producers;
    me->loop = (struct queue_loop){.ops = self->consumer.ops,
                                   .queue = self->consumer.queue,
                                   .handle = self->consumer.handle,
                                   .log = &state->items.taken[self->rank].log,
                                   .memory = state->memory};
    workload_think_start(&me->think, &state->consumer_think, self);
    set_pace(state->config, &me->think, &me->step, &me->quantum);
    if (state->config->batch == 1 && me->think.mean_ns == 0)
        me->quantum = 1; // one call for the whole quantum
    me->publish_after = me->think.mean_ns > 0 ? 1 : producers > QUANTUM ? producers : QUANTUM;
    workload_items_await_prefill(&state->items, self);
    return me;
}

static void consume(struct workload_thread *self, struct state *state)
{
    struct consumer *me = start_consumer(self, state);
    unsigned idle = 0;
    while (workload_tick(self, me->received) != PHASE_STOP) {
        workload_quiescent(self);
        const unsigned done = consume_quantum(self, state, me);
        if (me->untold && (!done || me->untold >= me->publish_after))
            publish(me, me->loop.log);
        if (!done || !self->progress)
            workload_reclaim(self);
        if (done)
            idle = 0;
        else
            thread_spin_round(idle++);
    }
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
    PARAM_U64(struct config, window, "1024", 1, 1 << 20, "items", "Items of one producer in flight at most"),
    PARAM_U64(struct config, prefill, "0", 0, 1 << 22, "items",
              "Items that the queue holds before anyone takes one; what its length is later, the load decides"),
    PARAM_U64(struct config, batch, "1", 1, QUANTUM, "items", "Items that are handed over in one call, at most"),
    PARAM_NS(struct config, producer_think_ns, "0", 0, WORKLOAD_THINK_MOST_NS,
             "Mean time that a producer is busy elsewhere after each item, or batch"),
    PARAM_NS(struct config, consumer_think_ns, "0", 0, WORKLOAD_THINK_MOST_NS,
             "Mean time that a consumer is busy elsewhere after each item, or batch"),
    PARAM_CHOICE(struct config, think, "constant", workload_think_names, "How the think times are distributed"),
    PARAM_U64(struct config, sample_every, "64", 0, 1 << 20, "items",
              "One item, and think time, in so many is timed; 0: none"),
    PARAM_U64(
        struct config, item_bytes, "0", 0, 4096, "bytes",
        "Memory that an item stands for, written by its producer and read by its consumer; a multiple of 8; 0: items "
        "are plain values"),
    PARAM_END,
};

const struct workload_ops producer_consumer_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "producer_consumer",
    .summary = "P threads enqueue, C threads dequeue",
    .source = "the usual transfer benchmark; with its defaults, what a ready queue sees (many workers, one scheduler)",
    .subject = WORKLOAD_ON_QUEUE,
    .operation = "item received",
    .checks = "every item delivered exactly once; order and EMPTY as the queue's traits promise",
    .stages = {"enqueue", "dequeue", "sojourn", "producer_think", "consumer_think"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .teardown = teardown,
};
