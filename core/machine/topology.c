// SPDX-License-Identifier: Apache-2.0
// hwloc does the discovery; this file keeps the few relations that placement needs, of the processors that this
// process may use.
#include "core/machine/topology.h"

#include <errno.h>
#include <hwloc.h>
#include <stdlib.h>
#include <string.h>

#define CPU_NUMBER_MAX 65535u // far above what Linux can be built for
#define LIST_LENGTH_MAX 65536u

// ------------------------------------------------------------------------------------------------ lists

struct number_list {
    unsigned *items;
    unsigned count;
    unsigned room;
};

static int list_append(struct number_list *list, unsigned number)
{
    if (list->count == list->room) {
        const unsigned room = list->room ? 2 * list->room : 16;
        unsigned *items = realloc(list->items, room * sizeof *items);
        if (!items)
            return -ENOMEM;
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = number;
    return 0;
}

// Reads digits at *text and moves past them. Larger numbers than are allowed come out as CPU_NUMBER_MAX + 1;
// -1: no digit there.
static long read_number(const char **text)
{
    if (**text < '0' || **text > '9')
        return -1;
    unsigned number = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++) {
        number = 10 * number + (unsigned)(**text - '0');
        if (number > CPU_NUMBER_MAX)
            number = CPU_NUMBER_MAX + 1;
    }
    return number;
}

// Reads one "3" or "2-5" at *text and moves past it.
static int read_range(const char *what, const char *whole, const char **text, struct number_list *list,
                      struct fault *fault)
{
    const long first = read_number(text);
    long last = first;
    if (first >= 0 && **text == '-') {
        (*text)++;
        last = read_number(text);
    }
    if (first < 0 || last < 0 || (**text && **text != ','))
        return fault_set(fault, -EINVAL, "%s: '%.100s' is not a list of processors such as 0,2-3", what, whole);
    if (first > CPU_NUMBER_MAX || last > CPU_NUMBER_MAX)
        return fault_set(fault, -EINVAL, "%s: '%.100s' has a processor number above %u", what, whole, CPU_NUMBER_MAX);
    if (first > last)
        return fault_set(fault, -EINVAL, "%s: the range %ld-%ld runs backwards", what, first, last);
    if ((unsigned long)(last - first) >= LIST_LENGTH_MAX - list->count)
        return fault_set(fault, -EINVAL, "%s: more than %u processors are listed", what, LIST_LENGTH_MAX);
    for (long number = first; number <= last; number++) {
        if (list_append(list, (unsigned)number))
            return fault_set(fault, -ENOMEM, "%s: no memory for the list of processors", what);
    }
    return 0;
}

int topology_parse_list(const char *what, const char *text, unsigned **list, unsigned *count, struct fault *fault)
{
    if (!*text)
        return fault_set(fault, -EINVAL, "%s: the list of processors is empty", what);
    struct number_list numbers = {0};
    const char *rest = text;
    int error = read_range(what, text, &rest, &numbers, fault);
    while (!error && *rest == ',') {
        rest++;
        error = read_range(what, text, &rest, &numbers, fault);
    }
    if (error) {
        free(numbers.items);
        return error;
    }
    *list = numbers.items;
    *count = numbers.count;
    return 0;
}

static void bitmap_write(char *text, size_t size, hwloc_const_bitmap_t bitmap)
{
    const int length = hwloc_bitmap_list_snprintf(text, size, bitmap);
    if (length >= 0 && (size_t)length >= size && size >= 4)
        memcpy(text + size - 4, "...", 4);
}

void topology_write_list(const struct topology *topology, char *text, size_t size)
{
    hwloc_bitmap_t bitmap = hwloc_bitmap_alloc();
    text[0] = '\0';
    if (!bitmap)
        return;
    for (unsigned i = 0; i < topology->count; i++)
        hwloc_bitmap_set(bitmap, topology->cpus[i].os);
    bitmap_write(text, size, bitmap);
    hwloc_bitmap_free(bitmap);
}

// ------------------------------------------------------------------------------------------------ discovery

// Gives numbers to the objects of one kind in the order in which a walk over all processors meets them. Those of
// one object lie together in hwloc's logical order, so the last one met is all that must be remembered.
struct numbering {
    hwloc_obj_t last;
    unsigned met;
};

static unsigned number_of(struct numbering *numbering, hwloc_obj_t object)
{
    if (object != numbering->last) {
        numbering->last = object;
        numbering->met++;
    }
    return numbering->met - 1;
}

