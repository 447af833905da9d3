// SPDX-License-Identifier: Apache-2.0
// Every policy is an order of the allowed processors; threads take them in turn.
#include "core/machine/placement.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

const char *const placement_names[] = {"none", "compact", "scatter", "no_smt", NULL};

static int find_policy(const char *text, enum placement_policy *policy)
{
    for (unsigned i = 0; placement_names[i]; i++) {
        if (strcmp(text, placement_names[i]) == 0) {
            *policy = (enum placement_policy)i;
            return 0;
        }
    }
    return -EINVAL;
}

int placement_parse(struct placement *placement, const char *text, const struct topology *topology, struct fault *fault)
{
    *placement = (struct placement){0};
    if (find_policy(text, &placement->policy) == 0)
        return 0;
    if (text[0] < '0' || text[0] > '9')
        return fault_set(
            fault, -EINVAL,
            "--pin: '%.100s' is neither a policy (none, compact, scatter, no_smt) nor a list of processors "
            "such as 0,2-3",
            text);
    placement->policy = PLACEMENT_LIST;
    const int error = topology_parse_list("--pin", text, &placement->list, &placement->count, fault);
    if (error)
        return error;
    for (unsigned i = 0; i < placement->count; i++) {
        if (!topology_cpu(topology, placement->list[i])) {
            char allowed[256];
            topology_write_list(topology, allowed, sizeof allowed);
            fault_set(fault, -EINVAL, "--pin: processor %u is not one that this process may use (%s)",
                      placement->list[i], allowed);
            placement_fini(placement);
            return -EINVAL;
        }
    }
    return 0;
}

void placement_fini(struct placement *placement)
{
    free(placement->list);
    *placement = (struct placement){0};
}

// Where a processor stands among the allowed ones: how many of its kind come before it within the next larger kind.
struct place {
    unsigned package; // of the machine
    unsigned cache;   // of its package
    unsigned core;    // of its cache
    unsigned sibling; // of its core
};

// The place of topology->cpus[i], given the place of the one before it. What belongs together lies together in
// the topology's order.
static struct place place_next(const struct place *before, const struct topology *topology, unsigned i)
{
    if (i == 0)
        return (struct place){0};
    const struct cpu *cpu = &topology->cpus[i], *previous = cpu - 1;
    if (cpu->package != previous->package)
        return (struct place){.package = before->package + 1};
    if (cpu->cache != previous->cache)
        return (struct place){.package = before->package, .cache = before->cache + 1};
    if (cpu->core != previous->core)
        return (struct place){.package = before->package, .cache = before->cache, .core = before->core + 1};
    struct place next = *before;
    next.sibling++;
    return next;
}

// The order of 'scatter': first siblings before second ones, then first cores of all caches, then first caches of
// all packages.
static bool scatters_before(const struct place *a, const struct place *b)
{
    if (a->sibling != b->sibling)
        return a->sibling < b->sibling;
    if (a->core != b->core)
        return a->core < b->core;
    if (a->cache != b->cache)
        return a->cache < b->cache;
    return a->package < b->package;
}

// The processor that follows `last` (NULL: the first) in the order of 'scatter', and its place. Searching anew for
// every thread needs no memory, so that choosing cannot fail.
static int scatter_next(const struct topology *topology, const struct place *last, struct place *chosen)
{
    int found = -1;
    struct place place = {0};
    for (unsigned i = 0; i < topology->count; i++) {
        place = place_next(&place, topology, i);
        if (last && !scatters_before(last, &place))
            continue;
        if (found < 0 || scatters_before(&place, chosen)) {
            found = (int)topology->cpus[i].os;
            *chosen = place;
        }
    }
    return found;
}

static unsigned choose_scatter(const struct topology *topology, unsigned threads, int *cpus)
{
    struct place last, next;
    unsigned chosen = 0;
    for (; chosen < threads && chosen < topology->count; chosen++) {
        cpus[chosen] = scatter_next(topology, chosen ? &last : NULL, &next);
        last = next;
    }
    return chosen;
}

static unsigned choose_compact(const struct topology *topology, bool siblings, unsigned threads, int *cpus)
{
    unsigned chosen = 0;
    for (unsigned i = 0; i < topology->count && chosen < threads; i++) {
        const struct cpu *cpu = &topology->cpus[i];
        if (siblings || i == 0 || cpu->core != cpu[-1].core)
            cpus[chosen++] = (int)cpu->os;
    }
    return chosen;
}

static unsigned choose_listed(const struct placement *placement, unsigned threads, int *cpus)
{
    unsigned chosen = 0;
    for (; chosen < threads && chosen < placement->count; chosen++)
        cpus[chosen] = (int)placement->list[chosen];
    return chosen;
}

// Each processor of the policy once, as far as there are threads. Returns how many.
static unsigned choose_once(const struct placement *placement, const struct topology *topology, unsigned threads,
                            int *cpus)
{
    switch (placement->policy) {
    case PLACEMENT_COMPACT:
        return choose_compact(topology, true, threads, cpus);
    case PLACEMENT_SCATTER:
        return choose_scatter(topology, threads, cpus);
    case PLACEMENT_NO_SMT:
        return choose_compact(topology, false, threads, cpus);
    case PLACEMENT_LIST:
        return choose_listed(placement, threads, cpus);
    case PLACEMENT_NONE:
        break;
    }
    if (threads > 0)
        cpus[0] = -1;
    return 1;
}

void placement_choose(const struct placement *placement, const struct topology *topology, unsigned threads, int *cpus)
{
    const unsigned chosen = choose_once(placement, topology, threads, cpus);
    for (unsigned i = chosen; i < threads; i++)
        cpus[i] = cpus[i - chosen];
}
