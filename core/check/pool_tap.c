// SPDX-License-Identifier: Apache-2.0
// Every event takes its place in the history when it starts, and gets its end when it ends: what happens inside
// another event, as a submit inside `ready`, or everything without workers, stands after it, by start. One that has not
// ended lasts for ever.
//
// A job without an event needs no record: sampled out, or submitted when its thread had no more room, or by a thread
// without a recorder. It goes through the pool untouched.
#include "core/check/pool_tap.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "core/check/pool_tap_job.h"
#include "core/machine/memory.h"

// Address space for records of jobs; only what is used becomes memory. The events of so many jobs take as much again
// and more, so that it is never the first to be short.
#define JOBS_BYTES (UINT64_C(1) << 34)
#define JOBS_BYTES_LEAST (UINT64_C(1) << 20)
// What a thread takes for itself at once.
#define JOBS_STEP 256u
#define NUMBERS_STEP 1024u

// Ticks of an event that has not ended; its end overflows nothing.
#define UNENDED (UINT64_MAX >> (HISTORY_KIND_BITS + 1))

// Callbacks are told of the job only.
static struct pool_tap *in_use;

// What the calling thread has of a tap.
static _Thread_local struct {
    uint64_t generation;
    struct recorder *recorder; // NULL: there was none left
    struct tapped_job *next_job, *last_job;
    uint64_t next_number, last_number;
} here;

// ------------------------------------------------------------------------------------------------ events

static void join(struct pool_tap *tap, const char *role, int rank)
{
    memset(&here, 0, sizeof here);
    here.generation = tap->generation;
    here.recorder = recording_join(tap->recording, role, rank);
}

static struct recorder *recorder_here(struct pool_tap *tap)
{
    if (here.generation != tap->generation)
        join(tap, "worker", -1);
    return here.recorder;
}

static void refuse(struct recorder *recorder, uint64_t start)
{
    if (recorder->refused_ticks == HISTORY_NEVER)
        recorder->refused_ticks = start - recorder->origin_ticks;
}

static struct history_event *append(struct recorder *recorder, enum history_kind kind, uint64_t start, uint64_t number)
{
    struct history_event *event = recorder->next++;
    *event = (struct history_event){
        .start = start - recorder->origin_ticks, .span = UNENDED << HISTORY_KIND_BITS | kind, .item = number};
    return event;
}

struct tapped_event tap_begin(struct pool_tap *tap, enum history_kind kind, uint64_t number)
{
    struct recorder *recorder = recorder_here(tap);
    if (!recorder)
        return (struct tapped_event){0};
    const uint64_t start = recorder_start(recorder);
    if (recorder->next == recorder->end) {
        refuse(recorder, start);
        return (struct tapped_event){0};
    }
    return (struct tapped_event){recorder, append(recorder, kind, start, number)};
}

// Not before what ended inside it, whatever the clock of the processor says that the thread has come to: who asks
// what was inside compares readings of one thread. The thread may have another recorder by now, or none, if it was
// attached inside.
void tap_end(struct tapped_event begun)
{
    struct history_event *event = begun.event;
    if (!event)
        return;
    const uint64_t end = recorder_end(begun.recorder) - begun.recorder->origin_ticks;
    event->span = (end - event->start) << HISTORY_KIND_BITS | history_kind(event);
}

// ------------------------------------------------------------------------------------------------ jobs

static uint64_t take_number(struct pool_tap *tap)
{
    if (here.next_number == here.last_number) {
        here.next_number = at_add_rlx(&tap->numbers_taken, NUMBERS_STEP);
        here.last_number = here.next_number + NUMBERS_STEP;
    }
    return ++here.next_number;
}

// NULL: all are taken.
static struct tapped_job *take_job(struct pool_tap *tap)
{
    if (here.next_job == here.last_job) {
        const uint64_t first = at_add_rlx(&tap->jobs_taken, JOBS_STEP);
        if (first + JOBS_STEP > (uint64_t)(tap->jobs_end - tap->jobs))
            return NULL;
        here.next_job = tap->jobs + first;
        here.last_job = here.next_job + JOBS_STEP;
    }
    return here.next_job++;
}

