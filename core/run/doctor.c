// SPDX-License-Identifier: Apache-2.0
// How findings are kept, and those about the processors.
#include "core/run/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/machine/clock.h"

#define CPU_FOLDER "/sys/devices/system/cpu"
#define CLOCK_FOLDER "/sys/devices/system/clocksource/clocksource0"
#define CPUS_FEW 8u
#define CPUS_TO_ISOLATE 2u

const char *const doctor_severity_names[] = {
    [DOCTOR_OK] = "ok", [DOCTOR_ADVICE] = "advice", [DOCTOR_WARNING] = "warning", [DOCTOR_CANNOT] = "cannot"};

// ------------------------------------------------------------------------------------------------ findings

struct doctor_finding *doctor_add(struct doctor *doctor, const char *name, enum doctor_severity severity,
                                  const char *why, const char *found, ...)
{
    // One too many takes the place of the last.
    doctor->count += doctor->count < DOCTOR_FINDINGS_MAX;
    struct doctor_finding *finding = &doctor->findings[doctor->count - 1];
    *finding = (struct doctor_finding){.name = name, .severity = severity, .why = why};
    va_list arguments;
    va_start(arguments, found);
    vsnprintf(finding->found, sizeof finding->found, found, arguments);
    va_end(arguments);
    return finding;
}

void doctor_command(struct doctor_finding *finding, const char *command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    vsnprintf(finding->command, sizeof finding->command, command, arguments);
    va_end(arguments);
}

const char *doctor_fact(const struct doctor_patient *patient, const char *name)
{
    for (unsigned i = 0; i < patient->environment->count; i++)
        if (strcmp(patient->environment->facts[i].name, name) == 0)
            return patient->environment->facts[i].value;
    return "";
}

bool doctor_read(const struct doctor_patient *patient, const char *path, char *text, size_t size)
{
    char full[1024];
    text[0] = '\0';
    if (snprintf(full, sizeof full, "%s%s", patient->root, path) >= (int)sizeof full)
        return false;
    FILE *file = fopen(full, "re");
    if (!file)
        return false;
    const size_t length = fread(text, 1, size - 1, file);
    fclose(file);
    text[length] = '\0';
    if (length > 0 && text[length - 1] == '\n')
        text[length - 1] = '\0';
    return true;
}

static bool is_virtual(const struct doctor_patient *patient)
{
    return strcmp(doctor_fact(patient, "hypervisor"), "yes") == 0;
}

// ------------------------------------------------------------------------------------------------ their speed

static void examine_governor(struct doctor *doctor, const struct doctor_patient *patient)
{
    static const char why[] = "CPUs whose speed follows the load are slower when a run begins than when it ends";
    const char *governor = doctor_fact(patient, "governor");
    if (!governor[0]) {
        doctor_add(doctor, "governor", DOCTOR_CANNOT,
                   "whether CPUs change their speed during a run can't be seen, nor be prevented",
                   "the machine shows no control of its frequency");
    } else if (strcmp(governor, "performance") == 0) {
        doctor_add(doctor, "governor", DOCTOR_OK, why, "frequency governor performance");
    } else {
        doctor_command(doctor_add(doctor, "governor", DOCTOR_WARNING, why, "frequency governor %s", governor),
                       "sudo cpupower frequency-set --governor performance");
    }
}

static void examine_turbo(struct doctor *doctor, const struct doctor_patient *patient)
{
    static const char why[] = "a boosted CPU is as fast as its temperature and its neighbours permit at that moment";
    char text[16];
    const char *turbo = doctor_fact(patient, "turbo");
    if (strcmp(turbo, "off") == 0) {
        doctor_add(doctor, "turbo", DOCTOR_OK, why, "turbo is off");
    } else if (strcmp(turbo, "on") == 0) {
        struct doctor_finding *finding = doctor_add(doctor, "turbo", DOCTOR_ADVICE, why, "turbo is on");
        if (doctor_read(patient, CPU_FOLDER "/intel_pstate/no_turbo", text, sizeof text))
            doctor_command(finding, "echo 1 | sudo tee " CPU_FOLDER "/intel_pstate/no_turbo");
        else
            doctor_command(finding, "echo 0 | sudo tee " CPU_FOLDER "/cpufreq/boost");
    }
}

