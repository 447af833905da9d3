// SPDX-License-Identifier: Apache-2.0
#include "core/workload_jobs.h"

#include <errno.h>
#include <stdio.h>

#include "core/workload.h"

// Whose jobs the calling thread submits.
static _Thread_local struct job_owner *own_jobs;

static unsigned go_round(const struct job_owner *owner, uint64_t sequence)
{
    return (unsigned)((sequence - 1) % owner->key_count);
}

static int init_owner(struct job_owner *owner, const struct jobs_plan *plan)
{
    owner->workload = plan->workload;
    owner->came_home = plan->came_home;
    owner->record = plan->record ? plan->record : workload_jobs_record;
    owner->key_of = plan->key_of ? plan->key_of : go_round;
    owner->timed_every = plan->timed_every;
    owner->slots = workload_alloc(plan->slots * sizeof *owner->slots);
    owner->free = workload_alloc(plan->slots * sizeof *owner->free);
    owner->keys = plan->keys ? workload_alloc(plan->keys * sizeof *owner->keys) : NULL;
    if (!owner->slots || !owner->free || (plan->keys && !owner->keys))
        return -ENOMEM;
    owner->slot_count = owner->free_count = plan->slots;
    owner->key_count = plan->keys;
    for (unsigned i = 0; i < plan->slots; i++) {
        owner->slots[i].owner = owner;
        owner->free[i] = &owner->slots[plan->slots - 1 - i];
    }
    return 0;
}

int workload_jobs_init(struct workload_jobs *jobs, const struct workload_run *run, const struct jobs_plan *plan)
{
    *jobs = (struct workload_jobs){.run = run, .threads = run->threads};
    jobs->owners = workload_alloc(run->threads * sizeof *jobs->owners);
    int result = jobs->owners ? 0 : -ENOMEM;
    for (unsigned i = 0; i < run->threads && !result; i++) {
        jobs->owners[i].all = jobs;
        jobs->owners[i].number = i;
        result = init_owner(&jobs->owners[i], plan);
    }
    if (result)
        workload_jobs_fini(jobs);
    return result;
}

void workload_jobs_fini(struct workload_jobs *jobs)
{
    for (unsigned i = 0; jobs->owners && i < jobs->threads; i++) {
        free(jobs->owners[i].slots);
        free(jobs->owners[i].free);
        free(jobs->owners[i].keys);
    }
    free(jobs->owners);
    *jobs = (struct workload_jobs){0};
}

// Without workers a job completes inside submit. What an external submits comes home to scheduler 0.
static struct job_owner *home_of(const struct workload_jobs *jobs, struct workload_thread *self)
{
    if (self->run->demand->workers > 0 && !self->run->pool_traits->completes_on_submitter)
        return NULL;
    return &jobs->owners[self->role->external && self->run->demand->workers > 0 ? 0 : self->index];
}

struct job_owner *workload_jobs_own(struct workload_jobs *jobs, struct workload_thread *self)
{
    own_jobs = &jobs->owners[self->index];
    own_jobs->self = self;
    own_jobs->home = home_of(jobs, self);
    return own_jobs;
}

// Of a count that only one thread writes at a time.
static void add_one(_Atomic uint32_t *count)
{
    at_store_rlx(count, at_load_rlx(count) + 1);
}

// `from_ticks`: 0: from now.
static inline long submit(struct job_owner *owner, uint64_t from_ticks, void (*invoke)(void *slot),
                          void (*ready)(void *slot))
{
    struct job_slot *slot = owner->free[owner->free_count - 1];
    const struct workload_run *run = owner->self->run;
    const bool timed = workload_jobs_times_next(owner);
    owner->free_count--;
    owner->submitted++;
    unsigned key = owner->keys ? owner->key_of(owner, owner->submitted) : 0;
    add_one(&slot->submitted);
    slot->sequence = owner->submitted;
    slot->ready_ticks = 0;
    slot->submitted_ticks = !timed ? 0 : from_ticks ? from_ticks : clock_ticks();
    const long id =
        run->pool_ops->submit(run->pool, owner->self->index, owner->keys ? &key : NULL, invoke, ready, slot);
    if (id >= 0)
        return id;
    at_store_rlx(&slot->submitted, at_load_rlx(&slot->submitted) - 1);
    owner->free_count++;
    owner->submitted--;
    return id;
}

