// SPDX-License-Identifier: Apache-2.0
// The threads of a check: how they start together, are stopped now and then, and end.
#include <time.h>

#include "core/check/conformance/parts.h"
#include "core/check/conformance/stalls.h"

void actor_quiescent(struct actor *self)
{
    if (self->kind == QUEUE_MANAGED)
        progress_update(self->place);
}

void actor_yield(struct actor *self)
{
    if (self->kind == QUEUE_MANAGED)
        progress_prepare_wait(self->place);
    thread_yield();
    if (self->kind == QUEUE_MANAGED)
        progress_finalize_wait(self->place);
}

// Actors wait for each other, so that none is done before the last has started.
enum { CURTAIN_DOWN, CURTAIN_UP, CURTAIN_CANCELLED };
static _Atomic uint32_t curtain;
static _Atomic uint32_t acting; // not done yet

static void actor_body(void *argument)
{
    struct actor *self = argument;
    struct progress *progress = self->suite->progress;
    SPIN_UNTIL(at_load_acq(&curtain, AT(check_curtain_look, check_curtain_rise)) != CURTAIN_DOWN);
    if (at_load_rlx(&curtain) == CURTAIN_CANCELLED)
        return;
    self->random = (self->suite->random + (self->index + 1) * UINT64_C(0x9e3779b97f4a7c15)) | 1;
    self->place = self->kind == QUEUE_MANAGED
                      ? progress_register_managed(progress, self->wakeup, self->wakeup_argument)
                      : progress_register_unmanaged(progress, self->wakeup, self->wakeup_argument);
    self->act(self);
    progress_unregister(self->place);
    at_sub_rlx(&acting, 1);
}

// Between two stalls at most.
#define STALL_PAUSE_NS 20000u

// So many in one run: under a lock that is handed on in turn, each costs all threads its whole length.
#define STALLS_MOST 1500u

// Stops one actor after the other until all are done, or it is enough.
static void stall_actors(struct actor *actors, unsigned count)
{
    uint64_t random = actors[0].suite->random;
    for (unsigned left = suite_rounds(actors[0].suite, STALLS_MOST); left > 0 && at_load_rlx(&acting) > 0; left--) {
        const struct timespec nap = {.tv_nsec = 1000 + (long)(suite_random(&random) % STALL_PAUSE_NS)};
        nanosleep(&nap, NULL);
        stalls_stop(&actors[suite_random(&random) % count].thread, &random);
    }
}

static void start_all(struct actor *actors, unsigned count)
{
    const struct thread_options options = {.name = "actor", .cpu = -1};
    struct suite *suite = actors[0].suite;
    int error = 0;
    at_store_rlx(&curtain, CURTAIN_DOWN);
    at_store_rlx(&acting, count);
    for (unsigned i = 0; i < count && !error; i++)
        error = thread_start(&actors[i].thread, &options, actor_body, &actors[i]);
    if (error) {
        suite_refuse(suite, error, fault_no_thread(error));
        at_store_rlx(&acting, 0);
    }
    at_store_rel(&curtain, error ? CURTAIN_CANCELLED : CURTAIN_UP, AT(check_curtain_rise, check_curtain_look));
}

int actors_run(struct actor *actors, unsigned count)
{
    struct suite *suite = actors[0].suite;
    const bool stalls = suite->stalls && stalls_begin() == 0;
    start_all(actors, count);
    if (stalls)
        stall_actors(actors, count);
    for (unsigned i = 0; i < count; i++)
        thread_join(&actors[i].thread);
    if (stalls)
        stalls_end();
    suite_random(&suite->random);
    return suite_failed(suite) ? suite->error : 0;
}
