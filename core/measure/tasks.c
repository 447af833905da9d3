// SPDX-License-Identifier: Apache-2.0
#include "core/measure/tasks.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_ROOM 64u

// False where the kernel keeps no such statistics.
static bool read_migrations(int id, uint64_t *migrations)
{
    char line[256];
    bool found = false;
    snprintf(line, sizeof line, "/proc/self/task/%d/sched", id);
    FILE *file = fopen(line, "re");
    while (file && !found && fgets(line, sizeof line, file))
        found = sscanf(line, "se.nr_migrations : %" SCNu64, migrations) == 1;
    if (file)
        fclose(file);
    return found;
}

// False: no memory.
static bool has_room(struct tasks *tasks, size_t *room)
{
    if (tasks->count < *room)
        return true;
    const size_t more = *room ? 2 * *room : FIRST_ROOM;
    struct task *grown = realloc(tasks->tasks, more * sizeof *grown);
    if (!grown)
        return false;
    tasks->tasks = grown;
    *room = more;
    return true;
}

void tasks_read(struct tasks *tasks)
{
    size_t room = 0;
    tasks->count = 0;
    free(tasks->tasks);
    tasks->tasks = NULL;
    DIR *folder = opendir("/proc/self/task");
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
        struct task task = {.id = atoi(entry->d_name)};
        if (task.id > 0 && read_migrations(task.id, &task.migrations) && has_room(tasks, &room))
            tasks->tasks[tasks->count++] = task;
    }
    if (folder)
        closedir(folder);
}

void tasks_free(struct tasks *tasks)
{
    free(tasks->tasks);
    *tasks = (struct tasks){0};
}

static const struct task *find(const struct tasks *tasks, int id)
{
    for (size_t i = 0; i < tasks->count; i++)
        if (tasks->tasks[i].id == id)
            return &tasks->tasks[i];
    return NULL;
}

uint64_t tasks_moves_of(const struct tasks *start, const struct tasks *end, int id)
{
    const struct task *before = find(start, id), *after = find(end, id);
    return before && after ? after->migrations - before->migrations : UINT64_MAX;
}

uint64_t tasks_moves(const struct tasks *start, const struct tasks *end)
{
    uint64_t sum = 0;
    bool any = false;
    for (size_t i = 0; i < end->count; i++) {
        const uint64_t moves = tasks_moves_of(start, end, end->tasks[i].id);
        any |= moves != UINT64_MAX;
        sum += moves == UINT64_MAX ? 0 : moves;
    }
    return any ? sum : UINT64_MAX;
}
