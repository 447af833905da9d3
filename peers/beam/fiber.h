// SPDX-License-Identifier: Apache-2.0
// A function on a stack of its own, which may leave off anywhere and go on later where it was, on the same thread.
//
// Its stack is entered by makecontext and swapcontext once; from then on _setjmp and _longjmp do, which save no signal
// mask and so make no system call.
#ifndef READYQ_PEERS_BEAM_FIBER_H
#define READYQ_PEERS_BEAM_FIBER_H

#include <setjmp.h>
#include <stddef.h>

// Memory belongs to the caller, zeroed; in use from fiber_make to fiber_end.
struct fiber {
    void (*body)(void);
    char *stack;
    size_t bytes;
    jmp_buf inside;
    jmp_buf outside;
};

// 0 or a negative errno.
int fiber_make(struct fiber *fiber, void (*body)(void));

// Runs the body until it leaves off or ends; the first time, from its beginning. Not from inside.
void fiber_begin(struct fiber *fiber);
void fiber_resume(struct fiber *fiber);

// From inside: fiber_begin or fiber_resume returns, and this when it is resumed.
void fiber_leave(struct fiber *fiber);

// Its body has ended, or goes on no more.
void fiber_end(struct fiber *fiber);

#endif
