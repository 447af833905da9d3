// SPDX-License-Identifier: Apache-2.0
#include "core/run/steps.h"

#include <dlfcn.h>

#include "core/run/plugin.h"
#include "readyq_build.h"

#define STEPS_SCHEMA_VERSION 1

static void *steps_alloc(struct allocator *self, size_t size, size_t align, int node)
{
    void *memory = memory_system.alloc(&memory_system, size, align, node);
    ((struct steps *)self)->allocations += memory != NULL;
    return memory;
}

static void steps_free(struct allocator *self, void *memory, size_t size, int node)
{
    ((struct steps *)self)->frees += memory != NULL;
    memory_system.free(&memory_system, memory, size, node);
}

void steps_open(struct steps *steps, const struct steps_request *request)
{
    *steps = (struct steps){.allocator = {steps_alloc, steps_free}, .request = request};
    steps->phase = &steps->before;
}

int steps_phase(struct steps *steps, const char *name,
                int (*script)(void *subject, struct steps_phase *phase, struct fault *fault), struct fault *fault)
{
    steps->phase = &steps->phases[steps->phase_count++];
    *steps->phase = (struct steps_phase){.name = name};
    return script(steps->subject, steps->phase, fault);
}

static void add_atomics(struct atomic_counts *sum, const struct atomic_counts *before,
                        const struct atomic_counts *after)
{
    for (unsigned kind = 0; kind < COUNT_KINDS; kind++)
        for (unsigned order = 0; order < COUNT_ORDERS; order++)
            sum->of[kind][order] += after->of[kind][order] - before->of[kind][order];
}

// The counts of atomics are read last before the step and first after it, since reading the others may add to them.
long steps_take(struct steps *steps, unsigned kind, long (*step)(void *subject, uint64_t argument), uint64_t argument)
{
    struct steps_cost *cost = &steps->phase->costs[kind];
    struct atomic_counts before, after;
    const uint64_t told = steps->told(steps->subject);
    const uint64_t allocations = steps->allocations, frees = steps->frees;
    counts_read(&before);
    const long result = step(steps->subject, argument);
    counts_read(&after);
    add_atomics(&cost->atomics, &before, &after);
    cost->calls++;
    cost->allocations += steps->allocations - allocations;
    cost->frees += steps->frees - frees;
    cost->told += steps->told(steps->subject) - told;
    return result;
}

// ---------------------------------------------------------------- as JSON

#ifdef READYQ_COUNT
// Whether a shared object was compiled to count.
static bool object_counts(const void *ops)
{
    Dl_info object;
    void *handle = dladdr(ops, &object) ? dlopen(object.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    if (!handle)
        return false;
    const bool marked = dlsym(handle, COUNTS_MARK) != NULL;
    dlclose(handle);
    return marked;
}

// Libraries bring atomics of their own.
static bool queue_counts(const struct queue_choice *queue)
{
    const struct queue_entry *entry = queue->entry;
    return !entry || !entry->package || (plugin_is_from_file(entry) && object_counts(entry->ops));
}
#else
static bool queue_counts(const struct queue_choice *queue)
{
    (void)queue;
    return false;
}
#endif

static bool all(const struct steps_request *request, bool (*holds)(const struct queue_choice *queue))
{
    return holds(&request->queue) && holds(&request->job_queue) && holds(&request->ready_queue);
}

static bool memory_counts(const struct queue_choice *queue)
{
    return !queue->entry || !queue->traits.own_memory;
}

// By kind what there was, by ordering: {"load": {"relaxed": 3}, ...}.
static json_t *atomics_json(const struct atomic_counts *atomics)
{
    json_t *kinds = json_object();
    for (unsigned kind = 0; kind < COUNT_KINDS; kind++) {
        json_t *orders = json_object();
        for (unsigned order = 0; order < COUNT_ORDERS; order++) {
            const uint64_t count = atomics->of[kind][order];
            if (count > 0)
                json_object_set_new(orders, count_order_names[order], json_integer((json_int_t)count));
        }
        json_object_set_new(kinds, count_kind_names[kind], orders);
    }
    return kinds;
}

static json_t *number_or_null(bool known, uint64_t number)
{
    return known ? json_integer((json_int_t)number) : json_null();
}

static json_t *cost_json(const struct steps *steps, const struct steps_cost *cost)
{
    const bool memory = all(steps->request, memory_counts), atomics = all(steps->request, queue_counts);
    return json_pack("{s:I, s:o, s:o, s:I, s:o}", "calls", (json_int_t)cost->calls, "allocations",
                     number_or_null(memory, cost->allocations), "frees", number_or_null(memory, cost->frees),
                     steps->told_name, (json_int_t)cost->told, "atomics",
                     atomics ? atomics_json(&cost->atomics) : json_null());
}

static json_t *phase_json(const struct steps *steps, const struct steps_phase *phase)
{
    json_t *costs = json_object();
    for (unsigned kind = 0; steps->kinds[kind]; kind++)
        if (phase->costs[kind].calls > 0)
            json_object_set_new(costs, steps->kinds[kind], cost_json(steps, &phase->costs[kind]));
    return json_pack("{s:s, s:I, s:o}", "name", phase->name, "operations", (json_int_t)phase->operations, "steps",
                     costs);
}

static json_t *subject_json(const struct steps_request *request)
{
    if (!request->pool)
        return json_pack("{s:s, s:s}", "queue", request->queue.entry->name, "queue_params", request->queue.params);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "pool", request->pool->name, "job_queue",
                     request->job_queue.entry->name, "job_queue_params", request->job_queue.params, "ready_queue",
                     request->ready_queue.entry->name, "ready_queue_params", request->ready_queue.params, "workers",
                     (json_int_t)request->workers);
}

json_t *steps_json(const struct steps *steps)
{
    json_t *phases = json_array();
    for (unsigned i = 0; i < steps->phase_count; i++)
        json_array_append_new(phases, phase_json(steps, &steps->phases[i]));
    json_t *whole = json_pack("{s:i, s:s, s:s, s:I, s:I}", "schema_version", STEPS_SCHEMA_VERSION, "commit",
                              READYQ_COMMIT, "build", READYQ_BUILD, "items", (json_int_t)steps->request->operations,
                              "burst", (json_int_t)steps->request->burst);
    json_object_update_new(whole, subject_json(steps->request));
    json_object_set_new(whole, "phases", phases);
    return whole;
}
