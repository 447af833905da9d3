// SPDX-License-Identifier: Apache-2.0
// P threads enqueue, C threads dequeue: the load that a queue sees inside a pool, without the pool.
//
// Flow: a producer has at most `window` items of its own in flight. Consumers publish, for each producer, the newest
// item they received; a producer looks at that only when it has used up its credit. Going by the newest item and
// not by their number, a lost item is found by the check at the end and does not stop the producer.
//
// Latency: one item in `sample_every` is enqueued by a call of its own between two clock readings ("enqueue").
// It carries ITEM_SAMPLED, and the moment of its enqueue stands in a slot of its producer until its consumer took
// it from there ("sojourn": from before enqueue to after dequeue). A slot that is still taken is not used again: the
// item goes unsampled. "dequeue" is the time of a successful call, every sample_every-th of a consumer.
//
// Memory: with `item_bytes` each item stands for that many bytes, which its producer writes before it enqueues and its
// consumer reads after it dequeued.
//
// One operation is an item received.
#include <errno.h>

#include "core/workload.h"

// Operations between two ticks.
#define QUANTUM 64u

enum stage { STAGE_ENQUEUE, STAGE_DEQUEUE, STAGE_SOJOURN };

struct config {
    uint64_t producers, consumers;
    uint64_t producer_kind, consumer_kind; // enum queue_thread_kind
    uint64_t window;
    uint64_t sample_every;
    uint64_t item_bytes;
};

struct producer {
    struct queue_loop loop;
    uint64_t limit;           // sequence that it may go to
    _Atomic uint64_t *stamps; // by place of the sample: ticks before its enqueue, or 0: free
} ALIGNED_LINE;

struct consumer {
    struct queue_loop loop;
    uint64_t received;
    uint64_t untimed;         // received since a dequeue was timed
    uint64_t untold;          // received since it published
    _Atomic uint64_t *newest; // per producer: sequence of the newest item received, plus one
} ALIGNED_LINE;

struct state {
    const struct config *config;
    struct workload_items items;
    struct producer *producers;
    struct consumer *consumers;
    struct item_memory *memory; // by producer; NULL without item_bytes
    uint64_t stamp_mask;
};

