// SPDX-License-Identifier: Apache-2.0
// The one way in which library code says what went wrong: an errno and one sentence for a person.
#ifndef READYQ_FAULT_H
#define READYQ_FAULT_H

#ifdef __cplusplus
extern "C" {
#endif

// Memory belongs to the caller; one thread at a time. An empty text means that nothing was set.
struct fault {
    char text[1600];
};

// Writes one sentence (printf rules, no trailing newline or full stop needed) and returns `error`, a
// negative errno, so that a caller may write `return fault_set(fault, -EINVAL, "...")`.
// A fault that already holds a sentence is kept: the first cause is the one to report.
// `fault` may be NULL, in which case only the number is passed on.
__attribute__((format(printf, 3, 4))) int fault_set(struct fault *fault, int error, const char *format, ...);

// Why a thread could not be started, by thread_start's negative errno: -EAGAIN has words of its own, for the system's
// ("temporarily unavailable") name neither threads nor what to do.
const char *fault_no_thread(int error);

#ifdef __cplusplus
}
#endif

#endif
