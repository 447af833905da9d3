// SPDX-License-Identifier: Apache-2.0
// Reads the allow-listed facts. A fact is added here by name; nothing is taken over wholesale, since what a
// system tells of itself may name its owner.
#include "core/machine/environment.h"

#include <ctype.h>
#include <dirent.h>
#include <gnu/libc-version.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/machine/memory.h"

#define TEXT_BYTES 8192 // enough for the first processor's part of /proc/cpuinfo
#define PATH_BYTES 1024

// ------------------------------------------------------------------------------------------------ files

// Reads the beginning of a file; the text is empty where it cannot be read. Returns whether it could.
static bool read_text(const char *root, const char *path, char *text, size_t size)
{
    char full[PATH_BYTES];
    text[0] = '\0';
    if ((size_t)snprintf(full, sizeof full, "%s%s", root, path) >= sizeof full)
        return false;
    FILE *file = fopen(full, "re");
    if (!file)
        return false;
    const size_t length = fread(text, 1, size - 1, file);
    const bool good = !ferror(file);
    text[good ? length : 0] = '\0';
    fclose(file);
    return good;
}

// Copies what follows `key` at the beginning of a line ("model name\t: Xeon" gives "Xeon"), up to the line's end.
// Without a key, the first line. Empty if there is no such line.
static void pick_line(const char *text, const char *key, char *value, size_t size)
{
    value[0] = '\0';
    const size_t key_length = key ? strlen(key) : 0;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key ? key : "", key_length) != 0)
            continue;
        const char *start = line + key_length;
        start += strspn(start, " \t");
        if (key && *start == ':')
            start += 1 + strspn(start + 1, " \t");
        snprintf(value, size, "%.*s", (int)strcspn(start, "\n"), start);
        return;
    }
}

// ------------------------------------------------------------------------------------------------ facts

// Adds a fact. Only printable ASCII gets through; what is too long ends in "...".
__attribute__((format(printf, 3, 4))) static void add(struct environment *environment, const char *name,
                                                      const char *format, ...)
{
    if (environment->count == ENVIRONMENT_FACTS_MAX)
        return;
    struct environment_fact *fact = &environment->facts[environment->count++];
    fact->name = name;
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(fact->value, sizeof fact->value, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof fact->value)
        memcpy(fact->value + sizeof fact->value - 4, "...", 4);
    for (char *c = fact->value; *c; c++)
        *c = *c >= ' ' && *c <= '~' ? *c : '?';
}

enum shape {
    SHAPE_LINE,     // all of it
    SHAPE_WORD,     // up to the first blank
    SHAPE_SELECTED, // the one in brackets: "always [madvise] never"
};