long workload_jobs_submit_late(struct job_owner *owner, uint64_t from_ticks, void (*invoke)(void *slot),
                               void (*ready)(void *slot))
{
    return submit(owner, from_ticks, invoke, ready);
}

long workload_jobs_submit(struct job_owner *owner, void (*invoke)(void *slot), void (*ready)(void *slot))
{
    return submit(owner, 0, invoke, ready);
}

unsigned workload_jobs_top_up(struct job_owner *owner, unsigned most, void (*invoke)(void *slot),
                              void (*ready)(void *slot))
{
    unsigned submitted = 0;
    while (owner->free_count && submitted < most) {
        if (workload_jobs_submit(owner, invoke, ready) < 0) {
            owner->self->failed++;
            break;
        }
        submitted++;
    }
    return submitted;
}

// Jobs of one key are invoked one after the other, each after what the one before did.
void workload_jobs_check_key(struct job_slot *slot)
{
    const struct job_owner *owner = slot->owner;
    _Atomic uint64_t *last = &owner->keys[owner->key_of(owner, slot->sequence)].sequence;
    if (slot->sequence <= at_load_rlx(last))
        at_add_rlx(&owner->all->reordered, 1);
    at_store_rlx(last, slot->sequence);
}

// Clocks of two processors may differ by a few ticks.
static uint64_t between(uint64_t start, uint64_t end)
{
    return end > start ? end - start : 0;
}

void workload_jobs_record(struct workload_thread *self, const struct job_slot *slot)
{
    workload_record(self, JOBS_JOB_QUEUE, between(slot->submitted_ticks, slot->started_ticks));
    workload_record(self, JOBS_SERVICE, between(slot->started_ticks, slot->ended_ticks));
    workload_record(self, JOBS_READY_QUEUE, between(slot->ended_ticks, slot->ready_ticks));
    workload_record(self, JOBS_TOTAL, between(slot->submitted_ticks, slot->ready_ticks));
}

// Takes the clock of a completion, once it is known to be one.
static void take_clock(struct job_slot *slot, uint64_t from_ticks)
{
    if (!slot->submitted_ticks)
        return;
    if (!slot->ready_ticks)
        slot->ready_ticks = clock_ticks();
    if (from_ticks > slot->submitted_ticks)
        slot->submitted_ticks = from_ticks;
}

static void bring_home(struct job_owner *owner, struct job_slot *slot)
{
    if (slot->submitted_ticks)
        owner->record(owner->self, slot);
    if (owner->came_home)
        owner->came_home(slot);
    owner->completed++;
    owner->free[owner->free_count++] = slot;
}

static void complete_here(struct job_owner *owner, struct job_slot *slot, uint64_t from_ticks)
{
    const uint32_t submitted = at_load_rlx(&slot->submitted);
    if (at_load_rlx(&slot->completed) == submitted) {
        owner->duplicated++;
        return;
    }
    owner->unready += at_load_rlx(&slot->invoked) != submitted;
    add_one(&slot->completed);
    take_clock(slot, from_ticks);
    bring_home(owner, slot);
}

static void hand_back(struct job_owner *owner, struct job_slot *slot)
{
    const uint32_t number = (uint32_t)(slot - owner->slots) + 1;
    uint32_t top = at_load_rlx(&owner->returned);
    do
        slot->next = top;
    while (!at_cas_rel(&owner->returned, &top, number, AT(job_hand_back, job_collect)));
}

// A slot is handed back once for each time that it was submitted, or it would stand in the stack twice.
static void complete_elsewhere(struct job_owner *owner, struct job_slot *slot, uint64_t from_ticks)
{
    const uint32_t submitted = at_load_rlx(&slot->submitted);
    if (at_add_rlx(&slot->completed, 1) == submitted) {
        at_sub_rlx(&slot->completed, 1);
        at_add_rlx(&owner->duplicated_elsewhere, 1);
        return;
    }
    if (at_load_rlx(&slot->invoked) != submitted)
        at_add_rlx(&owner->unready_elsewhere, 1);
    take_clock(slot, from_ticks);
    hand_back(owner, slot);
}

