// SPDX-License-Identifier: Apache-2.0
// What every unit test includes: cmocka with what it needs before it, and the scale of stress loops.
#ifndef READYQ_TESTS_UNIT_H
#define READYQ_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// Stress loops run this many times fewer rounds under sanitizers, which slow everything down.
#ifdef READYQ_SANITIZED
#define ROUNDS(n) ((n) / 10)
#else
#define ROUNDS(n) (n)
#endif

#endif
