// SPDX-License-Identifier: Apache-2.0
// Conformance by many threads: each item delivered once, in order; EMPTY and FULL true where promised.
#include <stdlib.h>
#include <string.h>

#include "core/queue_loops.h"
#include "tests/conformance/parts.h"

#define SIDE_MOST 4u

// Every so often a producer notes how far the others are before it enqueues: a linearizable FIFO must hand out what
// was enqueued before that first.
#define STAMP_EVERY 16u

// Watched or not: who watches what the other side has done is ordered after it, by the watching and not by the
// queue. So runs that nobody watches show, under ThreadSanitizer, what the queue itself does not order.
struct crowd {
    unsigned producers, consumers;
    enum queue_thread_kind producer_kind, consumer_kind;
    uint64_t items;                           // each producer
    unsigned attach_every;                    // operations until a thread detaches and attaches again; 0: never
    bool watched;                             // see above; needs a single consumer
    _Atomic uint64_t enqueued[SIDE_MOST];     // returned from, by producer
    _Atomic uint64_t dequeued;                // returned from, by a single consumer
    _Atomic uint32_t finished;                // producers done
    struct item_log logs[SIDE_MOST];          //
    uint32_t (*stamps[SIDE_MOST])[SIDE_MOST]; // by producer and stamped item
    uint64_t received[SIDE_MOST];             // by producer; of a single consumer
    struct actor actors[2 * SIDE_MOST];
};

static uint64_t enqueued_so_far(struct crowd *crowd)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < crowd->producers; i++)
        sum += at_load_acq(&crowd->enqueued[i], AT(test_crowd_sum, test_crowd_enqueued));
    return sum;
}

static void stamp(struct crowd *crowd, unsigned producer, uint64_t sequence)
{
    if (!crowd->watched || sequence % STAMP_EVERY != 0)
        return;
    uint32_t *stamps = crowd->stamps[producer][sequence / STAMP_EVERY];
    for (unsigned i = 0; i < crowd->producers; i++)
        stamps[i] = (uint32_t)at_load_acq(&crowd->enqueued[i], AT(test_crowd_stamp, test_crowd_enqueued));
}

static int put_one(struct actor *self, struct queue_client *client, uintptr_t item)
{
    struct queue *queue = &self->suite->queue;
    int result;
    if (self->random % 3 != 0) {
        result = queue_enqueue(client, item);
    } else {
        void *element;
        result = queue_prepare(queue, &element);
        if (result == 0)
            result = queue_enqueue_prepared(client, element, item);
        if (result != QUEUE_OK)
            queue_discard(queue, element);
    }
    if (result == QUEUE_OK)
        queue_notify(queue);
    return result;
}

static void judge_full(struct suite *suite, uint64_t produced, uint64_t dequeued)
{
    if (suite->traits->full_exact && produced - dequeued < suite->traits->capacity)
        suite_fail(suite, "enqueue answered FULL with at most %llu of %llu items inside",
                   (unsigned long long)(produced - dequeued), (unsigned long long)suite->traits->capacity);
}

static void note_enqueued(struct crowd *crowd, unsigned producer, uint64_t count)
{
    if (crowd->watched)
        at_store_rel(&crowd->enqueued[producer], count, AT(test_crowd_enqueued, test_crowd_sum, test_crowd_stamp));
}

