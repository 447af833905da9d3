// SPDX-License-Identifier: Apache-2.0
// Holds what the user chose against the traits of the plug-ins and against the machine, before anything starts.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/run/limits.h"
#include "core/run/plan_texts.h"
#include "core/run/run.h"
#include "core/run/traits.h"

// Threads of the run that are in a role of which `wanted` says yes.
static unsigned count_threads(const struct workload_demand *demand, bool (*wanted)(const struct workload_role *))
{
    unsigned threads = 0;
    for (unsigned r = 0; r < WORKLOAD_ROLES_MAX && demand->roles[r].name; r++)
        if (wanted(&demand->roles[r]))
            threads += demand->roles[r].threads;
    return threads;
}

static bool any_role(const struct workload_role *role)
{
    return role->name != NULL;
}

static bool role_is_external(const struct workload_role *role)
{
    return role->external;
}

static bool role_produces(const struct workload_role *role)
{
    return role->produces;
}

static bool role_consumes(const struct workload_role *role)
{
    return role->consumes;
}

unsigned plan_producers(const struct run_plan *plan)
{
    return count_threads(&plan->demand, role_produces);
}

unsigned plan_consumers(const struct run_plan *plan)
{
    return count_threads(&plan->demand, role_consumes);
}

// A bounded queue must take what is filled in.
static int check_prefill(const struct run_plan *plan, struct fault *fault)
{
    const struct queue_choice *queue = &plan->options->queue;
    const uint64_t capacity = queue->traits.capacity, prefill = plan->demand.prefill;
    const unsigned room = plan->demand.prefill_room;
    if (capacity == 0 || prefill == 0 || prefill + room <= capacity)
        return 0;
    return fault_set(fault, -EINVAL, "the queue %s holds %llu items, too few for a prefill of %llu%s",
                     queue->entry->name, (unsigned long long)capacity, (unsigned long long)prefill,
                     room ? " and one more to be enqueued" : "");
}

static int check_queue(const struct run_plan *plan, struct fault *fault)
{
    const struct queue_choice *queue = &plan->options->queue;
    const char *workload = plan->options->workload->name;
    if (!queue->entry)
        return fault_set(fault, -EINVAL, "workload %s runs on a queue, and none is given", workload);
    const struct queue_demand demand = {
        .what = "queue under test", .producers = plan_producers(plan), .consumers = plan_consumers(plan)};
    const int result = queue_demand_check(queue, &demand, fault);
    if (result)
        return result;
    const uint64_t items_end = (uint64_t)(demand.producers + 1) << ITEM_PRODUCER_SHIFT;
    if (queue->traits.reserved_from && queue->traits.reserved_from < items_end)
        return fault_set(fault, -EINVAL,
                         "queue %s cannot carry the items of %u producers: it reserves the values from %#llx on",
                         queue->entry->name, demand.producers, (unsigned long long)queue->traits.reserved_from);
    if (queue->traits.baseline && plan->options->settings.check != HISTORY_SCOPE_NONE)
        return fault_set(fault, -EINVAL,
                         "queue %s is a baseline, which promises nothing that a history could break, so that --check "
                         "can only be none",
                         queue->entry->name);
    if (plan->options->settings.dispatch == RUN_DISPATCH_DIRECT && !queue->entry->ops->loops)
        return fault_set(fault, -EINVAL, "queue %s has no loops of its own, so that dispatch can only be vtable",
                         queue->entry->name);
    return check_prefill(plan, fault);
}

// Only what holds for every pool; its own check knows how many threads share which queue.
static int check_pool_queue(const struct queue_choice *choice, const char *what, unsigned producers, const char *pool,
                            struct fault *fault)
{
    if (!choice->entry)
        return fault_set(fault, -EINVAL, "pool %s needs a %s, and none is given", pool, what);
    const struct queue_demand demand = {.what = what, .producers = producers, .consumers = 1, .must_be_exact = true};
    return queue_demand_check(choice, &demand, fault);
}

