// SPDX-License-Identifier: Apache-2.0
// A producer of a crowd.
#include "core/check/conformance/crowd_members.h"
#include "core/history/tap.h"
#include "core/queue_loops.h"

static void stamp(struct crowd *crowd, unsigned producer, uint64_t sequence)
{
    if (!crowd->plan.watched || sequence % STAMP_EVERY != 0)
        return;
    uint32_t *stamps = crowd_stamps(crowd, producer, sequence);
    for (unsigned i = 0; i < crowd->plan.producers; i++)
        stamps[i] = (uint32_t)at_load_acq(&crowd->enqueued[i], AT(check_crowd_stamp, check_crowd_enqueued));
}

static int put_one(struct actor *self, struct queue_client *client, uintptr_t item)
{
    struct queue *queue = &self->suite->queue;
    int result;
    trap_begin(&self->suite->env);
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
    trap_end();
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
    if (crowd->plan.watched)
        at_store_rel(&crowd->enqueued[producer], count, AT(check_crowd_enqueued, check_crowd_sum, check_crowd_stamp));
}

void crowd_produce(struct actor *self)
{
    struct suite *suite = self->suite;
    struct crowd *crowd = self->shared;
    const struct crowd_plan *plan = &crowd->plan;
    struct queue_client client;
    uint64_t turn = 0;
    tap_name_thread("producer", (int)self->index);
    if (queue_client_attach(&client, &suite->queue, QUEUE_PRODUCER, self->kind) != 0)
        suite_fail(suite, "attach failed");
    for (uint64_t sequence = 0; sequence < plan->items && !suite_failed(suite); turn++) {
        suite_random(&self->random);
        stamp(crowd, self->index, sequence);
        const uint64_t dequeued =
            plan->watched ? at_load_acq(&crowd->dequeued, AT(check_crowd_taken, check_crowd_dequeued)) : 0;
        const int result = put_one(self, &client, item_make(self->index, sequence));
        if (result == QUEUE_OK)
            note_enqueued(crowd, self->index, ++sequence);
        else if (result == QUEUE_FULL && plan->producers == 1 && plan->watched)
            judge_full(suite, sequence, dequeued);
        else if (result < 0 || (result == QUEUE_FULL && suite->traits->capacity == 0))
            suite_fail(suite, "enqueue answered %s", suite_answer(result));
        // Who is refused mostly asks again at once: several who are being refused is a case of its own.
        if (self->random % (result == QUEUE_OK ? 64 : 8) == 0)
            actor_yield(self);
        crowd_rest(self, &client, QUEUE_PRODUCER, turn);
    }
    queue_client_detach(&client, &suite->queue);
    at_add_ar(&crowd->finished, 1, AT(check_crowd_finish, check_crowd_finished));
}
