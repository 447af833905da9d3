// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/machine/clock.h"
#include "core/machine/memory.h"
#include "tests/conformance/parts.h"

// What a check needs of a queue to make sense.
enum need { NEED_NOTHING, NEED_QUEUE, NEED_CAPACITY, NEED_PREPARE, NEED_EXACT, NEED_GARBAGE, NEED_LENGTH };

static const struct {
    const char *name;
    int (*run)(struct suite *suite);
    enum need need;
} checks[] = {
    {"model", check_model, NEED_NOTHING},       {"loops", check_loops, NEED_EXACT},
    {"capacity", check_capacity, NEED_QUEUE},   {"prepared", check_prepared, NEED_PREPARE},
    {"no_memory", check_no_memory, NEED_QUEUE}, {"reuse", check_reuse, NEED_QUEUE},
    {"notify", check_notify, NEED_EXACT},       {"garbage", check_garbage, NEED_GARBAGE},
    {"length", check_length, NEED_LENGTH},      {"delivery", check_delivery, NEED_QUEUE},
    {"churn", check_churn, NEED_QUEUE},         {"sleep", check_sleep, NEED_EXACT},
};

#define CHECKS (sizeof checks / sizeof checks[0])

static bool applies(const struct suite *suite, enum need need)
{
    const struct queue_ops *ops = suite->ops;
    if (suite->traits->baseline)
        return need == NEED_NOTHING;
    switch (need) {
    case NEED_PREPARE:
        return ops->prepare;
    case NEED_EXACT:
        return suite->traits->empty_exact;
    case NEED_GARBAGE:
        return ops->take_garbage;
    case NEED_LENGTH:
        return ops->length;
    default:
        return true;
    }
}

// The watchdog: one thread that looks whether the beats go on.
static struct {
    struct thread thread;
    _Atomic uint64_t beats;
    _Atomic uint32_t stop;
    _Atomic(const char *) check;
    const char *queue;
    unsigned stuck_s;
} watchdog;

void suite_beat(void)
{
    at_add_rlx(&watchdog.beats, 1);
}

static void watch(void *argument)
{
    (void)argument;
    const struct timespec nap = {.tv_nsec = 20000000};
    uint64_t beats = 0, since_ns = clock_system_ns();
    while (!at_load_rlx(&watchdog.stop)) {
        nanosleep(&nap, NULL);
        const uint64_t now = at_load_rlx(&watchdog.beats), now_ns = clock_system_ns();
        if (now != beats) {
            beats = now;
            since_ns = now_ns;
        } else if (now_ns - since_ns > watchdog.stuck_s * UINT64_C(1000000000)) {
            fprintf(stderr, "%s: %s: nothing has moved for %u s\n", watchdog.queue, at_load_rlx(&watchdog.check),
                    watchdog.stuck_s);
            abort();
        }
    }
}

int suite_fail(struct suite *suite, const char *format, ...)
{
    struct lock_node node;
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lock_acquire(&suite->fault_lock, &node);
    fault_set(suite->fault, -EINVAL, "%s", text);
    lock_release(&suite->fault_lock, &node);
    at_store_rel(&suite->failed, 1, AT(test_suite_fail, test_suite_failed));
    return -EINVAL;
}

bool suite_failed(struct suite *suite)
{
    return at_load_acq(&suite->failed, AT(test_suite_failed, test_suite_fail)) != 0;
}

int suite_judge(struct suite *suite, struct item_log *const *logs, size_t count, const uint64_t *enqueued,
                unsigned producers)
{
    struct item_verdict verdict;
    if (item_log_judge(logs, count, enqueued, producers, &verdict) != 0)
        return suite_fail(suite, "no memory for the log");
    const struct {
        const char *name;
        uint64_t items;
    } faults[] = {{"lost", verdict.lost},
                  {"duplicated", verdict.duplicated},
                  {"invented", verdict.invented},
                  {"out of order", suite->traits->order == QUEUE_ORDER_RELAXED ? 0 : verdict.reordered}};
    char text[200] = "";
    size_t length = 0;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        if (faults[i].items > 0)
            length += (size_t)snprintf(text + length, sizeof text - length, " %s: %llu;", faults[i].name,
                                       (unsigned long long)faults[i].items);
    return length == 0 ? 0 : suite_fail(suite, "items%s of %llu", text, (unsigned long long)verdict.received);
}

uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