// The ancestor of that type; where the machine tells of none, `otherwise` stands in.
static hwloc_obj_t ancestor(hwloc_topology_t hwloc, hwloc_obj_t object, hwloc_obj_type_t type, hwloc_obj_t otherwise)
{
    hwloc_obj_t found = hwloc_get_ancestor_obj_by_type(hwloc, type, object);
    return found ? found : otherwise;
}

// Not all processors of a machine need have the same levels, so "last" is per processor.
static hwloc_obj_t last_level_cache(hwloc_obj_t pu, hwloc_obj_t otherwise)
{
    hwloc_obj_t found = otherwise;
    for (hwloc_obj_t object = pu->parent; object; object = object->parent) {
        if (hwloc_obj_type_is_dcache(object->type))
            found = object;
    }
    return found;
}

// Where a processor has several nodes near it, the first that may be used: the others are for special memory.
static unsigned node_of(hwloc_topology_t hwloc, hwloc_obj_t pu)
{
    hwloc_const_bitmap_t allowed = hwloc_topology_get_allowed_nodeset(hwloc);
    int first = hwloc_bitmap_first(pu->nodeset);
    for (int node = first; node >= 0; node = hwloc_bitmap_next(pu->nodeset, node)) {
        if (hwloc_bitmap_isset(allowed, (unsigned)node))
            return (unsigned)node;
    }
    return first < 0 ? 0 : (unsigned)first;
}

static unsigned count_nodes(const struct topology *topology)
{
    unsigned nodes = 0;
    for (unsigned i = 0; i < topology->count; i++) {
        unsigned j = 0;
        while (j < i && topology->cpus[j].node != topology->cpus[i].node)
            j++;
        nodes += j == i;
    }
    return nodes;
}

// Notes the allowed processors. Everything is numbered over the whole machine, so that a number means the same
// whatever is allowed.
static int note_cpus(struct topology *topology, hwloc_topology_t hwloc, hwloc_const_bitmap_t allowed)
{
    topology->online = (unsigned)hwloc_get_nbobjs_by_type(hwloc, HWLOC_OBJ_PU);
    topology->cpus = calloc(topology->online, sizeof *topology->cpus);
    if (!topology->cpus)
        return -ENOMEM;
    struct numbering cores = {0}, caches = {0}, packages = {0};
    unsigned thread = 0;
    for (unsigned i = 0; i < topology->online; i++) {
        hwloc_obj_t pu = hwloc_get_obj_by_type(hwloc, HWLOC_OBJ_PU, i);
        hwloc_obj_t package = ancestor(hwloc, pu, HWLOC_OBJ_PACKAGE, hwloc_get_root_obj(hwloc));
        hwloc_obj_t core = ancestor(hwloc, pu, HWLOC_OBJ_CORE, pu);
        thread = core == cores.last ? thread + 1 : 0;
        const struct cpu cpu = {
            .os = pu->os_index,
            .core = number_of(&cores, core),
            .thread = thread,
            .cache = number_of(&caches, last_level_cache(pu, package)),
            .package = number_of(&packages, package),
            .node = node_of(hwloc, pu),
        };
        if (!hwloc_bitmap_isset(allowed, cpu.os))
            continue;
        const struct cpu *before = topology->count ? &topology->cpus[topology->count - 1] : NULL;
        topology->cores += !before || before->core != cpu.core;
        topology->packages += !before || before->package != cpu.package;
        topology->cpus[topology->count++] = cpu;
    }
    topology->nodes = count_nodes(topology);
    return 0;
}

// Keeps in `allowed` what `text` lists.
static int restrict_to_list(hwloc_bitmap_t allowed, const char *text, struct fault *fault)
{
    unsigned *list, count;
    const int error = topology_parse_list("synthetic machine", text, &list, &count, fault);
    if (error)
        return error;
    hwloc_bitmap_t listed = hwloc_bitmap_alloc();
    for (unsigned i = 0; listed && i < count; i++)
        hwloc_bitmap_set(listed, list[i]);
    free(list);
    if (!listed)
        return -ENOMEM;
    hwloc_bitmap_and(allowed, allowed, listed);
    hwloc_bitmap_free(listed);
    if (hwloc_bitmap_iszero(allowed))
        return fault_set(fault, -EINVAL, "synthetic machine: it has none of the processors %.100s that are allowed",
                         text);
    return 0;
}