static const struct fact_source {
    const char *name;
    enum shape shape;
    const char *path;
    const char *key; // of a line; NULL: the first line
} sources[] = {
    {"kernel", SHAPE_LINE, "/proc/sys/kernel/osrelease", NULL},
    {"microcode", SHAPE_LINE, "/proc/cpuinfo", "microcode"},
    {"cpus_isolated", SHAPE_LINE, "/sys/devices/system/cpu/isolated", NULL},
    {"cpus_tickless", SHAPE_LINE, "/sys/devices/system/cpu/nohz_full", NULL},
    {"smt", SHAPE_LINE, "/sys/devices/system/cpu/smt/control", NULL},
    {"frequency_driver", SHAPE_LINE, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", NULL},
    {"idle_driver", SHAPE_LINE, "/sys/devices/system/cpu/cpuidle/current_driver", NULL},
    {"clocksource", SHAPE_LINE, "/sys/devices/system/clocksource/clocksource0/current_clocksource", NULL},
    {"transparent_hugepage", SHAPE_SELECTED, "/sys/kernel/mm/transparent_hugepage/enabled", NULL},
    {"numa_balancing", SHAPE_LINE, "/proc/sys/kernel/numa_balancing", NULL},
    {"memory_total_kib", SHAPE_WORD, "/proc/meminfo", "MemTotal"},
    {"load_average_1min", SHAPE_WORD, "/proc/loadavg", NULL},
    {"cpu_pressure_avg10_percent", SHAPE_WORD, "/proc/pressure/cpu", "some avg10="},
};

static void add_source(struct environment *environment, const char *root, const struct fact_source *source)
{
    char text[TEXT_BYTES], line[TEXT_BYTES];
    read_text(root, source->path, text, sizeof text);
    pick_line(text, source->key, line, sizeof line);
    const char *start = line;
    size_t length = strlen(line);
    if (source->shape == SHAPE_WORD) {
        length = strcspn(line, " \t");
    } else if (source->shape == SHAPE_SELECTED) {
        start += strcspn(line, "[");
        start += *start == '[';
        length = strcspn(start, "]");
    }
    add(environment, source->name, "%.*s", (int)length, start);
}

static void add_topology(struct environment *environment, const struct topology *topology)
{
    char list[sizeof environment->facts[0].value];
    topology_write_list(topology, list, sizeof list);
    add(environment, "cpus_online", "%u", topology->online);
    add(environment, "cpus_allowed", "%u", topology->count);
    add(environment, "cpus_allowed_list", "%s", list);
    add(environment, "cores", "%u", topology->cores);
    add(environment, "packages", "%u", topology->packages);
    add(environment, "numa_nodes", "%u", topology->nodes);
}

// Processors that do not name themselves give numbers instead.
static void pick_cpu_model(const char *cpuinfo, char *model, size_t size)
{
    pick_line(cpuinfo, "model name", model, size);
    if (model[0])
        return;
    char implementer[32], part[32];
    pick_line(cpuinfo, "CPU implementer", implementer, sizeof implementer);
    pick_line(cpuinfo, "CPU part", part, sizeof part);
    if (implementer[0])
        snprintf(model, size, "arm %s %s", implementer, part);
}

// The flag that a virtual machine shows. Without a line of flags nothing is known.
static const char *pick_hypervisor(const char *cpuinfo)
{
    char flags[TEXT_BYTES];
    pick_line(cpuinfo, "flags", flags, sizeof flags);
    if (!flags[0])
        return "";
    for (char *rest = flags, *flag; (flag = strsep(&rest, " "));) {
        if (strcmp(flag, "hypervisor") == 0)
            return "yes";
    }
    return "no";
}

// That of all allowed processors, or "mixed".
static void add_governor(struct environment *environment, const struct topology *topology, const char *root)
{
    char governor[64] = "";
    for (unsigned i = 0; i < topology->count; i++) {
        char path[PATH_BYTES], text[64], line[64];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", topology->cpus[i].os);
        read_text(root, path, text, sizeof text);
        pick_line(text, NULL, line, sizeof line);
        if (i > 0 && strcmp(governor, line) != 0) {
            add(environment, "governor", "mixed");
            return;
        }
        snprintf(governor, sizeof governor, "%s", line);
    }
    add(environment, "governor", "%s", governor);
}

// One driver tells whether it is off, the others whether it is on.
static void add_turbo(struct environment *environment, const char *root)
{
    char text[16];
    const char *value = "";
    if (read_text(root, "/sys/devices/system/cpu/intel_pstate/no_turbo", text, sizeof text))
        value = text[0] == '0' ? "on" : "off";
    else if (read_text(root, "/sys/devices/system/cpu/cpufreq/boost", text, sizeof text))
        value = text[0] == '0' ? "off" : "on";
    add(environment, "turbo", "%s", value);
}

// The setting, and whether a debugger or a tool has switched it off for this process alone.
static void add_aslr(struct environment *environment, const char *root)
{
    char text[16], line[16];
    read_text(root, "/proc/sys/kernel/randomize_va_space", text, sizeof text);
    pick_line(text, NULL, line, sizeof line);
    const int persona = personality(0xffffffff);
    const bool off = persona != -1 && (persona & ADDR_NO_RANDOMIZE);
    add(environment, "aslr", "%s%s", line, line[0] && off ? " (off in this process)" : "");
}

// ------------------------------------------------------------------------------------------------ mitigations

#define MITIGATIONS_FOLDER "/sys/devices/system/cpu/vulnerabilities"

static void append_word(char *words, size_t size, const char *word)
{
    const size_t length = strlen(words);
    snprintf(words + length, size - length, " %s", word);
}

// Names what the kernel pays for and what it leaves open; the details would be a page.
static void add_mitigations(struct environment *environment, const char *root)
{
    char folder[PATH_BYTES], open[512] = "", paid[512] = "";
    struct dirent **names;
    snprintf(folder, sizeof folder, "%s" MITIGATIONS_FOLDER, root);
    const int count = scandir(folder, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[PATH_BYTES], text[64];
        snprintf(path, sizeof path, MITIGATIONS_FOLDER "/%s", names[i]->d_name);
        read_text(root, path, text, sizeof text);
        if (strncmp(text, "Vulnerable", 10) == 0)
            append_word(open, sizeof open, names[i]->d_name);
        else if (strncmp(text, "Mitigation", 10) == 0)
            append_word(paid, sizeof paid, names[i]->d_name);
        free(names[i]);
    }
    if (count < 0) {
        add(environment, "mitigations", "%s", "");
        return;
    }
    free(names);
    add(environment, "mitigations", "vulnerable:%s; mitigated:%s", open[0] ? open : " none", paid[0] ? paid : " none");
}

// ------------------------------------------------------------------------------------------------ cgroup

// What one group allows, in processors; negative: it sets no limit.
static double group_quota(const char *root, const char *folder, bool unified)
{
    char path[PATH_BYTES], text[64];
    double quota_us = -1, period_us = 0;
    if (unified) {
        snprintf(path, sizeof path, "%s/cpu.max", folder);
        if (read_text(root, path, text, sizeof text) && sscanf(text, "%lf %lf", &quota_us, &period_us) != 2)
            return -1; // "max 100000"
    } else {
        snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
        if (read_text(root, path, text, sizeof text))
            quota_us = strtod(text, NULL);
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        if (read_text(root, path, text, sizeof text))
            period_us = strtod(text, NULL);
    }
    return quota_us > 0 && period_us > 0 ? quota_us / period_us : -1;
}

// The tightest limit from `group` up to the root of its hierarchy; negative: none.
static double tightest_quota(const char *root, const char *mount, const char *group, bool unified)
{
    char folder[PATH_BYTES / 2];
    const size_t top = strlen(mount);
    snprintf(folder, sizeof folder, "%s%s", mount, strcmp(group, "/") == 0 ? "" : group);
    double tightest = -1;
    for (;;) {
        const double quota = group_quota(root, folder, unified);
        if (quota > 0 && (tightest < 0 || quota < tightest))
            tightest = quota;
        if (strlen(folder) <= top)
            return tightest;
        *strrchr(folder, '/') = '\0';
    }
}

// Whether a comma-separated list of a hierarchy's controllers has the one for processor time.
static bool has_cpu_controller(const char *controllers)
{
    return strcmp(controllers, "cpu") == 0 || strncmp(controllers, "cpu,", 4) == 0 || strstr(controllers, ",cpu,") ||
           (strlen(controllers) > 4 && strcmp(controllers + strlen(controllers) - 4, ",cpu") == 0);
}

// Each line of /proc/self/cgroup is hierarchy:controllers:group, without controllers for the unified one.
static void add_cgroup_quota(struct environment *environment, const char *root)
{
    char text[TEXT_BYTES];
    if (!read_text(root, "/proc/self/cgroup", text, sizeof text)) {
        add(environment, "cgroup_quota_cpus", "%s", "");
        return;
    }
    double tightest = -1;
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        const char *hierarchy = strsep(&line, ":"), *controllers = strsep(&line, ":");
        if (!hierarchy || !controllers || !line)
            continue;
        double quota = -1;
        if (!controllers[0])
            quota = tightest_quota(root, "/sys/fs/cgroup", line, true);
        else if (has_cpu_controller(controllers))
            quota = tightest_quota(root, "/sys/fs/cgroup/cpu", line, false);
        if (quota > 0 && (tightest < 0 || quota < tightest))
            tightest = quota;
    }
    if (tightest > 0)
        add(environment, "cgroup_quota_cpus", "%.2f", tightest);
    else
        add(environment, "cgroup_quota_cpus", "none");
}

