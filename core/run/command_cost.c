// SPDX-License-Identifier: Apache-2.0
// `readyq cost`: what the harness itself costs, so that a reader can tell it from what is measured.
//
// Two things are compared each time, in rounds that alternate between them, so that both see the same moods of the
// machine; the median over the rounds is printed. One thread, so no contention: these are floors.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/history/recorder.h"
#include "core/machine/clock.h"
#include "core/machine/memory.h"
#include "core/measure/accounting.h"
#include "core/queue_client.h"
#include "core/run/commands.h"
#include "core/run/params.h"
#include "core/run/table.h"
#include "core/sync/elements.h"
#include "core/sync/progress.h"
#include "core/workload.h"

#define COST_ROUNDS 41u
#define COST_OPERATIONS 8192u // in one round, of each of the two

struct cost_pair {
    double one_ns, other_ns; // of one operation, medians over the rounds
    double ratio;            // other / one, median over the rounds
};

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

// Runs the two in alternating order; each takes the number of operations to do and returns the ticks it took.
static struct cost_pair measure(uint64_t (*one)(void *, unsigned), uint64_t (*other)(void *, unsigned), void *context)
{
    double ones[COST_ROUNDS], others[COST_ROUNDS], ratios[COST_ROUNDS];
    one(context, COST_OPERATIONS);
    other(context, COST_OPERATIONS);
    for (unsigned round = 0; round < COST_ROUNDS; round++) {
        uint64_t first = 0, second = 0;
        if (round % 2 == 0)
            first = one(context, COST_OPERATIONS);
        second = other(context, COST_OPERATIONS);
        if (round % 2 == 1)
            first = one(context, COST_OPERATIONS);
        ones[round] = clock_ns(first) / COST_OPERATIONS;
        others[round] = clock_ns(second) / COST_OPERATIONS;
        ratios[round] = others[round] / ones[round];
    }
    return (struct cost_pair){median(ones, COST_ROUNDS), median(others, COST_ROUNDS), median(ratios, COST_ROUNDS)};
}

// Keeps the compiler from dropping a value that nothing else uses.
static inline void keep(uint64_t value)
{
    __asm__ volatile("" ::"r"(value));
}

// A latency the way workloads take one: two readings; then without and with recording their difference.

static uint64_t read_twice(void *context, unsigned operations)
{
    (void)context;
    const uint64_t start = clock_ticks();
    for (unsigned i = 0; i < operations; i++) {
        const uint64_t before = clock_ticks();
        keep(clock_ticks() - before);
    }
    return clock_ticks() - start;
}

static uint64_t read_twice_and_record(void *context, unsigned operations)
{
    struct workload_thread *thread = context;
    const uint64_t start = clock_ticks();
    for (unsigned i = 0; i < operations; i++) {
        const uint64_t before = clock_ticks();
        workload_record(thread, 0, clock_ticks() - before);
    }
    return clock_ticks() - start;
}

static int print_latency_cost(struct fault *fault)
{
    struct histogram *histogram = memory_system.alloc(&memory_system, sizeof *histogram, 64, -1);
    if (!histogram)
        return fault_set(fault, -ENOMEM, "no memory");
    histogram_clear(histogram);
    struct workload_thread thread = {.recording = true, .stages = {{.histogram = histogram}}};
    const struct cost_pair cost = measure(read_twice, read_twice_and_record, &thread);
    memory_system.free(&memory_system, histogram, sizeof *histogram, -1);
    printf("clock                   %s, %.1f ns a reading, %.1f ns granularity\n", clock_facts.source,
           clock_facts.cost_ns, clock_facts.granularity_ns);
    printf("two readings            %.1f ns\n", cost.one_ns);
    printf("two readings, recorded  %.1f ns\n", cost.other_ns);
    printf("recording one latency   %.1f ns\n\n", cost.other_ns - cost.one_ns);
    return 0;
}

