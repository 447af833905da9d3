// SPDX-License-Identifier: Apache-2.0
#include "core/workload_jobs.h"

#include <errno.h>
#include <stdio.h>

#include "core/workload.h"

// Whose jobs the calling thread may complete.
static _Thread_local struct job_owner *own_jobs;

static int init_owner(struct job_owner *owner, const struct jobs_plan *plan)
{
    owner->workload = plan->workload;
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

int workload_jobs_init(struct workload_jobs *jobs, const struct jobs_plan *plan)
{
    *jobs = (struct workload_jobs){.schedulers = plan->schedulers};
    jobs->owners = workload_alloc(plan->schedulers * sizeof *jobs->owners);
    int result = jobs->owners ? 0 : -ENOMEM;
    for (unsigned i = 0; i < plan->schedulers && !result; i++) {
        jobs->owners[i].all = jobs;
        result = init_owner(&jobs->owners[i], plan);
    }
    if (result)
        workload_jobs_fini(jobs);
    return result;
}

void workload_jobs_fini(struct workload_jobs *jobs)
{
    for (unsigned i = 0; jobs->owners && i < jobs->schedulers; i++) {
        free(jobs->owners[i].slots);
        free(jobs->owners[i].free);
        free(jobs->owners[i].keys);
    }
    free(jobs->owners);
    *jobs = (struct workload_jobs){0};
}

struct job_owner *workload_jobs_own(struct workload_jobs *jobs, struct workload_thread *self)
{
    own_jobs = &jobs->owners[self->rank];
    own_jobs->self = self;
    return own_jobs;
}

long workload_jobs_submit(struct job_owner *owner, void (*invoke)(void *slot), void (*ready)(void *slot))
{
    struct job_slot *slot = owner->free[owner->free_count - 1];
    const struct workload_run *run = owner->self->run;
    const bool timed = owner->timed_every && owner->submitted % owner->timed_every == 0;
    unsigned key = owner->keys ? (unsigned)(owner->submitted % owner->key_count) : 0;
    slot->sequence = owner->submitted + 1;
    slot->key = key;
    slot->in_flight = 1;
    slot->submissions++;
    owner->free_count--;
    owner->submitted++;
    slot->submitted_ticks = timed ? clock_ticks() : 0;
    const long id = run->pool_ops->submit(run->pool, owner->self->rank, owner->keys ? &key : NULL, invoke, ready, slot);
    if (id > 0)
        return id;
    slot->in_flight = 0;
    slot->submissions--;
    owner->free_count++;
    owner->submitted--;
    return id;
}

// Jobs of one key are invoked one after the other, each after what the one before did.
void workload_jobs_check_key(struct job_slot *slot)
{
    _Atomic uint64_t *last = &slot->owner->keys[slot->key].sequence;
    if (slot->sequence <= at_load_rlx(last))
        at_add_rlx(&slot->owner->all->reordered, 1);
    at_store_rlx(last, slot->sequence);
}

// Clocks of two processors may differ by a few ticks.
static uint64_t between(uint64_t start, uint64_t end)
{
    return end > start ? end - start : 0;
}

static void record_stages(struct workload_thread *self, const struct job_slot *slot, uint64_t from_ticks)
{
    const uint64_t now = clock_ticks();
    const uint64_t from = from_ticks > slot->submitted_ticks ? from_ticks : slot->submitted_ticks;
    workload_record(self, JOBS_JOB_QUEUE, between(from, slot->started_ticks));
    workload_record(self, JOBS_SERVICE, between(slot->started_ticks, slot->ended_ticks));
    workload_record(self, JOBS_READY_QUEUE, between(slot->ended_ticks, now));
    workload_record(self, JOBS_TOTAL, between(from, now));
}

bool workload_jobs_complete(struct job_slot *slot, uint64_t from_ticks)
{
    struct job_owner *owner = slot->owner;
    if (owner != own_jobs) {
        at_add_rlx(&owner->all->strayed, 1);
        workload_give_up(owner->self);
        return false;
    }
    if (!slot->in_flight) {
        owner->duplicated++;
        return true;
    }
    owner->unready += at_load_rlx(&slot->invoked) != slot->submissions;
    if (slot->submitted_ticks)
        record_stages(owner->self, slot, from_ticks);
    slot->in_flight = 0;
    owner->completed++;
    owner->free[owner->free_count++] = slot;
    return true;
}

// What all schedulers together found.
struct jobs_found {
    uint64_t submitted, lost, completed_twice, unready;
    uint64_t invoked_twice, never_invoked;
};

static void count_slot(const struct job_slot *slot, struct jobs_found *found)
{
    const uint64_t invoked = at_load_rlx(&((struct job_slot *)slot)->invoked);
    if (invoked > slot->submissions)
        found->invoked_twice += invoked - slot->submissions;
    else
        found->never_invoked += slot->submissions - invoked;
    found->lost += slot->in_flight;
}

static struct jobs_found count_all(const struct workload_jobs *jobs)
{
    struct jobs_found found = {0};
    for (unsigned i = 0; i < jobs->schedulers; i++) {
        const struct job_owner *owner = &jobs->owners[i];
        found.submitted += owner->submitted;
        found.completed_twice += owner->duplicated;
        found.unready += owner->unready;
        for (unsigned slot = 0; slot < owner->slot_count; slot++)
            count_slot(&owner->slots[slot], &found);
    }
    return found;
}

void workload_jobs_judge(const struct workload_jobs *jobs, struct workload_verdict *verdict)
{
    const struct jobs_found found = count_all(jobs);
    const uint64_t strayed = at_load_rlx(&((struct workload_jobs *)jobs)->strayed);
    verdict->total = found.submitted;
    verdict->lost = found.lost;
    verdict->duplicated = found.completed_twice;
    verdict->reordered = at_load_rlx(&((struct workload_jobs *)jobs)->reordered);
    verdict->violated = verdict->lost || verdict->duplicated || verdict->reordered || strayed || found.unready ||
                        found.invoked_twice || found.never_invoked;
    if (verdict->violated)
        snprintf(verdict->detail, sizeof verdict->detail,
                 "of %llu jobs %llu did not complete, %llu completed twice, %llu on another thread, %llu not invoked "
                 "exactly once before; %llu were invoked twice, %llu never, %llu out of order",
                 (unsigned long long)verdict->total, (unsigned long long)found.lost,
                 (unsigned long long)found.completed_twice, (unsigned long long)strayed,
                 (unsigned long long)found.unready, (unsigned long long)found.invoked_twice,
                 (unsigned long long)found.never_invoked, (unsigned long long)verdict->reordered);
}
