// SPDX-License-Identifier: Apache-2.0
// For tests of thread progress: a managed thread under command, so that what it confirms is decided by the test.
#ifndef READYQ_TESTS_PROGRESS_PUPPET_H
#define READYQ_TESTS_PROGRESS_PUPPET_H

#include "core/sync/atomic.h"
#include "core/sync/progress.h"
#include "core/sync/thread.h"
#include "tests/unit.h"

// A managed thread that does one thing at a time as told.
enum command { NOTHING, UPDATE, SLEEP, WAKE, LEAVE };

struct puppet {
    struct progress *progress;
    struct thread thread;
    _Atomic uint32_t command;
};

static inline void nobody(void *argument)
{
    (void)argument;
}

static inline void puppet_body(void *argument)
{
    struct puppet *puppet = argument;
    struct progress_thread *self = progress_register_managed(puppet->progress, nobody, NULL);
    at_store_rel(&puppet->command, NOTHING, AT(test_progress_ready, test_progress_done));
    for (;;) {
        uint32_t command;
        SPIN_UNTIL((command = at_load_acq(&puppet->command, AT(test_progress_obey, test_progress_order))) != NOTHING);
        if (command == UPDATE)
            progress_update(self);
        else if (command == SLEEP)
            progress_prepare_wait(self);
        else if (command == WAKE)
            progress_finalize_wait(self);
        else
            break;
        at_store_rel(&puppet->command, NOTHING, AT(test_progress_did, test_progress_done));
    }
    progress_unregister(self);
}

static inline void puppet_wait(struct puppet *puppet)
{
    SPIN_UNTIL(at_load_acq(&puppet->command, AT(test_progress_done, test_progress_did, test_progress_ready)) ==
               NOTHING);
}

static inline void puppet_do(struct puppet *puppet, enum command command)
{
    at_store_rel(&puppet->command, command, AT(test_progress_order, test_progress_obey));
    if (command == LEAVE)
        thread_join(&puppet->thread);
    else
        puppet_wait(puppet);
}

static inline void puppet_start(struct puppet *puppet, struct progress *progress)
{
    puppet->progress = progress;
    at_init(&puppet->command, WAKE);
    const struct thread_options options = {.cpu = -1};
    assert_int_equal(thread_start(&puppet->thread, &options, puppet_body, puppet), 0);
    puppet_wait(puppet);
}

#endif
