// SPDX-License-Identifier: Apache-2.0
// The wrappers that the linker puts in front of malloc and its family.
#include "core/check/conformance/trap.h"

#include <stddef.h>

// Volatile: compilers know that malloc does not look at it.
static _Thread_local struct trap *volatile armed;

struct trap *trap_set(struct trap *trap)
{
    struct trap *before = armed;
    armed = trap;
    return before;
}

static inline void look(const char *function)
{
    struct trap *trap = armed;
    if (__builtin_expect(trap != NULL, 0))
        trap->sprung(trap, function);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
int __real_posix_memalign(void **memory, size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
int __wrap_posix_memalign(void **memory, size_t align, size_t size);

void *__wrap_malloc(size_t size)
{
    look("malloc");
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    look("calloc");
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    look("realloc");
    return __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    look("aligned_alloc");
    return __real_aligned_alloc(align, size);
}

int __wrap_posix_memalign(void **memory, size_t align, size_t size)
{
    look("posix_memalign");
    return __real_posix_memalign(memory, align, size);
}
