// SPDX-License-Identifier: Apache-2.0
// Round trips, one item at a time: a producer enqueues one item and waits until a consumer has answered it; then the
// next. The queue never holds more items than there are producers, so this is what one hand-over takes, and not how
// many there can be in a second.
//
// The answer does not come back by a queue, since a run has one, and most queues have one consumer; it comes by a line
// of memory of the producer's own, which the producer watches and the consumer writes. So a round trip is one
// enqueue, one dequeue and one transfer of a cache line; the sentinel of the record says what two such transfers cost
// when nothing else happens.
//
// Both sides look without pausing, and give up the processor after `looks` looks in vain, so that it also works with
// fewer processors than threads.
//
// Latency: `round_trip` is from before the enqueue, with whatever FULL or RETRY it met, to the answer having been seen;
// `one_way` from there to after the dequeue, where the consumer reads the clock and then answers; `answer` is the rest,
// from after the dequeue to the answer having been seen. With sample_every=0 nobody reads the clock, and the throughput
// gives the mean round trip.
//
// One operation is a round trip.
#include <errno.h>

#include "core/workload.h"

// Looks between two ticks.
#define QUANTUM 64u

enum stage { STAGE_ROUND_TRIP, STAGE_ONE_WAY, STAGE_ANSWER };

struct config {
    uint64_t producers, consumers;
    uint64_t producer_kind, consumer_kind; // enum queue_thread_kind
    uint64_t looks;
    uint64_t sample_every;
};

// What a consumer writes for a producer. A line to itself.
struct answer {
    _Atomic uint64_t taken; // when, of a sampled item
    _Atomic uint64_t next;  // sequence of the item answered, plus one
} ALIGNED_LINE;

// One thread's own.
struct side {
    struct queue_loop loop;
    uint64_t received; // by a consumer
    uint64_t trips;    // by a producer
} ALIGNED_LINE;

struct state {
    const struct config *config;
    struct workload_items items;
    struct side *producers, *consumers;
    struct answer *answers; // by producer
};

