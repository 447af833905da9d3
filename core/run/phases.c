// SPDX-License-Identifier: Apache-2.0
#include "core/run/phases.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/machine/memory.h"
#include "core/run/phases_inner.h"
#include "core/run/progress_line.h"
#include "core/sync/atomic.h"

// How long the controller sleeps between two looks: while threads are to check in, and while only time passes.
#define NAP_NS 1000000u
#define LONG_NAP_NS 20000000u
// The most that one look may add to the time without progress: the whole process may have been suspended.
#define QUIET_STEP_NS 200000000u

static const char *const state_names[] = {"start", "start", "warm-up", "window", "cool-down", "drain"};

// The release makes what a thread measured visible to the controller.
static void check_in(struct run_thread *thread, enum run_state state)
{
    at_store_rel(&thread->state, state, AT(phases_check_in, phases_gather));
}

static enum run_state state_of(const struct run_thread *thread)
{
    return (enum run_state)at_load_acq(&((struct run_thread *)thread)->state, AT(phases_gather, phases_check_in));
}

static void set_phase(struct run_phases *phases, enum run_word word)
{
    at_store_rel(&phases->phase, word, AT(phases_set, phases_see));
}

static uint32_t phase_word(struct run_phases *phases)
{
    return at_load_acq(&phases->phase, AT(phases_see, phases_set));
}

static void open_window(struct run_thread *thread, uint64_t operations)
{
    memory_flush_counters();
    thread->span.start_operations = operations;
    thread->span.start_failed = thread->self.failed;
    thread->span.start_observed = thread->self.observed;
    thread->span.start_handovers = thread->self.handovers;
    usage_read_thread(&thread->span.start_usage);
    thread->self.recording = true;
    thread->span.start_ticks = clock_ticks();
    check_in(thread, RUN_ENTERED);
}

static void close_window(struct run_thread *thread, uint64_t operations)
{
    thread->span.end_ticks = clock_ticks();
    usage_read_thread(&thread->span.end_usage);
    thread->span.end_operations = operations;
    thread->span.end_failed = thread->self.failed;
    thread->span.end_observed = thread->self.observed;
    thread->span.end_handovers = thread->self.handovers;
    thread->self.recording = false;
    memory_flush_counters();
    check_in(thread, RUN_LEFT);
}

static void change_phase(struct run_thread *thread, uint32_t word, uint64_t operations)
{
    thread->seen = word;
    if (word == WORD_WARMUP)
        check_in(thread, RUN_WARM);
    else if (word == WORD_WINDOW)
        open_window(thread, operations);
    else if (word == WORD_COOLDOWN)
        close_window(thread, operations);
    else
        thread->self.recording = false;
}

enum workload_phase workload_tick(struct workload_thread *self, uint64_t operations)
{
    struct run_thread *thread = self->inner;
    at_store_rlx(&thread->operations, operations);
    const uint32_t word = phase_word(thread->phases);
    if (__builtin_expect(word != thread->seen, 0))
        change_phase(thread, word, operations);
    return (enum workload_phase)(word - WORD_WARMUP);
}

void workload_give_up(struct workload_thread *self)
{
    at_store_rlx(&self->inner->phases->given_up, 1);
}

// Each thread makes its own histograms, so that their memory is near it.
static int make_stages(struct workload_thread *self, const struct workload_ops *workload)
{
    for (unsigned stage = 0; stage < WORKLOAD_STAGES_MAX && workload->stages[stage]; stage++) {
        struct histogram *histogram = malloc(sizeof *histogram);
        if (!histogram)
            return -ENOMEM;
        histogram_clear(histogram);
        self->stages[stage].histogram = histogram;
    }
    return 0;
}

// False: the run was called off. A managed thread holds up nobody's progress while it waits here.
static bool await_start(struct run_thread *thread)
{
    uint32_t word;
    if (thread->self.progress)
        progress_prepare_wait(thread->self.progress);
    SPIN_UNTIL((word = phase_word(thread->phases)) != WORD_GATHER);
    if (thread->self.progress)
        progress_finalize_wait(thread->self.progress);
    return word != WORD_ABORT;
}

