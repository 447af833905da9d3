// SPDX-License-Identifier: Apache-2.0
// Preloaded into the program: one of the places in it that ask for memory gets none. Places are numbered from 1 in
// the order in which they first ask; FAIL_SITE says which one fails, at every call. At the end of the process the
// number of places is written to the file FAIL_COUNT. Calls from libraries are served: their authors answer for those.
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SITES_MAX 1024u

static _Atomic(uintptr_t) sites[SITES_MAX];
static uintptr_t program_start, program_end;
static unsigned failing;

static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static void *(*next_aligned_alloc)(size_t, size_t);
static int (*next_posix_memalign)(void **, size_t, size_t);

// The first object is the program.
static int note_program(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    (void)argument;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        const uintptr_t end = start + info->dlpi_phdr[i].p_memsz;
        if (info->dlpi_phdr[i].p_type != PT_LOAD)
            continue;
        program_start = program_start && program_start < start ? program_start : start;
        program_end = end > program_end ? end : program_end;
    }
    return 1;
}

__attribute__((constructor)) static void begin(void)
{
    const char *site = getenv("FAIL_SITE");
    failing = site ? (unsigned)strtoul(site, NULL, 10) : 0;
    dl_iterate_phdr(note_program, NULL);
}

static unsigned site_count(void)
{
    unsigned count = 0;
    while (count < SITES_MAX && atomic_load(&sites[count]))
        count++;
    return count;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("FAIL_COUNT");
    FILE *out = path ? fopen(path, "w") : NULL;
    if (!out)
        return;
    fprintf(out, "%u\n", site_count());
    fclose(out);
}

static bool fails(void *caller)
{
    const uintptr_t site = (uintptr_t)caller;
    if (site < program_start || site >= program_end)
        return false;
    for (unsigned i = 0; i < SITES_MAX; i++) {
        uintptr_t found = 0;
        if (atomic_compare_exchange_strong(&sites[i], &found, site) || found == site)
            return i + 1 == failing;
    }
    return false;
}

#define NEXT(name)                                              \
    do {                                                        \
        if (!next_##name)                                       \
            *(void **)(&next_##name) = dlsym(RTLD_NEXT, #name); \
    } while (0)

void *malloc(size_t size)
{
    NEXT(malloc);
    return fails(__builtin_return_address(0)) ? NULL : next_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    NEXT(calloc);
    return fails(__builtin_return_address(0)) ? NULL : next_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    NEXT(realloc);
    return fails(__builtin_return_address(0)) ? NULL : next_realloc(memory, size);
}

void *aligned_alloc(size_t align, size_t size)
{
    NEXT(aligned_alloc);
    return fails(__builtin_return_address(0)) ? NULL : next_aligned_alloc(align, size);
}

int posix_memalign(void **memory, size_t align, size_t size)
{
    NEXT(posix_memalign);
    return fails(__builtin_return_address(0)) ? ENOMEM : next_posix_memalign(memory, align, size);
}
