// SPDX-License-Identifier: Apache-2.0
// Findings about the system: its limits, its memory and who else runs on it.
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/run/doctor.h"
#include "core/run/limits.h"

#define TEXT_BYTES 8192
#define FILES_LEAST 1024u
#define STACK_MOST (64u << 20)
#define LOCKED_LEAST (64u << 10)
#define LOAD_LEAST 0.5

// ------------------------------------------------------------------------------------------------ limits

// The soft limit of that name in /proc/self/limits; UINT64_MAX: unlimited, or not known.
static uint64_t soft_limit(const char *limits, const char *name)
{
    const char *line = strstr(limits, name);
    if (!line)
        return UINT64_MAX;
    line += strlen(name);
    line += strspn(line, " ");
    return isdigit((unsigned char)*line) ? strtoull(line, NULL, 10) : UINT64_MAX;
}

static void examine_threads(struct doctor *doctor, const struct doctor_patient *patient)
{
    static const char why[] = "a run with more threads is refused";
    const struct thread_limit limit = limits_threads(patient->root);
    if (limit.threads >= THREADS_MAX)
        doctor_add(doctor, "threads", DOCTOR_OK, why, "%u threads may be started", THREADS_MAX);
    else
        doctor_command(doctor_add(doctor, "threads", DOCTOR_ADVICE, why, "no more than %llu threads are allowed (%s)",
                                  (unsigned long long)limit.threads, limit.name),
                       "ulimit -u %u; in a container: a greater pids.max", 2 * THREADS_MAX);
}

static void examine_files(struct doctor *doctor, const char *limits)
{
    static const char why[] = "workloads on files, counters and other pools hold files open";
    const uint64_t files = soft_limit(limits, "Max open files");
    if (files >= FILES_LEAST)
        doctor_add(doctor, "open_files", DOCTOR_OK, why, "the limit of open files suffices");
    else
        doctor_command(doctor_add(doctor, "open_files", DOCTOR_ADVICE, why, "no more than %llu open files",
                                  (unsigned long long)files),
                       "ulimit -n %u", 4 * FILES_LEAST);
}

static void examine_stack(struct doctor *doctor, const char *limits)
{
    static const char why[] =
        "each thread reserves a stack of that size, which a thousand threads may not find room for";
    const uint64_t bytes = soft_limit(limits, "Max stack size");
    if (bytes == UINT64_MAX || bytes <= STACK_MOST)
        doctor_add(doctor, "stack", DOCTOR_OK, why, "stacks are of usual size");
    else
        doctor_command(
            doctor_add(doctor, "stack", DOCTOR_ADVICE, why, "stacks of %llu MiB", (unsigned long long)bytes >> 20),
            "ulimit -s 8192");
}

static void examine_locked(struct doctor *doctor, const char *limits)
{
    static const char why[] = "tracers (perf, LTTng) lock their buffers into memory";
    const uint64_t bytes = soft_limit(limits, "Max locked memory");
    if (bytes >= LOCKED_LEAST)
        doctor_add(doctor, "locked_memory", DOCTOR_OK, why, "the limit of locked memory suffices");
    else
        doctor_command(doctor_add(doctor, "locked_memory", DOCTOR_ADVICE, why, "no more than %llu KiB of locked memory",
                                  (unsigned long long)bytes >> 10),
                       "ulimit -l 65536");
}

// ------------------------------------------------------------------------------------------------ memory

// A number of kB, or of pages, in /proc/meminfo; 0: not there.
static unsigned long long meminfo(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    return line ? strtoull(line + strlen(name), NULL, 10) : 0;
}

static void examine_huge_pages(struct doctor *doctor, const struct doctor_patient *patient, const char *memory)
{
    static const char why[] = "the kernel gathers pages into huge ones, and splits them, while a run measures; whether "
                              "it does depends on what ran before";
    const char *mode = doctor_fact(patient, "transparent_hugepage");
    if (strcmp(mode, "always") == 0)
        doctor_command(
            doctor_add(doctor, "transparent_huge_pages", DOCTOR_ADVICE, why, "transparent huge pages: always"),
            "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled");
    else if (mode[0])
        doctor_add(doctor, "transparent_huge_pages", DOCTOR_OK, why, "transparent huge pages: %s", mode);
    doctor_add(doctor, "huge_pages", DOCTOR_OK, "runs use none of them; they are memory that others can't have",
               "%llu huge pages are reserved", meminfo(memory, "HugePages_Total:"));
}

static void examine_swap(struct doctor *doctor, const char *memory)
{
    static const char why[] = "a page that was swapped out costs milliseconds when it is touched";
    const unsigned long long total = meminfo(memory, "SwapTotal:"), spare = meminfo(memory, "SwapFree:");
    if (total == 0)
        doctor_add(doctor, "swap", DOCTOR_OK, why, "no swap");
    else
        doctor_command(doctor_add(doctor, "swap", spare < total ? DOCTOR_WARNING : DOCTOR_ADVICE, why,
                                  "%llu MiB of swap, %llu in use", total >> 10, (total - spare) >> 10),
                       "sudo swapoff --all");
}