static int resolve(const void *argument, struct workload_demand *demand, struct fault *fault)
{
    const struct config *config = argument;
    if (config->item_bytes % sizeof(uint64_t) != 0)
        return fault_set(fault, -EINVAL, "item_bytes must be a multiple of %zu, not %llu", sizeof(uint64_t),
                         (unsigned long long)config->item_bytes);
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

// A power of two of slots, more than a window has samples.
static uint64_t stamp_count(const struct config *config)
{
    uint64_t count = 2;
    while (config->sample_every && count < config->window / config->sample_every + 2)
        count *= 2;
    return count;
}

// Lines of its own for each item, and no block used again while its item may be in flight.
static int make_memory(struct state *state)
{
    const struct config *config = state->config;
    uint64_t blocks = 1;
    if (config->item_bytes == 0)
        return 0;
    while (blocks < config->window + QUANTUM)
        blocks *= 2;
    const unsigned used = (unsigned)(config->item_bytes / sizeof(uint64_t));
    const unsigned stride = (used + 7) / 8 * 8;
    state->memory = workload_alloc(config->producers * sizeof *state->memory);
    for (unsigned i = 0; state->memory && i < config->producers; i++) {
        state->memory[i] =
            (struct item_memory){workload_alloc(blocks * stride * sizeof(uint64_t)), blocks - 1, stride, used};
        if (!state->memory[i].words)
            return -ENOMEM;
    }
    return state->memory ? 0 : -ENOMEM;
}

static int make_sides(struct state *state)
{
    const struct config *config = state->config;
    state->producers = workload_alloc(config->producers * sizeof *state->producers);
    state->consumers = workload_alloc(config->consumers * sizeof *state->consumers);
    if (!state->producers || !state->consumers)
        return -ENOMEM;
    state->stamp_mask = stamp_count(config) - 1;
    for (unsigned i = 0; i < config->producers; i++) {
        state->producers[i].stamps = workload_alloc((state->stamp_mask + 1) * sizeof(uint64_t));
        if (!state->producers[i].stamps)
            return -ENOMEM;
    }
    for (unsigned i = 0; i < config->consumers; i++) {
        state->consumers[i].newest = workload_alloc(config->producers * sizeof(uint64_t));
        if (!state->consumers[i].newest)
            return -ENOMEM;
    }
    return 0;
}

static int setup(struct workload_run *run, struct fault *fault)
{
    const struct config *config = run->config;
    struct state *state = run->state = workload_alloc(sizeof *state);
    if (!state)
        return fault_set(fault, -ENOMEM, "no memory for workload producer_consumer");
    state->config = config;
    if (workload_items_init(&state->items, run, (unsigned)config->producers, (unsigned)config->consumers) != 0 ||
        make_sides(state) != 0 || make_memory(state) != 0)
        return fault_set(fault, -ENOMEM, "no memory for %llu producers and %llu consumers",
                         (unsigned long long)config->producers, (unsigned long long)config->consumers);
    return 0;
}

static void teardown(struct workload_run *run)
{
    struct state *state = run->state;
    if (!state)
        return;
    for (unsigned i = 0; state->producers && i < state->config->producers; i++)
        free(state->producers[i].stamps);
    for (unsigned i = 0; state->consumers && i < state->config->consumers; i++)
        free(state->consumers[i].newest);
    for (unsigned i = 0; state->memory && i < state->config->producers; i++)
        free(state->memory[i].words);
    free(state->memory);
    free(state->producers);
    free(state->consumers);
    workload_items_fini(&state->items);
    free(state);
    run->state = NULL;
}

// How many more items the producer may enqueue now.
static unsigned credit(struct state *state, struct producer *me)
{
    const uint64_t sequence = me->loop.sequence;
    if (state->items.baseline)
        return QUANTUM;
    if (sequence >= me->limit) {
        uint64_t newest = 0;
        for (unsigned i = 0; i < state->config->consumers; i++) {
            const uint64_t seen = at_load_rlx(&state->consumers[i].newest[me->loop.producer]);
            newest = seen > newest ? seen : newest;
        }
        me->limit = newest + state->config->window;
    }
    const uint64_t left = me->limit > sequence ? me->limit - sequence : 0;
    return left < QUANTUM ? (unsigned)left : QUANTUM;
}

// One enqueue, timed, if there is a free slot for its stamp. Returns the items enqueued.
static unsigned produce_sample(struct workload_thread *self, struct state *state, struct producer *me)
{
    const struct queue_loops *loops = self->run->loops;
    _Atomic uint64_t *stamp = &me->stamps[me->loop.sequence / state->config->sample_every & state->stamp_mask];
    int result;
    if (at_load_rlx(stamp) && !state->items.baseline)
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

static void produce(struct workload_thread *self, struct state *state)
{
    struct producer *me = &state->producers[self->rank];
    me->loop = (struct queue_loop){.ops = self->producer.ops,
                                   .queue = self->producer.queue,
                                   .handle = self->producer.handle,
                                   .memory = state->memory,
                                   .producer = self->rank};
    unsigned idle = 0;
    while (workload_tick(self, 0) != PHASE_STOP) {
        workload_quiescent(self);
        const unsigned most = credit(state, me);
        const unsigned done = most ? produce_some(self, state, me, most) : 0;
        self->failed = me->loop.failed;
        if (done)
            idle = 0;
        else
            thread_spin_round(idle++);
    }
    workload_items_finish(&state->items, self->rank, me->loop.sequence);
}

// The sampled item at which consume stopped: its time in the queue.
static void take_sample(struct workload_thread *self, struct state *state, uintptr_t item, uint64_t now)
{
    const uint64_t producer = (item >> ITEM_PRODUCER_SHIFT) - 1;
    if (producer >= state->config->producers || !state->config->sample_every)
        return;
    const uint64_t place = (item & ITEM_SEQUENCE_MASK) / state->config->sample_every & state->stamp_mask;
    _Atomic uint64_t *stamp = &state->producers[producer].stamps[place];
    const uint64_t start = at_load_rlx(stamp);
    at_store_rlx(stamp, 0);
    if (start && now > start)
        workload_record(self, STAGE_SOJOURN, now - start);
}

// Up to QUANTUM items in one call. Returns the items received.
static unsigned consume_some(struct workload_thread *self, struct state *state, struct consumer *me)
{
    const bool timed = state->config->sample_every && me->untimed >= state->config->sample_every;
    const uint64_t start = timed ? clock_ticks() : 0;
    int result;
    const unsigned done = self->run->loops->consume(&me->loop, timed ? 1 : QUANTUM, &result);
    if (done && (timed || me->loop.sampled)) {
        const uint64_t now = clock_ticks();
        if (timed)
            workload_record(self, STAGE_DEQUEUE, now - start);
        if (me->loop.sampled)
            take_sample(self, state, me->loop.sampled, now);
        me->untimed = timed ? 0 : me->untimed;
    }
    me->received += done;
    me->untimed += done;
    me->untold += done;
    return done;
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

static void consume(struct workload_thread *self, struct state *state)
{
    struct consumer *me = &state->consumers[self->rank];
    struct item_log *log = &state->items.taken[self->rank].log;
    const uint64_t producers = state->config->producers;
    const uint64_t publish_after = producers > QUANTUM ? producers : QUANTUM;
    me->loop = (struct queue_loop){.ops = self->consumer.ops,
                                   .queue = self->consumer.queue,
                                   .handle = self->consumer.handle,
                                   .log = log,
                                   .memory = state->memory};
    unsigned idle = 0;
    while (workload_tick(self, me->received) != PHASE_STOP) {
        workload_quiescent(self);
        const unsigned done = consume_some(self, state, me);
        self->failed = me->loop.failed;
        if (me->untold && (!done || me->untold >= publish_after))
            publish(me, log);
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
    PARAM_U64(struct config, sample_every, "64", 0, 1 << 20, "items",
              "One item in so many has its latency taken; 0: none"),
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
    .stages = {"enqueue", "dequeue", "sojourn"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .teardown = teardown,
};
