// SPDX-License-Identifier: Apache-2.0
#include "core/pool/scheduler.h"

#include <errno.h>

#include "core/machine/clock.h"
#include "core/measure/accounting.h"
#include "core/pool/pool.h"
#include "core/sync/elements.h"
#include "core/sync/thread.h"

static void raise_ready(struct scheduler *self)
{
    const uint32_t before = at_or_sc(&self->flags, SCHEDULER_READY, AT(ready_raise, ready_lower, sleep_announce));
    if (!(before & SCHEDULER_READY) && (before & SCHEDULER_SLEEPING))
        event_set(&self->event);
}

void scheduler_notify(void *argument)
{
    struct scheduler *self = argument;
    // The common case in a stream of completions: told already, nothing to write. In the total order, so that a
    // flag seen up is lowered, and the queue looked at, only after the caller's enqueue.
    if (at_load_sc(&self->flags, AT(ready_seen, ready_lower, ready_keep)) & SCHEDULER_READY)
        return;
    raise_ready(self);
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
    self->clean_due = !ready_check(&self->ready, self->account);
    if (!self->clean_due)
        at_or_sc(&self->flags, SCHEDULER_READY, AT(ready_keep, ready_seen));
}

static void clean(struct scheduler *self)
{
    if (self->clean_blocked && !progress_reached(self->pool->progress, self->clean_progress))
        return;
    const enum account_state before = account_enter(self->account, ACCOUNT_CLEAN);
    const enum queue_clean_state state = ready_clean(&self->ready, &self->clean_progress);
    account_enter(self->account, before);
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
    if (self->progress)
        progress_update(self->progress);
    if (at_load_rlx(&self->flags)) {
        // Lowered by a full barrier before the queue is looked at, or an item could be missed whose enqueuer still
        // saw the flag up.
        const uint32_t flags = at_and_sc(&self->flags, 0u, AT(ready_lower, ready_raise, ready_seen, progress_raise));
        if ((flags & SCHEDULER_READY) && self->ready.pool)
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
    const uint64_t spin_ns = patience_ns(&self->patience, self->pool->config.scheduler_spin_ns);
    const uint64_t spin_ticks = clock_ticks_in((double)spin_ns);
    const uint64_t alone_ticks = clock_ticks_in(THREAD_SPIN_ALONE_NS);
    const uint64_t start = clock_ticks();
    for (unsigned round = 1; !has_work(self); round++) {
        const uint64_t spun = clock_ticks() - start;
        if (spun >= spin_ticks)
            return false;
        if (round % SPINS_PER_UPDATE == 0 && self->progress)
            progress_update(self->progress);
        if (spun < alone_ticks)
            cpu_relax();
        else
            thread_yield();
    }
    return true;
}

// Up to where it sleeps. False: there is work.
static inline bool lie_down(struct scheduler *self)
{
    if (self->progress) {
        // Asked for only now: a scheduler that is awake looks by itself at every pass.
        if (self->clean_blocked)
            progress_request_wakeup(self->progress, self->clean_progress);
        progress_prepare_wait(self->progress);
    }
    event_reset(&self->event);
    at_or_sc(&self->flags, SCHEDULER_SLEEPING, AT(sleep_announce, ready_raise, progress_raise));
    return !has_work(self);
}

static inline void get_up(struct scheduler *self)
{
    at_and_rlx(&self->flags, ~(uint32_t)SCHEDULER_SLEEPING);
    at_store_rlx(&self->parks, self->event.parks);
    if (self->progress)
        progress_finalize_wait(self->progress);
}

bool scheduler_lie_down(struct scheduler *self)
{
    return lie_down(self);
}

void scheduler_get_up(struct scheduler *self)
{
    get_up(self);
}

static void sleep_until_told(struct scheduler *self)
{
    if (lie_down(self)) {
        const enum account_state before = account_enter(self->account, ACCOUNT_SLEEP);
        event_wait(&self->event, 0);
        account_enter(self->account, before);
    }
    get_up(self);
}

static void spin_or_sleep(struct scheduler *self)
{
    const enum account_state before = account_enter(self->account, ACCOUNT_CHECK);
    const bool found = spin(self);
    account_enter(self->account, before);
    if (!found)
        sleep_until_told(self);
}

void scheduler_wait(struct scheduler *self)
{
    if (self->pool->worker_count == 0)
        return;
    const uint64_t start = clock_ticks();
    spin_or_sleep(self);
    patience_learn(&self->patience, self->pool->config.scheduler_spin_ns, clock_ticks() - start);
}

// Not by scheduler_notify, which leaves when it sees the flag up: that is enough where the scheduler looks for what
// came in the same total order, as queues do, but not for whatever `ready` left for the scheduler to find.
void scheduler_count_elsewhere(struct scheduler *self)
{
    at_add_sc(&self->completed_elsewhere, 1, AT(elsewhere_completed, elsewhere_look));
    raise_ready(self);
}

// Half-way through attaching as well as afterwards. The default port is closed last of what others can see, for
// a submit that finds it gone must find nothing else gone.
static void leave(struct scheduler *self)
{
    struct pool *pool = self->pool;
    submitter_close_port(&self->submitter);
    submitter_detach(&self->submitter);
    queue_client_detach(&self->ready.consumer, &self->ready.queue);
    while (garbage_free(&self->ready.garbage, GARBAGE_STEP)) {}
    if (self->caches_elements)
        elements_detach(pool->elements);
    if (self->account)
        account_close(self->account);
    if (self->progress)
        progress_unregister(self->progress);
    self->progress = NULL;
    self->attached = false;
    pool_leave(pool);
}

// A thread that is a scheduler elsewhere too has its cache there, and does without here.
static int attach_elements(struct scheduler *self)
{
    if (!self->pool->elements)
        return 0;
    const int node = pool_node(self->pool, self->pool->setup.scheduler_cpus, self->index);
    const int error = elements_attach(self->pool->elements, ELEMENTS_PER_THREAD, node);
    self->caches_elements = error == 0;
    return error == -EBUSY ? 0 : error;
}

static int attach_queues(struct scheduler *self)
{
    struct pool *pool = self->pool;
    const enum queue_thread_kind kind = pool->progress ? QUEUE_MANAGED : QUEUE_UNMANAGED;
    int error = attach_elements(self);
    self->ready.home = &self->submitter;
    if (!error && pool_has_ready(pool))
        error = queue_client_attach(&self->ready.consumer, &self->ready.queue, QUEUE_CONSUMER, kind);
    return error ? error : submitter_attach(&self->submitter, kind);
}

static void open_account(struct scheduler *self)
{
    struct pool *pool = self->pool;
    if (!pool->accounts)
        return;
    self->account = self->submitter.account = &pool->accounts[pool->worker_count + self->index];
    account_open(self->account, "scheduler", at_add_rlx(&pool->scheduler_accounts, 1) + 1);
}

// A thread that were two schedulers would wait as the one, while a worker waits for room with the other.
static bool is_another(struct pool *pool)
{
    for (unsigned i = 0; i < pool->scheduler_count && !pool->threadless; i++)
        if (submitter_is_mine(&pool->schedulers[i].submitter))
            return true;
    return false;
}

int scheduler_attach(struct scheduler *self)
{
    struct pool *pool = self->pool;
    int error = pool_enter(pool);
    if (error)
        return error;
    if (is_another(pool) || at_add_rlx(&self->taken, 1) > 0) {
        pool_leave(pool);
        return -EBUSY;
    }
    if (pool->progress) {
        self->progress = progress_register_managed(pool->progress, progress_wakeup, self);
        error = self->progress ? 0 : -EAGAIN;
    }
    if (!error)
        error = attach_queues(self);
    if (!error)
        error = submitter_open_port(&self->submitter);
    if (!error) {
        self->attached = true;
        open_account(self);
    } else {
        leave(self);
    }
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
        *submitted += at_load_rlx(&pool->externals[i].submitted) - at_load_rlx(&pool->externals[i].ran);
    return true;
}

// Completions on workers count before what they submitted is read: none is counted before all that it submitted.
static uint64_t completed_of(struct scheduler *self)
{
    return at_load_rlx(&self->ready.completed) + at_load_rlx(&self->submitter.ran) +
           at_load_sc(&self->completed_elsewhere, AT(elsewhere_look, elsewhere_completed));
}

static bool all_came_home(struct scheduler *self)
{
    const uint64_t completed = completed_of(self);
    uint64_t submitted = at_load_rlx(&self->submitter.submitted) + at_load_rlx(&self->adopted);
    const bool hosts = self->index == 0 && self->pool->external_count > 0 && self->pool->worker_count > 0;
    if ((!hosts || externals_done(self, &submitted)) && completed == submitted)
        return true;
    if (hosts)
        at_store_rlx(&self->pool->home_left, 0);
    return false;
}

// The originals' exit flush waits for no completion. On workers they run before the workers end.
static bool leaves_unrun(const struct pool *pool)
{
    return pool->config.stop == POOL_STOP_FLUSH && pool_has_ready(pool);
}

void scheduler_detach(struct scheduler *self)
{
    bool last = false;
    for (;;) {
        const enum pool_more more = scheduler_pass(self);
        if (all_came_home(self) || (last && more == POOL_NOTHING))
            break;
        if (leaves_unrun(self->pool)) {
            if (self->index == 0)
                at_store_sc(&self->pool->home_left, 1, AT(home_abandons, external_look));
            break;
        }
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