static void examine_nodes(struct doctor *doctor, const struct doctor_patient *patient)
{
    if (patient->topology->nodes < 2)
        return;
    static const char why[] = "the kernel moves pages between nodes while a run measures";
    if (strcmp(doctor_fact(patient, "numa_balancing"), "1") == 0)
        doctor_command(doctor_add(doctor, "numa_balancing", DOCTOR_ADVICE, why, "NUMA balancing is on"),
                       "sudo sysctl kernel.numa_balancing=0");
    else
        doctor_add(doctor, "numa_balancing", DOCTOR_OK, why, "NUMA balancing is off");
}

static void examine_layout(struct doctor *doctor, const struct doctor_patient *patient)
{
    doctor_add(
        doctor, "aslr", DOCTOR_OK,
        "each run has another layout of memory, which is as it should be: a median over runs is one over layouts",
        "randomisation of addresses: %s", doctor_fact(patient, "aslr"));
}

// ------------------------------------------------------------------------------------------------ others

static void examine_load(struct doctor *doctor, const struct doctor_patient *patient)
{
    static const char why[] = "whoever else runs takes CPUs, caches and memory from the run";
    const double load = strtod(doctor_fact(patient, "load_average_1min"), NULL);
    if (load < LOAD_LEAST)
        doctor_add(doctor, "load", DOCTOR_OK, why, "load average %.2f over the last minute", load);
    else
        doctor_command(doctor_add(doctor, "load", DOCTOR_WARNING, why, "load average %.2f over the last minute", load),
                       "end other programs ('top' shows them), and wait a minute");
}

static bool is_irqbalance(const struct doctor_patient *patient, const char *process)
{
    char path[300], name[32];
    snprintf(path, sizeof path, "/proc/%s/comm", process);
    return isdigit((unsigned char)process[0]) && doctor_read(patient, path, name, sizeof name) &&
           strcmp(name, "irqbalance") == 0;
}

static void examine_interrupts(struct doctor *doctor, const struct doctor_patient *patient)
{
    static const char why[] = "it moves interrupts between CPUs every few seconds, onto those that measure too";
    char folder[1024];
    bool found = false;
    snprintf(folder, sizeof folder, "%s/proc", patient->root);
    DIR *processes = opendir(folder);
    for (struct dirent *entry; processes && !found && (entry = readdir(processes));)
        found = is_irqbalance(patient, entry->d_name);
    if (processes)
        closedir(processes);
    if (found)
        doctor_command(doctor_add(doctor, "irqbalance", DOCTOR_ADVICE, why, "irqbalance is running"),
                       "sudo systemctl stop irqbalance");
    else
        doctor_add(doctor, "irqbalance", DOCTOR_OK, why, "irqbalance is not running");
}

static void examine_counters(struct doctor *doctor, const struct doctor_patient *patient)
{
    static const char why[] = "what the kernel does for a run is counted from 1 downwards; at 2 user mode alone, above "
                              "it nothing, unless by root";
    char text[16];
    if (!doctor_read(patient, "/proc/sys/kernel/perf_event_paranoid", text, sizeof text)) {
        doctor_add(doctor, "perf_event_paranoid", DOCTOR_CANNOT, why, "the kernel was built without counters");
        return;
    }
    const bool permitted = patient->is_root || strtol(text, NULL, 10) <= 1;
    struct doctor_finding *finding =
        doctor_add(doctor, "perf_event_paranoid", permitted ? DOCTOR_OK : DOCTOR_ADVICE, why,
                   "kernel.perf_event_paranoid is %s%s", text, patient->is_root ? "; root is exempt" : "");
    if (!permitted)
        doctor_command(finding, "sudo sysctl kernel.perf_event_paranoid=1");
}

static void examine_build(struct doctor *doctor)
{
#if defined(READYQ_SANITIZED) || defined(READYQ_DEBUG)
    doctor_command(doctor_add(doctor, "build", DOCTOR_WARNING, "its runs are judged invalid: it is many times slower",
                              "this program is a debug build or has sanitizers"),
                   "cmake --preset release && cmake --build --preset release");
#else
    doctor_add(doctor, "build", DOCTOR_OK, "debug builds and sanitizers are many times slower",
               "this program is a release build");
#endif
}

void doctor_examine_system(struct doctor *doctor, const struct doctor_patient *patient)
{
    static char limits[TEXT_BYTES], memory[TEXT_BYTES];
    doctor_read(patient, "/proc/self/limits", limits, sizeof limits);
    doctor_read(patient, "/proc/meminfo", memory, sizeof memory);
    examine_build(doctor);
    examine_threads(doctor, patient);
    examine_files(doctor, limits);
    examine_stack(doctor, limits);
    examine_locked(doctor, limits);
    examine_huge_pages(doctor, patient, memory);
    examine_swap(doctor, memory);
    examine_nodes(doctor, patient);
    examine_layout(doctor, patient);
    examine_load(doctor, patient);
    examine_interrupts(doctor, patient);
    examine_counters(doctor, patient);
}