static void produce(struct actor *self)
{
    struct suite *suite = self->suite;
    struct crowd *crowd = self->shared;
    const unsigned me = self->index;
    struct queue_client client;
    uint64_t turn = 0;
    if (queue_client_attach(&client, &suite->queue, QUEUE_PRODUCER, self->kind) != 0)
        suite_fail(suite, "attach failed");
    for (uint64_t sequence = 0; sequence < crowd->items && !suite_failed(suite); turn++) {
        random_next(&self->random);
        stamp(crowd, me, sequence);
        const uint64_t dequeued =
            crowd->watched ? at_load_acq(&crowd->dequeued, AT(test_crowd_taken, test_crowd_dequeued)) : 0;
        const int result = put_one(self, &client, item_make(me, sequence));
        if (result == QUEUE_OK)
            note_enqueued(crowd, me, ++sequence);
        else if (result == QUEUE_FULL && crowd->producers == 1 && crowd->watched)
            judge_full(suite, sequence, dequeued);
        else if (result < 0 || (result == QUEUE_FULL && suite->traits->capacity == 0))
            suite_fail(suite, "enqueue answered %d", result);
        if (result != QUEUE_OK || self->random % 64 == 0)
            actor_yield(self);
        actor_quiescent(self);
        if (crowd->attach_every && turn % crowd->attach_every == 0) {
            queue_client_detach(&client, &suite->queue);
            if (queue_client_attach(&client, &suite->queue, QUEUE_PRODUCER, self->kind) != 0)
                suite_fail(suite, "attach failed");
        }
        if (turn % 64 == 0)
            suite_beat();
    }
    queue_client_detach(&client, &suite->queue);
    at_add_ar(&crowd->finished, 1, AT(test_crowd_finish, test_crowd_finished));
}

// What a single consumer receives, held against the stamp on the item.
static void judge_stamp(struct suite *suite, struct crowd *crowd, uintptr_t item)
{
    const unsigned producer = (unsigned)(item >> ITEM_PRODUCER_SHIFT) - 1;
    const uint64_t sequence = item & ITEM_SEQUENCE_MASK;
    if (producer >= crowd->producers || sequence >= crowd->items) {
        suite_fail(suite, "item %#llx was never enqueued", (unsigned long long)item);
        return;
    }
    if (sequence % STAMP_EVERY == 0 && suite->traits->order == QUEUE_ORDER_FIFO)
        for (unsigned other = 0; other < crowd->producers; other++)
            if (crowd->received[other] < crowd->stamps[producer][sequence / STAMP_EVERY][other])
                suite_fail(
                    suite,
                    "out of order (or lost): an item of producer %u came, one of producer %u enqueued earlier not yet",
                    producer, other);
    crowd->received[producer]++;
}

static void housekeeping(struct actor *self, struct queue_client *client)
{
    uint64_t progress;
    if (self->suite->traits->consumers == QUEUE_ONE && queue_clean(client, &progress) == QUEUE_NEED_PROGRESS)
        progress_request_wakeup(self->place, progress);
}

// True: nothing more will come.
static bool judge_empty(struct actor *self, struct crowd *crowd, uint64_t taken, uint64_t before, bool finished)
{
    const bool watched = crowd->watched, exact = self->suite->traits->empty_exact;
    if (watched && exact && taken < before) {
        suite_fail(self->suite,
                   "dequeue answered EMPTY before %llu items that were enqueued earlier (or they are lost)",
                   (unsigned long long)(before - taken));
        return true;
    }
    return finished && (exact || (watched && taken == before));
}

static void consume(struct actor *self)
{
    struct suite *suite = self->suite;
    struct crowd *crowd = self->shared;
    struct item_log *log = &crowd->logs[self->index - crowd->producers];
    struct queue_client client;
    uint64_t taken = 0, fruitless = 0;
    if (queue_client_attach(&client, &suite->queue, QUEUE_CONSUMER, self->kind) != 0)
        suite_fail(suite, "attach failed");
    for (uint64_t turn = 1; !suite_failed(suite) && fruitless < 100000; turn++) {
        uintptr_t item;
        const bool finished =
            at_load_acq(&crowd->finished, AT(test_crowd_finished, test_crowd_finish)) == crowd->producers;
        const uint64_t before = crowd->watched ? enqueued_so_far(crowd) : 0;
        const int result = queue_dequeue(&client, &item);
        if (result == QUEUE_OK) {
            item_log_add(log, item);
            taken++;
            if (crowd->watched) {
                at_store_rel(&crowd->dequeued, taken, AT(test_crowd_dequeued, test_crowd_taken));
                judge_stamp(suite, crowd, item);
            }
            suite_beat();
        } else {
            if (result == QUEUE_EMPTY && judge_empty(self, crowd, taken, before, finished))
                break;
            fruitless += finished;
            actor_yield(self);
        }
        if (random_next(&self->random) % 64 == 0)
            housekeeping(self, &client);
        actor_quiescent(self);
        if (crowd->attach_every && turn % crowd->attach_every == 0) {
            queue_client_detach(&client, &suite->queue);
            if (queue_client_attach(&client, &suite->queue, QUEUE_CONSUMER, self->kind) != 0)
                suite_fail(suite, "attach failed");
        }
    }
    queue_client_detach(&client, &suite->queue);
}

