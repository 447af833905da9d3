// SPDX-License-Identifier: Apache-2.0
#include "core/run/allocator.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/machine/memory.h"

#define LIBRARY "libjemalloc.so.2"
// Says to the second start that it is one. Taken away at once, with the preloading, so that neither goes further.
#define GUARD "READYQ_STARTED_AGAIN"

#ifdef READYQ_SANITIZED
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

// Loading it late fails even where it is installed (it wants thread-local memory from the start), so the reason counts:
// only a file that is not found can't be preloaded either.
static bool is_installed(void)
{
    void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    if (library) {
        dlclose(library);
        return true;
    }
    const char *reason = dlerror();
    return reason && !strstr(reason, "cannot open shared object file");
}

const char *allocator_default(void)
{
    return !sanitized && is_installed() ? "jemalloc" : "libc";
}

static bool jemalloc_answers(void)
{
    return strncmp(memory_allocator_name(), "jemalloc", strlen("jemalloc")) == 0;
}

// Whether this is the second start; leaves the environment as the first one found it.
static bool started_again(void)
{
    if (!getenv(GUARD))
        return false;
    unsetenv(GUARD);
    const char *preload = getenv("LD_PRELOAD");
    const size_t length = strlen(LIBRARY);
    if (!preload || strncmp(preload, LIBRARY, length) != 0)
        return true;
    if (preload[length] != ':') {
        unsetenv("LD_PRELOAD");
        return true;
    }
    char *rest = strdup(preload + length + 1);
    if (rest)
        setenv("LD_PRELOAD", rest, 1);
    free(rest);
    return true;
}

static int ask_for_jemalloc(void)
{
    const char *preload = getenv("LD_PRELOAD");
    char *both = NULL;
    if (asprintf(&both, LIBRARY "%s%s", preload && *preload ? ":" : "", preload ? preload : "") < 0)
        return -ENOMEM;
    const int result = setenv("LD_PRELOAD", both, 1) == 0 ? 0 : -errno;
    free(both);
    return result;
}

// Returns only when it failed.
static int start_again(char *const *argv)
{
    int result = ask_for_jemalloc();
    if (result == 0 && setenv(GUARD, "1", 1) != 0)
        result = -errno;
    if (result != 0)
        return result;
    execv("/proc/self/exe", argv);
    result = -errno;
    started_again(); // takes back what was set
    return result;
}

// Marked as a second start in any case, since the other program can't start itself again.
int allocator_pass_on(struct fault *fault)
{
    int result = jemalloc_answers() && !(getenv("LD_PRELOAD") && strstr(getenv("LD_PRELOAD"), "jemalloc"))
                     ? ask_for_jemalloc()
                     : 0;
    if (result == 0 && setenv(GUARD, "1", 1) != 0)
        result = -errno;
    return result == 0 ? 0 : fault_set(fault, result, "the allocator can't be passed on: %s", strerror(-result));
}

void allocator_take_back(void)
{
    started_again();
}

static int refuse_jemalloc(struct fault *fault)
{
    if (sanitized)
        return fault_set(fault, -EINVAL, "--allocator: a build with sanitizers brings its own malloc; ask for libc");
    return fault_set(fault, -EINVAL,
                     "--allocator: jemalloc was asked for, but %s answers; install the package libjemalloc2",
                     memory_allocator_name());
}

int allocator_ensure(const char *wanted, char *const *argv, struct fault *fault)
{
    const bool again = started_again();
    const bool by_name = wanted;
    if (!wanted)
        wanted = jemalloc_answers() ? "jemalloc" : allocator_default();
    if (strcmp(wanted, "libc") == 0 && jemalloc_answers())
        return fault_set(fault, -EINVAL, "--allocator: libc was asked for, but LD_PRELOAD brings %s",
                         memory_allocator_name());
    if (strcmp(wanted, "libc") == 0 || jemalloc_answers())
        return 0;
    if (strcmp(wanted, "jemalloc") != 0)
        return fault_set(fault, -EINVAL, "--allocator: there is no allocator '%s'; known are jemalloc, libc", wanted);
    if (!again && !sanitized && is_installed())
        start_again(argv);
    return by_name ? refuse_jemalloc(fault) : 0;
}