// A change of state in a pool's loop, for a thread without an account and for one that has it.

static uint64_t change_states(struct account *account, unsigned operations)
{
    const uint64_t start = clock_ticks();
    for (unsigned i = 0; i < operations; i++) {
        __asm__ volatile("" : "+r"(account)); // as in the loop, the compiler can't know which of the two it is
        account_enter(account, i % 2 ? ACCOUNT_CHECK : ACCOUNT_PORT);
    }
    return clock_ticks() - start;
}

static uint64_t change_without_account(void *context, unsigned operations)
{
    (void)context;
    return change_states(NULL, operations);
}

static uint64_t change_in_account(void *context, unsigned operations)
{
    return change_states(context, operations);
}

static void print_accounting_cost(void)
{
    if (!READYQ_OBSERVE) {
        puts("accounting              left out of this build\n");
        return;
    }
    struct account account = {0};
    account_open(&account, "async", 1);
    const struct cost_pair cost = measure(change_without_account, change_in_account, &account);
    account_close(&account);
    printf("accounting off          %.1f ns a change of state\n", cost.one_ns);
    printf("accounting on           %.1f ns a change of state\n\n", cost.other_ns);
}

// One operation in a history: both readings, of which the first holds back what follows, and the event.
static void print_recording_cost(void)
{
    printf("recording an operation  %.1f ns, for a history (run --check full)\n\n", recorder_cost_ns());
}

// One thread that enqueues and dequeues in turn, by either kind of call.
struct queue_bench {
    struct queue queue;
    struct queue_client producer, consumer;
    struct progress_thread *progress;
    struct item_log log;
    struct queue_loop loop;
};

static uint64_t pairs_by(struct queue_bench *bench, const struct queue_loops *loops, unsigned operations)
{
    const unsigned quantum = 64;
    uint64_t ticks = 0;
    for (unsigned done = 0; done < operations; done += quantum) {
        int result;
        const uint64_t start = clock_ticks();
        loops->pairs(&bench->loop, quantum, &result);
        ticks += clock_ticks() - start;
        progress_update(bench->progress); // outside the time: no queue may depend on how the harness reclaims
    }
    return ticks;
}

static uint64_t pairs_through_vtable(void *context, unsigned operations)
{
    return pairs_by(context, &queue_vtable_loops, operations);
}

static uint64_t pairs_direct(void *context, unsigned operations)
{
    struct queue_bench *bench = context;
    return pairs_by(bench, bench->queue.ops->loops, operations);
}

static void *take(void *context)
{
    return elements_take(context);
}

static void give(void *context, void *element)
{
    elements_give(context, element);
}

static void *allocate(void *context, size_t size, size_t align, int node)
{
    (void)context;
    return memory_system.alloc(&memory_system, size, align, node);
}

static void release(void *context, void *memory, size_t size, int node)
{
    (void)context;
    memory_system.free(&memory_system, memory, size, node);
}

static void not_woken(void *argument)
{
    (void)argument;
}

static int attach_both(struct queue_bench *bench)
{
    int error = queue_client_attach(&bench->producer, &bench->queue, QUEUE_PRODUCER, QUEUE_MANAGED);
    if (error == 0)
        error = queue_client_attach(&bench->consumer, &bench->queue, QUEUE_CONSUMER, QUEUE_MANAGED);
    bench->loop = (struct queue_loop){.ops = bench->queue.ops,
                                      .queue = bench->queue.memory,
                                      .handle = bench->producer.handle,
                                      .dequeue_handle = bench->consumer.handle,
                                      .log = &bench->log};
    return error;
}

