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

static void tighten(struct thread_limit *limit, uint64_t threads, const char *name)
{
    if (threads < limit->threads)
        *limit = (struct thread_limit){threads, name};
}

// What one control group leaves, its maximum less what it holds.
static void tighten_to_group(struct thread_limit *limit, const char *root, const char *mount, const char *group)
{
    char path[PATH_BYTES];
    uint64_t most, present = 0;
    snprintf(path, sizeof path, "%s%s%s/pids.max", root, mount, group);
    if (!read_number(path, &most))
        return;
    snprintf(path, sizeof path, "%s%s%s/pids.current", root, mount, group);
    read_number(path, &present);
    tighten(limit, most > present ? most - present : 0, "pids.max of its control group");
}

// A limit holds for all groups below the one that sets it, so each group up to the root is asked.
static void tighten_to_groups_above(struct thread_limit *limit, const char *root, const char *mount, char *group)
{
    for (;;) {
        tighten_to_group(limit, root, mount, strcmp(group, "/") == 0 ? "" : group);
        char *slash = strrchr(group, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

static void tighten_to_control_groups(struct thread_limit *limit, const char *root)
{
    char path[PATH_BYTES], line[PATH_BYTES];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
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
            tighten_to_groups_above(limit, root, "/sys/fs/cgroup", group);
        else if (strstr(controllers, "pids"))
            tighten_to_groups_above(limit, root, "/sys/fs/cgroup/pids", group);
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
    snprintf(path, sizeof path, "%s/proc/sys/kernel/threads-max", root);
    if (read_number(path, &number))
        tighten(&limit, number, "kernel.threads-max");
    tighten_to_control_groups(&limit, root);
    return limit;
}
