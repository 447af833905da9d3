// SPDX-License-Identifier: Apache-2.0
// `readyq topology`: what a run will find on this machine, and where each policy would put its threads.
#include <errno.h>
#include <stdlib.h>

#include "core/machine/clock.h"
#include "core/machine/environment.h"
#include "core/machine/memory.h"
#include "core/machine/placement.h"
#include "core/run/allocator.h"
#include "core/run/commands.h"
#include "core/run/table.h"
#include "core/run/transfers.h"

static int print_processors(const struct topology *topology)
{
    struct table table;
    table_init(&table, 6);
    static const char *const names[] = {"cpu", "package", "node", "cache", "core", "thread"};
    for (unsigned i = 0; i < table.columns; i++)
        table_cell(&table, "%s", names[i]);
    for (const struct cpu *cpu = topology->cpus; cpu < topology->cpus + topology->count; cpu++) {
        const unsigned values[] = {cpu->os, cpu->package, cpu->node, cpu->cache, cpu->core, cpu->thread};
        for (unsigned i = 0; i < table.columns; i++)
            table_cell(&table, "%u", values[i]);
    }
    return table_print(&table, stdout, 2);
}

// One thread a processor shows the whole order.
static int print_placements(const struct topology *topology, struct fault *fault)
{
    int *cpus = calloc(topology->count, sizeof *cpus);
    if (!cpus)
        return fault_set(fault, -ENOMEM, "no memory for the placements");
    puts("\nplacements, in the order of the threads (--pin)");
    int result = 0;
    for (unsigned i = 0; placement_names[i] && result == 0; i++) {
        struct placement placement;
        result = placement_parse(&placement, placement_names[i], topology, fault);
        if (result != 0)
            break;
        placement_choose(&placement, topology, topology->count, cpus);
        printf("  %-9s", placement_names[i]);
        for (unsigned thread = 0; thread < topology->count && cpus[thread] >= 0; thread++)
            printf(" %d", cpus[thread]);
        puts(cpus[0] < 0 ? " the operating system decides" : "");
        placement_fini(&placement);
    }
    free(cpus);
    return result;
}

static void print_machine(const struct topology *topology)
{
    static struct environment environment;
    environment_read(&environment, topology);
    clock_calibrate();
    printf("\nmachine    %s\n", environment.machine);
    printf("clock      %s, one read takes %.1f ns, granularity %.1f ns\n", clock_facts.source, clock_facts.cost_ns,
           clock_facts.granularity_ns);
    printf("allocator  runs use %s unless told otherwise; this command has %s\n", allocator_default(),
           memory_allocator_name());
}

struct wish {
    const char *synthetic;
    bool transfers;
};

static error_t take_word(int key, char *argument, struct argp_state *state)
{
    struct wish *wish = state->input;
    if (key == ARGP_KEY_ARG)
        argp_error(state, "there is no argument '%s' to expect", argument);
    if (key == 's')
        wish->synthetic = argument;
    else if (key == 't')
        wish->transfers = true;
    else if (key == ARGP_KEY_END && wish->synthetic && wish->transfers)
        argp_error(state, "--transfers measures this machine, and --synthetic is about another; give one of them");
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

int command_topology(struct command_call *call, struct fault *fault)
{
    static const struct argp_option options[] = {
        {"synthetic", 's', "TEXT", 0,
         "Another machine in place of this one, as hwloc describes them; after '@', the processors allowed there", 0},
        {"transfers", 't', NULL, 0, "Measure how long a cache line takes between each two processors", 0},
        {0}};
    static const struct argp argp = {
        .options = options,
        .parser = take_word,
        .doc = "Shows the processors that a run may use, what each placement policy makes of them, the clock and the "
               "allocator.\v"
               "Examples:\n  readyq topology\n  readyq topology --transfers\n"
               "  readyq topology --synthetic \"package:2 core:4 pu:2\""};
    struct wish wish = {0};
    int result = command_words(call, &argp, &wish, fault);
    struct topology topology;
    if (result == 0)
        result = topology_load(&topology, wish.synthetic, fault);
    if (result != 0)
        return result;
    printf("%s: processors %u of %u allowed, cores %u, packages %u, memory nodes %u\n\n",
           wish.synthetic ? "synthetic machine" : "this machine", topology.count, topology.online, topology.cores,
           topology.packages, topology.nodes);
    result = print_processors(&topology);
    if (result == 0)
        result = print_placements(&topology, fault);
    if (result == 0 && !wish.synthetic)
        print_machine(&topology);
    if (result == 0 && wish.transfers)
        result = transfers_print(&topology, stdout, fault);
    topology_unload(&topology);
    return result;
}
