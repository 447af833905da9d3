// SPDX-License-Identifier: Apache-2.0
// P threads enqueue and C threads dequeue, and one of them, the holder, is stopped again and again for `stop_ns`, at
// random moments, mostly inside one of its calls: how do the others fare meanwhile? It models what a scheduler does
// with more threads than processors, at a rate that can be chosen: the thread that holds a lock, or has reserved a
// place and not yet filled it, has lost its processor. Lock-free queues go on, blocking ones stand still, and a queue
// that is lock-free by name may still hide its items behind the one that is missing; so what is reported is the
// progress that was seen, whatever the trait says.
//
// The stops are a timer's signal, whose handler sleeps (core/workload_stop.h). At both ends of each stop it adds up
// what the others have done so far. The rates of the others while the holder was stopped inside a call, as shares of
// their rates while it was not stopped, are in the report. Where threads are more than processors they may be above
// 100 %: the holder leaves its processor to them.
//
// A producer has at most `window` items in flight, by core/workload_window.h; a window that fills during a stop holds
// back producers that the queue would not.
//
// Latency, of the others only: `enqueue` and `dequeue` are successful calls, one in `sample_every` of a thread;
// `wait` is how long a consumer had nothing, from the first EMPTY or RETRY after an item to its next one. `stop` is
// each stop of the holder as it was, in a call or not.
//
// One operation is an item received.
#include <errno.h>
#include <stdio.h>

#include "core/workload.h"
#include "workloads/preempted_holder_tally.h"

// Operations between two ticks.
#define QUANTUM 64u

enum stage { STAGE_ENQUEUE, STAGE_DEQUEUE, STAGE_WAIT, STAGE_STOP };
enum who { WHO_PRODUCER, WHO_CONSUMER };

static const char *const who_names[] = {"producer", "consumer", NULL};

struct config {
    uint64_t producers, consumers;
    uint64_t producer_kind, consumer_kind; // enum queue_thread_kind
    uint64_t who;
    uint64_t every_ns, stop_ns;
    uint64_t window;
    uint64_t sample_every;
};

// One thread's own.
struct side {
    struct queue_loop loop;
    _Atomic uint64_t done; // items enqueued or dequeued, as shown to the holder
    uint64_t untimed;      // since one was timed
    uint64_t dry;          // a consumer's: when it first had nothing; 0: it had
    uint64_t limit;        // of a producer's window
} ALIGNED_LINE;

// The holder's own; `inside` is what its handler learns from the code that it interrupts.
struct holder {
    struct workload_thread *self;
    struct workload_stop stop;
    volatile sig_atomic_t inside; // a call
    struct holder_tally begun;    // of the present stop
    struct holder_books books;    //
    int error;                    // there are no stops
} ALIGNED_LINE;

