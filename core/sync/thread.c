// SPDX-License-Identifier: Apache-2.0
#include "core/sync/thread.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "core/machine/memory.h"

// Rounds of pure spinning, doubling in length, before the processor is given up: together about as long as a
// short critical section and its cache misses take (some microseconds).
#define SPIN_ROUNDS 8u

static void *thread_main(void *argument)
{
    struct thread *thread = argument;
    if (thread->name[0])
        pthread_setname_np(pthread_self(), thread->name);
    if (thread->cpu >= 0)
        at_store_rlx(&thread->pin_result, topology_pin_self(thread->topology, (unsigned)thread->cpu));
    thread->body(thread->argument);
    memory_flush_counters();
    return NULL;
}

static int set_stack(pthread_attr_t *attributes, size_t stack_bytes)
{
    if (stack_bytes == 0)
        return 0;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t least = (size_t)sysconf(_SC_THREAD_STACK_MIN);
    const size_t wanted = stack_bytes < least ? least : stack_bytes;
    return pthread_attr_setstacksize(attributes, (wanted + page - 1) / page * page);
}

int thread_start(struct thread *thread, const struct thread_options *options, void (*body)(void *), void *argument)
{
    thread->body = body;
    thread->argument = argument;
    thread->topology = options->topology;
    thread->cpu = options->topology ? options->cpu : -1;
    thread->started = false;
    at_init(&thread->pin_result, 0);
    snprintf(thread->name, sizeof thread->name, "%s", options->name ? options->name : "");

    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error)
        return -error;
    error = set_stack(&attributes, options->stack_bytes);
    if (!error)
        error = pthread_create(&thread->handle, &attributes, thread_main, thread);
    pthread_attr_destroy(&attributes);
    thread->started = error == 0;
    return -error;
}

int thread_join(struct thread *thread)
{
    if (!thread->started)
        return 0;
    pthread_join(thread->handle, NULL);
    thread->started = false;
    return at_load_rlx(&thread->pin_result);
}

void thread_signal(const struct thread *thread, int signal)
{
    if (thread->started)
        pthread_kill(thread->handle, signal);
}

void thread_yield(void)
{
    sched_yield();
}

void thread_spin_round(unsigned round)
{
    if (round >= SPIN_ROUNDS) {
        sched_yield();
        return;
    }
    for (unsigned pause = 0; pause < 1u << round; pause++)
        cpu_relax();
}
