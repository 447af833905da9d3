// SPDX-License-Identifier: Apache-2.0
// A consumer of a crowd.
#include <time.h>

#include "core/check/conformance/crowd_members.h"
#include "core/history/tap.h"
#include "core/queue_loops.h"

// With all producers done, answers other than an item after which nothing is waited for any more: an EMPTY that is not
// exact is believed sooner than RETRY, which no queue with nobody inside may answer for ever.
#define FRUITLESS_MOST 100000u
#define INEXACT_EMPTIES_MOST 3000u
// Answers of EMPTY in a row after which it naps in place of asking at once again.
#define EMPTIES_MOST 8u
#define NAP_MOST_NS 20000u

static uint64_t enqueued_so_far(struct crowd *crowd)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < crowd->plan.producers; i++)
        sum += at_load_acq(&crowd->enqueued[i], AT(check_crowd_sum, check_crowd_enqueued));
    return sum;
}

// What a single consumer receives, held against the stamp on the item.
static void judge_stamp(struct suite *suite, struct crowd *crowd, uintptr_t item)
{
    const unsigned producer = (unsigned)(item >> ITEM_PRODUCER_SHIFT) - 1;
    const uint64_t sequence = item & ITEM_SEQUENCE_MASK;
    if (producer >= crowd->plan.producers || sequence >= crowd->plan.items) {
        suite_fail(suite, "item %s was never enqueued", suite_item(item).text);
        return;
    }
    if (sequence % STAMP_EVERY == 0 && suite->traits->order == QUEUE_ORDER_FIFO)
        for (unsigned other = 0; other < crowd->plan.producers; other++)
            if (crowd->received[other] < crowd_stamps(crowd, producer, sequence)[other])
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
    const bool watched = crowd->plan.watched, exact = self->suite->traits->empty_exact;
    if (watched && exact && taken < before) {
        suite_fail(self->suite,
                   "dequeue answered EMPTY before %llu items that were enqueued earlier (or they are lost)",
                   (unsigned long long)(before - taken));
        return true;
    }
    return finished && (exact || (watched && taken == before));
}

static int get_one(struct actor *self, struct queue_client *client, uintptr_t *item)
{
    trap_begin(&self->suite->env);
    const int result = queue_dequeue(client, item);
    trap_end();
    return result;
}

// Gives way, and more so the longer there has been nothing: a consumer that only asks leaves nobody time to produce.
static void give_way(struct actor *self, uint64_t empties)
{
    actor_yield(self);
    if (empties % EMPTIES_MOST != 0)
        return;
    const struct timespec nap = {.tv_nsec = 1 + (long)(self->random % NAP_MOST_NS)};
    if (self->kind == QUEUE_MANAGED)
        progress_prepare_wait(self->place);
    nanosleep(&nap, NULL);
    if (self->kind == QUEUE_MANAGED)
        progress_finalize_wait(self->place);
}

static void note_received(struct actor *self, struct crowd *crowd, uintptr_t item, uint64_t taken)
{
    item_log_add(&crowd->logs[self->index - crowd->plan.producers], item);
    watchdog_beat();
    if (!crowd->plan.watched)
        return;
    at_store_rel(&crowd->dequeued, taken, AT(check_crowd_dequeued, check_crowd_taken));
    judge_stamp(self->suite, crowd, item);
}

void crowd_consume(struct actor *self)
{
    struct suite *suite = self->suite;
    struct crowd *crowd = self->shared;
    struct queue_client client;
    const uint64_t fruitless_most = suite->traits->empty_exact ? FRUITLESS_MOST : INEXACT_EMPTIES_MOST;
    uint64_t taken = 0, fruitless = 0, empties = 0;
    tap_name_thread("consumer", (int)(self->index - crowd->plan.producers));
    if (queue_client_attach(&client, &suite->queue, QUEUE_CONSUMER, self->kind) != 0)
        suite_fail(suite, "attach failed");
    for (uint64_t turn = 1; !suite_failed(suite) && fruitless < fruitless_most; turn++) {
        uintptr_t item;
        suite_random(&self->random);
        const bool finished =
            at_load_acq(&crowd->finished, AT(check_crowd_finished, check_crowd_finish)) == crowd->plan.producers;
        const uint64_t before = crowd->plan.watched ? enqueued_so_far(crowd) : 0;
        const int result = get_one(self, &client, &item);
        if (result == QUEUE_OK) {
            note_received(self, crowd, item, ++taken);
            empties = 0;
        } else {
            if (result == QUEUE_EMPTY && judge_empty(self, crowd, taken, before, finished))
                break;
            fruitless += finished;
            give_way(self, finished ? 1 : ++empties);
        }
        if (self->random % 64 == 0)
            housekeeping(self, &client);
        crowd_rest(self, &client, QUEUE_CONSUMER, turn);
    }
    queue_client_detach(&client, &suite->queue);
}
