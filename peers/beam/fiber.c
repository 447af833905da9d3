// SPDX-License-Identifier: Apache-2.0
#include "peers/beam/fiber.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK_BYTES (1u << 20)

int fiber_make(struct fiber *fiber, void (*body)(void))
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    fiber->body = body;
    fiber->bytes = STACK_BYTES + page;
    fiber->stack = mmap(NULL, fiber->bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (fiber->stack == MAP_FAILED)
        return -ENOMEM;
    // What overflows its stack is stopped at once.
    return mprotect(fiber->stack, page, PROT_NONE) == 0 ? 0 : -errno;
}

// makecontext passes ints only.
static void run(unsigned high, unsigned low)
{
    struct fiber *fiber = (struct fiber *)((uintptr_t)high << 32 | low); // NOLINT
    fiber->body();
    _longjmp(fiber->outside, 1);
}

void fiber_begin(struct fiber *fiber)
{
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = fiber->stack;
    context.uc_stack.ss_size = fiber->bytes;
    context.uc_link = NULL;
    const uintptr_t address = (uintptr_t)fiber;
    makecontext(&context, (void (*)(void))run, 2, (unsigned)(address >> 32), (unsigned)address);
    if (!_setjmp(fiber->outside))
        setcontext(&context);
}

void fiber_resume(struct fiber *fiber)
{
    if (!_setjmp(fiber->outside))
        _longjmp(fiber->inside, 1);
}

void fiber_leave(struct fiber *fiber)
{
    if (!_setjmp(fiber->inside))
        _longjmp(fiber->outside, 1);
}

void fiber_end(struct fiber *fiber)
{
    munmap(fiber->stack, fiber->bytes);
    fiber->stack = NULL;
}