static void examine_clock(struct doctor *doctor, const struct doctor_patient *patient)
{
    static const char why[] = "latencies are read from the processor's counter where the kernel trusts it, otherwise "
                              "from the system's clock, which costs more and is coarser";
    char available[256];
    const char *source = doctor_fact(patient, "clocksource");
    if (clock_counter_trusted(true, source[0] ? source : NULL)) {
        doctor_add(doctor, "clock", DOCTOR_OK, why, "clock source %s", source);
        return;
    }
    struct doctor_finding *finding =
        doctor_add(doctor, "clock", DOCTOR_WARNING, why, "clock source %s", source[0] ? source : "unknown");
    if (doctor_read(patient, CLOCK_FOLDER "/available_clocksource", available, sizeof available) &&
        strstr(available, "tsc"))
        doctor_command(finding, "echo tsc | sudo tee " CLOCK_FOLDER "/current_clocksource");
}

// ------------------------------------------------------------------------------------------------ who has them

static bool has_siblings(const struct topology *topology)
{
    for (unsigned i = 1; i < topology->count; i++)
        if (topology->cpus[i].core == topology->cpus[i - 1].core)
            return true;
    return false;
}

static void examine_siblings(struct doctor *doctor, const struct doctor_patient *patient)
{
    static const char why[] = "two threads on one core are slower than on two, and pass cache lines faster";
    if (has_siblings(patient->topology))
        doctor_command(doctor_add(doctor, "smt", DOCTOR_ADVICE, why, "hardware threads of one core are among the CPUs"),
                       "readyq run --pin no_smt ..., or: echo off | sudo tee " CPU_FOLDER "/smt/control");
    else if (is_virtual(patient))
        doctor_add(doctor, "smt", DOCTOR_CANNOT, why, "the host hides whether two of the CPUs share a core");
    else
        doctor_add(doctor, "smt", DOCTOR_OK, why, "no two of the CPUs share a core");
}

static void examine_isolation(struct doctor *doctor, const struct doctor_patient *patient)
{
    static const char why[] = "a pinned thread can't step aside for whoever else is put on its CPU, nor for the "
                              "kernel's tick";
    const char *isolated = doctor_fact(patient, "cpus_isolated"), *tickless = doctor_fact(patient, "cpus_tickless");
    const bool any_tickless = tickless[0] && strcmp(tickless, "(null)") != 0;
    if (isolated[0] && any_tickless) {
        doctor_add(doctor, "isolation", DOCTOR_OK, why, "CPUs %s are isolated, %s without a tick", isolated, tickless);
        return;
    }
    struct doctor_finding *finding =
        doctor_add(doctor, "isolation", DOCTOR_ADVICE, why, "%s%s%s; %s", isolated[0] ? "CPUs " : "no CPU ",
                   isolated[0] ? isolated : "is", isolated[0] ? " are isolated" : " isolated",
                   any_tickless ? "some have no tick" : "each has the kernel's tick");
    const unsigned last = patient->topology->online - 1;
    if (last >= CPUS_TO_ISOLATE)
        doctor_command(finding,
                       "add isolcpus=1-%u nohz_full=1-%u rcu_nocbs=1-%u to the kernel's command line, then readyq run "
                       "--pin 1-%u",
                       last, last, last, last);
    else
        finding->severity = DOCTOR_CANNOT; // there are too few to leave any to others
}

static void examine_allowed(struct doctor *doctor, const struct doctor_patient *patient)
{
    const struct topology *topology = patient->topology;
    doctor_add(doctor, "cpus", DOCTOR_OK,
               "those that are not allowed (affinity, cpuset) may be busy with others, who share caches and memory",
               "%u of %u CPUs are allowed", topology->count, topology->online);
}

