// SPDX-License-Identifier: Apache-2.0
// The pairs of who comes and who closes in the pool, run against each other at full speed.
#include "core/pool/scheduler.c"
#include "core/pool/stop.c"
#include "core/pool/submit.h"
#include "tests/litmus.h"
#include "tests/pool_rig.h"

static struct rig rig;

// A submitter and who stops the pool. There are no workers, so that a job runs inside submit, and can see there whether
// the pool has been closed around it.
static struct {
    _Atomic uint32_t closed ALIGNED_LINE;
    bool inside_after ALIGNED_LINE;
} stopping;

// Looks: enough for what the other thread does next to be seen.
#define LINGER 300u

static void linger(void *data)
{
    (void)data;
    for (unsigned i = 0; i < LINGER && !stopping.inside_after; i++)
        stopping.inside_after = at_load_rlx(&stopping.closed);
}

static void do_nothing(void *data)
{
    (void)data;
}

static int begin_to_submit(void)
{
    return scheduler_attach(rig.scheduler);
}

static void reset_closing(void)
{
    stopping.inside_after = false;
    at_store_rlx(&stopping.closed, 0);
    at_store_rlx(&rig.pool->closing, 0);
}

static void look_at_closing(void)
{
    (void)at_load_rlx(&rig.pool->closing);
    (void)at_load_rlx(&rig.scheduler->submitter.inside);
}

static void submit_one(void)
{
    const struct job_call call = {.port = rig.scheduler->submitter.port, .invoke = linger, .ready = do_nothing};
    pool_async_locking(&rig.scheduler->submitter, &call, NULL);
}

static void close_pool(void)
{
    close_submission(rig.pool);
    at_store_rlx(&stopping.closed, 1);
}

static void end_to_submit(void)
{
    scheduler_detach(rig.scheduler);
}

static bool missed_the_submitter(void)
{
    return stopping.inside_after;
}

static void test_nobody_is_inside_submit_when_the_pool_is_closed(void **state)
{
    (void)state;
    static const struct litmus litmus = {
        .sides = {{.begin = begin_to_submit,
                   .reset = reset_closing,
                   .look = look_at_closing,
                   .race = submit_one,
                   .end = end_to_submit},
                  {.look = look_at_closing, .race = close_pool}},
        .missed = missed_the_submitter,
    };
    litmus_needs_two();
    rig_init(&rig, 1, 0, "list", "list");
    rig_start(&rig);
    litmus_run(&litmus);
    rig_stop(&rig);
    litmus_must_hold();
}

// The first scheduler leaves, and an external submitter comes whose jobs come home to it.
static struct {
    bool left ALIGNED_LINE;
    bool came ALIGNED_LINE;
} home;

static void reset_home(void)
{
    at_store_rlx(&rig.pool->home_left, 0);
}

static void reset_external(void)
{
    if (home.came)
        pool_detach_external(rig.pool, 0);
    home.came = false;
}

static void look_at_home(void)
{
    (void)at_load_rlx(&rig.pool->home_left);
}

static void leave_home(void)
{
    uint64_t submitted = 0;
    home.left = externals_done(rig.scheduler, &submitted);
}

static void come(void)
{
    home.came = pool_attach_external(rig.pool, 0) == 0;
}

static bool missed_the_external(void)
{
    return home.left && home.came;
}

static void test_a_home_is_not_left_by_its_scheduler_when_an_external_comes(void **state)
{
    (void)state;
    static const struct litmus litmus = {
        .sides = {{.reset = reset_home, .look = look_at_home, .race = leave_home},
                  {.reset = reset_external, .look = look_at_home, .race = come, .end = reset_external}},
        .missed = missed_the_external,
    };
    litmus_needs_two();
    rig_init(&rig, 1, 0, "list", "list");
    rig.setup.externals = 1;
    rig_start(&rig);
    litmus_run(&litmus);
    rig_stop(&rig);
    litmus_must_hold();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_is_inside_submit_when_the_pool_is_closed),
        cmocka_unit_test(test_a_home_is_not_left_by_its_scheduler_when_an_external_comes),
    };
    return cmocka_run_group_tests_name("litmus of the pool", tests, litmus_set_up, litmus_tear_down);
}
