// SPDX-License-Identifier: Apache-2.0
// What the parts of the conformance suite share.
#ifndef READYQ_CHECK_CONFORMANCE_PARTS_H
#define READYQ_CHECK_CONFORMANCE_PARTS_H

#include <errno.h>

#include "core/check/conformance.h"
#include "core/check/conformance/env.h"
#include "core/check/conformance/watchdog.h"
#include "core/history/check_witness.h"
#include "core/item_log.h"
#include "core/sync/lock.h"
#include "core/sync/progress.h"
#include "core/sync/thread.h"

// One check at work on one queue.
struct suite {
    const struct conformance_options *options;
    const struct queue_choice *choice;
    const struct queue_ops *ops;
    const struct queue_traits *traits;
    struct fault *fault;
    struct progress *progress; // a domain, fresh for this check
    struct check_env env;      // likewise
    struct queue queue;        // opened by suite_open
    uint64_t random;           // state of suite_random
    bool stalls;               // actors are stopped now and then
    struct lock fault_lock;    //
    int error;                 // guarded by it: -EINVAL, or what the machine refused
    _Atomic uint32_t failed;   //
};

// Threads on one side at most, however many processors there are.
#define SIDE_MOST 32u
#define SUITE_THREADS_MAX (2 * SIDE_MOST + 1)

// Records the first thing found wrong; returns -EINVAL. Any thread.
__attribute__((format(printf, 2, 3))) int suite_fail(struct suite *suite, const char *format, ...);
// The same for what is not the queue's fault: `error` is -ENOMEM or -EAGAIN, and is returned.
int suite_refuse(struct suite *suite, int error, const char *sentence);
// Whether anything was. Any thread.
bool suite_failed(struct suite *suite);

// What a queue's function answered, in a word: "EMPTY", "ENOMEM".
const char *suite_answer(int result);
// An item as histories name it, "3:60".
struct history_item_name suite_item(uintptr_t item);

// So many rounds, scaled as the options ask; fewer under sanitizers, which slow everything down. At least 1.
unsigned suite_rounds(const struct suite *suite, unsigned rounds);

// 0, or a negative errno and a sentence.
int suite_open(struct suite *suite);
int suite_close(struct suite *suite);

// Number of threads on a side, as the traits allow.
unsigned suite_producers(const struct suite *suite, unsigned most);
unsigned suite_consumers(const struct suite *suite, unsigned most);

// Processors that this process may use.
unsigned suite_processors(void);

// Holds what was received against what was enqueued. 0, or a negative errno and a sentence that names what is not as it
// should be.
int suite_judge(struct suite *suite, struct item_log *const *logs, size_t count, const uint64_t *enqueued,
                unsigned producers);

// The next of a sequence of random numbers; `*state` is not 0.
uint64_t suite_random(uint64_t *state);

// A thread of a check, with what every one needs.
struct actor {
    struct suite *suite;
    unsigned index;
    void (*act)(struct actor *self);
    void *shared;
    enum queue_thread_kind kind;   // in thread progress
    void (*wakeup)(void *);        // of its registration; NULL: none
    void *wakeup_argument;         //
    struct progress_thread *place; // its registration
    uint64_t random;
    struct thread thread;
};

// Starts all, registered as their kind says, stops some now and then if the suite says so, and waits for their end. 0,
// or a negative errno and a sentence.
int actors_run(struct actor *actors, unsigned count);

// Gives the processor up, being quiescent meanwhile.
void actor_yield(struct actor *self);
// Passes a quiescent point.
void actor_quiescent(struct actor *self);

// Registers the calling thread as `kind` and ends that.
struct progress_thread *suite_register(struct suite *suite, enum queue_thread_kind kind);

// The checks. 0, or a negative errno and a sentence.
int check_model(struct suite *suite);
int check_capacity(struct suite *suite);
int check_prepared(struct suite *suite);
int check_no_memory(struct suite *suite);
int check_reuse(struct suite *suite);
int check_notify(struct suite *suite);
int check_garbage(struct suite *suite);
int check_length(struct suite *suite);
int check_batches(struct suite *suite);
int check_delivery(struct suite *suite);
int check_crowds(struct suite *suite);
int check_churn(struct suite *suite);
int check_loops(struct suite *suite);
int check_sleep(struct suite *suite);
int check_stalls(struct suite *suite);
int check_nonempty(struct suite *suite);
int check_history(struct suite *suite);

#endif
