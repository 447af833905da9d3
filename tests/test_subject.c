// SPDX-License-Identifier: Apache-2.0
// What a run tells its queue about sleepers: nobody sleeps, so there is no notify; but under a history, which takes an
// operation for visible when it has returned, the queue must behave as where somebody does.
#include "tests/run_words.h"

static const struct queue_ops *listed;
static int notifies;

static int look_at_env(void *queue, const struct queue_env *env, const void *config)
{
    notifies = env->notify != NULL;
    if (env->notify)
        env->notify(env->notify_argument);
    return listed->init(queue, env, config);
}

static void run(const char *line)
{
    struct run_request request;
    struct outcome outcome;
    struct topology topology;
    struct fault fault = {""};
    char *text;
    assert_int_equal(topology_load(&topology, NULL, &fault), 0);
    words_expect(&request, line, &text);
    const struct queue_entry *entry = request.options.queue.entry;
    struct queue_ops ops = *entry->ops;
    struct queue_entry watched = *entry;
    listed = entry->ops;
    ops.init = look_at_env;
    watched.ops = &ops;
    request.options.queue.entry = &watched;
    notifies = -1;
    outcome_of(&outcome, &request.options, &topology);
    assert_int_equal(outcome.code, 0);
    outcome_free(&outcome);
    request.options.queue.entry = entry;
    options_free(&request);
    free(text);
    topology_unload(&topology);
}

#define RUN "--workload pairs --queue list --warmup 1ms --duration 2ms --pin none --check "

static void test_a_recorded_queue_behaves_as_where_somebody_sleeps(void **state)
{
    (void)state;
    run(RUN "none");
    assert_int_equal(notifies, 0);
    run(RUN "sampled");
    assert_int_equal(notifies, 1);
    run(RUN "full");
    assert_int_equal(notifies, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_recorded_queue_behaves_as_where_somebody_sleeps),
    };
    return cmocka_run_group_tests_name("subject", tests, NULL, NULL);
}
