// SPDX-License-Identifier: Apache-2.0
#include "core/run/doctor_others.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/run/environment_watch.h"

#define CPUS_LEAST 0.01

// "17 (name) S 1 ...": the name may hold anything, brackets too; user and system time are the 12th and 13th word after
// it.
static bool read_process(struct doctor_process *process, const char *root, const char *id)
{
    char path[1024], text[1024];
    uint64_t user, system;
    if (snprintf(path, sizeof path, "%s/proc/%s/stat", root, id) >= (int)sizeof path)
        return false;
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    const size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    const char *name = strchr(text, '('), *end = strrchr(text, ')');
    if (!name || !end ||
        sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &user, &system) != 2)
        return false;
    process->id = strtol(id, NULL, 10);
    process->cpu_ns = (user + system) * environment_tick_ns();
    snprintf(process->name, sizeof process->name, "%.*s", (int)(end - name - 1), name + 1);
    for (char *c = process->name; *c; c++)
        *c = *c >= ' ' && *c <= '~' ? *c : '?';
    return true;
}

static int by_id(const void *a, const void *b)
{
    const struct doctor_process *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static bool add_process(struct doctor_processes *processes, const struct doctor_process *process)
{
    struct doctor_process *all = reallocarray(processes->all, processes->count + 1, sizeof *all);
    if (!all)
        return false;
    all[processes->count++] = *process;
    processes->all = all;
    return true;
}

void doctor_processes_read(struct doctor_processes *processes, const char *root)
{
    char folder[1024];
    *processes = (struct doctor_processes){0};
    snprintf(folder, sizeof folder, "%s/proc", root);
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        struct doctor_process process;
        if (isdigit((unsigned char)entry->d_name[0]) && read_process(&process, root, entry->d_name) &&
            process.id != getpid() && !add_process(processes, &process))
            break;
    }
    if (entries)
        closedir(entries);
    if (processes->count)
        qsort(processes->all, processes->count, sizeof *processes->all, by_id);
}

void doctor_processes_free(struct doctor_processes *processes)
{
    free(processes->all);
    *processes = (struct doctor_processes){0};
}

// Moves those that had less out of the way.
static void insert(struct doctor_other others[DOCTOR_OTHERS_MAX], const struct doctor_process *process, double cpus)
{
    unsigned place = 0;
    while (place < DOCTOR_OTHERS_MAX && others[place].name[0] && others[place].cpus >= cpus)
        place++;
    if (place == DOCTOR_OTHERS_MAX)
        return;
    memmove(&others[place + 1], &others[place], (DOCTOR_OTHERS_MAX - 1 - place) * sizeof others[0]);
    others[place].cpus = cpus;
    memcpy(others[place].name, process->name, sizeof others[place].name);
}

void doctor_busiest(const struct doctor_processes *before, const struct doctor_processes *after, double seconds,
                    struct doctor_other others[DOCTOR_OTHERS_MAX])
{
    memset(others, 0, DOCTOR_OTHERS_MAX * sizeof others[0]);
    for (size_t i = 0; i < after->count; i++) {
        const struct doctor_process *now = &after->all[i];
        const struct doctor_process *then =
            before->count ? bsearch(now, before->all, before->count, sizeof *now, by_id) : NULL;
        const uint64_t used_ns = now->cpu_ns - (then && then->cpu_ns <= now->cpu_ns ? then->cpu_ns : 0);
        const double cpus = (double)used_ns / 1e9 / seconds;
        if (cpus >= CPUS_LEAST)
            insert(others, now, cpus);
    }
}
