// SPDX-License-Identifier: Apache-2.0
// The names below follow the invariants that make this work:
//  P1  current <= confirmed of every managed thread that is awake.
//  P2  A waking thread confirms again until `current` stands still, so it never runs with confirmed < current.
//  P3  A value from progress_later is reached only after each managed thread confirmed, or slept, since then.
//      current + 2 and not + 1: others may have confirmed current + 1 already; current + 2 can only be
//      confirmed once current + 1 was published, which is later than now.
//  P4  A request is put into its slot, then `current` is read; the leader publishes `current`, then empties the
//      slot. One of the two sees the other, so that no wake-up is lost.
//  P5  A request counts in `pending`, then `awake` is read; a thread going to sleep leaves `awake`, then reads
//      `pending`. One of the two sees the other, so that somebody leads while a request is pending.
#include "core/sync/progress.h"

#include <errno.h>
#include <stddef.h>

#include "core/machine/memory.h"
#include "core/sync/atomic.h"
#include "core/sync/event.h"
#include "core/sync/lock.h"
#include "core/sync/thread.h"

#define CONFIRMED_WAITING UINT64_MAX

// Requests are for current + 1 .. current + 3, so four slots keep values apart.
#define REQUEST_SLOTS 4u

struct progress_thread {
    _Atomic uint64_t confirmed; // written by the thread itself, read by the leader
    struct progress *domain;
    bool managed;
    bool registered;        // under the domain's lock
    struct lock calling;    // held while wakeup is called or changed
    void (*wakeup)(void *); // NULL: nobody
    void *argument;
    struct progress_request {
        struct progress_thread *next;
        _Atomic uint32_t queued;
    } requests[REQUEST_SLOTS];
} ALIGNED_LINE;

struct progress {
    _Atomic uint64_t current ALIGNED_LINE;
    _Atomic(struct progress_thread *) leader ALIGNED_LINE;
    unsigned scanned;                      // managed threads known to have confirmed current + 1; the leader's
    _Atomic uint32_t awake ALIGNED_LINE;   // managed threads not asleep
    _Atomic uint32_t pending ALIGNED_LINE; // requests in the slots
    _Atomic(struct progress_thread *) slots[REQUEST_SLOTS];
    struct progress_thread *threads; // the managed ones first; number 0 is the aux thread
    unsigned managed_count, thread_count;
    struct allocator *allocator;
    struct lock lock; // of registration
    struct event aux_event;
    struct thread aux_thread;
    _Atomic uint32_t stopping;
};

static _Thread_local struct progress_thread *self_registration;

struct progress_thread *progress_self(const struct progress *progress)
{
    return self_registration && self_registration->domain == progress ? self_registration : NULL;
}

uint64_t progress_current(const struct progress *progress)
{
    return at_load_acq(&((struct progress *)progress)->current, AT(progress_peek, progress_advance));
}

bool progress_reached(const struct progress *progress, uint64_t value)
{
    const uint64_t current = at_load_sc(&((struct progress *)progress)->current, AT(progress_read, progress_advance));
    return (int64_t)(current - value) >= 0;
}

uint64_t progress_later(struct progress *progress)
{
    struct progress_thread *self = progress_self(progress);
    if (self && self->managed)
        return at_load_rlx(&self->confirmed) + 2;
    return at_load_sc(&progress->current, AT(progress_later_read, progress_advance)) + 2;
}

static void call_wakeup(struct progress_thread *thread)
{
    struct lock_node node;
    lock_acquire(&thread->calling, &node);
    if (thread->wakeup)
        thread->wakeup(thread->argument);
    lock_release(&thread->calling, &node);
}

static void serve_requests(struct progress *progress, uint64_t value)
{
    _Atomic(struct progress_thread *) *slot = &progress->slots[value % REQUEST_SLOTS];
    if (!at_load_sc(slot, AT(progress_glance, progress_request)))
        return;
    struct progress_thread *thread = at_xchg_sc(slot, NULL, AT(progress_serve, progress_request));
    while (thread) {
        struct progress_request *request = &thread->requests[value % REQUEST_SLOTS];
        struct progress_thread *next = request->next;
        // Cleared before the call: who finds it still set gets this call, made after it looked.
        at_xchg_ar(&request->queued, 0, AT(progress_unqueue, progress_queue));
        at_sub_sc(&progress->pending, 1, AT(progress_served, progress_sleeper_look, progress_aux_look));
        call_wakeup(thread);
        thread = next;
    }
}

static bool all_confirmed(struct progress *progress, uint64_t value)
{
    for (; progress->scanned < progress->managed_count; progress->scanned++) {
        const uint64_t confirmed =
            at_load_sc(&progress->threads[progress->scanned].confirmed,
                       AT(progress_scan, progress_confirm, progress_wait, progress_wake, progress_confirm_next));
        if (confirmed != value && confirmed != CONFIRMED_WAITING)
            return false;
    }
    return true;
}

