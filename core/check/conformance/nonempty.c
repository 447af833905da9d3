// SPDX-License-Identifier: Apache-2.0
// Conformance of a queue that is never empty: each thread enqueues an item and then dequeues one, so that whoever is in
// dequeue has put in more than it took out, and nobody has done the opposite. Any EMPTY is wrong, without a look at
// what the others were doing; threads are stopped in the middle of it. The few items inside are always about to be
// the last, and their elements are used again at once.
#include "core/check/conformance/parts.h"
#include "core/check/conformance/stalls.h"
#include "core/queue_loops.h"

// Pairs of a run, of all threads together.
#define NONEMPTY_PAIRS 3000u
#define WALK_EVERY 8u

struct nonempty {
    unsigned threads;
    uint64_t pairs; // each thread
    struct item_log logs[SIDE_MOST];
    struct actor actors[SIDE_MOST];
};

// What may be asked again has been answered; false then. Gives way now and then: all others may be waiting.
static bool answered(struct actor *self, int result)
{
    if (result != QUEUE_RETRY && result != QUEUE_FULL)
        return true;
    if (suite_random(&self->random) % 4 == 0)
        actor_yield(self);
    return suite_failed(self->suite);
}

// Makes one operation out of so many stop in its middle.
static void walk_into_it(struct actor *self)
{
    if (suite_random(&self->random) % WALK_EVERY == 0)
        stalls_walk(&self->random);
}

static void put(struct actor *self, struct queue_client *client, uint64_t sequence)
{
    int result;
    do {
        trap_begin(&self->suite->env);
        walk_into_it(self);
        result = queue_enqueue(client, item_make(self->index, sequence));
        trap_end();
    } while (!answered(self, result));
    if (result == QUEUE_OK)
        queue_notify(&self->suite->queue);
    else
        suite_fail(self->suite, "enqueue answered %s", suite_answer(result));
}

static void get(struct actor *self, struct queue_client *client, struct item_log *log)
{
    uintptr_t item;
    int result;
    do {
        trap_begin(&self->suite->env);
        walk_into_it(self);
        result = queue_dequeue(client, &item);
        trap_end();
    } while (!answered(self, result));
    if (result == QUEUE_OK)
        item_log_add(log, item);
    else
        suite_fail(self->suite, "dequeue answered %s, and the queue never was empty", suite_answer(result));
}

static void put_and_get(struct actor *self)
{
    struct suite *suite = self->suite;
    struct nonempty *shared = self->shared;
    struct queue_client producer = {0}, consumer = {0};
    if (queue_client_attach(&producer, &suite->queue, QUEUE_PRODUCER, self->kind) != 0 ||
        queue_client_attach(&consumer, &suite->queue, QUEUE_CONSUMER, self->kind) != 0)
        suite_fail(suite, "attach failed");
    for (uint64_t sequence = 0; sequence < shared->pairs && !suite_failed(suite); sequence++) {
        put(self, &producer, sequence);
        if (!suite_failed(suite))
            get(self, &consumer, &shared->logs[self->index]);
        actor_quiescent(self);
        if (sequence % 64 == 0)
            watchdog_beat();
    }
    queue_client_detach(&consumer, &suite->queue);
    queue_client_detach(&producer, &suite->queue);
}

static int judge(struct suite *suite, struct nonempty *shared)
{
    struct item_log *logs[SIDE_MOST];
    uint64_t enqueued[SIDE_MOST];
    for (unsigned i = 0; i < shared->threads; i++) {
        logs[i] = &shared->logs[i];
        enqueued[i] = shared->pairs;
    }
    return suite_judge(suite, logs, shared->threads, enqueued, shared->threads);
}

static int run_threads(struct suite *suite, unsigned threads, enum queue_thread_kind kind)
{
    static struct nonempty shared;
    int error = suite_open(suite);
    if (error)
        return error;
    shared = (struct nonempty){.threads = threads, .pairs = suite_rounds(suite, NONEMPTY_PAIRS) / threads + 1};
    for (unsigned i = 0; i < threads; i++) {
        shared.actors[i] =
            (struct actor){.suite = suite, .index = i, .act = put_and_get, .shared = &shared, .kind = kind};
        if (item_log_init(&shared.logs[i], threads) != 0)
            error = suite_refuse(suite, -ENOMEM, "no memory for the log");
    }
    if (!error)
        error = actors_run(shared.actors, threads);
    if (!error)
        error = judge(suite, &shared);
    for (unsigned i = 0; i < threads; i++)
        item_log_fini(&shared.logs[i]);
    const int closed = suite_close(suite);
    return error ? error : closed;
}

int check_nonempty(struct suite *suite)
{
    static const unsigned threads[] = {2, 3, 4};
    int error = 0;
    suite->stalls = true;
    for (unsigned i = 0; i < 3 && !error; i++)
        for (unsigned kind = 0; kind < 2 && !error; kind++)
            error = run_threads(suite, threads[i], kind ? QUEUE_MANAGED : QUEUE_UNMANAGED);
    suite->stalls = false;
    return error;
}
