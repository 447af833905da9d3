// SPDX-License-Identifier: Apache-2.0
// One thread that looks whether the others get on, and ends the process when they do not.
#ifndef READYQ_CHECK_CONFORMANCE_WATCHDOG_H
#define READYQ_CHECK_CONFORMANCE_WATCHDOG_H

#include "core/check/conformance.h"

// Starts it; there is one at a time. 0 or a negative errno and a sentence. `options` and `queue` outlive it.
int watchdog_start(const struct conformance_options *options, const char *queue, struct fault *fault);
void watchdog_stop(void);

// What is being checked from now on, for the sentence. Not copied.
void watchdog_name(const char *check);

// Something moves. Any thread.
void watchdog_beat(void);

#endif
