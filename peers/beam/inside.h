// SPDX-License-Identifier: Apache-2.0
// What the two sides of pool beam share, and the parts of the driver among themselves.
#ifndef READYQ_PEERS_BEAM_INSIDE_H
#define READYQ_PEERS_BEAM_INSIDE_H

#include <stdbool.h>

#include "core/pool.h"

// Names the descriptor of the file with the command line, a NUL after each word.
#define BEAM_WORDS "READYQ_BEAM_WORDS"

// The pool inside ERTS, set before the program's main is called there; NULL outside.
extern const struct pool_ops *beam_inside;

// ---------------------------------------------------------------- of the driver: pool.c, called by driver.c

struct beam_job;

extern const struct pool_ops beam_inside_ops;

// By the scheduler's thread, in a callback of the port: a turn of whatever waits for it. Returns whether there is to be
// another one as soon as ERTS has looked after what else it has to do; otherwise beam_call asks for the next.
bool beam_turn(void);

// By an async thread.
void beam_invoke(void *job);

// By the scheduler's thread, as ready_async of the port.
void beam_ready(void *job);

// ---------------------------------------------------------------- of the driver: driver.c, called by pool.c

// By any thread: has the port's process call beam_turn soon.
void beam_call(void);

// As driver_async, on the driver's port.
long beam_async(unsigned *key, struct beam_job *job);

// Async threads that the emulator has.
unsigned beam_async_threads(void);

#endif