struct state {
    const struct config *config;
    struct workload_items items;
    struct workload_window window;
    struct side *producers, *consumers;
    struct holder holder;
    struct sigaction before;
    bool taken; // the signal is ours
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

static bool is_holder(const struct state *state, const struct workload_thread *self)
{
    return self->rank == 0 && self->role->produces == (state->config->who == WHO_PRODUCER);
}

static uint64_t sum(const struct side *sides, uint64_t count, bool without_first)
{
    uint64_t total = 0;
    for (uint64_t i = without_first; i < count; i++)
        total += at_load_rlx(&((struct side *)sides)[i].done);
    return total;
}

static struct holder_tally take_tally(const struct state *state)
{
    const struct config *config = state->config;
    return (struct holder_tally){clock_ticks(), sum(state->producers, config->producers, config->who == WHO_PRODUCER),
                                 sum(state->consumers, config->consumers, config->who == WHO_CONSUMER)};
}

static void before_stop(void *context)
{
    struct state *state = context;
    state->holder.begun = take_tally(state);
}

// The latency is recorded here: the list that it goes to is only ever written by this handler.
static void after_stop(void *context)
{
    struct state *state = context;
    struct holder *holder = &state->holder;
    if (!holder->self->recording || holder->begun.ticks < holder->books.first.ticks || !holder->books.first.ticks)
        return;
    const struct holder_tally now = take_tally(state);
    workload_record(holder->self, STAGE_STOP, now.ticks - holder->begun.ticks);
    holder_add(&holder->books.in_stops, &holder->begun, &now);
    if (!holder->inside)
        return;
    holder_add(&holder->books.in_calls, &holder->begun, &now);
    holder->books.stops++;
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
    state->holder.stop = (struct workload_stop){.every_ns = config->every_ns,
                                                .stop_ns = config->stop_ns,
                                                .before = before_stop,
                                                .after = after_stop,
                                                .context = state};
    const int error = workload_stop_open(&state->before);
    if (error)
        return fault_set(fault, error, "the signal that stops the holder cannot be had: %s", strerror(-error));
    state->taken = true;
    return 0;
}

static void teardown(struct workload_run *run)
{
    struct state *state = run->state;
    if (!state)
        return;
    if (state->taken)
        workload_stop_close(&state->before);
    workload_items_fini(&state->items);
    workload_window_fini(&state->window);
    free(state->producers);
    free(state->consumers);
    free(state);
    run->state = NULL;
}

// One call. Returns whether an item went in or out.
static bool operate(const struct workload_thread *self, struct side *me)
{
    const struct queue_loops *loops = self->run->loops;
    int result;
    if (!(self->role->produces ? loops->produce : loops->consume)(&me->loop, 1, &result))
        return false;
    at_store_rlx(&me->done, at_load_rlx(&me->done) + 1);
    return true;
}

// One call of a thread that is not the holder.
static bool operate_timed(struct workload_thread *self, const struct state *state, struct side *me)
{
    const uint64_t every = state->config->sample_every;
    const bool timed = every && ++me->untimed >= every;
    const uint64_t start = timed ? clock_ticks() : 0;
    const bool done = operate(self, me);
    if (timed && done) {
        workload_record(self, self->role->produces ? STAGE_ENQUEUE : STAGE_DEQUEUE, clock_ticks() - start);
        me->untimed = 0;
    }
    if (done == (me->dry == 0) || self->role->produces)
        return done;
    const uint64_t now = clock_ticks();
    if (done)
        workload_record(self, STAGE_WAIT, now - me->dry);
    me->dry = done ? 0 : now;
    return done;
}

// Up to `most` calls. Returns how many went well.
static unsigned operate_some(struct workload_thread *self, struct state *state, struct side *me, unsigned most)
{
    struct holder *holder = is_holder(state, self) ? &state->holder : NULL;
    unsigned done = 0;
    for (bool well = true; well && done < most; done += well) {
        if (!holder) {
            well = operate_timed(self, state, me);
            continue;
        }
        holder->inside = true;
        well = operate(self, me);
        holder->inside = false;
    }
    self->failed = me->loop.failed;
    self->observed = me->loop.observed;
    self->handovers = me->loop.handovers;
    return done;
}

// By the holder, between quanta: notes where the window began and where it ended.
static void note_window(struct state *state)
{
    struct holder *holder = &state->holder;
    if (holder->self->recording && !holder->books.first.ticks)
        holder->books.first = take_tally(state);
    else if (!holder->self->recording && holder->books.first.ticks && !holder->books.last.ticks)
        holder->books.last = take_tally(state);
}

// Between quanta. False: the run is over.
static bool go_on(struct workload_thread *self, struct state *state, uint64_t operations)
{
    workload_quiescent(self);
    const bool on = workload_tick(self, operations) != PHASE_STOP;
    if (is_holder(state, self))
        note_window(state);
    return on;
}

static void begin(struct workload_thread *self, struct state *state)
{
    struct holder *holder = &state->holder;
    if (!is_holder(state, self))
        return;
    holder->self = self;
    holder->error = workload_stop_begin(&holder->stop, self->run->seed, self->index);
    if (holder->error)
        workload_give_up(self);
}

static void end(struct workload_thread *self, struct state *state)
{
    if (is_holder(state, self))
        workload_stop_end(&state->holder.stop);
}

static void produce(struct workload_thread *self, struct state *state)
{
    struct side *me = &state->producers[self->rank];
    me->loop = (struct queue_loop){.ops = self->producer.ops,
                                   .queue = self->producer.queue,
                                   .handle = self->producer.handle,
                                   .producer = self->rank};
    unsigned idle = 0;
    while (go_on(self, state, 0)) {
        const uint64_t most = workload_window_credit(&state->window, self->rank, me->loop.sequence, &me->limit);
        if (most && operate_some(self, state, me, most < QUANTUM ? (unsigned)most : QUANTUM))
            idle = 0;
        else
            thread_spin_round(idle++);
    }
    end(self, state);
    workload_items_finish(&state->items, self->rank, me->loop.sequence);
}

static void consume(struct workload_thread *self, struct state *state)
{
    struct side *me = &state->consumers[self->rank];
    const struct item_log *log = &state->items.taken[self->rank].log;
    me->loop = (struct queue_loop){.ops = self->consumer.ops,
                                   .queue = self->consumer.queue,
                                   .handle = self->consumer.handle,
                                   .log = &state->items.taken[self->rank].log};
    unsigned idle = 0;
    while (go_on(self, state, at_load_rlx(&me->done))) {
        workload_items_watch(&me->loop, false);
        const unsigned done = operate_some(self, state, me, QUANTUM);
        if (done)
            workload_window_publish(&state->window, self->rank, log);
        if (!done || !self->progress)
            workload_reclaim(self);
        idle = done ? 0 : idle + 1;
        if (idle)
            thread_spin_round(idle - 1);
    }
    end(self, state);
    workload_items_drain(&state->items, self, self->rank, &me->loop, at_load_rlx(&me->done));
}

static void body(struct workload_thread *self)
{
    struct state *state = self->run->state;
    begin(self, state);
    if (self->role->produces)
        produce(self, state);
    else
        consume(self, state);
}

static void verify(struct workload_run *run, struct workload_verdict *verdict)
{
    struct state *state = run->state;
    workload_items_judge(&state->items, run, verdict);
    if (!state->holder.error)
        return;
    verdict->violated = true;
    snprintf(verdict->detail, sizeof verdict->detail, "the holder could not be stopped: no timer (%s)",
             strerror(-state->holder.error));
}

static void report(struct workload_run *run, struct workload_report *report)
{
    const struct state *state = run->state;
    const struct config *config = state->config;
    holder_tell(&state->holder.books, config->producers > (config->who == WHO_PRODUCER),
                config->consumers > (config->who == WHO_CONSUMER), report);
}

static const char *const kind_names[] = {"managed", "unmanaged", NULL};

static const struct param params[] = {
    PARAM_U64(struct config, producers, "4", 1, 256, "threads", "Threads that enqueue"),
    PARAM_U64(struct config, consumers, "1", 1, 256, "threads", "Threads that dequeue"),
    PARAM_CHOICE(struct config, producer_kind, "unmanaged", kind_names,
                 "Whether producers take part in thread progress"),
    PARAM_CHOICE(struct config, consumer_kind, "managed", kind_names, "Whether consumers take part in thread progress"),
    PARAM_CHOICE(struct config, who, "producer", who_names, "Whether the holder is the first producer or consumer"),
    PARAM_NS(struct config, every_ns, "4ms", 1000, 1000000000, "Mean time from the end of one stop to the next"),
    PARAM_NS(struct config, stop_ns, "2ms", 1000, 1000000000, "Time that a stop lasts"),
    PARAM_U64(struct config, window, "16384", 1, 1 << 20, "items", "Items of one producer in flight at most"),
    PARAM_U64(struct config, sample_every, "64", 0, 1 << 20, "items",
              "One call in so many of each of the others is timed; 0: none"),
    PARAM_END,
};

const struct workload_ops preempted_holder_workload_ops = {
    .abi_version = WORKLOAD_ABI_VERSION,
    .name = "preempted_holder",
    .summary = "P threads enqueue, C threads dequeue, and one is stopped inside its calls again and again",
    .source = "oversubscription: a thread loses its processor while it holds a lock, or before it has filled its place",
    .subject = WORKLOAD_ON_QUEUE,
    .operation = "item received",
    .checks = "every item delivered exactly once; order and EMPTY as the queue's traits promise",
    .stages = {"enqueue", "dequeue", "wait", "stop"},
    .params = params,
    .config_size = sizeof(struct config),
    .resolve = resolve,
    .setup = setup,
    .body = body,
    .verify = verify,
    .report = report,
    .teardown = teardown,
};