static int resolve(const void *argument, struct workload_demand *demand, struct fault *fault)
{
    (void)fault;
    const struct config *config = argument;
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
    if (run->queue_choice->traits.baseline)
        return fault_set(fault, -EINVAL, "%s is a baseline and carries no items, so nobody could answer them",
                         run->queue_choice->entry->name);
    struct state *state = run->state = workload_alloc(sizeof *state);
    if (state) {
        state->config = config;
        state->producers = workload_alloc(config->producers * sizeof *state->producers);
        state->consumers = workload_alloc(config->consumers * sizeof *state->consumers);
        state->answers = workload_alloc(config->producers * sizeof *state->answers);
    }
    if (!state || !state->producers || !state->consumers || !state->answers ||
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
    free(state->answers);
    free(state);
    run->state = NULL;
}

static bool is_sampled(const struct state *state, uint64_t sequence)
{
    return state->config->sample_every && sequence % state->config->sample_every == 0;
}

// Between quanta. False: the run is over.
static bool go_on(struct workload_thread *self, uint64_t operations)
{
    workload_quiescent(self);
    return workload_tick(self, operations) != PHASE_STOP;
}

// Every item asks the consumer to leave it where it can be seen, by ITEM_SAMPLED. False: the run is over.
static bool ask(struct workload_thread *self, struct side *me)
{
    int result;
    for (unsigned idle = 0;; idle++) {
        me->loop.sequence |= ITEM_SAMPLED;
        const unsigned done = self->run->loops->produce(&me->loop, 1, &result);
        me->loop.sequence &= ITEM_SEQUENCE_MASK;
        self->failed = me->loop.failed;
        if (done)
            return true;
        if (!go_on(self, me->trips))
            return false;
        thread_spin_round(idle);
    }
}

// Until the item before `next` is answered. False: the run is over.
static bool await_answer(struct workload_thread *self, const struct state *state, const struct side *me, uint64_t next)
{
    struct answer *answer = &state->answers[self->rank];
    for (uint64_t looks = 1; at_load_acq(&answer->next, AT(ping_see, ping_answer)) < next; looks++) {
        const bool patient = looks < state->config->looks;
        if ((!patient || looks % QUANTUM == 0) && !go_on(self, me->trips))
            return false;
        if (!patient)
            thread_yield();
    }
    return true;
}

static void record_trip(struct workload_thread *self, const struct state *state, uint64_t start)
{
    const uint64_t taken = at_load_rlx(&state->answers[self->rank].taken), now = clock_ticks();
    workload_record(self, STAGE_ROUND_TRIP, now - start);
    if (taken < start || taken > now)
        return;
    workload_record(self, STAGE_ONE_WAY, taken - start);
    workload_record(self, STAGE_ANSWER, now - taken);
}

static void produce(struct workload_thread *self, struct state *state)
{
    struct side *me = &state->producers[self->rank];
    me->loop = (struct queue_loop){.ops = self->producer.ops,
                                   .queue = self->producer.queue,
                                   .handle = self->producer.handle,
                                   .producer = self->rank};
    while (go_on(self, me->trips)) {
        const bool sampled = is_sampled(state, me->loop.sequence);
        const uint64_t start = sampled ? clock_ticks() : 0;
        if (!ask(self, me) || !await_answer(self, state, me, me->loop.sequence))
            break;
        if (sampled)
            record_trip(self, state, start);
        me->trips++;
    }
    workload_items_finish(&state->items, self->rank, me->loop.sequence);
}

static void answer_to(struct state *state, uintptr_t item)
{
    const uint64_t producer = (item >> ITEM_PRODUCER_SHIFT) - 1, sequence = item & ITEM_SEQUENCE_MASK;
    if (producer >= state->config->producers)
        return;
    struct answer *answer = &state->answers[producer];
    if (is_sampled(state, sequence))
        at_store_rlx(&answer->taken, clock_ticks());
    at_store_rel(&answer->next, sequence + 1, AT(ping_answer, ping_see));
}

static void consume(struct workload_thread *self, struct state *state)
{
    struct side *me = &state->consumers[self->rank];
    me->loop = (struct queue_loop){.ops = self->consumer.ops,
                                   .queue = self->consumer.queue,
                                   .handle = self->consumer.handle,
                                   .log = &state->items.taken[self->rank].log};
    for (uint64_t looks = 0; go_on(self, 0);) {
        const uint64_t before = me->received;
        for (unsigned i = 0; i < QUANTUM && looks < state->config->looks; i++, looks++) {
            int result;
            if (!self->run->loops->consume(&me->loop, 1, &result))
                continue;
            answer_to(state, me->loop.sampled);
            me->received++;
            looks = 0;
        }
        self->failed = me->loop.failed;
        if (me->received == before || !self->progress)
            workload_reclaim(self);
        if (looks >= state->config->looks) {
            thread_yield();
            looks = state->config->looks - 1;
        }
    }
    workload_items_drain(&state->items, self, self->rank, &me->loop, 0);
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
    PARAM_U64(struct config, producers, "1", 1, 256, "threads", "Threads that enqueue, one item at a time"),
    PARAM_U64(struct config, consumers, "1", 1, 256, "threads", "Threads that dequeue and answer"),
    PARAM_CHOICE(struct config, producer_kind, "unmanaged", kind_names,
                 "Whether producers take part in thread progress"),
    PARAM_CHOICE(struct config, consumer_kind, "managed", kind_names, "Whether consumers take part in thread progress"),
    PARAM_U64(struct config, looks, "1000", 1, 1000000000, "looks",
              "Looks in vain after which a thread gives up its processor, and again after each one more"),
    PARAM_U64(struct config, sample_every, "1", 0, 1 << 20, "round trips",
              "One round trip in so many is timed; 0: none"),
    PARAM_END,
};

const struct workload_ops ping_pong_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "ping_pong",
    .summary = "round trips: a producer enqueues one item and waits for a consumer's answer",
    .source =
        "the usual ping-pong of message passing, with the way back a line of memory; a caller that waits for its job",
    .subject = WORKLOAD_ON_QUEUE,
    .operation = "round trip",
    .checks = "every item delivered exactly once; order and EMPTY as the queue's traits promise",
    .stages = {"round_trip", "one_way", "answer"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .teardown = teardown,
};