// Threads are numbered role by role, and a pool's schedulers from 0.
static int check_roles(const struct run_plan *plan, struct fault *fault)
{
    const struct workload_role *roles = plan->demand.roles;
    const char *workload = plan->options->workload->name;
    if (plan->schedulers == 0)
        return fault_set(fault, -EINVAL, "workload %s needs at least one scheduler", workload);
    for (unsigned r = 1; r < WORKLOAD_ROLES_MAX && roles[r].name; r++)
        if (roles[r - 1].external && !roles[r].external)
            return fault_set(fault, -EINVAL, "workload %s names the role %s, of schedulers, after the external role %s",
                             workload, roles[r].name, roles[r - 1].name);
    return 0;
}

static int check_orders(const struct run_plan *plan, struct fault *fault)
{
    const struct queue_choice *const queues[] = {&plan->options->job_queue, &plan->options->ready_queue};
    for (unsigned i = 0; i < 2; i++)
        if (queues[i]->entry && queues[i]->traits.order == QUEUE_ORDER_RELAXED)
            return fault_set(fault, -EINVAL,
                             "workload %s is asked for keys, and the queue %s may let jobs of one key overtake each "
                             "other (trait order)",
                             plan->options->workload->name, queues[i]->entry->name);
    return 0;
}

// Notes what the pool lacks, for scripts. Returns the errno of the refusal.
static int lacks(struct run_plan *plan, const char *what)
{
    plan->lacks = what;
    return -EINVAL;
}

// Each need of the workload against what the pool, as it is configured, promises.
static int check_pool_traits(struct run_plan *plan, struct fault *fault)
{
    const char *workload = plan->options->workload->name, *pool = plan->options->pool->name;
    const struct pool_traits *traits = &plan->pool_traits;
    const struct workload_demand *demand = &plan->demand;
    if (demand->needs_keys && !traits->keys)
        return fault_set(fault, lacks(plan, "keys"),
                         "workload %s is asked for keys, which pool %s, so configured, does not have", workload, pool);
    if (demand->needs_keys && traits->takes_queues && check_orders(plan, fault) != 0)
        return -EINVAL;
    if (demand->needs_submitter && !traits->completes_on_submitter)
        return fault_set(fault, lacks(plan, "completion on the submitter"),
                         "workload %s needs jobs to complete where they were submitted, which pool %s does not promise",
                         workload, pool);
    if (demand->workers == 0 && !traits->synchronous)
        return fault_set(fault, lacks(plan, "runs without workers"),
                         "workload %s is asked for no workers, but pool %s needs at least one", workload, pool);
    if (plan->externals > 0 && !traits->externals)
        return fault_set(fault, lacks(plan, "externals"),
                         "workload %s is asked for %u threads that only submit, but in pool %s only schedulers may",
                         workload, plan->externals, pool);
    if (demand->needs_ports > 0 && !plan->options->pool->ops->ports)
        return fault_set(fault, lacks(plan, "ports"), "workload %s needs ports, which pool %s does not have", workload,
                         pool);
    return 0;
}

struct pool_setup run_plan_pool_setup(const struct run_plan *plan)
{
    const struct run_options *options = plan->options;
    const bool takes_queues = plan->pool_traits.takes_queues;
    return (struct pool_setup){
        .schedulers = plan->schedulers,
        .externals = plan->externals,
        .ports = plan->demand.needs_ports,
        .workers = plan->demand.workers,
        .job_queue = takes_queues ? &options->job_queue : NULL,
        .ready_queue = takes_queues ? &options->ready_queue : NULL,
        .topology = plan->topology,
        .scheduler_cpus = plan->cpus,
        .worker_cpus = plan->cpus ? plan->cpus + plan->threads : NULL,
        .seed = options->settings.seed,
    };
}

