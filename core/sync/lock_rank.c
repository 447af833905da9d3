// SPDX-License-Identifier: Apache-2.0
// Each thread keeps its own list of the locks that it holds, so that the watching itself shares nothing and orders
// nothing: a build with it has the same races as one without.
#include "core/sync/lock_rank.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/sync/lock.h"

// More than any thread nests.
#define HELD_MAX 16u

// Rank and number are copies, since a lock that was destroyed while held can not be asked any more.
static _Thread_local struct {
    struct held_lock {
        const struct lock *lock;
        enum lock_rank rank;
        unsigned number;
    } locks[HELD_MAX];
    unsigned count;
} held;

static const char *const rank_names[] = {
    [LOCK_RANK_PORT] = "port",         [LOCK_RANK_PORT_DATA] = "port data", [LOCK_RANK_PORT_TABLE] = "port table",
    [LOCK_RANK_READY] = "ready",       [LOCK_RANK_PROGRESS] = "progress",   [LOCK_RANK_CALLING] = "calling",
    [LOCK_RANK_ELEMENTS] = "elements", [LOCK_RANK_QUEUE] = "queue",         [LOCK_RANK_LEAF] = "leaf",
};

static _Noreturn void refuse(const struct lock *lock, const char *deed)
{
    char thread[16] = "", list[1024];
    int length = snprintf(list, sizeof list, "%s", held.count ? "" : " no lock");
    for (unsigned i = 0; i < held.count && length < (int)sizeof list; i++)
        length += snprintf(list + length, sizeof list - (size_t)length, "%s %s lock %u (%s)", i ? "," : "",
                           rank_names[held.locks[i].rank], held.locks[i].number, held.locks[i].lock->ops->name);
    pthread_getname_np(pthread_self(), thread, sizeof thread);
    fprintf(stderr, "lock order: thread %s (%d) %s %s lock %u (%s) while it holds%s\n", thread, (int)gettid(), deed,
            rank_names[lock->rank], lock->number, lock->ops->name, list);
    abort();
}

static bool comes_after(const struct lock *lock, const struct held_lock *before)
{
    return lock->rank > before->rank || (lock->rank == before->rank && lock->number > before->number);
}

void lock_rank_acquire(const struct lock *lock)
{
    for (unsigned i = 0; i < held.count; i++) {
        if (held.locks[i].lock == lock)
            refuse(lock, "acquires once more");
        if (!comes_after(lock, &held.locks[i]))
            refuse(lock, "acquires out of order");
    }
    if (held.count == HELD_MAX)
        refuse(lock, "holds too many locks to acquire");
    held.locks[held.count++] = (struct held_lock){lock, lock->rank, lock->number};
}

void lock_rank_release(const struct lock *lock)
{
    unsigned place = 0;
    while (place < held.count && held.locks[place].lock != lock)
        place++;
    if (place == held.count)
        refuse(lock, "releases but does not hold");
    held.count--;
    for (; place < held.count; place++)
        held.locks[place] = held.locks[place + 1];
}

unsigned lock_rank_held(void)
{
    return held.count;
}