int suite_open(struct suite *suite)
{
    test_env_init(&suite->env, suite->ops, suite->progress);
    return queue_open(&suite->queue, suite->choice, &suite->env.env, suite->fault);
}

int suite_close(struct suite *suite)
{
    queue_close(&suite->queue);
    return test_env_fini(&suite->env, suite->fault);
}

unsigned suite_producers(const struct suite *suite, unsigned most)
{
    return suite->traits->producers == QUEUE_ONE ? 1 : most;
}

unsigned suite_consumers(const struct suite *suite, unsigned most)
{
    return suite->traits->consumers == QUEUE_ONE ? 1 : most;
}

struct progress_thread *suite_register(struct suite *suite, enum queue_thread_kind kind)
{
    return kind == QUEUE_MANAGED ? progress_register_managed(suite->progress, NULL, NULL)
                                 : progress_register_unmanaged(suite->progress, NULL, NULL);
}

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
static _Atomic uint32_t curtain;

static void actor_body(void *argument)
{
    struct actor *self = argument;
    struct progress *progress = self->suite->progress;
    SPIN_UNTIL(at_load_acq(&curtain, AT(test_curtain_look, test_curtain_rise)) != 0);
    self->random = self->suite->random + (self->index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    self->place = self->kind == QUEUE_MANAGED
                      ? progress_register_managed(progress, self->wakeup, self->wakeup_argument)
                      : progress_register_unmanaged(progress, self->wakeup, self->wakeup_argument);
    self->act(self);
    progress_unregister(self->place);
}

int actors_run(struct actor *actors, unsigned count)
{
    const struct thread_options options = {.name = "actor", .cpu = -1};
    at_store_rlx(&curtain, 0);
    for (unsigned i = 0; i < count; i++) {
        if (thread_start(&actors[i].thread, &options, actor_body, &actors[i]) != 0) {
            fprintf(stderr, "no thread to be had\n");
            abort(); // those that have started wait for the others
        }
    }
    at_store_rel(&curtain, 1, AT(test_curtain_rise, test_curtain_look));
    for (unsigned i = 0; i < count; i++)
        thread_join(&actors[i].thread);
    random_next(&actors[0].suite->random);
    return suite_failed(actors[0].suite) ? -EINVAL : 0;
}

static int run_check(const struct queue_choice *choice, size_t check, struct fault *fault)
{
    struct fault inner = {""};
    struct suite *suite = calloc(1, sizeof *suite);
    if (!suite)
        return fault_set(fault, -ENOMEM, "no memory for the suite");
    *suite = (struct suite){.choice = choice, .ops = choice->entry->ops, .traits = &choice->traits, .fault = &inner};
    suite->random = UINT64_C(0x2545f4914f6cdd1d);
    lock_init(&suite->fault_lock, LOCK_MUTEX);
    int result = 0;
    if (applies(suite, checks[check].need)) {
        result = progress_create(&suite->progress, &memory_system, SUITE_THREADS_MAX, SUITE_THREADS_MAX);
        if (result == 0) {
            at_store_rlx(&watchdog.check, checks[check].name);
            suite_beat();
            result = checks[check].run(suite);
            progress_destroy(suite->progress);
        }
    }
    lock_fini(&suite->fault_lock);
    free(suite);
    return result == 0 ? 0 : fault_set(fault, -EINVAL, "%s: %s", checks[check].name, inner.text);
}

int conformance_run(const struct queue_choice *choice, const char *only, unsigned stuck_s, struct fault *fault)
{
    const struct thread_options options = {.name = "watchdog", .cpu = -1};
    watchdog.queue = choice->entry->name;
    watchdog.stuck_s = stuck_s;
    at_store_rlx(&watchdog.stop, 0);
    at_store_rlx(&watchdog.check, "start");
    int result = thread_start(&watchdog.thread, &options, watch, NULL);
    if (result != 0)
        return fault_set(fault, result, "no thread for the watchdog");
    bool known = false;
    for (size_t check = 0; check < CHECKS && result == 0; check++) {
        if (only && strcmp(only, checks[check].name) != 0)
            continue;
        known = true;
        result = run_check(choice, check, fault);
    }
    if (!known)
        result = fault_set(fault, -EINVAL, "there is no check named %s", only);
    at_store_rlx(&watchdog.stop, 1);
    thread_join(&watchdog.thread);
    return result;
}
