// SPDX-License-Identifier: Apache-2.0
#include "core/check/conformance.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check/conformance/parts.h"
#include "core/machine/memory.h"

// What a check needs of a queue to make sense.
enum need {
    NEED_NOTHING,
    NEED_QUEUE,
    NEED_PREPARE,
    NEED_EXACT,
    NEED_GARBAGE,
    NEED_LENGTH,
    NEED_ENV,
    NEED_BATCH,
    NEED_MANY
};

static const struct {
    struct conformance_check check;
    int (*run)(struct suite *suite);
    enum need need;
} checks[] = {
    {{"model", CONFORMANCE_ALONE}, check_model, NEED_NOTHING},
    {{"loops", CONFORMANCE_ALONE}, check_loops, NEED_EXACT},
    {{"capacity", CONFORMANCE_ALONE}, check_capacity, NEED_QUEUE},
    {{"length", CONFORMANCE_ALONE}, check_length, NEED_LENGTH},
    {{"batches", CONFORMANCE_ALONE}, check_batches, NEED_BATCH},
    {{"prepared", CONFORMANCE_MEMORY}, check_prepared, NEED_PREPARE},
    {{"no_memory", CONFORMANCE_MEMORY}, check_no_memory, NEED_ENV},
    {{"reuse", CONFORMANCE_MEMORY}, check_reuse, NEED_QUEUE},
    {{"garbage", CONFORMANCE_MEMORY}, check_garbage, NEED_GARBAGE},
    {{"notify", CONFORMANCE_WAKING}, check_notify, NEED_EXACT},
    {{"sleep", CONFORMANCE_WAKING}, check_sleep, NEED_EXACT},
    {{"delivery", CONFORMANCE_DELIVERY}, check_delivery, NEED_QUEUE},
    {{"crowds", CONFORMANCE_DELIVERY}, check_crowds, NEED_QUEUE},
    {{"churn", CONFORMANCE_DELIVERY}, check_churn, NEED_QUEUE},
    {{"stalls", CONFORMANCE_STALLS}, check_stalls, NEED_QUEUE},
    {{"nonempty", CONFORMANCE_STALLS}, check_nonempty, NEED_MANY},
    {{"history", CONFORMANCE_HISTORY}, check_history, NEED_QUEUE},
};

#define CHECKS (sizeof checks / sizeof checks[0])
_Static_assert(CHECKS <= CONFORMANCE_CHECKS_MOST, "users keep an answer for each");

const char *conformance_group_name(enum conformance_group group)
{
    static const char *const names[] = {"alone", "memory", "waking", "delivery", "stalls", "history"};
    return names[group];
}

const struct conformance_check *conformance_check_at(unsigned index)
{
    return index < CHECKS ? &checks[index].check : NULL;
}

const char *conformance_why_not(const struct queue_choice *choice, unsigned index)
{
    const struct queue_ops *ops = choice->entry->ops;
    const enum need need = checks[index].need;
    if (choice->traits.baseline)
        return need == NEED_NOTHING ? NULL : "a baseline is no queue";
    if (need == NEED_PREPARE && !ops->prepare)
        return "it prepares nothing";
    if ((need == NEED_EXACT || need == NEED_MANY) && !choice->traits.empty_exact)
        return "its EMPTY is not exact";
    if (need == NEED_MANY && (choice->traits.producers == QUEUE_ONE || choice->traits.consumers == QUEUE_ONE))
        return "it is not for many threads on both sides";
    if (need == NEED_GARBAGE && !ops->take_garbage)
        return "it hands no garbage over";
    if (need == NEED_ENV && choice->traits.own_memory)
        return "it takes memory by itself";
    if (need == NEED_BATCH && !ops->enqueue_batch && !ops->dequeue_batch)
        return "it has no batches of its own";
    if (need == NEED_LENGTH && !ops->length)
        return "it tells no length";
    return NULL;
}

static int record_fault(struct suite *suite, int error, const char *text)
{
    struct lock_node node;
    lock_acquire(&suite->fault_lock, &node);
    if (suite->error == 0)
        suite->error = error;
    fault_set(suite->fault, error, "%s", text);
    lock_release(&suite->fault_lock, &node);
    at_store_rel(&suite->failed, 1, AT(check_suite_fail, check_suite_failed));
    return error;
}

int suite_fail(struct suite *suite, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return record_fault(suite, -EINVAL, text);
}

int suite_refuse(struct suite *suite, int error, const char *sentence)
{
    return record_fault(suite, error, sentence);
}

bool suite_failed(struct suite *suite)
{
    return at_load_acq(&suite->failed, AT(check_suite_failed, check_suite_fail)) != 0;
}

unsigned suite_rounds(const struct suite *suite, unsigned rounds)
{
#ifdef READYQ_SANITIZED
    const unsigned slowdown = 5;
#else
    const unsigned slowdown = 1;
#endif
    // Whoever waits for a thread that was stopped uses up its share of the processor first.
    const unsigned crowded = suite->traits->spins ? 20 : 1;
    const uint64_t scaled = (uint64_t)rounds * suite->options->percent / 100 / slowdown / crowded;
    return scaled > 0 ? (unsigned)scaled : 1;
}