static void live(void *argument)
{
    struct run_thread *thread = argument;
    const struct phases_plan *plan = &thread->phases->plan;
    thread->id = gettid();
    thread->error = plan->attach(&thread->self, plan->context);
    check_in(thread, RUN_ATTACHED);
    if (thread->error)
        return;
    if (await_start(thread))
        plan->workload->body(&thread->self);
    plan->detach(&thread->self, plan->context);
}

// A pool may have threads of its own for what schedulers do.
static void thread_body(void *argument)
{
    struct run_thread *thread = argument;
    const struct workload_run *run = thread->phases->plan.run;
    thread->error = make_stages(&thread->self, thread->phases->plan.workload);
    if (thread->error)
        check_in(thread, RUN_ATTACHED);
    else if (run->pool_ops && run->pool_ops->host && !thread->self.role->external)
        run->pool_ops->host(run->pool, thread->self.index, live, thread);
    else
        live(thread);
    check_in(thread, RUN_DONE);
}

static unsigned count_below(const struct run_phases *phases, enum run_state state)
{
    unsigned below = 0;
    for (unsigned i = 0; i < phases->started; i++)
        below += state_of(&phases->threads[i]) < state;
    return below;
}

uint64_t phases_operations(const struct run_phases *phases)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < phases->started; i++)
        total += at_load_rlx(&((struct run_phases *)phases)->threads[i].operations);
    return total;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void nap(uint64_t ns)
{
    const struct timespec time = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    nanosleep(&time, NULL);
}

// A timer is due at times set beforehand, so that what its call takes does not add to the interval. Where the
// controller was kept from its processor for longer, the calls missed are not made up for.
static void call_due(struct run_phases *phases)
{
    const uint64_t now = clock_system_ns();
    for (unsigned i = 0; i < PHASES_TIMERS; i++) {
        const struct phases_timer *timer = &phases->plan.timers[i];
        if (!phases->due_ns[i] || now < phases->due_ns[i])
            continue;
        timer->call(phases->plan.context);
        phases->due_ns[i] += timer->every_ns;
        if (phases->due_ns[i] <= now)
            phases->due_ns[i] = now + timer->every_ns;
    }
}

// UINT64_MAX: none.
static uint64_t next_due(const struct run_phases *phases)
{
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < PHASES_TIMERS; i++)
        if (phases->due_ns[i])
            next = least(next, phases->due_ns[i]);
    return next;
}

static void set_timers(struct run_phases *phases, bool on)
{
    for (unsigned i = 0; i < PHASES_TIMERS; i++)
        phases->due_ns[i] = on && phases->plan.timers[i].every_ns ? clock_system_ns() : 0;
}

// Sleeps between two looks, calling what falls due. After that it is time for a look, to save a wake, unless a timer
// is far quicker than looks should be.
static void rest(struct run_phases *phases, uint64_t ns)
{
    const uint64_t begun = clock_system_ns();
    const uint64_t end = begun + ns;
    call_due(phases);
    for (uint64_t now = clock_system_ns(); now < end; now = clock_system_ns()) {
        const uint64_t wake = least(end, next_due(phases));
        if (now < wake)
            nap(wake - now);
        call_due(phases);
        if (wake < end && wake >= begun + NAP_NS)
            return;
    }
}

// One wait of the controller, and what its watchdog remembers.
struct watch {
    uint64_t begun_ns, looked_ns;
    uint64_t late_ns;  // with a thread that has not checked in
    uint64_t quiet_ns; // with nothing moving
    uint64_t operations;
    unsigned below;
};

