// SPDX-License-Identifier: Apache-2.0
// P threads enqueue and C threads dequeue, and their handles come and go: after every `operations` items of its own, a
// thread detaches from the queue and attaches again. It models threads that are made for a task and end with it, as
// seen by the queue that they share: what the queue keeps for each of them has to be set up, found again by the others,
// and given back, while those go on.
//
// The threads themselves stay, with their place in thread progress and their element cache: what is measured is the
// queue's part, and not the system's. A handle that can't be had is asked for again, and counts as failed.
//
// A producer has at most `window` items in flight, by core/workload_window.h.
//
// Latency: `detach` and `attach`, each call, with the memory of the handle given back and got. `who` chooses who comes
// and goes, so that both ends can be told apart.
//
// One operation is an item received.
#include <errno.h>

#include "core/workload.h"

// Operations between two ticks.
#define QUANTUM 64u
// Attempts of a consumer that stands without a handle at the end, to get one for the drain.
#define LAST_TRIES 1000u

enum stage { STAGE_ATTACH, STAGE_DETACH };
enum who { WHO_PRODUCERS, WHO_CONSUMERS, WHO_ALL };

static const char *const who_names[] = {"producers", "consumers", "all", NULL};

struct config {
    uint64_t producers, consumers;
    uint64_t producer_kind, consumer_kind; // enum queue_thread_kind
    uint64_t operations;
    uint64_t who;
    uint64_t window;
};

// One thread's own.
struct side {
    struct queue_loop loop;
    uint64_t left;     // items until it leaves
    uint64_t refused;  // attaches that failed
    uint64_t received; // by a consumer
    uint64_t limit;    // of a producer's window
    bool stays;
} ALIGNED_LINE;

struct state {
    const struct config *config;
    struct workload_items items;
    struct workload_window window;
    struct side *producers, *consumers;
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
    const unsigned producers = (unsigned)config->producers, consumers = (unsigned)config->consumers;
    struct state *state = run->state = workload_alloc(sizeof *state);
    if (state) {
        state->config = config;
        state->producers = workload_alloc(producers * sizeof *state->producers);
        state->consumers = workload_alloc(consumers * sizeof *state->consumers);
    }
    if (!state || !state->producers || !state->consumers ||
        workload_items_init(&state->items, run, producers, consumers) != 0 ||
        workload_window_init(&state->window, producers, consumers, state->items.baseline ? 0 : config->window) != 0)
        return fault_set(fault, -ENOMEM, "no memory for %u producers and %u consumers", producers, consumers);
    return 0;
}

static void teardown(struct workload_run *run)
{
    struct state *state = run->state;
    if (!state)
        return;
    workload_items_fini(&state->items);
    workload_window_fini(&state->window);
    free(state->producers);
    free(state->consumers);
    free(state);
    run->state = NULL;
}

// False: the queue gives no handle now.
static bool attach(struct workload_thread *self, struct side *me, struct queue_client *client, enum queue_role role)
{
    const uint64_t start = clock_ticks();
    if (queue_client_attach(client, self->run->queue, role, self->role->kind) != 0) {
        me->refused++;
        return false;
    }
    workload_record(self, STAGE_ATTACH, clock_ticks() - start);
    me->loop.handle = client->handle;
    return true;
}

static void detach(struct workload_thread *self, struct queue_client *client)
{
    const uint64_t start = clock_ticks();
    queue_client_detach(client, self->run->queue);
    workload_record(self, STAGE_DETACH, clock_ticks() - start);
}

// Has the handle for the next quantum, after leaving and coming back if that is due. False: there is none.
static bool stand_ready(struct workload_thread *self, const struct state *state, struct side *me,
                        struct queue_client *client, enum queue_role role)
{
    if (client->ops && (me->left || me->stays))
        return true;
    if (client->ops)
        detach(self, client);
    me->left = state->config->operations;
    return attach(self, me, client, role);
}

// How many of `most` items may come next.
static unsigned quantum(const struct side *me, uint64_t most)
{
    if (most > QUANTUM)
        most = QUANTUM;
    return (unsigned)(!me->stays && me->left < most ? me->left : most);
}

