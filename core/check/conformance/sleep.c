// SPDX-License-Identifier: Apache-2.0
// Conformance of waking: a consumer that sleeps as an async worker of the pool does, producers that come in bursts.
// A wake that is lost is a consumer that sleeps for ever, and is found by the watchdog.
#include <string.h>
#include <time.h>

#include "core/check/conformance/parts.h"
#include "core/queue_loops.h"
#include "core/sync/event.h"

#define SLEEP_PRODUCERS 3u
#define BURST_MOST 24u

struct dormitory {
    unsigned producers;
    unsigned bursts; // each producer
    bool defer;      // garbage goes to the producers
    bool managed_consumer, managed_producers;
    bool domain;                                // the queue knows of a progress domain
    struct event event;                         // of the consumer
    _Atomic uint64_t received[SLEEP_PRODUCERS]; // by producer
    _Atomic uint32_t awake;                     // producers that have not finished
    struct lock mail_lock;                      // of the chain that the consumer hands over
    struct garbage_chain mail;
    struct item_log log;
    uint64_t enqueued[SLEEP_PRODUCERS];
    struct actor actors[SLEEP_PRODUCERS + 1];
};

static void set_event(void *event)
{
    event_set(event);
}

static void hand_over(struct dormitory *dormitory, struct garbage_chain *chain)
{
    struct lock_node node;
    lock_acquire(&dormitory->mail_lock, &node);
    garbage_append(&dormitory->mail, chain);
    lock_release(&dormitory->mail_lock, &node);
}

static void free_mail(struct dormitory *dormitory)
{
    struct garbage_chain chain = {NULL, NULL};
    struct lock_node node;
    lock_acquire(&dormitory->mail_lock, &node);
    garbage_append(&chain, &dormitory->mail);
    lock_release(&dormitory->mail_lock, &node);
    while (garbage_free(&chain, GARBAGE_STEP)) {}
}

// Waits until all that this producer has enqueued was received, or only for a moment.
static void pause_after_burst(struct actor *self, struct dormitory *dormitory, uint64_t enqueued)
{
    const unsigned choice = (unsigned)(suite_random(&self->random) % 8);
    const struct timespec nap = {.tv_nsec = 1000 + (long)(self->random % 60000)};
    if (choice < 5) {
        while (at_load_acq(&dormitory->received[self->index], AT(check_sleep_await, check_sleep_received)) < enqueued &&
               !suite_failed(self->suite))
            actor_yield(self);
    } else if (choice < 7) {
        if (self->kind == QUEUE_MANAGED)
            progress_prepare_wait(self->place);
        nanosleep(&nap, NULL);
        if (self->kind == QUEUE_MANAGED)
            progress_finalize_wait(self->place);
    }
}

static void produce_in_bursts(struct actor *self)
{
    struct suite *suite = self->suite;
    struct dormitory *dormitory = self->shared;
    struct queue_client client;
    uint64_t sequence = 0;
    if (queue_client_attach(&client, &suite->queue, QUEUE_PRODUCER, self->kind) != 0)
        suite_fail(suite, "attach failed");
    for (unsigned burst = 0; burst < dormitory->bursts && !suite_failed(suite); burst++) {
        for (uint64_t left = 1 + suite_random(&self->random) % BURST_MOST; left > 0 && !suite_failed(suite);) {
            const int result = queue_enqueue(&client, item_make(self->index, sequence));
            if (result == QUEUE_OK) {
                queue_notify(&suite->queue);
                sequence++;
                left--;
            } else if (result < 0) {
                suite_fail(suite, "enqueue answered %s", suite_answer(result));
            } else {
                actor_yield(self);
            }
            actor_quiescent(self);
        }
        free_mail(dormitory);
        pause_after_burst(self, dormitory, sequence);
    }
    dormitory->enqueued[self->index] = sequence;
    queue_client_detach(&client, &suite->queue);
    at_sub_ar(&dormitory->awake, 1, AT(check_sleep_leave, check_sleep_left));
    event_set(&dormitory->event);
}

static bool all_received(struct dormitory *dormitory)
{
    if (at_load_acq(&dormitory->awake, AT(check_sleep_left, check_sleep_leave)) != 0)
        return false;
    for (unsigned i = 0; i < dormitory->producers; i++)
        if (at_load_rlx(&dormitory->received[i]) < dormitory->enqueued[i])
            return false;
    return true;
}

static void note(struct suite *suite, struct dormitory *dormitory, uintptr_t item)
{
    const unsigned producer = (unsigned)(item >> ITEM_PRODUCER_SHIFT) - 1;
    item_log_add(&dormitory->log, item);
    if (producer >= dormitory->producers)
        suite_fail(suite, "item %s was never enqueued", suite_item(item).text);
    else
        at_store_rel(&dormitory->received[producer], at_load_rlx(&dormitory->received[producer]) + 1,
                     AT(check_sleep_received, check_sleep_await));
}