static void lead(struct progress_thread *self)
{
    struct progress *progress = self->domain;
    const uint64_t value = at_load_rlx(&progress->current) + 1;
    if (!all_confirmed(progress, value))
        return;
    progress->scanned = 0;
    at_store_sc(&self->confirmed, value + 1, AT(progress_confirm_next, progress_scan));
    at_store_sc(&progress->current, value,
                AT(progress_advance, progress_peek, progress_read, progress_later_read, progress_see,
                   progress_wake_read, progress_wake_again));
    serve_requests(progress, value);
}

static bool is_leader(struct progress_thread *self)
{
    struct progress *progress = self->domain;
    struct progress_thread *leader = at_load_rlx(&progress->leader);
    if (leader)
        return leader == self;
    return at_cas_acq(&progress->leader, &leader, self, AT(progress_lead, progress_resign));
}

void progress_update(struct progress_thread *self)
{
    const uint64_t current = at_load_acq(&self->domain->current, AT(progress_see, progress_advance));
    if (at_load_rlx(&self->confirmed) != current + 1)
        at_store_sc(&self->confirmed, current + 1, AT(progress_confirm, progress_scan));
    if (is_leader(self))
        lead(self);
}

void progress_prepare_wait(struct progress_thread *self)
{
    struct progress *progress = self->domain;
    if (at_load_rlx(&progress->leader) == self)
        at_store_rel(&progress->leader, NULL, AT(progress_resign, progress_lead));
    at_store_sc(&self->confirmed, CONFIRMED_WAITING, AT(progress_wait, progress_scan));
    const uint32_t before = at_sub_sc(&progress->awake, 1, AT(progress_sleeper, progress_count_awake));
    if (before == 1 && at_load_sc(&progress->pending, AT(progress_sleeper_look, progress_ask, progress_served)) > 0)
        event_set(&progress->aux_event);
}

void progress_finalize_wait(struct progress_thread *self)
{
    struct progress *progress = self->domain;
    at_add_sc(&progress->awake, 1, AT(progress_waker, progress_count_awake));
    uint64_t current = at_load_sc(&progress->current, AT(progress_wake_read, progress_advance));
    for (;;) {
        at_store_sc(&self->confirmed, current + 1, AT(progress_wake, progress_scan));
        const uint64_t again = at_load_sc(&progress->current, AT(progress_wake_again, progress_advance));
        if (again == current)
            break;
        current = again;
    }
    progress_update(self);
}

static void put_into_slot(struct progress_thread *self, unsigned slot)
{
    struct progress *progress = self->domain;
    at_add_sc(&progress->pending, 1, AT(progress_ask, progress_sleeper_look, progress_aux_look));
    struct progress_thread *first = at_load_rlx(&progress->slots[slot]);
    do
        self->requests[slot].next = first;
    while (!at_cas_sc(&progress->slots[slot], &first, self, AT(progress_request, progress_serve, progress_glance)));
}

void progress_request_wakeup(struct progress_thread *self, uint64_t value)
{
    struct progress *progress = self->domain;
    const unsigned slot = (unsigned)(value % REQUEST_SLOTS);
    if (progress_reached(progress, value)) {
        call_wakeup(self);
        return;
    }
    if (at_xchg_ar(&self->requests[slot].queued, 1, AT(progress_queue, progress_unqueue)) == 0)
        put_into_slot(self, slot);
    if (progress_reached(progress, value))
        call_wakeup(self);
    else if (at_load_sc(&progress->awake, AT(progress_count_awake, progress_sleeper, progress_waker)) == 0)
        event_set(&progress->aux_event);
}

// The aux thread leads only while nobody else is awake to do it. It starts out asleep.
static void aux_body(void *argument)
{
    struct progress *progress = argument;
    struct progress_thread *self = &progress->threads[0];
    self_registration = self;
    for (;;) {
        if (!at_load_sc(&progress->stopping, AT(progress_aux_stop, progress_stop)))
            event_wait(&progress->aux_event, 0);
        progress_finalize_wait(self);
        if (at_load_sc(&progress->stopping, AT(progress_aux_stopped, progress_stop)))
            break;
        unsigned round = 0;
        while (at_load_sc(&progress->pending, AT(progress_aux_look, progress_ask, progress_served)) > 0 &&
               at_load_rlx(&progress->awake) == 1) {
            progress_update(self);
            thread_spin_round(round++);
        }
        event_reset(&progress->aux_event);
        progress_prepare_wait(self);
    }
    progress_prepare_wait(self);
    self_registration = NULL;
}