static int judge_crowd(struct suite *suite, struct crowd *crowd)
{
    struct item_log *logs[SIDE_MOST];
    uint64_t enqueued[SIDE_MOST];
    for (unsigned i = 0; i < crowd->consumers; i++)
        logs[i] = &crowd->logs[i];
    for (unsigned i = 0; i < crowd->producers; i++)
        enqueued[i] = crowd->items;
    return suite_judge(suite, logs, crowd->consumers, enqueued, crowd->producers);
}

static int crowd_prepare(struct suite *suite, struct crowd *crowd)
{
    int error = 0;
    for (unsigned i = 0; i < crowd->producers; i++) {
        crowd->stamps[i] = calloc(crowd->items / STAMP_EVERY + 1, sizeof *crowd->stamps[i]);
        if (!crowd->stamps[i])
            error = suite_fail(suite, "no memory for the stamps");
    }
    for (unsigned i = 0; i < crowd->consumers; i++)
        if (item_log_init(&crowd->logs[i], crowd->producers) != 0)
            error = suite_fail(suite, "no memory for the log");
    for (unsigned i = 0; i < crowd->producers + crowd->consumers; i++) {
        const bool producer = i < crowd->producers;
        crowd->actors[i] = (struct actor){.suite = suite,
                                          .index = i,
                                          .act = producer ? produce : consume,
                                          .shared = crowd,
                                          .kind = producer ? crowd->producer_kind : crowd->consumer_kind};
    }
    return error;
}

static int run_crowd(struct suite *suite, struct crowd *crowd)
{
    int error = suite_open(suite);
    if (error)
        return error;
    error = crowd_prepare(suite, crowd);
    if (!error)
        error = actors_run(crowd->actors, crowd->producers + crowd->consumers);
    if (!error)
        error = judge_crowd(suite, crowd);
    for (unsigned i = 0; i < SIDE_MOST; i++) {
        free(crowd->stamps[i]);
        if (i < crowd->consumers)
            item_log_fini(&crowd->logs[i]);
    }
    const int closed = suite_close(suite);
    return error ? error : closed;
}

static int run_one(struct suite *suite, unsigned producers, unsigned consumers, unsigned kinds, unsigned attach_every)
{
    static struct crowd crowd;
    if (producers > suite_producers(suite, SIDE_MOST) || consumers > suite_consumers(suite, SIDE_MOST))
        return 0;
    memset(&crowd, 0, sizeof crowd);
    crowd.producers = producers;
    crowd.consumers = consumers;
    crowd.producer_kind = kinds & 1 ? QUEUE_MANAGED : QUEUE_UNMANAGED;
    crowd.consumer_kind = kinds & 2 ? QUEUE_MANAGED : QUEUE_UNMANAGED;
    crowd.items = SCALE(24000u) / producers;
    crowd.attach_every = attach_every;
    crowd.watched = consumers == 1 && ((kinds ^ kinds >> 1) + producers / 2) % 2 == 0;
    return run_crowd(suite, &crowd);
}

int check_delivery(struct suite *suite)
{
    static const unsigned sides[] = {1, 2, 4};
    int error = 0;
    for (unsigned p = 0; p < 3 && !error; p++)
        for (unsigned c = 0; c < 3 && !error; c++)
            for (unsigned kinds = 0; kinds < 4 && !error; kinds++)
                if (sides[c] == 1 || kinds % 3 == 0)
                    error = run_one(suite, sides[p], sides[c], kinds, 0);
    return error;
}

// The same with threads that come and go.
int check_churn(struct suite *suite)
{
    int error = 0;
    for (unsigned kinds = 0; kinds < 4 && !error; kinds++)
        error = run_one(suite, suite_producers(suite, 3), suite_consumers(suite, 2), kinds, 37);
    return error;
}