// One round of a worker with nothing to do: cleans, looks once more with its event reset, frees what it kept when
// there is nothing at all to do, and sleeps.
static void rest(struct actor *self, struct queue_client *client, struct garbage_chain *kept)
{
    struct dormitory *dormitory = self->shared;
    uint64_t progress;
    if (queue_clean(client, &progress) == QUEUE_DIRTY)
        return;
    event_reset(&dormitory->event);
    queue_take_garbage(client, kept);
    enum queue_clean_state state = queue_inspect(client, true, &progress);
    while (state == QUEUE_CLEAN && garbage_free(kept, GARBAGE_STEP)) {
        queue_take_garbage(client, kept);
        state = queue_inspect(client, true, &progress);
    }
    if (state == QUEUE_DIRTY || all_received(dormitory))
        return;
    if (state == QUEUE_NEED_PROGRESS)
        progress_request_wakeup(self->place, progress);
    if (self->kind == QUEUE_MANAGED)
        progress_prepare_wait(self->place);
    event_wait(&dormitory->event, 0);
    if (self->kind == QUEUE_MANAGED)
        progress_finalize_wait(self->place);
}

static void consume_and_sleep(struct actor *self)
{
    struct suite *suite = self->suite;
    struct dormitory *dormitory = self->shared;
    struct queue_client client;
    struct garbage_chain kept = {NULL, NULL};
    if (queue_client_attach(&client, &suite->queue, QUEUE_CONSUMER, self->kind) != 0)
        suite_fail(suite, "attach failed");
    if (dormitory->defer)
        suite->ops->defer_garbage(suite->queue.memory, true);
    while (!all_received(dormitory) && !suite_failed(suite)) {
        uintptr_t item;
        actor_quiescent(self);
        const int result = queue_dequeue(&client, &item);
        if (result == QUEUE_OK) {
            note(suite, dormitory, item);
            watchdog_beat();
            queue_take_garbage(&client, &kept);
            hand_over(dormitory, &kept);
        } else if (result == QUEUE_EMPTY) {
            rest(self, &client, &kept);
        } else {
            actor_yield(self);
        }
    }
    hand_over(dormitory, &kept);
    queue_client_detach(&client, &suite->queue);
}

static void cast(struct suite *suite, struct dormitory *dormitory)
{
    for (unsigned i = 0; i <= dormitory->producers; i++) {
        struct actor *actor = &dormitory->actors[i];
        const bool producer = i < dormitory->producers;
        const bool managed = producer ? dormitory->managed_producers : dormitory->managed_consumer;
        *actor = (struct actor){.suite = suite, .index = i, .shared = dormitory};
        actor->act = producer ? produce_in_bursts : consume_and_sleep;
        actor->kind = managed ? QUEUE_MANAGED : QUEUE_UNMANAGED;
        actor->wakeup = producer ? NULL : set_event;
        actor->wakeup_argument = producer ? NULL : &dormitory->event;
    }
}

static int run_dormitory(struct suite *suite, struct dormitory *dormitory)
{
    check_env_init(&suite->env, suite->ops, dormitory->domain ? suite->progress : NULL);
    suite->env.pass_on = set_event;
    suite->env.pass_on_argument = &dormitory->event;
    int error = queue_open(&suite->queue, suite->choice, &suite->env.env, suite->fault);
    if (error)
        return error;
    event_init(&dormitory->event);
    lock_init(&dormitory->mail_lock, LOCK_MUTEX);
    at_init(&dormitory->awake, dormitory->producers);
    dormitory->bursts = suite_rounds(suite, suite->stalls ? 60 : 300);
    if (item_log_init(&dormitory->log, dormitory->producers) != 0)
        error = suite_refuse(suite, -ENOMEM, "no memory for the log");
    cast(suite, dormitory);
    if (!error)
        error = actors_run(dormitory->actors, dormitory->producers + 1);
    struct item_log *logs[] = {&dormitory->log};
    if (!error)
        error = suite_judge(suite, logs, 1, dormitory->enqueued, dormitory->producers);
    free_mail(dormitory);
    item_log_fini(&dormitory->log);
    lock_fini(&dormitory->mail_lock);
    const int closed = suite_close(suite);
    return error ? error : closed;
}

int check_sleep(struct suite *suite)
{
    static struct dormitory dormitory;
    int error = 0;
    for (unsigned kinds = 0; kinds < 16 && !error; kinds++) {
        memset(&dormitory, 0, sizeof dormitory);
        dormitory.managed_consumer = kinds & 1;
        dormitory.managed_producers = kinds & 2;
        dormitory.defer = kinds & 4;
        dormitory.producers = kinds & 8 ? suite_producers(suite, SLEEP_PRODUCERS) : 1;
        dormitory.domain = true;
        suite->stalls = kinds % 5 == 3;
        if (!dormitory.defer || suite->ops->defer_garbage)
            error = run_dormitory(suite, &dormitory);
    }
    suite->stalls = false;
    for (unsigned defer = 0; defer < 2 && !error; defer++) {
        memset(&dormitory, 0, sizeof dormitory);
        dormitory.defer = defer;
        dormitory.producers = suite_producers(suite, SLEEP_PRODUCERS);
        if (!defer || suite->ops->defer_garbage)
            error = run_dormitory(suite, &dormitory);
    }
    return error;
}