static void init_threads(struct progress *progress)
{
    for (unsigned i = 0; i < progress->thread_count; i++) {
        struct progress_thread *thread = &progress->threads[i];
        at_init(&thread->confirmed, CONFIRMED_WAITING);
        thread->domain = progress;
        thread->managed = i < progress->managed_count;
        lock_init_ranked(&thread->calling, LOCK_TICKET, LOCK_RANK_CALLING, i);
        for (unsigned slot = 0; slot < REQUEST_SLOTS; slot++)
            at_init(&thread->requests[slot].queued, 0);
    }
}

static struct progress *allocate_domain(struct allocator *allocator, unsigned managed_count, unsigned thread_count)
{
    struct progress *domain = allocator->alloc(allocator, sizeof *domain, LINE_PAIR, -1);
    if (!domain)
        return NULL;
    domain->allocator = allocator;
    domain->managed_count = managed_count;
    domain->thread_count = thread_count;
    domain->threads = allocator->alloc(allocator, thread_count * sizeof *domain->threads, LINE_PAIR, -1);
    if (domain->threads)
        return domain;
    allocator->free(allocator, domain, sizeof *domain, -1);
    return NULL;
}

static void free_domain(struct progress *progress)
{
    struct allocator *allocator = progress->allocator;
    for (unsigned i = 0; i < progress->thread_count; i++)
        lock_fini(&progress->threads[i].calling);
    lock_fini(&progress->lock);
    allocator->free(allocator, progress->threads, progress->thread_count * sizeof *progress->threads, -1);
    allocator->free(allocator, progress, sizeof *progress, -1);
}

static void init_domain(struct progress *progress)
{
    at_init(&progress->current, 0);
    at_init(&progress->leader, NULL);
    at_init(&progress->awake, 0);
    at_init(&progress->pending, 0);
    at_init(&progress->stopping, 0);
    for (unsigned slot = 0; slot < REQUEST_SLOTS; slot++)
        at_init(&progress->slots[slot], NULL);
    init_threads(progress);
    progress->threads[0].registered = true;
    lock_init_ranked(&progress->lock, LOCK_MUTEX, LOCK_RANK_PROGRESS, 0);
    event_init(&progress->aux_event);
}

int progress_create(struct progress **progress, struct allocator *allocator, unsigned managed_max,
                    unsigned unmanaged_max)
{
    struct progress *domain = allocate_domain(allocator, managed_max + 1, managed_max + 1 + unmanaged_max);
    if (!domain)
        return -ENOMEM;
    init_domain(domain);
    const struct thread_options options = {.name = "aux", .cpu = -1};
    const int error = thread_start(&domain->aux_thread, &options, aux_body, domain);
    if (error) {
        free_domain(domain);
        return error;
    }
    *progress = domain;
    return 0;
}

void progress_destroy(struct progress *progress)
{
    at_xchg_sc(&progress->stopping, 1, AT(progress_stop, progress_aux_stop, progress_aux_stopped));
    event_set(&progress->aux_event);
    thread_join(&progress->aux_thread);
    free_domain(progress);
}

static struct progress_thread *register_thread(struct progress *progress, unsigned first, unsigned end,
                                               void (*wakeup)(void *), void *argument)
{
    struct lock_node node;
    struct progress_thread *found = NULL;
    lock_acquire(&progress->lock, &node);
    for (unsigned i = first; i < end && !found; i++)
        if (!progress->threads[i].registered)
            found = &progress->threads[i];
    if (found)
        found->registered = true;
    lock_release(&progress->lock, &node);
    if (!found)
        return NULL;
    lock_acquire(&found->calling, &node);
    found->wakeup = wakeup;
    found->argument = argument;
    lock_release(&found->calling, &node);
    self_registration = found;
    return found;
}

struct progress_thread *progress_register_managed(struct progress *progress, void (*wakeup)(void *), void *argument)
{
    struct progress_thread *self = register_thread(progress, 1, progress->managed_count, wakeup, argument);
    if (self)
        progress_finalize_wait(self);
    return self;
}

struct progress_thread *progress_register_unmanaged(struct progress *progress, void (*wakeup)(void *), void *argument)
{
    return register_thread(progress, progress->managed_count, progress->thread_count, wakeup, argument);
}

void progress_unregister(struct progress_thread *self)
{
    struct progress *progress = self->domain;
    struct lock_node node;
    if (self->managed)
        progress_prepare_wait(self);
    lock_acquire(&self->calling, &node);
    self->wakeup = NULL;
    lock_release(&self->calling, &node);
    self_registration = NULL;
    lock_acquire(&progress->lock, &node);
    self->registered = false;
    lock_release(&progress->lock, &node);
}
