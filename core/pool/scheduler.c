// SPDX-License-Identifier: Apache-2.0
#include "core/pool/scheduler.h"

#include <errno.h>

#include "core/machine/clock.h"
#include "core/pool/pool.h"
#include "core/pool/port.h"
#include "core/sync/elements.h"
#include "core/sync/thread.h"

void scheduler_notify(void *argument)
{
    struct scheduler *self = argument;
    // The common case in a stream of completions: told already, nothing to write. In the total order, so that a
    // flag seen up is lowered, and the queue looked at, only after the caller's enqueue.
    if (at_load_sc(&self->flags, AT(ready_seen, ready_lower, ready_keep)) & SCHEDULER_READY)
        return;
    const uint32_t before = at_or_sc(&self->flags, SCHEDULER_READY, AT(ready_raise, ready_lower, sleep_announce));
    if (!(before & SCHEDULER_READY) && (before & SCHEDULER_SLEEPING))
        event_set(&self->event);
}

static void progress_wakeup(void *argument)
{
    struct scheduler *self = argument;
    const uint32_t before = at_or_sc(&self->flags, SCHEDULER_PROGRESS, AT(progress_raise, ready_lower, sleep_announce));
    if (before & SCHEDULER_SLEEPING)
        event_set(&self->event);
}

static void check(struct scheduler *self)
{
    self->clean_blocked = false;
    self->clean_due = !ready_check(&self->ready);
    if (!self->clean_due)
        at_or_sc(&self->flags, SCHEDULER_READY, AT(ready_keep, ready_seen));
}

static void clean(struct scheduler *self)
{
    if (self->clean_blocked && !progress_reached(self->pool->progress, self->clean_progress))
        return;
    const enum queue_clean_state state = ready_clean(&self->ready, &self->clean_progress);
    self->clean_blocked = state == QUEUE_NEED_PROGRESS;
    self->clean_due = state != QUEUE_CLEAN;
}

static bool has_work(const struct scheduler *self)
{
    if (at_load_rlx(&self->flags) & (SCHEDULER_READY | SCHEDULER_PROGRESS))
        return true;
    return self->clean_due && (!self->clean_blocked || progress_reached(self->pool->progress, self->clean_progress));
}

enum pool_more scheduler_pass(struct scheduler *self)
{
    progress_update(self->progress);
    if (at_load_rlx(&self->flags)) {
        // Lowered by a full barrier before the queue is looked at, or an item could be missed whose enqueuer still
        // saw the flag up.
        const uint32_t flags = at_and_sc(&self->flags, 0u, AT(ready_lower, ready_raise, ready_seen, progress_raise));
        if (flags & SCHEDULER_READY)
            check(self);
    }
    if (self->clean_due)
        clean(self);
    return has_work(self) ? POOL_MORE : POOL_NOTHING;
}

// A long spin must not hold up everybody's reclamation.
#define SPINS_PER_UPDATE 64u

static bool spin(struct scheduler *self)
{
    const uint64_t spin_ticks = clock_ticks_in((double)self->pool->config.scheduler_spin_ns);
    const uint64_t start = clock_ticks();
    for (unsigned round = 1; !has_work(self); round++) {
        if (clock_ticks() - start >= spin_ticks)
            return false;
        if (round % SPINS_PER_UPDATE == 0)
            progress_update(self->progress);
        cpu_relax();
    }
    return true;
}

void scheduler_wait(struct scheduler *self)
{
    if (spin(self))
        return;
    // Asked for only now: a scheduler that is awake looks by itself at every pass.
    if (self->clean_blocked)
        progress_request_wakeup(self->progress, self->clean_progress);
    progress_prepare_wait(self->progress);
    event_reset(&self->event);
    at_or_sc(&self->flags, SCHEDULER_SLEEPING, AT(sleep_announce, ready_raise, progress_raise));
    if (!has_work(self))
        event_wait(&self->event, 0);
    at_and_rlx(&self->flags, ~(uint32_t)SCHEDULER_SLEEPING);
    progress_finalize_wait(self->progress);
    at_store_rlx(&self->parks, self->event.parks);
}

