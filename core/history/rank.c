// SPDX-License-Identifier: Apache-2.0
// How many older items each item overtook for certain: in the order of time in which items began to be enqueued, those
// whose enqueue had ended are counted in a tree by when their dequeue started, and each item asks it how many of them
// started after its own dequeue had ended.
//
// Source: P. M. Fenwick, "A New Data Structure for Cumulative Frequency Tables", Software: Practice and Experience
// 24(3), 1994 (the tree).
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/history/check_patterns.h"
#include "core/history/check_witness.h"

struct ranking {
    const uint32_t *starts, *ends;                 // enqueues in order
    const uint32_t *dequeue_starts, *dequeue_ends; // dequeues in order
    uint32_t *place;                               // of each item in dequeue_starts
    uint32_t *upto;                                // of each item: how many had started by the end of its dequeue
    uint32_t *tree;
    uint32_t worst;       // item
    uint32_t items_in;    // in the tree
    uint64_t overtakings; // sum
};

static void tree_add(uint32_t *tree, uint32_t count, uint32_t place)
{
    for (uint64_t at = (uint64_t)place + 1; at <= count; at += at & -at)
        tree[at]++;
}

static uint32_t tree_before(const uint32_t *tree, uint32_t places)
{
    uint32_t sum = 0;
    for (uint32_t at = places; at > 0; at -= at & -at)
        sum += tree[at];
    return sum;
}

static int ranking_open(struct judge *judge, struct ranking *ranking)
{
    const size_t room = (size_t)judge->count + 1;
    int error = judge_order(judge, JUDGE_ENQUEUE_START, &ranking->starts);
    if (error == 0)
        error = judge_order(judge, JUDGE_ENQUEUE_END, &ranking->ends);
    if (error == 0)
        error = judge_order(judge, JUDGE_DEQUEUE_START, &ranking->dequeue_starts);
    if (error == 0)
        error = judge_order(judge, JUDGE_DEQUEUE_END, &ranking->dequeue_ends);
    if (error != 0)
        return error;
    ranking->place = malloc(room * sizeof *ranking->place);
    ranking->upto = malloc(room * sizeof *ranking->upto);
    ranking->tree = calloc(room, sizeof *ranking->tree);
    if (!ranking->place || !ranking->upto || !ranking->tree)
        return judge_no_memory(judge->fault);
    for (uint32_t at = 0, started = 0; at < judge->count; at++) {
        ranking->place[ranking->dequeue_starts[at]] = at;
        const uint64_t end = judge_dequeue_end(judge, ranking->dequeue_ends[at]);
        while (started < judge->count && judge_dequeue_start(judge, ranking->dequeue_starts[started]) <= end)
            started++;
        ranking->upto[ranking->dequeue_ends[at]] = started;
    }
    return 0;
}

static void ranking_close(struct ranking *ranking)
{
    free(ranking->place);
    free(ranking->upto);
    free(ranking->tree);
}

static void count_overtaken(const struct judge *judge, struct ranking *ranking)
{
    struct history_rank_error *rank = &judge->verdict->rank;
    for (uint32_t at = 0; at < judge->count; at++) {
        const uint32_t item = ranking->starts[at];
        const uint64_t start = judge_enqueue_start(judge, item);
        while (ranking->items_in < judge->count && judge_enqueue_end(judge, ranking->ends[ranking->items_in]) < start)
            tree_add(ranking->tree, judge->count, ranking->place[ranking->ends[ranking->items_in++]]);
        if (!judge->items[item].dequeue)
            continue;
        const uint32_t overtaken = ranking->items_in - tree_before(ranking->tree, ranking->upto[item]);
        ranking->overtakings += overtaken;
        rank->overtakers += overtaken > 0;
        if (overtaken > rank->max) {
            rank->max = overtaken;
            ranking->worst = item;
        }
    }
    if (judge->delivered_count > 0)
        rank->mean = (double)ranking->overtakings / judge->delivered_count;
}

// The worst one, and of those that it overtook the first, one more than it might.
static void convict(const struct judge *judge, const struct ranking *ranking)
{
    const struct history *history = judge->history;
    const struct judge_item *worst = &judge->items[ranking->worst];
    uint32_t first = ranking->worst;
    uint64_t shown = 0;
    judge_witness_item(judge, ranking->worst);
    for (uint32_t at = 0; shown <= history->promise.relaxation; at++) {
        const uint32_t item = ranking->ends[at];
        if (judge_dequeue_end(judge, ranking->worst) >= judge_dequeue_start(judge, item))
            continue;
        if (shown++ == 0)
            first = item;
        judge_witness_item(judge, item);
    }
    history_convict(judge->verdict, HISTORY_REORDERED,
                    "%s overtook %" PRIu64 " items where %" PRIu32 " are allowed: %s, and %s; the first of them was %s",
                    history_item_name(history, worst->enqueue->item).text, judge->verdict->rank.max,
                    history->promise.relaxation, history_say(history, worst->enqueue).text,
                    history_say(history, worst->dequeue).text,
                    history_item_name(history, judge->items[first].enqueue->item).text);
}

int judge_rank(struct judge *judge, bool convict_relaxed)
{
    struct ranking ranking = {0};
    const int error = ranking_open(judge, &ranking);
    if (error == 0) {
        count_overtaken(judge, &ranking);
        judge->verdict->measured = true;
        if (convict_relaxed && judge->verdict->rank.max > judge->history->promise.relaxation)
            convict(judge, &ranking);
    }
    ranking_close(&ranking);
    return error;
}
