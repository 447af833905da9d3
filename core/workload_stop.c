// SPDX-License-Identifier: Apache-2.0
#include "core/workload_stop.h"

#include <errno.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/machine/clock.h"

// One that is ignored by default, so that it does no harm to whoever gets it too late.
#define STOP_SIGNAL SIGURG
#define SECOND_NS 1000000000u

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static struct timespec time_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / SECOND_NS), .tv_nsec = (long)(ns % SECOND_NS)};
}

// The logarithm in the draw is no function that a handler is promised; it is one that keeps nothing and calls nothing.
static void arm(struct workload_stop *stop)
{
    const double ns = workload_random_exponential(&stop->random, (double)stop->every_ns);
    const struct itimerspec once = {.it_value = time_of((uint64_t)ns + 1)};
    timer_settime(stop->timer, 0, &once, NULL);
}

static void nap(uint64_t ns)
{
    const struct timespec end = time_of(clock_system_ns() + ns);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR) {}
}

static void on_signal(int number, siginfo_t *about, void *context)
{
    (void)number;
    (void)context;
    struct workload_stop *stop = about->si_value.sival_ptr;
    if (about->si_code != SI_TIMER || !stop->running)
        return;
    const int error = errno;
    stop->before(stop->context);
    nap(stop->stop_ns);
    stop->after(stop->context);
    arm(stop);
    errno = error;
}

int workload_stop_open(struct sigaction *before)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_RESTART | SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    return sigaction(STOP_SIGNAL, &action, before) == 0 ? 0 : -errno;
}

void workload_stop_close(const struct sigaction *before)
{
    sigaction(STOP_SIGNAL, before, NULL);
}

int workload_stop_begin(struct workload_stop *stop, uint64_t seed, unsigned thread)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = STOP_SIGNAL};
    event.sigev_notify_thread_id = gettid();
    event.sigev_value.sival_ptr = stop;
    workload_random_init(&stop->random, seed, thread);
    prctl(PR_SET_TIMERSLACK, 1); // stops shorter than the usual 50 us
    if (timer_create(CLOCK_MONOTONIC, &event, &stop->timer) != 0)
        return -errno;
    stop->running = true;
    arm(stop);
    return 0;
}

void workload_stop_end(struct workload_stop *stop)
{
    if (!stop->running)
        return;
    stop->running = false;
    timer_delete(stop->timer);
}
