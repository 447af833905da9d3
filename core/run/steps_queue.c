// SPDX-License-Identifier: Apache-2.0
// The script of a queue: one managed thread is its producer and its consumer.
//
//   pairs     an item goes in and comes out
//   burst     some go in, and all come out
//   empty     a dequeue finds nothing
//   notified  pairs again, of a queue whose consumer may sleep: it is told of each item, as in a pool
//
// Each quantum of pairs, and each burst, the thread passes a quiescent point and reclaims, as the workloads do.
#include <errno.h>

#include "core/run/steps.h"
#include "core/sync/elements.h"
#include "core/sync/progress.h"

#define QUANTUM 32u
#define TRIES 1000u // answers other than OK, of a queue that must have an item, or room

enum kind { ENQUEUE, DEQUEUE, RECLAIM };

struct script {
    struct steps *steps;
    const struct queue_choice *choice;
    struct queue queue;
    struct queue_client producer, consumer;
    struct progress *progress;
    struct progress_thread *self;
    struct elements *elements;
    uint64_t notifications;
    uint64_t enqueued, dequeued; // items
    uint64_t sum_in, sum_out;    // of their values
    uintptr_t item;              // that came out last
};

static void *env_alloc(void *context, size_t size, size_t align, int node)
{
    struct steps *steps = ((struct script *)context)->steps;
    return steps->allocator.alloc(&steps->allocator, size, align, node);
}

static void env_free(void *context, void *memory, size_t size, int node)
{
    struct steps *steps = ((struct script *)context)->steps;
    steps->allocator.free(&steps->allocator, memory, size, node);
}

static void *env_element_take(void *context)
{
    return elements_take(((struct script *)context)->elements);
}

static void env_element_give(void *context, void *element)
{
    elements_give(((struct script *)context)->elements, element);
}

static void count_notification(void *argument)
{
    ((struct script *)argument)->notifications++;
}

static void nobody(void *argument)
{
    (void)argument;
}

static uint64_t notifications(const void *subject)
{
    return ((const struct script *)subject)->notifications;
}

// ---------------------------------------------------------------- steps

static long scripted_enqueue(void *subject, uint64_t item)
{
    struct script *script = subject;
    const int result = queue_enqueue(&script->producer, (uintptr_t)item);
    if (result == QUEUE_OK)
        queue_notify(&script->queue);
    return result;
}

static long scripted_dequeue(void *subject, uint64_t unused)
{
    (void)unused;
    struct script *script = subject;
    return queue_dequeue(&script->consumer, &script->item);
}

static long scripted_reclaim(void *subject, uint64_t unused)
{
    (void)unused;
    struct script *script = subject;
    uint64_t progress;
    progress_update(script->self);
    return queue_clean(&script->consumer, &progress);
}

// ---------------------------------------------------------------- phases

// QUEUE_OK or QUEUE_FULL, or a negative errno.
static long enqueue(struct script *script)
{
    long result;
    const uint64_t item = script->enqueued + 1;
    for (unsigned i = 0; i < TRIES; i++)
        if ((result = steps_take(script->steps, ENQUEUE, scripted_enqueue, item)) != QUEUE_RETRY)
            break;
    if (result == QUEUE_OK) {
        script->enqueued++;
        script->sum_in += item;
    }
    return result;
}

// Of what is surely there.
static long dequeue(struct script *script)
{
    long result;
    for (unsigned i = 0; i < TRIES; i++)
        if ((result = steps_take(script->steps, DEQUEUE, scripted_dequeue, 0)) == QUEUE_OK)
            break;
    if (result == QUEUE_OK) {
        script->dequeued++;
        script->sum_out += script->item;
    }
    return result;
}

static int refuse(const struct script *script, const char *what, long result, struct fault *fault)
{
    return fault_set(fault, result < 0 ? (int)result : -EIO, "the queue %s %s, in the scripted schedule of one thread",
                     script->choice->entry->name, what);
}

static void reclaim(struct script *script)
{
    steps_take(script->steps, RECLAIM, scripted_reclaim, 0);
}

static int check_sums(const struct script *script, struct fault *fault)
{
    if (script->choice->traits.baseline || script->sum_in == script->sum_out)
        return 0;
    return refuse(script, "gave other items than it was given", -EIO, fault);
}

// Enqueues up to `most`, and takes them all out.
static int in_and_out(struct script *script, uint64_t most, struct steps_phase *phase, struct fault *fault)
{
    uint64_t count = 0;
    long result = QUEUE_OK;
    while (count < most && (result = enqueue(script)) == QUEUE_OK)
        count++;
    if (count == 0 || result < 0)
        return refuse(script, "did not take an item", result, fault);
    phase->operations += 2 * count;
    for (; count > 0; count--)
        if ((result = dequeue(script)) != QUEUE_OK)
            return refuse(script, "did not give an item back", result, fault);
    return check_sums(script, fault);
}