bool tap_open_submission(struct pool_tap *tap, struct tap_submission *submission, const struct tapped_job *given,
                         const unsigned *key)
{
    struct recorder *recorder = recorder_here(tap);
    if (!recorder || recorder->refused_ticks != HISTORY_NEVER)
        return false;
    const uint64_t number = take_number(tap);
    if (recorder->every && !history_is_sampled(number, recorder->every))
        return false;
    const unsigned events = key ? 2 : 1;
    const bool fits = recorder->end - recorder->next >= (ptrdiff_t)events;
    struct tapped_job *job = fits ? take_job(tap) : NULL;
    if (!job) {
        refuse(recorder, recorder_start(recorder));
        return false;
    }
    *job = *given;
    job->number = number;
    *submission = (struct tap_submission){job, recorder, recorder->next, events};
    if (key)
        *recorder->next++ = (struct history_event){.span = HISTORY_KEY, .item = *key};
    append(recorder, HISTORY_SUBMIT, recorder_start(recorder), number);
    return true;
}

// It never was: what callbacks noted meanwhile moves up. The record is left to the next job, or a pool that is asked
// again and again would use them up.
static void withdraw(struct tap_submission *submission)
{
    struct recorder *recorder = submission->recorder;
    struct history_event *rest = submission->events + submission->event_count;
    memmove(submission->events, rest, (size_t)(recorder->next - rest) * sizeof *rest);
    recorder->next -= submission->event_count;
    if (here.next_job == submission->job + 1)
        here.next_job--;
}

void tap_close_submission(struct tap_submission *submission, long answer)
{
    if (answer < 0)
        withdraw(submission);
    else
        tap_end((struct tapped_event){submission->recorder, &submission->events[submission->event_count - 1]});
}

void tap_run_invoke(void *data)
{
    const struct tapped_job *job = data;
    const struct tapped_event event = tap_begin(in_use, HISTORY_INVOKE, job->number);
    job->invoke(job->data);
    tap_end(event);
}

static void run_ready(void *data)
{
    const struct tapped_job *job = data;
    const struct tapped_event event = tap_begin(in_use, HISTORY_READY, job->number);
    job->end(job->data);
    tap_end(event);
}

void tap_run_free(void *data)
{
    const struct tapped_job *job = data;
    const struct tapped_event event = tap_begin(in_use, HISTORY_FREE, job->number);
    if (job->end)
        job->end(job->data);
    tap_end(event);
}

// ------------------------------------------------------------------------------------------------ the contract

static int tap_start(struct pool **pool, const struct pool_setup *setup, const void *config, struct fault *fault)
{
    in_use->schedulers = setup->schedulers;
    const int error = in_use->original->start(&in_use->inner, setup, config, fault);
    if (!error)
        *pool = (struct pool *)(void *)in_use;
    return error;
}

static int tap_attach(struct pool *pool, unsigned thread)
{
    struct pool_tap *tap = tap_of(pool);
    const int error = tap->original->attach(tap->inner, thread);
    if (error)
        return error;
    if (thread < tap->schedulers)
        join(tap, "scheduler", (int)thread);
    else
        join(tap, "external", (int)(thread - tap->schedulers));
    return 0;
}

static long tap_submit(struct pool *pool, unsigned thread, unsigned *key, void (*invoke)(void *data),
                       void (*ready)(void *data), void *data)
{
    struct pool_tap *tap = tap_of(pool);
    struct tap_submission submission;
    const struct tapped_job given = {.invoke = invoke, .end = ready, .data = data};
    if (!tap_open_submission(tap, &submission, &given, key))
        return tap->original->submit(tap->inner, thread, key, invoke, ready, data);
    const long id = tap->original->submit(tap->inner, thread, key, tap_run_invoke, run_ready, submission.job);
    tap_close_submission(&submission, id);
    return id;
}