// Whether the run is stuck. In the drain a thread may take as long as it likes, as long as something moves.
static bool look(struct run_phases *phases, enum run_state state, struct watch *watch)
{
    const uint64_t now = clock_system_ns();
    const uint64_t step = least(now - watch->looked_ns, QUIET_STEP_NS);
    const uint64_t operations = phases_operations(phases);
    const unsigned below = count_below(phases, state);
    const bool moved = operations != watch->operations || below != watch->below;
    watch->quiet_ns = moved ? 0 : watch->quiet_ns + step;
    watch->late_ns = below && state != RUN_DONE ? watch->late_ns + step : 0;
    watch->operations = operations;
    watch->below = below;
    watch->looked_ns = now;
    return watch->quiet_ns >= phases->plan.stuck_ns || watch->late_ns >= phases->plan.stuck_ns;
}

// Waits until all threads are at `state` at least and `least_ns` have passed.
static enum phases_end await(struct run_phases *phases, enum run_state state, uint64_t least_ns)
{
    struct watch watch = {.begun_ns = clock_system_ns()};
    watch.looked_ns = watch.begun_ns;
    phases->awaited = state;
    for (;;) {
        const bool stuck = look(phases, state, &watch);
        const uint64_t elapsed = watch.looked_ns - watch.begun_ns;
        if (!watch.below && elapsed >= least_ns)
            return PHASES_FINISHED;
        if (stuck)
            return PHASES_STUCK;
        if (at_load_rlx(&phases->given_up) && state != RUN_DONE)
            return PHASES_GAVE_UP;
        progress_line_show(&phases->line, state_names[state], watch.looked_ns, elapsed, least_ns, watch.operations);
        rest(phases, watch.below ? NAP_NS : least(least_ns - elapsed, LONG_NAP_NS));
    }
}

static int start_threads(struct run_phases *phases, struct fault *fault)
{
    const struct phases_plan *plan = &phases->plan;
    for (; phases->started < plan->run->threads; phases->started++) {
        struct run_thread *thread = &phases->threads[phases->started];
        const struct thread_options options = {
            .name = thread->self.role->name,
            .topology = plan->topology,
            .cpu = plan->topology ? plan->cpus[phases->started] : -1,
        };
        const int error = thread_start(&thread->os, &options, thread_body, thread);
        if (error)
            return fault_set(fault, error, "thread %u of %u cannot be started: %s", phases->started + 1,
                             plan->run->threads, fault_no_thread(error));
    }
    return 0;
}

static int check_threads(struct run_phases *phases, struct fault *fault)
{
    for (unsigned i = 0; i < phases->started; i++) {
        struct run_thread *thread = &phases->threads[i];
        const int pinned = at_load_rlx(&thread->os.pin_result);
        if (pinned < 0)
            return fault_set(fault, pinned, "thread %u cannot be pinned to processor %d (%s)", i, thread->os.cpu,
                             strerror(-pinned));
        if (thread->error)
            return fault_set(fault, thread->error, "%s %u cannot attach (%s)", thread->self.role->name,
                             thread->self.rank, strerror(-thread->error));
    }
    return 0;
}

static enum phases_end gather(struct run_phases *phases, int *error, struct fault *fault)
{
    *error = start_threads(phases, fault);
    if (await(phases, RUN_ATTACHED, 0) == PHASES_STUCK)
        return PHASES_STUCK;
    if (!*error)
        *error = check_threads(phases, fault);
    return *error ? PHASES_FAILED : PHASES_FINISHED;
}

static void at_moment(struct run_phases *phases, enum phases_moment moment)
{
    if (phases->plan.at_moment)
        phases->plan.at_moment(moment, phases->plan.context);
}

// What is left of the window, counted from when the last thread entered.
static uint64_t rest_of_window(const struct run_phases *phases)
{
    uint64_t last = 0;
    for (unsigned i = 0; i < phases->started; i++)
        if (phases->threads[i].span.start_ticks > last)
            last = phases->threads[i].span.start_ticks;
    const uint64_t passed = (uint64_t)clock_ns(clock_ticks() - last);
    return passed < phases->plan.duration_ns ? phases->plan.duration_ns - passed : 0;
}