static int bench_queue(const struct queue_choice *choice, struct progress *progress, struct progress_thread *self,
                       struct cost_pair *cost, struct fault *fault)
{
    struct queue_bench bench = {.progress = self};
    struct elements *elements;
    int error = elements_create(&elements, &memory_system, choice->entry->ops->element_size, 1);
    if (error)
        return fault_set(fault, error, "no memory");
    const struct queue_env env = {.alloc = allocate,
                                  .free = release,
                                  .element_take = take,
                                  .element_give = give,
                                  .context = elements,
                                  .progress = progress,
                                  .producers_max = 1,
                                  .consumers_max = 1,
                                  .node = -1};
    elements_attach(elements, ELEMENTS_PER_THREAD, -1);
    error = item_log_init(&bench.log, choice->traits.baseline ? 0 : 1);
    if (error == 0)
        error = queue_open(&bench.queue, choice, &env, fault);
    if (error == 0) {
        error = attach_both(&bench);
        if (error == 0)
            *cost = measure(pairs_direct, pairs_through_vtable, &bench);
        queue_client_detach(&bench.producer, &bench.queue);
        queue_client_detach(&bench.consumer, &bench.queue);
        queue_close(&bench.queue);
    }
    item_log_fini(&bench.log);
    elements_detach(elements);
    elements_destroy(elements);
    return error ? fault_set(fault, error, "queue %s can't be set up", choice->entry->name) : 0;
}

static int queue_row(struct table *table, const struct queue_entry *entry, struct progress *progress,
                     struct progress_thread *self, struct fault *fault)
{
    if (!entry->ops || !entry->ops->loops)
        return 0;
    struct queue_choice choice = {0};
    int error = queue_choice_parse(&choice, entry->name, fault);
    struct cost_pair cost = {0};
    if (error == 0) {
        error = bench_queue(&choice, progress, self, &cost, fault);
        queue_choice_fini(&choice);
    }
    if (error)
        return error;
    table_cell(table, "%s", entry->name);
    table_cell(table, "%.2f", cost.one_ns);
    table_cell(table, "%.2f", cost.other_ns);
    table_cell(table, "%.2f", cost.other_ns - cost.one_ns);
    table_cell(table, "%.0f %%", (cost.ratio - 1) * 100);
    return 0;
}

static int print_dispatch_tax(struct fault *fault)
{
    static const char *const names[] = {"queue", "direct ns", "vtable ns", "tax ns", "tax share"};
    struct progress *progress;
    int error = progress_create(&progress, &memory_system, 1, 0);
    if (error)
        return fault_set(fault, error, "thread progress can't be set up: %s", fault_no_thread(error));
    struct progress_thread *self = progress_register_managed(progress, not_woken, NULL);
    struct table table;
    table_init(&table, sizeof names / sizeof names[0]);
    for (unsigned i = 0; i < table.columns; i++)
        table_cell(&table, "%s", names[i]);
    for (const struct queue_entry *entry = queue_list; entry->name && error == 0; entry++)
        error = queue_row(&table, entry, progress, self, fault);
    progress_unregister(self);
    progress_destroy(progress);
    puts("the dispatch tax, of an enqueue and a dequeue together, one thread:");
    const int printed = table_print(&table, stdout, 0);
    return error ? error : printed;
}

static error_t take_no_word(int key, char *argument, struct argp_state *state)
{
    if (key == ARGP_KEY_ARG)
        argp_error(state, "there is no argument '%s' to expect", argument);
    return ARGP_ERR_UNKNOWN;
}

int command_cost(struct command_call *call, struct fault *fault)
{
    static const struct argp argp = {
        .parser = take_no_word,
        .doc = "Measures what the harness itself costs: reading the clock, recording a latency, changing the state "
               "of an account, recording an operation for a history, and calling a queue "
               "through its table of functions in place of directly. Medians of rounds that alternate.\v"
               "Example:\n  readyq cost"};
    const int error = command_words(call, &argp, NULL, fault);
    if (error)
        return error;
    clock_calibrate();
    const int latency = print_latency_cost(fault);
    if (latency)
        return latency;
    print_accounting_cost();
    print_recording_cost();
    return print_dispatch_tax(fault);
}