// Keeps in `allowed` what the affinity leaves: that of the calling thread, which the threads it starts inherit; a
// sanitizer's or library's own threads do not count. A system that does not tell restricts nothing.
static int restrict_to_affinity(hwloc_topology_t hwloc, hwloc_bitmap_t allowed, struct fault *fault)
{
    hwloc_bitmap_t affinity = hwloc_bitmap_alloc();
    if (!affinity)
        return -ENOMEM;
    int error = 0;
    if (hwloc_get_cpubind(hwloc, affinity, HWLOC_CPUBIND_THREAD) == 0) {
        char may[128], wants[128];
        bitmap_write(may, sizeof may, allowed);
        bitmap_write(wants, sizeof wants, affinity);
        hwloc_bitmap_and(allowed, allowed, affinity);
        if (hwloc_bitmap_iszero(allowed))
            error = fault_set(fault, -EINVAL,
                              "no processor is left: the system allows %s and the affinity of this process is %s", may,
                              wants);
    }
    hwloc_bitmap_free(affinity);
    return error;
}

static int find_allowed(hwloc_topology_t hwloc, const char *list, hwloc_bitmap_t allowed, struct fault *fault)
{
    hwloc_bitmap_copy(allowed, hwloc_topology_get_allowed_cpuset(hwloc));
    if (list)
        return restrict_to_list(allowed, list, fault);
    if (hwloc_topology_is_thissystem(hwloc))
        return restrict_to_affinity(hwloc, allowed, fault);
    return 0;
}

// `synthetic` is NULL for this machine.
static int load_hwloc(hwloc_topology_t *hwloc, const char *synthetic, struct fault *fault)
{
    if (hwloc_topology_init(hwloc))
        return -ENOMEM;
    int error = 0;
    if (synthetic && hwloc_topology_set_synthetic(*hwloc, synthetic))
        error = fault_set(fault, -EINVAL,
                          "synthetic machine: hwloc cannot read '%.100s'; it should be like 'package:2 core:4 pu:2'",
                          synthetic);
    else if (hwloc_topology_set_flags(*hwloc, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) || hwloc_topology_load(*hwloc))
        error = fault_set(fault, errno ? -errno : -EIO, "hwloc cannot read the topology of this machine");
    if (error)
        hwloc_topology_destroy(*hwloc);
    return error;
}

static int load(struct topology *topology, const char *synthetic, const char *list, struct fault *fault)
{
    hwloc_topology_t hwloc;
    int error = load_hwloc(&hwloc, synthetic, fault);
    if (error)
        return error;
    topology->hwloc = hwloc;
    hwloc_bitmap_t allowed = hwloc_bitmap_alloc();
    error = allowed ? find_allowed(hwloc, list, allowed, fault) : -ENOMEM;
    if (!error)
        error = note_cpus(topology, hwloc, allowed);
    hwloc_bitmap_free(allowed);
    return error;
}

int topology_load(struct topology *topology, const char *synthetic, struct fault *fault)
{
    *topology = (struct topology){0};
    char *machine = synthetic ? strdup(synthetic) : NULL;
    if (synthetic && !machine)
        return fault_set(fault, -ENOMEM, "no memory for the topology");
    char *list = machine ? strrchr(machine, '@') : NULL;
    if (list)
        *list++ = '\0';
    const int error = load(topology, machine, list, fault);
    free(machine);
    if (error) {
        topology_unload(topology);
        fault_set(fault, error, "the topology cannot be loaded: %s", strerror(-error));
    }
    return error;
}

void topology_unload(struct topology *topology)
{
    if (topology->hwloc)
        hwloc_topology_destroy(topology->hwloc);
    free(topology->cpus);
    *topology = (struct topology){0};
}

// ------------------------------------------------------------------------------------------------ use

const struct cpu *topology_cpu(const struct topology *topology, unsigned os)
{
    for (unsigned i = 0; i < topology->count; i++) {
        if (topology->cpus[i].os == os)
            return &topology->cpus[i];
    }
    return NULL;
}

int topology_pin_self(const struct topology *topology, unsigned os)
{
    if (!topology_cpu(topology, os))
        return -EINVAL;
    if (!hwloc_topology_is_thissystem(topology->hwloc))
        return -ENOTSUP;
    hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(topology->hwloc, os);
    if (hwloc_set_cpubind(topology->hwloc, pu->cpuset, HWLOC_CPUBIND_THREAD | HWLOC_CPUBIND_STRICT))
        return errno ? -errno : -EIO;
    return 0;
}
