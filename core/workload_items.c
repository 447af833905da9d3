// SPDX-License-Identifier: Apache-2.0
#include "core/workload_items.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/workload.h"

// Items taken between two ticks.
#define QUANTUM 64u
// EMPTY answers in a row after which a consumer leaves: with everything received, and with something missing; and how
// many of the latter suffice when they took so long.
#define EMPTIES_SETTLED 16u
#define EMPTIES_MISSING 4000u
#define EMPTIES_SLOW 400u
#define SLOW_NS 1000000000u

int workload_items_init(struct workload_items *items, const struct workload_run *run, unsigned producers,
                        unsigned consumers)
{
    *items = (struct workload_items){.baseline = run->queue_choice->traits.baseline};
    items->made = workload_alloc(producers * sizeof *items->made);
    items->taken = workload_alloc(consumers * sizeof *items->taken);
    int result = items->made && items->taken ? 0 : -ENOMEM;
    for (unsigned i = 0; i < consumers && !result; i++) {
        result = item_log_init(&items->taken[i].log, items->baseline ? 0 : producers);
        at_init(&items->taken[i].received, 0);
        items->consumers += result == 0;
    }
    items->producers = producers;
    at_init(&items->producing, producers);
    at_init(&items->filling, producers);
    if (result)
        workload_items_fini(items);
    return result;
}

void workload_items_fini(struct workload_items *items)
{
    for (unsigned i = 0; i < items->consumers; i++)
        item_log_fini(&items->taken[i].log);
    free(items->made);
    free(items->taken);
    *items = (struct workload_items){0};
}

uint64_t workload_items_share(const struct workload_items *items, unsigned producer, uint64_t prefill)
{
    return prefill / items->producers + (producer < prefill % items->producers);
}

void workload_items_prefill(struct workload_items *items, struct workload_thread *self, struct queue_loop *loop,
                            uint64_t prefill)
{
    uint64_t left = items->baseline ? 0 : workload_items_share(items, loop->producer, prefill);
    unsigned idle = 0;
    while (left > 0) {
        int result;
        const unsigned most = left < QUANTUM ? (unsigned)left : QUANTUM;
        const unsigned done = self->run->loops->produce(loop, most, &result);
        left -= done;
        workload_quiescent(self);
        if (done)
            idle = 0;
        else
            thread_spin_round(idle++);
    }
    at_sub_rel(&items->filling, 1, AT(items_fill, items_filled));
    workload_items_await_prefill(items, self);
}

void workload_items_await_prefill(struct workload_items *items, struct workload_thread *self)
{
    for (unsigned idle = 0; at_load_acq(&items->filling, AT(items_filled, items_fill)) > 0; idle++) {
        workload_quiescent(self);
        thread_spin_round(idle);
    }
}

void workload_items_finish(struct workload_items *items, unsigned producer, uint64_t enqueued)
{
    items->made[producer].enqueued = enqueued;
    at_sub_rel(&items->producing, 1, AT(items_finish, items_finished));
}

static bool all_finished(struct workload_items *items)
{
    return at_load_acq(&items->producing, AT(items_finished, items_finish)) == 0;
}

void workload_items_await(struct workload_items *items, struct workload_thread *self, uint64_t operations)
{
    for (unsigned idle = 0; !all_finished(items); idle++) {
        workload_tick(self, operations);
        workload_quiescent(self);
        thread_spin_round(idle);
    }
}

// All producers have finished.
static uint64_t total_enqueued(const struct workload_items *items)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < items->producers; i++)
        total += items->made[i].enqueued;
    return total;
}

static uint64_t total_received(struct workload_items *items)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < items->consumers; i++)
        total += at_load_rlx(&items->taken[i].received);
    return total;
}

static uint64_t log_received(const struct item_log *log)
{
    uint64_t received = 0;
    for (unsigned i = 0; i < log->producers; i++)
        received += item_log_received(log, i);
    return received;
}

