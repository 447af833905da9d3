// SPDX-License-Identifier: Apache-2.0
// Stops at random moments, under every kind of load, thousands of times: each job that was taken is invoked once and
// completed once, or counted as left behind where the pool was told to leave it; what was refused runs not at all.
#include <errno.h>
#include <stdlib.h>

#include "core/measure/accounting.h"
#include "tests/pool_rig.h"

#define STOPS 2000u
#define SUBMITTERS_MAX 3u
#define JOBS 150u

struct submitting;

struct item {
    struct submitting *owner; // NULL: its completion submits no further one
    struct item *further;
    _Atomic unsigned taken, invoked, completed;
};

// A scheduler, or an external submitter.
struct submitting {
    unsigned number;
    bool scheduler;
    bool stops; // it stops the pool itself, after `stop_after` jobs
    unsigned stop_after;
    struct item items[JOBS], further[JOBS];
    unsigned submitted;
    int unexpected;
    struct pool_statistics statistics;
    struct thread thread;
};

static struct rig rig;
static struct submitting submitters[SUBMITTERS_MAX];
static unsigned submitter_count;
static _Atomic unsigned attached;
static uint64_t dice;

static unsigned roll(unsigned sides)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(dice >> 33) % sides;
}

static void invoke(void *data)
{
    atomic_fetch_add(&((struct item *)data)->invoked, 1);
}

static void complete(void *data);

// As the thread that it runs on; on a worker, as the one that submitted the job.
static void submit_further(const struct item *item)
{
    struct submitting *owner = item->owner;
    const bool at_home = rig.setup.workers > 0 && rig.config.completion == POOL_COMPLETION_READY_QUEUE;
    const unsigned number = owner->scheduler || !at_home ? owner->number : 0;
    atomic_store(&item->further->taken, 1);
    if (erts_pool_ops.submit(rig.pool, number, NULL, invoke, complete, item->further) < 0)
        atomic_store(&item->further->taken, 0);
}

static void complete(void *data)
{
    struct item *item = data;
    if (item->owner)
        submit_further(item);
    atomic_fetch_add(&item->completed, 1);
}

static bool submit(struct submitting *self)
{
    unsigned key = self->submitted;
    const bool keyed = self->submitted % 3 == 0;
    struct item *item = &self->items[self->submitted];
    item->further = &self->further[self->submitted];
    item->owner = self->submitted % 2 ? self : NULL;
    const long id = erts_pool_ops.submit(rig.pool, self->number, keyed ? &key : NULL, invoke, complete, item);
    if (id >= 0)
        self->submitted++;
    else if (id != -EAGAIN && id != -ESHUTDOWN)
        self->unexpected = (int)id;
    // Without room for jobs, there may be none for completions either.
    if (self->scheduler && (id == -EAGAIN || self->submitted % 4 == 0))
        erts_pool_ops.pass(rig.pool, self->number);
    else if (id == -EAGAIN)
        thread_yield();
    return id != -ESHUTDOWN;
}

static void leave(struct submitting *self)
{
    if (!self->stops) {
        erts_pool_ops.detach(rig.pool, self->number);
        return;
    }
    const int error = erts_pool_ops.stop(rig.pool, &self->statistics, &rig.fault);
    if (error)
        self->unexpected = error;
}

static void body(void *argument)
{
    struct submitting *self = argument;
    const int error = erts_pool_ops.attach(rig.pool, self->number);
    if (error)
        self->unexpected = error;
    atomic_fetch_add(&attached, 1);
    SPIN_UNTIL(atomic_load(&attached) == submitter_count);
    while (self->submitted < (self->stops ? self->stop_after : JOBS) && submit(self)) {}
    leave(self);
}