// ------------------------------------------------------------------------------------------------ the label

// "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz" with 56 processors becomes "intel-xeon-cpu-e5-2680-v4-56cpu".
static void write_label(char *label, size_t size, const char *model, unsigned cpus)
{
    char count[24];
    const int tail = snprintf(count, sizeof count, "-%ucpu", cpus);
    const size_t room = size - 1 - (size_t)tail;
    size_t length = 0;
    bool gap = false, aside = false;
    for (const char *c = model; *c && *c != '@' && length + gap < room; c++) {
        aside = (aside || *c == '(') && *c != ')';
        if (aside || !isalnum((unsigned char)*c)) {
            gap = length > 0;
            continue;
        }
        if (gap)
            label[length++] = '-';
        gap = false;
        label[length++] = (char)tolower((unsigned char)*c);
    }
    snprintf(label + length, size - length, "%s%s", length ? "" : "unknown", count);
}

// ------------------------------------------------------------------------------------------------ all of it

void environment_read_from(struct environment *environment, const struct topology *topology, const char *root)
{
    char cpuinfo[TEXT_BYTES], model[128];
    struct utsname system;
    *environment = (struct environment){0};
    read_text(root, "/proc/cpuinfo", cpuinfo, sizeof cpuinfo);
    pick_cpu_model(cpuinfo, model, sizeof model);
    add(environment, "cpu_model", "%s", model);
    add(environment, "architecture", "%s", uname(&system) == 0 ? system.machine : "");
    add(environment, "hypervisor", "%s", pick_hypervisor(cpuinfo));
    add_topology(environment, topology);
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
        add_source(environment, root, &sources[i]);
    add_governor(environment, topology, root);
    add_turbo(environment, root);
    add_mitigations(environment, root);
    add_aslr(environment, root);
    add_cgroup_quota(environment, root);
    add(environment, "page_size_bytes", "%ld", sysconf(_SC_PAGESIZE));
    add(environment, "memory_binding", "%s", memory_binding());
    add(environment, "libc", "glibc %s", gnu_get_libc_version());
    write_label(environment->machine, sizeof environment->machine, model[0] ? model : environment->facts[1].value,
                topology->online);
}

void environment_read(struct environment *environment, const struct topology *topology)
{
    environment_read_from(environment, topology, "");
}

// The first line is "cpu user nice system idle iowait irq softirq steal ...".
uint64_t environment_steal_ns(void)
{
    char text[512];
    unsigned long long steal;
    const long ticks_per_s = sysconf(_SC_CLK_TCK);
    if (!read_text("", "/proc/stat", text, sizeof text) || ticks_per_s <= 0 ||
        sscanf(text, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &steal) != 1)
        return UINT64_MAX;
    return (uint64_t)steal * (1000000000u / (uint64_t)ticks_per_s);
}
