// SPDX-License-Identifier: Apache-2.0
#include "core/check/conformance/watchdog.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/machine/clock.h"
#include "core/sync/thread.h"

static struct {
    struct thread thread;
    _Atomic uint64_t beats;
    _Atomic uint32_t stop;
    _Atomic(const char *) check;
    const char *queue;
    const struct conformance_options *options;
} watchdog;

void watchdog_beat(void)
{
    at_add_rlx(&watchdog.beats, 1);
}

void watchdog_name(const char *check)
{
    at_store_rlx(&watchdog.check, check);
    watchdog_beat();
}

static void bark(void)
{
    char sentence[160];
    snprintf(sentence, sizeof sentence, "%s: nothing has moved for %u s", at_load_rlx(&watchdog.check),
             watchdog.options->stuck_s);
    if (watchdog.options->stuck)
        watchdog.options->stuck(watchdog.options->argument, sentence);
    else
        fprintf(stderr, "%s: %s\n", watchdog.queue, sentence);
    abort();
}

static void watch(void *argument)
{
    (void)argument;
    const struct timespec nap = {.tv_nsec = 20000000};
    const uint64_t stuck_ns = watchdog.options->stuck_s * UINT64_C(1000000000);
    uint64_t beats = 0, since_ns = clock_system_ns();
    while (!at_load_rlx(&watchdog.stop)) {
        nanosleep(&nap, NULL);
        const uint64_t now = at_load_rlx(&watchdog.beats), now_ns = clock_system_ns();
        if (now != beats) {
            beats = now;
            since_ns = now_ns;
        } else if (now_ns - since_ns > stuck_ns) {
            bark();
        }
    }
}

int watchdog_start(const struct conformance_options *options, const char *queue, struct fault *fault)
{
    const struct thread_options named = {.name = "watchdog", .cpu = -1};
    watchdog.options = options;
    watchdog.queue = queue;
    at_store_rlx(&watchdog.stop, 0);
    at_store_rlx(&watchdog.check, "start");
    const int result = thread_start(&watchdog.thread, &named, watch, NULL);
    return result == 0 ? 0 : fault_set(fault, result, "the watchdog: %s", fault_no_thread(result));
}

void watchdog_stop(void)
{
    at_store_rlx(&watchdog.stop, 1);
    thread_join(&watchdog.thread);
}