// Half-way through attaching as well as afterwards. The default port is closed last of what others can see, for
// a submit that finds it gone must find nothing else gone.
static void leave(struct scheduler *self)
{
    struct lock_node node;
    struct pool *pool = self->pool;
    struct port *port = port_acquire(&pool->ports, self->port, &node);
    if (port) {
        port_close(&pool->ports, port);
        port_release(port, &node);
    }
    submitter_detach(&self->submitter);
    queue_client_detach(&self->ready.consumer, &self->ready.queue);
    while (garbage_free(&self->ready.garbage, GARBAGE_STEP)) {}
    if (self->caches_elements)
        elements_detach(pool->elements);
    if (self->progress)
        progress_unregister(self->progress);
    self->progress = NULL;
    pool_leave(pool);
}

// A thread that is a scheduler elsewhere too has its cache there, and does without here.
static int attach_elements(struct scheduler *self)
{
    if (!self->pool->elements)
        return 0;
    const int error = elements_attach(self->pool->elements, ELEMENTS_PER_THREAD, self->ready.queue.env.node);
    self->caches_elements = error == 0;
    return error == -EBUSY ? 0 : error;
}

int scheduler_attach(struct scheduler *self)
{
    struct pool *pool = self->pool;
    int error = pool_enter(pool);
    if (error)
        return error;
    if (at_add_rlx(&self->taken, 1) > 0) {
        pool_leave(pool);
        return -EBUSY;
    }
    self->progress = progress_register_managed(pool->progress, progress_wakeup, self);
    if (!self->progress)
        error = -EAGAIN;
    if (!error)
        error = attach_elements(self);
    if (!error)
        error = queue_client_attach(&self->ready.consumer, &self->ready.queue, QUEUE_CONSUMER, QUEUE_MANAGED);
    if (!error)
        error = submitter_attach(&self->submitter, QUEUE_MANAGED);
    if (!error)
        error = port_open(&pool->ports, &pool_driver, NULL, NULL, &self->port);
    if (error)
        leave(self);
    return error;
}

// Jobs of external submitters come home to the first scheduler, so it leaves only when there are none. It says
// that it has left before it looks for them, and they attach before they look whether it has: one sees the other.
static bool externals_done(struct scheduler *self, uint64_t *submitted)
{
    struct pool *pool = self->pool;
    at_store_sc(&pool->home_left, 1, AT(home_leaves, external_look));
    if (at_load_sc(&pool->externals_attached, AT(home_look, external_came, external_left)) > 0)
        return false;
    for (unsigned i = 0; i < pool->external_count; i++)
        *submitted += at_load_rlx(&pool->externals[i].submitted);
    return true;
}

static bool all_came_home(struct scheduler *self)
{
    uint64_t submitted = at_load_rlx(&self->submitter.submitted);
    const bool hosts = self->index == 0 && self->pool->external_count > 0;
    if ((!hosts || externals_done(self, &submitted)) && at_load_rlx(&self->ready.completed) == submitted)
        return true;
    if (hosts)
        at_store_rlx(&self->pool->home_left, 0);
    return false;
}

void scheduler_detach(struct scheduler *self)
{
    bool last = false;
    for (;;) {
        const enum pool_more more = scheduler_pass(self);
        if (all_came_home(self) || (last && more == POOL_NOTHING))
            break;
        if (more == POOL_MORE)
            continue;
        // Once the last worker has ended nothing more can come: what one more look does not find is lost, and stop
        // says so. Asked after the pass, which lowered the flag that would have spared the worker its notice.
        last = at_load_sc(&self->pool->workers_ended, AT(workers_seen, workers_end));
        if (last)
            scheduler_notify(self);
        else
            scheduler_wait(self);
    }
    leave(self);
}