static int check_pool_setup(const struct run_plan *plan, struct fault *fault)
{
    const struct pool_ops *ops = plan->options->pool->ops;
    if (!ops->check)
        return 0;
    const struct pool_setup setup = run_plan_pool_setup(plan);
    return ops->check(&setup, plan->options->pool_config, fault);
}

static int check_pool(struct run_plan *plan, struct fault *fault)
{
    const struct run_options *options = plan->options;
    if (!options->pool)
        return fault_set(fault, -EINVAL, "workload %s runs on a pool, and none is given", options->workload->name);
    const char *pool = options->pool->name;
    plan->pool_traits = traits_resolved(options->pool->ops, options->pool_config);
    int result = check_roles(plan, fault);
    if (!result)
        result = check_pool_traits(plan, fault);
    if (!result && options->settings.dispatch != RUN_DISPATCH_VTABLE)
        result = fault_set(fault, -EINVAL,
                           "a pool calls its queues through their tables only, so that dispatch can only be vtable");
    if (!result && plan->pool_traits.takes_queues)
        result = check_pool_queue(&options->job_queue, "job queue", plan->threads, pool, fault);
    if (!result && plan->pool_traits.takes_queues)
        result = check_pool_queue(&options->ready_queue, "ready queue", 1, pool, fault);
    return result ? result : check_pool_setup(plan, fault);
}

static int check_threads(const struct run_plan *plan, struct fault *fault)
{
    const uint64_t threads = (uint64_t)plan->threads + plan->demand.workers;
    const struct thread_limit limit = limits_threads("");
    if (threads <= limit.threads)
        return 0;
    return fault_set(
        fault, -EAGAIN,
        "the run needs %llu threads, %u of the workload and %u workers, and no more than %llu are allowed (%s)",
        (unsigned long long)threads, plan->threads, plan->demand.workers, (unsigned long long)limit.threads,
        limit.name);
}

static int place_threads(struct run_plan *plan, struct fault *fault)
{
    const unsigned threads = plan->threads + plan->demand.workers;
    const int result = placement_parse(&plan->placement, plan->options->settings.pin, plan->topology, fault);
    if (result)
        return result;
    plan->cpus = malloc(threads * sizeof *plan->cpus);
    if (!plan->cpus)
        return fault_set(fault, -ENOMEM, "no memory for the placement of %u threads", threads);
    placement_choose(&plan->placement, plan->topology, threads, plan->cpus);
    return 0;
}

static int count_demand(struct run_plan *plan, struct fault *fault)
{
    const struct workload_ops *workload = plan->options->workload;
    const int result = workload->resolve(plan->options->workload_config, &plan->demand, fault);
    if (result)
        return result;
    plan->threads = count_threads(&plan->demand, any_role);
    if (workload->subject == WORKLOAD_ON_POOL) {
        plan->externals = count_threads(&plan->demand, role_is_external);
        plan->schedulers = plan->threads - plan->externals;
    }
    return 0;
}

int run_plan_make(struct run_plan *plan, const struct run_options *options, const struct topology *topology,
                  struct fault *fault)
{
    *plan = (struct run_plan){.options = options, .topology = topology};
    int result = run_settings_check(&options->settings, fault);
    if (!result)
        result = count_demand(plan, fault);
    if (!result)
        result = options->workload->subject == WORKLOAD_ON_QUEUE ? check_queue(plan, fault) : check_pool(plan, fault);
    if (!result)
        result = check_threads(plan, fault);
    if (!result)
        result = place_threads(plan, fault);
    if (!result && plan_write_texts(plan) != 0)
        result = fault_set(fault, -ENOMEM, "no memory for the description of the run");
    const char *missed = plan->lacks;
    if (result)
        run_plan_free(plan);
    plan->lacks = missed;
    return result;
}

void run_plan_free(struct run_plan *plan)
{
    placement_fini(&plan->placement);
    free(plan->cpus);
    for (size_t i = 0; i < sizeof plan->texts / sizeof plan->texts[0]; i++)
        free(plan->texts[i]);
    *plan = (struct run_plan){0};
}
