// SPDX-License-Identifier: Apache-2.0
// The conformance suite: holds any queue against the contract of core/queue.h and against its own traits.
//
// Link with readyq_conformance (tests/CMakeLists.txt), which sets the trap for malloc.
#ifndef READYQ_TESTS_CONFORMANCE_H
#define READYQ_TESTS_CONFORMANCE_H

#include "core/fault.h"
#include "core/queue_client.h"

// Runs the check named `only`, or all for NULL, as far as they apply to the queue's traits; a baseline passes
// where it can do no harm. 0, or -EINVAL and one sentence "<check>: what was wrong". When nothing moves
// for `stuck_s` seconds, it prints which check is stuck and aborts, for threads that hang can't be joined.
int conformance_run(const struct queue_choice *choice, const char *only, unsigned stuck_s, struct fault *fault);

#endif