static enum pool_more tap_pass(struct pool *pool, unsigned scheduler)
{
    return tap_of(pool)->original->pass(tap_of(pool)->inner, scheduler);
}

static void tap_wait(struct pool *pool, unsigned scheduler)
{
    tap_of(pool)->original->wait(tap_of(pool)->inner, scheduler);
}

static void tap_host(struct pool *pool, unsigned thread, void (*life)(void *argument), void *argument)
{
    tap_of(pool)->original->host(tap_of(pool)->inner, thread, life, argument);
}

static void tap_detach(struct pool *pool, unsigned thread)
{
    tap_of(pool)->original->detach(tap_of(pool)->inner, thread);
}

static int tap_stop(struct pool *pool, struct pool_statistics *statistics, struct fault *fault)
{
    return tap_of(pool)->original->stop(tap_of(pool)->inner, statistics, fault);
}

static void tap_statistics(struct pool *pool, struct pool_statistics *statistics)
{
    tap_of(pool)->original->statistics(tap_of(pool)->inner, statistics);
}

static void tap_lengths(struct pool *pool, struct pool_lengths *lengths)
{
    tap_of(pool)->original->lengths(tap_of(pool)->inner, lengths);
}

static unsigned tap_accounts(struct pool *pool, struct pool_account *accounts, unsigned count)
{
    return tap_of(pool)->original->accounts(tap_of(pool)->inner, accounts, count);
}

static void wrap(struct pool_tap *tap)
{
    struct pool_ops *ops = &tap->ops;
    *ops = *tap->original;
    ops->host = ops->host ? tap_host : NULL;
    ops->start = tap_start;
    ops->attach = tap_attach;
    ops->submit = tap_submit;
    ops->pass = tap_pass;
    ops->wait = tap_wait;
    ops->detach = tap_detach;
    ops->stop = tap_stop;
    ops->statistics = tap_statistics;
    ops->lengths = ops->lengths ? tap_lengths : NULL;
    ops->accounts = ops->accounts ? tap_accounts : NULL;
    if (ops->ports) {
        tap_wrap_ports(tap);
        ops->ports = &tap->port_ops;
    }
}

// As much as the limits of the process allow.
static bool map_jobs(struct pool_tap *tap)
{
    for (uint64_t bytes = JOBS_BYTES; bytes >= JOBS_BYTES_LEAST; bytes /= 2) {
        void *jobs = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (jobs == MAP_FAILED)
            continue;
        tap->jobs = jobs;
        tap->jobs_end = tap->jobs + bytes / sizeof *tap->jobs;
        return true;
    }
    return false;
}

int pool_tap_create(struct pool_tap **made, const struct pool_ops *original, struct recording *recording,
                    const struct pool_ops **ops, struct fault *fault)
{
    static uint64_t generations;
    struct pool_tap *tap = memory_system.alloc(&memory_system, sizeof *tap, _Alignof(struct pool_tap), -1);
    if (!tap || !map_jobs(tap)) {
        if (tap)
            memory_system.free(&memory_system, tap, sizeof *tap, -1);
        return fault_set(fault, -ENOMEM, "no memory to record what becomes of a pool's jobs");
    }
    tap->original = original;
    tap->recording = recording;
    tap->generation = ++generations;
    lock_init_ranked(&tap->lock, LOCK_MUTEX, LOCK_RANK_LEAF, 1);
    wrap(tap);
    in_use = *made = tap;
    *ops = &tap->ops;
    return 0;
}

void pool_tap_destroy(struct pool_tap *tap)
{
    if (!tap)
        return;
    munmap(tap->jobs, (size_t)((char *)tap->jobs_end - (char *)tap->jobs));
    tap_free_ports(tap);
    lock_fini(&tap->lock);
    memory_system.free(&memory_system, tap, sizeof *tap, -1);
    in_use = NULL;
}
