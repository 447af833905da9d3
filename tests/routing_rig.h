// SPDX-License-Identifier: Apache-2.0
// What the tests of how jobs are routed share: a pool whose threads are moved step by step, with any routing.
#ifndef READYQ_TESTS_ROUTING_RIG_H
#define READYQ_TESTS_ROUTING_RIG_H

#include "tests/pool_rig.h"

static struct rig rig;
static struct trace traces;

static void begin(enum pool_routing routing, unsigned workers, const char *job_queue)
{
    memset(&traces, 0, sizeof traces);
    rig_init(&rig, 1, workers, job_queue, "list");
    rig.config.routing = routing;
    rig_man(&rig);
}

static void submit(void)
{
    assert_true(rig_submit(&rig, 0, NULL, &traces) > 0);
}

static void note_nothing(void *data)
{
    (void)data;
}

static void submit_quietly(void)
{
    assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, note_nothing, note_nothing, NULL) > 0);
}

static enum worker_next step(unsigned number)
{
    return worker_step(&rig.pool->workers[number]);
}

static void put_away(void)
{
    rig_stop(&rig);
}

#endif
