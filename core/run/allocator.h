// SPDX-License-Identifier: Apache-2.0
// Which malloc a run is measured with. The program is linked with none but libc's; another one is preloaded into a
// second start of the program, so that every allocation of the run is its.
#ifndef READYQ_RUN_ALLOCATOR_H
#define READYQ_RUN_ALLOCATOR_H

#include "core/fault.h"

// What a run uses when the user does not say: "jemalloc" where it can be had, otherwise "libc".
const char *allocator_default(void);

// Makes sure that `wanted` (NULL: the default) answers malloc, by starting the program again as `argv` says if need
// be; then it does not return. Before any thread, and before anything that would be done twice. 0, or a
// negative errno and a sentence when it was asked for by name and can't be had.
int allocator_ensure(const char *wanted, char *const *argv, struct fault *fault);

// Has a program that takes the place of this one be answered by the same malloc; when it comes to allocator_ensure, all
// is as it was. Where nothing takes its place, allocator_take_back undoes that. 0, or a negative errno and a sentence.
int allocator_pass_on(struct fault *fault);
void allocator_take_back(void);

#endif
