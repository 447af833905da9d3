// SPDX-License-Identifier: Apache-2.0
// The one place where measured memory comes from. Counts are kept by each thread for itself, since counting in one
// place would add a contended line to every allocation that we measure.
#include "core/machine/memory.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <hwloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ------------------------------------------------------------------------------------------------ counters

static _Thread_local struct memory_counters own;

static pthread_mutex_t flushed_lock = PTHREAD_MUTEX_INITIALIZER;
static struct memory_counters flushed; // guarded by flushed_lock

static struct memory_counters add_own(void)
{
    return (struct memory_counters){
        .allocations = flushed.allocations + own.allocations,
        .frees = flushed.frees + own.frees,
        .failures = flushed.failures + own.failures,
    };
}

struct memory_counters memory_counters(void)
{
    pthread_mutex_lock(&flushed_lock);
    const struct memory_counters sum = add_own();
    pthread_mutex_unlock(&flushed_lock);
    return sum;
}

void memory_flush_counters(void)
{
    pthread_mutex_lock(&flushed_lock);
    flushed = add_own();
    pthread_mutex_unlock(&flushed_lock);
    own = (struct memory_counters){0};
}

// ------------------------------------------------------------------------------------------------ nodes

// Read once, when the first node is asked for, and kept until the process ends.
static pthread_once_t nodes_once = PTHREAD_ONCE_INIT;
static struct {
    hwloc_topology_t hwloc;
    size_t page_bytes;
    const char *binding;
    bool bind;
} nodes;

// hwloc's mapping is whole pages; NULL where the node does not exist or binding is refused.
static void *map_on_node(size_t size, unsigned node)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    void *memory = NULL;
    if (set && hwloc_bitmap_only(set, node) == 0)
        memory = hwloc_alloc_membind(nodes.hwloc, size, set, HWLOC_MEMBIND_BIND,
                                     HWLOC_MEMBIND_BYNODESET | HWLOC_MEMBIND_STRICT);
    hwloc_bitmap_free(set);
    return memory;
}

static int load_nodes(void)
{
    if (hwloc_topology_init(&nodes.hwloc))
        return -1;
    if (hwloc_topology_set_all_types_filter(nodes.hwloc, HWLOC_TYPE_FILTER_KEEP_NONE) == 0 &&
        hwloc_topology_load(nodes.hwloc) == 0)
        return 0;
    hwloc_topology_destroy(nodes.hwloc);
    return -1;
}

// Whether binding is permitted shows only when it is tried.
static void nodes_init(void)
{
    nodes.page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    nodes.binding = "one node";
    if (load_nodes())
        return;
    hwloc_const_bitmap_t allowed = hwloc_topology_get_allowed_nodeset(nodes.hwloc);
    if (hwloc_bitmap_weight(allowed) > 1) {
        void *page = map_on_node(nodes.page_bytes, (unsigned)hwloc_bitmap_first(allowed));
        nodes.bind = page != NULL;
        nodes.binding = page ? "bound" : "not permitted";
        if (page)
            hwloc_free(nodes.hwloc, page, nodes.page_bytes);
    }
    if (!nodes.bind)
        hwloc_topology_destroy(nodes.hwloc);
}

// Depends on nothing that changes, so that free decides as alloc did.
static bool binds(int node)
{
    if (node < 0)
        return false;
    pthread_once(&nodes_once, nodes_init);
    return nodes.bind;
}

const char *memory_binding(void)
{
    pthread_once(&nodes_once, nodes_init);
    return nodes.binding;
}

// ------------------------------------------------------------------------------------------------ allocator

// Fresh mappings are zero already.
static void *allocate_on_node(size_t size, size_t align, unsigned node)
{
    return align <= nodes.page_bytes ? map_on_node(size, node) : NULL;
}

static void *allocate_anywhere(size_t size, size_t align)
{
    if (align <= _Alignof(max_align_t))
        return calloc(1, size);
    void *memory;
    if (posix_memalign(&memory, align, size))
        return NULL;
    return memset(memory, 0, size);
}

static void *system_alloc(struct allocator *self, size_t size, size_t align, int node)
{
    (void)self;
    const size_t some = size ? size : 1; // NULL must mean that there is none
    void *memory = binds(node) ? allocate_on_node(some, align, (unsigned)node) : allocate_anywhere(some, align);
    if (memory)
        own.allocations++;
    else
        own.failures++;
    return memory;
}

static void system_free(struct allocator *self, void *memory, size_t size, int node)
{
    (void)self;
    if (!memory)
        return;
    own.frees++;
    if (binds(node))
        hwloc_free(nodes.hwloc, memory, size ? size : 1);
    else
        free(memory);
}

struct allocator memory_system = {.alloc = system_alloc, .free = system_free};

// ------------------------------------------------------------------------------------------------ its name

#if !defined(__has_feature)
#define __has_feature(feature) 0
#endif

// Each sanitizer brings a malloc of its own, whatever else is loaded.
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
static const char *const sanitizer_name = "address sanitizer";
#elif defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
static const char *const sanitizer_name = "thread sanitizer";
#else
static const char *const sanitizer_name = NULL;
#endif

static pthread_once_t name_once = PTHREAD_ONCE_INIT;
static char name[128];

// Whether the two symbols come from one shared object.
static bool same_object(const Dl_info *object, const void *symbol)
{
    Dl_info other;
    return symbol && dladdr(symbol, &other) && other.dli_fbase == object->dli_fbase;
}

static const char *jemalloc_version(void *mallctl)
{
    int (*control)(const char *, void *, size_t *, void *, size_t);
    memcpy(&control, &mallctl, sizeof control); // ISO C has no cast between the two kinds of pointer
    const char *version = NULL;
    size_t size = sizeof version;
    return control("version", (void *)&version, &size, NULL, 0) == 0 ? version : "of unknown version";
}

// Asks where the program's own malloc leads, and not which libraries are loaded: one may be there and not be used.
static bool find_malloc(Dl_info *object)
{
    void (*function)(void *) = free; // who brings malloc brings free, which has no wrapper of ours in front
    const void *symbol;
    memcpy(&symbol, &function, sizeof symbol);
    return dladdr(symbol, object) != 0;
}

static void find_name(void)
{
    Dl_info object;
    void *mallctl = dlsym(RTLD_DEFAULT, "mallctl");
    if (sanitizer_name) {
        snprintf(name, sizeof name, "%s", sanitizer_name);
    } else if (!find_malloc(&object)) {
        snprintf(name, sizeof name, "unknown");
    } else if (same_object(&object, mallctl)) {
        snprintf(name, sizeof name, "jemalloc %s", jemalloc_version(mallctl));
    } else if (same_object(&object, dlsym(RTLD_DEFAULT, "gnu_get_libc_version"))) {
        snprintf(name, sizeof name, "libc %s", gnu_get_libc_version());
    } else {
        const char *slash = strrchr(object.dli_fname, '/');
        snprintf(name, sizeof name, "%s", slash ? slash + 1 : object.dli_fname);
    }
}

const char *memory_allocator_name(void)
{
    pthread_once(&name_once, find_name);
    return name;
}
