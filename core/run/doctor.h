// SPDX-License-Identifier: Apache-2.0
// What stands between this machine and good measurements: each finding says what is so, why it matters and the exact
// command that changes it; and what a machine such as this cannot show at all. Facts come from files below a root, so
// that tests let it look at other machines.
#ifndef READYQ_RUN_DOCTOR_H
#define READYQ_RUN_DOCTOR_H

#include "core/machine/environment.h"
#include "core/machine/topology.h"

enum doctor_severity {
    DOCTOR_OK,
    DOCTOR_ADVICE,  // numbers would be steadier
    DOCTOR_WARNING, // numbers are likely to be wrong, or runs to be judged suspect or invalid
    DOCTOR_CANNOT,  // nothing to change: this machine can't show it
};

// "ok", "advice", "warning", "cannot".
extern const char *const doctor_severity_names[];

struct doctor_finding {
    const char *name; // of what was looked at, for scripts: "governor"
    enum doctor_severity severity;
    char found[240];
    const char *why;
    char command[240]; // what changes it; empty: nothing does
};

#define DOCTOR_FINDINGS_MAX 48

struct doctor {
    struct doctor_finding findings[DOCTOR_FINDINGS_MAX];
    unsigned count;
};

struct doctor_patient {
    const struct topology *topology;
    const struct environment *environment; // read below the same root
    const char *root;                      // before every path of the system's files; "" but in tests
    bool is_root;                          // whether the user is, who is exempt from some limits
};

// Adds a finding, and returns it for the command; `found` by printf's rules.
__attribute__((format(printf, 5, 6))) struct doctor_finding *doctor_add(struct doctor *doctor, const char *name,
                                                                        enum doctor_severity severity, const char *why,
                                                                        const char *found, ...);

// Sets the command of a finding by printf's rules.
__attribute__((format(printf, 2, 3))) void doctor_command(struct doctor_finding *finding, const char *command, ...);

// The processors: frequency, siblings, isolation, clock, quota, the hypervisor, and what their number and kind hide.
void doctor_examine_processors(struct doctor *doctor, const struct doctor_patient *patient);

// The system: limits, memory, other programs, what counters are permitted.
void doctor_examine_system(struct doctor *doctor, const struct doctor_patient *patient);

// A fact's value; "" if there is none of that name.
const char *doctor_fact(const struct doctor_patient *patient, const char *name);

// The beginning of a file below the root, without a newline at its end. False, and "": it can't be read.
bool doctor_read(const struct doctor_patient *patient, const char *path, char *text, size_t size);

#endif