// As all threads told when they entered the window.
static uint64_t operations_before_window(const struct run_phases *phases)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < phases->started; i++)
        total += phases->threads[i].span.start_operations;
    return total;
}

// A window that is over with nothing completed in it tells only that the threads were kept from their processors, as
// by the host of a virtual machine. So it stays open until something is completed. Where nothing is for as long as the
// watchdog waits, it is closed all the same: all threads are there, and what became of the items can still be judged.
static enum phases_end stay_until_completed(struct run_phases *phases)
{
    const uint64_t before = operations_before_window(phases), usual_ns = phases->plan.duration_ns;
    struct watch watch = {.begun_ns = clock_system_ns()};
    watch.looked_ns = watch.begun_ns;
    while (!look(phases, RUN_ENTERED, &watch) && watch.operations == before) {
        if (at_load_rlx(&phases->given_up))
            return PHASES_GAVE_UP;
        progress_line_show(&phases->line, state_names[RUN_ENTERED], watch.looked_ns,
                           usual_ns + watch.looked_ns - watch.begun_ns, usual_ns, watch.operations);
        rest(phases, NAP_NS);
    }
    return PHASES_FINISHED;
}

// All threads are in the window, and stay until it is over.
static enum phases_end stay_in_window(struct run_phases *phases)
{
    at_moment(phases, PHASES_OPENED);
    set_timers(phases, true);
    enum phases_end end = await(phases, RUN_ENTERED, rest_of_window(phases));
    if (end == PHASES_FINISHED)
        end = stay_until_completed(phases);
    set_timers(phases, false);
    if (end == PHASES_FINISHED)
        at_moment(phases, PHASES_CLOSING);
    return end;
}

// Its time counts from when the last thread came to it, or one that had to wait for a processor would have had less.
static enum phases_end warm_up(struct run_phases *phases)
{
    set_phase(phases, WORD_WARMUP);
    const enum phases_end end = await(phases, RUN_WARM, 0);
    return end == PHASES_FINISHED ? await(phases, RUN_WARM, phases->plan.warmup_ns) : end;
}

// From warm-up to cool-down.
static enum phases_end measure(struct run_phases *phases)
{
    enum phases_end end = warm_up(phases);
    if (end != PHASES_FINISHED)
        return end;
    set_phase(phases, WORD_WINDOW);
    end = await(phases, RUN_ENTERED, 0);
    if (end == PHASES_FINISHED)
        end = stay_in_window(phases);
    if (end != PHASES_FINISHED)
        return end;
    set_phase(phases, WORD_COOLDOWN);
    end = await(phases, RUN_LEFT, 0);
    if (end == PHASES_FINISHED)
        at_moment(phases, PHASES_CLOSED);
    return end;
}

// All of them, unless the run is stuck.
static void join_finished(struct run_phases *phases)
{
    for (unsigned i = 0; i < phases->started; i++)
        if (state_of(&phases->threads[i]) == RUN_DONE)
            thread_join(&phases->threads[i].os);
}

enum phases_end phases_run(struct run_phases *phases, char *detail, size_t size, int *error, struct fault *fault)
{
    *error = 0;
    progress_line_init(&phases->line, phases->plan.show_progress ? stderr : NULL);
    enum phases_end end = gather(phases, error, fault);
    if (end == PHASES_FINISHED)
        end = measure(phases);
    if (end != PHASES_STUCK) {
        set_phase(phases, end == PHASES_FAILED ? WORD_ABORT : WORD_STOP);
        if (await(phases, RUN_DONE, 0) == PHASES_STUCK)
            end = PHASES_STUCK;
    }
    progress_line_clear(&phases->line);
    if (end == PHASES_STUCK)
        phases_describe_stuck(phases, state_names[phases->awaited], detail, size);
    join_finished(phases);
    if (end == PHASES_FINISHED && at_load_rlx(&phases->given_up))
        end = PHASES_GAVE_UP;
    return end;
}
