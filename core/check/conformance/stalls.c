// SPDX-License-Identifier: Apache-2.0
#include "core/check/conformance/stalls.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <ucontext.h>

#include "core/check/conformance/parts.h"

// One that is ignored by default, so that it does no harm to whoever gets it too late.
#define STALL_SIGNAL SIGURG

// Steps of a walk, about what an operation takes; and the length of the stop behind it.
#define STEPS_MOST 128u
#define WALK_NAP_MOST_NS 20000u

static struct sigaction before, before_steps;
static int slack_ns;               // of the timers of this thread, and of those that it starts
static _Atomic uint32_t length_ns; // of the stall being made
static _Atomic uint64_t count;

static __thread struct {
    bool wanted;
    uint32_t steps_left;
    uint32_t nap_ns;
} walk;

// Only what a handler may: it may have interrupted malloc, or the queue.
static void stop_here(uint32_t nap_ns)
{
    const int error = errno;
    const struct timespec nap = {.tv_nsec = nap_ns};
    nanosleep(&nap, NULL);
    at_add_rlx(&count, 1);
    errno = error;
}

// Has the interrupted thread trap after each instruction, or no more. False: not on this machine.
static bool set_steps(void *context, bool on)
{
#if defined(__x86_64__) && !defined(READYQ_SANITIZED)
    const greg_t trap_flag = 0x100;
    greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];
    *flags = on ? *flags | trap_flag : *flags & ~trap_flag;
    return true;
#else
    (void)context;
    (void)on;
    return false;
#endif
}

static void on_stall(int number, siginfo_t *about, void *context)
{
    (void)number;
    (void)about;
    if (!walk.wanted)
        stop_here(at_load_rlx(&length_ns));
    else
        set_steps(context, true);
    walk.wanted = false;
}

static void on_step(int number, siginfo_t *about, void *context)
{
    (void)number;
    (void)about;
    if (walk.steps_left-- > 0)
        return;
    set_steps(context, false);
    stop_here(walk.nap_ns);
}

static int take_signal(int number, void (*handler)(int, siginfo_t *, void *), struct sigaction *old)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_RESTART | SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, STALL_SIGNAL);
    return sigaction(number, &action, old) == 0 ? 0 : -errno;
}

int stalls_begin(void)
{
    at_store_rlx(&count, 0);
    slack_ns = prctl(PR_GET_TIMERSLACK);
    prctl(PR_SET_TIMERSLACK, 1); // stalls shorter than the usual 50 us
    const int error = take_signal(SIGTRAP, on_step, &before_steps);
    return error ? error : take_signal(STALL_SIGNAL, on_stall, &before);
}

void stalls_end(void)
{
    sigaction(STALL_SIGNAL, &before, NULL);
    sigaction(SIGTRAP, &before_steps, NULL);
    prctl(PR_SET_TIMERSLACK, slack_ns);
}

void stalls_stop(const struct thread *thread, uint64_t *random)
{
    // Half of them so short that many go into a run, half so long that others do much meanwhile.
    const uint64_t drawn = suite_random(random), most = drawn & 1 ? STALL_MOST_NS : STALL_MOST_NS / 20;
    at_store_rlx(&length_ns, (uint32_t)((drawn >> 1) % most));
    thread_signal(thread, STALL_SIGNAL);
}

void stalls_walk(uint64_t *random)
{
    const uint64_t drawn = suite_random(random);
    walk.steps_left = (uint32_t)(drawn >> 32) % STEPS_MOST;
    walk.nap_ns = (uint32_t)drawn % WALK_NAP_MOST_NS;
    walk.wanted = true;
    raise(STALL_SIGNAL);
}

uint64_t stalls_count(void)
{
    return at_load_rlx(&count);
}