static void account(struct workload_thread *self, struct side *me, unsigned done)
{
    me->left -= me->stays ? 0 : done;
    self->failed = me->loop.failed + me->refused;
    self->observed = me->loop.observed;
    self->handovers = me->loop.handovers;
}

static void produce(struct workload_thread *self, struct state *state)
{
    struct side *me = &state->producers[self->rank];
    me->loop = (struct queue_loop){.ops = self->producer.ops,
                                   .queue = self->producer.queue,
                                   .handle = self->producer.handle,
                                   .producer = self->rank};
    me->left = state->config->operations;
    me->stays = state->config->who == WHO_CONSUMERS;
    unsigned idle = 0;
    while (workload_tick(self, 0) != PHASE_STOP) {
        workload_quiescent(self);
        unsigned done = 0;
        if (stand_ready(self, state, me, &self->producer, QUEUE_PRODUCER)) {
            const uint64_t most = workload_window_credit(&state->window, self->rank, me->loop.sequence, &me->limit);
            int result;
            done = most ? self->run->loops->produce(&me->loop, quantum(me, most), &result) : 0;
        }
        account(self, me, done);
        if (done)
            idle = 0;
        else
            thread_spin_round(idle++);
    }
    workload_items_finish(&state->items, self->rank, me->loop.sequence);
}

static void consume_some(struct workload_thread *self, struct state *state, struct side *me, unsigned *idle)
{
    const struct item_log *log = &state->items.taken[self->rank].log;
    unsigned done = 0;
    if (stand_ready(self, state, me, &self->consumer, QUEUE_CONSUMER)) {
        int result;
        workload_items_watch(&me->loop, false);
        done = self->run->loops->consume(&me->loop, quantum(me, QUANTUM), &result);
        me->received += done;
        if (done)
            workload_window_publish(&state->window, self->rank, log);
        if (!done || !self->progress)
            workload_reclaim(self);
    }
    account(self, me, done);
    *idle = done ? 0 : *idle + 1;
}

static void consume(struct workload_thread *self, struct state *state)
{
    struct side *me = &state->consumers[self->rank];
    me->loop = (struct queue_loop){.ops = self->consumer.ops,
                                   .queue = self->consumer.queue,
                                   .handle = self->consumer.handle,
                                   .log = &state->items.taken[self->rank].log};
    me->left = state->config->operations;
    me->stays = state->config->who == WHO_PRODUCERS;
    unsigned idle = 0;
    while (workload_tick(self, me->received) != PHASE_STOP) {
        workload_quiescent(self);
        consume_some(self, state, me, &idle);
        if (idle)
            thread_spin_round(idle - 1);
    }
    for (unsigned i = 0; i < LAST_TRIES && !self->consumer.ops; i++) {
        attach(self, me, &self->consumer, QUEUE_CONSUMER);
        thread_yield();
    }
    if (self->consumer.ops)
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
    PARAM_U64(struct config, producers, "2", 1, 256, "threads", "Threads that enqueue"),
    PARAM_U64(struct config, consumers, "1", 1, 256, "threads", "Threads that dequeue"),
    PARAM_CHOICE(struct config, producer_kind, "unmanaged", kind_names,
                 "Whether producers take part in thread progress"),
    PARAM_CHOICE(struct config, consumer_kind, "managed", kind_names, "Whether consumers take part in thread progress"),
    PARAM_U64(struct config, operations, "1000", 1, 1000000000, "items",
              "Items that a thread moves between two changes of its handle"),
    PARAM_CHOICE(struct config, who, "all", who_names, "Whose handles come and go"),
    PARAM_U64(struct config, window, "1024", 1, 1 << 20, "items", "Items of one producer in flight at most"),
    PARAM_END,
};

const struct workload_ops thread_churn_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "thread_churn",
    .summary = "P threads enqueue, C threads dequeue, and their handles come and go",
    .source =
        "short-lived threads on a long-lived queue; where queues with state of their own for each thread pay for it",
    .subject = WORKLOAD_ON_QUEUE,
    .operation = "item received",
    .checks = "every item delivered exactly once; order and EMPTY as the queue's traits promise",
    .stages = {"attach", "detach"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .teardown = teardown,
};