// How often the group was held up, from its own accounts; 0: never, or not known.
static unsigned long long times_throttled(const struct doctor_patient *patient)
{
    char group[1024], path[1200], stat[1024];
    unsigned long long times = 0;
    if (!doctor_read(patient, "/proc/self/cgroup", group, sizeof group))
        return 0;
    const char *unified = strstr(group, "0::");
    snprintf(path, sizeof path, "/sys/fs/cgroup%.*s/cpu.stat", unified ? (int)strcspn(unified + 3, "\n") : 0,
             unified ? unified + 3 : "");
    if (doctor_read(patient, path, stat, sizeof stat) && strstr(stat, "nr_throttled"))
        sscanf(strstr(stat, "nr_throttled"), "nr_throttled %llu", &times);
    return times;
}

static void examine_quota(struct doctor *doctor, const struct doctor_patient *patient)
{
    static const char why[] = "a control group that has used up its time is halted for the rest of its period, some "
                              "tens of milliseconds";
    const char *quota = doctor_fact(patient, "cgroup_quota_cpus");
    if (!quota[0] || strcmp(quota, "none") == 0) {
        doctor_add(doctor, "cpu_quota", DOCTOR_OK, why, "no limit of CPU time");
        return;
    }
    doctor_command(doctor_add(doctor, "cpu_quota", DOCTOR_WARNING, why,
                              "the control group allows the time of %s CPUs; it was halted %llu times", quota,
                              times_throttled(patient)),
                   "echo max | sudo tee cpu.max of the group (systemd: CPUQuota=; docker: run without --cpus)");
}

static void examine_hypervisor(struct doctor *doctor, const struct doctor_patient *patient)
{
    static const char why[] = "the host moves the CPUs, takes time from them, and halts those that idle, so that the "
                              "same run may be twice as fast a minute later; each run records steal and a sentinel";
    if (is_virtual(patient))
        doctor_add(doctor, "hypervisor", DOCTOR_CANNOT, why,
                   "this is a virtual machine: absolute times are its host's");
    else
        doctor_add(doctor, "hypervisor", DOCTOR_OK, why, "no hypervisor shows");
}

static void examine_mitigations(struct doctor *doctor, const struct doctor_patient *patient)
{
    const char *mitigations = doctor_fact(patient, "mitigations");
    if (!mitigations[0])
        return;
    doctor_command(doctor_add(doctor, "mitigations", DOCTOR_OK,
                              "they make system calls slower, and so sleeping and waking; compare machines only where "
                              "they are alike",
                              "%s", mitigations),
                   "mitigations=off on the kernel's command line, on a machine that runs nobody else's code only");
}

// ------------------------------------------------------------------------------------------------ what they hide

static void examine_size(struct doctor *doctor, const struct doctor_patient *patient)
{
    const struct topology *topology = patient->topology;
    const unsigned count = topology->count;
    if (count < CPUS_FEW)
        doctor_add(doctor, "contention", DOCTOR_CANNOT,
                   "more threads than CPUs take turns: that shows the system's scheduler, and no more contention",
                   "contention beyond %u thread%s at a time", count, count == 1 ? "" : "s");
    if (topology->nodes < 2)
        doctor_add(doctor, "numa", DOCTOR_CANNOT, "where memory lies makes no difference on one node",
                   "effects of remote memory");
    if (topology->packages < 2)
        doctor_add(doctor, "packages", DOCTOR_CANNOT,
                   "a cache line takes several times as long between packages as within one",
                   "traffic between packages");
}

static void examine_order(struct doctor *doctor, const struct doctor_patient *patient)
{
    if (strcmp(doctor_fact(patient, "architecture"), "x86_64") == 0)
        doctor_add(doctor, "memory_order", DOCTOR_CANNOT,
                   "processors with total store order keep the order of most accesses by themselves, so that a missing "
                   "barrier is not seen; a machine of another kind (ARM) shows it, or a model checker",
                   "errors of weak memory");
}

void doctor_examine_processors(struct doctor *doctor, const struct doctor_patient *patient)
{
    examine_governor(doctor, patient);
    examine_turbo(doctor, patient);
    examine_clock(doctor, patient);
    examine_siblings(doctor, patient);
    examine_isolation(doctor, patient);
    examine_allowed(doctor, patient);
    examine_quota(doctor, patient);
    examine_mitigations(doctor, patient);
    examine_hypervisor(doctor, patient);
    examine_size(doctor, patient);
    examine_order(doctor, patient);
}
