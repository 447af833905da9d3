// SPDX-License-Identifier: Apache-2.0
#include "core/check/conformance/crowd.h"

#include <stdlib.h>
#include <string.h>

#include "core/check/conformance/crowd_members.h"

// A capacity below which a queue counts as short.
#define SHORT 64u

void crowd_set_kinds(struct crowd_plan *plan, unsigned kinds)
{
    plan->producer_kind = kinds & 1 ? QUEUE_MANAGED : QUEUE_UNMANAGED;
    plan->consumer_kind = kinds & 2 ? QUEUE_MANAGED : QUEUE_UNMANAGED;
}

uint64_t crowd_items(const struct suite *suite, const struct crowd_plan *plan, unsigned items)
{
    const uint64_t capacity = suite->traits->capacity;
    return suite_rounds(suite, capacity && capacity < SHORT ? items / 4 : items) / plan->producers + 1;
}

static void loiter(struct actor *self)
{
    if (self->random >> 40 & 1)
        actor_yield(self);
    for (unsigned pauses = self->random >> 41 & 63; pauses > 0; pauses--)
        cpu_relax();
}

void crowd_rest(struct actor *self, struct queue_client *client, enum queue_role role, uint64_t turn)
{
    const struct crowd_plan *plan = &((struct crowd *)self->shared)->plan;
    if (plan->tempo == (role == QUEUE_PRODUCER ? CROWD_SLOW_PRODUCERS : CROWD_SLOW_CONSUMERS))
        loiter(self);
    actor_quiescent(self);
    if (turn % 64 == 0)
        watchdog_beat();
    if (!plan->attach_every || turn % plan->attach_every != 0)
        return;
    queue_client_detach(client, &self->suite->queue);
    if (queue_client_attach(client, &self->suite->queue, role, self->kind) != 0)
        suite_fail(self->suite, "attach failed");
}

static int prepare(struct suite *suite, struct crowd *crowd)
{
    const struct crowd_plan *plan = &crowd->plan;
    int error = 0;
    for (unsigned i = 0; i < plan->producers && plan->watched; i++) {
        crowd->stamps[i] = calloc((plan->items / STAMP_EVERY + 1) * plan->producers, sizeof *crowd->stamps[i]);
        if (!crowd->stamps[i])
            error = suite_refuse(suite, -ENOMEM, "no memory for the stamps");
    }
    for (unsigned i = 0; i < plan->consumers; i++)
        if (item_log_init(&crowd->logs[i], plan->producers) != 0)
            error = suite_refuse(suite, -ENOMEM, "no memory for the log");
    for (unsigned i = 0; i < plan->producers + plan->consumers; i++) {
        const bool producer = i < plan->producers;
        crowd->actors[i] = (struct actor){.suite = suite,
                                          .index = i,
                                          .act = producer ? crowd_produce : crowd_consume,
                                          .shared = crowd,
                                          .kind = producer ? plan->producer_kind : plan->consumer_kind};
    }
    return error;
}

static int judge(struct suite *suite, struct crowd *crowd)
{
    struct item_log *logs[SIDE_MOST];
    uint64_t enqueued[SIDE_MOST];
    for (unsigned i = 0; i < crowd->plan.consumers; i++)
        logs[i] = &crowd->logs[i];
    for (unsigned i = 0; i < crowd->plan.producers; i++)
        enqueued[i] = crowd->plan.items;
    return suite_judge(suite, logs, crowd->plan.consumers, enqueued, crowd->plan.producers);
}

static void clear(struct crowd *crowd)
{
    for (unsigned i = 0; i < SIDE_MOST; i++) {
        free(crowd->stamps[i]);
        if (i < crowd->plan.consumers)
            item_log_fini(&crowd->logs[i]);
    }
}

int crowd_run(struct suite *suite, const struct crowd_plan *plan)
{
    static struct crowd crowd;
    int error = suite_open(suite);
    if (error)
        return error;
    memset(&crowd, 0, sizeof crowd);
    crowd.plan = *plan;
    error = prepare(suite, &crowd);
    if (!error)
        error = actors_run(crowd.actors, plan->producers + plan->consumers);
    if (!error && !plan->unjudged)
        error = judge(suite, &crowd);
    clear(&crowd);
    const int closed = suite_close(suite);
    return error ? error : closed;
}