static int phase_pairs(void *subject, struct steps_phase *phase, struct fault *fault)
{
    struct script *script = subject;
    int error = 0;
    for (uint64_t i = 1; i <= script->steps->request->operations && !error; i++) {
        error = in_and_out(script, 1, phase, fault);
        if (i % QUANTUM == 0)
            reclaim(script);
    }
    return error;
}

static int phase_burst(void *subject, struct steps_phase *phase, struct fault *fault)
{
    struct script *script = subject;
    const struct steps_request *request = script->steps->request;
    int error = 0;
    while (phase->operations < 2 * request->operations && !error) {
        const uint64_t left = request->operations - phase->operations / 2;
        error = in_and_out(script, left < request->burst ? left : request->burst, phase, fault);
        reclaim(script);
    }
    return error;
}

static int phase_empty(void *subject, struct steps_phase *phase, struct fault *fault)
{
    struct script *script = subject;
    for (; phase->operations < script->steps->request->operations; phase->operations++)
        if (steps_take(script->steps, DEQUEUE, scripted_dequeue, 0) == QUEUE_OK)
            return refuse(script, "gave an item though it was empty", -EIO, fault);
    return 0;
}

// ---------------------------------------------------------------- what it stands on

static int attach(struct script *script, struct fault *fault)
{
    int error = queue_client_attach(&script->producer, &script->queue, QUEUE_PRODUCER, QUEUE_MANAGED);
    if (!error)
        error = queue_client_attach(&script->consumer, &script->queue, QUEUE_CONSUMER, QUEUE_MANAGED);
    return error ? fault_set(fault, error, "the queue %s can't be attached to", script->choice->entry->name) : 0;
}

// With a queue of its own, on which `run` takes the phases.
static int with_queue(struct script *script, bool notified, int (*run)(struct script *script, struct fault *fault),
                      struct fault *fault)
{
    const struct queue_env env = {.alloc = env_alloc,
                                  .free = env_free,
                                  .element_take = script->elements ? env_element_take : NULL,
                                  .element_give = script->elements ? env_element_give : NULL,
                                  .context = script,
                                  .notify = notified ? count_notification : NULL,
                                  .notify_argument = script,
                                  .progress = script->progress,
                                  .producers_max = 1,
                                  .consumers_max = 1,
                                  .node = -1};
    int error = queue_open(&script->queue, script->choice, &env, fault);
    if (error)
        return error;
    error = attach(script, fault);
    if (!error)
        error = run(script, fault);
    queue_client_detach(&script->consumer, &script->queue);
    queue_client_detach(&script->producer, &script->queue);
    queue_close(&script->queue);
    return error;
}

static int alone(struct script *script, struct fault *fault)
{
    int error = steps_phase(script->steps, "pairs", phase_pairs, fault);
    if (!error)
        error = steps_phase(script->steps, "burst", phase_burst, fault);
    if (!error && !script->choice->traits.baseline)
        error = steps_phase(script->steps, "empty", phase_empty, fault);
    return error;
}

static int notified(struct script *script, struct fault *fault)
{
    return steps_phase(script->steps, "notified", phase_pairs, fault);
}

static int with_elements(struct script *script, struct fault *fault)
{
    const size_t size = script->choice->entry->ops->element_size;
    int error = size ? elements_create(&script->elements, &script->steps->allocator, size, 1) : 0;
    if (!error && size)
        error = elements_attach(script->elements, ELEMENTS_PER_THREAD, -1);
    if (error)
        error = fault_set(fault, error, "no memory for the elements of queue %s", script->choice->entry->name);
    if (!error)
        error = with_queue(script, false, alone, fault);
    if (!error)
        error = with_queue(script, true, notified, fault);
    if (!script->elements)
        return error;
    elements_detach(script->elements);
    if (elements_destroy(script->elements) != 0 && !error)
        error = refuse(script, "kept elements when it was closed", -EIO, fault);
    return error;
}

int steps_of_queue(struct steps *steps, struct fault *fault)
{
    struct script script = {.steps = steps, .choice = &steps->request->queue};
    const struct queue_demand demand = {.what = "scripted schedule", .producers = 1, .consumers = 1};
    int error = queue_demand_check(script.choice, &demand, fault);
    if (error)
        return error;
    error = progress_create(&script.progress, &steps->allocator, 1, 0);
    if (error)
        return fault_set(fault, error, "thread progress cannot be set up: %s", fault_no_thread(error));
    script.self = progress_register_managed(script.progress, nobody, NULL);
    steps->subject = &script;
    steps->told = notifications;
    steps->told_name = "notifications";
    steps->kinds[ENQUEUE] = "enqueue";
    steps->kinds[DEQUEUE] = "dequeue";
    steps->kinds[RECLAIM] = "reclaim";
    error = with_elements(&script, fault);
    progress_unregister(script.self);
    progress_destroy(script.progress);
    return error;
}
