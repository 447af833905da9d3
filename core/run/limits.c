// SPDX-License-Identifier: Apache-2.0
#include "core/run/limits.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PATH_BYTES 4096

// The first line of a small file, without its newline. False: it can't be read.
static bool read_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    const bool read = fgets(line, size, file);
    fclose(file);
    if (read)
        line[strcspn(line, "\n")] = '\0';
    return read;
}

// False: no such file, or no number in it ("max").
static bool read_number(const char *path, uint64_t *number)
{
    char line[64], *end;
    if (!read_line(path, line, sizeof line))
        return false;
    *number = strtoull(line, &end, 10);
    return end != line;
}

static const char *file_in(const char *folder, const char *name, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    return path;
}

static void tighten(struct thread_limit *limit, uint64_t threads, const char *name)
{
    if (threads < limit->threads)
        *limit = (struct thread_limit){threads, name};
}

// What one control group leaves, its maximum less what it holds.
static void tighten_threads(void *argument, const char *folder)
{
    struct thread_limit *limit = argument;
    char path[PATH_BYTES];
    uint64_t most, present = 0;
    if (!read_number(file_in(folder, "pids.max", path), &most))
        return;
    read_number(file_in(folder, "pids.current", path), &present);
    tighten(limit, most > present ? most - present : 0, "pids.max of its control group");
}

// Named as in version 2, and as in version 1, where a great number means none.
static void tighten_memory(void *argument, const char *folder)
{
    struct memory_limit *limit = argument;
    char path[PATH_BYTES];
    uint64_t most;
    if (!read_number(file_in(folder, "memory.max", path), &most) &&
        !read_number(file_in(folder, "memory.limit_in_bytes", path), &most))
        return;
    if (most < limit->bytes)
        *limit = (struct memory_limit){most, "the memory that its control group allows"};
}

// One kind of limit, as control groups set it.
struct group_limit {
    const char *controller; // by its name in version 1
    void (*tighten)(void *limit, const char *folder);
    void *limit;
};

// A limit holds for all groups below the one that sets it, so each group up to the root is asked.
static void ask_groups_above(const struct group_limit *kind, const char *root, const char *mount, char *group)
{
    char folder[PATH_BYTES];
    for (;;) {
        if (snprintf(folder, sizeof folder, "%s%s%s", root, mount, strcmp(group, "/") == 0 ? "" : group) < PATH_BYTES)
            kind->tighten(kind->limit, folder);
        char *slash = strrchr(group, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

static void tighten_to_control_groups(const struct group_limit *kind, const char *root)
{
    char path[PATH_BYTES], line[PATH_BYTES], mount[64];
    snprintf(mount, sizeof mount, "/sys/fs/cgroup/%s", kind->controller);
    FILE *file = fopen(file_in(root, "proc/self/cgroup", path), "re");
    if (!file)
        return;
    // "0::/group" in version 2, "N:pids:/group" in version 1.
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        controllers++;
        if (controllers[0] == '\0')
            ask_groups_above(kind, root, "/sys/fs/cgroup", group);
        else if (strstr(controllers, kind->controller))
            ask_groups_above(kind, root, mount, group);
    }
    fclose(file);
}

struct thread_limit limits_threads(const char *root)
{
    struct thread_limit limit = {THREADS_MAX, "the limit of a run"};
    struct rlimit user;
    char path[PATH_BYTES];
    uint64_t number;
    // Root is exempt from its own.
    if (geteuid() != 0 && getrlimit(RLIMIT_NPROC, &user) == 0 && user.rlim_cur != RLIM_INFINITY)
        tighten(&limit, user.rlim_cur, "the user's limit, ulimit -u");
    if (read_number(file_in(root, "proc/sys/kernel/threads-max", path), &number))
        tighten(&limit, number, "kernel.threads-max");
    tighten_to_control_groups(&(struct group_limit){"pids", tighten_threads, &limit}, root);
    return limit;
}

struct memory_limit limits_memory(const char *root)
{
    struct memory_limit limit = {UINT64_MAX, "no limit"};
    char path[PATH_BYTES], line[128];
    // "MemTotal:       24682416 kB" comes first.
    if (read_line(file_in(root, "proc/meminfo", path), line, sizeof line) && strncmp(line, "MemTotal:", 9) == 0)
        limit = (struct memory_limit){strtoull(line + 9, NULL, 10) << 10, "the machine's memory"};
    tighten_to_control_groups(&(struct group_limit){"memory", tighten_memory, &limit}, root);
    return limit;
}
