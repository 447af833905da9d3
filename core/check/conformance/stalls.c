// SPDX-License-Identifier: Apache-2.0
#include "core/check/conformance/stalls.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "core/check/conformance/parts.h"

// One that is ignored by default, so that it does no harm to whoever gets it too late.
#define STALL_SIGNAL SIGURG

static struct sigaction before;
static int slack_ns;               // of the timers of this thread, and of those that it starts
static _Atomic uint32_t length_ns; // of the stall being made
static _Atomic uint64_t count;

// Only what a handler may: it may have interrupted malloc, or the queue.
static void stop_here(int number)
{
    (void)number;
    const int error = errno;
    const struct timespec nap = {.tv_nsec = at_load_rlx(&length_ns)};
    nanosleep(&nap, NULL);
    at_add_rlx(&count, 1);
    errno = error;
}

int stalls_begin(void)
{
    struct sigaction action = {.sa_handler = stop_here, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    at_store_rlx(&count, 0);
    slack_ns = prctl(PR_GET_TIMERSLACK);
    prctl(PR_SET_TIMERSLACK, 1); // stalls shorter than the usual 50 us
    return sigaction(STALL_SIGNAL, &action, &before) == 0 ? 0 : -errno;
}

void stalls_end(void)
{
    sigaction(STALL_SIGNAL, &before, NULL);
    prctl(PR_SET_TIMERSLACK, slack_ns);
}

void stalls_stop(const struct thread *thread, uint64_t *random)
{
    // Half of them so short that many go into a run, half so long that others do much meanwhile.
    const uint64_t drawn = suite_random(random), most = drawn & 1 ? STALL_MOST_NS : STALL_MOST_NS / 20;
    at_store_rlx(&length_ns, (uint32_t)((drawn >> 1) % most));
    thread_signal(thread, STALL_SIGNAL);
}

uint64_t stalls_count(void)
{
    return at_load_rlx(&count);
}