bool workload_jobs_complete(struct job_slot *slot, uint64_t from_ticks)
{
    struct job_owner *owner = slot->owner;
    if (owner->home && owner->home != own_jobs) {
        at_add_rlx(&owner->all->strayed, 1);
        workload_give_up(owner->self);
        return false;
    }
    if (owner == own_jobs)
        complete_here(owner, slot, from_ticks);
    else
        complete_elsewhere(owner, slot, from_ticks);
    return true;
}

// The owner takes the whole stack, so that no slot can come back onto it in between.
static void collect(struct job_owner *owner)
{
    if (owner->home == owner || at_load_rlx(&owner->returned) == 0)
        return;
    uint32_t number = at_xchg_acq(&owner->returned, 0, AT(job_collect, job_hand_back));
    while (number) {
        struct job_slot *slot = &owner->slots[number - 1];
        number = slot->next;
        bring_home(owner, slot);
    }
}

enum pool_more workload_jobs_pass(struct job_owner *owner)
{
    const struct workload_run *run = owner->self->run;
    const bool passes = !owner->self->role->external;
    const enum pool_more more = passes ? run->pool_ops->pass(run->pool, owner->self->index) : POOL_NOTHING;
    collect(owner);
    return more;
}

bool workload_jobs_await(struct job_owner *owner)
{
    const struct workload_run *run = owner->self->run;
    const uint64_t before = owner->completed;
    const enum pool_more more = workload_jobs_pass(owner);
    if (more == POOL_NOTHING && owner->completed == before && workload_jobs_in_flight(owner)) {
        if (owner->self->role->external)
            thread_yield();
        else
            run->pool_ops->wait(run->pool, owner->self->index);
    }
    return owner->completed != before;
}

// What all threads together found.
struct jobs_found {
    uint64_t submitted, lost, completed_twice, unready;
    uint64_t invoked_twice, never_invoked;
};

// The counts of a slot may go round.
static uint64_t above(uint32_t count, uint32_t other)
{
    const uint32_t more = count - other;
    return more <= INT32_MAX ? more : 0;
}

static void count_slot(struct job_slot *slot, struct jobs_found *found)
{
    const uint32_t submitted = at_load_rlx(&slot->submitted);
    const uint32_t invoked = at_load_rlx(&slot->invoked);
    found->invoked_twice += above(invoked, submitted);
    found->never_invoked += above(submitted, invoked);
    found->lost += above(submitted, at_load_rlx(&slot->completed));
}

static struct jobs_found count_all(const struct workload_jobs *jobs)
{
    struct jobs_found found = {0};
    for (unsigned i = 0; i < jobs->threads; i++) {
        struct job_owner *owner = &jobs->owners[i];
        found.submitted += owner->submitted;
        found.completed_twice += owner->duplicated + at_load_rlx(&owner->duplicated_elsewhere);
        found.unready += owner->unready + at_load_rlx(&owner->unready_elsewhere);
        for (unsigned slot = 0; slot < owner->slot_count; slot++)
            count_slot(&owner->slots[slot], &found);
    }
    return found;
}

void workload_jobs_judge(const struct workload_jobs *jobs, struct workload_verdict *verdict)
{
    const struct jobs_found found = count_all(jobs);
    const uint64_t left = jobs->run->unrun;
    const uint64_t strayed = at_load_rlx(&((struct workload_jobs *)jobs)->strayed);
    verdict->total = found.submitted;
    verdict->lost = found.lost > left ? found.lost - left : 0;
    verdict->duplicated = found.completed_twice;
    verdict->reordered = at_load_rlx(&((struct workload_jobs *)jobs)->reordered);
    verdict->violated = found.lost != left || verdict->duplicated || verdict->reordered || strayed || found.unready ||
                        found.invoked_twice || found.never_invoked;
    if (verdict->violated)
        snprintf(
            verdict->detail, sizeof verdict->detail,
            "of %llu jobs %llu did not complete and the pool left %llu behind; %llu completed twice, %llu on another "
            "thread, %llu not invoked exactly once before; %llu were invoked twice, %llu never, %llu out of order",
            (unsigned long long)verdict->total, (unsigned long long)found.lost, (unsigned long long)left,
            (unsigned long long)found.completed_twice, (unsigned long long)strayed, (unsigned long long)found.unready,
            (unsigned long long)found.invoked_twice, (unsigned long long)found.never_invoked,
            (unsigned long long)verdict->reordered);
}