int suite_judge(struct suite *suite, struct item_log *const *logs, size_t count, const uint64_t *enqueued,
                unsigned producers)
{
    struct item_verdict verdict;
    if (item_log_judge(logs, count, enqueued, producers, &verdict) != 0)
        return suite_refuse(suite, -ENOMEM, "no memory for the log");
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
            length += (size_t)snprintf(text + length, sizeof text - length, "%s: %llu; ", faults[i].name,
                                       (unsigned long long)faults[i].items);
    return length == 0 ? 0 : suite_fail(suite, "items %scame out: %llu", text, (unsigned long long)verdict.received);
}

const char *suite_answer(int result)
{
    static const char *const names[] = {
        [QUEUE_OK] = "OK", [QUEUE_EMPTY] = "EMPTY", [QUEUE_FULL] = "FULL", [QUEUE_RETRY] = "RETRY"};
    const char *name = result >= 0 && result < (int)(sizeof names / sizeof names[0]) ? names[result]
                       : result < 0                                                  ? strerrorname_np(-result)
                                                                                     : NULL;
    return name ? name : "what is no answer";
}

struct history_item_name suite_item(uintptr_t item)
{
    const struct history queue = {.subject = HISTORY_OF_QUEUE};
    return history_item_name(&queue, item);
}

uint64_t suite_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

int suite_open(struct suite *suite)
{
    check_env_init(&suite->env, suite->ops, suite->progress);
    return queue_open(&suite->queue, suite->choice, &suite->env.env, suite->fault);
}

int suite_close(struct suite *suite)
{
    queue_close(&suite->queue);
    return check_env_fini(&suite->env, suite->fault);
}

unsigned suite_producers(const struct suite *suite, unsigned most)
{
    return suite->traits->producers == QUEUE_ONE ? 1 : most;
}

unsigned suite_consumers(const struct suite *suite, unsigned most)
{
    return suite->traits->consumers == QUEUE_ONE ? 1 : most;
}

unsigned suite_processors(void)
{
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? (unsigned)CPU_COUNT(&allowed) : 1;
}

struct progress_thread *suite_register(struct suite *suite, enum queue_thread_kind kind)
{
    return kind == QUEUE_MANAGED ? progress_register_managed(suite->progress, NULL, NULL)
                                 : progress_register_unmanaged(suite->progress, NULL, NULL);
}

// Each check draws from a sequence of its own, so that it makes the same choices alone as among others. Never 0.
static uint64_t random_of(uint64_t seed, const char *name)
{
    uint64_t mixed = seed + UINT64_C(0x2545f4914f6cdd1d);
    for (; *name; name++)
        mixed = (mixed ^ (uint64_t)*name) * UINT64_C(0x9e3779b97f4a7c15);
    return (mixed ^ mixed >> 29) | 1;
}

static int run_check(const struct queue_choice *choice, const struct conformance_options *options, unsigned index,
                     struct fault *fault)
{
    struct fault inner = {""};
    const char *name = checks[index].check.name;
    struct suite *suite = calloc(1, sizeof *suite);
    if (!suite)
        return fault_set(fault, -ENOMEM, "%s: no memory for the suite", name);
    *suite = (struct suite){.options = options,
                            .choice = choice,
                            .ops = choice->entry->ops,
                            .traits = &choice->traits,
                            .fault = &inner,
                            .random = random_of(options->seed, name)};
    lock_init(&suite->fault_lock, LOCK_MUTEX);
    int result = progress_create(&suite->progress, &memory_system, SUITE_THREADS_MAX, SUITE_THREADS_MAX);
    if (result != 0) {
        fault_set(&inner, result, "thread progress can't be set up: %s", fault_no_thread(result));
    } else {
        watchdog_name(name);
        result = checks[index].run(suite);
        progress_destroy(suite->progress);
    }
    lock_fini(&suite->fault_lock);
    free(suite);
    return result == 0 ? 0 : fault_set(fault, result, "%s: %s", name, inner.text);
}

int conformance_find(const char *name, struct fault *fault)
{
    char known[256] = "";
    size_t used = 0;
    for (unsigned i = 0; i < CHECKS; i++) {
        if (strcmp(name, checks[i].check.name) == 0)
            return (int)i;
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", checks[i].check.name);
    }
    return fault_set(fault, -EINVAL, "there is no check '%.40s'; known are %s", name, known);
}

int conformance_run(const struct queue_choice *choice, const struct conformance_options *options, struct fault *fault)
{
    unsigned first = 0, last = CHECKS;
    if (options->only) {
        const int found = conformance_find(options->only, fault);
        if (found < 0)
            return found;
        first = (unsigned)found;
        last = first + 1;
    }
    int result = watchdog_start(options, choice->entry->name, fault);
    if (result != 0)
        return result;
    for (unsigned index = first; index < last && result == 0; index++)
        if (!conformance_why_not(choice, index))
            result = run_check(choice, options, index, fault);
    watchdog_stop();
    return result;
}