static void choose_options(void)
{
    struct erts_pool_config *config = &rig.config;
    config->completion = roll(3) == 0 ? POOL_COMPLETION_WORKER : POOL_COMPLETION_READY_QUEUE;
    config->ready_lock = roll(LOCK_KINDS);
    config->elements = roll(2);
    config->freeing = roll(2);
    config->batch = roll(2) ? 1 : 1 + roll(8);
    config->ready_limit = roll(2) ? 20 : 1;
    config->stop = roll(rig.ready_queue.traits.capacity ? POOL_STOP_FLUSH : POOL_STOP_FLUSH + 1);
    config->accounting = READYQ_OBSERVE && roll(4) == 0;
    config->smp = rig.setup.schedulers > 1 || config->completion == POOL_COMPLETION_WORKER || roll(4) > 0;
}

static void choose(void)
{
    static const char *const queues[] = {"erts_mpsc", "erts_mpsc", "list", "list:lock=ticket,capacity=5",
                                         "list:capacity=1"};
    rig_init(&rig, 1 + roll(2), roll(8) == 0 ? 0 : 1 + roll(3), queues[roll(5)], queues[roll(5)]);
    rig.setup.externals = roll(2);
    choose_options();
    submitter_count = rig.setup.schedulers + rig.setup.externals;
    memset(submitters, 0, sizeof submitters);
    atomic_store(&attached, 0);
    for (unsigned i = 0; i < submitter_count; i++) {
        submitters[i].number = i;
        submitters[i].scheduler = i < rig.setup.schedulers;
    }
    submitters[0].stops = roll(3) == 0;
    submitters[0].stop_after = roll(JOBS);
}

static uint64_t left_behind(struct item *item)
{
    assert_true(atomic_load(&item->completed) <= atomic_load(&item->invoked));
    return atomic_load(&item->invoked) - atomic_load(&item->completed);
}

static uint64_t check(const struct submitting *self)
{
    uint64_t unrun = 0;
    assert_int_equal(self->unexpected, 0);
    for (unsigned i = 0; i < JOBS; i++) {
        struct item *item = (struct item *)&self->items[i], *further = (struct item *)&self->further[i];
        assert_int_equal(atomic_load(&item->invoked), i < self->submitted);
        assert_int_equal(atomic_load(&further->invoked), atomic_load(&further->taken));
        unrun += left_behind(item) + left_behind(further);
    }
    return unrun;
}

static void judge(const struct pool_statistics *statistics)
{
    uint64_t unrun = 0, submitted = 0;
    for (unsigned i = 0; i < submitter_count; i++) {
        unrun += check(&submitters[i]);
        submitted += submitters[i].submitted;
        for (unsigned j = 0; j < JOBS; j++)
            submitted += atomic_load(&submitters[i].further[j].taken);
    }
    assert_int_equal(statistics->submitted, submitted);
    assert_int_equal(statistics->invoked, submitted);
    assert_int_equal(statistics->unrun, unrun);
    if (rig.config.stop != POOL_STOP_FLUSH)
        assert_int_equal(unrun, 0);
    assert_int_equal(atomic_load(&rig.memory.allocations), atomic_load(&rig.memory.frees));
}

static void stop_once(unsigned round)
{
    struct pool_statistics statistics;
    dice = round;
    choose();
    rig_start(&rig);
    const struct thread_options options = {.name = "submitter", .cpu = -1};
    for (unsigned i = 0; i < submitter_count; i++)
        assert_int_equal(thread_start(&submitters[i].thread, &options, body, &submitters[i]), 0);
    SPIN_UNTIL(atomic_load(&attached) == submitter_count);
    for (unsigned pause = roll(3000); pause > 0; pause--)
        cpu_relax();
    if (!submitters[0].stops && erts_pool_ops.stop(rig.pool, &statistics, &rig.fault) != 0)
        fail_msg("round %u: %s", round, rig.fault.text);
    for (unsigned i = 0; i < submitter_count; i++)
        thread_join(&submitters[i].thread);
    judge(submitters[0].stops ? &submitters[0].statistics : &statistics);
    rig_forget_choices(&rig);
}

static void stopped_at_any_moment_nothing_is_lost(void **state)
{
    (void)state;
    for (unsigned round = 1; round <= STOPS; round++)
        stop_once(round);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(stopped_at_any_moment_nothing_is_lost)};
    return cmocka_run_group_tests_name("pool_stop", tests, NULL, NULL);
}