bool workload_items_drought(struct items_drought *drought)
{
    if (drought->answers++ == 0)
        drought->since_ns = clock_system_ns();
    return drought->answers >= EMPTIES_MISSING ||
           (drought->answers >= EMPTIES_SLOW && clock_system_ns() - drought->since_ns >= SLOW_NS);
}

// Counts an answer EMPTY after the last enqueue. Whether the consumer may leave.
static bool has_drained(struct workload_items *items, struct items_drought *drought)
{
    const bool missing = total_received(items) < total_enqueued(items);
    return workload_items_drought(drought) || (!missing && drought->answers >= EMPTIES_SETTLED);
}

uint64_t workload_items_drain(struct workload_items *items, struct workload_thread *self, unsigned consumer,
                              struct queue_loop *loop, uint64_t operations)
{
    struct items_consumer *mine = &items->taken[consumer];
    uint64_t received = log_received(&mine->log);
    struct items_drought drought = {0};
    unsigned idle = 0;
    while (!items->baseline) {
        int result;
        const bool finished = all_finished(items);
        const bool emptied = at_load_acq(&items->emptied, AT(items_emptied_see, items_emptied_set));
        const unsigned count = self->run->loops->consume(loop, QUANTUM, &result);
        operations += count;
        received += count;
        at_store_rlx(&mine->received, received);
        workload_tick(self, operations);
        workload_quiescent(self);
        if (count > 0) {
            mine->false_empty += emptied;
            drought = (struct items_drought){0};
            idle = 0;
            // Without this, a queue that invents items would be drained for ever.
            if (finished && received > 2 * total_enqueued(items) + EMPTIES_MISSING)
                break;
            continue;
        }
        workload_reclaim(self);
        if (finished && result == QUEUE_EMPTY) {
            at_store_rel(&items->emptied, 1, AT(items_emptied_set, items_emptied_see));
            if (has_drained(items, &drought))
                break;
        }
        thread_spin_round(idle++);
    }
    self->failed = loop->failed;
    return operations;
}

static int judge_logs(const struct workload_items *items, struct item_verdict *found)
{
    struct item_log **logs = calloc(items->consumers, sizeof *logs);
    uint64_t *enqueued = calloc(items->producers, sizeof *enqueued);
    int result = -ENOMEM;
    if (logs && enqueued) {
        for (unsigned i = 0; i < items->consumers; i++)
            logs[i] = &items->taken[i].log;
        for (unsigned i = 0; i < items->producers; i++)
            enqueued[i] = items->made[i].enqueued;
        result = item_log_judge(logs, items->consumers, enqueued, items->producers, found);
    }
    free(logs);
    free(enqueued);
    return result;
}

void workload_items_judge(struct workload_items *items, const struct workload_run *run,
                          struct workload_verdict *verdict)
{
    const struct queue_traits *traits = &run->queue_choice->traits;
    verdict->total = total_enqueued(items);
    if (items->baseline)
        return;
    struct item_verdict found;
    const int result = judge_logs(items, &found);
    if (result) {
        verdict->violated = true;
        snprintf(verdict->detail, sizeof verdict->detail, "the check could not be made: %s", strerror(-result));
        return;
    }
    uint64_t false_empty = 0;
    for (unsigned i = 0; i < items->consumers && traits->empty_exact; i++)
        false_empty += items->taken[i].false_empty;
    verdict->lost = found.lost;
    verdict->duplicated = found.duplicated;
    verdict->reordered = traits->order == QUEUE_ORDER_RELAXED ? 0 : found.reordered;
    verdict->violated = verdict->lost || verdict->duplicated || verdict->reordered || found.invented || false_empty;
    if (verdict->violated)
        snprintf(verdict->detail, sizeof verdict->detail,
                 "of %llu items %llu were lost, %llu delivered twice, %llu out of order, %llu were never enqueued; "
                 "%llu answers EMPTY were false",
                 (unsigned long long)verdict->total, (unsigned long long)found.lost,
                 (unsigned long long)found.duplicated, (unsigned long long)verdict->reordered,
                 (unsigned long long)found.invented, (unsigned long long)false_empty);
}
