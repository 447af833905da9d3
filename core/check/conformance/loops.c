// SPDX-License-Identifier: Apache-2.0
// Conformance of the timed loops: those with direct calls must do what those through the vtable do.
#include "core/check/conformance/hands.h"
#include "core/queue_loops.h"

#define LOOP_MOST 100u

// Both sides of one thread.
struct loop_pair {
    const struct queue_loops *loops;
    struct queue_loop in, out;
    unsigned most;
};

static int produce_and_consume(struct suite *suite, struct loop_pair *pair)
{
    int result;
    const unsigned most = pair->most;
    if (pair->loops->produce(&pair->in, most, &result) != most || result != QUEUE_OK)
        return suite_fail(suite, "produce stopped early with %s", suite_answer(result));
    if (pair->loops->consume(&pair->out, most, &result) != most || result != QUEUE_OK || pair->out.sampled != 0)
        return suite_fail(suite, "consume stopped early with %s", suite_answer(result));
    if (pair->loops->consume(&pair->out, most, &result) != 0 || result != QUEUE_EMPTY)
        return suite_fail(suite, "consume went on beyond the last item");
    if (pair->loops->pairs(&pair->in, most, &result) != most || result != QUEUE_OK)
        return suite_fail(suite, "pairs stopped early with %s", suite_answer(result));
    return 0;
}

static int stop_at_sample(struct suite *suite, struct loop_pair *pair)
{
    int result;
    struct queue_loop *in = &pair->in;
    const uintptr_t sampled = item_make(0, in->sequence) | ITEM_SAMPLED;
    if (suite->ops->enqueue(in->queue, in->handle, sampled) != QUEUE_OK)
        return suite_fail(suite, "a sampled item was not taken");
    in->sequence++;
    if (pair->most > 1 && pair->loops->produce(in, 1, &result) != 1)
        return suite_fail(suite, "produce stopped early with %s", suite_answer(result));
    const unsigned taken = pair->loops->consume(&pair->out, LOOP_MOST, &result);
    // A relaxed queue may hand out the one behind it first.
    if (pair->out.sampled != sampled || (taken != 1 && suite->traits->order != QUEUE_ORDER_RELAXED))
        return suite_fail(suite, "consume did not stop at a sampled item");
    pair->loops->consume(&pair->out, LOOP_MOST, &result);
    return pair->out.sampled == 0 ? 0 : suite_fail(suite, "consume left an old sampled item");
}

static int run_loops(struct suite *suite, struct hands *hands, const struct queue_loops *loops)
{
    struct item_log log;
    if (item_log_init(&log, 1) != 0)
        return suite_refuse(suite, -ENOMEM, "no memory for the log");
    struct loop_pair pair = {.loops = loops, .most = LOOP_MOST};
    // One whose FULL is not exact may give a place back late; half of them are always there.
    const uint64_t fits = suite->traits->full_exact ? suite->traits->capacity : suite->traits->capacity / 2;
    if (fits && fits < LOOP_MOST)
        pair.most = (unsigned)fits;
    pair.in = (struct queue_loop){.ops = suite->ops, .queue = suite->queue.memory, .log = &log};
    pair.out = pair.in;
    pair.in.handle = hands->producers[0].handle;
    pair.in.dequeue_handle = pair.out.handle = hands->consumers[0].handle;
    int error = 0;
    for (unsigned round = 0; round < 100 && !error; round++) {
        error = produce_and_consume(suite, &pair);
        hands_rest(hands);
    }
    if (!error)
        error = stop_at_sample(suite, &pair);
    struct item_log *logs[] = {&log};
    if (!error)
        error = suite_judge(suite, logs, 1, &pair.in.sequence, 1);
    item_log_fini(&log);
    return error;
}

int check_loops(struct suite *suite)
{
    static struct hands hands;
    int error = hands_open(&hands, suite, QUEUE_UNMANAGED, 1);
    if (error)
        return error;
    error = run_loops(suite, &hands, &queue_vtable_loops);
    if (!error && suite->ops->loops)
        error = run_loops(suite, &hands, suite->ops->loops);
    return hands_close(&hands, error);
}
